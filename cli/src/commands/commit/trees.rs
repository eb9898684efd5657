//! The tree of a new commit: one or more trees laid over each other.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;

use ostree_store::SystemError;
use ostree_store::checksum::{DirMetaId, FileId};
use ostree_store::object::{ObjectSink, WriteError};
use ostree_store::repo::{Repo, Transaction};
use ostree_store::tree::import_dir::import_dir_reusing;
use ostree_store::tree::import_tar::{TarOptions, import_tar};
use ostree_store::tree::modify::{Modifier, Origin};
use ostree_store::tree::reuse::Inodes;
use ostree_store::tree::{MAX_DEPTH, Tree, TreeError};

use super::CommitArgs;
use crate::failure::{Failure, Within};

/// Where a tree comes from.
enum Source<'a> {
    Dir(&'a Path),
    Tar(&'a str),
    Ref(&'a str),
}

/// Lays everything that the command line names over each other, left to right. Files of directories that are hard
/// links to objects in `inodes` are not read.
pub(super) fn assemble(
    args: &CommitArgs,
    modifier: &Modifier,
    transaction: &Transaction<'_>,
    inodes: Option<&Inodes<'_>>,
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
                let upper = import_dir_reusing(path, modifier, transaction, inodes)?;
                tree.overlay(upper, transaction)?;
            }
            Source::Tar(path) => tar(path, args, modifier, &mut tree, transaction)?,
            Source::Ref(rev) => {
                let mut upper = stored(rev, repo)?;
                if !modifier.is_identity() {
                    Remake {
                        modifier,
                        transaction,
                        files: HashMap::new(),
                        dirs: HashMap::new(),
                    }
                    .tree(&mut upper)?;
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
    modifier: &Modifier,
    tree: &mut Tree,
    transaction: &Transaction<'_>,
) -> Result<(), Failure> {
    let options = TarOptions {
        modifier: modifier.clone(),
        autocreate_parents: args.tar_autocreate_parents,
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

/// Makes the objects of a stored tree again, with changes; each object once.
struct Remake<'a> {
    modifier: &'a Modifier,
    transaction: &'a Transaction<'a>,
    files: HashMap<FileId, FileId>,
    dirs: HashMap<DirMetaId, DirMetaId>,
}

impl Remake<'_> {
    fn tree(mut self, root: &mut Tree) -> Result<(), Failure> {
        let mut pending = vec![(0, root)];
        while let Some((depth, tree)) = pending.pop() {
            if depth > MAX_DEPTH {
                return Err(TreeError::TooDeep.into());
            }
            if let Some(meta) = &mut tree.meta {
                *meta = self.dir(*meta)?;
            }
            for file in tree.files.values_mut() {
                *file = self.file(*file)?;
            }
            let subtrees = tree
                .dirs
                .values_mut()
                .map(|subtree| Ok((depth + 1, subtree.open(self.transaction)?)));
            pending.extend(subtrees.collect::<Result<Vec<_>, TreeError>>()?);
        }
        Ok(())
    }

    fn dir(&mut self, id: DirMetaId) -> Result<DirMetaId, Failure> {
        if let Some(made) = self.dirs.get(&id) {
            return Ok(*made);
        }
        let mut meta = self.transaction.repo().dirmeta(&id)?;
        self.modifier.apply_dir(&mut meta, Origin::Tree);
        let made = self.transaction.dirmeta(&meta)?;
        self.dirs.insert(id, made);
        Ok(made)
    }

    fn file(&mut self, id: FileId) -> Result<FileId, Failure> {
        if let Some(made) = self.files.get(&id) {
            return Ok(*made);
        }
        let mut stored = self.transaction.repo().file(&id)?;
        let mut header = stored.header.clone();
        self.modifier.apply_file(&mut header, Origin::Tree);
        let size = stored.size;
        let made: Result<FileId, WriteError> = self.transaction.file(&header, size, &mut stored);
        let made = made.within(format_args!("cannot make {id} again"))?;
        self.files.insert(id, made);
        Ok(made)
    }
}
