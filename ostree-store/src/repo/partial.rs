//! Partial commits: those whose commit object is there, but not everything it reaches.
//!
//! The mark is the file `state/COMMIT.commitpartial`.
//!
//! | content | made by | meaning |
//! |---|---|---|
//! | nothing | a pull, before the commit object; it stays if only metadata was asked for | never was whole |
//! | `f` | fsck | an object is gone |

use std::fs;
use std::path::PathBuf;

use super::{Repo, small_file};
use crate::checksum::CommitId;
use crate::path_error::{At, PathError, UnlessAbsent};

/// Why a commit counts as partial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Partial {
    /// A pull has not brought everything, or was not meant to.
    NotFetched,
    /// A check found that something is missing.
    FoundByFsck,
}

impl Partial {
    /// The content of the mark's file.
    const fn content(self) -> &'static [u8] {
        match self {
            Partial::NotFetched => b"",
            Partial::FoundByFsck => b"f",
        }
    }
}

impl Repo {
    /// The commits that are known not to have all their objects, sorted, and whether fsck said so.
    pub fn partial_commits(&self) -> Result<Vec<(CommitId, bool)>, PathError> {
        let state = self.path.join("state");
        let mut partial = Vec::new();
        let Some(entries) = fs::read_dir(&state).unless_absent().at("list", &state)? else {
            return Ok(partial);
        };
        for entry in entries {
            let name = entry.at("list", &state)?.file_name();
            let name = name.into_string().unwrap_or_default();
            let Some(Ok(checksum)) = name.strip_suffix(".commitpartial").map(str::parse) else {
                continue;
            };
            let commit = CommitId::new(checksum);
            if let Some(reason) = self.partial(&commit)? {
                partial.push((commit, reason == Partial::FoundByFsck));
            }
        }
        partial.sort_unstable();
        Ok(partial)
    }

    /// Whether a commit is known not to have all its objects.
    pub fn partial(&self, commit: &CommitId) -> Result<Option<Partial>, PathError> {
        let path = self.mark_path(commit);
        let Some(file) = small_file::open(&path).unless_absent().at("read", &path)? else {
            return Ok(None);
        };
        let content = small_file::beginning(file, 2).at("read", &path)?;
        let by_fsck = content == Partial::FoundByFsck.content();
        Ok(Some(if by_fsck {
            Partial::FoundByFsck
        } else {
            Partial::NotFetched
        }))
    }

    /// Notes that a commit has not all its objects. A mark that is there is replaced.
    pub fn mark_partial(&self, commit: &CommitId, reason: Partial) -> Result<(), PathError> {
        small_file::overwrite(&self.mark_path(commit), reason.content())
    }

    /// Notes that a commit has all its objects.
    pub fn clear_partial(&self, commit: &CommitId) -> Result<(), PathError> {
        small_file::remove(&self.mark_path(commit))
    }

    fn mark_path(&self, commit: &CommitId) -> PathBuf {
        self.path.join(format!("state/{commit}.commitpartial"))
    }
}
