//! Everything the repositories offer: index files found, verified and read.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use apk_format::database::{IndexFile, ListedRepository, local_path};
use apk_format::{Index, IndexError, KeyError, KeyRing, Record, SignatureError, Trust};

use crate::event::{Event, Watch};

/// One repository as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// The tag without the `@`, if it has one.
    pub tag: Option<String>,
    /// The directory that holds one directory per architecture, or the index itself.
    pub path: PathBuf,
    /// Which index it has; `None` for whichever is there.
    pub index: Option<IndexFile>,
}

/// A repository whose index has been read.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Where its packages are.
    pub source: Source,
    /// What it offers.
    pub records: Vec<Record>,
    /// How its packages are named, where its index says so.
    pub pkgname_spec: Option<String>,
}

impl Repository {
    /// Whether it was asked for by the file of its index.
    #[must_use]
    pub fn is_single_file(&self) -> bool {
        self.source.index == Some(IndexFile::Url)
    }

    /// Where the paths of its packages begin.
    #[must_use]
    pub fn dir(&self) -> &Path {
        let path = &*self.source.path;
        if self.is_single_file() {
            path.parent().unwrap_or(path)
        } else {
            path
        }
    }
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
        /// Files and directories that the keys were read from.
        keys_from: Vec<PathBuf>,
    },
}

impl CatalogError {
    /// The same, where it is known what the keys were read from.
    #[must_use]
    pub fn with_keys_from(mut self, places: &[PathBuf]) -> CatalogError {
        if let CatalogError::Index { keys_from, .. } = &mut self {
            places.clone_into(keys_from);
        }
        self
    }

    /// What would help.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            CatalogError::Remote { .. } => {
                Some("copy the repository to a directory and name that".into())
            }
            CatalogError::Index {
                source: IndexError::Signature(error),
                keys_from,
                ..
            } => Some(match error {
                SignatureError::Unsigned => "sign the index, as `abuild-sign` does".into(),
                SignatureError::UnknownKey { .. } => {
                    format!(
                        "put the public key into a directory of repositories.keys, under the name it is signed with{}",
                        read_from(keys_from)
                    )
                }
                SignatureError::UnknownId { .. } => {
                    format!(
                        "put the public key with that id into a directory of repositories.keys{}",
                        read_from(keys_from)
                    )
                }
                SignatureError::Bad { .. } => {
                    format!(
                        "copy or make the index again; if another key has this name, use the repository's own{}",
                        read_from(keys_from)
                    )
                }
            }),
            CatalogError::Index { .. } => Some("copy or make the index again".into()),
            CatalogError::Read { path, .. } if path.ends_with(V2_INDEX) => Some(
                "a repository is a directory with ARCH/APKINDEX.tar.gz or ARCH/Packages.adb in it"
                    .into(),
            ),
            _ => None,
        }
    }
}

impl Source {
    /// Reads one entry of `repositories.urls`: `[v2|v3|ndx] [@tag] PATH`, relative to `base`.
    ///
    /// A path that ends in `.adb` or `.tar.gz` is that of the index itself, as after `ndx`.
    pub fn parse(text: &str, base: &Path) -> Result<Source, CatalogError> {
        let text = text.trim();
        let (index, text) = match text.split_once([' ', '\t']) {
            Some(("v2", rest)) => (Some(IndexFile::V2), rest.trim()),
            Some(("v3", rest)) => (Some(IndexFile::V3), rest.trim()),
            Some(("ndx", rest)) => (Some(IndexFile::Url), rest.trim()),
            _ => (None, text),
        };
        let (tag, place) = match text
            .strip_prefix('@')
            .and_then(|rest| rest.split_once([' ', '\t']))
        {
            Some((tag, place)) => (Some(tag.to_owned()), place.trim()),
            None => (None, text),
        };
        let path = place.strip_prefix("file://").unwrap_or(place);
        if path.contains("://") {
            return Err(CatalogError::Remote {
                url: place.to_owned(),
            });
        }
        let is_index = path.ends_with(".adb") || path.ends_with(".tar.gz");
        Ok(Source {
            tag,
            path: base.join(path),
            index: index.or(is_index.then_some(IndexFile::Url)),
        })
    }

    /// A repository of a root's own list; `None` if it is on another machine.
    #[must_use]
    pub fn listed(listed: &ListedRepository) -> Option<Source> {
        Some(Source {
            tag: listed.tag.clone(),
            path: local_path(&listed.url)?.into(),
            index: Some(listed.index),
        })
    }

    /// The file of the index for one architecture.
    #[must_use]
    pub fn index_path(&self, arch: &str) -> PathBuf {
        let v2 = self.path.join(arch).join(V2_INDEX);
        let v3 = self.path.join(arch).join(V3_INDEX);
        match self.index {
            Some(IndexFile::Url) => self.path.clone(),
            Some(IndexFile::V3) => v3,
            None if !v2.exists() && v3.exists() => v3,
            Some(IndexFile::V2) | None => v2,
        }
    }
}

const V2_INDEX: &str = "APKINDEX.tar.gz";
const V3_INDEX: &str = "Packages.adb";

/// Where keys were read from, as the end of a hint.
fn read_from(places: &[PathBuf]) -> String {
    let places: Vec<String> = places
        .iter()
        .map(|place| place.display().to_string())
        .collect();
    match places.as_slice() {
        [] => String::new(),
        places => format!("; keys are read from {}", places.join(", ")),
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
    let path = source.index_path(arch);
    let file = File::open(&path).map_err(|source| CatalogError::Read {
        path: path.clone(),
        source,
    })?;
    let index = Index::read(BufReader::new(file), keys, Trust::Required).map_err(|source| {
        CatalogError::Index {
            path: path.clone(),
            source,
            keys_from: Vec::new(),
        }
    })?;
    watch.event(&Event::IndexRead {
        path: &path.to_string_lossy(),
        packages: index.records.len(),
    });
    Ok(Repository {
        source: source.clone(),
        records: index.records,
        pkgname_spec: index.pkgname_spec,
    })
}
