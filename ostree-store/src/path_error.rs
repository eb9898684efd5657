//! I/O errors that name what was being done, and to what.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

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

/// Names the path in case of failure: `File::open(&path).at("open", &path)?`.
pub(crate) trait At<T> {
    /// Adds action and path to the error.
    fn at(self, action: &'static str, path: impl AsRef<Path>) -> Result<T, PathError>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, action: &'static str, path: impl AsRef<Path>) -> Result<T, PathError> {
        self.map_err(|source| PathError {
            action,
            path: path.as_ref().to_owned(),
            source: SystemError(source.into()),
        })
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
        let text = self.0.to_string();
        let number = self.0.raw_os_error();
        let suffix = number.map(|number| format!(" (os error {number})"));
        f.write_str(
            suffix
                .as_deref()
                .and_then(|suffix| text.strip_suffix(suffix))
                .unwrap_or(&text),
        )
    }
}

impl std::error::Error for SystemError {}
