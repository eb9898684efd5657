//! Many objects seen as directories.
//!
//! A [`Tree`] is a directory tree whose contents are already objects. Subtrees that nobody had to look into stay
//! what they are, two checksums; only directories that change are opened. Writing a tree goes from the leaves up.

pub mod checkout;
pub mod checksum_path;
pub mod consume;
pub mod diff;
pub mod export_tar;
pub mod import_dir;
pub mod import_tar;
pub mod modify;
pub mod on_disk;
pub mod path_rules;
pub mod recorded;
pub mod reuse;
pub mod walk;
mod weight;

use std::collections::BTreeMap;

use crate::checksum::{DirMetaId, DirTreeId, FileId};
use crate::object::{Checksummer, DirMeta, DirTree, Name, ObjectSink, WriteError};
use crate::repo::ReadError;

/// How deep directories may lie in each other: a path of more components has more than the 4,096 bytes that Linux
/// takes. A repository may hold deeper trees, made by somebody who means harm.
pub const MAX_DEPTH: usize = 2048;

/// A directory in memory, its files and unopened subdirectories already stored as objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// The directory's own metadata, if it is known yet.
    pub meta: Option<DirMetaId>,
    /// Regular files and symbolic links.
    pub files: BTreeMap<Name, FileId>,
    /// Subdirectories. A name never stands in both maps.
    pub dirs: BTreeMap<Name, Subtree>,
}

/// A subdirectory of a [`Tree`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subtree {
    /// Not looked into: dirtree and dirmeta as they stand in a repository.
    Stored(DirTreeId, DirMetaId),
    /// In memory.
    Open(Tree),
}

/// Where the dirtree objects of [`Subtree::Stored`] can be read.
pub trait DirTreeSource: Sync {
    /// Reads one dirtree.
    fn dirtree(&self, id: &DirTreeId) -> Result<DirTree, ReadError>;

    /// Whether it has the dirtrees that are written while a tree is made.
    fn has_written(&self) -> bool {
        true
    }
}

/// A checksummer keeps nothing, so it has nothing to give: its trees are open throughout.
impl DirTreeSource for Checksummer {
    fn dirtree(&self, id: &DirTreeId) -> Result<DirTree, ReadError> {
        Err(ReadError::missing_dirtree(id))
    }

    fn has_written(&self) -> bool {
        false
    }
}

/// Why two trees cannot be laid over each other, or a directory cannot be made in one.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A file where the tree below has a directory.
    #[error("Can't replace directory with file: {name}")]
    FileOverDirectory {
        /// The name both have.
        name: String,
    },
    /// A directory where the tree below has a file.
    #[error("Can't replace file with directory: {name}")]
    DirectoryOverFile {
        /// The name both have.
        name: String,
    },
    /// The root directory's owner and mode were never said.
    #[error("Can't commit an empty tree")]
    NoRoot,
    /// A directory without owner and mode.
    #[error("directory {name:?} has no owner and mode")]
    NoMeta {
        /// Its name.
        name: String,
    },
    /// Directories within directories beyond what any system can reach.
    #[error("directories are nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// More entries than are held at once.
    #[error("the tree takes more than {} MiB of memory", .limit >> 20)]
    TooLarge {
        /// How much it may take, in bytes.
        limit: usize,
    },
    /// A stored subtree could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An object could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Tree {
    /// The stored directory `tree` with the metadata `meta`, its subdirectories unopened.
    pub fn load(
        source: &dyn DirTreeSource,
        tree: &DirTreeId,
        meta: DirMetaId,
    ) -> Result<Tree, ReadError> {
        let stored = source.dirtree(tree)?;
        let dirs = stored
            .dirs
            .into_iter()
            .map(|(name, (tree, meta))| (name, Subtree::Stored(tree, meta)));
        Ok(Tree {
            meta: Some(meta),
            files: stored.files,
            dirs: dirs.collect(),
        })
    }

    /// Puts a file into the directory, in place of a file of the same name.
    pub fn put_file(&mut self, name: Name, file: FileId) -> Result<(), TreeError> {
        if self.dirs.contains_key(&name) {
            return Err(TreeError::FileOverDirectory {
                name: name.to_string(),
            });
        }
        self.files.insert(name, file);
        Ok(())
    }

    /// The subdirectory `name`, opened if it was not, made if there is none.
    pub fn open_dir(
        &mut self,
        source: &dyn DirTreeSource,
        name: &Name,
    ) -> Result<&mut Tree, TreeError> {
        if self.files.contains_key(name) {
            return Err(TreeError::DirectoryOverFile {
                name: name.to_string(),
            });
        }
        let subtree = self
            .dirs
            .entry(name.clone())
            .or_insert_with(|| Subtree::Open(Tree::default()));
        subtree.open(source)
    }

    /// Lays `upper` over this tree: files replace files, directories merge and take the upper one's metadata.
    pub fn overlay(&mut self, upper: Tree, source: &dyn DirTreeSource) -> Result<(), TreeError> {
        // Explicit work list: trees may be as deep as their maker liked.
        let mut work = vec![(Vec::<Name>::new(), upper)];
        // What is read on the way. A few stored directories that hold each other can stand for any number.
        let mut read = 0;
        while let Some((path, upper)) = work.pop() {
            if path.len() > MAX_DEPTH {
                return Err(TreeError::TooDeep);
            }
            let lower = self.descend(&path, source)?;
            read += lower.own_weight() + upper.own_weight();
            if read > weight::MOST {
                return Err(TreeError::TooLarge {
                    limit: weight::MOST,
                });
            }
            lower.meta = upper.meta.or(lower.meta);
            for (name, file) in upper.files {
                lower.put_file(name, file)?;
            }
            for (name, subtree) in upper.dirs {
                if let Some(upper) = lower.place_dir(name.clone(), subtree, source)? {
                    work.push(([path.as_slice(), &[name]].concat(), upper));
                }
            }
        }
        Ok(())
    }

    /// Puts `upper` at `name` if nothing is there yet or both are the same; otherwise gives it back, opened.
    fn place_dir(
        &mut self,
        name: Name,
        upper: Subtree,
        source: &dyn DirTreeSource,
    ) -> Result<Option<Tree>, TreeError> {
        if self.files.contains_key(&name) {
            return Err(TreeError::DirectoryOverFile {
                name: name.to_string(),
            });
        }
        match (self.dirs.get_mut(&name), upper) {
            (None, upper) => {
                self.dirs.insert(name, upper);
                Ok(None)
            }
            (Some(Subtree::Stored(tree, meta)), Subtree::Stored(upper, upper_meta))
                if *tree == upper =>
            {
                *meta = upper_meta;
                Ok(None)
            }
            (Some(_), Subtree::Stored(tree, meta)) => Ok(Some(Tree::load(source, &tree, meta)?)),
            (Some(_), Subtree::Open(tree)) => Ok(Some(tree)),
        }
    }

    /// The directory at `path`, opened or made all the way down.
    pub fn descend(
        &mut self,
        path: &[Name],
        source: &dyn DirTreeSource,
    ) -> Result<&mut Tree, TreeError> {
        path.iter()
            .try_fold(self, |tree, name| tree.open_dir(source, name))
    }

    /// Writes every open directory, leaves first, and returns the names of the root.
    pub fn write(&self, sink: &dyn ObjectSink) -> Result<(DirTreeId, DirMetaId), TreeError> {
        let meta = self.meta.ok_or(TreeError::NoRoot)?;
        Ok((self.write_dirs(sink)?, meta))
    }

    /// Post-order over the open directories with a stack of its own.
    fn write_dirs(&self, sink: &dyn ObjectSink) -> Result<DirTreeId, TreeError> {
        let mut stack = vec![Unwritten::new(self)];
        loop {
            let Some(top) = stack.last_mut() else {
                return Err(TreeError::NoRoot);
            };
            match top.pending.pop() {
                Some((_, child)) => stack.push(Unwritten::new(child)),
                None => {
                    let id = sink.dirtree(&top.done)?;
                    stack.pop();
                    let Some(parent) = stack.last_mut() else {
                        return Ok(id);
                    };
                    parent.child_written(id)?;
                }
            }
        }
    }
}

impl Subtree {
    /// The directory in memory, loaded if it was not.
    pub fn open(&mut self, source: &dyn DirTreeSource) -> Result<&mut Tree, TreeError> {
        if let Subtree::Stored(tree, meta) = self {
            *self = Subtree::Open(Tree::load(source, tree, *meta)?);
        }
        match self {
            Subtree::Open(tree) => Ok(tree),
            Subtree::Stored(tree, _) => Err(ReadError::missing_dirtree(tree).into()),
        }
    }
}

/// A directory on the way to being written: `pending` children first, then itself.
struct Unwritten<'a> {
    done: DirTree,
    pending: Vec<(&'a Name, &'a Tree)>,
    /// The children in the order in which they are taken from `pending`, to name them when they come back.
    order: Vec<(&'a Name, Option<DirMetaId>)>,
}

impl<'a> Unwritten<'a> {
    fn new(tree: &'a Tree) -> Self {
        let mut done = DirTree {
            files: tree.files.clone(),
            dirs: BTreeMap::new(),
        };
        let mut pending = Vec::new();
        for (name, subtree) in &tree.dirs {
            match subtree {
                Subtree::Stored(tree, meta) => drop(done.dirs.insert(name.clone(), (*tree, *meta))),
                Subtree::Open(tree) => pending.push((name, tree)),
            }
        }
        let order = pending
            .iter()
            .map(|(name, tree)| (*name, tree.meta))
            .collect();
        Unwritten {
            done,
            pending,
            order,
        }
    }

    fn child_written(&mut self, id: DirTreeId) -> Result<(), TreeError> {
        let (name, meta) = self.order.pop().ok_or(TreeError::NoRoot)?;
        let meta = meta.ok_or_else(|| TreeError::NoMeta {
            name: name.to_string(),
        })?;
        self.done.dirs.insert(name.clone(), (id, meta));
        Ok(())
    }
}

/// Writes a dirmeta object and says that the directory has it.
pub(crate) fn set_meta(
    tree: &mut Tree,
    meta: &DirMeta,
    sink: &dyn ObjectSink,
) -> Result<(), WriteError> {
    tree.meta = Some(sink.dirmeta(meta)?);
    Ok(())
}
