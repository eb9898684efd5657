//! Memory for what is read as a whole and kept: the text of an index, the values of a v3 one.
//!
//! To touch a page for the first time costs more than to inflate into it, and an index of 5,000 packages has 500 pages of
//! 4 KiB. What is as long gets huge pages where the system has them; where it has none, it gets the others.

use std::io;
use std::ops::{Deref, DerefMut};

use bytes::Bytes;
use memmap2::MmapMut;

/// So many zeros at first.
pub(crate) enum Memory {
    Small(Vec<u8>),
    /// A multiple of [`HUGE`] bytes, of which only those take memory that are touched.
    Large(MmapMut),
}

impl Memory {
    /// `length` bytes, or more. Where a length may be a lie, it costs [`HUGE`] bytes at most.
    pub(crate) fn zeroed(length: usize) -> io::Result<Memory> {
        if length < LARGE {
            return Ok(Memory::Small(vec![0; length]));
        }
        let length = length.checked_next_multiple_of(HUGE);
        let map = MmapMut::map_anon(length.ok_or(io::ErrorKind::OutOfMemory)?)?;
        // A system without huge pages refuses, and is slower.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(Memory::Large(map))
    }

    /// The first of the bytes, never to be changed again.
    pub(crate) fn into_bytes(self, length: usize) -> Bytes {
        let mut bytes = match self {
            Memory::Small(bytes) => Bytes::from(bytes),
            Memory::Large(map) => Bytes::from_owner(map),
        };
        bytes.truncate(length);
        bytes
    }
}

impl Deref for Memory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Memory::Small(bytes) => bytes,
            Memory::Large(map) => map,
        }
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Memory::Small(bytes) => bytes,
            Memory::Large(map) => map,
        }
    }
}

/// From here on huge pages are worth it: to clear one takes as long as to touch some 50 small ones.
const LARGE: usize = 1 << 20;

/// A huge page of x86-64, and of aarch64 with small pages of 4 KiB. A mapping of so many bytes begins with one.
const HUGE: usize = 2 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_asked_for() {
        for length in [0, 1, LARGE - 1, LARGE, HUGE - 1, HUGE, HUGE + 1] {
            let mut memory = Memory::zeroed(length).unwrap();
            assert!(memory.len() >= length);
            assert!(memory.iter().all(|byte| *byte == 0));
            memory[..length].fill(7);
            let bytes = memory.into_bytes(length);
            assert_eq!(bytes.len(), length);
            assert!(bytes.iter().all(|byte| *byte == 7));
        }
        assert!(Memory::zeroed(usize::MAX).is_err());
    }
}
