//! A system on disk: reading its files, where no link leads out of it.
//!
//! A root may be somebody else's. Its symbolic links are followed as the system itself would follow them: an absolute
//! target begins at the root, and `..` stays below it (`openat2` with `RESOLVE_IN_ROOT`, Linux 5.6).

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// The largest file that is read into memory, in bytes: a database of 100,000 files has about 10 MB.
const MAX_FILE: u64 = 256 << 20;

/// How often a path is tried. The kernel refuses a `..` while anything on the machine is renamed, because it cannot know
/// then that it stays within the root.
const TRIES: usize = 1_000;

/// The directory that is `/` to a system.
#[derive(Debug)]
pub struct Root {
    dir: OwnedFd,
    path: PathBuf,
}

impl Root {
    /// Opens the directory.
    pub fn open(path: &Path) -> io::Result<Root> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Root {
            dir,
            path: path.to_owned(),
        })
    }

    /// Where it is, as it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The content of a file; `None` if there is none. A file of more than 256 MiB is an error.
    pub fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let Some(fd) = absent(self.open_at(path, OFlags::RDONLY | OFlags::NONBLOCK))? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        File::from(fd).take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(io::Error::from_raw_os_error(Errno::FBIG.raw_os_error()));
        }
        Ok(Some(bytes))
    }

    /// Whether there is a directory.
    pub fn has_dir(&self, path: &str) -> io::Result<bool> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        Ok(absent(self.open_at(path, flags))?.is_some())
    }

    /// The names in a directory, sorted; none if there is no such directory.
    pub fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let Some(fd) = absent(self.open_at(path, flags))? else {
            return Ok(Vec::new());
        };
        let mut names = Vec::new();
        for entry in Dir::new(fd)? {
            let entry = entry?;
            match entry.file_name().to_str() {
                Ok("." | "..") => {}
                Ok(name) => names.push(name.to_owned()),
                Err(_) => {} // no file of apk's has such a name
            }
        }
        names.sort();
        Ok(names)
    }

    /// A directory, opened.
    pub fn open_dir(&self, path: &str) -> io::Result<OwnedFd> {
        self.open_at(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// The target of a symbolic link; `None` for anything else, and for targets that are not UTF-8.
    #[must_use]
    pub fn link_target(&self, path: &str) -> Option<String> {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let dir = if dir.is_empty() { "." } else { dir };
        let dir = self.open_at(dir, OFlags::PATH | OFlags::DIRECTORY).ok()?;
        let target = rustix::fs::readlinkat(dir, name, Vec::new()).ok()?;
        target.into_string().ok()
    }

    /// The user that owns a file, by number; `None` if there is none.
    #[must_use]
    pub fn owner(&self, path: &str) -> Option<u32> {
        let fd = self.open_at(path, OFlags::PATH).ok()?;
        let stat = rustix::fs::statat(fd, "", AtFlags::EMPTY_PATH).ok()?;
        Some(stat.st_uid)
    }

    /// Opens a file to which lines are added; one that is made gets mode 644.
    pub(crate) fn append(&self, path: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NONBLOCK | OFlags::CLOEXEC;
        if let Some(fd) = absent(self.open_at(path, flags))? {
            return Ok(File::from(fd));
        }
        let mode = Mode::from_raw_mode(0o644);
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let fd = rustix::fs::openat2(&self.dir, path, flags | OFlags::CREATE, mode, resolve)?;
        rustix::fs::fchmod(&fd, mode)?;
        Ok(File::from(fd))
    }

    /// Opens what is there; links are followed within the root.
    pub(crate) fn open_at(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let mut tries = 1;
        loop {
            match rustix::fs::openat2(&self.dir, path, flags, Mode::empty(), within) {
                Err(Errno::AGAIN) if tries < TRIES => tries += 1,
                other => return Ok(other?),
            }
        }
    }
}

/// Turns "there is none" into `None`.
fn absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_stay_within() {
        let dir = fixtures::scratch("root");
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("usr/lib")).unwrap();
        std::fs::write(dir.path().join("secret"), "out").unwrap();
        std::fs::write(root.join("usr/lib/f"), "in").unwrap();
        symlink("/usr/lib", root.join("lib")).unwrap();
        symlink("../secret", root.join("up")).unwrap();
        symlink(dir.path().join("secret"), root.join("out")).unwrap();
        let root = Root::open(&root).unwrap();
        assert_eq!(root.read("lib/f").unwrap().unwrap(), b"in");
        assert_eq!(root.read("up").unwrap(), None);
        assert_eq!(root.read("out").unwrap(), None);
        assert_eq!(root.list("lib").unwrap(), ["f"]);
        assert_eq!(root.list("nope").unwrap(), [""; 0]);
        assert_eq!(root.link_target("/up").as_deref(), Some("../secret"));
        assert_eq!(root.link_target("usr/lib/f"), None);
    }
}
