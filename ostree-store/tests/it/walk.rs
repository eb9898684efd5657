//! Paths in stored trees. The messages are those of ostree 2022.7 for the same tree and paths.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use ostree_store::object::{Commit, DirMeta, FileHeader, ObjectSink};
use ostree_store::repo::{Repo, RepoMode};
use ostree_store::tree::import_dir::import_dir;
use ostree_store::tree::modify::Modifier;
use ostree_store::tree::walk::{Depth, Entry, WalkError, list, resolve, resolve_following};

/// Stores the directory and returns its root.
fn stored(repo: &Repo, dir: &Path) -> Entry {
    let transaction = repo.transaction().unwrap();
    let canonical = Modifier {
        canonical_permissions: true,
        ..Modifier::default()
    };
    let tree = import_dir(dir, &canonical, &transaction).unwrap();
    let (tree, meta) = tree.write(&transaction).unwrap();
    transaction.publish().unwrap();
    Entry::Dir { tree, meta }
}

struct Sample {
    _dir: fixtures::Scratch,
    repo: Repo,
    root: Entry,
}

fn sample() -> Sample {
    let dir = fixtures::scratch("walk");
    let source = dir.path().join("source");
    fs::create_dir_all(source.join("b/c")).unwrap();
    fs::create_dir(source.join("e")).unwrap();
    fs::write(source.join("b/f"), "x").unwrap();
    fs::write(source.join("top"), "y").unwrap();
    for (target, link) in [
        ("b", "ld"),
        ("f", "b/lf"),
        ("../top", "b/up"),
        ("loop", "loop"),
        ("/b/f", "abs"),
        ("nope", "dangling"),
        ("../../../b/./c/../f", "b/c/far"),
    ] {
        symlink(target, source.join(link)).unwrap();
    }
    let repo = Repo::create(&dir.path().join("repo"), RepoMode::BareUser).unwrap();
    let root = stored(&repo, &source);
    Sample {
        _dir: dir,
        repo,
        root,
    }
}

#[test]
fn paths_are_taken_literally() {
    let Sample { repo, root, .. } = &sample();
    let found = |path: &str| resolve(repo, *root, path).map_err(|e| e.to_string());
    assert_eq!(found("/").unwrap(), *root);
    assert_eq!(found("/b/f").unwrap(), found("b/f").unwrap());
    assert!(matches!(found("/ld").unwrap(), Entry::File(_)));
    for (path, message) in [
        ("/nope", "No such file or directory: /nope"),
        ("nope", "No such file or directory: /nope"),
        ("/b/nope/x", "No such file or directory: /b/nope"),
        ("/b/f/x", "Not a directory"),
        ("/b/f/", "Not a directory"),
        ("/ld/f", "Not a directory"),
        ("/b/", "No such file or directory: /b/"),
        ("/..", "No such file or directory: /.."),
        ("/b/../top", "No such file or directory: /b/.."),
        (".", "No such file or directory: /."),
        ("", "No such file or directory: /"),
        ("//b", "No such file or directory: /"),
    ] {
        assert_eq!(found(path), Err(message.to_owned()), "{path:?}");
    }
}

#[test]
fn links_are_followed_within_the_tree() {
    let Sample { repo, root, .. } = &sample();
    let at = |path: &str| resolve(repo, *root, path).unwrap();
    let following = |path: &str| resolve_following(repo, *root, path);
    for (path, leads_to) in [
        ("/b/f", "/b/f"),
        ("/b/lf", "/b/f"),
        ("ld/f", "/b/f"),
        ("/abs", "/b/f"),
        ("/b/up", "/top"),
        ("/b/c/far", "/b/f"),
        ("/../..//./ld/", "/b"),
        ("/ld/c/..", "/b"),
        ("..", "/"),
    ] {
        assert_eq!(following(path).unwrap(), at(leads_to), "{path:?}");
    }
    assert!(matches!(following("/loop"), Err(WalkError::Links { .. })));
    assert_eq!(
        following("/dangling").unwrap_err().to_string(),
        "No such file or directory: /nope"
    );
    assert_eq!(
        following("/ld/nope/x").unwrap_err().to_string(),
        "No such file or directory: /b/nope"
    );
    for path in ["/top/x", "/top/.."] {
        assert_eq!(
            following(path).unwrap_err().to_string(),
            "Not a directory",
            "{path:?}"
        );
    }
}

/// What `ostree ls -R` printed for this tree.
#[test]
fn lists_have_files_first() {
    let Sample { repo, root, .. } = &sample();
    let paths = |path: &str, depth| -> Vec<String> {
        let entry = resolve(repo, *root, path).unwrap();
        list(repo, path, entry, depth)
            .map(|listed| listed.unwrap().path)
            .collect()
    };
    let all = "/ /abs /dangling /ld /loop /top /b /b/f /b/lf /b/up /b/c /b/c/far /e";
    assert_eq!(paths("/", Depth::All).join(" "), all);
    assert_eq!(
        paths("/", Depth::Children).join(" "),
        "/ /abs /dangling /ld /loop /top /b /e"
    );
    assert_eq!(
        paths("/b", Depth::Children).join(" "),
        "/b /b/f /b/lf /b/up /b/c"
    );
    assert_eq!(paths("/b", Depth::Itself), ["/b"]);
    assert_eq!(paths("/top", Depth::All), ["/top"]);
}

/// A tree as deep as nobody should make it is listed without using up the stack.
#[test]
fn depth_is_no_danger() {
    let dir = fixtures::scratch("deep-list");
    let mut repo = Repo::create(&dir.path().join("repo"), RepoMode::BareUserOnly).unwrap();
    repo.set_fsync(false);
    let transaction = repo.transaction().unwrap();
    let meta = transaction.dirmeta(&DirMeta::root_owned(0o755)).unwrap();
    let file = transaction
        .file(&FileHeader::root_owned(0o644), 0, &mut std::io::empty())
        .unwrap();
    let name = ostree_store::object::Name::new("d").unwrap();
    let mut dir = ostree_store::object::DirTree::default();
    dir.files.insert(name.clone(), file);
    for _ in 0..1500 {
        let tree = transaction.dirtree(&dir).unwrap();
        dir = ostree_store::object::DirTree::default();
        dir.dirs.insert(name.clone(), (tree, meta));
    }
    let tree = transaction.dirtree(&dir).unwrap();
    transaction.publish().unwrap();
    let commit = Commit {
        metadata: ostree_store::gvariant::Dict::default(),
        parent: None,
        related: Vec::new(),
        subject: String::new(),
        body: String::new(),
        timestamp: 0,
        root_tree: tree,
        root_meta: meta,
    };
    let listed = list(&repo, "/", Entry::root_of(&commit), Depth::All);
    assert_eq!(listed.filter(Result::is_ok).count(), 1502);
    assert!(resolve(&repo, Entry::root_of(&commit), &"d/".repeat(1501)[..3001]).is_ok());
}
