//! An index where a package is expected.
//!
//! apk reads a file as what it is before it asks whether that is wanted, and so finds first that nobody trusted signed it:
//!
//! | the index is | apk's words |
//! |---|---|
//! | signed by nobody, or by an unknown key | `UNTRUSTED signature` |
//! | trusted, or need not be; or its signature is bad | `file format not supported (in this applet)` |

use std::fs::File;

use apk_format::adb::block::Schema;
use apk_format::{Index, IndexError, KeyRing, PackageError, SignatureError, Trust};

use super::phrases;
use super::trouble::Trouble;

/// Why the file at `path`, which could not be opened as a package, is none.
pub(super) fn why(path: &str, keys: &KeyRing, trust: Trust, error: &PackageError) -> Trouble {
    if !may_be_index(error) {
        return phrases::package(error);
    }
    match File::open(path).map(|file| Index::read(file, keys, trust)) {
        // What it is comes before whether the signature fits.
        Ok(Err(IndexError::Signature(error))) if !matches!(error, SignatureError::Bad { .. }) => {
            phrases::signature(&error)
        }
        _ => Trouble::of(phrases::NOT_SUPPORTED, error),
    }
}

/// Whether a file with this error is an index, or may be one.
pub(super) fn may_be_index(error: &PackageError) -> bool {
    match error {
        PackageError::Schema { schema } => *schema == Schema::INDEX,
        PackageError::NotControl { .. } => true,
        _ => false,
    }
}
