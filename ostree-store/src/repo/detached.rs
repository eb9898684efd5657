//! Metadata beside a commit: `objects/XX/REST.commitmeta`, an `a{sv}` that may change while the commit stays.
//!
//! No checksum covers it; signatures live there. A file of no bytes is an empty dictionary. It is replaced at once or
//! not at all, and a transaction replaces it after the commit is visible and before any ref moves.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::object_dir::relative_path;
use super::object_file::{create, set_mode};
use super::stage::Stage;
use super::{Repo, RepoError, Transaction, small_file};
use crate::checksum::CommitId;
use crate::gvariant::{Dict, NotNormal};
use crate::path_error::{At, PathError};

/// The largest file that is read, in MiB.
const MAX_SIZE: u64 = 128;

/// Why detached metadata cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DetachedError {
    /// The bytes are no dictionary.
    #[error("corrupted detached metadata {}: {cause}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: NotNormal,
    },
    /// The file system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl Repo {
    /// The metadata beside a commit, if there is any.
    pub fn detached(&self, commit: &CommitId) -> Result<Option<Dict>, DetachedError> {
        let Some(bytes) = self.detached_bytes(commit)? else {
            return Ok(None);
        };
        let dict = Dict::parse(&bytes);
        dict.map(Some).map_err(|cause| DetachedError::Parse {
            path: self.detached_path(commit),
            cause,
        })
    }

    /// The same as it is stored, for a copy.
    pub fn detached_bytes(&self, commit: &CommitId) -> Result<Option<Vec<u8>>, PathError> {
        small_file::read(&self.detached_path(commit), MAX_SIZE)
    }

    /// Replaces the metadata beside a commit, in a transaction of its own.
    pub fn set_detached(&self, commit: CommitId, metadata: &Dict) -> Result<(), RepoError> {
        let transaction = self.transaction()?;
        transaction.set_detached(commit, metadata);
        transaction.publish()?;
        Ok(())
    }

    fn detached_path(&self, commit: &CommitId) -> PathBuf {
        let relative = relative_path(commit.checksum(), "commitmeta");
        self.path.join("objects").join(relative)
    }
}

impl Transaction<'_> {
    /// Replaces the metadata beside a commit once everything is published.
    pub fn set_detached(&self, commit: CommitId, metadata: &Dict) {
        self.set_detached_bytes(commit, metadata.encode());
    }

    /// The same with bytes of another repository, as they are stored there.
    pub(crate) fn set_detached_bytes(&self, commit: CommitId, bytes: Vec<u8>) {
        let pending = &self.detached.pending;
        let mut pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.insert(commit, bytes);
    }
}

/// What a transaction is going to put beside commits.
#[derive(Debug, Default)]
pub(super) struct Detached {
    pending: Mutex<BTreeMap<CommitId, Vec<u8>>>,
}

impl Detached {
    /// Writes the files where nobody sees them.
    pub(super) fn stage(&self, stage: &Stage) -> Result<Vec<Staged>, PathError> {
        let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let staged = pending.iter().map(|(commit, bytes)| {
            let place = stage.temporary();
            let path = stage.path().join(&place.name);
            let written = create(&place).map_err(io::Error::from).and_then(|file| {
                let mut file = file.ok_or(io::ErrorKind::AlreadyExists)?;
                file.write_all(bytes)?;
                set_mode(&file, 0o644)
            });
            written.at("write", &path)?;
            Ok(Staged {
                path,
                relative: relative_path(commit.checksum(), "commitmeta"),
            })
        });
        staged.collect()
    }
}

/// A file that waits for its commit.
pub(super) struct Staged {
    path: PathBuf,
    relative: String,
}

impl Staged {
    /// Puts it beside the commit; gives the directory.
    pub(super) fn publish(self, objects: &Path) -> Result<PathBuf, PathError> {
        let to = objects.join(&self.relative);
        let dir = to.parent().unwrap_or(objects).to_owned();
        fs::create_dir_all(&dir).at("create", &dir)?;
        fs::rename(&self.path, &to).at("replace", &to)?;
        Ok(dir)
    }
}
