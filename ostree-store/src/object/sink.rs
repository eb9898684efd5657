//! Where objects go: into a repository, or nowhere.

use std::io::{self, Read};

use super::{Commit, DirMeta, DirTree, FileHeader, ObjectKind};
use crate::checksum::{CommitId, DirMetaId, DirTreeId, FileId, HashingReader};
use crate::path_error::PathError;

/// Takes objects and gives back their names. May be used from many threads at once.
pub trait ObjectSink: Sync {
    /// Writes the object and returns its name.
    ///
    /// `size` is the number of content bytes; a reader that gives fewer or more is an error and leaves nothing
    /// behind. The content of a symbolic link is empty. If the object is already there the bytes are still read
    /// and hashed, but not stored again.
    fn file(
        &self,
        header: &FileHeader,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<FileId, WriteError>;

    /// Writes a dirtree object.
    fn dirtree(&self, tree: &DirTree) -> Result<DirTreeId, WriteError>;

    /// Writes a dirmeta object.
    fn dirmeta(&self, meta: &DirMeta) -> Result<DirMetaId, WriteError>;

    /// Writes a commit object.
    fn commit(&self, commit: &Commit) -> Result<CommitId, WriteError>;
}

/// Why an object could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The content could not be read.
    #[error("cannot read the content")]
    Content(#[source] io::Error),
    /// The content is not as long as was said.
    #[error("content has {actual} bytes where {expected} were announced")]
    Size {
        /// Bytes announced.
        expected: u64,
        /// Bytes that came; for a longer content only as many as were read before giving up.
        actual: u64,
    },
    /// The repository could not take it.
    #[error(transparent)]
    Store(#[from] PathError),
    /// The mode of the repository cannot represent the file.
    #[error("Content object {id}: invalid mode 0{st_mode:o} with bits 0{bits:o}")]
    Mode {
        /// The object.
        id: FileId,
        /// The mode with its type bits.
        st_mode: u32,
        /// The bits that the repository cannot hold.
        bits: u32,
    },
    /// A dirtree, dirmeta or commit larger than any that would be read again.
    #[error("a {} object of {size} bytes, where at most {limit} are allowed", kind.name())]
    TooLarge {
        /// What it is.
        kind: ObjectKind,
        /// Its size in bytes.
        size: usize,
        /// The largest allowed.
        limit: u64,
    },
    /// The file system is nearly full.
    #[error(
        "Writing content object: min-free-space-{limit} would be exceeded, at least {wanted} requested"
    )]
    FreeSpace {
        /// The limit in the words of the configuration, such as `percent '3%'`.
        limit: String,
        /// What was asked for, for people.
        wanted: String,
    },
    /// Files in this form can only be read.
    #[error("Writing content object: Not allowed due to repo mode")]
    ReadOnlyMode,
}

/// Hashes objects and keeps nothing: for checksums without a repository, dry runs and measurements.
///
/// ```
/// use ostree_store::object::{Checksummer, FileHeader, ObjectSink};
///
/// let id = Checksummer.file(&FileHeader::root_owned(0o644), 12, &mut &b"hello world\n"[..])?;
/// assert_eq!(id.to_string(), "81381808c56d4f3d643ec12f6a18fcf2993af8daba7c2a1b2cbfc315b39424c6");
/// # Ok::<(), ostree_store::object::WriteError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Checksummer;

impl ObjectSink for Checksummer {
    fn file(
        &self,
        header: &FileHeader,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<FileId, WriteError> {
        let mut hashing = HashingReader::new(&header.checksum_frame(), content);
        io::copy(
            &mut (&mut hashing).take(size.saturating_add(1)),
            &mut io::sink(),
        )
        .map_err(WriteError::Content)?;
        let (checksum, actual) = hashing.finish();
        if actual != size {
            return Err(WriteError::Size {
                expected: size,
                actual,
            });
        }
        Ok(FileId::new(checksum))
    }

    fn dirtree(&self, tree: &DirTree) -> Result<DirTreeId, WriteError> {
        Ok(tree.id())
    }

    fn dirmeta(&self, meta: &DirMeta) -> Result<DirMetaId, WriteError> {
        Ok(meta.id())
    }

    fn commit(&self, commit: &Commit) -> Result<CommitId, WriteError> {
        Ok(commit.id())
    }
}
