//! Where files wait until they are put in their places: a directory of its own at the top of the root.
//!
//! Nobody else can enter it, so nothing in a live root can tamper with a file that waits there, and one look shows what
//! a run that was broken off has left. The next run takes that away, and reads from it which directories the broken
//! run has made: those it may still give their final owner and mode.
//!
//! | in it | is |
//! |---|---|
//! | `made` | a directory that was made in the root, one path a line |
//! | `copied` | a directory on another file system, in which a copy may wait ([`super::across`]), one path a line |
//! | a number | what one package brings, each file under a number |
//!
//! The directory is locked as long as a run uses it. apk's own lock does not do, because apk 3.0 makes none in a new
//! root.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::root::Root;

/// Its name at the top of the root.
pub(crate) const NAME: &str = ".apk-ostree.stage";

/// The largest list of directories that is read back, in bytes.
const MAX_MADE: u64 = 256 << 20;

/// The directory, locked and empty.
#[derive(Debug)]
pub(super) struct Area {
    top: OwnedFd,
    dir: OwnedFd,
    made: File,
    copied: File,
    /// Directories that a run which was broken off has made.
    pub(super) left: BTreeSet<String>,
    /// Directories in which there may be a copy that waits: of a run that was broken off, and of this one.
    pub(super) copies: BTreeSet<String>,
}

impl Area {
    /// Makes the directory, or takes over what another run has left of it.
    pub(super) fn open(root: &Root) -> io::Result<Area> {
        let top = root.open_at(".", OFlags::RDONLY | OFlags::DIRECTORY)?;
        match rustix::fs::mkdirat(&top, NAME, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let dir = open_dir(&top, NAME)?;
        if rustix::fs::fstat(&dir)?.st_uid != rustix::process::geteuid().as_raw() {
            return Err(Errno::PERM.into()); // somebody else's, who could change what waits in it
        }
        rustix::fs::fchmod(&dir, Mode::RWXU)?;
        rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive)?;
        let (left, copies) = (read_list(&dir, MADE)?, read_list(&dir, COPIED)?);
        clear(&dir, &[MADE, COPIED])?;
        Ok(Area {
            made: append(&dir, MADE)?,
            copied: append(&dir, COPIED)?,
            top,
            dir,
            left,
            copies,
        })
    }

    /// Makes the directory of one package.
    pub(super) fn package(&self, number: usize) -> io::Result<OwnedFd> {
        let name = number.to_string();
        rustix::fs::mkdirat(&self.dir, name.as_str(), Mode::RWXU)?;
        open_dir(&self.dir, &name)
    }

    /// Removes the directory of one package, and what still waits in it.
    pub(super) fn drop_package(&self, number: usize) -> io::Result<()> {
        remove(&self.dir, &number.to_string())
    }

    /// Remembers that a directory is about to be made, should this run be broken off.
    pub(super) fn remember(&mut self, path: &str) -> io::Result<()> {
        self.made.write_all(format!("{path}\n").as_bytes())
    }

    /// Remembers that a copy is about to wait in a directory.
    pub(super) fn remember_copy(&mut self, path: &str) -> io::Result<()> {
        match self.copies.insert(path.to_owned()) {
            true => self.copied.write_all(format!("{path}\n").as_bytes()),
            false => Ok(()),
        }
    }

    /// Everything is in its place: the directory goes.
    pub(super) fn close(self) -> io::Result<()> {
        clear(&self.dir, &[])?;
        Ok(rustix::fs::unlinkat(&self.top, NAME, AtFlags::REMOVEDIR)?)
    }
}

/// The lists of directories; the other names are numbers.
const MADE: &str = "made";
const COPIED: &str = "copied";

fn append(dir: &OwnedFd, name: &str) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW;
    let private = Mode::RUSR | Mode::WUSR;
    Ok(File::from(rustix::fs::openat(
        dir,
        name,
        flags | OFlags::CLOEXEC,
        private,
    )?))
}

fn read_list(dir: &OwnedFd, name: &str) -> io::Result<BTreeSet<String>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(dir, name, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT) => return Ok(BTreeSet::new()),
        Err(error) => return Err(error.into()),
    };
    let mut text = Vec::new();
    file.take(MAX_MADE).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    // What stands after the last line end was cut off with the run, before its directory was made.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    Ok(whole.lines().map(str::to_owned).collect())
}

/// Empties a directory, two levels deep as it is laid out, except for some names.
fn clear(dir: &OwnedFd, except: &[&str]) -> io::Result<()> {
    for name in names(dir)? {
        if !except.contains(&name.as_str()) {
            remove(dir, &name)?;
        }
    }
    Ok(())
}

fn remove(dir: &OwnedFd, name: &str) -> io::Result<()> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    let inner = open_dir(dir, name)?;
    for name in names(&inner)? {
        rustix::fs::unlinkat(&inner, name.as_str(), AtFlags::empty())?;
    }
    Ok(rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)?)
}

fn names(dir: &OwnedFd) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        match entry.file_name().to_str() {
            Ok("." | "..") | Err(_) => {}
            Ok(name) => names.push(name.to_owned()),
        }
    }
    Ok(names)
}

fn open_dir(parent: impl AsFd, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, name, flags, Mode::empty())?)
}
