//! What one package puts where.

use std::sync::Arc;

use apk_format::{Digest, DigestKind, Entry, PackageInfo, Record, Script};
use ostree_store::checksum::FileId;

/// A package whose contents are objects.
#[derive(Clone, Debug)]
pub struct Layer {
    /// What the index says of the package; the installed database is made of this.
    pub record: Record,
    /// What the package says of itself.
    pub info: PackageInfo,
    /// How it knows its files.
    pub file_digests: DigestKind,
    /// Install scripts, in apk's order.
    pub scripts: Vec<Script>,
    /// What it puts where, in the order of its archive.
    pub entries: Vec<LayerEntry>,
    /// The content of its `etc/passwd`, if it has one.
    pub passwd: Option<Vec<u8>>,
    /// The content of its `etc/group`, if it has one.
    pub group: Option<Vec<u8>>,
}

/// One path of a layer. There may be a million of them, so each keeps only what the union and the database need.
#[derive(Clone, Debug)]
pub struct LayerEntry {
    /// Relative, without a slash at either end.
    pub path: Box<str>,
    /// Permission bits.
    pub mode: u32,
    /// Whom the archive names; entries of one owner share it.
    pub named: Arc<NamedOwner>,
    /// The owner in the tree.
    pub uid: u32,
    /// The group in the tree.
    pub gid: u32,
    /// apk's hash of the extended attributes.
    pub xattr_hash: Option<Box<Digest>>,
    /// What became of it.
    pub object: LayerObject,
}

/// An owner as an archive has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedOwner {
    /// The user's name, perhaps empty.
    pub uname: String,
    /// The group's name, perhaps empty.
    pub gname: String,
    /// The user's number, which counts if the name is unknown.
    pub uid: u32,
    /// The group's number, which counts if the name is unknown.
    pub gid: u32,
}

impl NamedOwner {
    /// The owner of an archive entry.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        let (uname, gname) = (entry.uname.clone(), entry.gname.clone());
        NamedOwner {
            uname,
            gname,
            uid: entry.uid,
            gid: entry.gid,
        }
    }
}

/// What became of an archive entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerObject {
    /// A directory; its dirmeta depends on the other packages that have it.
    Dir,
    /// A regular file, a symbolic link, or a hard link to one; the second is the checksum that apk records.
    File(FileId, Option<Digest>),
    /// A device or fifo, which OSTree cannot hold.
    NotRepresentable(&'static str),
}

impl Layer {
    /// `name-version`.
    #[must_use]
    pub fn title(&self) -> String {
        title(&self.record)
    }
}

/// `name-version`.
#[must_use]
pub fn title(record: &Record) -> String {
    format!("{}-{}", record.name, record.version)
}
