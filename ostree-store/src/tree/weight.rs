//! How much memory a tree takes, and how it takes less.
//!
//! | in a directory in memory | bytes, at most |
//! |---|---|
//! | any files at all; each of them | 400; 150 and its name |
//! | any subdirectories at all; each of them | 1,000; 350 and its name |
//!
//! A directory that is written is two checksums. So a tree that becomes too large is folded: what is likely to be
//! finished is written, and read again if something is to be put into it after all. The object written first stays
//! in the repository then, and goes with the next prune.

use super::{Subtree, Tree, TreeError};
use crate::object::ObjectSink;

/// The memory in bytes that a tree may take before it is folded.
pub(super) const FOLDED: usize = 80 << 20;

/// The memory in bytes that it takes at most then. It is enough for the 600,000 files of the largest directory that
/// one object holds.
pub(super) const MOST: usize = 112 << 20;

/// The memory in bytes that a tree takes at most which cannot be folded: a million files.
pub(super) const UNFOLDED: usize = 176 << 20;

/// How much more it must become until it is folded again.
pub(super) const STEP: usize = 8 << 20;

/// What a new file takes at most, and a new directory, in bytes, without its name.
pub(super) const FILE: usize = 550;
pub(super) const DIRECTORY: usize = 1350;

impl Tree {
    /// The memory that the directory takes by itself, in bytes; its open subdirectories come on top of it.
    #[must_use]
    pub fn own_weight(&self) -> usize {
        let mut weight = 0;
        if !self.files.is_empty() {
            weight += 400 + 150 * self.files.len();
            weight += self
                .files
                .keys()
                .map(|name| name.as_str().len())
                .sum::<usize>();
        }
        if !self.dirs.is_empty() {
            weight += 1000 + 350 * self.dirs.len();
            weight += self
                .dirs
                .keys()
                .map(|name| name.as_str().len())
                .sum::<usize>();
        }
        weight
    }

    /// The memory that it takes with everything open below it, in bytes; somewhat too much rather than too little.
    #[must_use]
    pub fn weight(&self) -> usize {
        let (mut weight, mut pending) = (0, vec![self]);
        while let Some(tree) = pending.pop() {
            weight += tree.own_weight();
            pending.extend(tree.dirs.values().filter_map(|subtree| match subtree {
                Subtree::Open(tree) => Some(tree),
                Subtree::Stored(..) => None,
            }));
        }
        weight
    }

    /// Writes all open directories but those that `path` leads through, and forgets what they hold.
    pub(super) fn fold<'n>(
        &mut self,
        path: impl IntoIterator<Item = &'n str>,
        sink: &dyn ObjectSink,
    ) -> Result<(), TreeError> {
        let mut path = path.into_iter();
        let mut next = Some(self);
        while let Some(tree) = next.take() {
            let stays = path.next();
            for (name, subtree) in &mut tree.dirs {
                if stays == Some(name.as_str()) {
                    if let Subtree::Open(tree) = subtree {
                        next = Some(tree);
                    }
                } else {
                    subtree.fold(sink)?;
                }
            }
        }
        Ok(())
    }
}

impl Subtree {
    /// Writes the directory, if it is open and all is known of it.
    pub(super) fn fold(&mut self, sink: &dyn ObjectSink) -> Result<(), TreeError> {
        let Subtree::Open(tree) = self else {
            return Ok(());
        };
        match tree.write(sink) {
            Ok((id, meta)) => *self = Subtree::Stored(id, meta),
            Err(TreeError::NoRoot | TreeError::NoMeta { .. }) => {} // it may still come
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
