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
    /// Sets a link aside.
    pub(super) fn add(&mut self, name: Vec<Name>, target: Vec<Name>) {
        self.by_name.insert(name.clone(), self.links.len());
        self.links.push(Link {
            name,
            target,
            state: State::Aside,
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
                let Some(link) = self.links.get_mut(index) else {
                    break;
                };
                if link.state == State::Done {
                    chain.pop();
                    continue;
                }
                match find(tree, &link.target, source) {
                    Ok(file) => {
                        link.put(file, tree, source)?;
                        link.state = State::Done;
                        chain.pop();
                    }
                    Err(cause) => {
                        link.state = State::Waiting;
                        // Another link may still bring what is missing; one that itself waits cannot.
                        let missing = matches!(cause, NotFound::Missing { .. });
                        let before = self.by_name.get(&link.target).copied();
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
