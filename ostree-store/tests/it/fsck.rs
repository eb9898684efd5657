//! Damage that a check must find, and sound repositories in which it must find nothing.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use fixtures::trees::{Shape, Tree as Sample};
use ostree_store::checksum::{Checksum, CommitId, DirMetaId, DirTreeId, FileId};
use ostree_store::gvariant::Dict;
use ostree_store::object::{Commit, DirMeta, DirTree, Name, ObjectKind, ObjectSink};
use ostree_store::repo::{RefName, Repo, RepoMode};
use ostree_store::tree::import_dir::import_dir;
use ostree_store::tree::modify::Modifier;
use ostree_store::upkeep::fsck::{Problem, RefFinding, Report, fsck, mark_partial};
use serde_json::Value as Json;

use crate::vectors::{hex, rows, text};

fn checked(repo: &Repo) -> Report {
    fsck(repo, &|_, _| {}).unwrap()
}

fn commit_of(root_tree: DirTreeId, root_meta: DirMetaId) -> Commit {
    Commit {
        metadata: Dict::default(),
        parent: None,
        related: Vec::new(),
        subject: String::new(),
        body: String::new(),
        timestamp: 0,
        root_tree,
        root_meta,
    }
}

/// A repository with one commit of a generated tree, under the ref `main`.
fn repository(dir: &std::path::Path, mode: RepoMode) -> (Repo, CommitId) {
    let mut repo = Repo::create(&dir.join("repo"), mode).unwrap();
    repo.set_fsync(false);
    let source = dir.join("source");
    fs::create_dir(&source).unwrap();
    let shape = Shape {
        entries: 40,
        unreadable: false,
        ..Shape::possible_in(dir).unwrap()
    };
    Sample::generate(1, &shape).write_to(&source).unwrap();
    let user_only = mode == RepoMode::BareUserOnly;
    let modifier = Modifier {
        canonical_permissions: user_only,
        no_xattrs: user_only,
        ..Modifier::default()
    };
    let transaction = repo.transaction().unwrap();
    let tree = import_dir(&source, &modifier, &transaction).unwrap();
    let (tree, meta) = tree.write(&transaction).unwrap();
    let commit = transaction.commit(&commit_of(tree, meta)).unwrap();
    transaction.set_ref("main".parse().unwrap(), Some(commit));
    transaction.publish().unwrap();
    (repo, commit)
}

/// The first object of a kind, so that the test does not depend on which ones there are.
fn any(repo: &Repo, kind: ObjectKind, wanted: impl Fn(&Checksum) -> bool) -> Checksum {
    repo.objects()
        .unwrap()
        .into_iter()
        .find(|(found, name)| *found == kind && wanted(name))
        .unwrap()
        .1
}

fn overwrite(path: &std::path::Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    let mode = fs::metadata(path).unwrap().permissions();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, mode).unwrap();
}

#[test]
fn sound_repositories_are_clean() {
    for mode in RepoMode::ALL {
        let dir = fixtures::scratch("sound");
        let (repo, commit) = repository(dir.path(), mode);
        let report = checked(&repo);
        assert!(report.is_clean(), "{mode}: {report:?}");
        assert_eq!(report.commits, [commit]);
        assert_eq!(report.objects, repo.objects().unwrap().len());
    }
}

#[test]
fn missing_objects_are_found_with_their_commits() {
    for kind in [ObjectKind::File, ObjectKind::DirMeta, ObjectKind::DirTree] {
        let dir = fixtures::scratch("missing");
        dir.damaged("", "an object is missing");
        let (repo, commit) = repository(dir.path(), RepoMode::Archive);
        let name = any(&repo, kind, |_| true);
        fs::remove_file(repo.object_path(kind, &name)).unwrap();
        let report = checked(&repo);
        let finding = report
            .findings
            .iter()
            .find(|finding| finding.object == (kind, name))
            .unwrap();
        assert!(matches!(finding.problem, Problem::Missing));
        assert_eq!(*finding.commits, [commit]);
        assert_eq!(
            report.findings.len(),
            1,
            "what is below a missing dirtree cannot be said to be missing"
        );

        mark_partial(&repo, &commit).unwrap();
        let report = checked(&repo);
        assert_eq!(report.partial, [(commit, true)]);
        assert!(report.findings.is_empty() && report.commits.is_empty() && !report.is_clean());
    }
}

#[test]
fn changed_objects_are_found() {
    for mode in RepoMode::ALL {
        for kind in [ObjectKind::File, ObjectKind::DirMeta, ObjectKind::DirTree] {
            let dir = fixtures::scratch("changed");
            dir.damaged("", "an object is changed");
            let (repo, commit) = repository(dir.path(), mode);
            let is_plain_file = |name: &Checksum| {
                let stored =
                    (kind == ObjectKind::File).then(|| repo.file(&FileId::new(*name)).unwrap());
                stored.is_none_or(|stored| stored.size > 0)
            };
            let name = any(&repo, kind, is_plain_file);
            overwrite(&repo.object_path(kind, &name), |bytes| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            });
            let report = checked(&repo);
            assert_eq!(report.findings[0].object, (kind, name), "{mode} {kind:?}");
            assert_eq!(*report.findings[0].commits, [commit]);
            assert!(!report.is_clean());
        }
    }
}

/// The metadata is part of the object, wherever the mode keeps it.
#[test]
fn changed_metadata_of_files_is_found() {
    for mode in [RepoMode::Bare, RepoMode::BareUserOnly] {
        let dir = fixtures::scratch("metadata");
        dir.damaged("", "a file has another mode");
        let (repo, _) = repository(dir.path(), mode);
        let name = any(&repo, ObjectKind::File, |name| {
            repo.file(&FileId::new(*name))
                .is_ok_and(|stored| !stored.header.is_symlink())
        });
        let path = repo.object_path(ObjectKind::File, &name);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        fs::set_permissions(&path, Permissions::from_mode(mode ^ 0o001)).unwrap();
        let report = checked(&repo);
        assert!(matches!(report.findings[0].problem, Problem::Corrupt(_)));
    }
}

#[test]
fn broken_archived_files_are_found() {
    type Change = fn(&mut Vec<u8>);
    let changes: [(&str, Change); 4] = [
        ("cut in the header", |bytes| bytes.truncate(10)),
        ("cut in the content", |bytes| {
            bytes.truncate(bytes.len() - 4);
        }),
        ("another size", |bytes| bytes[15] ^= 1),
        ("padding", |bytes| bytes[5] = 1),
    ];
    for (what, change) in changes {
        let dir = fixtures::scratch("filez");
        if what.starts_with("cut") {
            dir.damaged("", what); // the rest passes the real tool
        }
        let (repo, _) = repository(dir.path(), RepoMode::Archive);
        let name = any(&repo, ObjectKind::File, |name| {
            repo.file(&FileId::new(*name)).unwrap().size > 100
        });
        overwrite(&repo.object_path(ObjectKind::File, &name), change);
        let report = checked(&repo);
        assert_eq!(report.findings.len(), 1, "{what}");
    }
}

/// A content longer than its header says would be another file for a reader that does not stop there.
#[test]
fn longer_archived_content_is_found() {
    let dir = fixtures::scratch("longer");
    dir.damaged("", "a file has more content than it says");
    let (repo, _) = repository(dir.path(), RepoMode::Archive);
    let name = any(&repo, ObjectKind::File, |name| {
        repo.file(&FileId::new(*name)).unwrap().size > 100
    });
    let mut stored = repo.file(&FileId::new(name)).unwrap();
    let mut longer = Vec::new();
    std::io::Read::read_to_end(&mut stored, &mut longer).unwrap();
    longer.extend(b"more");
    overwrite(&repo.object_path(ObjectKind::File, &name), |bytes| {
        let header = 8 + u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
        bytes.truncate(header);
        let mut deflate = flate2::write::DeflateEncoder::new(bytes, flate2::Compression::default());
        std::io::Write::write_all(&mut deflate, &longer).unwrap();
        deflate.finish().unwrap();
    });
    assert_eq!(checked(&repo).findings.len(), 1);
}

#[test]
fn refs_to_nothing_are_found() {
    let dir = fixtures::scratch("refs");
    dir.damaged("", "a ref is no checksum");
    let (repo, commit) = repository(dir.path(), RepoMode::Archive);
    fs::remove_file(repo.object_path(ObjectKind::Commit, commit.checksum())).unwrap();
    let report = checked(&repo);
    assert!(
        matches!(&report.refs[..], [RefFinding::Missing { refspec, commit: named }]
        if refspec == "main" && *named == commit)
    );
    assert!(!report.is_clean());

    repo.write_ref(&"main".parse::<RefName>().unwrap(), None)
        .unwrap();
    fs::write(repo.path().join("refs/heads/garbage"), "garbage\n").unwrap();
    assert!(matches!(
        checked(&repo).refs[..],
        [RefFinding::Garbage { .. }]
    ));
}

/// Objects that hash to their names and should be refused all the same; ostree's own check lets many pass.
#[test]
fn meaningless_objects_are_found() {
    for row in rows("invalid_objects") {
        let dir = fixtures::scratch("meaningless");
        dir.unjudged(
            "",
            "an object means nothing, which the real tool lets pass or not",
        );
        let repo = Repo::create(&dir.path().join("repo"), RepoMode::Archive).unwrap();
        let bytes = hex(&row, "bytes_hex");
        let name = match row["checksum"].as_str() {
            Some(text) => text.parse().unwrap(),
            None => Checksum::of(&bytes),
        };
        let kind = plant(&repo, &row, name);
        let path = repo.object_path(kind, &name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        let report = checked(&repo);
        let found = report
            .findings
            .iter()
            .any(|finding| finding.object == (kind, name));
        assert!(
            found,
            "{} {}: {report:?}",
            text(&row, "type"),
            text(&row, "name")
        );
    }
}

/// Stores a commit that reaches the object of the row, which is still to be written, and says what it is.
fn plant(repo: &Repo, row: &Json, name: Checksum) -> ObjectKind {
    let transaction = repo.transaction().unwrap();
    let meta = transaction.dirmeta(&DirMeta::root_owned(0o755)).unwrap();
    let mut tree = DirTree::default();
    let kind = match text(row, "type") {
        "commit" => ObjectKind::Commit,
        "dirtree" => ObjectKind::DirTree,
        "dirmeta" => ObjectKind::DirMeta,
        "filez" => ObjectKind::File,
        other => panic!("unknown type {other}"),
    };
    if kind == ObjectKind::File {
        tree.files
            .insert(Name::new("f").unwrap(), FileId::new(name));
    }
    let tree = transaction.dirtree(&tree).unwrap();
    let commit = match kind {
        ObjectKind::DirTree => commit_of(DirTreeId::new(name), meta),
        ObjectKind::DirMeta => commit_of(tree, DirMetaId::new(name)),
        _ => commit_of(tree, meta),
    };
    transaction.commit(&commit).unwrap();
    transaction.publish().unwrap();
    kind
}
