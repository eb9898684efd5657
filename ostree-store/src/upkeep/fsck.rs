//! Whether every object is there, and is what its name says.
//!
//! Checked are the commits that are there (those known to be partial are only counted), everything they reach, and
//! that refs name commits. An object is sound if its bytes hash to its name and mean something: names valid, sorted
//! and unique, xattrs sorted, variants in normal form. ostree's own check lets some of the latter pass. Objects that
//! no commit reaches are not looked at, as in ostree.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use rayon::prelude::*;

use crate::checksum::{Checksum, CommitId, DirMetaId, DirTreeId, FileId};
use crate::object::{
    Checksummer, Commit, DirMeta, DirTree, ObjectKind, ObjectSink, ParseError, WriteError,
};
use crate::path_error::PathError;
use crate::repo::{Partial, ReadError, RefError, Repo};

pub use super::Object;

/// What a check found.
#[derive(Debug, Default)]
pub struct Report {
    /// The commits that were checked.
    pub commits: Vec<CommitId>,
    /// Commits known not to be whole, which were not checked; `true` if an earlier check said so.
    pub partial: Vec<(CommitId, bool)>,
    /// How many objects were checked.
    pub objects: usize,
    /// What is wrong with refs.
    pub refs: Vec<RefFinding>,
    /// What is wrong with objects, sorted by object.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing is wrong. Partial commits that an earlier check found are.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
            && self.refs.is_empty()
            && !self.partial.iter().any(|(_, found)| *found)
    }
}

/// An object with a problem.
#[derive(Debug)]
pub struct Finding {
    /// The object.
    pub object: Object,
    /// What is wrong with it.
    pub problem: Problem,
    /// The commits that reach it, sorted.
    pub commits: Vec<CommitId>,
}

/// What can be wrong with an object.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It is not there.
    #[error("the object is missing")]
    Missing,
    /// Its bytes hash to another name.
    #[error("Corrupted {} object; checksum expected='{expected}' actual='{actual}'", kind.name())]
    Corrupt {
        /// Its kind.
        kind: ObjectKind,
        /// Its name.
        expected: Checksum,
        /// The name that its bytes should have.
        actual: Checksum,
    },
    /// Its bytes hash to its name, but mean nothing.
    #[error(transparent)]
    Meaningless(ParseError),
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(ReadError),
    /// Its content cannot be read, for instance because the compressed bytes are broken.
    #[error("the content cannot be read: {0}")]
    Content(io::Error),
    /// Its content is not as long as its header says.
    #[error("the content has {actual} bytes where the header says {expected}")]
    Size {
        /// Bytes announced.
        expected: u64,
        /// Bytes found; of a longer content not all.
        actual: u64,
    },
}

/// A ref with a problem.
#[derive(Debug, thiserror::Error)]
pub enum RefFinding {
    /// The commit it names is not there.
    #[error("Loading commit for ref {refspec}: No such metadata object {commit}.commit")]
    Missing {
        /// The ref.
        refspec: String,
        /// What it names.
        commit: CommitId,
    },
    /// Refs cannot be read, for instance because one does not hold a checksum.
    #[error(transparent)]
    Unreadable(RefError),
}

/// Checks a repository. `progress` is called after each object with the number of objects done and of all, from
/// several threads.
///
/// An error means that the check could not be made; what is wrong with the repository is in the report.
pub fn fsck(repo: &Repo, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Report, PathError> {
    let mut report = Report {
        refs: check_refs(repo)?,
        partial: partial_commits(repo)?,
        ..Report::default()
    };
    let partial: BTreeSet<CommitId> = report.partial.iter().map(|(commit, _)| *commit).collect();
    report.commits = repo.commits_beginning_with("")?;
    report.commits.retain(|id| !partial.contains(id));
    let reached = Reached::from(repo, &report.commits);
    report.objects = reached.holders.len();
    for (object, problem) in check_objects(repo, &reached, progress) {
        report.findings.push(Finding {
            object,
            problem,
            commits: reached.commits_with(object),
        });
    }
    Ok(report)
}

/// Notes in the repository that a commit is not whole, as ostree's own check does.
pub fn mark_partial(repo: &Repo, commit: &CommitId) -> Result<(), PathError> {
    repo.mark_partial(commit, Partial::FoundByFsck)
}

/// The partial commits of a repository and of its parents, whose commits are checked too.
fn partial_commits(repo: &Repo) -> Result<Vec<(CommitId, bool)>, PathError> {
    let mut partial = Vec::new();
    for repo in repo.with_parents() {
        partial.extend(repo.partial_commits()?);
    }
    partial.sort_unstable();
    partial.dedup();
    Ok(partial)
}

fn check_refs(repo: &Repo) -> Result<Vec<RefFinding>, PathError> {
    let refs = match repo.refs() {
        Ok(refs) => refs,
        Err(RefError::Path(error)) => return Err(error),
        Err(error) => return Ok(vec![RefFinding::Unreadable(error)]),
    };
    let mut findings = Vec::new();
    for (refspec, commit) in refs {
        if !repo.has(ObjectKind::Commit, commit.checksum())? {
            findings.push(RefFinding::Missing { refspec, commit });
        }
    }
    Ok(findings)
}

/// Checks every object, many at once; the problems come in the order of the objects.
fn check_objects(
    repo: &Repo,
    reached: &Reached,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Vec<(Object, Problem)> {
    let objects: Vec<Object> = reached.holders.keys().copied().collect();
    let done = std::sync::atomic::AtomicUsize::new(0);
    let check = |object: &Object| {
        let problem = check_object(repo, *object).err();
        progress(
            done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1,
            objects.len(),
        );
        problem.map(|problem| (*object, problem))
    };
    objects
        .par_iter()
        .map(check)
        .collect::<Vec<_>>()
        .into_iter()
        .flatten()
        .collect()
}

fn check_object(repo: &Repo, (kind, name): Object) -> Result<(), Problem> {
    if kind == ObjectKind::File {
        return check_file(repo, name);
    }
    let bytes = repo.metadata_bytes(kind, &name).map_err(not_read)?;
    let actual = Checksum::of(&bytes);
    if actual != name {
        return Err(Problem::Corrupt {
            kind,
            expected: name,
            actual,
        });
    }
    let meaning = match kind {
        ObjectKind::Commit => Commit::parse(&bytes).map(drop),
        ObjectKind::DirTree => DirTree::parse(&bytes).map(drop),
        ObjectKind::DirMeta => DirMeta::parse(&bytes).map(drop),
        ObjectKind::File => Ok(()),
    };
    meaning.map_err(Problem::Meaningless)
}

fn check_file(repo: &Repo, name: Checksum) -> Result<(), Problem> {
    let mut stored = repo.file(&FileId::new(name)).map_err(not_read)?;
    let (header, size) = (stored.header.clone(), stored.size);
    match Checksummer.file(&header, size, &mut stored) {
        Ok(actual) if *actual.checksum() == name => Ok(()),
        Ok(actual) => Err(Problem::Corrupt {
            kind: ObjectKind::File,
            expected: name,
            actual: *actual.checksum(),
        }),
        Err(WriteError::Size { expected, actual }) => Err(Problem::Size { expected, actual }),
        Err(WriteError::Content(error)) => Err(Problem::Content(error)),
        Err(error) => Err(Problem::Content(io::Error::other(error))),
    }
}

fn not_read(error: ReadError) -> Problem {
    match error {
        ReadError::Missing { .. } => Problem::Missing,
        error => Problem::Unreadable(error),
    }
}

/// A metadata object whose bytes are what its name says; the names in any other one mean nothing. What is wrong
/// with it is found when the object itself is checked.
fn sound<T>(
    repo: &Repo,
    (kind, name): Object,
    parse: impl FnOnce(&[u8]) -> Result<T, ParseError>,
) -> Option<T> {
    let bytes = repo
        .metadata_bytes(kind, &name)
        .ok()
        .filter(|bytes| Checksum::of(bytes) == name)?;
    parse(&bytes).ok()
}

/// Everything that commits reach, as far as it can be read.
struct Reached {
    /// Each object with the dirtrees and commits that name it; commits stand alone.
    holders: BTreeMap<Object, Vec<Object>>,
}

impl Reached {
    fn from(repo: &Repo, commits: &[CommitId]) -> Reached {
        let mut reached = Reached {
            holders: BTreeMap::new(),
        };
        let mut trees = Vec::new();
        for id in commits {
            let holder = (ObjectKind::Commit, *id.checksum());
            reached.holders.entry(holder).or_default();
            if let Some(commit) = sound(repo, holder, Commit::parse) {
                reached.add_dir(holder, commit.root_tree, commit.root_meta, &mut trees);
            }
        }
        while let Some(id) = trees.pop() {
            let holder = (ObjectKind::DirTree, *id.checksum());
            let Some(tree) = sound(repo, holder, DirTree::parse) else {
                continue;
            };
            for file in tree.files.values() {
                reached.add((ObjectKind::File, *file.checksum()), holder);
            }
            for (tree, meta) in tree.dirs.values() {
                reached.add_dir(holder, *tree, *meta, &mut trees);
            }
        }
        reached
    }

    /// Adds a directory; if nobody has met it yet, it is looked into later.
    fn add_dir(
        &mut self,
        holder: Object,
        tree: DirTreeId,
        meta: DirMetaId,
        trees: &mut Vec<DirTreeId>,
    ) {
        self.add((ObjectKind::DirMeta, *meta.checksum()), holder);
        if self.add((ObjectKind::DirTree, *tree.checksum()), holder) {
            trees.push(tree);
        }
    }

    /// Adds an object and says whether it is new.
    fn add(&mut self, object: Object, holder: Object) -> bool {
        let holders = self.holders.entry(object).or_default();
        let is_new = holders.is_empty();
        // A directory often names one object many times in a row.
        if holders.last() != Some(&holder) {
            holders.push(holder);
        }
        is_new
    }

    /// The commits that reach an object.
    fn commits_with(&self, object: Object) -> Vec<CommitId> {
        let mut seen = BTreeSet::from([object]);
        let mut ahead = vec![object];
        while let Some(object) = ahead.pop() {
            let holders = self.holders.get(&object).into_iter().flatten();
            ahead.extend(holders.filter(|holder| seen.insert(**holder)));
        }
        let commits = seen
            .into_iter()
            .filter(|(kind, _)| *kind == ObjectKind::Commit);
        commits.map(|(_, name)| CommitId::new(name)).collect()
    }
}
