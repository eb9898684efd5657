//! The entries of an uncompressed tar archive, one after the other.
//!
//! | type byte | entry |
//! |---|---|
//! | `0`, NUL, `7`, unknown ones | regular file; a directory if the name ends in `/` |
//! | `1` | hard link |
//! | `2` | symbolic link |
//! | `3`, `4`, `6` | character device, block device, fifo |
//! | `5`, `D` | directory |
//! | `x`, `X` | extended header for the next entry |
//! | `g` | extended header for all entries: passed over, as ostree does |
//! | `L`, `K` | name, link target of the next entry (GNU) |
//! | `V`, `A` | label of the archive, access control list: passed over |
//! | `S` | file with holes (GNU): refused |
//!
//! The archive ends at a block of zeros, or where its bytes end.

use std::io::{self, Read};

use super::ImportTarError;
use super::header::{BLOCK, Block, Header};
use super::pax::Records;

/// The longest extended header, name or target that is read, in bytes.
const MAX_EXTENSION: u64 = 1 << 20;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    HardLink,
    Symlink,
    Directory,
    /// A device or fifo.
    Special,
}

/// An entry; its content is read from [`Entries::content`].
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) name: Vec<u8>,
    pub(super) link: Vec<u8>,
    /// Permission bits (07777).
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size: u64,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Reads an archive from its beginning to its end.
pub(super) struct Entries<R> {
    input: R,
    /// Bytes read so far.
    offset: u64,
    /// Bytes of the current entry's content not read yet.
    content: u64,
    /// Bytes from its end to the next header.
    padding: u64,
    /// Extended headers were seen, so the sizes of hard links can be believed.
    pax: bool,
}

/// What the special entries before an entry say about it.
#[derive(Default)]
struct Announced {
    records: Option<Records>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl<R: Read> Entries<R> {
    pub(super) fn new(input: R) -> Self {
        Entries {
            input,
            offset: 0,
            content: 0,
            padding: 0,
            pax: false,
        }
    }

    /// Goes to the next entry, over what is left of the last one.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, ImportTarError> {
        let mut announced = Announced::default();
        loop {
            self.skip()?;
            let at = self.offset;
            let Some(block) = self.block()? else {
                return self.end(&announced);
            };
            let header = Header::parse(&block)
                .map_err(|what| ImportTarError::Header { offset: at, what })?;
            self.begin(header.size, at)?;
            match header.kind {
                b'x' | b'X' => {
                    self.pax = true;
                    let records = self.records()?;
                    self.once(announced.records.replace(records), at)?;
                }
                b'L' => {
                    let name = self.name()?;
                    self.once(announced.name.replace(name), at)?;
                }
                b'K' => {
                    let link = self.name()?;
                    self.once(announced.link.replace(link), at)?;
                }
                b'g' => self.pax = true,
                b'V' | b'A' => {}
                _ => return self.entry(header, announced, at).map(Some),
            }
        }
    }

    /// The content of the current entry.
    pub(super) fn content(&mut self) -> impl Read + '_ {
        ContentReader { entries: self }
    }

    /// How many bytes of the archive have been read.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads on to the end of the input, at most `limit` bytes: a compressed archive is checked only there.
    pub(super) fn finish(&mut self, limit: u64) -> Result<(), ImportTarError> {
        let offset = self.offset;
        let rest = io::copy(&mut (&mut self.input).take(limit), &mut io::sink());
        rest.map(drop)
            .map_err(|source| ImportTarError::Read { offset, source })
    }

    /// Puts header and announcements together.
    fn entry(
        &mut self,
        header: Header,
        announced: Announced,
        at: u64,
    ) -> Result<Entry, ImportTarError> {
        let records = announced.records.unwrap_or_default();
        let name = records.path.or(announced.name).unwrap_or(header.name);
        let wrong = |what| ImportTarError::Header { offset: at, what };
        if records.sparse || header.kind == b'S' {
            return Err(ImportTarError::Sparse {
                entry: shown(&name),
            });
        }
        let kind = kind_of(header.kind, &name);
        let size = match header.kind {
            // No content follows, whatever the field says.
            b'2'..=b'6' => 0,
            // Old archives give a hard link the size of its target, but no content.
            b'1' if header.gnu || !self.pax => 0,
            _ => records.size.unwrap_or(header.size),
        };
        self.begin(size, at)?;
        Ok(Entry {
            kind,
            link: records.linkpath.or(announced.link).unwrap_or(header.link),
            mode: u32::try_from(header.mode & 0o7777).unwrap_or(0),
            uid: u32::try_from(records.uid.unwrap_or(header.uid))
                .map_err(|_| wrong("its owner is above 4294967295"))?,
            gid: u32::try_from(records.gid.unwrap_or(header.gid))
                .map_err(|_| wrong("its group is above 4294967295"))?,
            size,
            xattrs: records.xattrs,
            name,
        })
    }

    /// Says how much content follows the header that was just read.
    fn begin(&mut self, size: u64, at: u64) -> Result<(), ImportTarError> {
        let padding = size.wrapping_neg() % BLOCK as u64;
        if self
            .offset
            .checked_add(size)
            .and_then(|end| end.checked_add(padding))
            .is_none()
        {
            return Err(ImportTarError::Header {
                offset: at,
                what: "its size is impossible",
            });
        }
        (self.content, self.padding) = (size, padding);
        Ok(())
    }

    /// Passes over content and padding.
    fn skip(&mut self) -> Result<(), ImportTarError> {
        let left = self.content + self.padding;
        (self.content, self.padding) = (0, 0);
        let offset = self.offset;
        let read_error = |source| ImportTarError::Read { offset, source };
        let skipped =
            io::copy(&mut (&mut self.input).take(left), &mut io::sink()).map_err(read_error)?;
        self.offset += skipped;
        if skipped < left {
            return Err(self.truncated());
        }
        Ok(())
    }

    /// The next block; `None` at the end of the archive.
    fn block(&mut self) -> Result<Option<Block>, ImportTarError> {
        let mut bytes = Vec::with_capacity(BLOCK);
        let offset = self.offset;
        let read = (&mut self.input).take(BLOCK as u64).read_to_end(&mut bytes);
        read.map_err(|source| ImportTarError::Read { offset, source })?;
        self.offset += bytes.len() as u64;
        if bytes.is_empty() {
            return Ok(None);
        }
        let block = Block::try_from(bytes).map_err(|short| self.short_block(&short, offset))?;
        Ok(Some(block).filter(|block| block.iter().any(|byte| *byte != 0)))
    }

    /// A short file that is no archive at all should not be called a truncated one.
    fn short_block(&self, bytes: &[u8], offset: u64) -> ImportTarError {
        if offset == 0 && bytes.iter().any(|byte| *byte != 0) {
            return ImportTarError::Header {
                offset,
                what: "it is shorter than a block",
            };
        }
        self.truncated()
    }

    fn truncated(&self) -> ImportTarError {
        ImportTarError::Read {
            offset: self.offset,
            source: io::ErrorKind::UnexpectedEof.into(),
        }
    }

    fn end(&self, announced: &Announced) -> Result<Option<Entry>, ImportTarError> {
        if announced.records.is_some() || announced.name.is_some() || announced.link.is_some() {
            return Err(self.truncated());
        }
        Ok(None)
    }

    /// Two headers of one kind for the same entry: readers disagree on which one counts.
    fn once<T>(&self, before: Option<T>, at: u64) -> Result<(), ImportTarError> {
        match before {
            Some(_) => Err(ImportTarError::Header {
                offset: at,
                what: "a second extended header for one entry",
            }),
            None => Ok(()),
        }
    }

    /// The content of a special entry.
    fn extension(&mut self) -> Result<Vec<u8>, ImportTarError> {
        let offset = self.offset;
        if self.content > MAX_EXTENSION {
            return Err(ImportTarError::Header {
                offset,
                what: "an extended header of more than 1 MiB",
            });
        }
        let mut bytes = Vec::new();
        let read = self.content().read_to_end(&mut bytes);
        read.map_err(|source| ImportTarError::Read { offset, source })?;
        Ok(bytes)
    }

    fn records(&mut self) -> Result<Records, ImportTarError> {
        let start = self.offset;
        let bytes = self.extension()?;
        Records::parse(&bytes).map_err(|(at, what)| ImportTarError::Header {
            offset: start + at as u64,
            what,
        })
    }

    /// A GNU long name, which ends in NUL.
    fn name(&mut self) -> Result<Vec<u8>, ImportTarError> {
        let mut bytes = self.extension()?;
        let end = bytes
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(bytes.len());
        bytes.truncate(end);
        Ok(bytes)
    }
}

/// Reads the content of the current entry; an archive that ends inside it is an error.
struct ContentReader<'a, R> {
    entries: &'a mut Entries<R>,
}

impl<R: Read> Read for ContentReader<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.entries.content).unwrap_or(usize::MAX);
        let length = buf.len().min(left);
        // Not to be passed on: the xz decoder takes a read of nothing for the end of its block.
        if length == 0 {
            return Ok(0);
        }
        let count = self
            .entries
            .input
            .read(buf.get_mut(..length).unwrap_or_default())?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.entries.content -= count as u64;
        self.entries.offset += count as u64;
        Ok(count)
    }
}

fn kind_of(byte: u8, name: &[u8]) -> Kind {
    match byte {
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' | b'4' | b'6' => Kind::Special,
        b'5' | b'D' => Kind::Directory,
        _ if name.ends_with(b"/") => Kind::Directory,
        _ => Kind::File,
    }
}

/// Bytes of a name for a message.
pub(super) fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
