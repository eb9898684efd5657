//! Hard links: names for files that other entries bring.
//!
//! They are set aside until the archive has been read, because a link may come before its target. Then each takes
//! the object of its target; its own owner and mode mean nothing.

use std::collections::HashMap;
use std::sync::Arc;

use super::ImportTarError;
use super::held::Held;
use super::names::joined;
use crate::checksum::FileId;
use crate::object::{Name, ObjectSink};
use crate::tree::{DirTreeSource, Subtree, Tree, TreeError, weight};

/// What a link takes beside its two paths, in bytes.
const OVERHEAD: usize = 250;

/// Hard links that wait for the end of the archive.
#[derive(Debug, Default)]
pub(super) struct Links {
    links: Vec<Link>,
    /// The last link of each name, for links to links.
    by_name: HashMap<Arc<str>, usize>,
    /// The memory that they take, in bytes.
    weight: usize,
}

/// Paths are kept with slashes between their components, because there may be many.
#[derive(Debug)]
struct Link {
    name: Arc<str>,
    target: Box<str>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody has asked for it yet.
    Aside,
    /// Its target is being looked for.
    Waiting,
    Done,
}

impl Links {
    /// Sets a link aside; gives the memory that it takes, in bytes.
    pub(super) fn add(&mut self, name: &[Name], target: &[Name]) -> usize {
        let name: Arc<str> = joined(name).into();
        let target: Box<str> = joined(target).into();
        let weight = OVERHEAD + name.len() + target.len();
        self.weight += weight;
        self.by_name.insert(Arc::clone(&name), self.links.len());
        self.links.push(Link {
            name,
            target,
            state: State::Aside,
        });
        weight
    }

    /// The memory that they take, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// Puts every link into the tree, in the order of the archive. A link to a link is resolved after that one.
    pub(super) fn resolve(
        mut self,
        tree: &mut Tree,
        mut held: Held,
        sink: &dyn ObjectSink,
        source: &dyn DirTreeSource,
    ) -> Result<(), ImportTarError> {
        for first in 0..self.links.len() {
            held.check(tree, &[], &self, sink, source)?;
            let mut chain = vec![first];
            while let Some(index) = chain.last().copied() {
                let Some(link) = self.links.get_mut(index) else {
                    break;
                };
                if link.state == State::Done {
                    chain.pop();
                    continue;
                }
                match find(tree, &link.target, source, &mut held) {
                    Ok(file) => {
                        link.put(file, tree, source, &mut held)?;
                        link.state = State::Done;
                        chain.pop();
                    }
                    Err(cause) => {
                        link.state = State::Waiting;
                        // Another link may still bring what is missing; one that itself waits cannot.
                        let missing = matches!(cause, NotFound::Missing { .. });
                        let before = self.by_name.get(&*link.target).copied();
                        let error = link.failed(LinkError::Find(cause));
                        let is_aside = |before: &usize| {
                            let link = self.links.get(*before);
                            missing && link.is_some_and(|link| link.state == State::Aside)
                        };
                        chain.push(before.filter(is_aside).ok_or(error)?);
                    }
                }
            }
        }
        Ok(())
    }
}

impl Link {
    fn put(
        &self,
        file: FileId,
        tree: &mut Tree,
        source: &dyn DirTreeSource,
        held: &mut Held,
    ) -> Result<(), ImportTarError> {
        let path = names(&self.name);
        let Some((name, dirs)) = path.split_last() else {
            return Ok(());
        };
        let _ = existing(tree, dirs, source, held); // for what is read again
        held.charge(weight::FILE + name.as_str().len());
        let dir = tree
            .descend(dirs, source)
            .map_err(|e| self.failed(LinkError::Put(e)))?;
        dir.put_file(name.clone(), file)
            .map_err(|e| self.failed(LinkError::Put(e)))
    }

    fn failed(&self, cause: LinkError) -> ImportTarError {
        ImportTarError::HardLink {
            entry: self.name.to_string(),
            target: self.target.to_string(),
            cause: Box::new(cause),
        }
    }
}

/// Why a hard link could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Its target is not there, or is not a file.
    #[error("Failed to find object: {0}")]
    Find(NotFound),
    /// It cannot go where it should.
    #[error("Failed to replace file: {0}")]
    Put(TreeError),
}

/// Why a name in a tree leads to no file.
#[derive(Debug, thiserror::Error)]
pub enum NotFound {
    /// There is nothing of this name.
    #[error("No such file or directory: {name}")]
    Missing {
        /// The component that is missing.
        name: String,
    },
    /// There is a directory.
    #[error("Expected hardlink file target at \"{path}\" but found a directory")]
    Directory {
        /// The whole path.
        path: String,
    },
    /// A stored subtree could not be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// The file at `path`.
fn find(
    tree: &mut Tree,
    path: &str,
    source: &dyn DirTreeSource,
    held: &mut Held,
) -> Result<FileId, NotFound> {
    let directory = || NotFound::Directory {
        path: path.to_owned(),
    };
    let names = names(path);
    let (name, dirs) = names.split_last().ok_or_else(directory)?;
    let dir = existing(tree, dirs, source, held)?;
    match dir.files.get(name) {
        Some(file) => Ok(*file),
        None if dir.dirs.contains_key(name) => Err(directory()),
        None => Err(NotFound::Missing {
            name: name.to_string(),
        }),
    }
}

/// The directory at `path`, opened; nothing is made.
pub(super) fn existing<'t>(
    tree: &'t mut Tree,
    path: &[Name],
    source: &dyn DirTreeSource,
    held: &mut Held,
) -> Result<&'t mut Tree, NotFound> {
    path.iter().try_fold(tree, |dir, name| {
        let missing = || NotFound::Missing {
            name: name.to_string(),
        };
        let subtree: &mut Subtree = dir.dirs.get_mut(name).ok_or_else(missing)?;
        let read = matches!(subtree, Subtree::Stored(..));
        let tree = subtree.open(source)?;
        if read {
            held.read(tree.own_weight());
        }
        Ok(tree)
    })
}

/// The components of a path that was put together of names.
fn names(path: &str) -> Vec<Name> {
    let names = path.split('/').map(Name::new);
    names.filter_map(Result::ok).collect()
}
