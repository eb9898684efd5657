//! Why a directory could not be imported.

use std::path::PathBuf;

use crate::object::{NameError, WriteError, XattrsError};
use crate::path_error::{PathError, SystemError};
use crate::repo::MAX_METADATA;
use crate::tree::TreeError;
use crate::tree::modify::ModeError;
use crate::tree::reuse::ReuseError;

/// Why a directory could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportDirError {
    /// The directory itself cannot be opened.
    #[error("opendir({}): {cause}", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        cause: SystemError,
    },
    /// A fifo, socket or device.
    #[error("Not a regular file or symlink: {name}")]
    Kind {
        /// Its name.
        name: String,
        /// Where it is.
        path: PathBuf,
    },
    /// A name that no tree can hold.
    #[error("{cause} (in {})", path.display())]
    Name {
        /// The directory.
        path: PathBuf,
        /// Why.
        cause: NameError,
    },
    /// A symbolic link to bytes that are not UTF-8.
    #[error("the target of the symbolic link {} is not UTF-8", path.display())]
    Target {
        /// The link.
        path: PathBuf,
    },
    /// Xattrs that no object can hold.
    #[error("{}: {cause}", path.display())]
    Xattrs {
        /// Where.
        path: PathBuf,
        /// Why.
        cause: XattrsError,
    },
    /// A rule makes a mode that the entry cannot have.
    #[error("{cause} (for {})", path.display())]
    Mode {
        /// The entry.
        path: PathBuf,
        /// Why.
        cause: ModeError,
    },
    /// More names in a directory than an object can hold.
    #[error("{} has more than {} MiB of names and checksums", path.display(), MAX_METADATA >> 20)]
    TooLarge {
        /// The directory.
        path: PathBuf,
    },
    /// More entries at once than are held: in directories that lie in each other, or to be deleted with the commit.
    #[error("too many entries at once: what is known of them takes more than {} MiB of memory", .limit >> 20)]
    TooMany {
        /// How much they may take, in bytes.
        limit: usize,
    },
    /// A directory could not be written to make room for others.
    #[error("cannot write {}", path.display())]
    Fold {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: TreeError,
    },
    /// Somebody wrote to the file meanwhile.
    #[error("{} changed while it was read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The file system refused.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A file is a hard link to an object that cannot be used.
    #[error("cannot import {}", path.display())]
    Reuse {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ReuseError,
    },
    /// An object could not be written.
    #[error("cannot import {}", path.display())]
    Write {
        /// What it was made from.
        path: PathBuf,
        /// Why.
        source: WriteError,
    },
}
