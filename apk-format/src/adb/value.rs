//! Values: what an ADB block holds, seen in place.
//!
//! A block's payload begins with eight bytes, then come the values, in any order. Offsets count from the beginning
//! of the payload; integers are little-endian.
//!
//! | offset | size | |
//! |---|---|---|
//! | 0 | 1 | version that a reader must know: 0 |
//! | 1 | 1 | version that it need not know |
//! | 2 | 2 | reserved |
//! | 4 | 4 | the root value |
//!
//! A value is one word: a kind in the upper 4 bits, 28 bits of data.
//!
//! | kind | data | there |
//! |---|---|---|
//! | 0 special | 0 null, 1 true, 2 false | – |
//! | 1 int | the number | – |
//! | 2 int32, 3 int64 | offset | the number |
//! | 8 blob8, 9 blob16, a blob32 | offset | length in 1, 2 or 4 bytes, then the bytes |
//! | d array, e object | offset | number of slots plus 1, then a value for each slot |
//! | f lost | number of an error | – |
//!
//! Nobody means to write the last kind. `apk convndx` of 3.0.6 does when a field of an old index is not as it should be,
//! and so loses it: it is read as null.
//!
//! Slots count from 1; a slot behind the last is null. Writers use `d` and `e` without a rule, so both are read
//! alike. Several values may point to the same place: what a walk over all values meets can be much more than the
//! payload is long, and whoever walks must keep to a [`Budget`].

use std::fmt;

/// The payload of an ADB block.
#[derive(Clone, Copy)]
pub struct Adb<'a> {
    bytes: &'a [u8],
}

impl<'a> Adb<'a> {
    /// Looks at the header; values are looked at when they are asked for.
    pub fn new(bytes: &'a [u8]) -> Result<Adb<'a>, ValueError> {
        match bytes.first() {
            _ if bytes.len() < HEADER => Err(ValueError::Short {
                length: bytes.len(),
            }),
            Some(0) => Ok(Adb { bytes }),
            other => Err(ValueError::Version {
                version: other.copied().unwrap_or_default(),
            }),
        }
    }

    /// The whole payload.
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The value that all others are reached from.
    pub fn root(self) -> Value {
        Value(self.word(4).unwrap_or_default())
    }

    /// The number; null counts as 0.
    pub fn int(self, value: Value) -> Result<u64, ValueError> {
        match value.kind() {
            _ if value.is_null() || value.is_lost() => Ok(0),
            INT => Ok(value.data().into()),
            INT_32 => Ok(u32::from_le_bytes(self.array(value.offset())?).into()),
            INT_64 => Ok(u64::from_le_bytes(self.array(value.offset())?)),
            _ => Err(ValueError::kind("a number", value)),
        }
    }

    /// The bytes; null counts as none.
    pub fn blob(self, value: Value) -> Result<&'a [u8], ValueError> {
        let at = value.offset();
        let (width, length) = match value.kind() {
            _ if value.is_null() || value.is_lost() => return Ok(&[]),
            BLOB_8 => (1, u8::from_le_bytes(self.array(at)?).into()),
            BLOB_16 => (2, u16::from_le_bytes(self.array(at)?).into()),
            BLOB_32 => (4, u32::from_le_bytes(self.array(at)?)),
            _ => return Err(ValueError::kind("a blob", value)),
        };
        self.slice(at.saturating_add(width), length)
    }

    /// Where the bytes of a blob lie within the payload.
    pub(crate) fn blob_range(self, value: Value) -> Result<std::ops::Range<usize>, ValueError> {
        let length = self.blob(value)?.len();
        let width = match value.kind() {
            BLOB_8 => 1,
            BLOB_16 => 2,
            BLOB_32 => 4,
            _ => 0,
        };
        let start = usize::try_from(value.offset()).unwrap_or(usize::MAX);
        let start = start.saturating_add(width);
        Ok(start..start.saturating_add(length))
    }

    /// The slots of an array or object; null counts as none.
    pub fn slots(self, value: Value) -> Result<Slots<'a>, ValueError> {
        let at = value.offset();
        let count = match value.kind() {
            _ if value.is_null() || value.is_lost() => return Ok(Slots { words: &[] }),
            ARRAY | OBJECT => u32::from_le_bytes(self.array(at)?),
            _ => return Err(ValueError::kind("an array or object", value)),
        };
        let Some(slots) = count.checked_sub(1) else {
            return Err(ValueError::NoCount { offset: at });
        };
        let words = self.slice(at.saturating_add(4), slots.saturating_mul(4))?;
        Ok(Slots { words })
    }

    fn array<const N: usize>(self, at: u32) -> Result<[u8; N], ValueError> {
        let length = u32::try_from(N).unwrap_or(u32::MAX);
        let slice = self.slice(at, length)?;
        slice.try_into().map_err(|_| self.outside(at, length))
    }

    fn slice(self, at: u32, length: u32) -> Result<&'a [u8], ValueError> {
        let start = usize::try_from(at).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
        let slice = self.bytes.get(start..end);
        slice.ok_or_else(|| self.outside(at, length))
    }

    fn outside(self, offset: u32, length: u32) -> ValueError {
        ValueError::Outside {
            offset,
            length,
            payload: self.bytes.len(),
        }
    }

    fn word(self, at: u32) -> Option<u32> {
        self.array(at).ok().map(u32::from_le_bytes)
    }
}

impl fmt::Debug for Adb<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Adb({} bytes)", self.bytes.len())
    }
}

/// One word that names a value of a payload.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(u32);

impl Value {
    /// Nothing.
    pub const NULL: Value = Value(0);

    /// Takes a word as it is in the file.
    pub fn from_word(word: u32) -> Value {
        Value(word)
    }

    /// The word as it is in the file.
    pub fn word(self) -> u32 {
        self.0
    }

    /// Whether this is nothing.
    pub fn is_null(self) -> bool {
        self == Value::NULL
    }

    /// Whether there was something that whoever wrote the file could not write.
    pub fn is_lost(self) -> bool {
        self.kind() == LOST
    }

    /// A value of this kind; only the lower 28 bits of `data` are used.
    pub(crate) fn new(kind: u32, data: u32) -> Value {
        Value(kind << 28 | data & DATA)
    }

    pub(crate) fn kind(self) -> u32 {
        self.0 >> 28
    }

    pub(crate) fn data(self) -> u32 {
        self.0 & DATA
    }

    fn offset(self) -> u32 {
        self.data()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({:08x})", self.0)
    }
}

/// The slots of an array or object.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slots<'a> {
    words: &'a [u8],
}

impl<'a> Slots<'a> {
    /// How many there are, nulls included.
    pub fn len(self) -> usize {
        self.words.len() / 4
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.words.is_empty()
    }

    /// The value in a slot, counted from 1; null if there is no such slot.
    pub fn get(self, slot: usize) -> Value {
        let start = slot.checked_sub(1).and_then(|index| index.checked_mul(4));
        let word = start.and_then(|start| self.words.get(start..)?.first_chunk());
        Value(word.copied().map_or(0, u32::from_le_bytes))
    }

    /// All values in order, nulls included.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Value> + 'a {
        let word = |chunk: &[u8; 4]| Value(u32::from_le_bytes(*chunk));
        self.words.as_chunks().0.iter().map(word)
    }
}

/// How much a walk over values may still produce.
///
/// A file of 64 KiB can hold 16,000 packages that all share one list of 16,000 dependencies. Real writers share too,
/// but what they write stays within a small multiple of its size.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    left: u64,
}

impl Budget {
    /// For a walk over a payload of this many bytes: eight times as much, and 1 MiB; at most 64 MiB, which is eight times
    /// what the largest index of Alpine needs.
    pub fn for_payload(length: usize) -> Budget {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        Budget {
            left: length
                .saturating_mul(8)
                .saturating_add(1 << 20)
                .min(64 << 20),
        }
    }

    /// For a text of all values of a payload of this many bytes: 16 times as much, and 1 MiB. Owners and modes of
    /// files are printed again for each of them.
    pub fn for_text(length: usize) -> Budget {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        Budget {
            left: length.saturating_mul(16).saturating_add(1 << 20),
        }
    }

    /// For a walk that may produce this many bytes.
    pub fn bytes(left: u64) -> Budget {
        Budget { left }
    }

    /// Takes `amount` bytes of what is left.
    pub fn spend(&mut self, amount: usize) -> Result<(), ValueError> {
        let amount = u64::try_from(amount).unwrap_or(u64::MAX);
        match self.left.checked_sub(amount) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(ValueError::TooMuch),
        }
    }
}

/// Why a value cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// The payload does not even hold its header.
    #[error("the ADB block has {length} bytes, its header alone has {HEADER}")]
    Short {
        /// Bytes of the payload.
        length: usize,
    },
    /// A version that no reader of today knows.
    #[error("the ADB block is of version {version}, only version 0 is known")]
    Version {
        /// What the block says.
        version: u8,
    },
    /// A value that lies outside of the payload.
    #[error(
        "{length} bytes at offset {offset:#x} are not within the ADB block of {payload:#x} bytes"
    )]
    Outside {
        /// Where it begins, within the payload.
        offset: u32,
        /// How long it is.
        length: u32,
        /// How long the payload is.
        payload: usize,
    },
    /// A value of another kind than is needed.
    #[error("the word {word:#010x} is not {wanted}")]
    Kind {
        /// What is needed.
        wanted: &'static str,
        /// What is there.
        word: u32,
    },
    /// An array that does not count itself.
    #[error("the array or object at offset {offset:#x} has the count 0")]
    NoCount {
        /// Within the payload.
        offset: u32,
    },
    /// Values that share so much that no real writer made them.
    #[error("its values refer to each other so often that they would fill many times its size")]
    TooMuch,
}

impl ValueError {
    pub(crate) fn kind(wanted: &'static str, value: Value) -> ValueError {
        ValueError::Kind {
            wanted,
            word: value.0,
        }
    }
}

/// Bytes before the first value.
pub(crate) const HEADER: usize = 8;

/// What the 28 bits of a word can hold, and so where the last value can begin.
pub(crate) const DATA: u32 = 0x0fff_ffff;

pub(crate) const SPECIAL: u32 = 0x0;
pub(crate) const INT: u32 = 0x1;
pub(crate) const INT_32: u32 = 0x2;
pub(crate) const INT_64: u32 = 0x3;
pub(crate) const BLOB_8: u32 = 0x8;
pub(crate) const BLOB_16: u32 = 0x9;
pub(crate) const BLOB_32: u32 = 0xa;
pub(crate) const ARRAY: u32 = 0xd;
pub(crate) const OBJECT: u32 = 0xe;
const LOST: u32 = 0xf;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_within_the_payload() {
        let bytes = [
            0, 0, 0, 0, 8, 0, 0, 0xe0, 2, 0, 0, 0, 0x10, 0, 0, 0x80, 9, b'x',
        ];
        let adb = Adb::new(&bytes).unwrap();
        let slots = adb.slots(adb.root()).unwrap();
        assert_eq!(
            (slots.len(), slots.get(0), slots.get(2)),
            (1, Value::NULL, Value::NULL)
        );
        assert_eq!(
            adb.blob(slots.get(1)).unwrap_err().to_string(),
            "9 bytes at offset 0x11 are not within the ADB block of 0x12 bytes"
        );
        assert_eq!(
            adb.int(slots.get(1)).unwrap_err().to_string(),
            "the word 0x80000010 is not a number"
        );
        for far in [Value::new(INT_64, DATA), Value::new(INT_32, 15)] {
            assert!(matches!(adb.int(far), Err(ValueError::Outside { .. })));
        }
        assert_eq!(
            adb.slots(Value::new(ARRAY, 0)).unwrap_err(),
            ValueError::NoCount { offset: 0 }
        );
        assert!(adb.slots(Value::new(ARRAY, 4)).is_err());
    }

    #[test]
    fn headers_are_checked() {
        assert_eq!(
            Adb::new(&[0; 7]).unwrap_err(),
            ValueError::Short { length: 7 }
        );
        let newer = [1, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(
            Adb::new(&newer).unwrap_err(),
            ValueError::Version { version: 1 }
        );
    }
}
