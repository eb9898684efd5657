//! The sizes of a commit's objects, kept in its metadata under `ostree.sizes`: an `aay`.
//!
//! | bytes of an entry | meaning |
//! |---|---|
//! | 32 | checksum |
//! | 1 to 10 | size in an `archive` repository: seven bits a byte, least significant first, the top bit says that more follow |
//! | 1 to 10 | size of the content in the same form; of a link the length of its target, of metadata the same as before |
//! | 1 | 1 file, 2 dirtree, 3 dirmeta; absent in old commits, which list files only |
//!
//! Entries are sorted by checksum. Source: the specification, compared with what ostree writes.

use std::collections::BTreeMap;

use super::ObjectKind;
use crate::checksum::Checksum;
use crate::gvariant::{Dict, Type, Value};

/// The key in the metadata of commits.
pub const SIZES_KEY: &str = "ostree.sizes";

/// How large one object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectSize {
    /// What it is.
    pub kind: ObjectKind,
    /// Bytes on the disk of an `archive` repository.
    pub archived: u64,
    /// Bytes of its content.
    pub unpacked: u64,
}

/// Why the sizes in a commit cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizesError {
    /// There are none.
    #[error("No metadata key ostree.sizes in commit")]
    Missing,
    /// An entry ends too early.
    #[error("Unexpected EOF reading ostree.sizes varint")]
    Short,
    /// A size that no 64 bits can hold.
    #[error("a number in ostree.sizes is too large")]
    Large,
    /// A kind of object that has no size.
    #[error("Unexpected ostree.sizes object type {0}")]
    Kind(u8),
    /// Bytes behind the end of an entry.
    #[error("an entry of ostree.sizes is longer than it should be")]
    Long,
}

/// The value of `ostree.sizes`.
#[must_use]
pub fn encode(sizes: &BTreeMap<Checksum, ObjectSize>) -> Value {
    let entries = sizes.iter().map(|(checksum, size)| {
        let mut entry = checksum.as_bytes().to_vec();
        push_varint(&mut entry, size.archived);
        push_varint(&mut entry, size.unpacked);
        entry.push(number(size.kind));
        Value::Bytes(entry)
    });
    Value::Array(Type::Array(Box::new(Type::Basic(b'y'))), entries.collect())
}

/// The sizes that a commit's metadata has.
pub fn parse(metadata: &Dict) -> Result<Vec<(Checksum, ObjectSize)>, SizesError> {
    let Some(Value::Array(_, entries)) = metadata.get(SIZES_KEY) else {
        return Err(SizesError::Missing);
    };
    let entries = entries.iter().map(|entry| match entry {
        Value::Bytes(bytes) => parse_entry(bytes),
        _ => Err(SizesError::Missing),
    });
    entries.collect()
}

fn parse_entry(bytes: &[u8]) -> Result<(Checksum, ObjectSize), SizesError> {
    let (checksum, mut rest) = bytes.split_first_chunk().ok_or(SizesError::Short)?;
    let archived = take_varint(&mut rest)?;
    let unpacked = take_varint(&mut rest)?;
    let kind = match rest {
        [] | [1] => ObjectKind::File,
        [2] => ObjectKind::DirTree,
        [3] => ObjectKind::DirMeta,
        [4] => ObjectKind::Commit,
        [other] => return Err(SizesError::Kind(*other)),
        _ => return Err(SizesError::Long),
    };
    let size = ObjectSize {
        kind,
        archived,
        unpacked,
    };
    Ok((Checksum::from_bytes(*checksum), size))
}

/// The number that ostree gives a kind of object.
const fn number(kind: ObjectKind) -> u8 {
    match kind {
        ObjectKind::File => 1,
        ObjectKind::DirTree => 2,
        ObjectKind::DirMeta => 3,
        ObjectKind::Commit => 4,
    }
}

fn push_varint(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

fn take_varint(bytes: &mut &[u8]) -> Result<u64, SizesError> {
    let mut number = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(SizesError::Short)?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return Err(SizesError::Large);
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(SizesError::Large)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_survive_a_round_trip() {
        let kinds = [ObjectKind::File, ObjectKind::DirTree, ObjectKind::DirMeta];
        let numbers = [0, 127, 128, 16_383, 16_384, u64::MAX];
        let mut sizes = BTreeMap::new();
        for kind in kinds {
            for archived in numbers {
                let size = ObjectSize {
                    kind,
                    archived,
                    unpacked: archived / 2,
                };
                sizes.insert(Checksum::of(format!("{size:?}").as_bytes()), size);
            }
        }
        let mut metadata = Dict::default();
        metadata.push(SIZES_KEY, encode(&sizes));
        assert_eq!(parse(&metadata), Ok(sizes.into_iter().collect()));
    }

    #[test]
    fn broken_entries_are_refused() {
        let parse = |tail: &[u8]| parse_entry(&[&[0; 32], tail].concat()).map(|(_, size)| size);
        assert_eq!(parse(&[]), Err(SizesError::Short));
        assert_eq!(parse(&[1]), Err(SizesError::Short));
        assert_eq!(parse(&[0x80]), Err(SizesError::Short));
        assert_eq!(parse(&[1, 1, 9]), Err(SizesError::Kind(9)));
        assert_eq!(parse(&[1, 1, 1, 1]), Err(SizesError::Long));
        assert_eq!(parse(&[0xff; 12]), Err(SizesError::Large));
        assert_eq!(parse(&[1, 1]).map(|size| size.kind), Ok(ObjectKind::File));
    }
}
