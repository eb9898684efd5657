//! Why a package cannot be read.

use std::fmt;
use std::io;

use crate::adb::block::{BlockError, Schema};
use crate::adb::schema::SchemaError;
use crate::digest::Digest;
use crate::package::{InfoError, PathError};
use crate::ustar::ArchiveError;

/// Why a package could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// Reading the file failed.
    #[error("cannot read the {member} member at byte {offset}")]
    Read {
        /// Where.
        member: Member,
        /// In the compressed file.
        offset: u64,
        /// What went wrong.
        source: io::Error,
    },
    /// A member is broken.
    #[error("the {member} member is broken at byte {offset}{}", in_entry(.entry.as_deref()))]
    Archive {
        /// Which one.
        member: Member,
        /// In the compressed file.
        offset: u64,
        /// The entry that was being read.
        entry: Option<String>,
        /// What is wrong.
        source: ArchiveError,
    },
    /// The file ends before a control member.
    #[error("no control member before the end, at byte {offset}")]
    NoControl {
        /// The length of the file.
        offset: u64,
    },
    /// The file ends with the control member.
    #[error("no data member before the end, at byte {offset}")]
    NoData {
        /// The length of the file.
        offset: u64,
    },
    /// A file to be installed in the control member.
    #[error("the entry {path:?} stands in the control member, where names begin with a dot")]
    NotControl {
        /// Its name.
        path: String,
        /// Whether a `.PKGINFO` that vouches for the data came before it, so that the file can be no index.
        vouched: bool,
    },
    /// The same control file twice.
    #[error("the control member holds {path:?} twice")]
    Twice {
        /// Its name.
        path: String,
    },
    /// The control member says nothing.
    #[error("the control member holds no .PKGINFO")]
    NoInfo,
    /// A format that even apk 2 warned about.
    #[error("the control member holds an .INSTALL script, an obsolete form")]
    Obsolete,
    /// The control member says something unreadable.
    #[error("the control member cannot be understood")]
    Info(#[from] InfoError),
    /// Nothing vouches for the data.
    #[error(".PKGINFO has no datahash, so nothing vouches for the data")]
    NoDataHash,
    /// Another package than the one meant.
    #[error("package {name:?} has the identity {found}, but {expected} was wanted")]
    Identity {
        /// As `.PKGINFO` says.
        name: String,
        /// What the index listed.
        expected: Digest,
        /// What the file has.
        found: Digest,
    },
    /// A name that must not be installed.
    #[error("the entry {path:?} is refused: {reason}")]
    Path {
        /// Its name.
        path: String,
        /// What is wrong with it.
        reason: PathError,
    },
    /// A file that nothing vouches for.
    #[error("the file {path:?} has no checksum, an obsolete form")]
    NoChecksum {
        /// Its path.
        path: String,
    },
    /// A checksum that is none.
    #[error("the entry {path:?} has the checksum {text:?}, which is not 40 hex digits")]
    Checksum {
        /// Its path.
        path: String,
        /// What is there instead.
        text: String,
    },
    /// The content of a file, or the target of a symlink, is not what its checksum says.
    #[error("the content of {path:?} hashes to {}, its header says {}", .found.to_hex(), .expected.to_hex())]
    Content {
        /// Its path.
        path: String,
        /// The digest in the header.
        expected: Digest,
        /// The digest of what was read.
        found: Digest,
    },
    /// The frame of a v3 package is broken.
    #[error("the ADB file is broken")]
    Block(#[from] BlockError),
    /// The values of a v3 package mean nothing.
    #[error("the ADB block cannot be understood")]
    Values(#[from] SchemaError),
    /// An ADB file of another kind.
    #[error("the ADB file is no package ({schema})")]
    Schema {
        /// What it is.
        schema: Schema,
    },
    /// More signatures than anyone makes.
    #[error("the package has more than {limit} signatures")]
    Signatures {
        /// How many it may have.
        limit: usize,
    },
    /// The file ends before the content of this file.
    #[error("there is no data block for {path:?}")]
    NoContent {
        /// Its path.
        path: String,
    },
    /// The content of something else than of the next file.
    #[error(
        "the data block before byte {offset} is for file {file} of path {dir} and {length} bytes long, \
         but {path:?} comes next: file {}, path {}, {} bytes", .expected.1, .expected.0, .expected.2
    )]
    OtherContent {
        /// In the decompressed file.
        offset: u64,
        /// The number of the path, from 1.
        dir: u64,
        /// The number of the file in the path, from 1.
        file: u64,
        /// Bytes of content.
        length: u64,
        /// Which file comes next.
        path: String,
        /// Path, file and length of that.
        expected: (u64, u64, u64),
    },
    /// Content that belongs to no file.
    #[error("a data block before byte {offset} belongs to no file")]
    NoFile {
        /// In the decompressed file.
        offset: u64,
    },
    /// Something follows the data member.
    #[error("something follows the data member at byte {offset}")]
    Trailing {
        /// Where the data member ends.
        offset: u64,
    },
    /// The data member is not the one the control member belongs to.
    #[error("the data member hashes to {}, .PKGINFO says {}", .found.to_hex(), .expected.to_hex())]
    DataHash {
        /// SHA-256 in `.PKGINFO`.
        expected: Digest,
        /// SHA-256 of the compressed member.
        found: Digest,
    },
    /// An error was given before, and the caller went on.
    #[error("the package was found broken before")]
    AlreadyFailed,
}

impl PackageError {
    pub(crate) fn archive(
        member: Member,
        offset: u64,
        entry: Option<String>,
        source: ArchiveError,
    ) -> PackageError {
        PackageError::Archive {
            member,
            offset,
            entry,
            source,
        }
    }
}

/// One of the parts of a package file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// Signatures, or what comes where they may be.
    Signature,
    /// `.PKGINFO` and scripts.
    Control,
    /// The files.
    Data,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Member::Signature => "signature",
            Member::Control => "control",
            Member::Data => "data",
        })
    }
}

fn in_entry(entry: Option<&str>) -> String {
    entry
        .map(|path| format!(", in {path:?}"))
        .unwrap_or_default()
}
