//! `log`: a commit and those before it.

use std::collections::BTreeSet;

use clap::Args;
use ostree_store::object::ObjectKind;
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
    let mut shown = Vec::new();
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
            if !args.json {
                console.line(CUT_OFF)?;
            }
            break;
        }
        let commit = repo.commit(&id)?;
        next = commit.parent;
        if args.json {
            shown.push(Shown::of(id, commit)?);
            continue;
        }
        console.line(format_args!("commit {id}"))?;
        match args.raw {
            true => console.line(raw_text(repo, ObjectKind::Commit, id.checksum(), false)?)?,
            false => console.data(format_args!("{}", Shown::of(id, commit)?))?,
        }
    }
    if args.json {
        console.json(&shown.iter().map(Shown::record).collect::<Vec<_>>())?;
    }
    Ok(())
}
