//! From what a user types to a commit.

use std::path::{Path, PathBuf};

use super::ref_name::parse_refspec;
use super::refs::{Found, parse_content};
use super::{ReadError, RefError, Repo};
use crate::checksum::CommitId;
use crate::path_error::PathError;

/// Why a revision names no commit.
#[derive(Debug, thiserror::Error)]
pub enum RevError {
    /// Neither a ref nor the beginning of a commit's checksum.
    #[error("Refspec '{rev}' not found")]
    NotFound {
        /// What was asked for.
        rev: String,
    },
    /// The beginning of several commits' checksums.
    #[error("Refspec {rev} not unique")]
    NotUnique {
        /// What was asked for.
        rev: String,
    },
    /// A directory of refs.
    #[error("Couldn't open ref '{rev}': Is a directory")]
    Directory {
        /// What was asked for.
        rev: String,
    },
    /// A ref whose file is not text.
    #[error("Couldn't open ref '{rev}': Invalid UTF-8")]
    NotUtf8 {
        /// What was asked for.
        rev: String,
    },
    /// `^` of a first commit.
    #[error("Commit {commit} has no parent")]
    NoParent {
        /// The commit.
        commit: CommitId,
    },
    /// A ref could not be read.
    #[error(transparent)]
    Ref(#[from] RefError),
    /// A commit could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The objects could not be listed.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// Whether a name without a remote may be one of a remote too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remotes {
    Searched,
    LeftOut,
}

impl Repo {
    /// The commit that `rev` means, in ostree's order: a whole checksum (whether there is such a commit or not),
    /// the beginning of exactly one commit's checksum, `REV^`, `remote:ref`, `ref`, `remote/ref`, a ref of the
    /// first remote that has it; then the same of the parent repository.
    pub fn resolve(&self, rev: &str) -> Result<CommitId, RevError> {
        self.resolve_in(rev, Remotes::Searched)?
            .ok_or_else(|| RevError::NotFound {
                rev: rev.trim_end_matches('^').to_owned(),
            })
    }

    /// As [`Repo::resolve`], with nothing found as `None`. A directory of refs is nothing.
    pub fn resolve_if_any(&self, rev: &str) -> Result<Option<CommitId>, RevError> {
        none_if_directory(self.resolve_in(rev, Remotes::Searched))
    }

    /// As [`Repo::resolve_if_any`], but a name without a remote means only a ref of this repository itself.
    pub fn resolve_local_if_any(&self, rev: &str) -> Result<Option<CommitId>, RevError> {
        none_if_directory(self.resolve_in(rev, Remotes::LeftOut))
    }

    /// The commits whose checksums begin with these digits, sorted, those of parent repositories included.
    pub fn commits_beginning_with(&self, digits: &str) -> Result<Vec<CommitId>, PathError> {
        let mut commits = Vec::new();
        for repo in self.with_parents() {
            commits.extend(repo.objects.commits(digits)?);
        }
        commits.sort_unstable();
        commits.dedup();
        Ok(commits)
    }

    fn resolve_in(&self, rev: &str, remotes: Remotes) -> Result<Option<CommitId>, RevError> {
        let base = rev.trim_end_matches('^');
        let Some(mut commit) = self.resolve_base(base, remotes)? else {
            return Ok(None);
        };
        for _ in base.len()..rev.len() {
            commit = self
                .commit(&commit)?
                .parent
                .ok_or(RevError::NoParent { commit })?;
        }
        Ok(Some(commit))
    }

    fn resolve_base(&self, rev: &str, remotes: Remotes) -> Result<Option<CommitId>, RevError> {
        if let Ok(checksum) = rev.parse() {
            return Ok(Some(CommitId::new(checksum)));
        }
        let is_digit = |digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        if rev.len() < 64 && rev.bytes().all(is_digit) {
            match *self.commits_beginning_with(rev)? {
                [] => {}
                [commit] => return Ok(Some(commit)),
                _ => {
                    let rev = rev.to_owned();
                    return Err(RevError::NotUnique { rev });
                }
            }
        }
        let (remote, name) = parse_refspec(rev)?;
        for repo in self.with_parents() {
            for place in repo.candidates(remote, name, remotes)? {
                match repo.find_ref(&place) {
                    Ok(Found::Nothing) => {}
                    Ok(Found::Text(text)) => return Ok(Some(parse_content(&text)?)),
                    Ok(Found::Directory) => {
                        let rev = name.to_owned();
                        return Err(RevError::Directory { rev });
                    }
                    Err(RefError::NotUtf8) => {
                        let rev = name.to_owned();
                        return Err(RevError::NotUtf8 { rev });
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(None)
    }

    /// Where a ref may lie, relative to the repository.
    fn candidates(
        &self,
        remote: Option<&str>,
        name: &str,
        remotes: Remotes,
    ) -> Result<Vec<PathBuf>, RevError> {
        let of_remotes = Path::new("refs/remotes");
        if let Some(remote) = remote {
            return Ok(vec![of_remotes.join(remote).join(name)]);
        }
        let mut places = vec![Path::new("refs/heads").join(name)];
        if remotes == Remotes::Searched {
            places.push(of_remotes.join(name)); // `origin/foo`
            for remote in self.directories("refs/remotes")? {
                places.push(of_remotes.join(remote).join(name));
            }
        }
        Ok(places)
    }
}

fn none_if_directory(
    found: Result<Option<CommitId>, RevError>,
) -> Result<Option<CommitId>, RevError> {
    match found {
        Err(RevError::Directory { .. }) => Ok(None),
        found => found,
    }
}
