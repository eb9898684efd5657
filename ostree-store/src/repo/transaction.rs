//! Writing objects: staged where nobody sees them, then published together.
//!
//! The steps of [`Transaction::publish`], in this order: everything staged is on the disk (one `syncfs`); commits that
//! are not whole yet are marked; objects move into `objects/`, commits last; metadata goes beside commits; the
//! directories touched are on the disk; refs are replaced. A process that ends anywhere before leaves unreachable
//! objects at most.
//!
//! How the content of files is written stands in [`super::content`].

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use flate2::Compression;

use super::arrivals::Arrivals;
use super::detached::Detached;
use super::lock::{Lock, LockKind};
use super::object_dir::ObjectDir;
use super::object_file::{ObjectWriter, create, set_mode};
use super::objects::MAX_METADATA;
use super::payload::Payloads;
use super::space::FreeSpace;
use super::stage::Stage;
use super::taken::Taken;
use super::written_sizes::WrittenSizes;
use super::{ReadError, RefError, RefName, Repo, RepoError, RepoMode, StoredFile};
use crate::checksum::{Checksum, CommitId, DirMetaId, DirTreeId, FileId};
use crate::object::{Commit, DirMeta, DirTree, FileHeader, ObjectKind, ObjectSink, WriteError};
use crate::path_error::At;
use crate::tree::DirTreeSource;

/// Objects on their way into a repository.
///
/// ```
/// use ostree_store::object::{FileHeader, ObjectSink};
/// use ostree_store::repo::{Repo, RepoMode};
/// # use std::io::Read;
/// # let dir = fixtures::scratch("example");
/// let repo = Repo::create(&dir.path().join("repo"), RepoMode::Archive)?;
/// let transaction = repo.transaction()?;
/// let id = transaction.file(&FileHeader::root_owned(0o644), 2, &mut &b"hi"[..])?;
/// transaction.publish()?;
/// let mut content = String::new();
/// repo.file(&id)?.read_to_string(&mut content)?;
/// assert_eq!(content, "hi");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Transaction<'r> {
    repo: &'r Repo,
    pub(super) stage: Stage,
    /// The staging directory as one to read from.
    pub(super) staged: ObjectDir,
    pub(super) arrivals: Arrivals,
    refs: Mutex<BTreeMap<RefName, Option<CommitId>>>,
    pub(super) detached: Detached,
    pub(super) sizes: WrittenSizes,
    pub(super) taken: Taken,
    pub(super) writer: ObjectWriter,
    pub(super) payloads: Payloads,
    pub(super) space: FreeSpace,
    pub(super) counters: Counters,
    /// An object could not be made whole.
    broken: AtomicBool,
    _lock: Lock,
}

/// What a transaction has written, in objects and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Metadata objects given, each as often as it was given.
    pub metadata_total: u64,
    /// Metadata objects that were new.
    pub metadata_written: u64,
    /// File objects given, each as often as it was given.
    pub content_total: u64,
    /// File objects that were new.
    pub content_written: u64,
    /// Uncompressed bytes of the file objects that were new.
    pub content_bytes_written: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    metadata_total: AtomicU64,
    metadata_written: AtomicU64,
    content_total: AtomicU64,
    pub(super) content_written: AtomicU64,
    pub(super) content_bytes_written: AtomicU64,
}

impl<'r> Transaction<'r> {
    pub(super) fn begin(repo: &'r Repo) -> Result<Self, RepoError> {
        let lock = repo.lock(LockKind::Shared)?;
        let level = Compression::new(repo.config.zlib_level());
        let stage = Stage::create(&repo.path)?;
        Ok(Transaction {
            repo,
            staged: ObjectDir::open(stage.path().to_owned(), repo.mode)?,
            stage,
            arrivals: Arrivals::default(),
            refs: Mutex::default(),
            detached: Detached::default(),
            sizes: WrittenSizes::default(),
            taken: Taken::default(),
            writer: ObjectWriter {
                mode: repo.mode,
                level,
                sync: repo.fsync && repo.per_object_fsync,
            },
            payloads: Payloads::new(&repo.config),
            space: FreeSpace::measure(repo)?,
            counters: Counters::default(),
            broken: AtomicBool::new(false),
            _lock: lock,
        })
    }

    /// The repository written to.
    #[must_use]
    pub fn repo(&self) -> &'r Repo {
        self.repo
    }

    /// Lets `name` mean `commit` (nothing any more if `None`) once everything is published.
    pub fn set_ref(&self, name: RefName, commit: Option<CommitId>) {
        let mut refs = self.refs.lock().unwrap_or_else(PoisonError::into_inner);
        refs.insert(name, commit);
    }

    /// Opens a file object, one of this transaction or one published before.
    pub fn read_file(&self, id: &FileId) -> Result<StoredFile, ReadError> {
        if_missing(self.staged.file(id), || self.repo.file(id))
    }

    /// What has been written so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            metadata_total: read(&self.counters.metadata_total),
            metadata_written: read(&self.counters.metadata_written),
            content_total: read(&self.counters.content_total),
            content_written: read(&self.counters.content_written),
            content_bytes_written: read(&self.counters.content_bytes_written),
        }
    }

    /// Makes every object visible, then moves the refs. Without this call nothing stays.
    pub fn publish(self) -> Result<Statistics, RepoError> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(RepoError::Broken);
        }
        let detached = self.detached.stage(&self.stage)?;
        if self.repo.fsync {
            self.stage.sync()?;
        }
        self.arrivals.mark(self.repo)?;
        let objects = self.repo.path.join("objects");
        let mut changed = self.publish_taken(&objects)?;
        changed.extend(self.stage.publish(&objects)?);
        for staged in detached {
            changed.push(staged.publish(&objects)?);
        }
        self.repo.sync_dirs(&changed)?;
        self.remove_leftovers();
        self.move_refs()?;
        Ok(self.statistics())
    }

    fn move_refs(&self) -> Result<(), RefError> {
        let refs = self.refs.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, commit) in &*refs {
            self.repo
                .write_ref_through(self.stage.path(), name, commit.as_ref())?;
        }
        match refs.is_empty() {
            true => Ok(()),
            false => self.repo.refs_changed(),
        }
    }

    /// Removes what others have left in `tmp/` long ago. The staging directory tells what time it is.
    fn remove_leftovers(&self) {
        let now = self
            .stage
            .path()
            .metadata()
            .and_then(|stage| stage.modified());
        if let Ok(now) = now {
            let expiry = self.repo.config.unsigned("core", "tmp-expiry-secs", 86400);
            super::leftovers::remove(&self.repo.path.join("tmp"), now, expiry);
        }
    }

    fn metadata(
        &self,
        kind: ObjectKind,
        checksum: &Checksum,
        bytes: &[u8],
    ) -> Result<(), WriteError> {
        self.counters.metadata_total.fetch_add(1, Ordering::Relaxed);
        if bytes.len() as u64 > MAX_METADATA {
            return Err(WriteError::TooLarge {
                kind,
                size: bytes.len(),
                limit: MAX_METADATA,
            });
        }
        self.sizes.note(kind, *checksum, bytes.len() as u64);
        if self.repo.has_own(kind, checksum)? {
            return Ok(());
        }
        let place = match kind {
            ObjectKind::Commit => self.stage.commit_place(checksum)?,
            _ => self.stage.place(checksum, self.repo.mode.extension(kind))?,
        };
        if let Some(mut file) = create(&place).at("create an object in", self.stage.path())? {
            let written = file.write_all(bytes).and_then(|()| {
                set_mode(&file, 0o644)?;
                if self.writer.sync {
                    file.sync_all()?;
                }
                Ok(())
            });
            self.whole(written)
                .at("write an object in", self.stage.path())?;
            self.counters
                .metadata_written
                .fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Remembers that an object was left half made. Another thread may already count on it, so nothing of the
    /// transaction may be published.
    pub(super) fn whole<T, E>(&self, made: Result<T, E>) -> Result<T, E> {
        if made.is_err() {
            self.broken.store(true, Ordering::Relaxed);
        }
        made
    }
}

impl ObjectSink for Transaction<'_> {
    fn file(
        &self,
        header: &FileHeader,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<FileId, WriteError> {
        self.counters.content_total.fetch_add(1, Ordering::Relaxed);
        if self.repo.mode == RepoMode::BareSplitXattrs {
            return Err(WriteError::ReadOnlyMode);
        }
        let id = self.content(header, size, content)?;
        let unpacked = size + header.target().len() as u64;
        self.sizes.note(ObjectKind::File, *id.checksum(), unpacked);
        Ok(id)
    }

    fn dirtree(&self, tree: &DirTree) -> Result<DirTreeId, WriteError> {
        let bytes = tree.encode();
        let checksum = Checksum::of(&bytes);
        self.metadata(ObjectKind::DirTree, &checksum, &bytes)?;
        Ok(DirTreeId::new(checksum))
    }

    fn dirmeta(&self, meta: &DirMeta) -> Result<DirMetaId, WriteError> {
        let bytes = meta.encode();
        let checksum = Checksum::of(&bytes);
        self.metadata(ObjectKind::DirMeta, &checksum, &bytes)?;
        Ok(DirMetaId::new(checksum))
    }

    fn commit(&self, commit: &Commit) -> Result<CommitId, WriteError> {
        let bytes = commit.encode();
        let checksum = Checksum::of(&bytes);
        self.metadata(ObjectKind::Commit, &checksum, &bytes)?;
        Ok(CommitId::new(checksum))
    }
}

/// A transaction reads what it has written, and what was there before.
impl DirTreeSource for Transaction<'_> {
    fn dirtree(&self, id: &DirTreeId) -> Result<DirTree, ReadError> {
        let kind = ObjectKind::DirTree;
        if_missing(
            self.staged.metadata(kind, id.checksum(), DirTree::parse),
            || self.repo.dirtree(id),
        )
    }
}

/// The first result, or the second where the first says that there is no such object.
fn if_missing<T>(
    first: Result<T, ReadError>,
    second: impl FnOnce() -> Result<T, ReadError>,
) -> Result<T, ReadError> {
    match first {
        Err(ReadError::Missing { .. }) => second(),
        found => found,
    }
}
