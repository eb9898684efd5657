//! Which objects a transaction was given, for `ostree.sizes`.
//!
//! While objects are written only their content's size is noted. How large they are on the disk is asked when all of
//! them are whole: another thread may still be writing an object that a second one was given, too.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::{Mutex, PoisonError};

use super::{RepoMode, Transaction};
use crate::checksum::Checksum;
use crate::object::ObjectKind;
use crate::object::sizes::ObjectSize;
use crate::path_error::{At, PathError};

/// Kinds and unpacked sizes of the objects given; nothing until they are wanted.
#[derive(Debug, Default)]
pub(super) struct WrittenSizes(Mutex<Option<BTreeMap<Checksum, (ObjectKind, u64)>>>);

impl WrittenSizes {
    /// Takes note of an object.
    pub(super) fn note(&self, kind: ObjectKind, checksum: Checksum, unpacked: u64) {
        if kind == ObjectKind::Commit {
            return;
        }
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(noted) = noted.as_mut() {
            noted.entry(checksum).or_insert((kind, unpacked));
        }
    }
}

impl Transaction<'_> {
    /// Takes note of every object given from now on, and forgets those before. Does nothing but in `archive`, where
    /// alone the sizes mean anything.
    pub fn note_sizes(&self) {
        if self.repo().mode() == RepoMode::Archive {
            let mut noted = self.sizes.0.lock().unwrap_or_else(PoisonError::into_inner);
            *noted = Some(BTreeMap::new());
        }
    }

    /// The sizes of the objects noted. To be called when nothing is being written.
    pub fn sizes(&self) -> Result<BTreeMap<Checksum, ObjectSize>, PathError> {
        let noted = self.sizes.0.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = noted.iter().flatten();
        let sizes = noted.map(|(checksum, (kind, unpacked))| {
            let size = ObjectSize {
                kind: *kind,
                archived: self.size_on_disk(*kind, checksum)?,
                unpacked: *unpacked,
            };
            Ok((*checksum, size))
        });
        sizes.collect()
    }

    fn size_on_disk(&self, kind: ObjectKind, checksum: &Checksum) -> Result<u64, PathError> {
        let staged = fs::symlink_metadata(self.staged.object_path(kind, checksum));
        let path = self.repo().object_path(kind, checksum);
        let found = match staged {
            Err(e) if e.kind() == io::ErrorKind::NotFound => fs::symlink_metadata(&path),
            staged => staged,
        };
        Ok(found.at("stat", path)?.len())
    }
}
