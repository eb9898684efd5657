//! Checkouts onto hostile ground, and their errors. What a checkout looks like is compared with the real ostree in
//! [`super::peer`].

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use ostree_store::checksum::{DirMetaId, DirTreeId};
use ostree_store::object::{DirMeta, FileHeader, Name, ObjectKind, ObjectSink};
use ostree_store::repo::{Repo, RepoMode};
use ostree_store::tree::Tree;
use ostree_store::tree::checkout::{
    CheckoutError, CheckoutOptions, Overwrite, Ownership, checkout, checkout_file,
};

/// `d/f` with a content, `file` and `link`.
fn stored(repo: &Repo) -> (DirTreeId, DirMetaId) {
    let transaction = repo.transaction().unwrap();
    let name = |text: &str| Name::new(text).unwrap();
    let file = |mode, content: &[u8]| {
        let header = FileHeader::root_owned(mode);
        transaction
            .file(&header, content.len() as u64, &mut &*content)
            .unwrap()
    };
    let meta = transaction.dirmeta(&DirMeta::root_owned(0o755)).unwrap();
    let mut tree = Tree {
        meta: Some(meta),
        ..Tree::default()
    };
    tree.put_file(name("file"), file(0o644, b"content"))
        .unwrap();
    let link = transaction
        .file(&FileHeader::symlink("d/f"), 0, &mut std::io::empty())
        .unwrap();
    tree.put_file(name("link"), link).unwrap();
    let below = tree.open_dir(&transaction, &name("d")).unwrap();
    below.meta = Some(transaction.dirmeta(&DirMeta::root_owned(0o750)).unwrap());
    below.put_file(name("f"), file(0o600, b"below")).unwrap();
    let ids = tree.write(&transaction).unwrap();
    transaction.publish().unwrap();
    ids
}

fn repository(dir: &Path, mode: RepoMode) -> Repo {
    let mut repo = Repo::create(&dir.join("repo"), mode).unwrap();
    repo.set_fsync(false);
    repo
}

fn user(overwrite: Overwrite) -> CheckoutOptions {
    CheckoutOptions {
        ownership: Ownership::User,
        overwrite,
        ..CheckoutOptions::default()
    }
}

#[test]
fn a_tree_is_made() {
    for mode in [
        RepoMode::BareUser,
        RepoMode::BareUserOnly,
        RepoMode::Archive,
    ] {
        let dir = fixtures::scratch("made");
        let repo = repository(dir.path(), mode);
        let (tree, meta) = stored(&repo);
        let destination = dir.path().join("out");
        checkout(&repo, &tree, &meta, &destination, &user(Overwrite::Refuse)).unwrap();
        assert_eq!(fs::read(destination.join("link")).unwrap(), b"below");
        assert_eq!(fs::read(destination.join("file")).unwrap(), b"content");
        let stat = fs::metadata(destination.join("d")).unwrap();
        assert_eq!(
            (stat.permissions().mode() & 0o7777, stat.mtime()),
            (0o750, 0)
        );
    }
}

/// Links that stand where the tree has directories lead out of the destination. They are not followed, with either
/// way to merge.
#[test]
fn nothing_lands_outside() {
    for mode in [RepoMode::BareUser, RepoMode::Archive] {
        for overwrite in [Overwrite::Union, Overwrite::UnionAdd] {
            let dir = fixtures::scratch("outside");
            let repo = repository(dir.path(), mode);
            let (tree, meta) = stored(&repo);
            let (destination, outside) = (dir.path().join("out"), dir.path().join("outside"));
            fs::create_dir(&destination).unwrap();
            fs::create_dir(&outside).unwrap();
            symlink("../outside", destination.join("d")).unwrap();
            fs::write(outside.join("victim"), "untouched").unwrap();
            symlink("../outside/victim", destination.join("file")).unwrap();
            let error = checkout(&repo, &tree, &meta, &destination, &user(overwrite)).unwrap_err();
            assert_eq!(error.to_string(), "opendir(d): Not a directory");
            assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
            assert_eq!(fs::read(outside.join("victim")).unwrap(), b"untouched");
            let replaced = fs::symlink_metadata(destination.join("file"))
                .unwrap()
                .is_file();
            assert_eq!(replaced, overwrite == Overwrite::Union);
        }
    }
}

/// A file over a directory is an error that leaves nothing of its own behind.
#[test]
fn a_directory_is_not_replaced() {
    let dir = fixtures::scratch("over");
    let repo = repository(dir.path(), RepoMode::Archive);
    let (tree, meta) = stored(&repo);
    let destination = dir.path().join("out");
    for name in ["file", "link"] {
        fs::create_dir_all(destination.join(name)).unwrap();
        let error =
            checkout(&repo, &tree, &meta, &destination, &user(Overwrite::Union)).unwrap_err();
        assert!(
            matches!(&error, CheckoutError::Copy { name: said, .. } if said == name),
            "{error}"
        );
        assert!(error.to_string().ends_with("Is a directory"), "{error}");
        let left = fs::read_dir(&destination)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        assert!(
            left.into_iter()
                .all(|name| !name.to_string_lossy().contains("tmp"))
        );
        fs::remove_dir(destination.join(name)).unwrap();
    }
    checkout(&repo, &tree, &meta, &destination, &user(Overwrite::Union)).unwrap();
    checkout(&repo, &tree, &meta, &destination, &user(Overwrite::Union)).unwrap();
}

#[test]
fn the_destination_must_be_new() {
    let dir = fixtures::scratch("new");
    let repo = repository(dir.path(), RepoMode::BareUser);
    let (tree, meta) = stored(&repo);
    let said = |destination: &Path| {
        checkout(&repo, &tree, &meta, destination, &user(Overwrite::Refuse))
            .unwrap_err()
            .to_string()
    };
    fs::create_dir(dir.path().join("there")).unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    assert_eq!(said(&dir.path().join("there")), "mkdirat: File exists");
    assert_eq!(
        said(&dir.path().join("none/below")),
        "mkdirat: No such file or directory"
    );
    assert_eq!(
        said(&dir.path().join("file/below")),
        "mkdirat: Not a directory"
    );
    let both = CheckoutOptions {
        force_copy: true,
        require_hard_links: true,
        ..user(Overwrite::Refuse)
    };
    let error = checkout(&repo, &tree, &meta, &dir.path().join("new"), &both).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Cannot specify both --require-hardlinks and --force-copy"
    );
}

#[test]
fn one_file_goes_into_a_directory() {
    let dir = fixtures::scratch("one");
    let repo = repository(dir.path(), RepoMode::BareUser);
    let transaction = repo.transaction().unwrap();
    let id = transaction
        .file(&FileHeader::root_owned(0o644), 2, &mut &b"hi"[..])
        .unwrap();
    transaction.publish().unwrap();
    let name = Name::new("f").unwrap();
    let destination = dir.path().join("out");
    checkout_file(&repo, &name, &id, &destination, &user(Overwrite::Refuse)).unwrap();
    assert_eq!(
        fs::metadata(&destination).unwrap().permissions().mode() & 0o7777,
        0o700
    );
    assert_eq!(fs::read(destination.join("f")).unwrap(), b"hi");
    assert!(checkout_file(&repo, &name, &id, &destination, &user(Overwrite::Refuse)).is_err());
    checkout_file(&repo, &name, &id, &destination, &user(Overwrite::Union)).unwrap();
}

/// A content that does not reach the end its header announces never becomes a file.
#[test]
fn a_broken_object_makes_no_file() {
    let dir = fixtures::scratch("broken");
    let repo = repository(dir.path(), RepoMode::Archive);
    let (tree, meta) = stored(&repo);
    let objects = repo.objects().unwrap();
    let is_content = |name| {
        let mut content = String::new();
        let id = ostree_store::checksum::FileId::new(name);
        repo.file(&id).unwrap().read_to_string(&mut content).is_ok() && content == "content"
    };
    let file = objects
        .iter()
        .find(|(kind, name)| *kind == ObjectKind::File && is_content(*name))
        .unwrap();
    let path = repo.object_path(ObjectKind::File, &file.1);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 4]).unwrap();
    let destination = dir.path().join("out");
    assert!(checkout(&repo, &tree, &meta, &destination, &user(Overwrite::Refuse)).is_err());
    assert!(!destination.join("file").exists());
}

/// A repository with a tree of empty files of these names, all in the root.
fn of_names(dir: &Path, names: &[&str]) -> (Repo, DirTreeId, DirMetaId) {
    let repo = repository(dir, RepoMode::BareUser);
    let transaction = repo.transaction().unwrap();
    let id = transaction
        .file(&FileHeader::root_owned(0o644), 0, &mut std::io::empty())
        .unwrap();
    let mut tree = Tree {
        meta: Some(transaction.dirmeta(&DirMeta::root_owned(0o755)).unwrap()),
        ..Tree::default()
    };
    for name in names {
        tree.put_file(Name::new(name).unwrap(), id).unwrap();
    }
    let (tree, meta) = tree.write(&transaction).unwrap();
    transaction.publish().unwrap();
    (repo, tree, meta)
}

/// Whiteouts that name the directory itself or the one above would remove those; ostree does so.
#[test]
fn whiteouts_remove_nothing_outside() {
    for (whiteout, words) in [
        (".wh...", "Invalid path uplink filename '..'"),
        (".wh..", "Invalid self-referential filename '.'"),
        (".ostree-wh...", "Invalid path uplink filename '..'"),
    ] {
        let dir = fixtures::scratch("uplink");
        let (repo, tree, meta) = of_names(dir.path(), &[whiteout]);
        let destination = dir.path().join("above/out");
        fs::create_dir_all(&destination).unwrap();
        fs::write(dir.path().join("above/victim"), "untouched").unwrap();
        fs::write(destination.join("too"), "untouched").unwrap();
        let options = CheckoutOptions {
            whiteouts: true,
            passthrough_whiteouts: true,
            ..user(Overwrite::Union)
        };
        let error = checkout(&repo, &tree, &meta, &destination, &options).unwrap_err();
        let CheckoutError::Whiteout { source, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(source.to_string(), words);
        assert!(dir.path().join("above/victim").exists() && destination.join("too").exists());
    }
}

/// What a whiteout removes is the link, not what it leads to.
#[test]
fn whiteouts_follow_no_link() {
    let dir = fixtures::scratch("link");
    let (repo, tree, meta) = of_names(dir.path(), &[".wh.link", ".wh.full"]);
    let (destination, outside) = (dir.path().join("out"), dir.path().join("outside"));
    fs::create_dir_all(destination.join("full/of/things")).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("victim"), "untouched").unwrap();
    symlink("../outside", destination.join("link")).unwrap();
    symlink("../../outside", destination.join("full/link")).unwrap();
    let options = CheckoutOptions {
        whiteouts: true,
        ..user(Overwrite::Union)
    };
    checkout(&repo, &tree, &meta, &destination, &options).unwrap();
    assert_eq!(fs::read_dir(&destination).unwrap().count(), 0);
    assert!(outside.join("victim").exists());
}

/// A copy in the cache that was cut short by somebody is not ours to judge, but one that we make is whole or not there.
#[test]
fn a_broken_object_does_not_enter_the_cache() {
    let dir = fixtures::scratch("cache");
    let repo = repository(dir.path(), RepoMode::Archive);
    let (tree, meta) = stored(&repo);
    for (kind, checksum) in repo.objects().unwrap() {
        let path = repo.object_path(kind, &checksum);
        let bytes = fs::read(&path).unwrap();
        if kind == ObjectKind::File {
            fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        }
    }
    let options = CheckoutOptions {
        uncompressed_cache: true,
        ..user(Overwrite::Refuse)
    };
    let destination = dir.path().join("out");
    let error = checkout(&repo, &tree, &meta, &destination, &options).unwrap_err();
    assert!(
        error.to_string().starts_with("Unpacking loose object"),
        "{error}"
    );
    let cache = dir.path().join("repo/uncompressed-objects-cache");
    for prefix in fs::read_dir(cache).unwrap() {
        assert_eq!(fs::read_dir(prefix.unwrap().path()).unwrap().count(), 0);
    }
    assert_eq!(fs::read_dir(&destination).unwrap().count(), 0);
}
