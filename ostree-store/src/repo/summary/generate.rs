//! The summary of a repository as it is now.
//!
//! | key | value | when |
//! |---|---|---|
//! | those given | | first |
//! | `ostree.static-deltas` | `a{sv}`: name of a delta, checksum of its superblock | there are any, and `core.no-deltas-in-summary` is not set |
//! | `ostree.summary.last-modified` | `t`, big-endian seconds | always |
//! | `ostree.summary.mode` | `s`, the text of the configuration | always |
//! | `ostree.summary.tombstone-commits` | `b` | always |
//! | `ostree.summary.indexed-deltas` | `b`, true | always |
//! | `ostree.summary.collection-id` | `s` | the repository has one |
//! | `ostree.summary.collection-map` | `a{sa(s(taya{sv}))}` | there are refs of other collections |

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use super::deltas::{self, STATIC_DELTAS};
use super::{Summary, SummaryRef, refs_value};
use crate::checksum::CommitId;
use crate::gvariant::{Dict, Type, Value};
use crate::object::{Commit, DirMeta, DirTree, ObjectKind, ObjectSink, WriteError};
use crate::path_error::{At, PathError};
use crate::repo::lock::LockKind;
use crate::repo::refs::parse_content;
use crate::repo::{
    ConfigError, ReadError, RefError, RefName, Repo, RepoError, RevError, read_config,
    replace_config, small_file,
};

/// The ref that carries a collection's metadata.
const METADATA_REF: &str = "ostree-metadata";

/// The first and the last second that ostree can show: those of the years 1 and 9999.
const SHOWN_TIMES: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// Why a summary could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SummaryError {
    /// A ref could not be read.
    #[error(transparent)]
    Ref(#[from] RefError),
    /// What a ref names could not be found.
    #[error(transparent)]
    Rev(#[from] RevError),
    /// A commit that a ref names cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A commit could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The settings make no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The repository cannot be written to.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// The file system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl Repo {
    /// Writes the file `summary` anew, with `additional` entries in its metadata, and removes the signature of the old
    /// one. `now` is what it says of its own age, in seconds since 1970.
    ///
    /// As in ostree, indexes of static deltas are brought up to date too, and `core.indexed-deltas` says so.
    pub fn regenerate_summary(&self, additional: &Dict, now: i64) -> Result<(), SummaryError> {
        let _lock = self.lock(LockKind::Shared)?;
        let deltas = deltas::list(self)?;
        let summary = self.current_summary(additional, &deltas, now)?;
        self.say_that_deltas_are_indexed()?;
        deltas::reindex(self, &deltas)?;
        let path = self.path.join("summary");
        small_file::replace(&self.path, &path, &summary.encode(), self.fsync)?;
        Ok(small_file::remove(&self.path.join("summary.sig"))?)
    }

    /// Commits the collection's metadata to the ref `ostree-metadata`, as ostree does before it writes the summary of
    /// a repository that has a collection id; does nothing in others.
    ///
    /// The commit has an empty tree; `additional` entries and the collection's id stand in its metadata.
    pub fn commit_collection_metadata(
        &self,
        additional: &Dict,
        now: i64,
    ) -> Result<Option<CommitId>, SummaryError> {
        let Some(collection) = self.collection_id() else {
            return Ok(None);
        };
        let mut metadata = additional.clone();
        metadata.push("ostree.collection-binding", collection);
        metadata.push("ostree.ref-binding", Value::strings([METADATA_REF]));
        let parent = self.resolve_if_any(METADATA_REF)?;
        let transaction = self.transaction()?;
        let commit = Commit {
            metadata: metadata.in_hash_order(),
            parent,
            related: Vec::new(),
            subject: String::new(),
            body: String::new(),
            timestamp: now,
            root_tree: transaction.dirtree(&DirTree::default())?,
            root_meta: transaction.dirmeta(&DirMeta::root_owned(0o755))?,
        };
        let id = transaction.commit(&commit)?;
        let name: RefName = METADATA_REF.parse()?;
        transaction.set_ref(name, Some(id));
        transaction.publish()?;
        Ok(Some(id))
    }

    /// Writes the summary anew if the repository is to have one after every change of a ref
    /// (`core.auto-update-summary`, formerly `commit-update-summary`).
    ///
    /// The time in it is that of the change, which the directory of the repository has as its own.
    pub(in crate::repo) fn update_summary_if_wanted(&self) -> Result<(), SummaryError> {
        let wanted = ["auto-update-summary", "commit-update-summary"];
        for key in wanted {
            if self.config.flag(key, false)? {
                let found = fs::metadata(&self.path).at("stat", &self.path)?;
                return self.regenerate_summary(&Dict::default(), found.mtime());
            }
        }
        Ok(())
    }

    fn current_summary(
        &self,
        additional: &Dict,
        deltas: &BTreeMap<deltas::Delta, crate::checksum::Checksum>,
        now: i64,
    ) -> Result<Summary, SummaryError> {
        let mut metadata = additional.clone();
        if !deltas.is_empty() && !self.config.flag("no-deltas-in-summary", false)? {
            metadata.push(STATIC_DELTAS, deltas::to_value(deltas.iter()));
        }
        metadata.push("ostree.summary.last-modified", big_endian(now));
        let mode = self.config.get("core", "mode").unwrap_or("bare");
        metadata.push("ostree.summary.mode", mode);
        let tombstones = self.config.flag("tombstone-commits", false)?;
        metadata.push("ostree.summary.tombstone-commits", Value::Bool(tombstones));
        metadata.push("ostree.summary.indexed-deltas", Value::Bool(true));
        let mut collections = self.offered_in_collections()?;
        let refs = match self.collection_id() {
            Some(id) => {
                let own = collections.remove(id).unwrap_or_default();
                metadata.push("ostree.summary.collection-id", id);
                own
            }
            None => self.offered(&self.local_refs()?)?,
        };
        if !collections.is_empty() {
            metadata.push("ostree.summary.collection-map", map_value(&collections));
        }
        Ok(Summary {
            refs,
            metadata: metadata.in_hash_order(),
        })
    }

    /// The refs of this repository without those of remotes.
    fn local_refs(&self) -> Result<BTreeMap<String, CommitId>, RefError> {
        let mut refs = self.refs()?;
        refs.retain(|name, _| !name.contains(':'));
        Ok(refs)
    }

    /// The refs of every collection.
    fn offered_in_collections(&self) -> Result<BTreeMap<String, Vec<SummaryRef>>, SummaryError> {
        let mut by_collection: BTreeMap<String, BTreeMap<String, CommitId>> = BTreeMap::new();
        for ((collection, name), text) in self.collection_ref_texts(None)? {
            let commit = parse_content(&text)?;
            let refs = by_collection.entry(collection.to_string()).or_default();
            refs.insert(name, commit);
        }
        by_collection
            .into_iter()
            .map(|(collection, refs)| Ok((collection, self.offered(&refs)?)))
            .collect()
    }

    fn offered(&self, refs: &BTreeMap<String, CommitId>) -> Result<Vec<SummaryRef>, SummaryError> {
        refs.iter().map(|(name, id)| self.entry(name, id)).collect()
    }

    fn entry(&self, name: &str, id: &CommitId) -> Result<SummaryRef, SummaryError> {
        let kind = ObjectKind::Commit;
        let bytes = self.metadata_bytes(kind, id.checksum())?;
        let commit = Commit::parse(&bytes).map_err(ReadError::parse(kind, id.checksum()))?;
        let mut metadata = Dict::default();
        if SHOWN_TIMES.contains(&commit.timestamp) {
            metadata.push("ostree.commit.timestamp", big_endian(commit.timestamp));
        }
        if let Some(version) = commit.version() {
            metadata.push("ostree.commit.version", version);
        }
        Ok(SummaryRef {
            name: name.to_owned(),
            commit: *id,
            size: bytes.len() as u64,
            metadata: metadata.in_hash_order(),
        })
    }

    /// Sets `core.indexed-deltas`, so that whoever pulls looks for indexes.
    fn say_that_deltas_are_indexed(&self) -> Result<(), SummaryError> {
        // The file as it is now: somebody else may have changed another setting since it was read.
        let mut config = read_config(&self.path)?;
        if config.flag("indexed-deltas", false)? {
            return Ok(());
        }
        config.set("core", "indexed-deltas", "true")?;
        Ok(replace_config(&self.path, &config.to_string())?)
    }
}

/// A time as ostree stores it: its bytes reversed.
fn big_endian(time: i64) -> Value {
    Value::Uint64(u64::from_be_bytes(time.to_le_bytes()))
}

/// `a{sa(s(taya{sv}))}`.
fn map_value(collections: &BTreeMap<String, Vec<SummaryRef>>) -> Value {
    let refs = refs_value(&[]).type_of();
    let of = Type::Entry(Box::new((Type::Basic(b's'), refs)));
    let entry = |(id, refs): (&String, &Vec<SummaryRef>)| {
        Value::Entry(Box::new((Value::Str(id.clone()), refs_value(refs))))
    };
    Value::Array(of, collections.iter().map(entry).collect())
}
