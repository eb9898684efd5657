//! Looking after a repository: whether all is well in it, and what nobody needs any more.

pub mod fsck;
pub mod prune;
mod reach;

pub use reach::{Corrupt, Unsound};

use std::collections::BTreeMap;

use crate::checksum::{Checksum, CommitId};
use crate::object::ObjectKind;
use crate::path_error::PathError;
use crate::repo::Repo;

/// The name of an object.
pub type Object = (ObjectKind, Checksum);

/// The partial commits of a repository and of its parents, and whether a check found that they are.
fn partial_commits(repo: &Repo) -> Result<BTreeMap<CommitId, bool>, PathError> {
    let mut partial = BTreeMap::new();
    for repo in repo.with_parents() {
        for (commit, by_fsck) in repo.partial_commits()? {
            *partial.entry(commit).or_default() |= by_fsck;
        }
    }
    Ok(partial)
}
