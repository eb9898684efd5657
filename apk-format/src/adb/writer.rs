//! Makes a block of values, with the same bytes as apk.
//!
//! The bytes of a block decide a package's identity, so two programs that make the same package must lay out its values
//! in the same way. apk's rules:
//!
//! - what a value refers to is appended when the value is made, aligned as it needs, with zeros before it;
//! - bytes that were written before at a place so aligned are not written again, whether they were a text, a number or
//!   an object. But a blob whose parts came separately (an attribute's name and value, say), or as it is from another
//!   file, is taken for something else than one that came as length and bytes;
//! - nulls at the end of an object are cut off; what is empty then is null.

use std::collections::HashMap;

use crate::adb::value::{
    ARRAY, Adb, BLOB_8, BLOB_16, BLOB_32, Budget, DATA, HEADER, INT, INT_32, INT_64, OBJECT,
    SPECIAL, Value, ValueError,
};

/// A block in the making.
#[derive(Debug)]
pub struct ValueWriter {
    bytes: Vec<u8>,
    /// Where bytes are, by the number of parts they came in. Never walked over.
    known: HashMap<(usize, Box<[u8]>), usize>,
}

impl Default for ValueWriter {
    fn default() -> Self {
        ValueWriter::new()
    }
}

impl ValueWriter {
    /// A block with no values.
    pub fn new() -> ValueWriter {
        ValueWriter {
            bytes: vec![0; HEADER],
            known: HashMap::new(),
        }
    }

    /// A number.
    pub fn int(&mut self, number: u64) -> Value {
        match u32::try_from(number) {
            Ok(small) if small <= DATA => Value::new(INT, small),
            Ok(word) => self.shared(INT_32, &[&word.to_le_bytes()], 4),
            Err(_) => self.shared(INT_64, &[&number.to_le_bytes()], 4),
        }
    }

    /// A text or other bytes; none are null.
    pub fn blob(&mut self, bytes: &[u8]) -> Value {
        self.blob_of(&[bytes])
    }

    /// A blob of several parts.
    pub fn blob_of(&mut self, parts: &[&[u8]]) -> Value {
        let length = parts.iter().map(|part| part.len()).sum();
        let Some((kind, length, align)) = length_prefix(length) else {
            return Value::NULL;
        };
        let mut all: Vec<&[u8]> = vec![&length];
        all.extend(parts);
        self.shared(kind, &all, align)
    }

    /// A blob that nothing else will share, because it is changed when the block is complete.
    pub fn blob_alone(&mut self, bytes: &[u8]) -> Value {
        match length_prefix(bytes.len()) {
            None => Value::NULL,
            Some((kind, length, align)) => {
                let whole = [&length, bytes].concat();
                let at = self.append(&whole, align);
                value(kind, at)
            }
        }
    }

    /// An object of these slots, the first of which is slot 1.
    pub fn object(&mut self, slots: &[Value]) -> Value {
        self.slots(OBJECT, slots)
    }

    /// An array of these elements.
    pub fn array(&mut self, elements: &[Value]) -> Value {
        self.slots(ARRAY, elements)
    }

    /// The same value as in another block, with all that it refers to.
    ///
    /// Fails where the other block cannot be read, and on values deeper than those of any schema.
    pub fn copy(
        &mut self,
        from: Adb<'_>,
        value: Value,
        budget: &mut Budget,
    ) -> Result<Value, ValueError> {
        self.copy_to(from, value, budget, DEPTH)
    }

    /// How many bytes there are so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no value yet.
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == HEADER
    }

    /// The payload, with the value that all others are reached from.
    ///
    /// Fails if a value begins where no word can refer to, beyond 256 MiB.
    pub fn finish(mut self, root: Value) -> Result<Vec<u8>, TooLarge> {
        let length = self.bytes.len();
        if length > usize::try_from(DATA).unwrap_or(usize::MAX) {
            return Err(TooLarge { length });
        }
        if let Some(place) = self.bytes.get_mut(4..HEADER) {
            place.copy_from_slice(&root.word().to_le_bytes());
        }
        Ok(self.bytes)
    }

    fn slots(&mut self, kind: u32, slots: &[Value]) -> Value {
        let used = slots.iter().rposition(|value| !value.is_null());
        let Some(slots) = used.and_then(|last| slots.get(..=last)) else {
            return Value::NULL;
        };
        let count = u32::try_from(slots.len() + 1).unwrap_or(u32::MAX);
        let words = std::iter::once(count).chain(slots.iter().map(|value| value.word()));
        let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        self.shared(kind, &[&bytes], 4)
    }

    fn copy_to(
        &mut self,
        from: Adb<'_>,
        value: Value,
        budget: &mut Budget,
        depth: usize,
    ) -> Result<Value, ValueError> {
        let kind = value.kind();
        Ok(match kind {
            INT_32 | INT_64 => {
                let number = from.int(value)?;
                let long = number.to_le_bytes();
                let short = long.first_chunk::<4>().copied().unwrap_or_default();
                if kind == INT_64 {
                    self.shared(kind, &[&long], 8)
                } else {
                    self.shared(kind, &[&short], 4)
                }
            }
            BLOB_8 | BLOB_16 | BLOB_32 => {
                let blob = from.blob(value)?;
                budget.spend(blob.len())?;
                let length = u32::try_from(blob.len()).unwrap_or(u32::MAX).to_le_bytes();
                let align = match kind {
                    BLOB_8 => 1,
                    BLOB_16 => 2,
                    _ => 4,
                };
                let whole = [length.get(..align).unwrap_or_default(), blob].concat();
                self.shared(kind, &[&whole], align)
            }
            ARRAY | OBJECT => {
                let slots = from.slots(value)?;
                budget.spend(4 * slots.len() + 4)?;
                let deeper = depth.checked_sub(1).ok_or(ValueError::TooMuch)?;
                let count = u32::try_from(slots.len() + 1).unwrap_or(u32::MAX);
                let mut bytes = count.to_le_bytes().to_vec();
                for value in slots.iter() {
                    let copy = self.copy_to(from, value, budget, deeper)?;
                    bytes.extend(copy.word().to_le_bytes());
                }
                self.shared(kind, &[&bytes], 4)
            }
            SPECIAL | INT => value,
            _ => return Err(ValueError::kind("a value", value)),
        })
    }

    fn shared(&mut self, kind: u32, parts: &[&[u8]], align: usize) -> Value {
        let key = (parts.len(), parts.concat().into_boxed_slice());
        if let Some(at) = self.known.get(&key).filter(|at| **at % align == 0) {
            return value(kind, *at);
        }
        let at = self.append(&key.1, align);
        self.known.insert(key, at);
        value(kind, at)
    }

    fn append(&mut self, bytes: &[u8], align: usize) -> usize {
        let at = self.bytes.len().next_multiple_of(align);
        self.bytes.resize(at, 0);
        self.bytes.extend_from_slice(bytes);
        at
    }
}

/// A block with more values than words can refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the values need {length} bytes, more than the 256 MiB that an ADB block can have")]
pub struct TooLarge {
    /// Bytes of the payload.
    pub length: usize,
}

/// A word that refers to a place; one that is too far away is found by [`ValueWriter::finish`].
fn value(kind: u32, at: usize) -> Value {
    Value::new(kind, u32::try_from(at).unwrap_or(u32::MAX))
}

/// The kind of a blob of this length, the bytes of the length, and what it is aligned to.
fn length_prefix(length: usize) -> Option<(u32, Vec<u8>, usize)> {
    let bytes = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let (kind, width) = match length {
        0 => return None,
        1..=0xff => (BLOB_8, 1),
        0x100..=0xffff => (BLOB_16, 2),
        _ => (BLOB_32, 4),
    };
    Some((kind, bytes.get(..width)?.to_vec(), width))
}

/// Sorts as the C library does that apk is built with: by merging halves. Where apk's comparison is no order (of `a`,
/// `a=1` and `a=2` the first is equal to both others), this decides what comes of it.
pub(crate) fn merge_sort<T>(
    list: Vec<T>,
    compare: &dyn Fn(&T, &T) -> std::cmp::Ordering,
) -> Vec<T> {
    if list.len() < 2 {
        return list;
    }
    let mut left = list;
    let right = left.split_off(left.len() / 2);
    let mut left = merge_sort(left, compare).into_iter().peekable();
    let mut right = merge_sort(right, compare).into_iter().peekable();
    let mut merged = Vec::new();
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = if compare(a, b).is_le() {
            left.next()
        } else {
            right.next()
        };
        merged.extend(next);
    }
    merged.extend(left.chain(right));
    merged
}

/// How deep values are: an index, its packages, one of them, its dependencies, one of them, its name; and some more.
const DEPTH: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_are_shared_where_they_are_aligned() {
        let mut writer = ValueWriter::new();
        let a = writer.blob(b"root");
        assert_eq!((a, writer.blob(b"root")), (Value::new(BLOB_8, 8), a));
        let number = writer.int(0x1000_0000);
        assert_eq!((number, writer.len()), (Value::new(INT_32, 16), 20));
        assert_eq!(writer.int(0x1000_0000), number);
        assert_eq!(writer.int(5), Value::new(INT, 5));
        let object = writer.object(&[a, Value::NULL, number, Value::NULL]);
        assert_eq!((object, writer.len()), (Value::new(OBJECT, 20), 36));
        assert_eq!(
            writer.array(&[a, Value::NULL, number]),
            Value::new(ARRAY, 20)
        );
        assert_eq!(writer.object(&[Value::NULL]), Value::NULL);
        // The same bytes in other parts, and as a copy, are something else.
        assert_eq!(writer.blob_of(&[b"ro", b"ot"]), Value::new(BLOB_8, 36));
        let bytes = writer.finish(object).unwrap();
        let from = Adb::new(&bytes).unwrap();
        let mut other = ValueWriter::new();
        other.blob(b"root");
        let mut budget = Budget::for_payload(bytes.len());
        assert_eq!(
            other.copy(from, a, &mut budget).unwrap(),
            Value::new(BLOB_8, 13)
        );
        let copy = other.copy(from, from.root(), &mut budget).unwrap();
        let slots = Adb::new(&other.bytes).unwrap().slots(copy).unwrap();
        assert_eq!(slots.len(), 3);
    }

    #[test]
    fn copies_of_cycles_end() {
        // An object at 8 whose only slot is itself.
        let bytes = [0, 0, 0, 0, 8, 0, 0, 0xe0, 2, 0, 0, 0, 8, 0, 0, 0xe0];
        let from = Adb::new(&bytes).unwrap();
        let mut budget = Budget::for_payload(bytes.len());
        let copied = ValueWriter::new().copy(from, from.root(), &mut budget);
        assert_eq!(copied, Err(ValueError::TooMuch));
    }
}
