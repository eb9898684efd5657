//! Whether every object is there, and is what its name says.
//!
//! Checked are the commits that are there (those known to be partial are only counted), everything they reach, and
//! that refs name commits. An object is sound if its bytes hash to its name and mean something: names valid, sorted
//! and unique, xattrs sorted, variants in normal form. ostree's own check lets some of the latter pass. Objects that
//! no commit reaches are not looked at, as in ostree.
//!
//! | memory | bytes |
//! |---|---|
//! | of each object that is reached | about 100 |
//! | of each directory entry that names a directory or something broken, if anything is broken | 4 |

mod affected;
mod bindings;
mod object;
mod weakness;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::reach::{Reach, sound};
use crate::checksum::{Checksum, CommitId};
use crate::object::{Commit, ObjectKind};
use crate::path_error::PathError;
use crate::repo::{Partial, ReadError, RefError, Repo};
use affected::Affected;

pub use super::Object;
pub use bindings::BackRefFinding;
pub use object::Problem;
pub use weakness::{Stray, Weakness, strays};

/// What is checked beyond objects and refs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// That each ref stands in the ref binding of its commit (`ostree.ref-binding`, `ostree.collection-binding`).
    pub bindings: bool,
    /// That each ref in the binding of a commit names that commit.
    pub back_refs: bool,
    /// What ostree never notices and does no harm to the objects themselves ([`Weakness`]).
    pub weaknesses: bool,
}

/// What a check found.
#[derive(Debug, Default)]
pub struct Report {
    /// The commits that were checked.
    pub commits: Vec<CommitId>,
    /// Commits known not to be whole, which were not checked; `true` if an earlier check said so.
    pub partial: Vec<(CommitId, bool)>,
    /// How many objects were checked.
    pub objects: usize,
    /// What is wrong with refs in heads and remotes, sorted by ref.
    pub refs: Vec<RefFinding>,
    /// What is wrong with refs of collections, sorted by collection and ref.
    pub collection_refs: Vec<RefFinding>,
    /// Which refs that commits are bound to do not name them, sorted by commit.
    pub back_refs: Vec<BackRefFinding>,
    /// What is wrong with objects, sorted by object.
    pub findings: Vec<Finding>,
    /// Objects that are sound and lie badly, sorted by object.
    pub weaknesses: Vec<(Object, Weakness)>,
    affected: Affected,
}

impl Report {
    /// Whether nothing is wrong. Partial commits that an earlier check found are.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
            && self.refs.is_empty()
            && self.collection_refs.is_empty()
            && self.back_refs.is_empty()
            && self.weaknesses.iter().all(|(_, weak)| !weak.is_fault())
            && !self.partial.iter().any(|(_, found)| *found)
    }

    /// Where an object with a problem stands: one path in each of the first `limit` commits that reach it. A
    /// directory's path ends with `/`.
    #[must_use]
    pub fn paths(&self, repo: &Repo, finding: &Finding, limit: usize) -> Vec<(CommitId, String)> {
        let commits = finding.commits.iter().take(limit);
        commits
            .filter_map(|commit| {
                let path = self.affected.path(repo, finding.object, commit)?;
                Some((*commit, path))
            })
            .collect()
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
    pub commits: Arc<[CommitId]>,
}

/// A ref with a problem.
#[derive(Debug, thiserror::Error)]
pub enum RefFinding {
    /// The commit it names is not there.
    #[error("Loading commit for ref {refspec}: No such metadata object {commit}.commit")]
    Missing {
        /// The ref: a refspec, or `(collection, ref)`.
        refspec: String,
        /// What it names.
        commit: CommitId,
    },
    /// It names nothing that could be a commit.
    #[error("Loading commit for ref {refspec}: No such metadata object {content}.commit")]
    Garbage {
        /// The ref.
        refspec: String,
        /// What stands in its file.
        content: String,
    },
    /// Its commit is not bound to it.
    #[error("Commit {commit}: {words}")]
    Binding {
        /// The ref.
        refspec: String,
        /// What it names.
        commit: CommitId,
        /// What is wrong, in ostree's words.
        words: String,
    },
    /// Refs cannot be read.
    #[error(transparent)]
    Unreadable(RefError),
}

/// Checks a repository. `progress` is called after each object with the number of objects done and of all, from
/// several threads.
///
/// An error means that the check could not be made; what is wrong with the repository is in the report.
pub fn fsck(repo: &Repo, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Report, PathError> {
    fsck_with(repo, Checks::default(), progress)
}

/// The same with further checks.
pub fn fsck_with(
    repo: &Repo,
    checks: Checks,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Report, PathError> {
    let mut report = Report::default();
    (report.refs, report.collection_refs) = bindings::check_refs(repo, checks)?;
    let commits: BTreeSet<CommitId> = repo.commits_beginning_with("")?.into_iter().collect();
    if checks.back_refs {
        report.back_refs = bindings::check_back_refs(repo, &commits)?;
    }
    report.partial = super::partial_commits(repo)?
        .into_iter()
        .filter(|(commit, _)| commits.contains(commit))
        .collect();
    let partial: BTreeSet<CommitId> = report.partial.iter().map(|(commit, _)| *commit).collect();
    report.commits = commits.difference(&partial).copied().collect();
    let objects = reached(repo, &report.commits);
    report.objects = objects.len();
    let problems = check_objects(repo, &objects, checks, &mut report.weaknesses, progress);
    if !problems.is_empty() {
        let bad = problems.iter().map(|(object, _)| *object);
        report.affected = Affected::new(repo, &report.commits, &objects, bad);
        report.findings = findings(repo, problems, &report.affected)?;
    }
    Ok(report)
}

/// Notes in the repository that a commit is not whole, as ostree's own check does.
pub fn mark_partial(repo: &Repo, commit: &CommitId) -> Result<(), PathError> {
    repo.mark_partial(commit, Partial::FoundByFsck)
}

/// The commits whose parent is not there, partial ones too: those that `--add-tombstones` takes away.
pub fn commits_without_parent(repo: &Repo) -> Result<Vec<CommitId>, PathError> {
    let commits = commits(repo)?;
    let mut cut_off = Vec::new();
    for id in &commits {
        let commit = sound(repo, (ObjectKind::Commit, *id.checksum()), Commit::parse);
        let parent = commit.ok().and_then(|commit| commit.parent);
        if let Some(parent) = parent
            && !repo.has(ObjectKind::Commit, parent.checksum())?
        {
            cut_off.push(*id);
        }
    }
    Ok(cut_off)
}

/// Every commit object, those of parent repositories too.
fn commits(repo: &Repo) -> Result<BTreeSet<CommitId>, PathError> {
    Ok(repo.commits_beginning_with("")?.into_iter().collect())
}

/// Everything that commits reach, as far as it can be read, sorted. What is wrong with an object that cannot is
/// found when it is checked itself.
fn reached(repo: &Repo, commits: &[CommitId]) -> Vec<Object> {
    let mut reach = Reach::default();
    for id in commits {
        let object = (ObjectKind::Commit, *id.checksum());
        reach.insert(object);
        if let Ok(commit) = sound(repo, object, Commit::parse) {
            let mut ignore = |_, _| Ok::<(), std::convert::Infallible>(());
            reach
                .add_dir(repo, commit.root_tree, commit.root_meta, &mut ignore)
                .unwrap_or_else(|never| match never {});
        }
    }
    reach.into_sorted()
}

/// Checks every object, many at once; the problems come in the order of the objects.
fn check_objects(
    repo: &Repo,
    objects: &[Object],
    checks: Checks,
    weaknesses: &mut Vec<(Object, Weakness)>,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Vec<(Object, Problem)> {
    let done = AtomicUsize::new(0);
    let check = |object: &Object| {
        let checked = object::check(repo, *object, checks.weaknesses);
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, objects.len());
        match checked {
            Ok(None) => None,
            checked => Some((*object, checked)),
        }
    };
    let found: Vec<_> = objects.par_iter().filter_map(check).collect();
    let mut problems = Vec::new();
    for (object, checked) in found {
        match checked {
            Ok(weakness) => weaknesses.extend(weakness.map(|weakness| (object, weakness))),
            Err(problem) => problems.push((object, problem)),
        }
    }
    problems
}

/// Says which commits each problem concerns. A commit that was deleted while the check ran does not need its
/// objects any more, and what was missing may be back.
fn findings(
    repo: &Repo,
    problems: Vec<(Object, Problem)>,
    affected: &Affected,
) -> Result<Vec<Finding>, PathError> {
    let mut commits = affected::Commits::default();
    let mut findings = Vec::new();
    for (object, problem) in problems {
        let needed_by = commits.with(affected, object, &|commit| {
            repo.has(ObjectKind::Commit, commit.checksum())
        })?;
        if matches!(problem, Problem::Missing)
            && (needed_by.is_empty() || repo.has(object.0, &object.1)?)
        {
            continue;
        }
        findings.push(Finding {
            object,
            problem,
            commits: needed_by,
        });
    }
    Ok(findings)
}
