//! Errors in apk's words. What only we can say is said in ours.

use std::error::Error;
use std::io;

use apk_format::adb::block::BlockError;
use apk_format::{
    ArchiveError, DependencyError, Dialect, IndexError, Member, PackageError, SignatureError,
    WorldError,
};
use composer::inventory::open::{OpenError, RepositoryError};

use super::trouble::{Help, Trouble};

pub(super) const UNTRUSTED: &str = "UNTRUSTED signature";
pub(super) const BAD_SIGNATURE: &str = "BAD signature";
pub(super) const INVALID: &str = "file format is invalid or inconsistent";
pub(super) const OBSOLETE: &str = "file format is obsolete (e.g. missing embedded checksum)";
pub(super) const NOT_SUPPORTED: &str = "file format not supported (in this applet)";
pub(super) const ENDS_EARLY: &str = "unexpected end of file";
pub(super) const PACKAGE_FORMAT: &str = "v2 package format error";
pub(super) const PACKAGE_INTEGRITY: &str = "v2 package integrity error";
const INDEX_FORMAT: &str = "v2 index format error";
const DATABASE_FORMAT: &str = "v2 database format error";
pub(super) const DEPENDENCY_FORMAT: &str = "dependency format is invalid";
pub(super) const VERSION_FORMAT: &str = "package version is invalid";
pub(super) const ADB_PACKAGE_FORMAT: &str = "ADB package format";
pub(super) const KEY_FORMAT: &str = "cryptographic key format not recognized";
pub(super) const ADB_BLOCK: &str = "ADB block error";
const ADB_HEADER: &str = "ADB header error";
pub(super) const ADB_SCHEMA: &str = "ADB schema error";
const ADB_SIGNATURE: &str = "ADB signature block error";
pub(super) const NO_NETWORK: &str = "repositories on other machines are not in apk-ostree yet";

/// What the system says, without the number that the standard library adds.
pub(super) fn system(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" (os error ") {
        Some((words, number)) if number.ends_with(')') => words.to_owned(),
        _ => text,
    }
}

/// Why a root cannot be used.
pub(super) fn opening(error: &OpenError) -> String {
    match error {
        OpenError::Read { source, .. } => system(source),
        OpenError::World(WorldError { source, .. }) => dependency(source).to_owned(),
        OpenError::Text { .. } | OpenError::Installed(_) | OpenError::Triggers(_) => {
            DATABASE_FORMAT.to_owned()
        }
        OpenError::Scripts(_) => INVALID.to_owned(),
        OpenError::Cache(_) => "No such file or directory".to_owned(),
    }
}

/// Why an operand is no dependency.
pub(super) fn dependency(error: &DependencyError) -> &'static str {
    match error {
        DependencyError::Version { .. } => VERSION_FORMAT,
        _ => DEPENDENCY_FORMAT,
    }
}

/// Why a repository cannot be used.
pub(super) fn repository(error: &RepositoryError) -> Trouble {
    match error {
        RepositoryError::Read(error) => system(error).into(),
        RepositoryError::Index(error) => index(error),
        RepositoryError::Remote => NO_NETWORK.into(),
    }
}

/// Why an index cannot be used.
pub(super) fn index(error: &IndexError) -> Trouble {
    if let IndexError::Signature(error) = error {
        return signature(error);
    }
    let trouble = Trouble::of(index_words(error), error);
    match error {
        IndexError::Archive { .. } | IndexError::Block(_) => trouble.help(Help::Again),
        _ => trouble,
    }
}

fn index_words(error: &IndexError) -> String {
    let words = match error {
        IndexError::Signature(error) => signature_words(error),
        IndexError::Block(error) => return block_words(error),
        IndexError::Values(_) | IndexError::Identity { .. } => ADB_BLOCK,
        IndexError::Schema { .. } => ADB_SCHEMA,
        IndexError::Signatures { .. } => ADB_SIGNATURE,
        IndexError::Record(_) | IndexError::NotUtf8 { .. } => DATABASE_FORMAT,
        IndexError::Read { source, .. } => return stream_words(source),
        IndexError::Mixed { .. } => INDEX_FORMAT,
        IndexError::ControlFiles { .. } => NOT_SUPPORTED,
        IndexError::Archive { .. } | IndexError::NoRecords => INVALID,
    };
    words.to_owned()
}

/// Why something is not trusted.
pub(super) fn signature(error: &SignatureError) -> Trouble {
    let help = match error {
        SignatureError::Unsigned => Help::Sign,
        SignatureError::UnknownKey { .. } | SignatureError::UnknownId { .. } => Help::Key,
        SignatureError::Bad { .. } => Help::OtherKey,
    };
    Trouble::of(signature_words(error), error).help(help)
}

fn signature_words(error: &SignatureError) -> &'static str {
    match error {
        SignatureError::Unsigned
        | SignatureError::UnknownKey { .. }
        | SignatureError::UnknownId { .. } => UNTRUSTED,
        SignatureError::Bad { .. } => BAD_SIGNATURE,
    }
}

/// Why a package cannot be used.
pub(super) fn package(error: &PackageError) -> Trouble {
    let help = match error {
        PackageError::Identity { .. } => Help::OtherBuild,
        PackageError::DataHash { .. } | PackageError::Content { .. } => Help::Again,
        _ => return Trouble::of(package_words(error), error),
    };
    Trouble::of(package_words(error), error).help(help)
}

fn package_words(error: &PackageError) -> String {
    let words = match error {
        PackageError::Block(error) => return block_words(error),
        PackageError::Values(_) => ADB_BLOCK,
        PackageError::Schema { .. } => ADB_SCHEMA,
        PackageError::Signatures { .. } => ADB_SIGNATURE,
        PackageError::OtherContent { .. } | PackageError::NoFile { .. } => ADB_BLOCK,
        PackageError::NoContent { .. } => ENDS_EARLY,
        PackageError::Identity { .. } | PackageError::DataHash { .. } => PACKAGE_INTEGRITY,
        PackageError::Archive {
            member: Member::Signature,
            ..
        } => INVALID,
        PackageError::Archive {
            source: ArchiveError::Truncated,
            ..
        } => ENDS_EARLY,
        PackageError::Archive {
            source: ArchiveError::Read(source),
            ..
        } => return stream_words(source),
        PackageError::NoDataHash
        | PackageError::Obsolete
        | PackageError::Info(_)
        | PackageError::NotControl { .. }
        | PackageError::NoInfo
        | PackageError::Twice { .. } => PACKAGE_FORMAT,
        PackageError::NoChecksum { .. } => OBSOLETE,
        PackageError::Read { source, .. } => return stream_words(source),
        PackageError::NoControl { .. } | PackageError::NoData { .. } => ENDS_EARLY,
        _ => INVALID,
    };
    words.to_owned()
}

/// Why the frame of a v3 file cannot be used.
pub(super) fn block(error: &BlockError) -> Trouble {
    Trouble::of(block_words(error), error)
}

fn block_words(error: &BlockError) -> String {
    match error {
        BlockError::Read { source, .. } => stream_words(source),
        BlockError::Magic => ADB_HEADER.to_owned(),
        _ => ADB_BLOCK.to_owned(),
    }
}

/// Why a file is no v3 file, or a broken one. What is no stream that apk can decompress has no header either.
pub(super) fn frame(error: &BlockError) -> Trouble {
    match error {
        BlockError::Read { offset: 0, source }
            if source.raw_os_error().is_none() && source.kind() != io::ErrorKind::UnexpectedEof =>
        {
            Trouble::of(ADB_HEADER, error)
        }
        other => block(other),
    }
}

/// Why a file could not be read to its end.
pub(super) fn stream(error: &io::Error) -> Trouble {
    match broken_package(error) {
        Some(inner) => package(inner),
        None => Trouble::of(stream_words(error), error),
    }
}

fn stream_words(error: &io::Error) -> String {
    match (broken_package(error), error.kind()) {
        (Some(inner), _) => package_words(inner),
        (None, io::ErrorKind::UnexpectedEof) => ENDS_EARLY.to_owned(),
        (None, _) if error.raw_os_error().is_some() => system(error),
        (None, _) => INVALID.to_owned(),
    }
}

/// What reading the content of an entry found.
fn broken_package(error: &io::Error) -> Option<&PackageError> {
    error.get_ref()?.downcast_ref()
}

/// An error and its causes, for what apk has no words.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    crate::failure::chain(error)
}

/// What is wrong with a package, as apk 2.14 says it where that is something else.
pub(super) fn by(words: Dialect, text: &str) -> &str {
    match (words, text) {
        (Dialect::Apk2, ENDS_EARLY) => "BAD archive",
        (Dialect::Apk2, PACKAGE_INTEGRITY) => "BAD signature",
        (Dialect::Apk2, INVALID) => "IO ERROR",
        (Dialect::Apk2, PACKAGE_FORMAT) => "package file format error",
        _ => text,
    }
}
