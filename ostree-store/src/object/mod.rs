//! What the bytes of one object mean.
//!
//! | object | extension | variant | named by |
//! |---|---|---|---|
//! | [`Commit`] | `.commit` | `(a{sv}aya(say)sstayay)` | SHA-256 of the bytes |
//! | [`DirTree`] | `.dirtree` | `(a(say)a(sayay))` | SHA-256 of the bytes |
//! | [`DirMeta`] | `.dirmeta` | `(uuua(ayay))` | SHA-256 of the bytes |
//! | [`FileHeader`] and content | `.file`, `.filez` | `(uuuusa(ayay))`, then the content | SHA-256 of both, framed |
//!
//! Each type has the same verbs: `parse`, `encode`, `id`. No file is opened here.

mod commit;
mod dirmeta;
mod dirtree;
mod file;
mod name;
mod sink;
pub mod sizes;
mod xattrs;

pub use commit::Commit;
pub use dirmeta::DirMeta;
pub use dirtree::DirTree;
pub use file::{FileHeader, FileKind};
pub use name::{Name, NameError};
pub use sink::{Checksummer, ObjectSink, WriteError};
pub use xattrs::{Xattrs, XattrsError};

use crate::gvariant::NotNormal;

/// The bits of `st_mode` that are permissions: set-id, sticky and the nine usual ones.
pub const PERMISSIONS: u32 = 0o7777;

/// The kinds of object a repository stores by content, with the extension that ostree gives each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// A regular file or symbolic link.
    File,
    /// What a directory holds.
    DirTree,
    /// A directory's owner, mode and xattrs.
    DirMeta,
    /// A commit.
    Commit,
}

impl ObjectKind {
    /// The name that ostree prints for the kind.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ObjectKind::File => "file",
            ObjectKind::DirTree => "dirtree",
            ObjectKind::DirMeta => "dirmeta",
            ObjectKind::Commit => "commit",
        }
    }
}

/// Why the bytes of an object do not mean anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The variant itself is broken.
    #[error(transparent)]
    Variant(#[from] NotNormal),
    /// A name that no directory entry may have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The names of a dirtree are not in ascending order, or one stands there twice.
    #[error("name {name:?} is out of order or stands there twice")]
    NameOrder {
        /// The later of the two names.
        name: String,
    },
    /// Extended attributes that no object may have.
    #[error(transparent)]
    Xattrs(#[from] XattrsError),
    /// A mode whose type is not that of the object.
    #[error("invalid mode 0{mode:o}")]
    Mode {
        /// The mode found, with its type bits.
        mode: u32,
    },
    /// A device number, which ostree's files never have.
    #[error("invalid rdev {rdev}")]
    Rdev {
        /// The number found.
        rdev: u32,
    },
    /// A regular file that has a link target.
    #[error("a regular file with the link target {target:?}")]
    Target {
        /// The target found.
        target: String,
    },
    /// The header is longer than the object it begins.
    #[error("File header size {header} exceeds size {object}")]
    HeaderSize {
        /// Length of the header according to its prefix, in bytes.
        header: u64,
        /// Length of the object, in bytes.
        object: u64,
    },
    /// The four bytes between a header's length and the header are not zero.
    #[error("the padding before the file header is not zero")]
    HeaderPadding,
    /// An empty key in the metadata of a commit.
    #[error("Empty metadata key")]
    EmptyMetadataKey,
}
