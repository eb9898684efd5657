//! What `fsck --json` tells.

use ostree_store::checksum::CommitId;
use ostree_store::repo::Repo;
use ostree_store::upkeep::fsck::{Finding, Object, Problem, RefFinding, Report, Stray};
use serde::Serialize;

use super::{LOCATED, LOCATED_OBJECTS, problem};
use crate::failure::chain;

/// What `--json` tells.
#[derive(Debug, Serialize)]
pub(super) struct Record {
    /// Nothing is wrong.
    ok: bool,
    /// How many commits and objects were checked.
    commits: usize,
    objects: usize,
    /// Commits known to be partial, which were not checked.
    partial: Vec<Partial>,
    /// Problems with refs, in words.
    refs: Vec<String>,
    problems: Vec<ObjectProblem>,
    /// Sound objects that lie badly.
    weaknesses: Vec<Weak>,
    /// Files below `objects` that are none, relative to the repository.
    strays: Vec<StrayFile>,
    /// Objects that were deleted, as `CHECKSUM.TYPE`.
    deleted: Vec<String>,
    /// Commits in whose place there is a tombstone now.
    tombstones: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Weak {
    object: String,
    r#type: &'static str,
    weakness: String,
    /// A checkout can come out wrong.
    fault: bool,
}

#[derive(Debug, Serialize)]
struct StrayFile {
    path: String,
    what: &'static str,
}

#[derive(Debug, Serialize)]
struct Partial {
    commit: String,
    /// An earlier check found that something is missing; otherwise it never was all there.
    found_by_fsck: bool,
}

/// An object that is missing or corrupt.
#[derive(Debug, Serialize)]
struct ObjectProblem {
    object: String,
    r#type: &'static str,
    missing: bool,
    problem: String,
    /// The commits that need it.
    commits: Vec<String>,
    /// Where it stands, in some of them.
    paths: Vec<Located>,
}

#[derive(Debug, Serialize)]
struct Located {
    commit: String,
    path: String,
}

impl Record {
    pub(super) fn new(repo: &Repo, report: &Report, strays: &[Stray]) -> Record {
        let partial = report.partial.iter();
        let refs = report.refs.iter().chain(&report.collection_refs);
        let refs = refs.map(|finding: &RefFinding| chain(finding));
        let weaknesses = report.weaknesses.iter();
        let strays = strays.iter();
        Record {
            ok: report.is_clean(),
            commits: report.commits.len(),
            objects: report.objects,
            partial: partial
                .map(|(commit, found_by_fsck)| Partial {
                    commit: commit.to_string(),
                    found_by_fsck: *found_by_fsck,
                })
                .collect(),
            refs: refs
                .chain(report.back_refs.iter().map(ToString::to_string))
                .collect(),
            problems: (report.findings.iter().enumerate())
                .map(|(number, finding)| {
                    let commits = if number < LOCATED_OBJECTS { LOCATED } else { 0 };
                    ObjectProblem::new(finding, report.paths(repo, finding, commits))
                })
                .collect(),
            weaknesses: weaknesses
                .map(|((kind, checksum), weakness)| Weak {
                    object: checksum.to_string(),
                    r#type: kind.name(),
                    weakness: weakness.to_string(),
                    fault: weakness.is_fault(),
                })
                .collect(),
            strays: strays
                .map(|stray| StrayFile {
                    path: stray.path.display().to_string(),
                    what: stray.what,
                })
                .collect(),
            deleted: Vec::new(),
            tombstones: Vec::new(),
        }
    }

    /// With what was done about it.
    pub(super) fn after(mut self, deleted: &[Object], buried: &[CommitId]) -> Record {
        let name = |(kind, checksum): &Object| format!("{checksum}.{}", kind.name());
        self.deleted = deleted.iter().map(name).collect();
        self.tombstones = buried.iter().map(CommitId::to_string).collect();
        self
    }
}

impl ObjectProblem {
    fn new(finding: &Finding, paths: Vec<(CommitId, String)>) -> ObjectProblem {
        let (kind, checksum) = finding.object;
        let paths = paths.into_iter();
        ObjectProblem {
            object: checksum.to_string(),
            r#type: kind.name(),
            missing: matches!(finding.problem, Problem::Missing),
            problem: problem(finding),
            commits: finding.commits.iter().map(CommitId::to_string).collect(),
            paths: paths
                .map(|(commit, path)| Located {
                    commit: commit.to_string(),
                    path,
                })
                .collect(),
        }
    }
}
