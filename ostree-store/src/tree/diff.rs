//! What differs between two trees, in the order in which `ostree diff` says it.
//!
//! Only dirtrees are compared: equal checksums are equal contents, so no file is opened and no equal subtree is
//! looked into. A path is modified if its object is another one, if a file became a directory or the reverse, or,
//! for a directory, if its metadata is another one. The root's own metadata is never compared.
//!
//! The paths of one list come directory by directory, files first. A removed directory is named alone, an added one
//! with everything in it; what is added deeper down comes before what is added beside the directory on the way.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Mutex, PoisonError};

use super::{DirTreeSource, MAX_DEPTH};
use crate::checksum::{CommitId, DirMetaId, DirTreeId, FileId};
use crate::object::{
    Checksummer, Commit, DirMeta, DirTree, FileHeader, Name, ObjectKind, ObjectSink, WriteError,
};
use crate::repo::ReadError;

/// The differences between two trees. Paths are relative to the root and have no slash at the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// In both trees, but not the same.
    pub modified: Vec<String>,
    /// Only in the first tree.
    pub removed: Vec<String>,
    /// Only in the second tree.
    pub added: Vec<String>,
}

/// One of the trees to compare.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// Where its directories can be read.
    pub source: &'a dyn DirTreeSource,
    /// Its root.
    pub tree: DirTreeId,
}

/// How much memory paths may take before a comparison is given up, in bytes: some 700,000 usual ones. A few
/// small objects can stand for more paths than any memory holds.
const MAX_PATHS: usize = 96 << 20;

/// What a path takes beside its own bytes.
const OVERHEAD: usize = 80;

/// Compares two trees; only dirtrees that differ are read. Two that differ in more paths than fit in 96 MiB are an
/// error.
pub fn diff(first: Side<'_>, second: Side<'_>) -> Result<Diff, ReadError> {
    let mut comparison = Comparison {
        first: first.source,
        second: second.source,
        found: Diff::default(),
        ahead: Vec::new(),
        held: 0,
    };
    comparison.compare("", first.tree, second.tree)?;
    while let Some((path, step)) = comparison.ahead.pop() {
        comparison.step(path, step)?;
        if comparison.held > MAX_PATHS {
            return Err(ReadError::Form {
                kind: ObjectKind::DirTree,
                checksum: *second.tree.checksum(),
                what: "it differs in too many paths",
            });
        }
    }
    Ok(comparison.found)
}

struct Comparison<'a> {
    first: &'a dyn DirTreeSource,
    second: &'a dyn DirTreeSource,
    found: Diff,
    /// What is still to be done, the next step last.
    ahead: Vec<(String, Step)>,
    /// Memory that paths take, `found` and `ahead` together.
    held: usize,
}

/// Something to do about one path.
enum Step {
    Modified,
    Removed,
    /// Boxed, because steps for files, which are many, would be as large.
    Both(Box<[(DirTreeId, DirMetaId); 2]>),
    AddedFile,
    AddedDir(DirTreeId),
}

impl Comparison<'_> {
    fn step(&mut self, path: String, step: Step) -> Result<(), ReadError> {
        match step {
            Step::Modified => self.found.modified.push(path),
            Step::Removed => self.found.removed.push(path),
            Step::AddedFile => self.found.added.push(path),
            Step::AddedDir(tree) => {
                check_depth(&path, tree)?;
                let stored = self.second.dirtree(&tree)?;
                self.added(&path, &stored.files, &stored.dirs, |_| true);
                self.found.added.push(path);
            }
            Step::Both(pair) => {
                let [(first, first_meta), (second, second_meta)] = *pair;
                self.compare(&path, first, second)?;
                if first_meta == second_meta {
                    self.held -= path.len() + OVERHEAD;
                } else {
                    self.found.modified.push(path);
                }
            }
        }
        Ok(())
    }

    /// Notes what is to be done about everything in two directories. The notes are a stack: last things first.
    fn compare(
        &mut self,
        path: &str,
        first: DirTreeId,
        second: DirTreeId,
    ) -> Result<(), ReadError> {
        if first == second {
            return Ok(());
        }
        check_depth(path, second)?;
        let (first, second) = (self.first.dirtree(&first)?, self.second.dirtree(&second)?);
        let is_new =
            |name: &Name| !first.files.contains_key(name) && !first.dirs.contains_key(name);
        self.added(path, &second.files, &second.dirs, is_new);
        for (name, was) in first.dirs.iter().rev() {
            let step = match second.dirs.get(name) {
                Some(is) => Step::Both(Box::new([*was, *is])),
                None if second.files.contains_key(name) => Step::Modified,
                None => Step::Removed,
            };
            self.note(path, name, step);
        }
        for (name, was) in first.files.iter().rev() {
            let step = match second.files.get(name) {
                Some(is) if was == is => continue,
                None if !second.dirs.contains_key(name) => Step::Removed,
                _ => Step::Modified,
            };
            self.note(path, name, step);
        }
        Ok(())
    }

    fn note(&mut self, path: &str, name: &Name, step: Step) {
        let path = join(path, name);
        self.held += path.len() + OVERHEAD;
        self.ahead.push((path, step));
    }

    fn added(
        &mut self,
        path: &str,
        files: &BTreeMap<Name, FileId>,
        dirs: &BTreeMap<Name, (DirTreeId, DirMetaId)>,
        is_new: impl Fn(&Name) -> bool,
    ) {
        for (name, (tree, _)) in dirs.iter().rev().filter(|(name, _)| is_new(name)) {
            self.note(path, name, Step::AddedDir(*tree));
        }
        for (name, _) in files.iter().rev().filter(|(name, _)| is_new(name)) {
            self.note(path, name, Step::AddedFile);
        }
    }
}

/// Directories that hold themselves, or are nested deeper than any system can reach, have no end.
fn check_depth(path: &str, tree: DirTreeId) -> Result<(), ReadError> {
    if path.matches('/').count() < MAX_DEPTH {
        return Ok(());
    }
    Err(ReadError::Form {
        kind: ObjectKind::DirTree,
        checksum: *tree.checksum(),
        what: "directories are nested more than 2048 deep",
    })
}

fn join(path: &str, name: &Name) -> String {
    if path.is_empty() {
        return name.to_string();
    }
    // No larger than needed: there may be many.
    let mut joined = String::with_capacity(path.len() + 1 + name.as_str().len());
    joined.push_str(path);
    joined.push('/');
    joined.push_str(name.as_str());
    joined
}

/// Hashes objects and keeps the dirtrees alone: enough to compare a directory on disk with a stored tree.
///
/// ```
/// use ostree_store::tree::diff::{DirTreesOnly, Side, diff};
/// use ostree_store::tree::import_dir::import_dir;
/// use ostree_store::tree::modify::Modifier;
///
/// # let dir = tempfile::tempdir()?;
/// # std::fs::create_dir_all(dir.path().join("old"))?;
/// # std::fs::create_dir_all(dir.path().join("new/d"))?;
/// let trees = DirTreesOnly::default();
/// let mut sides = Vec::new();
/// for path in ["old", "new"] {
///     let tree = import_dir(&dir.path().join(path), &Modifier::default(), &trees)?;
///     sides.push(Side { source: &trees, tree: tree.write(&trees)?.0 });
/// }
/// assert_eq!(diff(sides[0], sides[1])?.added, ["d"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct DirTreesOnly {
    trees: Mutex<BTreeMap<DirTreeId, DirTree>>,
}

impl ObjectSink for DirTreesOnly {
    fn file(
        &self,
        header: &FileHeader,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<FileId, WriteError> {
        Checksummer.file(header, size, content)
    }

    fn dirtree(&self, tree: &DirTree) -> Result<DirTreeId, WriteError> {
        let id = tree.id();
        self.trees
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, tree.clone());
        Ok(id)
    }

    fn dirmeta(&self, meta: &DirMeta) -> Result<DirMetaId, WriteError> {
        Checksummer.dirmeta(meta)
    }

    fn commit(&self, commit: &Commit) -> Result<CommitId, WriteError> {
        Checksummer.commit(commit)
    }
}

impl DirTreeSource for DirTreesOnly {
    fn dirtree(&self, id: &DirTreeId) -> Result<DirTree, ReadError> {
        let trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        trees
            .get(id)
            .cloned()
            .ok_or_else(|| ReadError::missing_dirtree(id))
    }
}
