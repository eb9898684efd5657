//! The order in which apk 3 records a package's directories; apk 2 keeps that of their first appearance.
//!
//! apk 3 (3.0.6, `database.c`) looks names up in a list of which only the front is known to be sorted, and sorts all of
//! it at a lookup that finds more than 32 names behind that front.

use std::collections::HashSet;

/// Directories on their way into the database of apk 3.
#[derive(Clone, Debug, Default)]
pub struct DirectoryOrder<'e> {
    dirs: Vec<&'e str>,
    known: HashSet<&'e str>,
    unsorted: usize,
    current: Option<&'e str>,
}

/// So many names may stand behind the sorted ones.
const UNSORTED: usize = 32;

impl<'e> DirectoryOrder<'e> {
    /// Takes notice of an entry of the package: a directory's own, or that of a file in it.
    pub fn enter(&mut self, dir: &'e str) {
        if self.current.replace(dir) == Some(dir) {
            return;
        }
        if self.unsorted > UNSORTED {
            self.dirs.sort_unstable();
            self.unsorted = 0;
        }
        if self.known.insert(dir) {
            if self.unsorted > 0 || self.dirs.last().is_some_and(|last| dir < *last) {
                self.unsorted += 1;
            }
            self.dirs.push(dir);
        }
    }

    /// All directories, in the order of the database.
    #[must_use]
    pub fn finish(self) -> Vec<&'e str> {
        self.dirs
    }
}
