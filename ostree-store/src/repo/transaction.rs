//! Writing objects: staged where nobody sees them, then published together.
//!
//! The steps of [`Transaction::publish`], in this order: everything staged is on the disk (one `syncfs`); objects
//! move into `objects/`, commits last; the directories touched are on the disk; refs are replaced. A process that
//! ends anywhere before leaves unreachable objects at most.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use flate2::Compression;
use rustix::fs::AtFlags;

use super::arrivals::Arrivals;
use super::detached::Detached;
use super::lock::{Lock, LockKind};
use super::object_file::{
    BARE_USER_ONLY_BITS, ObjectWriter, copy_content, create, rename, set_mode,
};
use super::objects::{MAX_METADATA, ObjectDir};
use super::payload::Payloads;
use super::space::FreeSpace;
use super::stage::{Place, Stage};
use super::taken::Taken;
use super::written_sizes::WrittenSizes;
use super::{ReadError, RefName, Repo, RepoError, RepoMode, StoredFile};
use crate::checksum::{Checksum, CommitId, DirMetaId, DirTreeId, FileId, HashingReader};
use crate::object::{Commit, DirMeta, DirTree, FileHeader, ObjectKind, ObjectSink, WriteError};
use crate::path_error::At;
use crate::tree::DirTreeSource;

/// Contents up to this many bytes are read once into memory, hashed, looked up and written from there. Larger ones
/// go through a file. The limit times the number of threads bounds the memory of a transaction.
const IN_MEMORY: u64 = 1 << 20;

/// Objects on their way into a repository.
///
/// ```
/// use ostree_store::object::{FileHeader, ObjectSink};
/// use ostree_store::repo::{Repo, RepoMode};
/// # use std::io::Read;
/// # let dir = tempfile::tempdir()?;
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
    writer: ObjectWriter,
    pub(super) payloads: Payloads,
    pub(super) space: FreeSpace,
    counters: Counters,
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
struct Counters {
    metadata_total: AtomicU64,
    metadata_written: AtomicU64,
    content_total: AtomicU64,
    content_written: AtomicU64,
    content_bytes_written: AtomicU64,
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
        let mut refs = self
            .refs
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        refs.insert(name, commit);
    }

    /// Opens a file object, one of this transaction or one published before.
    pub fn read_file(&self, id: &FileId) -> Result<StoredFile, ReadError> {
        if_missing(self.staged.file(id), || self.repo.file(id))
    }

    /// Reads a dirmeta, one of this transaction or one published before.
    pub fn read_dirmeta(&self, id: &DirMetaId) -> Result<DirMeta, ReadError> {
        let staged = self
            .staged
            .metadata(ObjectKind::DirMeta, id.checksum(), DirMeta::parse);
        if_missing(staged, || self.repo.dirmeta(id))
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
        if self.repo.fsync {
            for dir in &changed {
                File::open(dir)
                    .and_then(|dir| dir.sync_all())
                    .at("sync", dir)?;
            }
        }
        self.remove_leftovers();
        let refs = std::mem::take(
            &mut *self
                .refs
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        for (name, commit) in &refs {
            self.repo
                .write_ref_through(self.stage.path(), name, commit.as_ref())?;
        }
        if !refs.is_empty() {
            self.repo.refs_changed()?;
        }
        Ok(self.statistics())
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

    /// Writes a file object, through memory or through a file.
    fn content(
        &self,
        header: &FileHeader,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<FileId, WriteError> {
        if size > IN_MEMORY {
            return self.large(header, size, content);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        content
            .take(size + 1)
            .read_to_end(&mut bytes)
            .map_err(WriteError::Content)?;
        if bytes.len() as u64 != size {
            return Err(WriteError::Size {
                expected: size,
                actual: bytes.len() as u64,
            });
        }
        self.small(header, &bytes)
    }

    /// The whole content is in memory: one name is made, or none if the object is there.
    fn small(&self, header: &FileHeader, content: &[u8]) -> Result<FileId, WriteError> {
        let mut reader = HashingReader::new(&header.checksum_frame(), content);
        io::copy(&mut reader, &mut io::sink()).map_err(WriteError::Content)?;
        let id = FileId::new(reader.finish().0);
        let checksum = id.checksum();
        let size = content.len() as u64;
        let payload = self
            .has_payload_link(header, size)
            .then(|| Checksum::of(content));
        if self.is_known(header, checksum, size)? {
            return self.with_payload_link(id, payload);
        }
        let place = self
            .stage
            .place(checksum, self.repo.mode.extension(ObjectKind::File))?;
        let created = if self.writer.is_link(header) {
            self.whole(self.writer.link(header, &place, self.stage.path()))?
        } else if let Some(mut file) =
            create(&place).at("create an object in", self.stage.path())?
        {
            let cloned = payload.is_some_and(|it| self.clone_payload(&it, size, &mut file));
            let written = match cloned {
                true => self
                    .writer
                    .finish(&file, header)
                    .at("write an object in", self.stage.path())
                    .map_err(WriteError::from),
                false => {
                    let content = &mut &*content;
                    self.writer
                        .fill(&mut file, header, size, content, self.stage.path())
                }
            };
            self.whole(written)?;
            true
        } else {
            false
        };
        if created {
            self.count_written(size);
        }
        self.with_payload_link(id, payload)
    }

    /// Makes the payload link of an object that is there.
    fn with_payload_link(
        &self,
        id: FileId,
        payload: Option<Checksum>,
    ) -> Result<FileId, WriteError> {
        if let Some(payload) = payload {
            self.link_payload(&payload, &id)?;
        }
        Ok(id)
    }

    /// The content goes through a file of the staging directory, which becomes the object where the mode lets it.
    fn large(
        &self,
        header: &FileHeader,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<FileId, WriteError> {
        let spool = self.stage.temporary();
        let remove =
            || rustix::fs::unlinkat(spool.dir, &spool.name, AtFlags::empty()).unwrap_or_default();
        let id = self.spooled(&spool, header, size, content);
        if id.is_err() {
            remove();
        }
        let (id, consumed) = id?;
        if !consumed {
            remove();
        }
        Ok(id)
    }

    /// Returns the object's name, and whether the spool file has become the object.
    fn spooled(
        &self,
        spool: &Place<'_>,
        header: &FileHeader,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<(FileId, bool), WriteError> {
        let in_stage = self.stage.path();
        self.space.take(size)?;
        let Some(mut file) = create(spool).at("create a file in", in_stage)? else {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists))
                .at("create a file in", in_stage)?;
        };
        let mut alone = HashingReader::new(&[], content);
        let payload_wanted = self.has_payload_link(header, size);
        let content: &mut dyn Read = match payload_wanted {
            true => &mut alone,
            false => alone.inner_mut(),
        };
        let mut hashing = HashingReader::new(&header.checksum_frame(), content);
        copy_content(
            &mut (&mut hashing).take(size.saturating_add(1)),
            &mut file,
            in_stage,
            size,
        )?;
        let (checksum, actual) = hashing.finish();
        if actual != size {
            return Err(WriteError::Size {
                expected: size,
                actual,
            });
        }
        let payload = payload_wanted.then(|| alone.finish().0);
        let id = FileId::new(checksum);
        if self.is_known(header, &checksum, 0)? {
            return Ok((self.with_payload_link(id, payload)?, false));
        }
        let place = self
            .stage
            .place(&checksum, self.repo.mode.extension(ObjectKind::File))?;
        let mut consumed = false;
        let created = if let Some(payload) = &payload
            && self.cloned(payload, header, size, &place)?
        {
            true
        } else if self.repo.mode != RepoMode::Archive {
            self.writer
                .finish(&file, header)
                .at("write an object in", in_stage)?;
            consumed = rename(spool, &place).at("write an object in", in_stage)?;
            consumed
        } else if let Some(mut object) = create(&place).at("create an object in", in_stage)? {
            io::Seek::rewind(&mut file).at("read a file in", in_stage)?;
            self.whole(
                self.writer
                    .fill(&mut object, header, size, &mut file, in_stage),
            )?;
            true
        } else {
            false
        };
        if created {
            self.count_written(size);
        }
        Ok((self.with_payload_link(id, payload)?, consumed))
    }

    /// Makes the object by cloning equal content, and says whether that was possible and it was new.
    fn cloned(
        &self,
        payload: &Checksum,
        header: &FileHeader,
        size: u64,
        place: &Place<'_>,
    ) -> Result<bool, WriteError> {
        let in_stage = self.stage.path();
        let clone = self.stage.temporary();
        let Some(mut file) = create(&clone).at("create a file in", in_stage)? else {
            return Ok(false);
        };
        if self.clone_payload(payload, size, &mut file) {
            self.writer
                .finish(&file, header)
                .at("write an object in", in_stage)?;
            if rename(&clone, place).at("write an object in", in_stage)? {
                return Ok(true);
            }
        }
        let _ = rustix::fs::unlinkat(clone.dir, &clone.name, AtFlags::empty()); // goes with the directory at last
        Ok(false)
    }

    /// Whether nothing needs to be written; otherwise checks that it may be.
    fn is_known(
        &self,
        header: &FileHeader,
        checksum: &Checksum,
        size: u64,
    ) -> Result<bool, WriteError> {
        if self.repo.has_own(ObjectKind::File, checksum)? {
            return Ok(true);
        }
        let bits = header.mode & !BARE_USER_ONLY_BITS;
        if self.repo.mode == RepoMode::BareUserOnly && !header.is_symlink() && bits != 0 {
            let id = FileId::new(*checksum);
            return Err(WriteError::Mode {
                id,
                st_mode: header.st_mode(),
                bits,
            });
        }
        self.space.take(size)?;
        Ok(false)
    }

    /// Remembers that an object was left half made. Another thread may already count on it, so nothing of the
    /// transaction may be published.
    pub(super) fn whole<T, E>(&self, made: Result<T, E>) -> Result<T, E> {
        if made.is_err() {
            self.broken.store(true, Ordering::Relaxed);
        }
        made
    }

    fn count_written(&self, size: u64) {
        self.counters
            .content_written
            .fetch_add(1, Ordering::Relaxed);
        self.counters
            .content_bytes_written
            .fetch_add(size, Ordering::Relaxed);
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
