//! One package → objects and a layer, in one pass over its bytes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, BufRead, Read};
use std::sync::Arc;

use apk_format::{Entry, EntryKind, Package, PackageError, Record, xattr_hash};
use ostree_store::checksum::FileId;
use ostree_store::object::{FileHeader, FileKind, ObjectSink, WriteError, Xattrs, XattrsError};

use crate::accounts::Accounts;
use crate::layer::{Layer, LayerEntry, LayerObject, NamedOwner};

/// The largest `etc/passwd` or `etc/group` that is looked into, in bytes.
const MAX_ACCOUNTS: u64 = 4 << 20;

/// Why a package could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The package is not what it should be.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// An entry could not be written.
    #[error("{path}")]
    Write {
        /// The entry.
        path: String,
        /// Why.
        source: WriteError,
    },
    /// A hard link to nothing.
    #[error("{path}: the hard link's target {target:?} is not an earlier file of the package")]
    NoTarget {
        /// The entry.
        path: String,
        /// What it names.
        target: String,
    },
    /// Extended attributes that no object can have.
    #[error("{path}")]
    Xattrs {
        /// The entry.
        path: String,
        /// What is wrong.
        source: XattrsError,
    },
    /// The list of accounts is too long to be one.
    #[error("{path} has {size} bytes, more than any list of accounts")]
    AccountsSize {
        /// The entry.
        path: String,
        /// Its size in bytes.
        size: u64,
    },
}

impl ImportError {
    /// What would help, if that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            ImportError::Package(_) => {
                Some("the package is damaged or not the one of the index; copy or build it again".into())
            }
            ImportError::Write { source: WriteError::Mode { .. }, .. } => {
                Some("a bare-user-only repository holds no setuid files; compose into one of another mode".into())
            }
            _ => None,
        }
    }
}

/// Reads a package, writes its files to `sink` and says what goes where.
///
/// `record` is what the signed index says; its identity must be the package's. Every digest of the package is
/// checked before this returns; until then nothing of the layer may be used. Directories are not written, because
/// their owner depends on the other packages that have them.
pub fn import(
    record: &Record,
    archive: impl BufRead,
    accounts: &Accounts,
    sink: &dyn ObjectSink,
) -> Result<Layer, ImportError> {
    let mut package = Package::open(archive)?;
    package.check_identity(&record.identity)?;
    let mut layer = Layer {
        record: record.clone(),
        info: package.info().clone(),
        file_digests: package.file_digests(),
        scripts: package.scripts().to_vec(),
        entries: Vec::new(),
        passwd: None,
        group: None,
    };
    let mut seen = Seen::default();
    while let Some(entry) = package.next_entry()? {
        let named = seen.owner(&entry);
        let (uid, gid) = accounts.numbers(&named);
        let object = import_entry(&entry, (uid, gid), &mut package, &seen, &mut layer, sink)?;
        let path: Box<str> = entry.path.as_str().into();
        if matches!(object, LayerObject::File(..)) {
            seen.files.insert(path.clone(), layer.entries.len());
        }
        let xattr_hash = xattr_hash(&entry.xattrs).map(Box::new);
        layer.entries.push(LayerEntry {
            path,
            mode: entry.mode,
            named,
            uid,
            gid,
            xattr_hash,
            object,
        });
    }
    package.finish()?;
    Ok(layer)
}

/// What of a package was met so far.
#[derive(Default)]
struct Seen {
    owners: BTreeSet<Arc<NamedOwner>>,
    /// Where in the layer a file stands.
    files: HashMap<Box<str>, usize>,
}

impl Seen {
    /// The entry's owner, shared with all entries of the same.
    fn owner(&mut self, entry: &Entry) -> Arc<NamedOwner> {
        let named = Arc::new(NamedOwner::of(entry));
        match self.owners.get(&named) {
            Some(known) => Arc::clone(known),
            None => {
                self.owners.insert(Arc::clone(&named));
                named
            }
        }
    }
}

fn import_entry<R: BufRead>(
    entry: &Entry,
    owner: (u32, u32),
    package: &mut Package<R>,
    seen: &Seen,
    layer: &mut Layer,
    sink: &dyn ObjectSink,
) -> Result<LayerObject, ImportError> {
    let (kind, size) = match &entry.kind {
        EntryKind::Dir => return Ok(LayerObject::Dir),
        EntryKind::Char { .. } => return Ok(LayerObject::NotRepresentable("character device")),
        EntryKind::Block { .. } => return Ok(LayerObject::NotRepresentable("block device")),
        EntryKind::Fifo => return Ok(LayerObject::NotRepresentable("fifo")),
        EntryKind::HardLink { target } => {
            let no_target = || ImportError::NoTarget {
                path: entry.path.clone(),
                target: target.clone(),
            };
            let earlier = seen
                .files
                .get(target.as_str())
                .and_then(|index| layer.entries.get(*index));
            return earlier.map(|earlier| earlier.object).ok_or_else(no_target);
        }
        EntryKind::Symlink { target } => (FileKind::Symlink(target.clone()), 0),
        EntryKind::File { size } => (FileKind::Regular, *size),
    };
    let header = FileHeader {
        uid: owner.0,
        gid: owner.1,
        mode: entry.mode,
        kind,
        xattrs: xattrs(entry)?,
    };
    let id = match entry.path.as_str() {
        "etc/passwd" | "etc/group" if size > 0 => {
            import_accounts(entry, size, &header, package, layer, sink)?
        }
        _ => write(entry, &header, size, package, sink)?,
    };
    Ok(LayerObject::File(id, entry.checksum))
}

/// Keeps the content beside writing it.
fn import_accounts<R: BufRead>(
    entry: &Entry,
    size: u64,
    header: &FileHeader,
    package: &mut Package<R>,
    layer: &mut Layer,
    sink: &dyn ObjectSink,
) -> Result<FileId, ImportError> {
    if size > MAX_ACCOUNTS {
        return Err(ImportError::AccountsSize {
            path: entry.path.clone(),
            size,
        });
    }
    let mut content = Vec::new();
    package
        .read_to_end(&mut content)
        .map_err(|e| content_error(entry, e))?;
    let id = write(entry, header, size, &mut content.as_slice(), sink)?;
    let place = if entry.path == "etc/passwd" {
        &mut layer.passwd
    } else {
        &mut layer.group
    };
    *place = Some(content);
    Ok(id)
}

fn write(
    entry: &Entry,
    header: &FileHeader,
    size: u64,
    content: &mut dyn Read,
    sink: &dyn ObjectSink,
) -> Result<FileId, ImportError> {
    sink.file(header, size, content)
        .map_err(|error| match error {
            WriteError::Content(e) => content_error(entry, e),
            source => ImportError::Write {
                path: entry.path.clone(),
                source,
            },
        })
}

/// The package's own error travels through `Read` inside an [`io::Error`]; here it comes out again.
fn content_error(entry: &Entry, error: io::Error) -> ImportError {
    match error.downcast::<PackageError>() {
        Ok(error) => ImportError::Package(error),
        Err(error) => ImportError::Write {
            path: entry.path.clone(),
            source: WriteError::Content(error),
        },
    }
}

fn xattrs(entry: &Entry) -> Result<Xattrs, ImportError> {
    let pairs = entry
        .xattrs
        .iter()
        .map(|(name, value)| (name.clone().into_bytes(), value.clone()));
    Xattrs::new(pairs.collect::<BTreeMap<_, _>>()).map_err(|source| ImportError::Xattrs {
        path: entry.path.clone(),
        source,
    })
}
