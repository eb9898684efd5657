//! The fs-verity digest of a file: what the kernel measures of one, and what composefs images name their contents by.
//!
//! The content is cut into blocks of 4096 bytes, the last one filled with zeros. Their SHA-256 digests, side by side,
//! are cut into blocks in the same way, and so on until one block is left, whose digest is the root; that of an empty
//! file is zeros. The file's digest is the SHA-256 of a descriptor of 256 bytes (`struct fsverity_descriptor` of Linux):
//!
//! | at | bytes | is |
//! |---|---|---|
//! | 0 | 1 | version, 1 |
//! | 1 | 1 | hash, 1 for SHA-256 |
//! | 2 | 1 | binary logarithm of the block size, 12 |
//! | 4 | 4 | the size of a signature, 0 |
//! | 8 | 8 | size of the content, little-endian |
//! | 16 | 64 | the root, filled with zeros |
//! | 80 | 176 | zeros: no salt |

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use crate::checksum::Checksum;

const BLOCK: usize = 4096;

/// Reads content to its end and gives its fs-verity digest, for SHA-256, blocks of 4096 bytes and no salt.
///
/// Takes some kilobytes of memory, whatever the size of the content.
pub fn digest(mut content: impl Read) -> io::Result<Checksum> {
    let mut levels = Levels::default();
    let mut size = 0;
    let mut block = Vec::with_capacity(BLOCK);
    loop {
        block.clear();
        let read = (&mut content).take(BLOCK as u64).read_to_end(&mut block)?;
        size += read as u64;
        if read > 0 {
            block.resize(BLOCK, 0);
            levels.add(0, &Sha256::digest(&block).into());
        }
        if read < BLOCK {
            return Ok(describe(size, &levels.root()));
        }
    }
}

fn describe(size: u64, root: &[u8; 32]) -> Checksum {
    let mut hash = Sha256::new();
    hash.update([1, 1, 12, 0, 0, 0, 0, 0]);
    hash.update(size.to_le_bytes());
    hash.update(root);
    hash.update([0; 256 - 48]);
    Checksum::from_bytes(hash.finalize().into())
}

/// The blocks of digests that are not full yet, the lowest first: one for each level of the tree.
#[derive(Default)]
struct Levels(Vec<Vec<u8>>);

impl Levels {
    /// Adds a digest; a block that is full becomes a digest of the next level when another one comes.
    fn add(&mut self, level: usize, digest: &[u8; 32]) {
        if self.0.len() == level {
            self.0.push(Vec::with_capacity(BLOCK));
        }
        if let Some(full) = self.0.get_mut(level).filter(|block| block.len() == BLOCK) {
            let above = Sha256::digest(&*full).into();
            full.clear();
            self.add(level + 1, &above);
        }
        if let Some(block) = self.0.get_mut(level) {
            block.extend_from_slice(digest);
        }
    }

    /// Fills up every level, and gives the one digest on top.
    fn root(mut self) -> [u8; 32] {
        let mut level = 0;
        while let Some(block) = self.0.get_mut(level) {
            let mut block = std::mem::take(block);
            if let (Ok(root), true) = (block.as_slice().try_into(), self.0.len() == level + 1) {
                return root;
            }
            block.resize(BLOCK, 0);
            self.add(level + 1, &Sha256::digest(&block).into());
            level += 1;
        }
        [0; 32]
    }
}
