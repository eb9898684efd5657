//! The bytes of a package, found in its repository.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::PathBuf;

use apk_format::{PlaceError, Record};

use crate::catalog::Repository;

/// Bytes read at once; more brings no speed.
const BUFFER: usize = 128 << 10;

/// A package file that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    /// It could not be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The index does not say where it is.
    #[error("the index does not say where the file is")]
    Place(#[from] PlaceError),
    /// The index says that it is on another machine.
    #[error("the index says that the file is at {url}, and only local ones can be used yet")]
    Remote {
        /// Where it is said to be.
        url: String,
    },
}

/// Opens the archive of a package; `arch` is the one composed for.
///
/// Where the index does not say how files are named, they are in the directory of the package's own architecture,
/// which for `noarch` packages of Alpine's own repositories is rewritten in the index; beside an index that is named
/// by itself they are without such a directory.
pub fn acquire(
    record: &Record,
    repository: &Repository,
    arch: &str,
) -> Result<BufReader<File>, AcquireError> {
    let path = place(record, repository, arch)?;
    match File::open(&path) {
        Ok(file) => Ok(BufReader::with_capacity(BUFFER, file)),
        Err(source) => Err(AcquireError::Open { path, source }),
    }
}

/// Where the archive of a package is.
pub fn place(
    record: &Record,
    repository: &Repository,
    arch: &str,
) -> Result<PathBuf, AcquireError> {
    let below_arch = "${arch}/${name}-${version}.apk";
    let beside = "${name}-${version}.apk";
    let usual = if repository.is_single_file() {
        beside
    } else {
        below_arch
    };
    let spec = repository.pkgname_spec.as_deref().unwrap_or(usual);
    let path = match record.arch {
        Some(_) => record.place(spec)?,
        None => {
            let mut record = record.clone();
            record.arch = Some(arch.into());
            record.place(spec)?
        }
    };
    if path.contains("://") {
        return Err(AcquireError::Remote { url: path });
    }
    Ok(repository.dir().join(path.trim_start_matches('/')))
}
