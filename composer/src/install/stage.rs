//! One package → files that wait for their places, in one pass over its bytes.
//!
//! Nothing that waits is visible to the system, and nothing of it is put in place before every digest of the package
//! was checked. Content, mode, time and attributes are final. The owner is what the root's accounts say now; a package
//! that is installed before this one may change that, so it is looked at again when the file is put in place.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use apk_format::{
    Dialect, Digest, DigestKind, Entry, EntryKind, Package, PackageError, PackageInfo, Script,
    xattr_hash,
};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::disk::set_mode;
use super::{Lost, Owners};
use crate::accounts::Accounts;
use crate::layer::NamedOwner;

/// How many bytes of memory the entries of a package may need: more than half a million usual ones.
const ENTRIES_LIMIT: usize = 128 << 20;

/// What the memory of a path takes beside the path.
const ALLOCATED: usize = 48;

/// About what an entry takes of the memory, in bytes.
fn weight(entry: &Entry) -> usize {
    let xattrs = entry.xattrs.iter();
    let xattrs = xattrs.map(|(name, value)| name.len() + value.len() + 100);
    let target = match &entry.kind {
        EntryKind::HardLink { target } => target.len(),
        _ => 0,
    };
    let owner = entry.uname.len() + entry.gname.len();
    size_of::<StagedEntry>() + ALLOCATED + entry.path.len() + target + owner + xattrs.sum::<usize>()
}

/// Why a package could not be installed at all.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// Its file could not be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is broken, or not the one of the index.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// Its content could not be read.
    #[error("{path}")]
    Content {
        /// The entry.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The database of the root cannot record its files.
    #[error("a v3 package, whose files the package database of apk 2.14 cannot record")]
    Digests,
    /// It has more entries than are kept in memory.
    #[error(
        "its entries before {path:?} need {limit} bytes of memory, and more is not taken for a package"
    )]
    Entries {
        /// How many bytes they may need.
        limit: usize,
        /// The first that is too many.
        path: String,
    },
    /// There is no room for it.
    #[error("{path}")]
    Write {
        /// The entry.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// A package whose files wait.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) info: PackageInfo,
    pub(super) scripts: Vec<Script>,
    pub(super) entries: Vec<StagedEntry>,
    /// How it knows its files.
    pub(super) digests: DigestKind,
    /// Where the files are; their names are the numbers of their entries.
    pub(super) dir: Option<OwnedFd>,
}

/// One path of a package.
#[derive(Debug)]
pub(super) struct StagedEntry {
    pub(super) path: Box<str>,
    pub(super) kind: StagedKind,
    pub(super) mode: u32,
    pub(super) named: Arc<NamedOwner>,
    /// Whom the file belongs to as it waits.
    pub(super) given: (u32, u32),
    pub(super) xattr_hash: Option<Box<Digest>>,
    pub(super) checksum: Option<Digest>,
    /// The attributes, which a change of the owner takes away from the file.
    pub(super) xattrs: BTreeMap<String, Vec<u8>>,
    pub(super) made: Made,
}

/// What an entry is, as far as its place matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StagedKind {
    Dir,
    File,
    HardLink(Box<str>),
    Symlink,
    Node,
}

/// What became of an entry.
#[derive(Debug)]
pub(super) enum Made {
    /// It waits.
    Whole,
    /// It waits, without something.
    Without(Lost),
    /// An ordinary user can make no such file.
    Skipped,
    /// It could not be made.
    Failed(io::Error),
}

/// How packages are staged.
#[derive(Debug)]
pub(super) struct Stager {
    pub(super) owners: Owners,
    /// The accounts of the root, as they are before anything is installed.
    pub(super) accounts: Accounts,
    pub(super) dialect: Dialect,
}

impl Stager {
    fn check_digests(&self, digests: DigestKind) -> Result<(), StageError> {
        match (digests, self.dialect) {
            (DigestKind::Sha256, Dialect::Apk2) => Err(StageError::Digests),
            _ => Ok(()),
        }
    }

    /// Reads a package with this identity; `dir` is its directory in the area.
    pub(super) fn stage(
        &self,
        identity: &Digest,
        archive: impl BufRead,
        dir: OwnedFd,
    ) -> Result<Staged, StageError> {
        let mut package = Package::open(archive)?;
        package.check_identity(identity)?;
        self.check_digests(package.file_digests())?;
        let mut staged = Staged {
            info: package.info().clone(),
            scripts: package.scripts().to_vec(),
            entries: Vec::new(),
            digests: package.file_digests(),
            dir: None,
        };
        let mut seen = Seen {
            buffer: vec![0; COPIED],
            ..Seen::default()
        };
        while let Some(entry) = package.next_entry()? {
            seen.weight = seen.weight.saturating_add(weight(&entry));
            if seen.weight > ENTRIES_LIMIT {
                let (limit, path) = (ENTRIES_LIMIT, entry.path);
                return Err(StageError::Entries { limit, path });
            }
            if matches!(entry.kind, EntryKind::HardLink { .. }) {
                seen.number(&staged.entries);
            }
            let waiting = Waiting {
                stager: self,
                dir: &dir,
                name: staged.entries.len().to_string(),
            };
            let one = waiting.stage(entry, &mut package, &mut seen)?;
            staged.entries.push(one);
        }
        package.finish()?;
        staged.dir = Some(dir);
        Ok(staged)
    }
}

/// What of a package was met so far.
#[derive(Default)]
struct Seen {
    owners: BTreeSet<Arc<NamedOwner>>,
    /// The numbers of the entries that links were looked for among.
    numbers: HashMap<Box<str>, usize>,
    /// How many entries that were.
    numbered: usize,
    /// What all entries so far take of the memory, in bytes.
    weight: usize,
    /// For content on its way.
    buffer: Vec<u8>,
}

impl Seen {
    /// Notes the numbers of all entries so far. Packages without hard links do without.
    fn number(&mut self, entries: &[StagedEntry]) {
        let new = entries.iter().enumerate().skip(self.numbered);
        let new = new.map(|(number, entry)| (entry.path.clone(), number));
        self.numbers.extend(new);
        self.numbered = entries.len();
    }

    /// The entry's owner, shared with all entries of the same.
    fn owner(&mut self, entry: &Entry) -> Arc<NamedOwner> {
        let named = Arc::new(NamedOwner::of(entry));
        if let Some(known) = self.owners.get(&named) {
            return Arc::clone(known);
        }
        self.owners.insert(Arc::clone(&named));
        named
    }
}

/// One entry on its way into the area.
struct Waiting<'a> {
    stager: &'a Stager,
    dir: &'a OwnedFd,
    name: String,
}

impl Waiting<'_> {
    fn stage<R: BufRead>(
        &self,
        entry: Entry,
        package: &mut Package<R>,
        seen: &mut Seen,
    ) -> Result<StagedEntry, StageError> {
        let named = seen.owner(&entry);
        let given = self.stager.accounts.numbers(&named);
        let made = match self.make(&entry, given, package, seen) {
            Ok(made) => made,
            Err(Failed::Content(source)) => {
                let path = entry.path;
                return Err(StageError::Content { path, source });
            }
            Err(Failed::File(Errno::NOSPC | Errno::DQUOT)) => {
                let (path, source) = (entry.path, Errno::NOSPC.into());
                return Err(StageError::Write { path, source });
            }
            Err(Failed::File(error)) => Made::Failed(error.into()),
        };
        Ok(StagedEntry {
            kind: match &entry.kind {
                EntryKind::Dir => StagedKind::Dir,
                EntryKind::File { .. } => StagedKind::File,
                EntryKind::HardLink { target } => StagedKind::HardLink(target.as_str().into()),
                EntryKind::Symlink { .. } => StagedKind::Symlink,
                EntryKind::Char { .. } | EntryKind::Block { .. } | EntryKind::Fifo => {
                    StagedKind::Node
                }
            },
            path: entry.path.into(),
            mode: entry.mode,
            named,
            given,
            xattr_hash: xattr_hash(&entry.xattrs).map(Box::new),
            checksum: entry.checksum,
            xattrs: entry.xattrs,
            made,
        })
    }

    fn make<R: BufRead>(
        &self,
        entry: &Entry,
        owner: (u32, u32),
        package: &mut Package<R>,
        seen: &mut Seen,
    ) -> Result<Made, Failed> {
        let name = self.name.as_str();
        let caller = self.stager.owners == Owners::Caller;
        match &entry.kind {
            EntryKind::Dir => return Ok(Made::Whole),
            EntryKind::File { size } => {
                return self.make_file(entry, *size, owner, package, &mut seen.buffer);
            }
            EntryKind::Symlink { target } => {
                rustix::fs::symlinkat(target.as_str(), self.dir, name)?;
                let lost = Lost {
                    owner: !caller && give(self.dir, name, owner).is_err(),
                    ..Lost::default()
                };
                return Ok(Made::of(lost));
            }
            EntryKind::HardLink { target } => {
                let Some(number) = seen.numbers.get(target.as_str()) else {
                    return Ok(Made::Skipped); // said when its place is looked for
                };
                let flags = AtFlags::empty();
                rustix::fs::linkat(self.dir, number.to_string(), self.dir, name, flags)?;
            }
            _ if caller => return Ok(Made::Skipped),
            EntryKind::Char { .. } | EntryKind::Block { .. } | EntryKind::Fifo => {
                let (kind, device) = node(&entry.kind);
                let mode = Mode::from_raw_mode(entry.mode & 0o7777);
                rustix::fs::mknodat(self.dir, name, kind, mode, device)?;
            }
        }
        self.finish_by_name(entry, owner)
    }

    fn make_file<R: BufRead>(
        &self,
        entry: &Entry,
        size: u64,
        owner: (u32, u32),
        package: &mut Package<R>,
        buffer: &mut [u8],
    ) -> Result<Made, Failed> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let private = Mode::RUSR | Mode::WUSR;
        let fd = rustix::fs::openat(
            self.dir,
            self.name.as_str(),
            flags | OFlags::CLOEXEC,
            private,
        )?;
        let mut file = File::from(fd);
        copy(package, &mut file, buffer)?;
        let caller = self.stager.owners == Owners::Caller;
        let mut mode = entry.mode & 0o7777;
        if caller && size > 0 {
            mode &= !lost_by_writing(mode);
        }
        let mut lost = Lost::default();
        if !caller {
            lost.owner = rustix::fs::fchown(&file, uid(owner), gid(owner)).is_err();
        }
        lost.permission = rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)).is_err();
        lost.xattrs = set_xattrs(&file, &entry.xattrs, self.stager.owners);
        lost.mtime = rustix::fs::futimens(&file, &times(entry)).is_err();
        Ok(Made::of(lost))
    }

    /// Owner, mode, attributes and time of a node or another name of a file.
    fn finish_by_name(&self, entry: &Entry, owner: (u32, u32)) -> Result<Made, Failed> {
        let name = self.name.as_str();
        let mut lost = Lost::default();
        let is_node = !matches!(entry.kind, EntryKind::HardLink { .. });
        if self.stager.owners == Owners::Package {
            lost.owner = give(self.dir, name, owner).is_err();
            if is_node || entry.mode & 0o7000 != 0 {
                let mode = Mode::from_raw_mode(entry.mode & 0o7777);
                lost.permission = set_mode(self.dir, name, mode).is_err();
            }
        }
        if !entry.xattrs.is_empty() {
            lost.xattrs = match open_plain(self.dir, name) {
                Ok(file) => set_xattrs(&file, &entry.xattrs, self.stager.owners),
                Err(_) => true,
            };
        }
        let links = AtFlags::SYMLINK_NOFOLLOW;
        lost.mtime = rustix::fs::utimensat(self.dir, name, &times(entry), links).is_err();
        Ok(Made::of(lost))
    }
}

impl Made {
    fn of(lost: Lost) -> Made {
        if lost == Lost::default() {
            Made::Whole
        } else {
            Made::Without(lost)
        }
    }
}

impl StagedEntry {
    /// Gives a file that waits another owner, and what it loses by that again.
    pub(super) fn give(&self, dir: &OwnedFd, name: &str, owner: (u32, u32)) -> Lost {
        let mut lost = Lost {
            owner: give(dir, name, owner).is_err(),
            ..Lost::default()
        };
        if self.kind != StagedKind::Symlink && self.mode & 0o7000 != 0 {
            let mode = Mode::from_raw_mode(self.mode & 0o7777);
            lost.permission = set_mode(dir, name, mode).is_err();
        }
        if self.kind != StagedKind::Symlink && !self.xattrs.is_empty() {
            lost.xattrs = match open_plain(dir, name) {
                Ok(file) => set_xattrs(&file, &self.xattrs, Owners::Package),
                Err(_) => true,
            };
        }
        lost
    }
}

/// Gives away what the name is, never what a link of that name leads to.
fn give(dir: &OwnedFd, name: &str, owner: (u32, u32)) -> rustix::io::Result<()> {
    rustix::fs::chownat(dir, name, uid(owner), gid(owner), AtFlags::SYMLINK_NOFOLLOW)
}

fn open_plain(dir: &OwnedFd, name: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

/// Whether some attribute could not be set; those outside `user.` are root's.
fn set_xattrs(file: impl AsFd, xattrs: &BTreeMap<String, Vec<u8>>, owners: Owners) -> bool {
    let mut lost = false;
    for (key, value) in xattrs {
        if owners == Owners::Package || key.starts_with("user.") {
            let set = rustix::fs::fsetxattr(&file, key.as_str(), value, XattrFlags::empty());
            lost |= set.is_err();
        }
    }
    lost
}

/// The bits that the kernel takes from a file when an ordinary user writes to it; apk has no chance to set them again.
fn lost_by_writing(mode: u32) -> u32 {
    if mode & 0o010 == 0 { 0o4000 } else { 0o6000 }
}

fn node(kind: &EntryKind) -> (FileType, u64) {
    match kind {
        EntryKind::Char { major, minor } => (
            FileType::CharacterDevice,
            rustix::fs::makedev(*major, *minor),
        ),
        EntryKind::Block { major, minor } => {
            (FileType::BlockDevice, rustix::fs::makedev(*major, *minor))
        }
        _ => (FileType::Fifo, 0),
    }
}

fn uid(owner: (u32, u32)) -> Option<Uid> {
    Some(Uid::from_raw(owner.0))
}

fn gid(owner: (u32, u32)) -> Option<Gid> {
    Some(Gid::from_raw(owner.1))
}

enum Failed {
    /// The package could not be read.
    Content(io::Error),
    /// The file could not be made.
    File(Errno),
}

impl From<Errno> for Failed {
    fn from(error: Errno) -> Failed {
        Failed::File(error)
    }
}

fn copy(content: &mut impl Read, file: &mut File, buffer: &mut [u8]) -> Result<(), Failed> {
    loop {
        let length = content.read(buffer).map_err(Failed::Content)?;
        if length == 0 {
            return Ok(());
        }
        let bytes = buffer.get(..length).unwrap_or_default();
        file.write_all(bytes)
            .map_err(|error| Failed::File(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    }
}

/// Bytes copied at once.
const COPIED: usize = 64 << 10;

fn times(entry: &Entry) -> Timestamps {
    let time = Timespec {
        tv_sec: i64::try_from(entry.mtime).unwrap_or(i64::MAX),
        tv_nsec: 0,
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}
