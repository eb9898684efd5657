//! The staging directory of one transaction: complete objects that nobody sees yet.
//!
//! It lies in `tmp/` and has the layout of `objects/`, so that publishing is a rename. Its name begins with
//! `staging-`, and the file `NAME-lock` beside it is locked while it is in use: ostree cleans up such directories
//! when their lock is free. ostree also *adopts* leftovers whose name goes on with the kernel's boot id, objects
//! included; ours never do, because an object of ours may be half written when the process is killed.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::lock::{Lock, LockKind};
use super::{small_file, tombstone};
use crate::checksum::Checksum;
use crate::path_error::{At, PathError};

/// What the names of our staging directories begin with.
const PREFIX: &str = "staging-apk-ostree-";

/// Commits are kept apart, because they are published last: a commit that is visible has all its objects.
const COMMITS: &str = "commits";

/// Its place in [`Stage::subdirs`], behind those of the 256 prefixes.
const COMMITS_CELL: usize = 256;

/// The staging directory of one transaction. Dropping it removes what was not published.
#[derive(Debug)]
pub(super) struct Stage {
    path: PathBuf,
    dir: OwnedFd,
    /// The directories `00` to `ff` and the one of commits, opened when first needed.
    subdirs: Vec<OnceLock<OwnedFd>>,
    temporary: AtomicU64,
    lock_path: PathBuf,
    _lock: Lock,
}

/// One object's place: a directory and a name in it.
pub(super) struct Place<'a> {
    pub(super) dir: BorrowedFd<'a>,
    pub(super) name: String,
}

impl Stage {
    /// Makes a new staging directory below the repository, and removes those of processes that are gone.
    pub(super) fn create(repo: &Path) -> Result<Stage, PathError> {
        let tmp = repo.join("tmp");
        fs::create_dir_all(&tmp).at("create", &tmp)?;
        remove_leftovers(&tmp)?;
        for number in 0_u32.. {
            let path = tmp.join(format!("{PREFIX}{}-{number}", std::process::id()));
            let lock_path = lock_path(&path);
            let Some(lock) = Lock::try_acquire(&lock_path, LockKind::Exclusive, 0o600)? else {
                continue;
            };
            match rustix::fs::mkdir(&path, Mode::from_raw_mode(0o775)) {
                Ok(()) => return Stage::open(path, lock_path, lock),
                Err(Errno::EXIST) => {}
                Err(e) => return Err(e).at("create", &path),
            }
        }
        Err(io::Error::other("every name is taken")).at("create a staging directory in", &tmp)
    }

    fn open(path: PathBuf, lock_path: PathBuf, lock: Lock) -> Result<Stage, PathError> {
        let dir = open_dir(CWD, &path).at("open", &path)?;
        let subdirs = (0..=COMMITS_CELL).map(|_| OnceLock::new()).collect();
        Ok(Stage {
            path,
            dir,
            subdirs,
            temporary: AtomicU64::new(0),
            lock_path,
            _lock: lock,
        })
    }

    /// Where an object is to be made. Its directory is there.
    pub(super) fn place(
        &self,
        checksum: &Checksum,
        extension: &str,
    ) -> Result<Place<'_>, PathError> {
        let hex = checksum.to_string();
        let (prefix, rest) = hex.split_at(2);
        let [first, ..] = *checksum.as_bytes();
        let dir = self.subdir(usize::from(first), prefix)?;
        Ok(Place {
            dir,
            name: format!("{rest}.{extension}"),
        })
    }

    /// Where a commit object is to be made.
    pub(super) fn commit_place(&self, checksum: &Checksum) -> Result<Place<'_>, PathError> {
        Ok(Place {
            dir: self.subdir(COMMITS_CELL, COMMITS)?,
            name: format!("{checksum}.commit"),
        })
    }

    /// A name in the staging directory itself that nothing else has.
    pub(super) fn temporary(&self) -> Place<'_> {
        let number = self.temporary.fetch_add(1, Ordering::Relaxed);
        Place {
            dir: self.dir.as_fd(),
            name: format!("tmp-{number}"),
        }
    }

    /// Where it is, for messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until everything written so far is on the disk.
    pub(super) fn sync(&self) -> Result<(), PathError> {
        rustix::fs::syncfs(&self.dir).at("sync", &self.path)
    }

    /// Moves every object to `objects`, commits last, and returns the directories that have changed.
    /// Objects that are there already stay as they are.
    pub(super) fn publish(&self, objects: &Path) -> Result<Vec<PathBuf>, PathError> {
        let mut changed = vec![objects.to_owned()];
        for (number, subdir) in self.subdirs.iter().enumerate().take(COMMITS_CELL) {
            if subdir.get().is_some() {
                let name = format!("{number:02x}");
                changed.extend(publish_dir(&self.path.join(&name), &objects.join(&name))?);
            }
        }
        let commits = self.path.join(COMMITS);
        for name in names(&commits)? {
            let Some((prefix, rest)) = name.to_str().and_then(|name| name.split_at_checked(2))
            else {
                continue;
            };
            let dir = objects.join(prefix);
            match fs::create_dir(&dir) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e).at("create", &dir)?,
                _ => publish_file(&commits.join(&name), &dir.join(rest))?,
            }
            // A commit that was deleted once is back.
            let tombstone = dir.join(rest).with_extension(tombstone::EXTENSION);
            small_file::remove(&tombstone)?;
            changed.push(dir);
        }
        Ok(changed)
    }

    fn subdir(&self, number: usize, name: &str) -> Result<BorrowedFd<'_>, PathError> {
        let path = || self.path.join(name);
        let cell = self
            .subdirs
            .get(number)
            .ok_or(io::Error::other("no such cell"))
            .at("open", path())?;
        if let Some(dir) = cell.get() {
            return Ok(dir.as_fd());
        }
        match rustix::fs::mkdirat(&self.dir, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(e).at("create", path()),
        }
        let dir = open_dir(&self.dir, Path::new(name)).at("open", path())?;
        Ok(cell.get_or_init(|| dir).as_fd())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next transaction.
        let _ = fs::remove_dir_all(&self.path);
        let _ = fs::remove_file(&self.lock_path);
    }
}

fn lock_path(stage: &Path) -> PathBuf {
    let mut name = stage.file_name().unwrap_or_default().to_owned();
    name.push("-lock");
    stage.with_file_name(name)
}

fn open_dir(at: impl AsFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::openat(at, path, flags, Mode::empty())
}

fn names(dir: &Path) -> Result<Vec<std::ffi::OsString>, PathError> {
    match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries
            .at("list", dir)?
            .map(|entry| Ok(entry.at("list", dir)?.file_name()))
            .collect(),
    }
}

/// Moves one directory of objects: as a whole where there is none yet, else file by file.
fn publish_dir(from: &Path, to: &Path) -> Result<Option<PathBuf>, PathError> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => return Ok(None),
        Err(Errno::EXIST) => {}
        // The file system does not know the flag: the directory is made, then filled.
        Err(Errno::INVAL) => match fs::create_dir(to) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e).at("create", to),
            _ => {}
        },
        Err(e) => return Err(e).at("publish", to),
    }
    for name in names(from)? {
        publish_file(&from.join(&name), &to.join(&name))?;
    }
    Ok(Some(to.to_owned()))
}

/// Gives an object its final name, unless another writer was first.
fn publish_file(from: &Path, to: &Path) -> Result<(), PathError> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL) => {}
        Ok(()) | Err(Errno::EXIST) => return Ok(()),
        Err(e) => return Err(e).at("publish", to),
    }
    match rustix::fs::linkat(CWD, from, CWD, to, AtFlags::empty()) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(e) => Err(e).at("publish", to),
    }
}

/// Removes the staging directories of our own kind whose lock is free.
fn remove_leftovers(tmp: &Path) -> Result<(), PathError> {
    for name in names(tmp)? {
        let Some(stage) = leftover(&name) else {
            continue;
        };
        let (path, lock_path) = (tmp.join(stage), tmp.join(format!("{stage}-lock")));
        if !lock_path.exists() && !path.exists() {
            continue; // another process was faster
        }
        let Some(lock) = Lock::try_acquire(&lock_path, LockKind::Exclusive, 0o600)? else {
            continue;
        };
        // Whoever may delete the directory is the user who made it, or root: failing to is no fault of this run.
        if fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir() && owned_by_us(&found)) {
            let _ = fs::remove_dir_all(&path);
        }
        let _ = fs::remove_file(&lock_path);
        drop(lock);
    }
    Ok(())
}

/// The staging directory that a name in `tmp/` belongs to.
fn leftover(name: &OsStr) -> Option<&str> {
    let name = name.to_str()?;
    name.starts_with(PREFIX)
        .then(|| name.strip_suffix("-lock").unwrap_or(name))
}

fn owned_by_us(found: &fs::Metadata) -> bool {
    let user = rustix::process::geteuid();
    user.is_root() || found.uid() == user.as_raw()
}
