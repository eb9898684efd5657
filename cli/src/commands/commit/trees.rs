//! The tree of a new commit: one or more trees laid over each other.

use std::fs::File;
use std::io;
use std::path::Path;

use ostree_store::SystemError;
use ostree_store::repo::{Repo, Transaction};
use ostree_store::tree::Tree;
use ostree_store::tree::import_dir::{DirOptions, import_dir_with};
use ostree_store::tree::import_tar::{TarOptions, import_tar};

use super::CommitArgs;
use super::changes::Changes;
use super::pathname_filter;
use super::remake::remake;
use crate::failure::Failure;

/// Where a tree comes from.
enum Source<'a> {
    Dir(&'a Path),
    Tar(&'a str),
    Ref(&'a str),
}

/// Lays everything that the command line names over each other, left to right.
pub(super) fn assemble(
    args: &CommitArgs,
    changes: &Changes,
    transaction: &Transaction<'_>,
    options: &DirOptions<'_>,
) -> Result<Tree, Failure> {
    let repo = transaction.repo();
    let mut tree = match &args.base {
        Some(rev) => stored(rev, repo)?,
        None => Tree::default(),
    };
    let sources: Result<Vec<Source<'_>>, Failure> = match args.tree.is_empty() {
        true => Ok(vec![Source::Dir(args.source())]),
        false => args.tree.iter().map(|spec| parse(spec)).collect(),
    };
    for source in sources? {
        if args.generate_sizes {
            transaction.note_sizes(); // as in ostree, which thereby forgets the objects of the source before
        }
        match source {
            Source::Dir(path) => {
                let upper = import_dir_with(path, &changes.modifier, options, transaction)?;
                tree.overlay(upper, transaction)?;
            }
            Source::Tar(path) => tar(path, args, changes, &mut tree, transaction)?,
            Source::Ref(rev) => {
                let mut upper = stored(rev, repo)?;
                if changes.remakes {
                    remake(&mut upper, &changes.modifier, transaction)?;
                }
                tree.overlay(upper, transaction)?;
            }
        }
    }
    Ok(tree)
}

fn parse(spec: &str) -> Result<Source<'_>, Failure> {
    let (kind, what) = spec.split_once('=').ok_or_else(|| {
        Failure::usage(format_args!("Missing type in tree specification '{spec}'"))
    })?;
    match kind {
        "dir" => Ok(Source::Dir(Path::new(what))),
        "tar" => Ok(Source::Tar(what)),
        "ref" => Ok(Source::Ref(what)),
        _ => Err(Failure::usage(format_args!(
            "Invalid tree type specification '{kind}'"
        ))),
    }
}

/// A commit's tree, nothing of it looked into yet.
fn stored(rev: &str, repo: &Repo) -> Result<Tree, Failure> {
    let commit = repo.commit(&repo.resolve(rev)?)?;
    Ok(Tree::load(repo, &commit.root_tree, commit.root_meta)?)
}

fn tar(
    path: &str,
    args: &CommitArgs,
    changes: &Changes,
    tree: &mut Tree,
    transaction: &Transaction<'_>,
) -> Result<(), Failure> {
    let options = TarOptions {
        modifier: changes.modifier.clone(),
        autocreate_parents: args.tar_autocreate_parents,
        renamer: match &args.tar_pathname_filter {
            Some(filter) => Some(pathname_filter::parse(filter)?),
            None => None,
        },
    };
    if path == "-" {
        return Ok(import_tar(
            tree,
            io::stdin().lock(),
            &options,
            transaction,
            transaction,
        )?);
    }
    let archive = File::open(path).map_err(|error| {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
        let words = format!(
            "archive_read_open_filename: Failed to open '{}'",
            absolute.display()
        );
        Failure::new(words).hint(format!("the system says: {}", SystemError::from(error)))
    })?;
    Ok(import_tar(
        tree,
        archive,
        &options,
        transaction,
        transaction,
    )?)
}
