//! The package cache of a root: files of packages under names that say which build each is.
//!
//! | directory | is |
//! |---|---|
//! | one that was named; relative to the root unless it is absolute | a package cache |
//! | `etc/apk/cache`, mostly a link | a package cache, if it is there |
//! | `var/cache/apk` | for indexes; for packages only if that was asked for |
//!
//! A package is `NAME-VERSION.HASH.apk`, HASH being the first 8 hexadecimal digits of its identity. A file counts as the
//! package if its name and its length are right; its content is checked when it is installed.
//!
//! What apk 3.0 does and this does not:
//!
//! | apk 3.0 | here |
//! |---|---|
//! | looks for packages also beside the indexes when there is a package cache elsewhere, does not find them and crashes | they are not there |
//! | means to give a file that it keeps the time of the package, and loses it while it writes the end | it has that time |
//! | lists packages that no repository has in a file `installed`, where the root is in memory | no such list; it is never removed |
//! | makes `var/cache/apk` also where nothing is to be changed | only runs that change a root make it |

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use apk_format::{Digest, Record};
use rustix::fs::{AtFlags, Dir, Mode, OFlags};
use rustix::io::Errno;

use crate::root::Root;

/// An opened directory that keeps packages, or could.
#[derive(Clone, Debug)]
pub struct PackageCache {
    dir: Arc<OwnedFd>,
}

impl PackageCache {
    /// Opens a directory.
    pub fn open(root: &Root, path: &str) -> io::Result<PackageCache> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = if path.starts_with('/') {
            rustix::fs::open(path, flags, Mode::empty())?
        } else {
            root.open_dir(path)?
        };
        Ok(PackageCache { dir: Arc::new(dir) })
    }

    /// The directory itself.
    #[must_use]
    pub fn dir(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.dir)
    }

    /// Whether this is the same directory.
    #[must_use]
    pub fn is_same(&self, other: &PackageCache) -> bool {
        let place = |fd: &OwnedFd| rustix::fs::fstat(fd).map(|stat| (stat.st_dev, stat.st_ino));
        matches!((place(&self.dir), place(&other.dir)), (Ok(a), Ok(b)) if a == b)
    }

    /// What is in it: names, sorted, and lengths in bytes.
    pub fn files(&self) -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in Dir::read_from(&self.dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else {
                continue; // no file of apk's has such a name
            };
            let stat = rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW);
            if let Ok(stat) = stat
                && !matches!(name, "." | "..")
            {
                let length = u64::try_from(stat.st_size).unwrap_or_default();
                files.push((name.to_owned(), length));
            }
        }
        files.sort();
        Ok(files)
    }

    /// Removes a file, or a directory if it is empty; what cannot be removed stays.
    pub fn remove(&self, name: &str) {
        let removed = rustix::fs::unlinkat(&self.dir, name, AtFlags::empty());
        if matches!(removed, Err(Errno::ISDIR)) {
            let _ = rustix::fs::unlinkat(&self.dir, name, AtFlags::REMOVEDIR);
        }
    }

    /// Keeps the file of a package, with its time; it gets its name when it is whole.
    pub fn keep(&self, name: &str, file: &Path) -> io::Result<()> {
        let mut source = File::open(file)?;
        let beside = format!(".apk-ostree.{name}");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
        let mode = Mode::from_raw_mode(0o644);
        let fd = rustix::fs::openat(&self.dir, &beside, flags | OFlags::CLOEXEC, mode)?;
        let mut copy = File::from(fd);
        let copied = io::copy(&mut source, &mut copy)
            .and_then(|_| Ok(rustix::fs::fchmod(&copy, mode)?))
            .and_then(|()| copy.set_modified(source.metadata()?.modified()?))
            .and_then(|()| Ok(rustix::fs::renameat(&self.dir, &beside, &self.dir, name)?));
        if copied.is_err() {
            self.remove(&beside);
        }
        copied
    }
}

/// The name of a package in a cache; `None` if it would lead elsewhere.
#[must_use]
pub fn file_name(record: &Record) -> Option<String> {
    let hash = record.identity.to_hex();
    let hash = hash.get(..8)?;
    let name = format!("{}-{}.{hash}.apk", record.name, record.version);
    (!name.contains('/')).then_some(name)
}

/// The name of the index with this URL in a cache.
#[must_use]
pub fn index_name(url: &str) -> String {
    let hash = Digest::sha256(url.as_bytes()).to_hex();
    format!("APKINDEX.{}.tar.gz", hash.get(..8).unwrap_or_default())
}
