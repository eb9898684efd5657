//! Marks of partial commits, as ours and the real tool's fsck see them.

use fixtures::peer;
use ostree_store::checksum::CommitId;
use ostree_store::gvariant::Dict;
use ostree_store::object::{Commit, DirMeta, DirTree, ObjectSink};
use ostree_store::repo::{Partial, Repo, RepoMode};

/// A repository with one commit of an empty directory.
fn with_commit(dir: &std::path::Path) -> (Repo, CommitId) {
    let repo = Repo::create(&dir.join("repo"), RepoMode::Archive).unwrap();
    let transaction = repo.transaction().unwrap();
    let commit = Commit {
        root_tree: transaction.dirtree(&DirTree::default()).unwrap(),
        root_meta: transaction.dirmeta(&DirMeta::root_owned(0o755)).unwrap(),
        metadata: Dict::default(),
        parent: None,
        related: Vec::new(),
        subject: String::new(),
        body: String::new(),
        timestamp: 0,
    };
    let id = transaction.commit(&commit).unwrap();
    transaction.publish().unwrap();
    (repo, id)
}

#[test]
fn marks_are_set_replaced_and_taken_away() {
    let dir = fixtures::scratch("partial");
    let (repo, id) = with_commit(dir.path());
    assert_eq!(repo.partial(&id).unwrap(), None);
    repo.clear_partial(&id).unwrap();
    for reason in [
        Partial::FoundByFsck,
        Partial::NotFetched,
        Partial::FoundByFsck,
    ] {
        repo.mark_partial(&id, reason).unwrap();
        assert_eq!(repo.partial(&id).unwrap(), Some(reason));
        let by_fsck = reason == Partial::FoundByFsck;
        assert_eq!(repo.partial_commits().unwrap(), [(id, by_fsck)]);
    }
    repo.clear_partial(&id).unwrap();
    assert_eq!(repo.partial_commits().unwrap(), []);
}

#[test]
fn strange_files_are_no_marks() {
    let dir = fixtures::scratch("partial");
    dir.unjudged("", "a fifo for a mark: the real tool waits for it");
    let (repo, id) = with_commit(dir.path());
    let state = repo.path().join("state");
    for name in ["x.commitpartial", ".commitpartial", "other"] {
        std::fs::write(state.join(name), "f").unwrap();
    }
    assert_eq!(repo.partial_commits().unwrap(), []);
    // A fifo would make whoever opens it wait for ever.
    let fifo = state.join(format!("{id}.commitpartial"));
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
    )
    .unwrap();
    assert!(repo.partial(&id).unwrap().is_some());
}

#[test]
fn the_real_fsck_understands_the_marks() {
    let Some(ostree) = peer::ostree() else { return };
    let dir = fixtures::scratch("partial");
    let (repo, id) = with_commit(dir.path());
    let ask = || ostree.run(["fsck", "-q", "--repo", &repo.path().display().to_string()]);
    repo.mark_partial(&id, Partial::NotFetched).unwrap();
    let answer = ask().success();
    assert!(
        answer
            .stdout_text()
            .contains("1 partial commits not verified")
    );
    repo.mark_partial(&id, Partial::FoundByFsck).unwrap();
    assert_eq!(ask().code, Some(1));
    repo.clear_partial(&id).unwrap();
    ask().success();
}
