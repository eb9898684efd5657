//! Containers written member by member.

use super::{offset_width, padding};

/// A tuple or dict entry being written.
#[derive(Debug)]
pub(crate) struct TupleWriter {
    bytes: Vec<u8>,
    /// Ends of the variable-size members so far.
    ends: Vec<usize>,
    align: usize,
    last_is_variable: bool,
}

impl TupleWriter {
    /// Starts a tuple whose most demanding member is aligned to `align` bytes.
    pub(crate) fn new(align: usize) -> Self {
        TupleWriter {
            bytes: Vec::new(),
            ends: Vec::new(),
            align,
            last_is_variable: false,
        }
    }

    /// Adds a member of fixed size.
    pub(crate) fn fixed(&mut self, align: usize, member: &[u8]) {
        self.place(align, member);
        self.last_is_variable = false;
    }

    /// Adds a member of variable size.
    pub(crate) fn variable(&mut self, align: usize, member: &[u8]) {
        self.place(align, member);
        self.ends.push(self.bytes.len());
        self.last_is_variable = true;
    }

    /// Adds a string with its NUL.
    pub(crate) fn string(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
        self.ends.push(self.bytes.len());
        self.last_is_variable = true;
    }

    /// The serialized tuple.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        if self.ends.is_empty() {
            let pad = padding(self.bytes.len(), self.align);
            self.bytes.resize(self.bytes.len() + pad, 0);
            return self.bytes;
        }
        if self.last_is_variable {
            self.ends.pop();
        }
        let width = offset_width(self.bytes.len(), self.ends.len());
        self.ends.reverse();
        push_offsets(&mut self.bytes, &self.ends, width);
        self.bytes
    }

    fn place(&mut self, align: usize, member: &[u8]) {
        let pad = padding(self.bytes.len(), align);
        self.bytes.resize(self.bytes.len() + pad, 0);
        self.bytes.extend_from_slice(member);
    }
}

/// An array of variable-size elements being written.
#[derive(Debug)]
pub(crate) struct ArrayWriter {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    align: usize,
}

impl ArrayWriter {
    /// Starts an array whose elements are aligned to `align` bytes.
    pub(crate) fn new(align: usize) -> Self {
        ArrayWriter {
            bytes: Vec::new(),
            ends: Vec::new(),
            align,
        }
    }

    /// Adds one serialized element.
    pub(crate) fn element(&mut self, element: &[u8]) {
        let pad = padding(self.bytes.len(), self.align);
        self.bytes.resize(self.bytes.len() + pad, 0);
        self.bytes.extend_from_slice(element);
        self.ends.push(self.bytes.len());
    }

    /// The serialized array; an empty one is no bytes at all.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let width = offset_width(self.bytes.len(), self.ends.len());
        push_offsets(&mut self.bytes, &self.ends, width);
        self.bytes
    }
}

fn push_offsets(bytes: &mut Vec<u8>, offsets: &[usize], width: usize) {
    for offset in offsets {
        let little = (*offset as u64).to_le_bytes();
        bytes.extend(little.iter().take(width));
    }
}
