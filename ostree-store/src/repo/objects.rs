//! Objects of a repository and of its parents, found and read.
//!
//! An object is the file `objects/XX/REST.EXT`, where XX are the first two of its checksum's 64 hex digits.

use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use super::Repo;
use super::object_dir::{ObjectDir, relative_path};
use super::stored_file::StoredFile;
use crate::checksum::{Checksum, CommitId, DirMetaId, DirTreeId, FileId};
use crate::object::{Commit, DirMeta, DirTree, ObjectKind, ParseError};
use crate::path_error::{PathError, SystemError};
use crate::tree::DirTreeSource;

/// The largest metadata object that is read or written, in bytes: a directory of 600,000 files. What it means takes
/// three times as much memory. (ostree itself takes up to 128 MiB from other repositories since 2023.4, before that
/// 10 MiB.)
pub(crate) const MAX_METADATA: u64 = 32 << 20;

/// Why an object could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such object.
    #[error("No such {} object {checksum}.{extension}", if *.kind == ObjectKind::File { "file" } else { "metadata" })]
    Missing {
        /// What was looked for.
        kind: ObjectKind,
        /// Its name.
        checksum: Checksum,
        /// The extension under which it was looked for.
        extension: &'static str,
    },
    /// The bytes mean nothing.
    #[error("corrupted {} object {checksum}", .kind.name())]
    Parse {
        /// What it should be.
        kind: ObjectKind,
        /// Its name.
        checksum: Checksum,
        /// What is wrong.
        source: ParseError,
    },
    /// The file is not one that can be an object of this mode.
    #[error("{} object {checksum}: {what}", .kind.name())]
    Form {
        /// What it should be.
        kind: ObjectKind,
        /// Its name.
        checksum: Checksum,
        /// What is wrong.
        what: &'static str,
    },
    /// A file object is there, but cannot be opened.
    #[error("Opening content object {checksum}: openat: {cause}")]
    Open {
        /// Its name.
        checksum: Checksum,
        /// What the system said.
        cause: SystemError,
    },
    /// The file system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl ReadError {
    /// Makes the error for an object of which a parser says that it means nothing.
    pub(crate) fn parse(kind: ObjectKind, checksum: &Checksum) -> impl Fn(ParseError) -> ReadError {
        move |source| ReadError::Parse {
            kind,
            checksum: *checksum,
            source,
        }
    }

    /// The error for a dirtree that is not there.
    #[must_use]
    pub fn missing_dirtree(id: &DirTreeId) -> ReadError {
        ReadError::Missing {
            kind: ObjectKind::DirTree,
            checksum: *id.checksum(),
            extension: "dirtree",
        }
    }
}

impl Repo {
    /// Where an object lies, or would lie.
    #[must_use]
    pub fn object_path(&self, kind: ObjectKind, checksum: &Checksum) -> PathBuf {
        let holder = match self.parent {
            None => self,
            Some(_) => self.holder(kind, checksum).ok().flatten().unwrap_or(self),
        };
        holder.objects.object_path(kind, checksum)
    }

    /// Whether the object is there, or in a parent repository.
    pub fn has(&self, kind: ObjectKind, checksum: &Checksum) -> Result<bool, PathError> {
        Ok(self.holder(kind, checksum)?.is_some())
    }

    /// Whether the repository itself has the object.
    pub fn has_own(&self, kind: ObjectKind, checksum: &Checksum) -> Result<bool, PathError> {
        self.objects.has(kind, checksum)
    }

    /// The repository that has the object: this one or a parent, whose mode may be another.
    pub fn holder(
        &self,
        kind: ObjectKind,
        checksum: &Checksum,
    ) -> Result<Option<&Repo>, PathError> {
        for repo in self.with_parents() {
            if repo.objects.has(kind, checksum)? {
                return Ok(Some(repo));
            }
        }
        Ok(None)
    }

    /// Reads a commit.
    pub fn commit(&self, id: &CommitId) -> Result<Commit, ReadError> {
        self.first(|objects| objects.metadata(ObjectKind::Commit, id.checksum(), Commit::parse))
    }

    /// Reads a dirmeta.
    pub fn dirmeta(&self, id: &DirMetaId) -> Result<DirMeta, ReadError> {
        self.first(|objects| objects.metadata(ObjectKind::DirMeta, id.checksum(), DirMeta::parse))
    }

    /// The bytes of a dirtree, dirmeta or commit, as they are stored.
    pub fn metadata_bytes(
        &self,
        kind: ObjectKind,
        checksum: &Checksum,
    ) -> Result<Vec<u8>, ReadError> {
        self.first(|objects| objects.metadata_bytes(kind, checksum))
    }

    /// Opens a file object.
    pub fn file(&self, id: &FileId) -> Result<StoredFile, ReadError> {
        self.first(|objects| objects.file(id))
    }

    /// The directory `objects`, and where in it a file object lies, for a link to the object itself. None where only a
    /// parent repository of another mode has it.
    pub(crate) fn linkable(
        &self,
        id: &FileId,
    ) -> Result<Option<(BorrowedFd<'_>, String)>, PathError> {
        let holder = match self.parent() {
            None => Some(self),
            Some(_) => self.holder(ObjectKind::File, id.checksum())?,
        };
        let Some(holder) = holder.filter(|holder| holder.mode == self.mode) else {
            return Ok(None);
        };
        let path = relative_path(id.checksum(), self.mode.extension(ObjectKind::File));
        Ok(Some((holder.objects.as_fd(), path)))
    }

    /// Every loose object of this repository itself, sorted by name. Strange files in `objects/` are passed over, as
    /// ostree does.
    pub fn objects(&self) -> Result<Vec<(ObjectKind, Checksum)>, PathError> {
        self.objects.list()
    }

    /// Reads from the first repository that has the object.
    pub(super) fn first<T>(
        &self,
        read: impl Fn(&ObjectDir) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let missing = match read(&self.objects) {
            Err(error @ ReadError::Missing { .. }) => error,
            result => return result,
        };
        for parent in self.with_parents().skip(1) {
            match read(&parent.objects) {
                Err(ReadError::Missing { .. }) => {}
                result => return result,
            }
        }
        Err(missing)
    }
}

impl DirTreeSource for Repo {
    fn dirtree(&self, id: &DirTreeId) -> Result<DirTree, ReadError> {
        self.first(|objects| objects.metadata(ObjectKind::DirTree, id.checksum(), DirTree::parse))
    }
}
