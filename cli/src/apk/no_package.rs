//! An index where a package is expected, or an archive that is neither.
//!
//! apk reads a file as what it is before it asks whether that is wanted, and so finds first that nobody trusted signed it.
//! An archive is an index for it if its first file is no control file of a package, whatever its name is.
//!
//! | the archive is | apk's words |
//! |---|---|
//! | signed by nobody, or by an unknown key | `UNTRUSTED signature` |
//! | trusted, or need not be; or its signature is bad: an index | `file format not supported (in this applet)` |
//! | trusted, or need not be: control files and others in one | `v2 package format error` |
//! | control files without `.PKGINFO` | the same; nothing is wrong with it for `extract` and `verify` |

use std::fs::File;

use apk_format::adb::block::Schema;
use apk_format::{Index, IndexError, KeyRing, PackageError, SignatureError, Trust};

use super::phrases;
use super::trouble::Trouble;

/// Why the file at `path`, which could not be opened as a package, is none.
pub(super) fn why(path: &str, keys: &KeyRing, trust: Trust, error: &PackageError) -> Trouble {
    if !may_be_other(error) {
        return phrases::package(error);
    }
    // What it is comes before whether the signature fits.
    let bad = |error: &SignatureError| matches!(error, SignatureError::Bad { .. });
    match as_index(path, keys, trust) {
        Some(IndexError::Signature(error)) if !bad(&error) => phrases::signature(&error),
        Some(IndexError::ControlFiles {
            untrusted: Some(error),
            ..
        }) if !bad(&error) => phrases::signature(&error),
        Some(IndexError::ControlFiles { other: Some(_), .. }) => {
            Trouble::of(phrases::PACKAGE_FORMAT, error)
        }
        _ if matches!(error, PackageError::NoInfo) => phrases::package(error),
        _ => Trouble::of(phrases::NOT_SUPPORTED, error),
    }
}

/// Whether the file at `path` holds control files of a package only, none of which says what it is. Somebody who is
/// trusted signed it, if that is asked for.
pub(super) fn says_nothing(path: &str, keys: &KeyRing, trust: Trust, error: &PackageError) -> bool {
    matches!(error, PackageError::NoInfo)
        && matches!(
            as_index(path, keys, trust),
            Some(IndexError::ControlFiles {
                untrusted: None,
                other: None
            })
        )
}

/// Why the file is no index, if it is none.
fn as_index(path: &str, keys: &KeyRing, trust: Trust) -> Option<IndexError> {
    Index::read(File::open(path).ok()?, keys, trust).err()
}

/// Whether a file with this error may be something else than a package.
pub(super) fn may_be_other(error: &PackageError) -> bool {
    match error {
        PackageError::Schema { schema } => *schema == Schema::INDEX,
        PackageError::NotControl { vouched, .. } => !vouched,
        PackageError::NoInfo => true,
        _ => false,
    }
}
