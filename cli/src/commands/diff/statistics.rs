//! How many objects two commits have, and how many they share.

use std::collections::BTreeSet;
use std::fmt;

use ostree_store::checksum::{Checksum, CommitId};
use ostree_store::object::ObjectKind;
use ostree_store::repo::Repo;
use ostree_store::tree::DirTreeSource;
use serde::Serialize;

use crate::failure::{Failure, Within};
use crate::size::Size;

/// Counts of objects, the commit itself included.
#[derive(Debug, Serialize)]
pub(super) struct Statistics {
    first_objects: usize,
    second_objects: usize,
    common_objects: usize,
    /// Bytes that the common objects take in the repository.
    common_size: u64,
}

impl Statistics {
    pub(super) fn of(repo: &Repo, [first, second]: [CommitId; 2]) -> Result<Statistics, Failure> {
        let (first, second) = (reachable(repo, first)?, reachable(repo, second)?);
        let mut common_size = 0;
        let mut common_objects = 0;
        for (kind, checksum) in first.intersection(&second) {
            let path = repo.object_path(*kind, checksum);
            let stat = path
                .symlink_metadata()
                .within(format_args!("cannot stat {}", path.display()))?;
            common_size += stat.len();
            common_objects += 1;
        }
        Ok(Statistics {
            first_objects: first.len(),
            second_objects: second.len(),
            common_objects,
            common_size,
        })
    }
}

/// A commit and everything in its tree.
fn reachable(repo: &Repo, id: CommitId) -> Result<BTreeSet<(ObjectKind, Checksum)>, Failure> {
    let commit = repo.commit(&id)?;
    let mut objects = BTreeSet::from([
        (ObjectKind::Commit, *id.checksum()),
        (ObjectKind::DirMeta, *commit.root_meta.checksum()),
        (ObjectKind::DirTree, *commit.root_tree.checksum()),
    ]);
    // Each directory once, at however many paths it stands.
    let mut ahead = vec![commit.root_tree];
    while let Some(tree) = ahead.pop() {
        let stored = repo.dirtree(&tree)?;
        let files = stored.files.values();
        objects.extend(files.map(|file| (ObjectKind::File, *file.checksum())));
        for (tree, meta) in stored.dirs.values() {
            objects.insert((ObjectKind::DirMeta, *meta.checksum()));
            if objects.insert((ObjectKind::DirTree, *tree.checksum())) {
                ahead.push(*tree);
            }
        }
    }
    Ok(objects)
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[A] Object Count: {}", self.first_objects)?;
        writeln!(f, "[B] Object Count: {}", self.second_objects)?;
        writeln!(f, "Common Object Count: {}", self.common_objects)?;
        writeln!(f, "Common Object Size: {}", Size(self.common_size))
    }
}
