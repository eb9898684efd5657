//! Why a checkout ends early, in ostree's words where it has any.

use std::path::PathBuf;

use crate::checksum::FileId;
use crate::object::NameError;
use crate::path_error::{PathError, SystemError};
use crate::repo::{ReadError, RepoError};

/// Why a tree could not be checked out. What was made until then stays.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// A directory could not be made, often because there is one.
    #[error("mkdirat: {cause}")]
    MakeDir {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        cause: SystemError,
    },
    /// What stands where a directory should be cannot be opened as one.
    #[error("opendir({name}): {cause}")]
    OpenDir {
        /// Its name.
        name: String,
        /// What the system said.
        cause: SystemError,
    },
    /// A file cannot take the place of what is there.
    #[error("renameat({temporary}, {name}): {cause}")]
    Replace {
        /// The file's name for the time being.
        temporary: String,
        /// Its name.
        name: String,
        /// What the system said.
        cause: SystemError,
    },
    /// A link to an object could not be made, often because something has the name.
    #[error("Hardlinking {object} to {name}: {cause}")]
    HardLink {
        /// The object within its directory.
        object: String,
        /// The name it should get.
        name: String,
        /// What the system said.
        cause: SystemError,
    },
    /// A copy of an object could not be made.
    #[error("Copy checkout of {id} to {name}: {cause}")]
    Copy {
        /// The object.
        id: FileId,
        /// The name it should get.
        name: String,
        /// What went wrong.
        cause: Box<CheckoutError>,
    },
    /// The cache of uncompressed objects could not take a copy.
    #[error("Unpacking loose object {id}: {cause}")]
    Unpack {
        /// The object.
        id: FileId,
        /// What went wrong.
        cause: ReadError,
    },
    /// A link to a copy in the cache of uncompressed objects could not be made.
    #[error("Using new cached uncompressed hardlink of {id} to {name}: {cause}")]
    Cached {
        /// The object.
        id: FileId,
        /// The name it should get.
        name: String,
        /// What went wrong.
        cause: Box<CheckoutError>,
    },
    /// A system call on one file failed.
    #[error("{call}: {cause}")]
    Call {
        /// The call, with its argument where ostree tells it.
        call: String,
        /// What the system said.
        cause: SystemError,
    },
    /// A whiteout that names nothing.
    #[error("Invalid empty {kind} ''")]
    EmptyWhiteout {
        /// How ostree calls it.
        kind: &'static str,
    },
    /// A whiteout that names a place outside its directory. (ostree would remove what is there.)
    #[error("whiteout {whiteout:?} in {}: {source}", dir.display())]
    Whiteout {
        /// The file's name.
        whiteout: String,
        /// The directory it would work on.
        dir: PathBuf,
        /// What is wrong with the rest of the name.
        source: NameError,
    },
    /// Something else stands where a whiteout of the same kind should be.
    #[error("existing destination file {name} {what}")]
    OtherWhiteout {
        /// Its name.
        name: String,
        /// What differs.
        what: String,
    },
    /// Links are demanded where the repository mode has none.
    #[error("{mode} repository mode {what}")]
    NoHardLink {
        /// How ostree calls the mode.
        mode: &'static str,
        /// Why not.
        what: &'static str,
    },
    /// Links are demanded from one file system to another.
    #[error(
        "Unable to do hardlink checkout across devices (src={repository} destination={destination})"
    )]
    Devices {
        /// The device of the repository.
        repository: u64,
        /// The device of the destination.
        destination: u64,
    },
    /// Links are demanded and copies forbidden.
    #[error("Cannot specify both --require-hardlinks and --force-copy")]
    LinkAndCopy,
    /// Only links can be told to be identical.
    #[error("--union-identical requires --require-hardlinks")]
    IdenticalCopies,
    /// An object's content is not as long as its header says.
    #[error("file object {id} has {actual} bytes where {expected} were announced")]
    Size {
        /// The object.
        id: FileId,
        /// Bytes announced.
        expected: u64,
        /// Bytes that came.
        actual: u64,
    },
    /// The repository's configuration makes no sense.
    #[error(transparent)]
    Repo(#[from] Box<RepoError>),
    /// An object could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// A failed system call in the words `CALL: CAUSE`.
pub(super) fn call(call: impl Into<String>, errno: rustix::io::Errno) -> CheckoutError {
    CheckoutError::Call {
        call: call.into(),
        cause: system(errno),
    }
}

pub(super) fn system(errno: rustix::io::Errno) -> SystemError {
    std::io::Error::from(errno).into()
}
