//! The tree of a new commit: one or more trees laid over each other.

use std::fs::File;
use std::io;
use std::path::Path;

use ostree_store::SystemError;
use ostree_store::checksum::{DirMetaId, DirTreeId};
use ostree_store::repo::{Repo, Transaction};
use ostree_store::tree::Tree;
use ostree_store::tree::import_dir::{DirOptions, import_dir_with};
use ostree_store::tree::import_tar::{TarOptions, import_tar};

use super::CommitArgs;
use super::changes::Changes;
use super::owners;
use super::pathname_filter;
use super::remake::remake;
use crate::failure::Failure;

/// Where a tree comes from.
enum Source<'a> {
    Dir(&'a Path),
    Tar(&'a str),
    Ref(&'a str),
}

/// Trees laid over each other.
#[derive(Default)]
pub(super) struct Assembled {
    tree: Tree,
    /// The dirtree that the root is, as long as nothing was put into it. ostree does not write it again then.
    stored: Option<DirTreeId>,
}

impl Assembled {
    /// Begins with a commit's tree.
    fn stored(rev: &str, repo: &Repo) -> Result<Assembled, Failure> {
        let commit = repo.commit(&repo.resolve(rev)?)?;
        Ok(Assembled {
            tree: Tree::load(repo, &commit.root_tree, commit.root_meta)?,
            stored: Some(commit.root_tree),
        })
    }

    /// Lays another tree over it.
    fn overlay(&mut self, upper: Assembled, transaction: &Transaction<'_>) -> Result<(), Failure> {
        let is_empty = |tree: &Tree| tree.files.is_empty() && tree.dirs.is_empty();
        if is_empty(&self.tree) {
            self.stored = upper.stored;
        } else if !is_empty(&upper.tree) && self.stored != upper.stored {
            self.stored = None;
        }
        Ok(self.tree.overlay(upper.tree, transaction)?)
    }

    /// Writes what is not written yet.
    pub(super) fn write(
        &self,
        transaction: &Transaction<'_>,
    ) -> Result<(DirTreeId, DirMetaId), Failure> {
        match (self.stored, self.tree.meta) {
            (Some(tree), Some(meta)) => Ok((tree, meta)),
            _ => Ok(self.tree.write(transaction)?),
        }
    }
}

/// Lays everything that the command line names over each other, left to right.
pub(super) fn assemble(
    args: &CommitArgs,
    changes: &Changes,
    transaction: &Transaction<'_>,
    options: &DirOptions<'_>,
) -> Result<Assembled, Failure> {
    let repo = transaction.repo();
    let mut all = match &args.base {
        Some(rev) => Assembled::stored(rev, repo)?,
        None => Assembled::default(),
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
                let modifier = match args.owners_from_db {
                    true => &owners::of(path, &changes.modifier)?,
                    false => &changes.modifier,
                };
                let upper = Assembled {
                    tree: import_dir_with(path, modifier, options, transaction)?,
                    stored: None,
                };
                all.overlay(upper, transaction)?;
            }
            Source::Tar(path) => {
                all.stored = None;
                tar(path, args, changes, &mut all.tree, transaction)?;
            }
            Source::Ref(rev) => {
                let mut upper = Assembled::stored(rev, repo)?;
                if changes.remakes {
                    upper.stored = None;
                    remake(&mut upper.tree, &changes.modifier, transaction)?;
                }
                all.overlay(upper, transaction)?;
            }
        }
    }
    Ok(all)
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
