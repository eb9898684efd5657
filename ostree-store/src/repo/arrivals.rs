//! Marks for commits that arrive from another repository.
//!
//! The mark says that the commit is not whole yet. It is on the disk before the commit can be seen, so a process that
//! ends in between leaves a commit that is known to be incomplete.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Mutex, PoisonError};

use super::{Partial, Repo, Transaction};
use crate::checksum::CommitId;
use crate::path_error::{At, PathError};

/// The commits that a transaction marks before it publishes them.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    partial: Mutex<BTreeSet<CommitId>>,
}

impl Transaction<'_> {
    /// Marks a commit as partial before it becomes visible. The mark stays until [`Repo::clear_partial`].
    pub(crate) fn arrive_partial(&self, commit: CommitId) {
        let partial = &self.arrivals.partial;
        let mut partial = partial.lock().unwrap_or_else(PoisonError::into_inner);
        partial.insert(commit);
    }
}

impl Arrivals {
    /// To be called before any commit is visible.
    pub(super) fn mark(&self, repo: &Repo) -> Result<(), PathError> {
        let partial = self.partial.lock().unwrap_or_else(PoisonError::into_inner);
        if partial.is_empty() {
            return Ok(());
        }
        let state = repo.path.join("state");
        fs::create_dir_all(&state).at("create", &state)?;
        for commit in partial.iter() {
            repo.mark_partial(commit, Partial::NotFetched)?;
        }
        repo.sync_dirs([&state])
    }
}
