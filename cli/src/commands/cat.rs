//! `cat`: the content of files.
//!
//! Symbolic links are followed inside the commit: `/` in a target is its root, and `..` does not lead out of it. Two
//! slashes behind a name begin at the root again, as in every path that ostree takes ([`walk::names`]).

use clap::Args;
use ostree_store::object::FileKind;
use ostree_store::repo::Repo;
use ostree_store::tree::walk::{self, Entry};

use crate::console::Console;
use crate::failure::Failure;

/// Print the content of files
#[derive(Args, Debug)]
pub(crate) struct CatArgs {
    /// Commit, ref or checksum
    #[arg(value_name = "COMMIT", required = true)]
    rev: String,
    /// Files in it, links followed
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<String>,
}

pub(crate) fn run(args: &CatArgs, repo: &Repo, console: &mut Console) -> Result<(), Failure> {
    let commit = repo.commit(&repo.resolve(&args.rev)?)?;
    for path in &args.paths {
        let named = format!("/{}", walk::names(path).join("/"));
        let found = walk::resolve_following(repo, Entry::root_of(&commit), &named)?;
        let slash = named.len() > 1 && named.ends_with('/');
        let id = match found {
            Entry::File(_) if slash => return Err(Failure::new("Not a directory")),
            Entry::File(id) => id,
            Entry::Dir { .. } if slash => {
                let words = format!("No such file or directory: {named}");
                return Err(Failure::new(words));
            }
            Entry::Dir { .. } => return Err(Failure::new("Can't open directory")),
        };
        let mut stored = repo.file(&id)?;
        if stored.header.kind == FileKind::Regular {
            console.content(&mut stored, path)?;
        }
    }
    Ok(())
}
