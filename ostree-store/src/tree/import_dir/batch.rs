//! What was walked becomes a tree, so many files at a time that memory does not grow with their number.
//!
//! Directories from which nothing more can come are written where the tree takes too much memory.

use std::mem;

use super::walk::{Walked, WalkedDir};
use super::{Import, ImportDirError};
use crate::object::Name;
use crate::tree::weight::{FOLDED, MOST, STEP};
use crate::tree::{Subtree, Tree, TreeError};

impl Import<'_> {
    /// Makes the files objects and puts them into their directories.
    pub(super) fn flush(&self, walked: &mut Walked) -> Result<(), ImportDirError> {
        let files = mem::take(&mut walked.files);
        let ids = self.files(&files)?;
        for (file, id) in files.into_iter().zip(ids) {
            if let Some(doomed) = &mut walked.doomed {
                doomed.files.push((file.path, file.version));
            }
            if let (Some(dir), Some(id)) = (walked.dirs.get_mut(file.dir), id) {
                dir.tree.files.insert(file.name, id);
            }
        }
        if walked.held > walked.next.max(FOLDED) {
            self.fold(walked)?;
        }
        Ok(())
    }

    /// Writes the directories from which nothing more can come, and forgets what they hold.
    fn fold(&self, walked: &mut Walked) -> Result<(), ImportDirError> {
        let needed = needed(&walked.dirs, &walked.pending);
        let mut dirs: Vec<Option<WalkedDir>> =
            mem::take(&mut walked.dirs).into_iter().map(Some).collect();
        for index in (1..dirs.len()).rev() {
            if needed.get(index) == Some(&true) {
                continue;
            }
            let Some(dir) = dirs.get_mut(index).and_then(Option::take) else {
                continue;
            };
            let mut subtree = Subtree::Open(dir.tree);
            let folded = subtree.fold(self.sink);
            folded.map_err(|source| self.not_written(&dir.path, source))?;
            if let Some((parent, name)) = dir.place
                && let Some(Some(parent)) = dirs.get_mut(parent)
            {
                parent.tree.dirs.insert(name, subtree);
            }
        }
        renumber(walked, dirs);
        walked.held = walked.weight();
        walked.next = walked.held + STEP;
        if walked.held > MOST {
            return Err(ImportDirError::TooMany { limit: MOST });
        }
        Ok(())
    }

    fn not_written(&self, path: &std::path::Path, source: TreeError) -> ImportDirError {
        let path = self.path.join(path);
        ImportDirError::Fold { path, source }
    }
}

/// Which directories something is still to be put into.
fn needed(dirs: &[WalkedDir], pending: &[(Name, usize)]) -> Vec<bool> {
    let mut needed = vec![false; dirs.len()];
    for (_, parent) in pending {
        let mut next = Some(*parent);
        while let Some(index) = next {
            match needed.get_mut(index) {
                Some(needed) if !*needed => *needed = true,
                _ => break,
            }
            let dir = dirs.get(index);
            next = dir.and_then(|dir| dir.place.as_ref().map(|(parent, _)| *parent));
        }
    }
    needed
}

/// Keeps the directories that are left, whose numbers change.
fn renumber(walked: &mut Walked, dirs: Vec<Option<WalkedDir>>) {
    let mut numbers = Vec::new();
    let mut count = 0;
    for dir in &dirs {
        numbers.push(count);
        count += usize::from(dir.is_some());
    }
    let new = |old: usize| numbers.get(old).copied().unwrap_or(0);
    let left = dirs.into_iter().flatten().map(|dir| WalkedDir {
        place: dir.place.map(|(parent, name)| (new(parent), name)),
        ..dir
    });
    walked.dirs = left.collect();
    for (_, parent) in &mut walked.pending {
        *parent = new(*parent);
    }
}

impl Walked {
    /// The memory that all of it takes, in bytes; somewhat too much rather than too little.
    fn weight(&self) -> usize {
        let dirs = self.dirs.iter();
        let dirs = dirs.map(|dir| dir.tree.own_weight() + 400 + dir.path.as_os_str().len());
        let pending = self.pending.iter();
        let pending = pending.map(|(name, _)| 80 + name.as_str().len());
        dirs.sum::<usize>()
            + pending.sum::<usize>()
            + self.doomed.as_ref().map_or(0, |all| all.weight())
    }

    /// Puts directories into their parents, from the last one walked to the root.
    pub(super) fn assemble(mut self) -> Tree {
        while let Some(dir) = self.dirs.pop() {
            let Some((parent, name)) = dir.place else {
                return dir.tree;
            };
            if let Some(parent) = self.dirs.get_mut(parent) {
                parent.tree.dirs.insert(name, Subtree::Open(dir.tree));
            }
        }
        Tree::default()
    }
}
