//! The frame of an ADB file: a schema, then blocks.
//!
//! | offset | size | |
//! |---|---|---|
//! | 0 | 4 | `ADB.` |
//! | 4 | 4 | schema: `pckg`, `indx`, or `idb` and a zero |
//! | 8 | | blocks, up to the end of the file |
//!
//! A block is a tag, a payload, and zeros up to the next multiple of 8. The tag is a 32-bit word: a type in the upper
//! 2 bits, in the others the size of tag and payload. For payloads beyond 1 GiB the upper bits are 3: then the others
//! are the type, and another word (0) and the size in 64 bits follow, which counts these 16 bytes too.
//!
//! | type | block | how many |
//! |---|---|---|
//! | 0 | values, see [`value`](crate::adb::value) | one, first |
//! | 1 | a signature of it | any number |
//! | 2 | the content of a file: number of the path and of the file within it (from 1), then the bytes | any number |
//!
//! Offsets are those of the decompressed file.

use std::fmt;
use std::io::{self, Read};

use bytes::Bytes;

use crate::adb::compression::{Compression, Decompressor};
use crate::memory::Memory;

/// What the values of a file mean.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Schema(pub u32);

impl Schema {
    /// `pckg`: a package.
    pub const PACKAGE: Schema = Schema(0x676b_6370);
    /// `indx`: an index.
    pub const INDEX: Schema = Schema(0x7864_6e69);
    /// `idb`: an installed database.
    pub const INSTALLED: Schema = Schema(0x0062_6469);
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match *self {
            Schema::PACKAGE => "package",
            Schema::INDEX => "index",
            Schema::INSTALLED => "installed database",
            _ => return write!(f, "unknown schema {:08X}", self.0),
        })
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schema({self})")
    }
}

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockKind {
    /// Values.
    Adb,
    /// A signature.
    Signature,
    /// The content of a file.
    Data,
}

impl BlockKind {
    fn from_type(number: u32) -> Option<BlockKind> {
        match number {
            0 => Some(BlockKind::Adb),
            1 => Some(BlockKind::Signature),
            2 => Some(BlockKind::Data),
            _ => None,
        }
    }

    fn number(self) -> u32 {
        match self {
            BlockKind::Adb => 0,
            BlockKind::Signature => 1,
            BlockKind::Data => 2,
        }
    }
}

/// The beginning of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// What it holds.
    pub kind: BlockKind,
    /// Bytes of its payload.
    pub length: u64,
}

impl Block {
    /// The bytes before the payload.
    pub(crate) fn header(self) -> Vec<u8> {
        let kind = self.kind.number();
        match u32::try_from(self.length + 4) {
            Ok(size) if size <= SIZE => (kind << 30 | size).to_le_bytes().to_vec(),
            _ => {
                let mut header = (EXTENDED << 30 | kind).to_le_bytes().to_vec();
                header.extend([0; 4]);
                header.extend((self.length + 16).to_le_bytes());
                header
            }
        }
    }

    /// How many zeros follow the payload.
    pub(crate) fn padding(self) -> u64 {
        let tag = if self.length + 4 <= SIZE.into() {
            4
        } else {
            16
        };
        padding(tag, self.length)
    }
}

/// How many zeros follow a payload behind a tag of 4 or 16 bytes.
fn padding(tag: u64, length: u64) -> u64 {
    (length + tag).wrapping_neg() % ALIGNMENT
}

/// Reads the blocks of a file, one after the other; [`Read`] gives the payload of the current one.
pub struct Blocks<R: Read> {
    input: Decompressor<R>,
    schema: Schema,
    offset: u64,
    left: u64,
    padding: u64,
    last: Option<BlockKind>,
}

impl<R: Read> Blocks<R> {
    /// Reads up to the first block; the reader need not be buffered.
    pub fn open(reader: R) -> Result<Blocks<R>, BlockError> {
        let at_start = |source| BlockError::Read { offset: 0, source };
        let mut input = Decompressor::new(reader).map_err(at_start)?;
        let mut header = [0; 8];
        input.read_exact(&mut header).map_err(at_start)?;
        let [a, b, c, d, e, f, g, h] = header;
        if [a, b, c, d] != *b"ADB." {
            return Err(BlockError::Magic);
        }
        Ok(Blocks {
            input,
            schema: Schema(u32::from_le_bytes([e, f, g, h])),
            offset: 8,
            left: 0,
            padding: 0,
            last: None,
        })
    }

    /// What the values mean.
    pub fn schema(&self) -> Schema {
        self.schema
    }

    /// How the file is compressed.
    pub fn compression(&self) -> Compression {
        self.input.compression()
    }

    /// How far the file has been read, decompressed.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes on to the next block; `None` at the end of the file. What is left of the current one is passed over.
    pub fn next_block(&mut self) -> Result<Option<Block>, BlockError> {
        self.pass_over()?;
        let Some(first) = self.first_byte()? else {
            return match self.last {
                Some(_) => Ok(None),
                None => Err(BlockError::Empty),
            };
        };
        let offset = self.offset;
        let block = self.header(first)?;
        let tag = self.offset - offset;
        let in_order = match self.last {
            None => block.kind == BlockKind::Adb,
            Some(last) => block.kind != BlockKind::Adb && block.kind >= last,
        };
        if !in_order {
            return Err(BlockError::Order {
                offset,
                kind: block.kind,
            });
        }
        self.last = Some(block.kind);
        self.left = block.length;
        self.padding = padding(tag, block.length);
        Ok(Some(block))
    }

    /// Reads what is left of the current block, if it is at most `limit` bytes long.
    ///
    /// Memory grows with what is there, not with what the block says of itself.
    pub fn payload(&mut self, limit: u64) -> Result<Vec<u8>, BlockError> {
        self.payload_length(limit)?;
        let mut payload = Vec::new();
        self.read_to_end(&mut payload)
            .map_err(|source| BlockError::Read {
                offset: self.offset,
                source,
            })?;
        Ok(payload)
    }

    /// The same of what is kept as it is.
    pub(crate) fn kept_payload(&mut self, limit: u64) -> Result<Bytes, BlockError> {
        let length = self.payload_length(limit)?;
        let read = |offset| move |source| BlockError::Read { offset, source };
        let mut memory = Memory::zeroed(length).map_err(read(self.offset))?;
        let mut filled = 0;
        while self.left > 0 {
            let free = memory.get_mut(filled..).unwrap_or_default();
            match self.read(free) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => filled += other.map_err(read(self.offset))?,
            }
        }
        Ok(memory.into_bytes(length))
    }

    /// How much is left of the current block.
    fn payload_length(&self, limit: u64) -> Result<usize, BlockError> {
        let (offset, length) = (self.offset, self.left);
        if length > limit {
            return Err(BlockError::TooLong {
                offset,
                length,
                limit,
            });
        }
        Ok(usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn pass_over(&mut self) -> Result<(), BlockError> {
        let mut buffer = [0; 16 * 1024];
        loop {
            let offset = self.offset;
            match self.read(&mut buffer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(source) => return Err(BlockError::Read { offset, source }),
            }
        }
        let mut padding = [0; 7];
        let length = usize::try_from(std::mem::take(&mut self.padding)).unwrap_or_default();
        let padding = padding.get_mut(..length).unwrap_or_default();
        let offset = self.offset;
        self.exact(padding)?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(BlockError::Padding { offset });
        }
        Ok(())
    }

    fn first_byte(&mut self) -> Result<Option<u8>, BlockError> {
        let mut first = [0];
        loop {
            match self.input.read(&mut first) {
                Ok(0) => return Ok(None),
                Ok(_) => return Ok(Some(first[0])),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    let offset = self.offset;
                    return Err(BlockError::Read { offset, source });
                }
            }
        }
    }

    fn header(&mut self, first: u8) -> Result<Block, BlockError> {
        let offset = self.offset;
        self.offset += 1;
        let mut rest = [0; 3];
        self.exact(&mut rest)?;
        let [second, third, fourth] = rest;
        let tag = u32::from_le_bytes([first, second, third, fourth]);
        let (number, size) = (tag >> 30, tag & SIZE);
        let (number, length) = if number == EXTENDED {
            let (mut reserved, mut wide) = ([0; 4], [0; 8]);
            self.exact(&mut reserved)?;
            self.exact(&mut wide)?;
            if reserved != [0; 4] {
                return Err(BlockError::Padding { offset });
            }
            (size, u64::from_le_bytes(wide).checked_sub(16))
        } else {
            (number, u64::from(size).checked_sub(4))
        };
        let kind = BlockKind::from_type(number).ok_or(BlockError::Type { offset, number })?;
        let length = length.ok_or(BlockError::Size { offset })?;
        // The largest size leaves no room for the offset of what follows.
        match offset.checked_add(length) {
            Some(end) if end < u64::MAX / 2 => Ok(Block { kind, length }),
            _ => Err(BlockError::Size { offset }),
        }
    }

    fn exact(&mut self, buffer: &mut [u8]) -> Result<(), BlockError> {
        let offset = self.offset;
        self.input
            .read_exact(buffer)
            .map_err(|source| BlockError::Read { offset, source })?;
        self.offset += u64::try_from(buffer.len()).unwrap_or_default();
        Ok(())
    }
}

/// The payload of the current block. A file that ends within it is an error.
impl<R: Read> Read for Blocks<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX);
        let wanted = wanted.min(output.len());
        if wanted == 0 {
            return Ok(0);
        }
        let length = self
            .input
            .read(output.get_mut(..wanted).unwrap_or_default())?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let read = u64::try_from(length).unwrap_or_default();
        self.left -= read;
        self.offset += read;
        Ok(length)
    }
}

impl<R: Read> fmt::Debug for Blocks<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocks")
            .field("schema", &self.schema)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

/// Why the blocks of a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// Reading or decompressing failed.
    #[error("cannot read it at byte {offset}")]
    Read {
        /// In the decompressed file.
        offset: u64,
        /// What went wrong.
        source: io::Error,
    },
    /// What was compressed is something else.
    #[error("it does not begin with \"ADB.\" when decompressed")]
    Magic,
    /// A header and nothing behind it.
    #[error("it holds no block")]
    Empty,
    /// A type that nobody knows.
    #[error("the block at byte {offset} has the unknown type {number}")]
    Type {
        /// In the decompressed file.
        offset: u64,
        /// What the tag says.
        number: u32,
    },
    /// A size that cannot be.
    #[error("the block at byte {offset} has an impossible size")]
    Size {
        /// In the decompressed file.
        offset: u64,
    },
    /// A block that may not stand where it does.
    #[error("the block at byte {offset} ({kind:?}) is out of order")]
    Order {
        /// In the decompressed file.
        offset: u64,
        /// What it holds.
        kind: BlockKind,
    },
    /// Bytes that mean nothing, and are no zeros.
    #[error("the bytes that fill up at byte {offset} are not zero")]
    Padding {
        /// In the decompressed file.
        offset: u64,
    },
    /// A block that is to be kept in memory and is too long for that.
    #[error("the block at byte {offset} is {length} bytes long; {limit} are the most that is read")]
    TooLong {
        /// In the decompressed file.
        offset: u64,
        /// Bytes of its payload.
        length: u64,
        /// How many it may have.
        limit: u64,
    },
}

/// Blocks begin at multiples of this.
const ALIGNMENT: u64 = 8;

/// What the lower 30 bits of a tag can hold.
const SIZE: u32 = 0x3fff_ffff;

/// The type that says that another tag follows.
const EXTENDED: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn file(blocks: &[u8]) -> Vec<u8> {
        [b"ADB.pckg", blocks].concat()
    }

    fn kinds(file: &[u8]) -> Result<Vec<(BlockKind, Vec<u8>)>, BlockError> {
        let mut blocks = Blocks::open(file)?;
        let mut all = Vec::new();
        while let Some(block) = blocks.next_block()? {
            all.push((block.kind, blocks.payload(1 << 20)?));
        }
        Ok(all)
    }

    #[test]
    fn long_and_short_tags_mean_the_same() {
        let short = file(&[6, 0, 0, 0, b'x', b'y', 0, 0]);
        let long = file(&[
            0, 0, 0, 0xc0, 0, 0, 0, 0, 18, 0, 0, 0, 0, 0, 0, 0, b'x', b'y', 0, 0, 0, 0, 0, 0,
        ]);
        for bytes in [short, long] {
            assert_eq!(kinds(&bytes).unwrap(), [(BlockKind::Adb, b"xy".to_vec())]);
        }
    }

    #[test]
    fn large_payloads_get_a_long_tag() {
        for (length, header, padding) in [
            (0, 4, 4),
            (4, 4, 0),
            ((1 << 30) - 5, 4, 1),
            ((1 << 30) - 4, 16, 4),
        ] {
            let block = Block {
                kind: BlockKind::Data,
                length,
            };
            assert_eq!(
                (block.header().len(), block.padding()),
                (header, padding),
                "{length}"
            );
        }
    }

    #[test]
    fn errors_name_the_place() {
        for (blocks, message) in [
            (&[][..], "it holds no block"),
            (
                &[4, 0, 0, 0x40, 0, 0, 0, 0],
                "the block at byte 8 (Signature) is out of order",
            ),
            (
                &[3, 0, 0, 0, 0, 0, 0, 0],
                "the block at byte 8 has an impossible size",
            ),
            (
                &[4, 0, 0, 0, 0, 0, 1, 0],
                "the bytes that fill up at byte 12 are not zero",
            ),
            (&[4, 0, 0, 0, 0, 0, 0, 0, 9], "cannot read it at byte 17"),
            (&[9, 0, 0, 0, 1, 2, 3], "cannot read it at byte 15"),
            (
                &[7, 0, 0, 0xc0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0],
                "the block at byte 8 has the unknown type 7",
            ),
            (
                &[0, 0, 0x10, 0],
                "the block at byte 12 is 1048572 bytes long; 1000 are the most that is read",
            ),
        ] {
            let file = file(blocks);
            let mut reader = Blocks::open(&file[..]).unwrap();
            let error = loop {
                match reader.next_block() {
                    Ok(Some(_)) => match reader.payload(1000) {
                        Ok(_) => {}
                        Err(error) => break error,
                    },
                    Ok(None) => panic!("{blocks:?} passes"),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.to_string(), message);
        }
    }
}
