//! Writing tar archives in the two styles of apk's tools.

use std::collections::BTreeMap;
use std::io::{self, Write};

/// How headers look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// POSIX: for the files of packages, with pax records where they are needed.
    Posix,
    /// As apk writes them itself: for indexes and signatures. Sizes and times fill their fields, names are short.
    Apk,
}

/// One entry to be written.
#[derive(Clone, Debug)]
pub(crate) struct Member<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: u8,
    pub(crate) link: &'a str,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) names: (&'a str, &'a str),
    pub(crate) size: u64,
    pub(crate) mtime: u64,
    pub(crate) device: (u32, u32),
    /// pax records beyond those for long names.
    pub(crate) records: BTreeMap<String, Vec<u8>>,
}

impl<'a> Member<'a> {
    /// A regular file of root.
    pub(crate) fn file(name: &'a str, size: usize) -> Member<'a> {
        Member {
            name,
            kind: b'0',
            link: "",
            mode: 0o644,
            owner: (0, 0),
            names: ("root", "root"),
            size: u64::try_from(size).unwrap_or(u64::MAX),
            mtime: 0,
            device: (0, 0),
            records: BTreeMap::new(),
        }
    }

    /// The header, and before it the pax records that it needs.
    pub(crate) fn header(&self, style: Style) -> io::Result<Vec<u8>> {
        let mut records = self.records.clone();
        for (key, text) in [("path", self.name), ("linkpath", self.link)] {
            if text.len() > NAME {
                records.insert(key.to_owned(), text.as_bytes().to_vec());
            }
        }
        let mut out = Vec::new();
        if !records.is_empty() {
            let content: Vec<u8> = records
                .iter()
                .flat_map(|(key, value)| record(key, value))
                .collect();
            let pax = Member {
                kind: b'x',
                ..Member::file("././@PaxHeader", content.len())
            };
            pax.block(style, &mut out)?;
            out.extend(content);
            out.resize(out.len().next_multiple_of(BLOCK), 0);
        }
        self.block(style, &mut out)?;
        Ok(out)
    }

    fn block(&self, style: Style, out: &mut Vec<u8>) -> io::Result<()> {
        let (user, group) = self.names;
        let mut block = Vec::with_capacity(BLOCK);
        text(&mut block, self.name, 100);
        for number in [self.mode, self.owner.0, self.owner.1] {
            octal(&mut block, number.into(), 7)?;
            block.push(0);
        }
        for number in [self.size, self.mtime] {
            if style == Style::Apk {
                octal(&mut block, number, 12)?;
            } else {
                octal(&mut block, number, 11)?;
                block.push(0);
            }
        }
        block.extend(b"        ");
        block.push(self.kind);
        text(&mut block, self.link, 100);
        block.extend(if style == Style::Apk {
            b"ustar  \0"
        } else {
            b"ustar\x0000"
        });
        text(&mut block, user, 32);
        text(&mut block, group, 32);
        if matches!(self.kind, b'3' | b'4') {
            for number in [self.device.0, self.device.1] {
                octal(&mut block, number.into(), 7)?;
                block.push(0);
            }
        }
        block.resize(BLOCK, 0);
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        if let Some(place) = block.get_mut(148..156) {
            place.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        out.extend(block);
        Ok(())
    }
}

/// Writes a whole entry whose content is at hand.
pub(crate) fn append(
    output: &mut impl Write,
    member: &Member<'_>,
    style: Style,
    content: &[u8],
) -> io::Result<()> {
    output.write_all(&member.header(style)?)?;
    output.write_all(content)?;
    output.write_all(zeros(padding(member.size)))
}

/// How many zeros follow a content of this size.
pub(crate) fn padding(size: u64) -> usize {
    let block = u64::try_from(BLOCK).unwrap_or(512);
    usize::try_from(size.wrapping_neg() % block).unwrap_or_default()
}

/// So many zeros, at most a block of them.
pub(crate) fn zeros(count: usize) -> &'static [u8] {
    ZEROS.get(..count).unwrap_or(&ZEROS)
}

/// A text cut to its field; what is cut stands in a pax record.
fn text(block: &mut Vec<u8>, text: &str, length: usize) {
    let end = block.len() + length;
    block.extend(text.bytes().take(length));
    block.resize(end, 0);
}

fn octal(block: &mut Vec<u8>, number: u64, digits: usize) -> io::Result<()> {
    let text = format!("{number:0digits$o}");
    if text.len() > digits {
        let text = format!("{number} is more than a tar header can hold");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    block.extend(text.bytes());
    Ok(())
}

/// `length key=value\n`, where the length counts its own digits.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

/// What tar archives are made of.
pub(crate) const BLOCK: usize = 512;

/// What fits into a header with the zero that ends it.
const NAME: usize = 99;

static ZEROS: [u8; BLOCK] = [0; BLOCK];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_count_themselves() {
        assert_eq!(record("path", b"x"), b"9 path=x\n");
        assert_eq!(record("path", b"xx"), b"11 path=xx\n");
        for length in [80, 85, 86, 87, 88, 89, 90, 91, 92, 990, 1000] {
            let record = record("path", &vec![b'x'; length]);
            assert_eq!(
                record.split(|byte| *byte == b' ').next().unwrap(),
                record.len().to_string().as_bytes()
            );
        }
    }

    #[test]
    fn numbers_that_do_not_fit_are_errors() {
        let mut member = Member::file("x", 0);
        member.size = 1 << 33;
        assert!(member.header(Style::Posix).is_err());
        assert!(member.header(Style::Apk).is_ok());
        member.size = 0;
        member.owner = (1 << 21, 0);
        assert!(member.header(Style::Posix).is_err());
    }
}
