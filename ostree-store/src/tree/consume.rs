//! Directories that are deleted once they are committed.
//!
//! ostree deletes each file as soon as it has read it. Here everything stays until the commit is published, because a
//! transaction that fails, or whose process is killed, leaves nothing behind. What has changed since it was read is
//! not deleted at all.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, Stat};
use rustix::io::Errno;

use crate::path_error::{At, PathError};
use crate::repo::{Transaction, parent_below};

/// Directories on their way into a repository, to be deleted behind it.
#[derive(Debug)]
pub struct Consume<'t> {
    pub(super) transaction: &'t Transaction<'t>,
    doomed: Mutex<Vec<Doomed>>,
    /// Directories that a later source must not find any more.
    gone: Mutex<HashSet<(u64, u64)>>,
}

/// What was read of one source.
#[derive(Debug)]
pub(super) struct Doomed {
    pub(super) root: Arc<OwnedFd>,
    pub(super) path: PathBuf,
    /// Relative to the root, with size, inode and time of the last change of the content.
    pub(super) files: Vec<(PathBuf, FileVersion)>,
    /// Relative to the root, parents first; the root itself is not among them.
    pub(super) dirs: Vec<PathBuf>,
    /// Left out by a rule; goes with everything below.
    pub(super) skipped: Vec<PathBuf>,
}

/// By what a file is known to be the one that was read.
pub(super) type FileVersion = (u64, i64, i64, i64);

pub(super) fn version(stat: &Stat) -> FileVersion {
    let nanoseconds = i64::try_from(stat.st_mtime_nsec).unwrap_or(0);
    (stat.st_ino, stat.st_size, stat.st_mtime, nanoseconds)
}

impl<'t> Consume<'t> {
    /// For the sources of one transaction.
    #[must_use]
    pub fn new(transaction: &'t Transaction<'t>) -> Consume<'t> {
        Consume {
            transaction,
            doomed: Mutex::default(),
            gone: Mutex::default(),
        }
    }

    /// Everything that is to be deleted. To be asked for before the transaction is published.
    pub fn finish(self) -> Consumed {
        Consumed(
            self.doomed
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Whether an earlier source has had the directory, which in ostree is deleted by now.
    pub(super) fn is_gone(&self, stat: &Stat) -> bool {
        lock(&self.gone).contains(&(stat.st_dev, stat.st_ino))
    }

    pub(super) fn add(&self, doomed: Doomed, dirs: HashSet<(u64, u64)>) {
        lock(&self.doomed).push(doomed);
        lock(&self.gone).extend(dirs);
    }
}

/// What is to be deleted when the commit is published.
#[derive(Debug)]
#[must_use]
pub struct Consumed(Vec<Doomed>);

impl Consumed {
    /// Deletes what was committed, and the directories if nothing else is in them. The current directory itself stays.
    pub fn delete(self) -> Result<(), PathError> {
        self.0.into_iter().try_for_each(Doomed::delete)
    }
}

impl Doomed {
    /// Nothing yet of what is below a directory.
    pub(super) fn below(root: &Arc<OwnedFd>, path: &Path) -> Doomed {
        Doomed {
            root: Arc::clone(root),
            path: path.to_owned(),
            files: Vec::new(),
            dirs: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// The memory that the lists take, in bytes.
    pub(super) fn weight(&self) -> usize {
        let files = self.files.iter();
        let files = files.map(|(path, _)| 90 + path.as_os_str().len());
        let dirs = self.dirs.iter().chain(&self.skipped);
        let dirs = dirs.map(|path| 90 + path.as_os_str().len());
        files.sum::<usize>() + dirs.sum::<usize>()
    }

    fn delete(self) -> Result<(), PathError> {
        for path in &self.skipped {
            let path = self.path.join(path);
            let removed = match fs::symlink_metadata(&path) {
                Ok(found) if found.is_dir() => fs::remove_dir_all(&path),
                Ok(_) => fs::remove_file(&path),
                Err(e) => Err(e),
            };
            removed.at("remove", &path)?;
        }
        for (path, version) in &self.files {
            self.unlink(path, version)?;
        }
        for path in self.dirs.iter().rev() {
            let (dir, name) = self.parent(path)?;
            rustix::fs::unlinkat(&dir, name, AtFlags::REMOVEDIR)
                .at("remove", self.path.join(path))?;
        }
        if self.path != Path::new(".") {
            fs::remove_dir(&self.path).at("remove", &self.path)?;
        }
        Ok(())
    }

    fn unlink(&self, path: &Path, read: &FileVersion) -> Result<(), PathError> {
        let full = || self.path.join(path);
        let (dir, name) = self.parent(path)?;
        match rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(()), // it has become an object
            Ok(found) if version(&found) == *read => {
                rustix::fs::unlinkat(&dir, name, AtFlags::empty()).at("remove", full())
            }
            Ok(_) => {
                Err(io::Error::other("it has changed since it was committed")).at("remove", full())
            }
            Err(e) => Err(e).at("stat", full()),
        }
    }

    /// The directory of a path, over no symbolic link, and the name there.
    fn parent<'p>(&self, path: &'p Path) -> Result<(OwnedFd, &'p Path), PathError> {
        parent_below(&self.root, path).at("open", self.path.join(path))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
