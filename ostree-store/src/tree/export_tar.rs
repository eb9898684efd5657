//! A stored tree as a tar archive, byte for byte the one that `ostree export` writes by way of libarchive's GNU format.
//!
//! | field (offset, length) | is |
//! |---|---|
//! | name (0, 100) | path without `./` but for the root, which is `./`; a directory ends with `/` |
//! | mode (100, 8), uid (108, 8), gid (116, 8) | octal; owners from 2097152 in base 256 |
//! | size (124, 12) | octal, from 8 GiB in base 256 |
//! | mtime (136, 12) | octal; a time before 1970 is 0, one after 2242 the last that fits |
//! | checksum (148, 8), type (156, 1), link (157, 100) | type `0`, `2` or `5` |
//! | magic (257, 8) | `ustar`, two spaces, NUL |
//! | owner and group by name, devices | empty |
//!
//! A name or link of more than 100 bytes stands in front as the content of an entry `././@LongLink` of type `L` or `K`,
//! the link first. A directory comes before its files, and those before its subdirectories. There is no place for
//! xattrs in this format. Memory does not grow with the content of files.
//!
//! Names are written as they are. libarchive composes their letters (Unicode's form C), so that two files which differ
//! only in that have one name in ostree's archive, and a commit made of it is another one.

use std::io::{self, Read, Write};

use super::{DirTreeSource, MAX_DEPTH};
use crate::checksum::{DirMetaId, DirTreeId, FileId};
use crate::object::FileKind;
use crate::repo::{ReadError, Repo, StoredFile};

/// Everything in a tar is a multiple of this, in bytes.
const BLOCK: usize = 512;

/// What the size of a tar on a pipe or tape is a multiple of, in bytes.
const RECORD: u64 = 10_240;

/// Longer names and links get an entry of their own, in bytes.
const LONGEST: usize = 100;

/// How a tree becomes an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportOptions {
    /// The modification time of every entry, in seconds since 1970.
    pub timestamp: i64,
    /// What stands directly before every path; a directory should end with a slash.
    pub prefix: String,
    /// Fills the end with zeros up to a multiple of 10,240 bytes, as it is usual on a pipe.
    pub whole_records: bool,
}

/// Why a tree could not be exported. What was written until then stays.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// An object's content is not as long as its header says.
    #[error("file object {id} has another length than {expected} bytes, which were announced")]
    Size {
        /// The object.
        id: FileId,
        /// Bytes announced.
        expected: u64,
    },
    /// Directories within directories beyond what any system can reach.
    #[error("directories are nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// An object could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The content of an object could not be read.
    #[error("cannot read file object {id}")]
    Content {
        /// The object.
        id: FileId,
        /// What the system said.
        source: io::Error,
    },
    /// The archive could not be written.
    #[error("cannot write the archive")]
    Write(#[source] io::Error),
}

/// Writes the stored directory `tree` with the metadata `meta` as a tar. `made` is called after every entry.
pub fn export_tar(
    repo: &Repo,
    (tree, meta): (&DirTreeId, &DirMetaId),
    options: &ExportOptions,
    to: &mut dyn Write,
    made: &mut dyn FnMut(),
) -> Result<(), ExportError> {
    let mut export = Export {
        repo,
        options,
        to,
        written: 0,
        buffer: vec![0; 128 << 10],
    };
    let mut ahead = vec![(String::new(), 0, *tree, *meta)];
    while let Some((path, depth, tree, meta)) = ahead.pop() {
        if depth > MAX_DEPTH {
            return Err(ExportError::TooDeep);
        }
        let stored = repo.dirtree(&tree)?;
        export.directory(&path, &meta)?;
        made();
        let below = |name: &str| match path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}/{name}"),
        };
        for (name, file) in &stored.files {
            export.file(&below(name.as_str()), file)?;
            made();
        }
        let dirs = stored.dirs.iter().rev();
        ahead.extend(
            dirs.map(|(name, (tree, meta))| (below(name.as_str()), depth + 1, *tree, *meta)),
        );
    }
    export.end()
}

struct Export<'a> {
    repo: &'a Repo,
    options: &'a ExportOptions,
    to: &'a mut dyn Write,
    /// Bytes so far.
    written: u64,
    buffer: Vec<u8>,
}

/// What a header says of an entry.
struct Entry<'a> {
    kind: u8,
    path: String,
    link: &'a str,
    mode: u32,
    uid: u32,
    gid: u32,
    size: u64,
}

impl Export<'_> {
    fn directory(&mut self, path: &str, meta: &DirMetaId) -> Result<(), ExportError> {
        let meta = self.repo.dirmeta(meta)?;
        let mut path = self.named(path);
        if !path.ends_with('/') {
            path.push('/');
        }
        self.entry(&Entry {
            kind: b'5',
            path,
            link: "",
            mode: meta.mode,
            uid: meta.uid,
            gid: meta.gid,
            size: 0,
        })
    }

    fn file(&mut self, path: &str, id: &FileId) -> Result<(), ExportError> {
        let mut stored = self.repo.file(id)?;
        let header = &stored.header;
        let (kind, size) = match header.kind {
            FileKind::Symlink(_) => (b'2', 0),
            FileKind::Regular => (b'0', stored.size),
        };
        let entry = Entry {
            kind,
            path: self.named(path),
            link: header.target(),
            mode: header.mode,
            uid: header.uid,
            gid: header.gid,
            size,
        };
        self.entry(&entry)?;
        match kind {
            b'0' => self.content(id, &mut stored),
            _ => Ok(()),
        }
    }

    /// The path in the archive; nothing at all is called `.`.
    fn named(&self, path: &str) -> String {
        match (self.options.prefix.as_str(), path) {
            ("", "") => ".".to_owned(),
            (prefix, path) => format!("{prefix}{path}"),
        }
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Result<(), ExportError> {
        if entry.link.len() > LONGEST {
            self.long(b'K', entry.link, entry.link)?;
        }
        if entry.path.len() > LONGEST {
            self.long(b'L', &entry.path, entry.link)?;
        }
        let mut header = Header::new(entry.kind, &entry.path, entry.size);
        header.octal(100, 8, i64::from(entry.mode & 0o7777));
        header.number(108, 8, i64::from(entry.uid));
        header.number(116, 8, i64::from(entry.gid));
        header.octal(136, 12, self.options.timestamp);
        header.text(157, LONGEST, entry.link);
        self.write(&header.finish())
    }

    /// A name or link that does not fit its field. Either header also has the beginning of the link.
    fn long(&mut self, kind: u8, text: &str, link: &str) -> Result<(), ExportError> {
        let size = text.len() as u64 + 1;
        let mut header = Header::new(kind, "././@LongLink", size);
        for (offset, length) in [(100, 8), (108, 8), (116, 8), (136, 12)] {
            header.number(offset, length, 0);
        }
        // What libarchive writes there, whoever the owner is.
        header.text(157, LONGEST, link);
        header.text(265, 32, "root");
        header.text(297, 32, "wheel");
        self.write(&header.finish())?;
        self.write(text.as_bytes())?;
        self.write(&[0])?;
        self.pad(BLOCK as u64)
    }

    fn content(&mut self, id: &FileId, stored: &mut StoredFile) -> Result<(), ExportError> {
        let expected = stored.size;
        let mut left = expected;
        let mut buffer = std::mem::take(&mut self.buffer);
        let copied = loop {
            let count = match stored.read(&mut buffer) {
                Ok(count) => count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => break Err(ExportError::Content { id: *id, source }),
            };
            let bytes = buffer.get(..count).unwrap_or_default();
            match left.checked_sub(count as u64) {
                Some(0) if count == 0 => break Ok(()),
                Some(rest) if count > 0 => left = rest,
                _ => break Err(ExportError::Size { id: *id, expected }),
            }
            if let Err(error) = self.write(bytes) {
                break Err(error);
            }
        };
        self.buffer = buffer;
        copied.and_then(|()| self.pad(BLOCK as u64))
    }

    /// Two empty blocks, and what else fills the last record.
    fn end(&mut self) -> Result<(), ExportError> {
        self.write(&[0; 2 * BLOCK])?;
        if self.options.whole_records {
            self.pad(RECORD)?;
        }
        self.to.flush().map_err(ExportError::Write)
    }

    fn pad(&mut self, unit: u64) -> Result<(), ExportError> {
        let zeros = [0; BLOCK];
        let mut left = self.written.next_multiple_of(unit) - self.written;
        while left > 0 {
            let count = left.min(BLOCK as u64);
            let count = usize::try_from(count).unwrap_or(BLOCK);
            self.write(zeros.get(..count).unwrap_or(&zeros))?;
            left -= count as u64;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.to.write_all(bytes).map_err(ExportError::Write)?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}

/// A header block being filled.
struct Header([u8; BLOCK]);

impl Header {
    fn new(kind: u8, path: &str, size: u64) -> Header {
        let mut header = Header([0; BLOCK]);
        header.text(0, LONGEST, path);
        header.number(124, 12, i64::try_from(size).unwrap_or(i64::MAX));
        header.bytes(156, &[kind]);
        header.bytes(257, b"ustar  \0");
        header
    }

    /// As much of a text as fits; a full field has no NUL.
    fn text(&mut self, offset: usize, length: usize, text: &str) {
        let bytes = text.as_bytes();
        self.bytes(offset, bytes.get(..length).unwrap_or(bytes));
    }

    /// Octal digits and a NUL, or, if they do not fit, a set bit and big-endian bytes.
    fn number(&mut self, offset: usize, length: usize, number: i64) {
        if number >> (3 * (length - 1)) <= 0 {
            return self.octal(offset, length, number);
        }
        let bytes = number.to_be_bytes();
        let at = offset + length - bytes.len().min(length);
        let fits = bytes.get(bytes.len().saturating_sub(length)..);
        self.bytes(at, fits.unwrap_or(&bytes));
        let first = self.0.get(offset).copied().unwrap_or(0);
        self.bytes(offset, &[first | 0x80]);
    }

    /// Octal digits and a NUL for the nearest number that fits.
    fn octal(&mut self, offset: usize, length: usize, number: i64) {
        let digits = length - 1;
        let number = number.clamp(0, (1 << (3 * digits)) - 1);
        self.bytes(offset, format!("{number:0digits$o}").as_bytes());
    }

    fn bytes(&mut self, offset: usize, bytes: &[u8]) {
        if let Some(field) = self.0.get_mut(offset..offset + bytes.len()) {
            field.copy_from_slice(bytes);
        }
    }

    fn finish(mut self) -> [u8; BLOCK] {
        self.bytes(148, b"        ");
        let sum: u32 = self.0.iter().map(|byte| u32::from(*byte)).sum();
        self.bytes(148, format!("{sum:06o}\0 ").as_bytes());
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(length: usize, write: impl Fn(&mut Header)) -> Vec<u8> {
        let mut header = Header([0; BLOCK]);
        write(&mut header);
        header.0[..length].to_vec()
    }

    /// Read off archives that the real tool wrote.
    #[test]
    fn numbers_that_do_not_fit_are_binary() {
        let number = |length, number| field(length, |header| header.number(0, length, number));
        assert_eq!(number(8, 2_097_151), b"7777777\0");
        assert_eq!(number(8, 2_097_152), b"\x80\0\0\0\0\x20\0\0");
        assert_eq!(number(8, 3_000_000_000), b"\x80\0\0\0\xb2\xd0\x5e\0");
        assert_eq!(number(12, 1 << 33), b"\x80\0\0\0\0\0\0\x02\0\0\0\0");
    }

    /// The same for times, which have no binary form.
    #[test]
    fn times_that_do_not_fit_are_the_nearest() {
        let time = |number| field(12, |header| header.octal(0, 12, number));
        assert_eq!(time(1_700_000_000), b"14524770400\0");
        assert_eq!(time(-5), b"00000000000\0");
        assert_eq!(time((1 << 33) - 1), b"77777777777\0");
        assert_eq!(time(i64::MAX), b"77777777777\0");
    }
}
