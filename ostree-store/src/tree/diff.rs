//! What differs between two trees, in the order in which `ostree diff` says it.
//!
//! Of stored trees only dirtrees are compared: equal checksums are equal contents, so no file is opened and no equal
//! subtree is looked into. Of directories on disk a file is hashed if both sides have one of the same kind. A path is
//! modified if its object is another one, if a file became a directory or the reverse, or, for a directory, if its
//! metadata is another one. The root's own metadata is never compared.
//!
//! The paths of one list come directory by directory, files first. A removed directory is named alone, an added one
//! with everything in it; what is added deeper down comes before what is added beside the directory on the way.

use super::import_dir::ImportDirError;
use super::on_disk::{Entries, OnDisk, is_storable};
use super::{DirTreeSource, MAX_DEPTH};
use crate::checksum::{Checksum, DirMetaId, DirTreeId};
use crate::object::{DirTree, Name, ObjectKind};
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
pub enum Side<'a> {
    /// One that a repository holds.
    Stored {
        /// Where its directories can be read.
        source: &'a dyn DirTreeSource,
        /// Its root.
        tree: DirTreeId,
    },
    /// One on disk.
    OnDisk(&'a OnDisk),
}

/// Why two trees could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// A stored directory could not be read, or there is no end to what differs.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A directory on disk could not be read.
    #[error(transparent)]
    OnDisk(#[from] ImportDirError),
    /// More differs than is worth telling.
    #[error("the directories differ in too many paths")]
    TooMany,
    /// Directories within directories beyond what any system can reach.
    #[error("directories are nested more than {MAX_DEPTH} deep")]
    TooDeep,
}

/// How much memory paths may take before a comparison is given up, in bytes: some 700,000 usual ones. A few
/// small objects can stand for more paths than any memory holds.
const MAX_PATHS: usize = 96 << 20;

/// What a path takes beside its own bytes.
const OVERHEAD: usize = 80;

/// Compares two trees; only directories that differ are read. Two that differ in more paths than fit in 96 MiB are an
/// error.
///
/// ```
/// use ostree_store::tree::diff::{Side, diff};
/// use ostree_store::tree::on_disk::OnDisk;
///
/// # let dir = fixtures::scratch("example");
/// # std::fs::create_dir_all(dir.path().join("old"))?;
/// # std::fs::create_dir_all(dir.path().join("new/d"))?;
/// let sides = ["old", "new"].map(|name| OnDisk::new(&dir.path().join(name)));
/// let found = diff(Side::OnDisk(&sides[0]), Side::OnDisk(&sides[1]))?;
/// assert_eq!(found.added, ["d"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn diff(first: Side<'_>, second: Side<'_>) -> Result<Diff, DiffError> {
    let mut comparison = Comparison {
        first,
        second,
        found: Diff::default(),
        ahead: Vec::new(),
        held: 0,
    };
    comparison.compare("", first.root(), second.root())?;
    while let Some((path, step)) = comparison.ahead.pop() {
        comparison.step(path, step)?;
        if comparison.held > MAX_PATHS {
            return Err(too_many(&second));
        }
    }
    Ok(comparison.found)
}

struct Comparison<'a> {
    first: Side<'a>,
    second: Side<'a>,
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
    Both(Box<[Place; 2]>),
    AddedFile,
    AddedDir(Option<DirTreeId>),
}

/// The directory of one side at the path in question; on disk the path says all.
#[derive(Clone, Copy)]
struct Place {
    tree: Option<DirTreeId>,
    /// Not known of a root, nor on disk.
    meta: Option<DirMetaId>,
}

/// What a directory holds.
enum Listing {
    Stored(DirTree),
    OnDisk(Entries),
}

/// What a name stands for.
enum Entry {
    Dir(Place),
    /// A file, link or special file: its checksum if it is known, its kind if that is.
    File(Option<Checksum>, Option<u32>),
}

impl Side<'_> {
    fn root(&self) -> Place {
        let tree = match self {
            Side::Stored { tree, .. } => Some(*tree),
            Side::OnDisk(_) => None,
        };
        Place { tree, meta: None }
    }

    /// What the directory at `path` holds.
    fn listing(&self, path: &str, tree: Option<DirTreeId>) -> Result<Listing, DiffError> {
        match (self, tree) {
            (Side::Stored { source, tree: root }, tree) => {
                let tree = tree.unwrap_or(*root);
                Ok(Listing::Stored(source.dirtree(&tree)?))
            }
            (Side::OnDisk(dir), _) => Ok(Listing::OnDisk(dir.entries(path)?)),
        }
    }

    /// The checksum of what stands at `path`, hashed if it is not known.
    fn checksum(&self, path: &str, known: Option<Checksum>) -> Result<Option<Checksum>, DiffError> {
        match (known, self) {
            (None, Side::OnDisk(dir)) => Ok(Some(dir.checksum(path)?)),
            (known, _) => Ok(known),
        }
    }
}

impl Listing {
    fn files(&self) -> Box<dyn DoubleEndedIterator<Item = &Name> + '_> {
        match self {
            Listing::Stored(tree) => Box::new(tree.files.keys()),
            Listing::OnDisk(entries) => Box::new(entries.files.keys()),
        }
    }

    fn dirs(&self) -> Box<dyn DoubleEndedIterator<Item = (&Name, Place)> + '_> {
        match self {
            Listing::Stored(tree) => Box::new(tree.dirs.iter().map(|(name, ids)| {
                let (tree, meta) = (Some(ids.0), Some(ids.1));
                (name, Place { tree, meta })
            })),
            Listing::OnDisk(entries) => Box::new(entries.dirs.iter().map(|name| {
                let (tree, meta) = (None, None);
                (name, Place { tree, meta })
            })),
        }
    }

    fn entry(&self, name: &Name) -> Option<Entry> {
        match self {
            Listing::Stored(tree) => match tree.files.get(name) {
                Some(file) => Some(Entry::File(Some(*file.checksum()), None)),
                None => tree.dirs.get(name).map(|ids| {
                    let (tree, meta) = (Some(ids.0), Some(ids.1));
                    Entry::Dir(Place { tree, meta })
                }),
            },
            Listing::OnDisk(entries) => match entries.files.get(name) {
                Some(kind) => Some(Entry::File(None, Some(*kind))),
                None => entries.dirs.contains(name).then_some(Entry::Dir(Place {
                    tree: None,
                    meta: None,
                })),
            },
        }
    }
}

impl Comparison<'_> {
    fn step(&mut self, path: String, step: Step) -> Result<(), DiffError> {
        match step {
            Step::Modified => self.found.modified.push(path),
            Step::Removed => self.found.removed.push(path),
            Step::AddedFile => self.found.added.push(path),
            Step::AddedDir(tree) => {
                check_depth(&path)?;
                let listing = self.second.listing(&path, tree)?;
                self.added(&path, &listing, |_| true);
                self.found.added.push(path);
            }
            Step::Both(pair) => {
                let [first, second] = *pair;
                self.compare(&path, first, second)?;
                let known = |place: Place| place.meta.map(|meta| *meta.checksum());
                let first = self.first.checksum(&path, known(first))?;
                if first == self.second.checksum(&path, known(second))? {
                    self.held -= path.len() + OVERHEAD;
                } else {
                    self.found.modified.push(path);
                }
            }
        }
        Ok(())
    }

    /// Notes what is to be done about everything in two directories. The notes are a stack: last things first.
    fn compare(&mut self, path: &str, first: Place, second: Place) -> Result<(), DiffError> {
        if first.tree.is_some() && first.tree == second.tree {
            return Ok(());
        }
        check_depth(path)?;
        let first = self.first.listing(path, first.tree)?;
        let second = self.second.listing(path, second.tree)?;
        self.added(path, &second, |name| first.entry(name).is_none());
        for (name, was) in first.dirs().rev() {
            let step = match second.entry(name) {
                Some(Entry::Dir(is)) => Step::Both(Box::new([was, is])),
                Some(Entry::File(..)) => Step::Modified,
                None => Step::Removed,
            };
            self.note(join(path, name), step);
        }
        for name in first.files().rev() {
            let step = match (first.entry(name), second.entry(name)) {
                (Some(Entry::File(Some(was), _)), Some(Entry::File(Some(is), _))) if was == is => {
                    continue;
                }
                (Some(was), Some(is)) if self.is_same_file(&join(path, name), &was, &is)? => {
                    continue;
                }
                (_, Some(_)) => Step::Modified,
                (_, None) => Step::Removed,
            };
            self.note(join(path, name), step);
        }
        Ok(())
    }

    /// Whether both are files that make the same object; what is of different kinds is not hashed.
    fn is_same_file(&self, path: &str, was: &Entry, is: &Entry) -> Result<bool, DiffError> {
        let (Entry::File(was, was_kind), Entry::File(is, is_kind)) = (was, is) else {
            return Ok(false);
        };
        let alike = match (was_kind, is_kind) {
            (Some(was), Some(is)) => was == is,
            (Some(kind), None) | (None, Some(kind)) => is_storable(*kind),
            (None, None) => true,
        };
        Ok(alike && self.first.checksum(path, *was)? == self.second.checksum(path, *is)?)
    }

    fn note(&mut self, path: String, step: Step) {
        self.held += path.len() + OVERHEAD;
        self.ahead.push((path, step));
    }

    fn added(&mut self, path: &str, listing: &Listing, is_new: impl Fn(&Name) -> bool) {
        for (name, place) in listing.dirs().rev().filter(|(name, _)| is_new(name)) {
            self.note(join(path, name), Step::AddedDir(place.tree));
        }
        for name in listing.files().rev().filter(|name| is_new(name)) {
            self.note(join(path, name), Step::AddedFile);
        }
    }
}

fn too_many(second: &Side<'_>) -> DiffError {
    let Side::Stored { tree, .. } = second else {
        return DiffError::TooMany;
    };
    DiffError::Read(ReadError::Form {
        kind: ObjectKind::DirTree,
        checksum: *tree.checksum(),
        what: "it differs in too many paths",
    })
}

/// Directories that hold themselves, or are nested deeper than any system can reach, have no end.
fn check_depth(path: &str) -> Result<(), DiffError> {
    if path.matches('/').count() < MAX_DEPTH {
        return Ok(());
    }
    Err(DiffError::TooDeep)
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
