//! What comes with a commit from another repository: a mark that it is not whole yet.
//!
//! The mark is on the disk before the commit can be seen. So a process that ends in between leaves a commit that is
//! known to be incomplete, or a whole one that nothing names.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Partial, Repo, Transaction};
use crate::checksum::CommitId;
use crate::path_error::{At, PathError};

/// What a transaction publishes around its commits.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    partial: Mutex<BTreeSet<CommitId>>,
}

impl Transaction<'_> {
    /// Marks a commit as partial before it becomes visible. The mark stays until
    /// [`Repo::clear_partial`](super::Repo::clear_partial).
    pub(crate) fn arrive_partial(&self, commit: CommitId) {
        lock(&self.arrivals.partial).insert(commit);
    }
}

impl Arrivals {
    /// To be called before any commit is visible.
    pub(super) fn before_commits(&self, repo: &Repo) -> Result<(), PathError> {
        let partial = lock(&self.partial);
        if partial.is_empty() {
            return Ok(());
        }
        let state = repo.path.join("state");
        fs::create_dir_all(&state).at("create", &state)?;
        for commit in partial.iter() {
            repo.mark_partial(commit, Partial::NotFetched)?;
        }
        if repo.fsync {
            File::open(&state)
                .and_then(|dir| dir.sync_all())
                .at("sync", &state)?;
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
