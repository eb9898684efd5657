//! Objects written, published and read back, in every mode.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;

use ostree_store::checksum::{CommitId, FileId};
use ostree_store::gvariant::{Dict, Value};
use ostree_store::object::{
    Checksummer, Commit, DirMeta, DirTree, FileHeader, Name, ObjectKind, ObjectSink, WriteError,
    Xattrs,
};
use ostree_store::repo::{RefName, Repo, RepoError, RepoMode, Transaction};

/// Sizes around the limit up to which a content stays in memory.
const SIZES: [usize; 6] = [0, 1, 4096, 1 << 20, (1 << 20) + 1, 5_000_000];

/// The modes that this user can write.
fn modes() -> impl Iterator<Item = RepoMode> {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("without root the mode bare is left out");
    }
    RepoMode::ALL
        .into_iter()
        .filter(move |mode| root || *mode != RepoMode::Bare)
}

fn noise(size: usize) -> Vec<u8> {
    (0..size).map(|index| (index * 31 % 251) as u8).collect()
}

/// Commits a flat directory of files.
fn commit_files(transaction: &Transaction<'_>, files: &[(String, FileId)]) -> CommitId {
    let files = files
        .iter()
        .map(|(name, id)| (Name::new(name).unwrap(), *id))
        .collect();
    let root_tree = transaction
        .dirtree(&DirTree {
            files,
            ..DirTree::default()
        })
        .unwrap();
    let root_meta = transaction.dirmeta(&DirMeta::root_owned(0o755)).unwrap();
    let mut metadata = Dict::default();
    metadata.push("ostree.ref-binding", Value::strings(["main"]));
    let commit = Commit {
        metadata,
        parent: None,
        related: Vec::new(),
        subject: "test".into(),
        body: String::new(),
        timestamp: 1_700_000_000,
        root_tree,
        root_meta,
    };
    transaction.commit(&commit).unwrap()
}

#[test]
fn contents_of_all_sizes_survive() {
    for mode in modes() {
        let dir = fixtures::scratch("transaction");
        let path = dir.path().join("repo");
        let repo = Repo::create(&path, mode).unwrap();
        let transaction = repo.transaction().unwrap();
        let mut files = Vec::new();
        for size in SIZES {
            let content = noise(size);
            let header = FileHeader::root_owned(if size == 1 { 0o500 } else { 0o644 });
            let id = transaction
                .file(&header, size as u64, &mut content.as_slice())
                .unwrap();
            assert_eq!(
                id,
                Checksummer
                    .file(&header, size as u64, &mut content.as_slice())
                    .unwrap()
            );
            // The second time it is there already.
            assert_eq!(
                id,
                transaction
                    .file(&header, size as u64, &mut content.as_slice())
                    .unwrap()
            );
            files.push((format!("f{size}"), id));
        }
        let link = FileHeader::symlink("f1");
        files.push((
            "link".into(),
            transaction.file(&link, 0, &mut std::io::empty()).unwrap(),
        ));
        let commit = commit_files(&transaction, &files);
        assert!(
            !repo.has(ObjectKind::File, files[0].1.checksum()).unwrap(),
            "visible before it is published"
        );
        transaction.set_ref("main".parse().unwrap(), Some(commit));
        let statistics = transaction.publish().unwrap();
        assert_eq!(
            (statistics.content_written, statistics.metadata_written),
            (7, 3)
        );
        for ((_, id), size) in files.iter().zip(SIZES) {
            let mut file = repo.file(id).unwrap();
            let mut content = Vec::new();
            file.read_to_end(&mut content).unwrap();
            assert!(content == noise(size), "{mode}: {size} bytes");
            assert_eq!(file.size, size as u64);
        }
        assert_eq!(repo.file(&files[6].1).unwrap().header, link);
        assert_eq!(repo.resolve("main").unwrap(), commit);
        let left: Vec<_> = fs::read_dir(path.join("tmp"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["cache"], "{mode}");
        if let Some(ostree) = fixtures::peer::ostree() {
            ostree
                .run([format!("--repo={}", path.display()).as_str(), "fsck"])
                .success();
        }
    }
}

#[test]
fn content_of_another_length_leaves_nothing() {
    for mode in modes() {
        let dir = fixtures::scratch("lengths");
        let repo = Repo::create(dir.path(), mode).unwrap();
        let transaction = repo.transaction().unwrap();
        for size in SIZES {
            let header = FileHeader::root_owned(0o644);
            let longer = transaction.file(&header, size as u64, &mut noise(size + 1).as_slice());
            assert!(
                matches!(longer, Err(WriteError::Size { .. })),
                "{mode}: {longer:?}"
            );
            if size > 0 {
                let shorter =
                    transaction.file(&header, size as u64, &mut noise(size - 1).as_slice());
                assert!(
                    matches!(shorter, Err(WriteError::Size { .. })),
                    "{mode}: {shorter:?}"
                );
            }
        }
        transaction.publish().unwrap();
        assert_eq!(repo.objects().unwrap(), []);
    }
}

#[test]
fn an_announced_size_is_not_trusted_with_memory() {
    let dir = fixtures::scratch("announced");
    let repo = Repo::create(dir.path(), RepoMode::BareUser).unwrap();
    let transaction = repo.transaction().unwrap();
    for size in [u64::MAX, u64::MAX - 1, 1 << 60] {
        assert!(
            transaction
                .file(&FileHeader::root_owned(0o644), size, &mut &b"x"[..])
                .is_err()
        );
    }
}

#[test]
fn bare_user_only_refuses_what_it_cannot_hold() {
    let dir = fixtures::scratch("bits");
    let repo = Repo::create(dir.path(), RepoMode::BareUserOnly).unwrap();
    let transaction = repo.transaction().unwrap();
    let refused = transaction
        .file(&FileHeader::root_owned(0o4755), 1, &mut &b"x"[..])
        .unwrap_err();
    // The words are those of the real tool.
    let id = Checksummer
        .file(&FileHeader::root_owned(0o4755), 1, &mut &b"x"[..])
        .unwrap();
    assert_eq!(
        refused.to_string(),
        format!("Content object {id}: invalid mode 0104755 with bits 04000")
    );
}

#[test]
fn an_abandoned_transaction_leaves_nothing_and_leftovers_go() {
    let dir = fixtures::scratch("abandoned");
    let repo = Repo::create(dir.path(), RepoMode::BareUser).unwrap();
    // What a killed process leaves: a staging directory whose lock nobody holds.
    let leftover = dir.path().join("tmp/staging-apk-ostree-4000000-0");
    fs::create_dir_all(leftover.join("ab")).unwrap();
    fs::write(leftover.join("ab/cd.file"), "half").unwrap();
    fs::write(dir.path().join("tmp/staging-apk-ostree-4000000-0-lock"), "").unwrap();
    let transaction = repo.transaction().unwrap();
    transaction
        .file(&FileHeader::root_owned(0o644), 1, &mut &b"x"[..])
        .unwrap();
    let other = repo.transaction().unwrap(); // must leave the first one's directory alone
    transaction.dirmeta(&DirMeta::root_owned(0o755)).unwrap();
    drop(other);
    drop(transaction);
    assert_eq!(repo.objects().unwrap(), []);
    let left: Vec<_> = fs::read_dir(dir.path().join("tmp"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["cache"]);
}

/// The new file of a ref or of the settings, which a killed process has not renamed any more.
#[test]
fn small_files_that_nobody_holds_go_with_the_next_transaction() {
    use nix::fcntl::{FcntlArg, fcntl};
    let dir = fixtures::scratch("small-files");
    let repo = Repo::create(dir.path(), RepoMode::BareUser).unwrap();
    let (left, held) = ("tmp/apk-ostree-4000000-0", "tmp/apk-ostree-4000000-1");
    fs::write(dir.path().join(left), "half").unwrap();
    let file = fs::File::create(dir.path().join(held)).unwrap();
    let exclusive = nix::libc::flock {
        l_type: nix::libc::F_WRLCK as i16,
        l_whence: 0,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_OFD_SETLK(&exclusive)).unwrap();
    repo.transaction().unwrap().publish().unwrap();
    assert!(!dir.path().join(left).exists());
    assert!(dir.path().join(held).exists());
}

#[test]
fn a_lock_that_others_hold_is_waited_for_and_named() {
    use nix::fcntl::{FcntlArg, fcntl};
    let dir = fixtures::scratch("locked");
    Repo::create(dir.path(), RepoMode::BareUser).unwrap();
    let config = dir.path().join("config");
    fs::write(
        &config,
        "[core]\nrepo_version=1\nmode=bare-user\nlock-timeout-secs=1\n",
    )
    .unwrap();
    let repo = Repo::open(dir.path()).unwrap();
    let file = fs::File::options()
        .create(true)
        .write(true)
        .truncate(true)
        .open(dir.path().join(".lock"))
        .unwrap();
    let exclusive = nix::libc::flock {
        l_type: nix::libc::F_WRLCK as i16,
        l_whence: 0,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_OFD_SETLK(&exclusive)).unwrap();
    let refused = repo.transaction().unwrap_err();
    assert!(matches!(refused, RepoError::Lock(_)));
    assert!(
        refused
            .to_string()
            .starts_with("Locking repo shared failed: Resource temporarily unavailable")
    );
    drop(file);
    repo.transaction().unwrap();
}

#[test]
fn refs_are_replaced_whole_and_conflicts_are_named() {
    let dir = fixtures::scratch("refs");
    let repo = Repo::create(dir.path(), RepoMode::BareUser).unwrap();
    let transaction = repo.transaction().unwrap();
    let commit = commit_files(&transaction, &[]);
    transaction.publish().unwrap();
    let name = |text: &str| text.parse::<RefName>().unwrap();
    repo.write_ref(&name("a/b"), Some(&commit)).unwrap();
    let error = repo.write_ref(&name("a"), Some(&commit)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Conflict: b exists under a when attempting write"
    );
    assert!(repo.write_ref(&name("a/b/c"), Some(&commit)).is_err());
    repo.write_ref(&name("a/b"), None).unwrap();
    repo.write_ref(&name("a"), Some(&commit)).unwrap(); // the empty directory is no conflict
    repo.write_ref(&name("origin:x"), Some(&commit)).unwrap();
    let refs: Vec<String> = repo.refs().unwrap().into_keys().collect();
    assert_eq!(refs, ["a", "origin:x"]);
    assert_eq!(
        fs::read_to_string(dir.path().join("refs/heads/a")).unwrap(),
        format!("{commit}\n")
    );
    assert_eq!(repo.resolve("origin/x").unwrap(), commit);
    assert_eq!(repo.resolve(&commit.to_string()[..6]).unwrap(), commit);
    assert!(
        repo.resolve("a^")
            .unwrap_err()
            .to_string()
            .ends_with("has no parent")
    );
}

#[test]
fn files_lie_as_ostree_lays_them() {
    let dir = fixtures::scratch("layout");
    let repo = Repo::create(dir.path(), RepoMode::BareUser).unwrap();
    let transaction = repo.transaction().unwrap();
    let xattrs = Xattrs::new([(b"user.a".to_vec(), b"1".to_vec())]).unwrap();
    let header = FileHeader {
        uid: 7,
        gid: 8,
        xattrs,
        ..FileHeader::root_owned(0o4_002)
    };
    let id = transaction.file(&header, 1, &mut &b"x"[..]).unwrap();
    transaction.publish().unwrap();
    let found = fs::metadata(repo.object_path(ObjectKind::File, id.checksum())).unwrap();
    // Set-id bits and others' write bit are not on the file, the owner can read it, the time is zero.
    assert_eq!((found.mode() & 0o7777, found.mtime()), (0o400, 0));
    assert_eq!(repo.file(&id).unwrap().header, header);
}

#[test]
fn a_ref_that_is_no_file_is_an_error_at_once() {
    let dir = fixtures::scratch("strange-refs");
    dir.unjudged("", "a ref without an end: the real tool reads it");
    let repo = Repo::create(dir.path(), RepoMode::BareUser).unwrap();
    std::os::unix::fs::symlink("/dev/zero", dir.path().join("refs/heads/endless")).unwrap();
    let error = repo.resolve("endless").unwrap_err();
    assert!(error.to_string().contains("refs/heads/endless"), "{error}");
    assert!(repo.refs().is_err());
}
