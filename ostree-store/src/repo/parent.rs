//! Parent repositories: what a repository has not, the one that `core.parent` names may have.
//!
//! Objects, refs and revisions are looked for in the repository, then in its parent, then in that one's parent. What is
//! written goes to the repository itself, also what a parent has.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Repo, RepoError};
use crate::path_error::At;

/// The longest chain of repositories. ostree has no limit; one that goes round in circles makes it crash.
const MAX_CHAIN: usize = 16;

impl Repo {
    /// The repository in which this one looks for what it has not.
    #[must_use]
    pub fn parent(&self) -> Option<&Repo> {
        self.parent.as_deref()
    }

    /// The repository itself, then its parents, nearest first.
    pub fn with_parents(&self) -> impl Iterator<Item = &Repo> {
        std::iter::successors(Some(self), |repo| repo.parent())
    }

    /// Opens the parent of the repository `child`. `children` are the repositories below it by device and inode.
    pub(super) fn open_parent(
        parent: &Path,
        child: &Path,
        children: &mut Vec<(u64, u64)>,
    ) -> Result<Repo, RepoError> {
        let found = child.metadata().at("stat", child)?;
        let identity = (found.dev(), found.ino());
        if children.contains(&identity) || children.len() + 1 >= MAX_CHAIN {
            return Err(RepoError::ParentChain);
        }
        children.push(identity);
        Repo::open_for(parent, children).map_err(|error| match error {
            RepoError::ParentChain => RepoError::ParentChain,
            error => RepoError::Parent {
                path: parent.to_owned(),
                source: Box::new(error),
            },
        })
    }
}
