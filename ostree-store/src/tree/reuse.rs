//! Files that are objects already: a checkout often consists of hard links into the repository.
//!
//! Such a file is recognised by device and inode. Its owner, mode and xattrs are those of the object, which in
//! `bare-user` are not those of the inode. In other modes than these two a checkout tells nothing about an object:
//! `archive` makes copies, and `bare-user-only` keeps no owners.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::Stat;

use super::modify::{ModeError, Modifier, Origin, Pass};
use crate::checksum::FileId;
use crate::object::{ObjectKind, ObjectSink, WriteError};
use crate::path_error::{At, PathError};
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
    /// Looks at every file object of the repository.
    pub fn of(repo: &'r Repo) -> Result<Inodes<'r>, PathError> {
        let mut objects = HashMap::new();
        if matches!(repo.mode(), RepoMode::Bare | RepoMode::BareUser) {
            for (kind, checksum) in repo.objects()? {
                if kind != ObjectKind::File {
                    continue;
                }
                let path = repo.object_path(kind, &checksum);
                match path.symlink_metadata() {
                    Ok(found) => {
                        objects.insert((found.dev(), found.ino()), FileId::new(checksum));
                    }
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {} // deleted in the meantime
                    Err(e) => return Err(e).at("stat", path),
                }
            }
        }
        Ok(Inodes {
            repo,
            objects,
            hits: AtomicU64::new(0),
            unconditional: false,
        })
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
        if stat.st_nlink < 2 {
            return None;
        }
        self.objects.get(&(stat.st_dev, stat.st_ino)).copied()
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
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(Some(id));
        }
        let mut stored = self.repo.file(&id)?;
        let mut header = stored.header.clone();
        if modifier.apply_file(path, &mut header, Origin::Tree)? == Pass::Skipped {
            return Ok(None);
        }
        // Where xattrs are not even looked at, ostree counts them as changed.
        if header == stored.header && !modifier.drops_xattrs(Origin::Tree) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(Some(id));
        }
        let size = stored.size;
        Ok(Some(sink.file(&header, size, &mut stored)?))
    }
}
