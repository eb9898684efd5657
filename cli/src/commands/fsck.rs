//! `fsck`: whether everything is there and is what its name says.
//!
//! What is told, and in which order, is ostree's: it stops at the first corrupt object unless `--all` or `--delete`,
//! goes on after a missing one, and marks commits that miss something as partial. The check itself always looks at
//! everything, also for what ostree lets pass. Under our own name the program says in addition where in the trees
//! a broken object stands, what lies badly in the repository, and what to do.

mod record;

use std::collections::BTreeSet;

use clap::Args;
use ostree_store::checksum::CommitId;
use ostree_store::object::ObjectKind;
use ostree_store::repo::{ReadError, Repo};
use ostree_store::upkeep::fsck::{
    Checks, Finding, Problem, RefFinding, Report, commits_without_parent, fsck_with, mark_partial,
    strays,
};

use super::values::refuse_words;
use crate::console::Console;
use crate::face::Face;
use crate::failure::{Failure, chain};
use crate::progress::Progress;
use record::Record;

/// Check a repository for missing and corrupt objects
#[derive(Args, Debug)]
pub(crate) struct FsckArgs {
    /// Tell all that is wrong, not only the first corrupt object
    #[arg(long, short = 'a')]
    all: bool,
    /// Delete corrupt objects, and go on
    ///
    /// The commits that need them become partial. Objects that could not be read this time stay.
    #[arg(long)]
    delete: bool,
    /// Delete commits whose parent is not there, and leave tombstones in their place
    ///
    /// Unlike ostree, not if a ref names one of them.
    #[arg(long)]
    add_tombstones: bool,
    /// Check that commits are bound to the refs that name them
    #[arg(long)]
    verify_bindings: bool,
    /// Check that the refs that a commit is bound to name it
    #[arg(long)]
    verify_back_refs: bool,
    /// Print a JSON object; everything that is wrong is in it
    #[arg(long)]
    json: bool,
    /// More words, which ostree does not look at
    #[arg(value_name = "WORDS", hide = true)]
    words: Vec<String>,
}

/// The end of a check that found something.
const CORRUPTION: &str = "Repository corruption encountered";

/// In how many commits an object with a problem is located.
const LOCATED: usize = 3;

/// How many objects with a problem are located: each costs a look into some directories, and who has more of them has
/// other worries.
const LOCATED_OBJECTS: usize = 1000;

pub(crate) fn run(args: &FsckArgs, repo: &Repo, console: &mut Console) -> Result<(), Failure> {
    refuse_words(&args.words, console)?;
    // A transaction may count on an object that is about to be deleted.
    let deletes = args.delete || args.add_tombstones;
    let _lock = deletes.then(|| repo.lock_exclusive()).transpose()?;
    let ours = console.face() == Face::ApkOstree;
    let checks = Checks {
        // ostree means to verify bindings with --verify-back-refs too, but looks at the refs before it knows.
        bindings: args.verify_bindings,
        back_refs: args.verify_back_refs,
        weaknesses: ours || args.json,
    };
    let cut_off = match args.add_tombstones {
        true => without_parent(repo)?,
        false => Vec::new(),
    };
    let report = check(repo, checks, console)?;
    let mut telling = Telling {
        args,
        repo,
        report: &report,
        console,
        ours,
        located: 0,
    };
    if args.json {
        telling.json(&cut_off)
    } else {
        telling.tell(&cut_off)
    }
}

/// The commits to put tombstones in place of; none may have a ref, which would name nothing then.
fn without_parent(repo: &Repo) -> Result<Vec<CommitId>, Failure> {
    let commits = commits_without_parent(repo)?;
    for (refspec, commit) in repo.refs()? {
        if commits.contains(&commit) {
            let words = format!("Commit '{commit}' is referenced by '{refspec}'");
            return Err(Failure::new(words).hint(
                "its parent is not there, so --add-tombstones would delete it; delete or move the ref first",
            ));
        }
    }
    Ok(commits)
}

/// Runs the check, with a progress bar if it takes long and somebody watches.
fn check(repo: &Repo, checks: Checks, console: &Console) -> Result<Report, Failure> {
    let progress = Progress::bar(console);
    let report = fsck_with(repo, checks, &|done, all| {
        progress.show(done as u64, all as u64);
    });
    progress.finish();
    Ok(report?)
}

/// Tells a report line by line, and does what was asked for.
struct Telling<'a> {
    args: &'a FsckArgs,
    repo: &'a Repo,
    report: &'a Report,
    console: &'a mut Console,
    /// More is said than ostree says.
    ours: bool,
    /// How many objects have been located.
    located: usize,
}

impl Telling<'_> {
    fn json(&mut self, cut_off: &[CommitId]) -> Result<(), Failure> {
        let mut deleted = Vec::new();
        for finding in &self.report.findings {
            if self.breaks_commits(finding) {
                for commit in finding.commits.iter() {
                    mark_partial(self.repo, commit)?;
                }
            }
            if self.delete(finding)? {
                deleted.push(finding.object);
            }
        }
        self.bury(cut_off, false)?;
        let strays = strays(self.repo)?;
        let record = Record::new(self.repo, self.report, &strays);
        self.console.json(&record.after(&deleted, cut_off))?;
        if self.report.is_clean() {
            Ok(())
        } else {
            Err(Failure::new(CORRUPTION))
        }
    }

    fn tell(&mut self, cut_off: &[CommitId]) -> Result<(), Failure> {
        self.step("Validating refs...")?;
        self.corrupt_heads()?;
        self.refs(&self.report.refs)?;
        self.step("Validating refs in collections...")?;
        self.refs(&self.report.collection_refs)?;
        self.step("Enumerating commits...")?;
        if let Some(finding) = self.report.back_refs.first() {
            return Err(Failure::new(finding));
        }
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
        self.bury(cut_off, true)?;
        self.weaknesses()?;
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

    fn refs(&mut self, findings: &[RefFinding]) -> Result<(), Failure> {
        let Some(finding) = findings.first() else {
            return Ok(());
        };
        match finding {
            RefFinding::Missing { refspec, commit } => self.dangling(refspec, &commit.to_string()),
            RefFinding::Garbage { refspec, content } => self.dangling(refspec, content),
            RefFinding::Binding { .. } => Err(Failure::new(finding).hint(
                "make the ref name a commit that was made for it, or commit anew with --bind-ref",
            )),
            RefFinding::Unreadable(_) => Err(Failure::new(chain(finding))),
        }
    }

    /// A ref that names no commit. ostree says which, but not of which remote.
    fn dangling(&mut self, refspec: &str, content: &str) -> Result<(), Failure> {
        self.console
            .complain(format_args!("Object missing: {content}.commit"))?;
        let name = refspec.split_once(':').map_or(refspec, |(_, name)| name);
        let words =
            format!("Loading commit for ref {name}: No such metadata object {content}.commit");
        Err(Failure::new(words).hint(format!(
            "pull the commit again, set the ref (`apk-ostree reset {refspec} COMMIT`), or delete it \
             (`apk-ostree refs --delete {refspec}`)"
        )))
    }

    /// Commits that refs name are looked at first, and told without the commits that need them.
    fn corrupt_heads(&mut self) -> Result<(), Failure> {
        let corrupt = self.report.findings.iter().filter(|finding| {
            finding.object.0 == ObjectKind::Commit && !matches!(finding.problem, Problem::Missing)
        });
        let corrupt: Vec<&Finding> = corrupt.collect();
        if corrupt.is_empty() {
            return Ok(());
        }
        for (refspec, text) in self.repo.ref_texts()? {
            let named = text.trim_end();
            let found = corrupt
                .iter()
                .find(|found| found.object.1.to_string() == named);
            let Some(finding) = found else { continue };
            self.corrupt(finding, what_is_wrong(finding))?;
            if self.args.delete && self.delete(finding)? {
                let name = refspec.split_once(':').map_or(&*refspec, |(_, name)| name);
                return Err(Failure::new(format_args!(
                    "Loading commit for ref {name}: No such metadata object {named}.commit"
                )));
            }
        }
        Ok(())
    }

    fn findings(&mut self) -> Result<(), Failure> {
        let mut marked = BTreeSet::new();
        for finding in &self.report.findings {
            let (kind, checksum) = finding.object;
            let commits = commits_of(finding);
            let name = kind.name();
            match &finding.problem {
                // ostree cannot go on without a directory either.
                Problem::Missing if kind == ObjectKind::DirTree => {
                    let words = format!("No such metadata object {checksum}.dirtree");
                    self.located(finding)?;
                    return Err(Failure::new(words).hint(REPAIR));
                }
                Problem::Missing => {
                    self.console.complain(format_args!(
                        "Object missing in commits {commits}: {checksum}.{name}"
                    ))?;
                }
                _ => {
                    let words = format!("In commits {commits}: {}", what_is_wrong(finding));
                    self.corrupt(finding, words)?;
                }
            }
            self.located(finding)?;
            if self.breaks_commits(finding) {
                for commit in finding.commits.iter() {
                    if marked.insert(*commit) {
                        self.console
                            .complain(format_args!("Marking commit as partial: {commit}"))?;
                        mark_partial(self.repo, commit)?;
                    }
                }
            }
            // The commits are known to be partial before the object is gone.
            self.delete(finding)?;
        }
        Ok(())
    }

    /// The first corrupt object ends the check unless all are asked for, or it is to be deleted.
    fn corrupt(&mut self, finding: &Finding, words: String) -> Result<(), Failure> {
        if self.args.all || self.args.delete {
            return self.console.complain(words);
        }
        self.located(finding)?;
        Err(Failure::new(words).hint(REPAIR))
    }

    /// Whether the commits that need the object will miss it.
    fn breaks_commits(&self, finding: &Finding) -> bool {
        let missing = matches!(finding.problem, Problem::Missing);
        let deleted = self.args.delete && finding.problem.is_worthless();
        (missing || deleted) && finding.object.0 != ObjectKind::Commit
    }

    /// Deletes an object if it is worthless and that was asked for; says whether it did.
    fn delete(&mut self, finding: &Finding) -> Result<bool, Failure> {
        if !self.args.delete || !finding.problem.is_worthless() {
            return Ok(false);
        }
        let (kind, checksum) = finding.object;
        // What is no file at all, such as a directory, stays, as in ostree; so does what a parent repository has.
        let is_own = self.repo.has_own(kind, &checksum)?;
        Ok(is_own && self.repo.remove_object(kind, &checksum).is_ok())
    }

    /// Where in the trees the object stands.
    fn located(&mut self, finding: &Finding) -> Result<(), Failure> {
        self.located += 1;
        if !self.ours || self.located > LOCATED_OBJECTS {
            return Ok(());
        }
        for (commit, path) in self.report.paths(self.repo, finding, LOCATED) {
            self.console
                .complain(format_args!("  as {path} in {commit}"))?;
        }
        match finding.commits.len().checked_sub(LOCATED) {
            None | Some(0) => Ok(()),
            Some(more) => self
                .console
                .complain(format_args!("  and in {more} more commits")),
        }
    }

    /// Puts tombstones in place of commits.
    fn bury(&mut self, cut_off: &[CommitId], tell: bool) -> Result<(), Failure> {
        if !cut_off.is_empty() && !self.repo.keeps_tombstones()? {
            self.repo.enable_tombstones()?;
        }
        for commit in cut_off {
            if tell {
                self.console
                    .line(format_args!("Adding tombstone for commit {commit}"))?;
            }
            self.repo.remove_commit(commit, true)?;
        }
        Ok(())
    }

    /// What ostree does not look for.
    fn weaknesses(&mut self) -> Result<(), Failure> {
        if !self.ours {
            return Ok(());
        }
        for ((kind, checksum), weakness) in &self.report.weaknesses {
            let words = format!("{checksum}.{}: {weakness}", kind.name());
            if weakness.is_fault() {
                self.console.complain(words)?;
            } else {
                self.console.say(format_args!("note: {words}"))?;
            }
        }
        for stray in strays(self.repo)? {
            let path = stray.path.display();
            self.console
                .say(format_args!("note: {path}: {}", stray.what))?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Failure> {
        let partial = self.report.partial.len();
        if partial > 0 && !self.args.add_tombstones {
            self.console
                .line(format_args!("{partial} partial commits not verified"))?;
        }
        if !self.report.findings.is_empty() {
            return Err(Failure::new(CORRUPTION).hint(REPAIR));
        }
        if self.report.partial.iter().any(|(_, by_fsck)| *by_fsck) {
            // The number is that of all partial commits, as in ostree.
            let words = format!("{partial} partial commits from fsck-detected corruption");
            return Err(Failure::new(words).hint("pull the commits again, or prune them"));
        }
        if !self.report.is_clean() {
            let words = "Some objects have the wrong permissions";
            return Err(Failure::new(words).hint("change them back with chmod"));
        }
        let commits = self.report.commits.len();
        let words =
            format!("object fsck of {commits} commits completed successfully - no errors found.");
        self.console.line(words)
    }
}

/// What helps against lost and broken objects.
const REPAIR: &str = "`fsck -a --delete` removes what is corrupt; pulling or committing the same again brings it back";

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
