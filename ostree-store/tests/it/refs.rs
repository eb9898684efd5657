//! Names and settings through the library alone; `cli/tests/it/{refs,config,parent,remote}.rs` compare them with ostree.

use ostree_store::checksum::CommitId;
use ostree_store::gvariant::Dict;
use ostree_store::object::{Commit, DirMeta, DirTree, ObjectSink};
use ostree_store::repo::{CollectionId, IfRemoteExists, RefError, RefName, RemoteOption};
use ostree_store::repo::{Repo, RepoMode, RevError};
use std::fs;
use std::path::Path;

fn commit(repo: &Repo, name: &str, subject: &str) -> CommitId {
    let transaction = repo.transaction().unwrap();
    let commit = Commit {
        metadata: Dict::default(),
        parent: None,
        related: Vec::new(),
        subject: subject.to_owned(),
        body: String::new(),
        timestamp: 1,
        root_tree: transaction.dirtree(&DirTree::default()).unwrap(),
        root_meta: transaction.dirmeta(&DirMeta::root_owned(0o755)).unwrap(),
    };
    let id = transaction.commit(&commit).unwrap();
    transaction.set_ref(name.parse().unwrap(), Some(id));
    transaction.publish().unwrap();
    id
}

fn create(path: &Path) -> Repo {
    Repo::create(path, RepoMode::BareUserOnly).unwrap()
}

#[test]
fn an_alias_is_read_as_its_target_and_becomes_a_ref_when_written() {
    let dir = fixtures::scratch("refs");
    let repo = create(&dir.path().join("r"));
    let (first, second) = (commit(&repo, "main", "1"), commit(&repo, "other", "2"));
    let alias: RefName = "sub/al".parse().unwrap();
    repo.write_alias(&alias, "main").unwrap();
    assert!(repo.is_alias(&alias));
    assert_eq!(repo.read_ref(&alias).unwrap(), Some(first));
    assert_eq!(repo.aliases(None).unwrap()["sub/al"], "main");
    assert_eq!(repo.resolve("sub/al").unwrap(), first);
    repo.write_ref(&alias, Some(&second)).unwrap();
    assert!(!repo.is_alias(&alias));
    assert_eq!(repo.resolve("main").unwrap(), first);
    let cycle = repo.write_alias(&"main".parse().unwrap(), "main");
    assert!(matches!(cycle, Err(RefError::Cycle { .. })));
    assert!(matches!(
        repo.resolve("sub"),
        Err(RevError::Directory { .. })
    ));
    assert_eq!(repo.resolve_if_any("sub").unwrap(), None);
}

#[test]
fn a_collection_has_its_own_names() {
    let dir = fixtures::scratch("refs");
    let own: CollectionId = "org.example.Own".parse().unwrap();
    let path = dir.path().join("r");
    let repo = Repo::create_in_collection(&path, RepoMode::Archive, Some(&own)).unwrap();
    assert_eq!(repo.collection_id(), Some("org.example.Own"));
    let id = commit(&repo, "main", "1");
    let other: CollectionId = "org.example.Other".parse().unwrap();
    let name = repo.ref_in_collection(&other, "a/b").unwrap();
    repo.write_ref(&name, Some(&id)).unwrap();
    assert!(path.join("refs/mirrors/org.example.Other/a/b").is_file());
    assert_eq!(
        repo.ref_in_collection(&own, "main").unwrap(),
        "main".parse().unwrap()
    );
    let listed = repo.collection_ref_texts(None).unwrap().into_keys();
    let wanted = [(other, "a/b".to_owned()), (own, "main".to_owned())];
    assert_eq!(listed.collect::<Vec<_>>(), wanted);
    assert_eq!(repo.refs().unwrap().len(), 1);
}

#[test]
fn settings_are_written_and_read_again() {
    let dir = fixtures::scratch("refs");
    let path = dir.path().join("r");
    let mut repo = create(&path);
    let options = [
        (
            "url".to_owned(),
            RemoteOption::Text(" http://x/ ".to_owned()),
        ),
        (
            "branches".to_owned(),
            RemoteOption::List(vec!["a;b".to_owned()]),
        ),
    ];
    repo.add_remote("o", &options, IfRemoteExists::Refuse)
        .unwrap();
    assert!(repo.add_remote("o", &[], IfRemoteExists::Refuse).is_err());
    repo.add_remote("o", &[], IfRemoteExists::Keep).unwrap();
    let repo = Repo::open(&path).unwrap();
    assert_eq!(repo.remotes(), ["o"]);
    assert_eq!(repo.remote_url("o").unwrap(), " http://x/ ");
    let group = "remote \"o\"";
    assert_eq!(repo.config().strings(group, "branches").unwrap(), ["a;b"]);
    let text = fs::read_to_string(path.join("config")).unwrap();
    assert!(
        text.ends_with("[remote \"o\"]\nurl=\\shttp://x/ \nbranches=a\\;b;\n"),
        "{text}"
    );
}

#[test]
fn a_parent_gives_what_is_missing() {
    let dir = fixtures::scratch("refs");
    let parent = create(&dir.path().join("p"));
    let id = commit(&parent, "main", "1");
    let mut child = create(&dir.path().join("c"));
    let mut config = child.config().clone();
    config
        .set("core", "parent", &parent.path().display().to_string())
        .unwrap();
    child.write_config(config).unwrap();
    let child = Repo::open(child.path()).unwrap();
    assert_eq!(child.resolve("main").unwrap(), id);
    assert_eq!(child.commit(&id).unwrap().subject, "1");
    assert!(child.refs().unwrap().is_empty());
    assert!(
        !child
            .has_own(ostree_store::object::ObjectKind::Commit, id.checksum())
            .unwrap()
    );
    assert_eq!(child.with_parents().count(), 2);
}
