//! The order in which all names are visited.
//!
//! apk keeps names in a hash table, and the order of that table shows in the order of installation: packages whose
//! `install_if` becomes due at the same moment follow it.
//!
//! | fact | value |
//! |---|---|
//! | hash | MurmurHash3, 32 bits, the x86 variant, over the bytes of the name |
//! | seed | 5381 |
//! | buckets | 20,000; the bucket is the hash modulo this |
//! | inside a bucket | the name met last comes first |

use std::cmp::Reverse;

use super::table::{Key, NameId};

/// Puts names, given in the order in which they were met, into the order of apk's table.
pub(super) fn visiting_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<NameId> {
    rows_in_visiting_order(names).map(NameId::new).collect()
}

/// The same, as places in the order in which the names were met.
pub(crate) fn rows_in_visiting_order<'a>(
    names: impl Iterator<Item = &'a str>,
) -> impl Iterator<Item = usize> {
    let mut order: Vec<(u32, Reverse<usize>)> = names
        .enumerate()
        .map(|(row, text)| (bucket(text), Reverse(row)))
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, Reverse(row))| row)
}

const BUCKETS: u32 = 20_000;
const SEED: u32 = 5381;

fn bucket(name: &str) -> u32 {
    murmur3(name.as_bytes(), SEED) % BUCKETS
}

/// MurmurHash3_x86_32.
fn murmur3(bytes: &[u8], seed: u32) -> u32 {
    let (blocks, tail) = bytes.as_chunks::<4>();
    let mut hash = seed;
    for block in blocks {
        hash ^= scramble(u32::from_le_bytes(*block));
        hash = hash
            .rotate_left(13)
            .wrapping_mul(5)
            .wrapping_add(0xe654_6b64);
    }
    let last = tail
        .iter()
        .rev()
        .fold(0, |value: u32, byte| value << 8 | u32::from(*byte));
    hash ^= scramble(last);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the length enters modulo 2^32, by definition"
    )]
    let length = bytes.len() as u32;
    finish(hash ^ length)
}

fn scramble(block: u32) -> u32 {
    block
        .wrapping_mul(0xcc9e_2d51)
        .rotate_left(15)
        .wrapping_mul(0x1b87_3593)
}

fn finish(mut hash: u32) -> u32 {
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85eb_ca6b);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors published with the algorithm's many ports.
    #[test]
    fn murmur3_is_the_x86_32_variant() {
        for (text, seed, hash) in [
            ("", 0, 0),
            ("", 1, 0x514e_28b7),
            ("", 0xffff_ffff, 0x81f1_6f39),
            ("test", 0, 0xba6b_d213),
            ("test", 0x9747_b28c, 0x704b_81dc),
            ("Hello, world!", 0, 0xc036_3e43),
            ("Hello, world!", 0x9747_b28c, 0x2488_4cba),
            (
                "The quick brown fox jumps over the lazy dog",
                0x9747_b28c,
                0x2fa8_26cd,
            ),
        ] {
            assert_eq!(murmur3(text.as_bytes(), seed), hash, "{text:?} {seed}");
        }
    }
}
