//! Locks that the real ostree sees: open-file-description locks over a whole file.
//!
//! ostree takes `F_OFD_SETLK` on `.lock`: shared for a transaction, exclusive for deleting objects. It does not
//! look at `flock`, which is what most Rust crates and the standard library offer. The lock goes with the
//! descriptor, so it ends with the process, however that ends.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::settings::LockTimeout;
use super::{Repo, RepoError};
use crate::path_error::{At, PathError};

/// Who else may hold the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockKind {
    /// Others that share it too.
    Shared,
    /// Nobody.
    Exclusive,
}

/// A lock, held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    /// None where the repository is used without locks.
    _file: Option<File>,
}

/// The lock of a whole repository, held until it is dropped; nothing where `core.locking` is off.
#[derive(Debug)]
pub struct RepoLock {
    _lock: Lock,
}

/// Why a lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else held it all the time.
    #[error("Locking repo {kind} failed: Resource temporarily unavailable")]
    Busy {
        /// `shared` or `exclusive`.
        kind: &'static str,
        /// The lock file.
        path: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The lock file cannot be opened or locked.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl Repo {
    /// Waits until no transaction runs, and lets none begin: for whoever deletes objects. A transaction counts on
    /// the objects that it has found in the repository, and holds the lock for all its life.
    pub fn lock_exclusive(&self) -> Result<RepoLock, RepoError> {
        let _lock = self.lock(LockKind::Exclusive)?;
        Ok(RepoLock { _lock })
    }

    /// Waits until nobody deletes objects, and lets nobody begin to.
    pub fn lock_shared(&self) -> Result<RepoLock, RepoError> {
        let _lock = self.lock(LockKind::Shared)?;
        Ok(RepoLock { _lock })
    }
}

impl Lock {
    /// Tries once a second until the time is over, as ostree does.
    pub(super) fn acquire(
        path: &Path,
        kind: LockKind,
        timeout: LockTimeout,
    ) -> Result<Lock, LockError> {
        if timeout == LockTimeout::NoLocks {
            return Ok(Lock { _file: None });
        }
        let mut waited = 0;
        loop {
            if let Some(lock) = Lock::try_acquire(path, kind, 0o660)? {
                return Ok(lock);
            }
            if timeout == LockTimeout::After(waited) {
                let kind = if kind == LockKind::Shared {
                    "shared"
                } else {
                    "exclusive"
                };
                return Err(LockError::Busy {
                    kind,
                    path: path.display().to_string(),
                    seconds: waited,
                });
            }
            thread::sleep(Duration::from_secs(1));
            waited += 1;
        }
    }

    /// Takes the lock if it is free; creates the file with `mode` if there is none.
    pub(super) fn try_acquire(
        path: &Path,
        kind: LockKind,
        mode: u32,
    ) -> Result<Option<Lock>, PathError> {
        let mut options = OpenOptions::new();
        let options = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(mode);
        let file = options
            .custom_flags(libc::O_CLOEXEC | libc::O_NOFOLLOW)
            .open(path)
            .at("open", path)?;
        let held = try_lock(&file, kind).at("lock", path)?;
        Ok(held.then_some(Lock { _file: Some(file) }))
    }
}

/// Locks an open file if that is free and still has a name: who cleans up takes the lock, then removes the file, and a
/// lock on what has been removed keeps nobody out.
pub(super) fn try_lock(file: &File, kind: LockKind) -> io::Result<bool> {
    match fcntl(file, FcntlArg::F_OFD_SETLK(&whole_file(kind))) {
        Ok(_) => Ok(file.metadata()?.nlink() > 0),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

fn whole_file(kind: LockKind) -> libc::flock {
    let kind = match kind {
        LockKind::Shared => libc::F_RDLCK,
        LockKind::Exclusive => libc::F_WRLCK,
    };
    // The constants are small and positive on every target.
    let small = |value: i32| i16::try_from(value).unwrap_or_default();
    libc::flock {
        l_type: small(kind),
        l_whence: small(libc::SEEK_SET),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}
