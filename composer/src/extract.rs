//! A package's files onto a disk, below one directory and nowhere else.
//!
//! | danger | answer |
//! |---|---|
//! | a link in the way, brought by the package or there before | never followed: every directory on the way is opened beneath the destination without links (`openat2`) |
//! | `..`, absolute names | refused when the entry is read |
//! | a hard link to something else | its target is found by the same rule |
//! | a package that turns out false at its end | read to its end before the first file is made |
//!
//! Files are made anew and never written into; one that is there is an error, or removed first if that is wanted.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use apk_format::{Entry, EntryKind, KeyRing, Package, PackageError, SignatureError, Trust};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;

use crate::accounts::Accounts;
use crate::layer::NamedOwner;

/// Where files go, and how.
#[derive(Debug)]
pub struct Destination {
    dir: OwnedFd,
    /// Files that are there are replaced.
    pub overwrite: bool,
    /// Files get the owners that their packages say, by these accounts; otherwise they belong to whoever runs this.
    pub owners: Option<Accounts>,
    /// Attributes outside `user.` are set too.
    pub system_xattrs: bool,
}

/// What could not be kept of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each can fail on its own")]
pub struct Lost {
    /// Its owner or group.
    pub owner: bool,
    /// Its setuid, setgid or sticky bit.
    pub permission: bool,
    /// The time of its last change.
    pub mtime: bool,
    /// Some attribute.
    pub xattrs: bool,
}

/// Why a package was not extracted, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The file could not be read.
    #[error("cannot read the package")]
    Read(#[source] io::Error),
    /// The package is broken.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// Nobody trusted vouches for it.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A file could not be made.
    #[error("cannot make {path:?}")]
    Make {
        /// Its path.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl Destination {
    /// An existing directory.
    pub fn open(path: &Path) -> io::Result<Destination> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(Destination {
            dir: rustix::fs::open(path, flags, Mode::empty())?,
            overwrite: false,
            owners: None,
            system_xattrs: false,
        })
    }

    /// Reads the package once to find whether it is true, and once more to make its files.
    ///
    /// `made` is told of each entry before it is made, `lost` of what could not be kept of it. On an error, files made
    /// so far stay.
    pub fn extract(
        &self,
        mut file: File,
        keys: &KeyRing,
        trust: Trust,
        watch: &mut dyn Watch,
    ) -> Result<(), ExtractError> {
        let package = Package::open(&mut file)?;
        package.verify_signature(keys, trust)?;
        package.finish()?;
        file.rewind().map_err(ExtractError::Read)?;
        let mut package = Package::open(&mut file)?;
        package.verify_signature(keys, trust)?;
        while let Some(entry) = package.next_entry()? {
            watch.entry(&entry);
            let lost = self
                .make(&entry, &mut package)
                .map_err(|error| match error {
                    Failed::Read(error) => ExtractError::Read(error),
                    Failed::Make(source) => ExtractError::Make {
                        path: entry.path.clone(),
                        source,
                    },
                })?;
            if lost != Lost::default() {
                watch.lost(&entry.path, lost);
            }
        }
        Ok(package.finish()?)
    }

    fn make(&self, entry: &Entry, content: &mut impl Read) -> Result<Lost, Failed> {
        let (parent, name) = self.place(&entry.path)?;
        if entry.kind == EntryKind::Dir {
            return Ok(self.make_dir(entry, &parent, name)?);
        }
        if self.overwrite {
            match rustix::fs::unlinkat(&parent, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(Failed::Make(error.into())),
            }
        }
        let mode = Mode::from_raw_mode(entry.mode & 0o7777);
        match &entry.kind {
            EntryKind::File { .. } => return self.make_file(entry, &parent, name, content),
            EntryKind::Symlink { target } => {
                rustix::fs::symlinkat(target.as_str(), &parent, name)?;
            }
            EntryKind::HardLink { target } => {
                let (dir, old) = self.place(target)?;
                rustix::fs::linkat(&dir, old, &parent, name, AtFlags::empty())?;
            }
            EntryKind::Char { major, minor } => {
                let device = rustix::fs::makedev(*major, *minor);
                rustix::fs::mknodat(&parent, name, FileType::CharacterDevice, mode, device)?;
            }
            EntryKind::Block { major, minor } => {
                let device = rustix::fs::makedev(*major, *minor);
                rustix::fs::mknodat(&parent, name, FileType::BlockDevice, mode, device)?;
            }
            EntryKind::Fifo | EntryKind::Dir => {
                rustix::fs::mknodat(&parent, name, FileType::Fifo, mode, 0)?;
            }
        }
        Ok(self.finish_special(entry, &parent, name))
    }

    /// The directory of a path, opened, and the name in it.
    fn place<'p>(&self, path: &'p str) -> Result<(OwnedFd, &'p str), Failed> {
        let (dir, name) = path.rsplit_once('/').unwrap_or((".", path));
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let beneath =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let fd = rustix::fs::openat2(&self.dir, dir, flags, Mode::empty(), beneath)?;
        Ok((fd, name))
    }

    fn make_dir(&self, entry: &Entry, parent: &OwnedFd, name: &str) -> io::Result<Lost> {
        let mode = Mode::from_raw_mode(entry.mode & 0o7777);
        match rustix::fs::mkdirat(parent, name, mode) {
            Ok(()) => {}
            // A directory that is there stays as it is; a link to one is none.
            Err(Errno::EXIST) => {
                let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
                return match FileType::from_raw_mode(stat.st_mode) {
                    FileType::Directory => Ok(Lost::default()),
                    _ => Err(Errno::EXIST.into()),
                };
            }
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut lost = Lost::default();
        match rustix::fs::openat(parent, name, flags, Mode::empty()) {
            Ok(dir) => {
                lost.owner = self.give(entry, &dir).is_err();
                lost.permission = rustix::fs::fchmod(&dir, mode).is_err();
            }
            Err(_) => (lost.owner, lost.permission) = (self.owners.is_some(), true),
        }
        Ok(lost)
    }

    fn make_file(
        &self,
        entry: &Entry,
        parent: &OwnedFd,
        name: &str,
        content: &mut impl Read,
    ) -> Result<Lost, Failed> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let private = Mode::RUSR | Mode::WUSR;
        let fd = rustix::fs::openat(parent, name, flags | OFlags::CLOEXEC, private)?;
        let mut file = File::from(fd);
        if let Err(error) = copy(content, &mut file) {
            let _ = rustix::fs::unlinkat(parent, name, AtFlags::empty()); // a part is no file
            return Err(error);
        }
        Ok(self.finish_file(entry, &file))
    }

    /// Owner, mode, attributes and time, in the order in which one does not spoil the other.
    fn finish_file(&self, entry: &Entry, file: &File) -> Lost {
        let mode = Mode::from_raw_mode(entry.mode & 0o7777);
        let mut lost = Lost {
            owner: self.give(entry, file).is_err(),
            permission: rustix::fs::fchmod(file, mode).is_err(),
            ..Lost::default()
        };
        for (key, value) in &entry.xattrs {
            if self.system_xattrs || key.starts_with("user.") {
                let set = rustix::fs::fsetxattr(file, key.as_str(), value, XattrFlags::empty());
                lost.xattrs |= set.is_err();
            }
        }
        lost.mtime = rustix::fs::futimens(file, &times(entry)).is_err();
        lost
    }

    /// Owner, mode and time of what is no file and no directory.
    fn finish_special(&self, entry: &Entry, parent: &OwnedFd, name: &str) -> Lost {
        let mut lost = Lost::default();
        let links = AtFlags::SYMLINK_NOFOLLOW;
        if matches!(entry.kind, EntryKind::HardLink { .. }) {
            // Through the file itself, because the name may be that of a symlink.
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            if let Ok(fd) = rustix::fs::openat(parent, name, flags, Mode::empty()) {
                return self.finish_file(entry, &File::from(fd));
            }
        }
        if let Some(accounts) = &self.owners {
            let (uid, gid) = accounts.numbers(&NamedOwner::of(entry));
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            let given = rustix::fs::chownat(parent, name, Some(uid), Some(gid), links);
            lost.owner = given.is_err();
        }
        let is_node = matches!(
            entry.kind,
            EntryKind::Char { .. } | EntryKind::Block { .. } | EntryKind::Fifo
        );
        if is_node {
            let mode = Mode::from_raw_mode(entry.mode & 0o7777);
            lost.permission = rustix::fs::chmodat(parent, name, mode, AtFlags::empty()).is_err();
            lost.mtime = rustix::fs::utimensat(parent, name, &times(entry), links).is_err();
        }
        lost
    }

    fn give(&self, entry: &Entry, file: impl AsFd) -> rustix::io::Result<()> {
        let Some(accounts) = &self.owners else {
            return Ok(());
        };
        let (uid, gid) = accounts.numbers(&NamedOwner::of(entry));
        rustix::fs::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
    }
}

/// Who sees what is made.
pub trait Watch {
    /// An entry is about to be made.
    fn entry(&mut self, entry: &Entry);
    /// Something could not be kept of the entry.
    fn lost(&mut self, path: &str, lost: Lost);
}

enum Failed {
    Read(io::Error),
    Make(io::Error),
}

impl From<Errno> for Failed {
    fn from(error: Errno) -> Failed {
        Failed::Make(error.into())
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        Failed::Make(error)
    }
}

/// Copies content, telling which side failed.
fn copy(content: &mut impl Read, file: &mut File) -> Result<(), Failed> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = content.read(&mut buffer).map_err(Failed::Read)?;
        if length == 0 {
            return Ok(());
        }
        let bytes = buffer.get(..length).unwrap_or_default();
        io::Write::write_all(file, bytes).map_err(Failed::Make)?;
    }
}

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
