//! Files that are objects already: a checkout often consists of hard links into the repository.
//!
//! Such a file is recognised by device and inode. What it is believed depends on the mode of the repository:
//!
//! | mode | owner, mode and xattrs are those of | |
//! |---|---|---|
//! | `bare` | the file | |
//! | `bare-user` | the object, not its inode | |
//! | `archive` | – | nothing is linked to its objects; the cache of uncompressed copies counts as little as in ostree |
//! | `bare-user-only` | – | is read again, unless it is to be believed unconditionally |

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::Stat;

use super::modify::{ModeError, Modifier, Origin, Pass};
use crate::checksum::FileId;
use crate::object::{ObjectKind, ObjectSink, WriteError};
use crate::path_error::{At, PathError, UnlessAbsent};
use crate::repo::{ReadError, Repo, RepoMode};

/// The file objects of a repository by device and inode.
#[derive(Debug)]
pub struct Inodes<'r> {
    repo: &'r Repo,
    objects: HashMap<(u64, u64), FileId>,
    hits: AtomicU64,
    /// No modifier changes an object, no rule leaves it out.
    unconditional: bool,
}

/// Why an object could not be used in place of its hard link.
#[derive(Debug, thiserror::Error)]
pub enum ReuseError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It could not be written again with changes.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A rule makes a mode that it cannot have.
    #[error(transparent)]
    Mode(#[from] ModeError),
}

impl<'r> Inodes<'r> {
    /// Looks at every file object of the repository and of its parents.
    pub fn of(repo: &'r Repo) -> Result<Inodes<'r>, PathError> {
        let mut inodes = Inodes {
            repo,
            objects: HashMap::new(),
            hits: AtomicU64::new(0),
            unconditional: false,
        };
        let repos: Vec<&Repo> = repo.with_parents().collect();
        for repo in repos.into_iter().rev() {
            if repo.mode() == RepoMode::Archive {
                continue;
            }
            for (kind, checksum) in repo.objects()? {
                if kind == ObjectKind::File {
                    inodes.add(&repo.object_path(kind, &checksum), FileId::new(checksum))?;
                }
            }
        }
        Ok(inodes)
    }

    fn add(&mut self, path: &Path, id: FileId) -> Result<(), PathError> {
        // Nothing is there if it was deleted in the meantime.
        if let Some(found) = path.symlink_metadata().unless_absent().at("stat", path)? {
            self.objects.insert((found.dev(), found.ino()), id);
        }
        Ok(())
    }

    /// Takes every hard link for its object, whatever a modifier says of it.
    #[must_use]
    pub fn unconditional(mut self) -> Inodes<'r> {
        self.unconditional = true;
        self
    }

    /// Whether no modifier is asked.
    pub(super) fn is_unconditional(&self) -> bool {
        self.unconditional
    }

    /// How many files were taken for objects without a change.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// The object that a file is.
    pub(super) fn object(&self, stat: &Stat) -> Option<FileId> {
        if stat.st_nlink < 2 || (self.repo.mode() == RepoMode::BareUserOnly && !self.unconditional)
        {
            return None;
        }
        self.objects.get(&(stat.st_dev, stat.st_ino)).copied()
    }

    /// Whether an object's owner, mode and xattrs are those of the file that was found.
    pub(super) fn believes_files(&self) -> bool {
        !self.unconditional && self.repo.mode() != RepoMode::BareUser
    }

    /// Takes a file for its object.
    pub(super) fn hit(&self, id: FileId) -> FileId {
        self.hits.fetch_add(1, Ordering::Relaxed);
        id
    }

    /// The object itself, or what the modifier makes of it; nothing if it is left out.
    pub(super) fn reuse(
        &self,
        id: FileId,
        path: impl FnOnce() -> String,
        modifier: &Modifier,
        sink: &dyn ObjectSink,
    ) -> Result<Option<FileId>, ReuseError> {
        if self.unconditional || modifier.is_identity() {
            return Ok(Some(self.hit(id)));
        }
        let mut stored = self.repo.file(&id)?;
        let mut header = stored.header.clone();
        if modifier.apply_file(path, &mut header, Origin::Tree)? == Pass::Skipped {
            return Ok(None);
        }
        // Where xattrs are not even looked at, ostree counts them as changed.
        if header == stored.header && !modifier.drops_xattrs(Origin::Tree) {
            return Ok(Some(self.hit(id)));
        }
        let size = stored.size;
        Ok(Some(sink.file(&header, size, &mut stored)?))
    }
}
