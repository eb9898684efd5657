//! Why an index cannot be read.

use std::io;

use crate::adb::block::{BlockError, Schema};
use crate::adb::schema::SchemaError;
use crate::index::RecordError;
use crate::signature::SignatureError;
use crate::ustar::ArchiveError;

/// Why an index could not be read.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Reading failed.
    #[error("cannot read the index at byte {offset}")]
    Read {
        /// In the compressed file.
        offset: u64,
        /// What went wrong.
        source: io::Error,
    },
    /// The compressed archive is broken.
    #[error("the index is broken at byte {offset}")]
    Archive {
        /// In the compressed file.
        offset: u64,
        /// What is wrong there.
        source: ArchiveError,
    },
    /// The frame of a v3 index is broken.
    #[error("the ADB file is broken")]
    Block(#[from] BlockError),
    /// The values of a v3 index mean nothing.
    #[error("the ADB block cannot be understood")]
    Values(#[from] SchemaError),
    /// An ADB file of another kind.
    #[error("the ADB file is no index ({schema})")]
    Schema {
        /// What it is.
        schema: Schema,
    },
    /// More signatures than anyone makes.
    #[error("the index has more than {limit} signatures")]
    Signatures {
        /// How many it may have.
        limit: usize,
    },
    /// A package in a v3 index whose identity is none.
    #[error(
        "the index lists {name:?} with {length} bytes of hashes, where 20 or 32 are an identity"
    )]
    Identity {
        /// The package.
        name: String,
        /// Bytes of the field.
        length: usize,
    },
    /// The index is not trusted.
    #[error("the index is not trusted")]
    Signature(#[from] SignatureError),
    /// The archive is no index; if it had to be signed, it is.
    #[error("the index archive holds no file APKINDEX")]
    NoRecords,
    /// A control file of a package among the files.
    #[error("the archive holds {path:?} behind files of an index")]
    Mixed {
        /// Its name.
        path: String,
    },
    /// The archive begins with a control file of a package.
    #[error("the archive begins as a package does")]
    ControlFiles {
        /// Why it is not trusted.
        untrusted: Option<Box<SignatureError>>,
        /// The first file in it that is no control file.
        other: Option<Box<str>>,
    },
    /// The file APKINDEX is no text.
    #[error("APKINDEX is not UTF-8 at byte {offset}")]
    NotUtf8 {
        /// In the decompressed file.
        offset: usize,
    },
    /// A record cannot be read.
    #[error("APKINDEX cannot be read")]
    Record(#[from] RecordError),
}
