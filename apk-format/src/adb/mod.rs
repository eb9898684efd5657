//! ADB: the container that v3 packages and indexes are files of.
//!
//! | module | knows |
//! |---|---|
//! | [`compression`] | the first bytes: how the file is compressed |
//! | [`block`] | the frame: a schema, then blocks |
//! | [`value`] | what a block of values holds: words, blobs, arrays |
//! | [`schema`] | what these mean: packages, indexes, files, dependencies |
//! | [`writer`], [`mod@file`] | how values and files are made |
//! | [`dump`] | a file as text, as `apk adbdump` prints it |

pub(crate) mod atoms;
pub mod block;
pub mod compression;
pub mod dump;
pub mod file;
pub mod generate;
pub mod schema;
mod shape;
pub mod value;
pub mod writer;

use crate::digest::Digest;
use schema::SchemaError;
use value::Adb;

/// What the `hashes` of a package should be: the first 20 bytes of the SHA-256 of its values, with the 20 bytes
/// themselves zero.
///
/// `None` if there is no room for it. apk neither checks it nor needs it to be right.
pub fn unique_id(values: &[u8]) -> Result<Option<Digest>, SchemaError> {
    let hashes = unique_id_place(values)?;
    if hashes.len() != 20 {
        return Ok(None);
    }
    let mut zeroed = values.to_vec();
    zeroed.get_mut(hashes).unwrap_or_default().fill(0);
    let digest = Digest::sha256(&zeroed);
    Ok(digest.as_bytes().get(..20).and_then(Digest::from_bytes))
}

/// Where the unique id lies.
pub(crate) fn unique_id_place(values: &[u8]) -> Result<std::ops::Range<usize>, SchemaError> {
    let failed = |source| SchemaError::value("hashes", source);
    let adb = Adb::new(values).map_err(failed)?;
    let info = adb
        .slots(adb.root())
        .and_then(|root| adb.slots(root.get(1)));
    let hashes = info.and_then(|info| adb.blob_range(info.get(3)));
    hashes.map_err(failed)
}
