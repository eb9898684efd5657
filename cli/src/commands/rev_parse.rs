//! `rev-parse`: from what a user types to a commit's checksum.

use clap::Args;
use ostree_store::repo::Repo;

use crate::console::Console;
use crate::failure::Failure;

/// Print the commits that refs name
#[derive(Args, Debug)]
pub(crate) struct RevParseArgs {
    /// Refs, checksums, or beginnings of checksums; `REV^` is the parent
    #[arg(value_name = "REV")]
    revs: Vec<String>,
    /// Print the only commit that the repository has
    #[arg(long, short = 'S')]
    single: bool,
}

pub(crate) fn run(args: &RevParseArgs, repo: &Repo, console: &mut Console) -> Result<(), Failure> {
    match (args.single, args.revs.is_empty()) {
        (true, false) => Err(Failure::usage("Cannot specify arguments with --single")),
        (true, true) => single(repo, console),
        (false, true) => Err(Failure::usage("REV must be specified")),
        (false, false) => args
            .revs
            .iter()
            .try_for_each(|rev| console.line(repo.resolve(rev)?)),
    }
}

fn single(repo: &Repo, console: &mut Console) -> Result<(), Failure> {
    match *repo.commits_beginning_with("")? {
        [commit] => console.line(commit),
        [] => Err(Failure::new("No commit objects found")),
        _ => Err(Failure::new("Multiple commit objects found")),
    }
}
