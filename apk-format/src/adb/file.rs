//! Makes ADB files: a block of values, signatures of it, contents.

use std::io::{self, Read, Write};

use crate::adb::block::{Block, BlockError, BlockKind, Blocks, Schema};
use crate::adb::compression::{Compression, Compressor};
use crate::signature::adb::{HEADER, SHA_512, message};
use crate::signature::{PrivateKey, SigningError};

/// A file in the making.
pub struct FileWriter<W: Write> {
    output: Compressor<W>,
}

impl<W: Write> FileWriter<W> {
    /// Writes the values, and a signature by each key.
    pub fn start(
        output: W,
        compression: Compression,
        schema: Schema,
        values: &[u8],
        keys: &[PrivateKey],
    ) -> Result<FileWriter<W>, FileError> {
        let mut file = FileWriter {
            output: compression.start(output)?,
        };
        file.output.write_all(b"ADB.")?;
        file.output.write_all(&schema.0.to_le_bytes())?;
        file.block(BlockKind::Adb, values)?;
        file.sign(schema, values, keys)?;
        Ok(file)
    }

    /// Writes a content: that of a file of a directory, both counted from 1, and of exactly this many bytes.
    pub fn content(
        &mut self,
        dir: u32,
        file: u32,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<(), FileError> {
        let block = Block {
            kind: BlockKind::Data,
            length: size.saturating_add(8),
        };
        self.output.write_all(&block.header())?;
        self.output.write_all(&dir.to_le_bytes())?;
        self.output.write_all(&file.to_le_bytes())?;
        let copied = io::copy(&mut content.take(size), &mut self.output)?;
        let mut more = [0];
        if copied != size || content.read(&mut more)? != 0 {
            return Err(FileError::Content { size });
        }
        self.pad(block)
    }

    /// Writes the end and gives back where the file went to.
    pub fn finish(self) -> Result<W, FileError> {
        Ok(self.output.finish()?)
    }

    fn sign(
        &mut self,
        schema: Schema,
        values: &[u8],
        keys: &[PrivateKey],
    ) -> Result<(), FileError> {
        for key in keys {
            let signature = sign(schema, values, key)?;
            self.block(BlockKind::Signature, &signature)?;
        }
        Ok(())
    }

    fn block(&mut self, kind: BlockKind, payload: &[u8]) -> Result<(), FileError> {
        let length = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        let block = Block { kind, length };
        self.output.write_all(&block.header())?;
        self.output.write_all(payload)?;
        self.pad(block)
    }

    fn pad(&mut self, block: Block) -> Result<(), FileError> {
        let length = usize::try_from(block.padding()).unwrap_or_default();
        let zeros = [0; 8];
        Ok(self
            .output
            .write_all(zeros.get(..length).unwrap_or_default())?)
    }
}

/// Copies a file and signs it with these keys, as `apk adbsign` does: without the signatures it has if `reset`, else
/// behind them. `None` keeps the compression.
///
/// Nothing but the frame is looked at: neither the signatures nor the contents are verified.
pub fn resign<W: Write>(
    input: impl Read,
    output: W,
    compression: Option<Compression>,
    keys: &[PrivateKey],
    reset: bool,
) -> Result<W, FileError> {
    let mut blocks = Blocks::open(input)?;
    let compression = compression.unwrap_or(blocks.compression());
    let schema = blocks.schema();
    blocks.next_block()?;
    let values = blocks.payload(VALUES_LIMIT)?;
    let mut file = FileWriter::start(output, compression, schema, &values, &[])?;
    let mut signed = false;
    while let Some(block) = blocks.next_block()? {
        if block.kind == BlockKind::Signature {
            let payload = blocks.payload(SIGNATURE_LIMIT)?;
            if !reset {
                file.block(BlockKind::Signature, &payload)?;
            }
            continue;
        }
        if !std::mem::replace(&mut signed, true) {
            file.sign(schema, &values, keys)?;
        }
        file.output.write_all(&block.header())?;
        io::copy(&mut blocks, &mut file.output)?;
        file.pad(block)?;
    }
    if !signed {
        file.sign(schema, &values, keys)?;
    }
    file.finish()
}

/// The payload of a signature block.
fn sign(schema: Schema, values: &[u8], key: &PrivateKey) -> Result<Vec<u8>, SigningError> {
    let mut header = [0; HEADER];
    let [_, digest, id @ ..] = &mut header;
    (*digest, *id) = (SHA_512, key.id().0);
    let message = message(schema, &header, values).unwrap_or([0; 64]);
    let signature = key.sign_sha512(&message)?;
    Ok([header.as_slice(), &signature].concat())
}

/// Why a file cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be written, or a content cannot be read.
    #[error("cannot write the ADB file")]
    Write(#[from] io::Error),
    /// A key cannot sign.
    #[error("cannot sign the ADB file")]
    Sign(#[from] SigningError),
    /// A content is not as long as was said.
    #[error("the content of a file does not have the {size} bytes that it had before")]
    Content {
        /// Bytes that were to come.
        size: u64,
    },
    /// The file that is to be signed again is broken.
    #[error("the ADB file is broken")]
    Block(#[from] BlockError),
}

/// How many bytes of values are read: they are kept in memory.
const VALUES_LIMIT: u64 = 64 << 20;

/// Far more than any signature.
const SIGNATURE_LIMIT: u64 = 64 << 10;
