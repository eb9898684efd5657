//! The memory that the tree and the links of an archive take while it is read.
//!
//! An archive may bring any number of entries in any order. Where they take too much, directories that are likely to
//! be finished are written and forgotten; what cannot be forgotten has a limit.

use super::{ImportTarError, Links};
use crate::object::{Name, ObjectSink};
use crate::tree::weight::{FOLDED, MOST, STEP, UNFOLDED};
use crate::tree::{DirTreeSource, Tree};

/// The memory that stored directories may have taken when they were read, all added up, in bytes. An archive that comes
/// back to two large directories in turn would write them again and again.
const MOST_READ: usize = 8 << 30;

/// What is known of the memory in use.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// An upper bound, in bytes.
    charged: usize,
    /// What was read of stored directories, in bytes of memory.
    read: usize,
    /// Where it is looked at again.
    next: usize,
}

impl Held {
    /// Takes note of something new.
    pub(super) fn charge(&mut self, bytes: usize) {
        self.charged += bytes;
    }

    /// Takes note of a stored directory that was read.
    pub(super) fn read(&mut self, bytes: usize) {
        self.charged += bytes;
        self.read += bytes;
    }

    /// Lets the tree take less if it takes too much; the directories along `path` stay.
    pub(super) fn check(
        &mut self,
        tree: &mut Tree,
        path: &[Name],
        links: &Links,
        sink: &dyn ObjectSink,
        source: &dyn DirTreeSource,
    ) -> Result<(), ImportTarError> {
        if self.read > MOST_READ {
            return Err(ImportTarError::Order);
        }
        let (enough, limit) = match source.has_written() {
            true => (FOLDED, MOST),
            false => (UNFOLDED, UNFOLDED),
        };
        if self.charged <= self.next.max(enough) {
            return Ok(());
        }
        self.charged = tree.weight() + links.weight();
        if self.charged > enough && source.has_written() {
            let folded = tree.fold(path.iter().map(Name::as_str), sink);
            folded.map_err(ImportTarError::Fold)?;
            self.charged = tree.weight() + links.weight();
        }
        if self.charged > limit {
            return Err(ImportTarError::TooLarge { limit });
        }
        self.next = self.charged + STEP;
        Ok(())
    }
}
