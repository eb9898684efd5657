//! What commits reach: the objects without which they are not whole.

use std::collections::HashSet;

use super::Object;
use crate::checksum::{Checksum, DirMetaId, DirTreeId};
use crate::object::{DirTree, ObjectKind, ParseError};
use crate::repo::{ReadError, Repo};

/// Objects reached so far, about 50 bytes each.
#[derive(Debug, Default)]
pub(super) struct Reach {
    objects: HashSet<Object>,
}

/// An object whose bytes hash to another name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Corrupted {} object; checksum expected='{expected}' actual='{actual}'", kind.name())]
pub struct Corrupt {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its name.
    pub expected: Checksum,
    /// The name that its bytes should have.
    pub actual: Checksum,
}

/// Why the names in an object cannot be relied on.
#[derive(Debug, thiserror::Error)]
pub enum Unsound {
    /// Its bytes hash to another name.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// It is not there, cannot be read, or means nothing.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Unsound {
    /// Whether the object simply is not there.
    pub(super) fn is_absence(&self) -> bool {
        matches!(self, Unsound::Read(ReadError::Missing { .. }))
    }
}

impl Reach {
    pub(super) fn contains(&self, object: &Object) -> bool {
        self.objects.contains(object)
    }

    /// Adds an object alone and says whether it is new.
    pub(super) fn insert(&mut self, object: Object) -> bool {
        self.objects.insert(object)
    }

    /// Everything that was reached, sorted.
    pub(super) fn into_sorted(self) -> Vec<Object> {
        let mut objects: Vec<Object> = self.objects.into_iter().collect();
        objects.sort_unstable();
        objects
    }

    /// Adds a directory and everything below it. Whether a dirtree that cannot be relied on ends this is for `gap` to
    /// say; what stands below such a one is not known.
    pub(super) fn add_dir<E>(
        &mut self,
        repo: &Repo,
        tree: DirTreeId,
        meta: DirMetaId,
        gap: &mut dyn FnMut(DirTreeId, Unsound) -> Result<(), E>,
    ) -> Result<(), E> {
        self.insert((ObjectKind::DirMeta, *meta.checksum()));
        self.add_tree(repo, tree, gap)
    }

    /// The same without the root's dirmeta.
    pub(super) fn add_tree<E>(
        &mut self,
        repo: &Repo,
        root: DirTreeId,
        gap: &mut dyn FnMut(DirTreeId, Unsound) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut ahead = Vec::new();
        if self.insert((ObjectKind::DirTree, *root.checksum())) {
            ahead.push(root);
        }
        while let Some(id) = ahead.pop() {
            let tree = match sound(repo, (ObjectKind::DirTree, *id.checksum()), DirTree::parse) {
                Ok(tree) => tree,
                Err(unsound) => {
                    gap(id, unsound)?;
                    continue;
                }
            };
            for file in tree.files.values() {
                self.insert((ObjectKind::File, *file.checksum()));
            }
            for (tree, meta) in tree.dirs.values() {
                self.insert((ObjectKind::DirMeta, *meta.checksum()));
                if self.insert((ObjectKind::DirTree, *tree.checksum())) {
                    ahead.push(*tree);
                }
            }
        }
        Ok(())
    }
}

/// A metadata object whose bytes are what its name says; the names in any other one mean nothing.
pub(super) fn sound<T>(
    repo: &Repo,
    (kind, name): Object,
    parse: impl FnOnce(&[u8]) -> Result<T, ParseError>,
) -> Result<T, Unsound> {
    let bytes = repo.metadata_bytes(kind, &name)?;
    let actual = Checksum::of(&bytes);
    if actual != name {
        let expected = name;
        return Err(Corrupt {
            kind,
            expected,
            actual,
        }
        .into());
    }
    Ok(parse(&bytes).map_err(ReadError::parse(kind, &name))?)
}
