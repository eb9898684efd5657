//! The tar archives inside packages, indexes and script databases, by apk's rules.
//!
//! A header is one block of 512 bytes, followed by `size` bytes of content padded to the next block:
//!
//! | at | length | field | rule |
//! |---:|---:|---|---|
//! | 0 | 100 | name | up to NUL |
//! | 100 | 8 | mode | low 12 bits |
//! | 108, 116 | 8 | uid, gid | |
//! | 124, 136 | 12 | size, mtime | seconds |
//! | 148 | 8 | checksum | not looked at: gzip and the package's digests cover these bytes |
//! | 156 | 1 | type | see below |
//! | 157 | 100 | linkname | up to NUL |
//! | 257 | 5 | magic | `ustar`; what follows is not looked at |
//! | 265, 297 | 32 | uname, gname | up to NUL |
//! | 329, 337 | 8 | device major, minor | devices only |
//! | 345 | 155 | prefix | before the name, with a `/`, if not empty |
//!
//! Numbers are octal digits, then only NUL and space; there is no base-256 form. Types `0` and `7` are files,
//! `1` hard links, `2` symlinks, `3` and `4` character and block devices, `5` directories, `6` fifos. `x` (pax)
//! and `L` (GNU long name) describe the entry after them. `g`, `K` and every other type are skipped.
//!
//! Of pax only `path`, `linkpath`, `SCHILY.xattr.*` and `APK-TOOLS.checksum.SHA1` count; sizes and times come
//! from the header alone. A first zero block is skipped, a second one ends the archive; from there on all bytes
//! are zero. The end of the input between two entries ends the archive too.

pub(crate) mod write;

use std::collections::BTreeMap;
use std::io::{self, Read};

use bytes::Bytes;

use crate::memory::Memory;

/// Where a reader stands in an archive. The input is passed to each call, so that it may change between them.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    zero_blocks: u8,
    content: u64,
    padding: u64,
}

/// One entry as its headers describe it; names are neither checked nor decoded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Header {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: u8,
    pub(crate) link: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) uname: Vec<u8>,
    pub(crate) gname: Vec<u8>,
    pub(crate) size: u64,
    pub(crate) mtime: u64,
    pub(crate) device: (u32, u32),
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) checksum: Option<Vec<u8>>,
}

impl Header {
    /// The name for messages.
    pub(crate) fn lossy_name(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }

    pub(crate) fn is_file(&self) -> bool {
        matches!(self.kind, b'0' | b'7')
    }
}

impl Archive {
    /// Reads on to the next entry, past what is left of the current one; `None` at the end.
    pub(crate) fn next(&mut self, input: &mut impl Read) -> Result<Option<Header>, ArchiveError> {
        let mut extended = Extended::default();
        loop {
            self.skip_content(input)?;
            if self.has_ended() {
                return Ok(None);
            }
            let Some(block) = read_block(input)? else {
                return Ok(None);
            };
            if block.iter().all(|byte| *byte == 0) {
                self.zero_blocks += 1;
                if self.has_ended() {
                    only_zeros(input)?;
                }
                continue;
            }
            let header = parse_header(&block)?;
            self.content = header.size;
            self.padding = (BLOCK as u64 - header.size % BLOCK as u64) % BLOCK as u64;
            match header.kind {
                b'x' => extended.pax = parse_pax(&self.whole_content(input)?)?,
                b'L' => extended.name = Some(up_to_nul(&self.whole_content(input)?).to_vec()),
                b'g' | b'K' => {}
                b'0'..=b'7' => return Ok(Some(extended.apply(header))),
                _ => extended = Extended::default(),
            }
        }
    }

    /// Reads content of the current entry; `0` at its end.
    pub(crate) fn read(
        &mut self,
        input: &mut impl Read,
        output: &mut [u8],
    ) -> Result<usize, ArchiveError> {
        let wanted = usize::try_from(self.content)
            .unwrap_or(usize::MAX)
            .min(output.len());
        let output = output.get_mut(..wanted).unwrap_or_default();
        if output.is_empty() {
            return Ok(0);
        }
        let length = retry(|| input.read(output))?;
        if length == 0 {
            return Err(ArchiveError::Truncated);
        }
        self.content -= length as u64;
        Ok(length)
    }

    /// The whole content of the current entry; the caller has limited what `input` can give.
    pub(crate) fn content(&mut self, input: &mut impl Read) -> Result<Vec<u8>, ArchiveError> {
        // Decompressors work best into a large buffer; a size that lies costs no more than the first one.
        let length = usize::try_from(self.content).unwrap_or(usize::MAX);
        let mut bytes = Vec::new();
        let mut filled = 0;
        while filled < length {
            if filled == bytes.len() {
                let enough = filled.saturating_mul(2).max(FIRST_BUFFER);
                bytes.resize(enough.min(length), 0);
            }
            let free = bytes.get_mut(filled..).unwrap_or_default();
            match retry(|| input.read(free))? {
                0 => return Err(ArchiveError::Truncated),
                count => filled += count,
            }
        }
        self.content = 0;
        Ok(bytes)
    }

    /// The same of what is kept as it is, where `input` gives `limit` bytes at most.
    pub(crate) fn kept_content(
        &mut self,
        input: &mut impl Read,
        limit: usize,
    ) -> Result<Bytes, ArchiveError> {
        // There is room for one byte more: what is said about it is the input's.
        let length = usize::try_from(self.content).unwrap_or(usize::MAX);
        let mut memory = Memory::zeroed(length.min(limit + 1)).map_err(ArchiveError::Read)?;
        let mut filled = 0;
        while self.content > 0 {
            let free = memory.get_mut(filled..).unwrap_or_default();
            match self.read(input, free)? {
                0 => return Err(ArchiveError::Truncated),
                count => filled += count,
            }
        }
        Ok(memory.into_bytes(length))
    }

    /// Whether two zero blocks have been read.
    pub(crate) fn has_ended(&self) -> bool {
        self.zero_blocks >= 2
    }

    fn skip_content(&mut self, input: &mut impl Read) -> Result<(), ArchiveError> {
        let length = self.content + self.padding;
        let skipped =
            io::copy(&mut input.take(length), &mut io::sink()).map_err(ArchiveError::Read)?;
        if skipped < length {
            return Err(ArchiveError::Truncated);
        }
        (self.content, self.padding) = (0, 0);
        Ok(())
    }

    /// The content of a header that describes the next one.
    fn whole_content(&mut self, input: &mut impl Read) -> Result<Vec<u8>, ArchiveError> {
        if self.content > EXTENDED_LIMIT {
            return Err(ArchiveError::ExtendedTooLarge {
                size: self.content,
                limit: EXTENDED_LIMIT,
            });
        }
        self.content(input)
    }
}

/// Why an archive could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The compressed stream under the archive is broken, or reading failed.
    #[error("cannot decompress")]
    Read(#[source] io::Error),
    /// The input ends inside a header or inside the content of an entry.
    #[error("it ends in the middle of an entry")]
    Truncated,
    /// A block that should be a header is none.
    #[error("no tar header where one is expected")]
    Magic,
    /// A number is not octal, or too large.
    #[error("the {field} {text:?} is not an octal number")]
    Number {
        /// Which header field.
        field: &'static str,
        /// What it holds.
        text: String,
    },
    /// A pax header or a long name is larger than any real one.
    #[error("an extended header of {size} bytes is more than the {limit} allowed")]
    ExtendedTooLarge {
        /// As its header says, in bytes.
        size: u64,
        /// In bytes.
        limit: u64,
    },
    /// A pax header is not a row of `length key=value` lines.
    #[error("the pax record at byte {at} of its header cannot be read")]
    Pax {
        /// Where the record begins.
        at: usize,
    },
    /// A gzip member holds signatures and something else, so that it cannot be signed.
    #[error("the entry {name:?} stands in one gzip member with a signature")]
    BesideSignature {
        /// Of the entry that is no signature.
        name: String,
    },
    /// Two zero blocks where further members must continue the archive.
    #[error("the archive ends here, but further members belong to it")]
    EndsEarly,
    /// Something other than zeros follows the end-of-archive blocks.
    #[error("data after the end of the archive")]
    AfterEnd,
}

/// What `x` and `L` headers say about the entry after them.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    pax: Pax,
}

#[derive(Default)]
struct Pax {
    path: Option<Vec<u8>>,
    linkpath: Option<Vec<u8>>,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    checksum: Option<Vec<u8>>,
}

impl Extended {
    fn apply(self, mut header: Header) -> Header {
        if let Some(name) = self.pax.path.or(self.name) {
            header.name = name;
        }
        if let Some(link) = self.pax.linkpath {
            header.link = link;
        }
        header.xattrs = self.pax.xattrs;
        header.checksum = self.pax.checksum;
        header
    }
}

fn parse_header(block: &[u8; BLOCK]) -> Result<Header, ArchiveError> {
    let field = |at: usize, length: usize| block.get(at..at + length).unwrap_or_default();
    if field(257, 5) != b"ustar" {
        return Err(ArchiveError::Magic);
    }
    let small =
        |at, name| octal(field(at, 8), name).map(|value| u32::try_from(value).unwrap_or(u32::MAX));
    let kind = field(156, 1).first().copied().unwrap_or_default();
    let mut name = up_to_nul(field(0, 100)).to_vec();
    let prefix = up_to_nul(field(345, 155));
    if !prefix.is_empty() && !matches!(kind, b'x' | b'g') {
        name = [prefix, b"/", &name].concat();
    }
    let device = match kind {
        b'3' | b'4' => (small(329, "device major")?, small(337, "device minor")?),
        _ => (0, 0),
    };
    Ok(Header {
        name,
        kind,
        link: up_to_nul(field(157, 100)).to_vec(),
        mode: small(100, "mode")? & 0o7777,
        uid: small(108, "uid")?,
        gid: small(116, "gid")?,
        uname: up_to_nul(field(265, 32)).to_vec(),
        gname: up_to_nul(field(297, 32)).to_vec(),
        size: octal(field(124, 12), "size")?,
        mtime: octal(field(136, 12), "mtime")?,
        device,
        ..Header::default()
    })
}

/// Octal digits, then only NUL and space; 12 digits at most, so nothing overflows.
fn octal(field: &[u8], name: &'static str) -> Result<u64, ArchiveError> {
    let digits = field
        .iter()
        .take_while(|byte| matches!(byte, b'0'..=b'7'))
        .count();
    let (digits, rest) = field.split_at_checked(digits).unwrap_or((field, &[]));
    if rest.iter().any(|byte| !matches!(byte, 0 | b' ')) {
        return Err(ArchiveError::Number {
            field: name,
            text: String::from_utf8_lossy(field).into_owned(),
        });
    }
    Ok(digits
        .iter()
        .fold(0, |value, digit| value << 3 | u64::from(digit - b'0')))
}

fn parse_pax(bytes: &[u8]) -> Result<Pax, ArchiveError> {
    let mut pax = Pax::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        let (key, value, after) = pax_record(rest).ok_or(ArchiveError::Pax { at })?;
        match key {
            b"path" => pax.path = Some(value.to_vec()),
            b"linkpath" => pax.linkpath = Some(value.to_vec()),
            b"APK-TOOLS.checksum.SHA1" => pax.checksum = Some(value.to_vec()),
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    pax.xattrs.insert(name.to_vec(), value.to_vec());
                }
            }
        }
        rest = after;
    }
    Ok(pax)
}

/// Splits off `length key=value\n`, where the length counts the whole record.
fn pax_record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let digits = bytes.iter().position(|byte| *byte == b' ')?;
    let length = std::str::from_utf8(bytes.get(..digits)?)
        .ok()?
        .parse::<usize>()
        .ok()?;
    let (record, after) = bytes.split_at_checked(length)?;
    let body = record.get(digits + 1..)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    Some((body.get(..equals)?, body.get(equals + 1..)?, after))
}

/// One whole block; `None` if the input ends before it.
fn read_block(input: &mut impl Read) -> Result<Option<[u8; BLOCK]>, ArchiveError> {
    let mut block = [0; BLOCK];
    let mut filled = 0;
    while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match retry(|| input.read(rest))? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(ArchiveError::Truncated),
            length => filled += length,
        }
    }
    Ok(Some(block))
}

fn only_zeros(input: &mut impl Read) -> Result<(), ArchiveError> {
    let mut buffer = [0; 4096];
    loop {
        let length = retry(|| input.read(&mut buffer))?;
        if length == 0 {
            return Ok(());
        }
        if buffer.iter().take(length).any(|byte| *byte != 0) {
            return Err(ArchiveError::AfterEnd);
        }
    }
}

fn retry(mut read: impl FnMut() -> io::Result<usize>) -> Result<usize, ArchiveError> {
    loop {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other.map_err(ArchiveError::Read),
        }
    }
}

fn up_to_nul(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The unit of tar.
pub(crate) const BLOCK: usize = 512;

/// How much room a content gets before any of it is there.
const FIRST_BUFFER: usize = 64 << 10;

/// Linux limits a path to 4 KiB and all xattrs of a file to 64 KiB names and values each; this is far beyond.
const EXTENDED_LIMIT: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_only() {
        assert_eq!(octal(b"0000755\0", "mode").unwrap(), 0o755);
        assert_eq!(octal(b"777777777777", "size").unwrap(), 0o777_777_777_777);
        assert_eq!(octal(b"\0\0\0\0\0\0\0\0", "uid").unwrap(), 0);
        assert_eq!(octal(b"644 \0   ", "mode").unwrap(), 0o644);
        for bad in [&b" 644\0\0\0\0"[..], b"\x80\0\0\0\0\0\0\x01", b"0000789\0"] {
            let error = octal(bad, "mode").unwrap_err();
            assert!(
                matches!(error, ArchiveError::Number { field: "mode", .. }),
                "{error}"
            );
        }
    }

    #[test]
    fn pax_records_count_themselves() {
        let pax = parse_pax(b"12 path=a=b\n25 SCHILY.xattr.user.k=\0\n").unwrap();
        assert_eq!(pax.path.as_deref(), Some(&b"a=b"[..]));
        assert_eq!(pax.xattrs[&b"user.k"[..]], [0]);
        for bad in [
            &b"12 path=a"[..],
            b"x",
            b"3 a",
            b"5 abc\n",
            b"99999999999999999999 a=b\n",
            b"0 a=b\n",
        ] {
            assert!(parse_pax(bad).is_err(), "{bad:?}");
        }
        let at = |bytes| match parse_pax(bytes) {
            Err(ArchiveError::Pax { at }) => at,
            _ => panic!("no error"),
        };
        assert_eq!(at(b"12 path=a=b\n7 path\n"), 12);
    }

    #[test]
    fn a_short_block_is_truncation() {
        let mut archive = Archive::default();
        assert!(matches!(
            archive.next(&mut &[0; 100][..]),
            Err(ArchiveError::Truncated)
        ));
        assert!(archive.next(&mut &[0; 512][..]).unwrap().is_none());
        assert!(!archive.has_ended());
    }
}
