//! One header block of a tar archive.
//!
//! | offset | length | field | written as |
//! |---:|---:|---|---|
//! | 0 | 100 | name | ends at the first NUL |
//! | 100, 108, 116 | 8 | mode, uid, gid | number |
//! | 124 | 12 | size of the content in bytes | number |
//! | 148 | 8 | sum of the block's bytes, these eight taken as spaces | number |
//! | 156 | 1 | type | see [`super::entries`] |
//! | 157 | 100 | link target | ends at the first NUL |
//! | 257 | 8 | magic | `ustar\0` `00` or `ustar  \0` (GNU) |
//! | 345 | 155 | prefix, not GNU | ends at the first NUL; goes before the name with a slash |
//!
//! A number is octal text, or, with the first bit set, 63 or 95 bits of big-endian two's complement. The times
//! and the names of owners are not read: ostree keeps neither.

/// A header block.
pub(super) type Block = [u8; BLOCK];

/// Headers take one block, contents a whole number of blocks.
pub(super) const BLOCK: usize = 512;

/// The fields of a header that matter here.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) name: Vec<u8>,
    pub(super) link: Vec<u8>,
    /// The type byte.
    pub(super) kind: u8,
    pub(super) mode: u64,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) size: u64,
    /// Written by GNU tar in its own format.
    pub(super) gnu: bool,
}

impl Header {
    /// Reads a block; the error says what is wrong with it.
    pub(super) fn parse(block: &Block) -> Result<Header, &'static str> {
        let sum = number(field(block, 148, 8)).ok_or("its checksum is not a number")?;
        if sum != unsigned_sum(block) && i64::try_from(sum).ok() != Some(signed_sum(block)) {
            return Err("its checksum is wrong");
        }
        let magic = field(block, 257, 8);
        let gnu = magic == b"ustar  \0";
        let mut name = text(field(block, 0, 100)).to_vec();
        let prefix = if magic.starts_with(b"ustar") && !gnu {
            text(field(block, 345, 155))
        } else {
            b""
        };
        if !prefix.is_empty() {
            name = [prefix, b"/", &name].concat();
        }
        Ok(Header {
            name,
            link: text(field(block, 157, 100)).to_vec(),
            kind: field(block, 156, 1).first().copied().unwrap_or(0),
            mode: number(field(block, 100, 8)).ok_or("its mode is not a number")?,
            uid: number(field(block, 108, 8)).ok_or("its owner is not a number")?,
            gid: number(field(block, 116, 8)).ok_or("its group is not a number")?,
            size: number(field(block, 124, 12)).ok_or("its size is not a number")?,
            gnu,
        })
    }
}

fn field(block: &Block, from: usize, length: usize) -> &[u8] {
    block.get(from..from + length).unwrap_or_default()
}

/// The bytes before the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A number of either form; an empty field is zero. Negative ones are none.
fn number(field: &[u8]) -> Option<u64> {
    match field {
        [first, rest @ ..] if first & 0x80 != 0 => {
            let high = u64::from(first & 0x7f);
            rest.iter().try_fold(high, |value, byte| {
                value.checked_mul(256).map(|value| value | u64::from(*byte))
            })
        }
        octal => {
            let digits = octal.trim_ascii_start();
            let end = digits
                .iter()
                .position(|byte| matches!(byte, 0 | b' '))
                .unwrap_or(digits.len());
            digits
                .get(..end)?
                .iter()
                .try_fold(0_u64, |value, digit| match digit {
                    b'0'..=b'7' => value
                        .checked_mul(8)
                        .map(|value| value | u64::from(digit - b'0')),
                    _ => None,
                })
        }
    }
}

fn unsigned_sum(block: &Block) -> u64 {
    summed(block).map(u64::from).sum()
}

/// What some old writers computed.
fn signed_sum(block: &Block) -> i64 {
    summed(block)
        .map(|byte| i64::from(i8::from_ne_bytes([byte])))
        .sum()
}

fn summed(block: &Block) -> impl Iterator<Item = u8> + '_ {
    block.iter().enumerate().map(|(at, byte)| {
        if (148..156).contains(&at) {
            b' '
        } else {
            *byte
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_two_forms() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   644 \0"), Some(0o644));
        assert_eq!(number(b"000000000017"), Some(15));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(number(b"        "), Some(0));
        assert_eq!(number(b"\x80\0\0\0\xff\xff\xff\xff"), Some(0xffff_ffff));
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x02\0\0\0\0"), Some(1 << 33));
        assert_eq!(number(b"0000648\0"), None);
        assert_eq!(number(b"-000001\0"), None);
        assert_eq!(
            number(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
            None
        );
    }
}
