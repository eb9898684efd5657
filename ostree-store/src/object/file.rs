//! The file object: a framed header, then the content.
//!
//! | form | bytes | where |
//! |---|---|---|
//! | checksum | BE32 length, four zero bytes, `(uuuusa(ayay))`, content | hashed, never stored |
//! | archive | BE32 length, four zero bytes, `(tuuuusa(ayay))`, raw deflate of the content | `.filez` |
//! | bare-user | `(uuua(ayay))` in the attribute `user.ostreemeta` | on the `.file` |
//!
//! The members of the header are owner, group, mode (with its type bits), device number (always zero), link
//! target and extended attributes; the archive form has the size of the content in front. All integers are
//! big-endian.

use super::dirmeta::{encode_owner, parse_owner};
use super::{PERMISSIONS, ParseError, Xattrs};
use crate::gvariant::{NotNormal, Span, TupleReader, TupleWriter};

/// The type bits of `st_mode`.
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;

/// What a file object stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file; its content follows the header.
    Regular,
    /// A symbolic link to this target; nothing follows the header.
    Symlink(String),
}

/// Everything about a file but its content and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits (07777), without the type. For symbolic links usually 0777.
    pub mode: u32,
    /// Regular file or symbolic link.
    pub kind: FileKind,
    /// Extended attributes.
    pub xattrs: Xattrs,
}

impl FileHeader {
    /// A regular file of root with these permission bits and no xattrs.
    #[must_use]
    pub fn root_owned(mode: u32) -> Self {
        FileHeader {
            uid: 0,
            gid: 0,
            mode,
            kind: FileKind::Regular,
            xattrs: Xattrs::NONE,
        }
    }

    /// A symbolic link of root, mode 0777.
    #[must_use]
    pub fn symlink(target: impl Into<String>) -> Self {
        FileHeader {
            kind: FileKind::Symlink(target.into()),
            ..FileHeader::root_owned(0o777)
        }
    }

    /// Type and permission bits together.
    #[must_use]
    pub fn st_mode(&self) -> u32 {
        let kind = if self.is_symlink() { SYMLINK } else { REGULAR };
        kind | (self.mode & PERMISSIONS)
    }

    /// Whether this is a symbolic link.
    #[must_use]
    pub fn is_symlink(&self) -> bool {
        matches!(self.kind, FileKind::Symlink(_))
    }

    /// The link target, empty for a regular file.
    #[must_use]
    pub fn target(&self) -> &str {
        match &self.kind {
            FileKind::Regular => "",
            FileKind::Symlink(target) => target,
        }
    }

    /// What stands before the content when the object is hashed.
    #[must_use]
    pub fn checksum_frame(&self) -> Vec<u8> {
        let mut tuple = TupleWriter::new(4);
        self.write_members(&mut tuple);
        framed(&tuple.finish())
    }

    /// What stands before the deflated content in a `.filez`; `size` is that of the content in bytes.
    #[must_use]
    pub fn archive_frame(&self, size: u64) -> Vec<u8> {
        let mut tuple = TupleWriter::new(8);
        tuple.fixed(8, &size.to_be_bytes());
        self.write_members(&mut tuple);
        framed(&tuple.finish())
    }

    /// The value of `user.ostreemeta`.
    #[must_use]
    pub fn bare_user_meta(&self) -> Vec<u8> {
        encode_owner(self.uid, self.gid, self.st_mode(), &self.xattrs)
    }

    /// Reads the header of a `.filez` (without the eight framing bytes); returns it and the size of the content.
    pub fn parse_archive(bytes: &[u8]) -> Result<(FileHeader, u64), ParseError> {
        let mut tuple = TupleReader::new(Span::new(bytes), 8, 1, true)?;
        let size = u64::from_be_bytes(tuple.fixed(8)?);
        let header = FileHeader::read_members(&mut tuple)?;
        tuple.finish()?;
        Ok((header, size))
    }

    /// Reads the header that is hashed before the content (without the eight framing bytes).
    pub fn parse_checksum(bytes: &[u8]) -> Result<FileHeader, ParseError> {
        let mut tuple = TupleReader::new(Span::new(bytes), 4, 1, true)?;
        let header = FileHeader::read_members(&mut tuple)?;
        tuple.finish()?;
        Ok(header)
    }

    /// Reads a `user.ostreemeta`. The target of a symbolic link is the file's content, which `target` gives.
    pub fn parse_bare_user<E: From<ParseError>>(
        meta: &[u8],
        target: impl FnOnce() -> Result<String, E>,
    ) -> Result<FileHeader, E> {
        let (uid, gid, mode, xattrs) = parse_owner(meta)?;
        let kind = match mode & !PERMISSIONS {
            REGULAR => FileKind::Regular,
            SYMLINK => FileKind::Symlink(target()?),
            _ => return Err(ParseError::Mode { mode }.into()),
        };
        Ok(FileHeader {
            uid,
            gid,
            mode: mode & PERMISSIONS,
            kind,
            xattrs,
        })
    }

    fn write_members(&self, tuple: &mut TupleWriter) {
        for number in [self.uid, self.gid, self.st_mode(), 0] {
            tuple.fixed(4, &number.to_be_bytes());
        }
        tuple.string(self.target());
        tuple.variable(1, &self.xattrs.encode());
    }

    fn read_members(tuple: &mut TupleReader<'_>) -> Result<FileHeader, ParseError> {
        let mut number = || -> Result<u32, NotNormal> { Ok(u32::from_be_bytes(tuple.fixed(4)?)) };
        let (uid, gid, mode, rdev) = (number()?, number()?, number()?, number()?);
        let target = tuple.variable(1)?.string()?.to_owned();
        let xattrs = Xattrs::parse(tuple.rest(1)?)?;
        if rdev != 0 {
            return Err(ParseError::Rdev { rdev });
        }
        let kind = match mode & !PERMISSIONS {
            REGULAR if target.is_empty() => FileKind::Regular,
            REGULAR => return Err(ParseError::Target { target }),
            SYMLINK => FileKind::Symlink(target),
            _ => return Err(ParseError::Mode { mode }),
        };
        Ok(FileHeader {
            uid,
            gid,
            mode: mode & PERMISSIONS,
            kind,
            xattrs,
        })
    }
}

/// Length prefix and padding before a header.
fn framed(header: &[u8]) -> Vec<u8> {
    // Xattrs are bounded by the kernel at 64 KiB each, archives by their reader: a header never reaches 4 GiB.
    let length = u32::try_from(header.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), &[0; 4][..], header].concat()
}
