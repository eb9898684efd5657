//! Partial commits: those whose commit object is there, but not everything it reaches.
//!
//! The mark is the file `state/COMMIT.commitpartial`.
//!
//! | content | made by | meaning |
//! |---|---|---|
//! | nothing | a pull, before the commit object; it stays if only metadata was asked for | never was whole |
//! | `f` | fsck | an object is gone |

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

use super::Repo;
use crate::checksum::CommitId;
use crate::path_error::{At, PathError};

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
        let entries = match fs::read_dir(&state) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(partial),
            entries => entries.at("list", &state)?,
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
        // Whoever can write to the repository could put a fifo there; opening one would wait for ever.
        let mut options = File::options();
        options.read(true).custom_flags(nix::libc::O_NONBLOCK);
        let file = match options.open(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.at("read", &path)?,
        };
        let mut content = Vec::new();
        file.take(2).read_to_end(&mut content).at("read", &path)?;
        let by_fsck = content == Partial::FoundByFsck.content();
        Ok(Some(if by_fsck {
            Partial::FoundByFsck
        } else {
            Partial::NotFetched
        }))
    }

    /// Notes that a commit has not all its objects. A mark that is there is replaced.
    pub fn mark_partial(&self, commit: &CommitId, reason: Partial) -> Result<(), PathError> {
        let path = self.mark_path(commit);
        let mut options = File::options();
        options.write(true).create(true).mode(0o600);
        let mut file = options
            .custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOFOLLOW)
            .open(&path)
            .at("write", &path)?;
        file.set_len(0).at("write", &path)?;
        file.write_all(reason.content()).at("write", &path)?;
        file.set_permissions(fs::Permissions::from_mode(0o644))
            .at("write", &path)
    }

    /// Notes that a commit has all its objects.
    pub fn clear_partial(&self, commit: &CommitId) -> Result<(), PathError> {
        let path = self.mark_path(commit);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e).at("remove", &path),
            _ => Ok(()),
        }
    }

    fn mark_path(&self, commit: &CommitId) -> PathBuf {
        self.path.join(format!("state/{commit}.commitpartial"))
    }
}
