//! I/O errors that name what was being done, and to what.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// An I/O error with the thing that was being done, and to what.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub struct PathError {
    /// What was being done, such as `open`.
    pub action: &'static str,
    /// To what.
    pub path: PathBuf,
    /// What the system said.
    pub source: SystemError,
}

impl PathError {
    pub(crate) fn new(action: &'static str, path: impl AsRef<Path>, source: io::Error) -> Self {
        PathError {
            action,
            path: path.as_ref().to_owned(),
            source: SystemError(source),
        }
    }
}

/// Names the path in case of failure: `File::open(&path).at("open", &path)?`.
pub(crate) trait At<T> {
    /// Adds action and path to the error.
    fn at(self, action: &'static str, path: impl AsRef<Path>) -> Result<T, PathError>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, action: &'static str, path: impl AsRef<Path>) -> Result<T, PathError> {
        self.map_err(|source| PathError::new(action, path, source.into()))
    }
}

/// Lets a call that found nothing there be no failure: `fs::metadata(&path).unless_absent().at("stat", &path)?`.
pub(crate) trait UnlessAbsent<T> {
    /// `None` if the system says that there is no such file.
    fn unless_absent(self) -> io::Result<Option<T>>;
}

impl<T> UnlessAbsent<T> for io::Result<T> {
    fn unless_absent(self) -> io::Result<Option<T>> {
        match self {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            result => result.map(Some),
        }
    }
}

/// What the system said, in its own words: `No such file or directory`.
///
/// The standard library adds `(os error 2)`, which ostree's messages do not have.
#[derive(Debug)]
pub struct SystemError(io::Error);

impl SystemError {
    /// Whether a file stands where a directory must be.
    pub(crate) fn is_not_a_directory(&self) -> bool {
        self.0.kind() == io::ErrorKind::NotADirectory
    }
}

impl From<io::Error> for SystemError {
    fn from(error: io::Error) -> Self {
        SystemError(error)
    }
}

impl fmt::Display for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.raw_os_error() {
            Some(code) => f.write_str(words(Errno::from_raw(code))),
            None => fmt::Display::fmt(&self.0, f),
        }
    }
}

/// The words of glibc, which ostree uses; they must not depend on the library that this is linked to.
fn words(errno: Errno) -> &'static str {
    match errno {
        Errno::EIO => "Input/output error",
        Errno::EBADF => "Bad file descriptor",
        Errno::EAGAIN => "Resource temporarily unavailable",
        Errno::ENOMEM => "Cannot allocate memory",
        Errno::EXDEV => "Invalid cross-device link",
        Errno::ENFILE => "Too many open files in system",
        Errno::ENOTTY => "Inappropriate ioctl for device",
        Errno::ERANGE => "Numerical result out of range",
        Errno::ENOLCK => "No locks available",
        Errno::ELOOP => "Too many levels of symbolic links",
        Errno::EOPNOTSUPP => "Operation not supported",
        Errno::ESTALE => "Stale file handle",
        Errno::EDQUOT => "Disk quota exceeded",
        errno => errno.desc(),
    }
}

impl std::error::Error for SystemError {}
