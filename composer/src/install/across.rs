//! Files put in place where a directory of the root lies on another file system than the area.
//!
//! There a rename is impossible. The file that waits is copied beside its place, under one name in every such
//! directory, and renamed within it: so the place has the old file or the whole new one at any moment. The directory is
//! noted in the area before, and the next run takes away what a run that was broken off has left there.
//!
//! | waits | is made anew as |
//! |---|---|
//! | file | the same content, owner, mode, attributes and time |
//! | another name of a file | a link to it, if it lies on the same file system; else a file of its own |
//! | symbolic link | one with the same target and owner |
//! | node | the same device or pipe |

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;

use super::disk::{self, Disk};
use super::stage::StagedEntry;

/// The name under which a copy waits beside its place.
pub(super) const NAME: &str = ".apk-ostree.copy";

/// Bytes copied at once.
const BUFFER: usize = 128 << 10;

/// A file, by device and number.
pub(super) type Inode = (u64, u64);

/// Where a file was put that waits under several names.
#[derive(Debug)]
pub(super) struct First<'a> {
    pub(super) dir: &'a OwnedFd,
    pub(super) name: &'a str,
    pub(super) inode: Inode,
}

impl First<'_> {
    /// Gives it one more name, if it can have that and is still what was put there.
    fn link(&self, to: &OwnedFd) -> bool {
        let made = rustix::fs::linkat(self.dir, self.name, to, NAME, AtFlags::empty());
        if made.is_err() {
            return false;
        }
        let same = inode(to, NAME).is_ok_and(|found| found == self.inode);
        same || remove(to).is_err()
    }
}

/// A file that waits, on its way to another file system.
#[derive(Debug)]
pub(super) struct Across<'a> {
    pub(super) entry: &'a StagedEntry,
    /// Where it waits.
    pub(super) waiting: &'a OwnedFd,
    /// Its name there.
    pub(super) name: &'a str,
    /// Whether it is given to its owner.
    pub(super) owned: bool,
}

impl Across<'_> {
    /// Puts it into a directory under a name, and gives which file it is there.
    pub(super) fn put(
        &self,
        to: &OwnedFd,
        new: &str,
        first: Option<&First<'_>>,
    ) -> io::Result<Inode> {
        remove(to)?;
        let made = match first.is_some_and(|first| first.link(to)) {
            true => Ok(()),
            false => self.copy(to),
        };
        let put = made.and_then(|()| {
            let inode = inode(to, NAME)?;
            disk::rename(to, NAME, to, new)?;
            Ok(inode)
        });
        // A rename onto another name of the same file leaves both; and a part is no file.
        remove(to)?;
        put
    }

    /// Which file it is where it waits, if it has several names.
    pub(super) fn shared(&self) -> Option<Inode> {
        let stat = rustix::fs::statat(self.waiting, self.name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        (stat.st_nlink > 1).then_some((stat.st_dev, stat.st_ino))
    }

    fn copy(&self, to: &OwnedFd) -> io::Result<()> {
        let links = AtFlags::SYMLINK_NOFOLLOW;
        let stat = rustix::fs::statat(self.waiting, self.name, links)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => return self.copy_file(to),
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(self.waiting, self.name, Vec::new())?;
                rustix::fs::symlinkat(target, to, NAME)?;
                return self.give(to, &stat);
            }
            kind => {
                let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
                rustix::fs::mknodat(to, NAME, kind, mode, stat.st_rdev)?;
                self.give(to, &stat)?;
                disk::set_mode(to, NAME, mode)?;
            }
        }
        Ok(rustix::fs::utimensat(to, NAME, &times(&stat), links)?)
    }

    fn copy_file(&self, to: &OwnedFd) -> io::Result<()> {
        let plain = OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let from = OFlags::RDONLY | OFlags::NONBLOCK | plain;
        let mut from = File::from(rustix::fs::openat(
            self.waiting,
            self.name,
            from,
            Mode::empty(),
        )?);
        let stat = rustix::fs::fstat(&from)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | plain;
        let private = Mode::RUSR | Mode::WUSR;
        let mut file = File::from(rustix::fs::openat(to, NAME, flags, private)?);
        let mut buffer = vec![0; BUFFER];
        loop {
            match from.read(&mut buffer)? {
                0 => break,
                length => file.write_all(buffer.get(..length).unwrap_or_default())?,
            }
        }
        if self.owned {
            let (uid, gid) = owner(&stat);
            rustix::fs::fchown(&file, uid, gid)?;
        }
        rustix::fs::fchmod(&file, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
        for (key, value) in &self.entry.xattrs {
            if self.owned || key.starts_with("user.") {
                // What the other file system cannot keep is lost, as where it could not be kept in the first place.
                let _ = rustix::fs::fsetxattr(&file, key.as_str(), value, XattrFlags::empty());
            }
        }
        Ok(rustix::fs::futimens(&file, &times(&stat))?)
    }

    fn give(&self, to: &OwnedFd, stat: &Stat) -> io::Result<()> {
        let (uid, gid) = owner(stat);
        match self.owned {
            true => Ok(rustix::fs::chownat(
                to,
                NAME,
                uid,
                gid,
                AtFlags::SYMLINK_NOFOLLOW,
            )?),
            false => Ok(()),
        }
    }
}

/// Takes away what a run that was broken off may have left in these directories.
pub(super) fn clean<'p>(disk: &mut Disk<'_>, dirs: impl Iterator<Item = &'p String>) {
    for path in dirs {
        if let Ok(dir) = disk.dir(path) {
            let _ = remove(&dir); // the directory may have become another one, and shows it when it is used
        }
    }
}

fn inode(dir: &OwnedFd, name: &str) -> io::Result<Inode> {
    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok((stat.st_dev, stat.st_ino))
}

fn remove(dir: &OwnedFd) -> io::Result<()> {
    match rustix::fs::unlinkat(dir, NAME, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn owner(stat: &Stat) -> (Option<Uid>, Option<Gid>) {
    (
        Some(Uid::from_raw(stat.st_uid)),
        Some(Gid::from_raw(stat.st_gid)),
    )
}

fn times(stat: &Stat) -> Timestamps {
    let time = Timespec {
        tv_sec: stat.st_mtime,
        tv_nsec: 0,
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}
