//! `log`: a commit and those before it.

use std::collections::BTreeSet;

use clap::Args;
use ostree_store::checksum::CommitId;
use ostree_store::object::{Commit, ObjectKind};
use ostree_store::repo::Repo;

use super::commit_text::{Shown, raw_text};
use crate::console::Console;
use crate::failure::Failure;

/// Show a commit and its ancestors
#[derive(Args, Debug)]
pub(crate) struct LogArgs {
    /// Ref or checksum of the newest commit
    #[arg(value_name = "REV")]
    rev: String,
    /// Show the commits as GVariant text
    #[arg(long)]
    raw: bool,
    /// Print a JSON array, newest commit first
    #[arg(long, conflicts_with = "raw")]
    json: bool,
}

/// What is told where the parent of a commit is not in the repository.
const CUT_OFF: &str = "<< History beyond this commit not fetched >>";

pub(crate) fn run(args: &LogArgs, repo: &Repo, console: &mut Console) -> Result<(), Failure> {
    let newest = repo.resolve(&args.rev)?;
    if !args.json {
        return each(repo, newest, &mut |step| tell(args, repo, step, console));
    }
    let mut array = console.array();
    each(repo, newest, &mut |step| match step {
        Step::Commit(id, commit) => array.push(&Shown::of(id, *commit)?.record()),
        Step::CutOff => Ok(()),
    })?;
    array.finish()
}

/// What is met on the way into the past.
enum Step {
    Commit(CommitId, Box<Commit>),
    /// The parent is not in the repository.
    CutOff,
}

/// Goes from the newest commit to the first, or as far as the repository has them.
fn each(
    repo: &Repo,
    newest: CommitId,
    told: &mut dyn FnMut(Step) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut next = Some(newest);
    let mut seen = BTreeSet::new();
    while let Some(id) = next {
        // Only damage or malice makes this: a checksum cannot be known before what it is of.
        if !seen.insert(id) {
            return Err(Failure::new(format_args!(
                "commit {id} is its own ancestor"
            )));
        }
        if id != newest && !repo.has(ObjectKind::Commit, id.checksum())? {
            return told(Step::CutOff);
        }
        let commit = repo.commit(&id)?;
        next = commit.parent;
        told(Step::Commit(id, Box::new(commit)))?;
    }
    Ok(())
}

fn tell(args: &LogArgs, repo: &Repo, step: Step, console: &mut Console) -> Result<(), Failure> {
    let Step::Commit(id, commit) = step else {
        return console.line(CUT_OFF);
    };
    console.line(format_args!("commit {id}"))?;
    match args.raw {
        true => console.line(raw_text(repo, ObjectKind::Commit, id.checksum(), false)?),
        false => console.data(format_args!("{}", Shown::of(id, *commit)?)),
    }
}
