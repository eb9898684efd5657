//! Everything the repositories offer: index files found, verified and read.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use apk_format::{Index, IndexError, KeyError, KeyRing, Record, SignatureError, Trust};

use crate::event::{Event, Watch};

/// One repository as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// The tag without the `@`, if it has one.
    pub tag: Option<String>,
    /// The directory that holds one directory per architecture.
    pub path: PathBuf,
}

/// A repository whose index has been read.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Where its packages are.
    pub source: Source,
    /// What it offers.
    pub records: Vec<Record>,
}

/// Why the repositories cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// A network address.
    #[error("repository {url:?} is not a local directory, and others cannot be used yet")]
    Remote {
        /// The address.
        url: String,
    },
    /// A file or directory could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A key could not be used.
    #[error("{}", path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// An index is not what it should be.
    #[error("{}", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// What is wrong.
        source: IndexError,
    },
}

impl CatalogError {
    /// What would help.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            CatalogError::Remote { .. } => Some("copy the repository to a directory and name that".into()),
            CatalogError::Index { source: IndexError::Signature(error), .. } => Some(match error {
                SignatureError::Unsigned => "sign the index, as `abuild-sign` does".into(),
                SignatureError::UnknownKey { .. } => {
                    "put the public key into a directory of repositories.keys, under the name it is signed with".into()
                }
                SignatureError::UnknownId { .. } => {
                    "put the public key with that id into a directory of repositories.keys".into()
                }
                SignatureError::Bad { .. } => {
                    "copy or make the index again; if another key has this name, use the repository's own".into()
                }
            }),
            CatalogError::Index { .. } => Some("copy or make the index again".into()),
            CatalogError::Read { path, .. } if path.ends_with("APKINDEX.tar.gz") => {
                Some("a repository is a directory with ARCH/APKINDEX.tar.gz in it".into())
            }
            _ => None,
        }
    }
}

impl Source {
    /// Reads one entry of `repositories.urls`: `[@tag] PATH`, relative to `base`.
    pub fn parse(text: &str, base: &Path) -> Result<Source, CatalogError> {
        let (tag, place) = match text
            .trim()
            .strip_prefix('@')
            .and_then(|rest| rest.split_once([' ', '\t']))
        {
            Some((tag, place)) => (Some(tag.to_owned()), place.trim()),
            None => (None, text.trim()),
        };
        let path = place.strip_prefix("file://").unwrap_or(place);
        if path.contains("://") {
            return Err(CatalogError::Remote {
                url: place.to_owned(),
            });
        }
        Ok(Source {
            tag,
            path: base.join(path),
        })
    }

    /// The directory of one architecture.
    #[must_use]
    pub fn arch_dir(&self, arch: &str) -> PathBuf {
        self.path.join(arch)
    }
}

/// Reads keys: files, and all visible files of directories.
pub fn read_keys(places: &[PathBuf]) -> Result<BTreeMap<String, Vec<u8>>, CatalogError> {
    let mut keys = BTreeMap::new();
    for place in places {
        for path in key_files(place)? {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let pem = fs::read(&path).map_err(|source| CatalogError::Read { path, source })?;
            keys.entry(name).or_insert(pem);
        }
    }
    Ok(keys)
}

fn key_files(place: &Path) -> Result<Vec<PathBuf>, CatalogError> {
    let wrong = |source| CatalogError::Read {
        path: place.to_owned(),
        source,
    };
    if !fs::metadata(place).map_err(wrong)?.is_dir() {
        return Ok(vec![place.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(place).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let hidden = path
            .file_name()
            .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The keys as a ring that verifies signatures.
pub fn key_ring(keys: &BTreeMap<String, Vec<u8>>) -> Result<KeyRing, CatalogError> {
    let mut ring = KeyRing::new();
    for (name, pem) in keys {
        ring.add(name, pem).map_err(|source| CatalogError::Key {
            path: name.into(),
            source,
        })?;
    }
    Ok(ring)
}

/// Reads the index of one repository for one architecture. Its signature must be good.
pub fn load(
    source: &Source,
    arch: &str,
    keys: &KeyRing,
    watch: &dyn Watch,
) -> Result<Repository, CatalogError> {
    let path = source.arch_dir(arch).join("APKINDEX.tar.gz");
    let file = File::open(&path).map_err(|source| CatalogError::Read {
        path: path.clone(),
        source,
    })?;
    let index = Index::read(BufReader::new(file), keys, Trust::Required).map_err(|source| {
        CatalogError::Index {
            path: path.clone(),
            source,
        }
    })?;
    watch.event(&Event::IndexRead {
        path: &path.to_string_lossy(),
        packages: index.records.len(),
    });
    Ok(Repository {
        source: source.clone(),
        records: index.records,
    })
}
