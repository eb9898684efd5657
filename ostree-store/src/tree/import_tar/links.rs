//! Hard links: names for files that other entries bring.
//!
//! They are set aside until the archive has been read, because a link may come before its target. Then each takes
//! the object of its target; its own owner and mode mean nothing.

use std::collections::HashMap;

use super::ImportTarError;
use super::names::joined;
use crate::checksum::FileId;
use crate::object::Name;
use crate::tree::{DirTreeSource, Subtree, Tree, TreeError};

/// Hard links that wait for the end of the archive.
#[derive(Debug, Default)]
pub(super) struct Links {
    links: Vec<Link>,
    /// The last link of each name, for links to links.
    by_name: HashMap<Vec<Name>, usize>,
}

#[derive(Debug)]
struct Link {
    name: Vec<Name>,
    target: Vec<Name>,
    done: bool,
}

impl Links {
    /// Sets a link aside.
    pub(super) fn add(&mut self, name: Vec<Name>, target: Vec<Name>) {
        self.by_name.insert(name.clone(), self.links.len());
        self.links.push(Link {
            name,
            target,
            done: false,
        });
    }

    /// Puts every link into the tree, in the order of the archive. A link to a link is resolved after that one.
    pub(super) fn resolve(
        mut self,
        tree: &mut Tree,
        source: &dyn DirTreeSource,
    ) -> Result<(), ImportTarError> {
        for first in 0..self.links.len() {
            let mut chain = vec![first];
            while let Some(index) = chain.last().copied() {
                let Some(link) = self.links.get(index) else {
                    break;
                };
                let found = if link.done {
                    Ok(None)
                } else {
                    find(tree, &link.target, source).map(Some)
                };
                let before = self.by_name.get(&link.target).copied();
                match found {
                    Ok(None) => drop(chain.pop()),
                    Ok(Some(file)) => {
                        link.put(file, tree, source)?;
                        if let Some(link) = self.links.get_mut(index) {
                            link.done = true;
                        }
                        chain.pop();
                    }
                    Err(NotFound::Missing { .. }) if self.is_pending(before, &chain) => {
                        chain.extend(before);
                    }
                    Err(cause) => return Err(link.failed(LinkError::Find(cause))),
                }
            }
        }
        Ok(())
    }

    /// Whether the link `index` may still bring what is missing. One that is itself waited for cannot.
    fn is_pending(&self, index: Option<usize>, chain: &[usize]) -> bool {
        let Some(index) = index else { return false };
        // A circle is as long as its chain, so only chains of links pay for this search.
        self.links.get(index).is_some_and(|link| !link.done) && !chain.contains(&index)
    }
}

impl Link {
    fn put(
        &self,
        file: FileId,
        tree: &mut Tree,
        source: &dyn DirTreeSource,
    ) -> Result<(), ImportTarError> {
        let Some((name, dirs)) = self.name.split_last() else {
            return Ok(());
        };
        let dir = tree
            .descend(dirs, source)
            .map_err(|e| self.failed(LinkError::Put(e)))?;
        dir.put_file(name.clone(), file)
            .map_err(|e| self.failed(LinkError::Put(e)))
    }

    fn failed(&self, cause: LinkError) -> ImportTarError {
        ImportTarError::HardLink {
            entry: joined(&self.name),
            target: joined(&self.target),
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
fn find(tree: &mut Tree, path: &[Name], source: &dyn DirTreeSource) -> Result<FileId, NotFound> {
    let directory = || NotFound::Directory { path: joined(path) };
    let (name, dirs) = path.split_last().ok_or_else(directory)?;
    let dir = existing(tree, dirs, source)?;
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
) -> Result<&'t mut Tree, NotFound> {
    path.iter().try_fold(tree, |dir, name| {
        let missing = || NotFound::Missing {
            name: name.to_string(),
        };
        let subtree: &mut Subtree = dir.dirs.get_mut(name).ok_or_else(missing)?;
        Ok(subtree.open(source)?)
    })
}
