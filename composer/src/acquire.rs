//! The bytes of a package, found in its repository.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::PathBuf;

use apk_format::Record;

use crate::catalog::Source;

/// Bytes read at once; more brings no speed.
const BUFFER: usize = 128 << 10;

/// A package file that could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open {}", path.display())]
pub struct AcquireError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Opens the archive of a package; `arch` is the one composed for.
///
/// The file is in the directory of the package's own architecture, which for `noarch` packages of Alpine's own
/// repositories is rewritten in the index.
pub fn acquire(
    record: &Record,
    source: &Source,
    arch: &str,
) -> Result<BufReader<File>, AcquireError> {
    let dir = source.arch_dir(record.arch.as_deref().unwrap_or(arch));
    let name = format!("{}-{}.apk", record.name, record.version);
    let path = dir.join(&name);
    if name.contains('/')
        || record
            .arch
            .as_deref()
            .is_some_and(|arch| arch.contains('/'))
    {
        return Err(AcquireError {
            path,
            source: io::Error::other("a name with a slash is no file of a repository"),
        });
    }
    match File::open(&path) {
        Ok(file) => Ok(BufReader::with_capacity(BUFFER, file)),
        Err(source) => Err(AcquireError { path, source }),
    }
}
