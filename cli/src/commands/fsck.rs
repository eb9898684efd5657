//! `fsck`: whether everything is there and is what its name says.
//!
//! What is told, and in which order, is ostree's: it stops at the first corrupt object unless `--all`, goes on after
//! a missing one, and marks commits that miss something as partial. The check itself always looks at everything,
//! also for what ostree lets pass.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::ProgressBar;
use ostree_store::checksum::CommitId;
use ostree_store::object::ObjectKind;
use ostree_store::repo::{ReadError, RefError, Repo};
use ostree_store::upkeep::fsck::{Finding, Problem, RefFinding, Report, fsck, mark_partial};
use serde::Serialize;

use crate::console::Console;
use crate::failure::{Failure, chain};

/// Check a repository for missing and corrupt objects
#[derive(Args, Debug)]
pub(crate) struct FsckArgs {
    /// Tell all that is wrong, not only the first corrupt object
    #[arg(long, short = 'a')]
    all: bool,
    /// Print a JSON object; everything that is wrong is in it
    #[arg(long)]
    json: bool,
}

/// The end of a check that found something.
const CORRUPTION: &str = "Repository corruption encountered";

pub(crate) fn run(args: &FsckArgs, repo: &Repo, console: &mut Console) -> Result<(), Failure> {
    let report = check(repo, console)?;
    if args.json {
        for commit in incomplete(&report) {
            mark_partial(repo, commit)?;
        }
        console.json(&Record::new(&report))?;
        return if report.is_clean() {
            Ok(())
        } else {
            Err(Failure::new(CORRUPTION))
        };
    }
    Telling {
        args,
        repo,
        report: &report,
        console,
    }
    .tell()
}

/// Runs the check, with a progress bar if it takes long and somebody watches.
fn check(repo: &Repo, console: &Console) -> Result<Report, Failure> {
    let bar = if console.shows_progress() {
        ProgressBar::no_length()
    } else {
        ProgressBar::hidden()
    };
    let started = Instant::now();
    let report = fsck(repo, &|done, all| {
        if started.elapsed() > Duration::from_millis(500) {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        }
    });
    bar.finish_and_clear();
    Ok(report?)
}

/// The commits of which something is missing.
fn incomplete(report: &Report) -> BTreeSet<&CommitId> {
    let missing = report
        .findings
        .iter()
        .filter(|finding| matches!(finding.problem, Problem::Missing));
    missing.flat_map(|finding| &finding.commits).collect()
}

/// Tells a report line by line.
struct Telling<'a> {
    args: &'a FsckArgs,
    repo: &'a Repo,
    report: &'a Report,
    console: &'a mut Console,
}

impl Telling<'_> {
    fn tell(&mut self) -> Result<(), Failure> {
        self.step("Validating refs...")?;
        self.refs()?;
        self.step("Validating refs in collections...")?;
        self.step("Enumerating commits...")?;
        let commits = self.report.commits.len();
        self.step(format!(
            "Verifying content integrity of {commits} commit objects..."
        ))?;
        self.findings()?;
        let objects = self.report.objects;
        if let Some(percent) = 100_usize.checked_div(objects) {
            self.console
                .line(format_args!("fsck objects (1/{objects}) {percent}%"))?;
            self.console
                .line(format_args!("fsck objects ({objects}/{objects}) 100%"))?;
        }
        self.end()
    }

    /// A line that is not wanted with `-q`.
    fn step(&mut self, line: impl std::fmt::Display) -> Result<(), Failure> {
        if self.console.is_quiet() {
            Ok(())
        } else {
            self.console.line(line)
        }
    }

    fn refs(&mut self) -> Result<(), Failure> {
        match self.report.refs.first() {
            Some(RefFinding::Missing { refspec, commit }) => {
                return self.dangling(refspec, &commit.to_string());
            }
            Some(RefFinding::Unreadable(RefError::Content { content })) => {
                let texts = self.repo.ref_texts()?;
                let found = texts.iter().find(|(_, text)| text.trim_end() == content);
                return self.dangling(found.map_or("", |(refspec, _)| refspec), content);
            }
            Some(finding) => return Err(Failure::new(chain(finding))),
            None => {}
        }
        let named: BTreeSet<CommitId> = self.repo.refs()?.into_values().collect();
        for finding in &self.report.findings {
            let (kind, checksum) = finding.object;
            let corrupt = !matches!(finding.problem, Problem::Missing);
            if kind == ObjectKind::Commit && corrupt && named.contains(&CommitId::new(checksum)) {
                self.corrupt(what_is_wrong(finding))?;
            }
        }
        Ok(())
    }

    /// A ref that names no commit.
    fn dangling(&mut self, refspec: &str, content: &str) -> Result<(), Failure> {
        self.console
            .complain(format_args!("Object missing: {content}.commit"))?;
        let words =
            format!("Loading commit for ref {refspec}: No such metadata object {content}.commit");
        Err(Failure::new(words))
    }

    fn findings(&mut self) -> Result<(), Failure> {
        let mut marked = BTreeSet::new();
        for finding in &self.report.findings {
            let (kind, checksum) = finding.object;
            let commits = commits_of(finding);
            match &finding.problem {
                // ostree cannot go on without a directory either.
                Problem::Missing if kind == ObjectKind::DirTree => {
                    return Err(Failure::new(format_args!(
                        "No such metadata object {checksum}.dirtree"
                    )));
                }
                Problem::Missing => {
                    let name = kind.name();
                    self.console.complain(format_args!(
                        "Object missing in commits {commits}: {checksum}.{name}"
                    ))?;
                    for commit in finding
                        .commits
                        .iter()
                        .filter(|commit| marked.insert(**commit))
                    {
                        self.console
                            .complain(format_args!("Marking commit as partial: {commit}"))?;
                        mark_partial(self.repo, commit)?;
                    }
                }
                _ => self.corrupt(format!("In commits {commits}: {}", what_is_wrong(finding)))?,
            }
        }
        Ok(())
    }

    /// The first corrupt object ends the check unless all are asked for.
    fn corrupt(&mut self, words: String) -> Result<(), Failure> {
        if self.args.all {
            self.console.complain(words)
        } else {
            Err(Failure::new(words))
        }
    }

    fn end(&mut self) -> Result<(), Failure> {
        let partial = self.report.partial.len();
        if partial > 0 {
            self.console
                .line(format_args!("{partial} partial commits not verified"))?;
        }
        if !self.report.findings.is_empty() {
            return Err(Failure::new(CORRUPTION));
        }
        let found_before = self
            .report
            .partial
            .iter()
            .filter(|(_, by_fsck)| *by_fsck)
            .count();
        if found_before > 0 {
            let words = format!("{found_before} partial commits from fsck-detected corruption");
            return Err(Failure::new(words));
        }
        let commits = self.report.commits.len();
        let words =
            format!("object fsck of {commits} commits completed successfully - no errors found.");
        self.console.line(words)
    }
}

fn commits_of(finding: &Finding) -> String {
    finding
        .commits
        .iter()
        .map(CommitId::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The object and its problem.
fn what_is_wrong(finding: &Finding) -> String {
    let (kind, checksum) = finding.object;
    match kind {
        ObjectKind::File => format!("fsck content object {checksum}: {}", problem(finding)),
        _ => format!("fsck {checksum}.{}: {}", kind.name(), problem(finding)),
    }
}

/// The problem without the object's name.
fn problem(finding: &Finding) -> String {
    match &finding.problem {
        Problem::Unreadable(ReadError::Parse { source, .. }) => chain(source),
        Problem::Unreadable(ReadError::Form { what, .. }) => (*what).to_owned(),
        problem => chain(problem),
    }
}

/// What `--json` tells.
#[derive(Debug, Serialize)]
struct Record {
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
}

impl Record {
    fn new(report: &Report) -> Record {
        let partial = report.partial.iter();
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
            refs: report.refs.iter().map(|finding| chain(finding)).collect(),
            problems: report.findings.iter().map(ObjectProblem::new).collect(),
        }
    }
}

impl ObjectProblem {
    fn new(finding: &Finding) -> ObjectProblem {
        let (kind, checksum) = finding.object;
        ObjectProblem {
            object: checksum.to_string(),
            r#type: kind.name(),
            missing: matches!(finding.problem, Problem::Missing),
            problem: problem(finding),
            commits: finding.commits.iter().map(CommitId::to_string).collect(),
        }
    }
}
