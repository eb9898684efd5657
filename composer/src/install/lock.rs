//! apk's lock: `flock` on `lib/apk/db/lock`, held from before the database is read until it was written.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::root::Root;

/// The lock, as long as this is kept; in a root without a database there is none.
#[derive(Debug)]
pub struct Lock {
    /// Closing it gives the lock back.
    file: Option<OwnedFd>,
}

/// How often a lock that somebody else has is tried.
const PAUSE: Duration = Duration::from_millis(100);

impl Lock {
    /// Takes the lock. Somebody else may have it for as long as `wait`; `waiting` is called once if somebody has.
    ///
    /// The error is that of the system: `EWOULDBLOCK` if somebody has it.
    pub fn take(root: &Root, wait: Duration, waiting: impl FnOnce()) -> io::Result<Lock> {
        let dir = match root.open_at("lib/apk/db", OFlags::PATH | OFlags::DIRECTORY) {
            Ok(dir) => dir,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Lock { file: None });
            }
            Err(error) => return Err(error),
        };
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(dir, "lock", flags, Mode::RUSR | Mode::WUSR)?;
        take_within(&file, wait, waiting)?;
        Ok(Lock { file: Some(file) })
    }

    /// Whether there was something to lock.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.file.is_some()
    }
}

fn take_within(file: impl AsFd, wait: Duration, waiting: impl FnOnce()) -> io::Result<()> {
    let mut left = wait;
    let mut waiting = Some(waiting);
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if !left.is_zero() => {}
            result => return Ok(result?),
        }
        if let Some(waiting) = waiting.take() {
            waiting();
        }
        std::thread::sleep(PAUSE);
        left = left.saturating_sub(PAUSE);
    }
}
