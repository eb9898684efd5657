//! The root as it is written to: paths become an opened directory and a name in it.
//!
//! A directory is found as the system itself would find it: links are followed, and lead nowhere outside the root
//! (`openat2` with `RESOLVE_IN_ROOT`). What is done then is done to a name in the opened directory, and never follows a
//! link there, so that nothing that moves in a live root can lead it astray.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::rc::Rc;

use apk_format::{Digest, DigestKind};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;
use sha1::Sha1;
use sha2::Sha256;

use crate::directories::Access;
use crate::root::Root;

/// So many directories are kept open.
const OPEN: usize = 256;

/// The root, and the directories of it that were used last.
#[derive(Debug)]
pub(super) struct Disk<'r> {
    pub(super) root: &'r Root,
    open: HashMap<String, Rc<OwnedFd>>,
}

impl<'r> Disk<'r> {
    pub(super) fn new(root: &'r Root) -> Disk<'r> {
        Disk {
            root,
            open: HashMap::new(),
        }
    }

    /// Forgets which directory a path meant: links may have come and gone.
    pub(super) fn forget(&mut self) {
        self.open.clear();
    }

    /// A directory, to do something in.
    pub(super) fn dir(&mut self, path: &str) -> io::Result<Rc<OwnedFd>> {
        if let Some(known) = self.open.get(path) {
            return Ok(Rc::clone(known));
        }
        let at = if path.is_empty() { "." } else { path };
        let dir = Rc::new(self.root.open_at(at, OFlags::PATH | OFlags::DIRECTORY)?);
        if self.open.len() >= OPEN {
            self.open.clear();
        }
        self.open.insert(path.to_owned(), Rc::clone(&dir));
        Ok(dir)
    }

    /// What is at a path, without following a link there.
    pub(super) fn stat(&mut self, path: &str) -> io::Result<Option<Stat>> {
        let (dir, name) = split(path);
        match self.dir(dir) {
            Ok(dir) => stat(&dir, name),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a directory, and every one above it that is missing, those root's with mode 755.
    pub(super) fn make_dirs(&mut self, path: &str) -> io::Result<()> {
        let mut end = 0;
        while end < path.len() {
            end = path
                .get(end + 1..)
                .and_then(|rest| rest.find('/'))
                .map_or(path.len(), |at| end + 1 + at);
            let above = path.get(..end).unwrap_or(path);
            match self.make_dir(above, (0, 0, 0o755), false) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes one directory. `owned` says that it is given to its owner.
    pub(super) fn make_dir(&mut self, path: &str, access: Access, owned: bool) -> io::Result<()> {
        let (dir, name) = split(path);
        let dir = self.dir(dir)?;
        let mode = Mode::from_raw_mode(access.2 & 0o7777);
        rustix::fs::mkdirat(&dir, name, mode)?;
        let new = open_plain(&dir, name, OFlags::RDONLY | OFlags::DIRECTORY)?;
        if owned && (access.0, access.1) != (0, 0) {
            let (uid, gid) = (Uid::from_raw(access.0), Gid::from_raw(access.1));
            rustix::fs::fchown(&new, Some(uid), Some(gid))?;
        }
        // The mode is made subject to the umask, and a change of the owner takes bits away.
        Ok(rustix::fs::fchmod(&new, mode)?)
    }

    /// Gives a directory owner and mode, if there is one and not a link.
    pub(super) fn set_access(&mut self, path: &str, access: Access, owned: bool) -> io::Result<()> {
        let (dir, name) = split(path);
        let dir = self.dir(dir)?;
        let fd = open_plain(&dir, name, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let found = rustix::fs::fstat(&fd)?;
        let owner = (access.0, access.1);
        if owned && (found.st_uid, found.st_gid) != owner {
            let (uid, gid) = (Uid::from_raw(access.0), Gid::from_raw(access.1));
            rustix::fs::fchown(&fd, Some(uid), Some(gid))?;
        }
        let mode = access.2 & 0o7777;
        if rustix::fs::fstat(&fd)?.st_mode & 0o7777 != mode {
            rustix::fs::fchmod(&fd, Mode::from_raw_mode(mode))?;
        }
        Ok(())
    }

    /// Removes a file; that there is none is no error.
    pub(super) fn remove_file(&mut self, path: &str) -> io::Result<()> {
        let (dir, name) = split(path);
        let dir = match self.dir(dir) {
            Err(error) if is_absent(&error) => return Ok(()),
            other => other?,
        };
        match rustix::fs::unlinkat(&dir, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a directory if it is empty.
    pub(super) fn remove_dir(&mut self, path: &str) {
        let (dir, name) = split(path);
        if let Ok(dir) = self.dir(dir) {
            // What is in use, or a link, stays: the reference does not ask either.
            let _ = rustix::fs::unlinkat(&dir, name, AtFlags::REMOVEDIR);
        }
    }

    /// Whether what is at a path is a file or link with this checksum; without one, nothing has it.
    pub(super) fn has_content(
        &mut self,
        path: &str,
        checksum: Option<&Digest>,
        digests: DigestKind,
    ) -> io::Result<bool> {
        let Some(checksum) = checksum else {
            return Ok(false);
        };
        let (dir, name) = split(path);
        let dir = self.dir(dir)?;
        let found = digest(&dir, name, digests)?;
        Ok(found.is_some_and(|found| found.same_identity(checksum)))
    }

    /// Writes a small file beside the one that is there, and puts it in its place.
    pub(super) fn write(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        let (dir, name) = split(path);
        let dir = self.dir(dir)?;
        let beside = format!("{name}.apk-ostree.new");
        match rustix::fs::unlinkat(&dir, beside.as_str(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let fd = rustix::fs::openat(&dir, beside.as_str(), flags | OFlags::CLOEXEC, READABLE)?;
        let mut file = File::from(fd);
        io::Write::write_all(&mut file, content)?;
        rustix::fs::fchmod(&file, READABLE)?;
        Ok(rustix::fs::renameat(&dir, beside.as_str(), &dir, name)?)
    }
}

const READABLE: Mode = Mode::from_raw_mode(0o644);

/// A path's directory, and the name in it.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

pub(super) fn stat(dir: &OwnedFd, name: &str) -> io::Result<Option<Stat>> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Gives what is no link another mode, wherever its name leads meanwhile.
///
/// `chmod` by name would follow a link that somebody puts there, so it is given the very file that was looked at:
/// a file itself, anything else through `/proc`, because opening a device may do something.
pub(super) fn set_mode(dir: &OwnedFd, name: &str, mode: Mode) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, name, flags, Mode::empty())?;
    match FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) {
        FileType::Symlink => Err(Errno::LOOP.into()),
        FileType::RegularFile => {
            let file = open_plain(dir, name, OFlags::RDONLY)?;
            Ok(rustix::fs::fchmod(file, mode)?)
        }
        _ => {
            let place = format!("/proc/self/fd/{}", file.as_raw_fd());
            Ok(rustix::fs::chmod(place, mode)?)
        }
    }
}

/// Puts a file that waits in its place.
pub(super) fn rename(from: &OwnedFd, name: &str, to: &OwnedFd, new: &str) -> io::Result<()> {
    Ok(rustix::fs::renameat(from, name, to, new)?)
}

/// There is nothing there, or no directory on the way.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn open_plain(dir: &OwnedFd, name: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

/// The digest of a file's content or a link's target; `None` for anything else. Databases keep 20 bytes of it.
fn digest(dir: &OwnedFd, name: &str, kind: DigestKind) -> io::Result<Option<Digest>> {
    let Some(found) = stat(dir, name)? else {
        return Ok(None);
    };
    match FileType::from_raw_mode(found.st_mode) {
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(dir, name, Vec::new())?;
            let target = target.to_bytes();
            Ok(Some(match kind {
                DigestKind::Sha1 => Digest::sha1(target),
                DigestKind::Sha256 => Digest::sha256(target),
            }))
        }
        FileType::RegularFile => {
            let file = File::from(open_plain(dir, name, OFlags::RDONLY)?);
            Ok(Some(match kind {
                DigestKind::Sha1 => Digest::Sha1(hash::<Sha1>(file)?.into()),
                DigestKind::Sha256 => Digest::Sha256(hash::<Sha256>(file)?.into()),
            }))
        }
        _ => Ok(None),
    }
}

fn hash<H: sha2::Digest>(mut file: File) -> io::Result<sha2::digest::Output<H>> {
    let mut hash = H::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize()),
            length => hash.update(buffer.get(..length).unwrap_or_default()),
        }
    }
}
