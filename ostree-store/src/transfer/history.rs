//! Commits and what they reach, as far as it is not there.
//!
//! A commit that is there is believed to be whole unless it is marked as partial; then its tree is walked again, and
//! each directory looked into whether it is there or not. Files come in batches, many at once. What is kept in memory
//! while a tree is walked are the names of its directories and one batch.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::bindings::verify;
use super::content::{Importer, not_adopted};
use super::{PullError, PullOptions, Pulled};
use crate::checksum::{Checksum, CommitId, DirMetaId, DirTreeId, FileId};
use crate::gvariant::Dict;
use crate::object::{Commit, DirMeta, DirTree, ObjectKind};
use crate::repo::{Donor, ReadError, Transaction};
use crate::tree::DirTreeSource;

/// How many files come at once. Enough to keep all processors busy, few enough not to count.
const BATCH: usize = 8192;

/// A pull under way.
pub(super) struct History<'a> {
    donor: &'a Donor<'a>,
    into: &'a Transaction<'a>,
    options: &'a PullOptions,
    importer: Importer<'a>,
    collection: Option<String>,
    /// The source says that it leaves tombstones.
    tombstones: bool,
    progress: &'a (dyn Fn(u64, u64) + Sync),
    /// Commits that were looked at, and how many before each may still follow.
    depths: BTreeMap<CommitId, i64>,
    /// Commits of this pull, which are not visible yet.
    new_commits: BTreeSet<CommitId>,
    trees: HashSet<DirTreeId>,
    files: HashSet<FileId>,
    metadata: u64,
    content: AtomicU64,
    content_bytes: AtomicU64,
    detached_bytes: u64,
}

/// What a pull has staged.
pub(super) struct Brought {
    /// The numbers.
    pub(super) pulled: Pulled,
    /// Every commit that was looked at, and its ancestors as far as wanted. Whole once all is published.
    pub(super) complete: BTreeSet<CommitId>,
}

/// A commit to bring.
struct Step<'a> {
    id: CommitId,
    /// The ref by which it was asked for.
    name: Option<&'a str>,
    /// How many commits before it are wanted.
    depth: i64,
    /// Whether it was not asked for itself.
    is_parent: bool,
}

impl<'a> History<'a> {
    pub(super) fn new(
        donor: &'a Donor<'a>,
        into: &'a Transaction<'a>,
        options: &'a PullOptions,
        tombstones: bool,
        progress: &'a (dyn Fn(u64, u64) + Sync),
    ) -> History<'a> {
        let collection = donor.repo().config().get("core", "collection-id");
        History {
            donor,
            into,
            options,
            importer: Importer {
                donor,
                into,
                options,
            },
            collection: collection.filter(|id| !id.is_empty()).map(str::to_owned),
            tombstones,
            progress,
            depths: BTreeMap::new(),
            new_commits: BTreeSet::new(),
            trees: HashSet::new(),
            files: HashSet::new(),
            metadata: 0,
            content: AtomicU64::new(0),
            content_bytes: AtomicU64::new(0),
            detached_bytes: 0,
        }
    }

    /// Brings a commit that was asked for as `name` or by its checksum, and those before it.
    pub(super) fn bring(&mut self, id: CommitId, name: Option<&str>) -> Result<(), PullError> {
        let depth = match self.options.depth {
            depth if depth < 0 => i64::MAX,
            depth => depth,
        };
        let mut next = Some(Step {
            id,
            name,
            depth,
            is_parent: false,
        });
        while let Some(step) = next.take() {
            next = self.step(&step)?;
        }
        Ok(())
    }

    /// Brings what is still missing.
    pub(super) fn finish(mut self) -> Result<Brought, PullError> {
        self.bring_files()?;
        Ok(Brought {
            pulled: Pulled {
                metadata: self.metadata,
                content: self.content.into_inner(),
                content_bytes_written: self.content_bytes.into_inner(),
                detached_bytes: self.detached_bytes,
                ..Pulled::default()
            },
            complete: self.depths.into_keys().collect(),
        })
    }

    /// Brings one commit; returns the one before it if that is wanted too.
    fn step(&mut self, step: &Step<'_>) -> Result<Option<Step<'static>>, PullError> {
        let seen = self.depths.get(&step.id).copied();
        if step.is_parent && seen.is_some_and(|depth| depth >= step.depth) {
            return Ok(None);
        }
        let deepest = seen.map_or(step.depth, |depth| depth.max(step.depth));
        self.depths.insert(step.id, deepest);
        let Some((commit, is_partial)) = self.commit(step, seen.is_some())? else {
            return Ok(None);
        };
        if self.options.verify_bindings {
            verify(&commit, step.name, self.collection.as_deref()).map_err(|what| {
                PullError::Binding {
                    commit: step.id,
                    what,
                }
            })?;
        }
        if is_partial && seen.is_none() && !self.options.commit_metadata_only {
            self.walk(commit.root_tree, commit.root_meta)?;
        }
        let parent = commit.parent.filter(|_| step.depth > 0);
        Ok(parent.map(|id| Step {
            id,
            name: None,
            depth: step.depth.saturating_sub(1),
            is_parent: true,
        }))
    }

    /// The commit, from there or from here, and whether its tree must be walked. `None` for one before another
    /// that the source does not have either: its history ends there.
    fn commit(&mut self, step: &Step<'_>, seen: bool) -> Result<Option<(Commit, bool)>, PullError> {
        let (kind, checksum) = (ObjectKind::Commit, step.id.checksum());
        let repo = self.into.repo();
        if self.new_commits.contains(&step.id) {
            return Ok(Some((self.donor.repo().commit(&step.id)?, true)));
        }
        if repo.has(kind, checksum)? {
            if !seen && let Some(bytes) = self.detached(&step.id)? {
                self.detached_bytes += bytes.len() as u64;
                self.into.set_detached_bytes(step.id, bytes);
            }
            let is_partial = repo.partial(&step.id)?.is_some();
            return Ok(Some((repo.commit(&step.id)?, is_partial)));
        }
        let bytes = match self.metadata(kind, checksum) {
            Err(PullError::Missing { .. } | PullError::Unsound { .. })
                if step.is_parent && !self.donor.repo().has(kind, checksum)? =>
            {
                self.tombstone(&step.id)?;
                return Ok(None);
            }
            bytes => bytes?,
        };
        let commit = Commit::parse(&bytes).map_err(ReadError::parse(kind, checksum))?;
        if let Some(bytes) = self.detached(&step.id)? {
            self.into.set_detached_bytes(step.id, bytes);
        }
        self.new_commits.insert(step.id);
        self.into.arrive_partial(step.id);
        Ok(Some((commit, true)))
    }

    /// Brings what stands in place of a commit that the source has deleted.
    fn tombstone(&self, commit: &CommitId) -> Result<(), PullError> {
        if !self.tombstones {
            return Ok(());
        }
        if !self.donor.repo().has_tombstone(commit)? {
            return Err(PullError::NoTombstone { commit: *commit });
        }
        Ok(self.into.repo().write_tombstone(commit)?)
    }

    /// Brings a directory and all below it, in the order in which ostree does: so the first thing that is missing is
    /// the same one.
    fn walk(&mut self, tree: DirTreeId, meta: DirMetaId) -> Result<(), PullError> {
        let mut ahead = VecDeque::from([(tree, meta)]);
        while let Some((tree, meta)) = ahead.pop_front() {
            if self.trees.insert(tree) {
                let tree = self.dirtree(&tree)?;
                self.note_files(&tree)?;
                ahead.extend(tree.dirs.values());
            }
            self.dirmeta(&meta)?;
        }
        Ok(())
    }

    /// Remembers the files of a directory that are not there.
    fn note_files(&mut self, tree: &DirTree) -> Result<(), PullError> {
        for file in tree.files.values() {
            if !self.into.has(ObjectKind::File, file.checksum())? {
                self.files.insert(*file);
            }
            if self.files.len() >= BATCH {
                self.bring_files()?;
            }
        }
        Ok(())
    }

    fn dirtree(&mut self, id: &DirTreeId) -> Result<DirTree, PullError> {
        let (kind, checksum) = (ObjectKind::DirTree, id.checksum());
        if self.into.has(kind, checksum)? {
            return Ok(self.into.dirtree(id)?);
        }
        let bytes = self.metadata(kind, checksum)?;
        Ok(DirTree::parse(&bytes).map_err(ReadError::parse(kind, checksum))?)
    }

    fn dirmeta(&mut self, id: &DirMetaId) -> Result<(), PullError> {
        let (kind, checksum) = (ObjectKind::DirMeta, id.checksum());
        if self.into.has(kind, checksum)? {
            return Ok(());
        }
        let bytes = self.metadata(kind, checksum)?;
        DirMeta::parse(&bytes).map_err(ReadError::parse(kind, checksum))?;
        Ok(())
    }

    /// Stages a metadata object and returns its bytes, whose checksum is right.
    fn metadata(&mut self, kind: ObjectKind, checksum: &Checksum) -> Result<Vec<u8>, PullError> {
        let unsound = |error: PullError| PullError::Unsound {
            kind,
            checksum: *checksum,
            source: Box::new(error),
        };
        let bytes = match self.donor.repo().metadata_bytes(kind, checksum) {
            Err(ReadError::Missing { .. }) if !self.options.untrusted => {
                return Err(PullError::Missing {
                    kind,
                    checksum: *checksum,
                });
            }
            bytes => bytes.map_err(|error| unsound(error.into()))?,
        };
        let actual = Checksum::of(&bytes);
        if actual != *checksum {
            return Err(unsound(PullError::Corrupted {
                kind,
                expected: *checksum,
                actual,
            }));
        }
        self.into
            .adopt(self.donor, kind, checksum)
            .map_err(|error| not_adopted(error, kind, checksum))?;
        self.metadata += 1;
        (self.progress)(self.metadata, self.content.load(Ordering::Relaxed));
        Ok(bytes)
    }

    /// Stages the files met so far, many at once.
    fn bring_files(&mut self) -> Result<(), PullError> {
        let files = std::mem::take(&mut self.files);
        let bring = |file: &FileId| {
            let written = self.importer.file(file)?;
            self.content_bytes.fetch_add(written, Ordering::Relaxed);
            let done = self.content.fetch_add(1, Ordering::Relaxed) + 1;
            (self.progress)(self.metadata, done);
            Ok(())
        };
        files.par_iter().try_for_each(bring)
    }

    /// The detached metadata that the source has for a commit.
    fn detached(&self, commit: &CommitId) -> Result<Option<Vec<u8>>, PullError> {
        let Some(bytes) = self.donor.repo().detached_bytes(commit)? else {
            return Ok(None);
        };
        Dict::parse(&bytes).map_err(|source| PullError::Detached {
            commit: *commit,
            source: source.into(),
        })?;
        Ok(Some(bytes))
    }
}
