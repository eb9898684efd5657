//! The dirmeta object: `(uuua(ayay))` = owner, group and mode, each big-endian, and the extended attributes.

use super::{PERMISSIONS, ParseError, Xattrs};
use crate::checksum::{Checksum, DirMetaId};
use crate::gvariant::{Span, TupleReader, TupleWriter};

/// The type bits of a directory's `st_mode`.
const DIRECTORY: u32 = 0o040_000;

/// A directory's owner, mode and xattrs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirMeta {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits (07777), without the type.
    pub mode: u32,
    /// Extended attributes.
    pub xattrs: Xattrs,
}

impl DirMeta {
    /// A directory of root with these permission bits and no xattrs.
    #[must_use]
    pub fn root_owned(mode: u32) -> Self {
        DirMeta {
            uid: 0,
            gid: 0,
            mode,
            xattrs: Xattrs::NONE,
        }
    }

    /// Type and permission bits together.
    #[must_use]
    pub fn st_mode(&self) -> u32 {
        DIRECTORY | (self.mode & PERMISSIONS)
    }

    /// Reads a `(uuua(ayay))` variant; the mode must be that of a directory.
    pub fn parse(bytes: &[u8]) -> Result<DirMeta, ParseError> {
        let (uid, gid, mode, xattrs) = parse_owner(bytes)?;
        if mode & !PERMISSIONS != DIRECTORY {
            return Err(ParseError::Mode { mode });
        }
        Ok(DirMeta {
            uid,
            gid,
            mode: mode & PERMISSIONS,
            xattrs,
        })
    }

    /// The bytes that ostree would write.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode_owner(self.uid, self.gid, self.st_mode(), &self.xattrs)
    }

    /// The name under which these bytes are stored.
    #[must_use]
    pub fn id(&self) -> DirMetaId {
        DirMetaId::new(Checksum::of(&self.encode()))
    }
}

/// Reads `(uuua(ayay))`: uid, gid, full mode and xattrs. The attribute `user.ostreemeta` has the same shape.
pub(super) fn parse_owner(bytes: &[u8]) -> Result<(u32, u32, u32, Xattrs), ParseError> {
    let mut tuple = TupleReader::new(Span::new(bytes), 4, 0, true)?;
    let uid = u32::from_be_bytes(tuple.fixed(4)?);
    let gid = u32::from_be_bytes(tuple.fixed(4)?);
    let mode = u32::from_be_bytes(tuple.fixed(4)?);
    let xattrs = Xattrs::parse(tuple.rest(1)?)?;
    tuple.finish()?;
    Ok((uid, gid, mode, xattrs))
}

/// Writes what [`parse_owner`] reads.
pub(super) fn encode_owner(uid: u32, gid: u32, st_mode: u32, xattrs: &Xattrs) -> Vec<u8> {
    let mut tuple = TupleWriter::new(4);
    for number in [uid, gid, st_mode] {
        tuple.fixed(4, &number.to_be_bytes());
    }
    tuple.variable(1, &xattrs.encode());
    tuple.finish()
}
