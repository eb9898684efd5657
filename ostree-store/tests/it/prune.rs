//! Taking away what nobody needs: what stays, and what a prune that was broken off leaves.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fixtures::peer;
use ostree_store::checksum::{Checksum, CommitId, DirTreeId};
use ostree_store::gvariant::Dict;
use ostree_store::object::{Commit, DirMeta, DirTree, FileHeader, Name, ObjectKind, ObjectSink};
use ostree_store::repo::{Repo, RepoMode, Transaction};
use ostree_store::upkeep::Object;
use ostree_store::upkeep::fsck::fsck;
use ostree_store::upkeep::prune::{Ancestors, PruneError, PruneOptions, PruneReport, Roots, prune};

fn new_repo(path: &Path) -> Repo {
    let mut repo = Repo::create(path, RepoMode::Archive).unwrap();
    repo.set_fsync(false);
    repo
}

/// Writes a commit of `/dir/file` and `/same`, where only the file's content is new.
fn write(transaction: &Transaction<'_>, number: i64, parent: Option<CommitId>) -> CommitId {
    let header = FileHeader::root_owned(0o644);
    let file = |text: &str| {
        let size = text.len() as u64;
        transaction
            .file(&header, size, &mut text.as_bytes())
            .unwrap()
    };
    let mut dir = DirTree::default();
    dir.files
        .insert(Name::new("file").unwrap(), file(&format!("{number}\n")));
    let dir = transaction.dirtree(&dir).unwrap();
    let meta = transaction.dirmeta(&DirMeta::root_owned(0o755)).unwrap();
    let mut root = DirTree::default();
    root.files
        .insert(Name::new("same").unwrap(), file("same\n"));
    root.dirs.insert(Name::new("dir").unwrap(), (dir, meta));
    let commit = Commit {
        metadata: Dict::default(),
        parent,
        related: Vec::new(),
        subject: String::new(),
        body: String::new(),
        timestamp: number,
        root_tree: transaction.dirtree(&root).unwrap(),
        root_meta: meta,
    };
    transaction.commit(&commit).unwrap()
}

/// A history of commits with the times 1, 2, 3, …; the last one is called `main`.
fn history(repo: &Repo, length: i64) -> Vec<CommitId> {
    let transaction = repo.transaction().unwrap();
    let mut commits = Vec::new();
    for number in 1..=length {
        commits.push(write(&transaction, number, commits.last().copied()));
    }
    transaction.set_ref("main".parse().unwrap(), commits.last().copied());
    transaction.publish().unwrap();
    commits
}

fn refs(others: Ancestors) -> PruneOptions {
    PruneOptions {
        roots: Roots::Refs {
            branches: [].into(),
            others,
        },
        ..PruneOptions::default()
    }
}

fn pruned(repo: &Repo, options: &PruneOptions) -> PruneReport {
    prune(repo, options, &|_, _| {}).unwrap()
}

fn objects(repo: &Repo) -> BTreeSet<Object> {
    repo.objects().unwrap().into_iter().collect()
}

fn commits(repo: &Repo) -> usize {
    let is_commit = |(kind, _): &&Object| *kind == ObjectKind::Commit;
    objects(repo).iter().filter(is_commit).count()
}

#[test]
fn ancestors_are_kept_as_asked() {
    let dir = fixtures::scratch("ancestors");
    let repo = new_repo(&dir.path().join("repo"));
    history(&repo, 6);
    for (rule, kept) in [
        (Ancestors::All, 6),
        (Ancestors::Generations(4), 5),
        (Ancestors::Since(i64::MIN), 5),
        (Ancestors::Since(3), 4),
        (Ancestors::Since(100), 1),
        (Ancestors::Generations(0), 1),
    ] {
        pruned(&repo, &refs(rule));
        assert_eq!(commits(&repo), kept, "{rule:?}");
        assert!(fsck(&repo, &|_, _| {}).unwrap().is_clean());
    }
}

/// The state after each single deletion is one in which a process that is killed may leave the repository.
#[test]
fn a_prune_may_be_broken_off_after_every_deletion() {
    let ostree = peer::ostree();
    let mut wanted = None;
    for moment in 1.. {
        let dir = fixtures::scratch("broken-off");
        let repo = new_repo(&dir.path().join("repo"));
        history(&repo, 5);
        let transaction = repo.transaction().unwrap();
        write(&transaction, 77, None);
        transaction.publish().unwrap();
        let options = refs(Ancestors::Generations(1));
        let last = Cell::new(0);
        let broken = catch_unwind(AssertUnwindSafe(|| {
            let _ = prune(&repo, &options, &|done, all| {
                last.set(all);
                if done == moment {
                    std::panic::resume_unwind(Box::new("killed"));
                }
            });
        }));
        let report = fsck(&repo, &|_, _| {}).unwrap();
        assert!(report.is_clean(), "after {moment} deletions: {report:?}");
        if let Some(ostree) = ostree.as_ref().filter(|_| moment % 4 == 1) {
            let repo = format!("--repo={}", repo.path().display());
            ostree.run(["fsck", "-q", &repo]).success();
        }
        pruned(&repo, &options);
        let left = objects(&repo);
        assert_eq!(*wanted.get_or_insert_with(|| left.clone()), left);
        if broken.is_ok() {
            assert_eq!(moment, last.get() + 1);
            assert!(moment > 12, "only {moment} moments");
            break;
        }
    }
}

/// Whoever is young keeps what it needs, however old that is.
#[test]
fn young_objects_keep_what_they_need() {
    let dir = fixtures::scratch("young");
    let repo = new_repo(&dir.path().join("repo"));
    history(&repo, 1);
    let transaction = repo.transaction().unwrap();
    let orphan = write(&transaction, 50, None);
    transaction.publish().unwrap();
    let keep = |since| PruneOptions {
        keep_since: Some(since),
        ..refs(Ancestors::All)
    };
    let before = objects(&repo);
    let report = pruned(&repo, &keep(0));
    assert_eq!((report.deleted, report.young), (0, 4));
    assert_eq!(objects(&repo), before);
    assert!(repo.commit(&orphan).is_ok());
    let report = pruned(&repo, &keep(i64::MAX));
    assert_eq!((report.deleted, report.young), (4, 0));
}

/// What stands in a corrupt directory is not known, so nothing is deleted.
#[test]
fn nothing_goes_while_a_directory_is_corrupt() {
    let dir = fixtures::scratch("corrupt");
    dir.damaged("", "a directory is changed");
    let repo = new_repo(&dir.path().join("repo"));
    let tip = history(&repo, 3).pop().unwrap();
    let root: DirTreeId = repo.commit(&tip).unwrap().root_tree;
    let path = repo.object_path(ObjectKind::DirTree, root.checksum());
    let mut bytes = fs::read(&path).unwrap();
    bytes[20] ^= 1;
    fs::write(&path, bytes).unwrap();
    let before = objects(&repo);
    for options in [PruneOptions::default(), refs(Ancestors::Generations(0))] {
        let refused = prune(&repo, &options, &|_, _| {}).unwrap_err();
        assert!(matches!(refused, PruneError::Unsound(_)), "{refused}");
        assert_eq!(objects(&repo), before);
    }
}

#[test]
fn a_commit_with_a_name_is_not_deleted() {
    let dir = fixtures::scratch("named");
    let repo = new_repo(&dir.path().join("repo"));
    let commits = history(&repo, 2);
    let delete = |commit| PruneOptions {
        delete_commit: Some(commit),
        ..PruneOptions::default()
    };
    let refused = prune(&repo, &delete(commits[1]), &|_, _| {}).unwrap_err();
    assert!(matches!(refused, PruneError::Referenced { .. }));
    let missing = CommitId::new(Checksum::of(b"no commit"));
    let refused = prune(&repo, &delete(missing), &|_, _| {}).unwrap_err();
    assert!(matches!(refused, PruneError::NoCommit { .. }));
    assert!(!repo.has_tombstone(&missing).unwrap());
    pruned(&repo, &delete(commits[0]));
    assert!(repo.has_tombstone(&commits[0]).unwrap());
    let transaction = repo.transaction().unwrap();
    assert_eq!(write(&transaction, 1, None), commits[0]);
    transaction.publish().unwrap();
    assert!(!repo.has_tombstone(&commits[0]).unwrap());
}

/// The bytes are those of the vectors.
#[test]
fn tombstones_are_those_of_ostree() {
    for row in crate::vectors::rows("detached_and_tombstone") {
        if row["name"] != "tombstone" {
            continue;
        }
        let dir = fixtures::scratch("tombstone");
        let repo = new_repo(&dir.path().join("repo"));
        let commit = crate::vectors::text(&row, "commit");
        let path = format!("objects/{}/{}.commit", &commit[..2], &commit[2..]);
        let path = repo.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        let id = CommitId::new(commit.parse().unwrap());
        repo.remove_commit(&id, true).unwrap();
        let bytes = fs::read(path.with_extension("tombstone-commit")).unwrap();
        assert_eq!(bytes, crate::vectors::hex(&row, "bytes_hex"));
        return;
    }
    panic!("no vector");
}
