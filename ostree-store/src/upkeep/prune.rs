//! Taking away what no commit needs, and commits that nobody wants to keep.
//!
//! | step | what |
//! |---|---|
//! | lock | the exclusive lock for all of it: no transaction runs that counts on an object found in the repository |
//! | roots | which commits stay ([`Roots`]), and the objects they reach |
//! | sweep | everything else goes: commits first, then dirtrees, dirmetas, files |
//! | rest | static deltas to commits that are gone, cached summaries of remotes that are gone, marks of partial commits that are gone |
//!
//! The order of the sweep means that no commit ever lacks an object because of a prune that was broken off: a child
//! goes only after every commit that reaches it. The next run takes away what is left.
//!
//! Unlike ostree 2022.7: which commits stay is found under the lock that covers the deletion too (ostree takes the
//! lock later when branches are told apart, so a commit published in between would be lost); it does not depend on
//! the order in which refs are met; refs in `refs/mirrors` always count; and nothing is deleted while a ref cannot be
//! read or metadata that is to stay is corrupt, because what it names is not known then.

mod deltas;
mod links;
mod roots;
mod sweep;

use crate::checksum::CommitId;
use crate::object::ObjectKind;
use crate::path_error::PathError;
use crate::repo::{ReadError, RefError, Repo, RepoError};

use super::reach::Unsound;
pub use roots::{Ancestors, Roots};

/// What is to be kept and how far to go.
#[derive(Clone, Debug, Default)]
pub struct PruneOptions {
    /// Which commits stay.
    pub roots: Roots,
    /// Only commits go; what only they reached stays behind without an owner.
    pub commits_only: bool,
    /// Nothing is deleted; the report says what would be.
    pub dry_run: bool,
    /// This commit goes first. No ref may name it.
    pub delete_commit: Option<CommitId>,
    /// Only the static deltas to this commit go first, not the commit.
    pub delete_deltas_to: Option<CommitId>,
    /// Objects that no commit needs stay if their file was written (or linked) at this time or later, in seconds
    /// since 1970, and so does all that they need: for commits that get their ref later, and for writers that do not
    /// take the lock.
    pub keep_since: Option<i64>,
}

/// What a prune did, or would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PruneReport {
    /// How many objects there were; with [`PruneOptions::commits_only`] only commits count.
    pub total: u64,
    /// How many of them no commit that stays needs, and that are not kept for their age.
    pub deleted: u64,
    /// The sizes of their files together, in bytes.
    pub freed: u64,
    /// How many nobody needs and are kept for their age.
    pub young: u64,
}

/// Why a repository could not be pruned.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// The commit to delete has a name.
    #[error("Commit '{commit}' is referenced by {name}")]
    Referenced {
        /// The commit.
        commit: CommitId,
        /// The ref: `'main'`, or `(collection, ref)`.
        name: String,
    },
    /// The commit to delete is not there.
    #[error("Deleting object {commit}.commit: unlinkat({path}): No such file or directory")]
    NoCommit {
        /// The commit.
        commit: CommitId,
        /// Its file, relative to `objects`.
        path: String,
    },
    /// The repository could not be locked or changed.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// A ref cannot be read, so that what it keeps is not known.
    #[error(transparent)]
    Ref(#[from] RefError),
    /// An object that is to stay cannot be relied on, so that what it needs is not known.
    #[error(transparent)]
    Unsound(#[from] Unsound),
    /// The file system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl From<ReadError> for PruneError {
    fn from(error: ReadError) -> Self {
        PruneError::Unsound(Unsound::Read(error))
    }
}

/// Prunes a repository. `progress` is called with the number of objects deleted and of all to be.
///
/// Takes the exclusive lock, so a transaction of the calling process that is still open makes this wait until the
/// time is over.
pub fn prune(
    repo: &Repo,
    options: &PruneOptions,
    progress: &dyn Fn(u64, u64),
) -> Result<PruneReport, PruneError> {
    let _lock = repo.lock_exclusive()?;
    let mut tombstones = repo.keeps_tombstones().map_err(RepoError::from)?;
    if let Some(commit) = &options.delete_commit {
        delete_commit(repo, commit)?;
        tombstones = true;
    }
    if let Some(commit) = &options.delete_deltas_to {
        deltas::remove(repo, &|to| Ok(to == commit))?;
    }
    let objects = repo.objects()?;
    let reach = roots::reach(repo, options, &objects)?;
    let report = sweep::sweep(repo, options, (objects, reach), tombstones, progress)?;
    if !options.dry_run {
        remove_rest(repo)?;
    }
    Ok(report)
}

/// Deletes a commit that was asked for by name. As in ostree, from then on the repository keeps tombstones.
fn delete_commit(repo: &Repo, commit: &CommitId) -> Result<(), PruneError> {
    if let Some(name) = roots::name_of(repo, commit)? {
        return Err(PruneError::Referenced {
            commit: *commit,
            name,
        });
    }
    if !repo.has_own(ObjectKind::Commit, commit.checksum())? {
        let text = commit.to_string();
        let (prefix, rest) = text.split_at_checked(2).unwrap_or_default();
        return Err(PruneError::NoCommit {
            commit: *commit,
            path: format!("{prefix}/{rest}.commit"),
        });
    }
    if !repo.keeps_tombstones().map_err(RepoError::from)? {
        repo.enable_tombstones()?;
    }
    Ok(repo.remove_commit(commit, true)?)
}

/// What belonged to things that are gone.
fn remove_rest(repo: &Repo) -> Result<(), PruneError> {
    let gone = |commit: &CommitId| {
        let found = repo.has(ObjectKind::Commit, commit.checksum())?;
        Ok(!found)
    };
    deltas::remove(repo, &gone)?;
    for (commit, _) in repo.partial_commits()? {
        if gone(&commit)? {
            repo.remove_commit(&commit, false)?;
        }
    }
    Ok(deltas::remove_cached_summaries(repo)?)
}
