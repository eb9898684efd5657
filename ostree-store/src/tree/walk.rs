//! Stored trees looked into: one path, or everything below it.
//!
//! | question | answer |
//! |---|---|
//! | what stands at this path, taken as it is written | [`resolve`] |
//! | where does this path lead, links followed | [`resolve_following`] |
//! | what stands at and below an entry | [`list`] |

use std::collections::btree_map;

use super::{DirTreeSource, MAX_DEPTH};
use crate::checksum::{DirMetaId, DirTreeId, FileId};
use crate::object::{Commit, FileKind, Name, ObjectKind};
use crate::repo::{ReadError, Repo};

/// How many symbolic links one path may lead over; Linux has the same limit.
const MAX_LINKS: usize = 40;

/// What stands at a path of a stored tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A directory.
    Dir {
        /// What it holds.
        tree: DirTreeId,
        /// Its owner, mode and xattrs.
        meta: DirMetaId,
    },
    /// A regular file or symbolic link.
    File(FileId),
}

impl Entry {
    /// The root directory of a commit.
    #[must_use]
    pub fn root_of(commit: &Commit) -> Entry {
        Entry::Dir {
            tree: commit.root_tree,
            meta: commit.root_meta,
        }
    }
}

/// Why a path leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// There is nothing of this name.
    #[error("No such file or directory: {path}")]
    Missing {
        /// The path up to what is missing.
        path: String,
    },
    /// The path goes on after a file.
    #[error("Not a directory")]
    NotDirectory {
        /// The path up to the file.
        path: String,
    },
    /// Too many symbolic links on the way.
    #[error("Too many levels of symbolic links: {path}")]
    Links {
        /// The path that was asked for.
        path: String,
    },
    /// An object could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// What stands at `path` below `root`, without following links.
///
/// A slash at the beginning makes no difference. Otherwise the path is taken literally, as `ostree ls` does: `.`,
/// `..` and the nothing behind a slash at the end are names that no directory holds. Two slashes behind a name begin
/// at the root again, see [`names`].
pub fn resolve(source: &dyn DirTreeSource, root: Entry, path: &str) -> Result<Entry, WalkError> {
    let mut entry = root;
    let mut walked = String::new();
    for name in names(path) {
        let Entry::Dir { tree, .. } = entry else {
            return Err(WalkError::NotDirectory { path: walked });
        };
        walked = format!("{walked}/{name}");
        entry = child(source, &tree, name)?.ok_or_else(|| WalkError::Missing {
            path: walked.clone(),
        })?;
    }
    Ok(entry)
}

/// The names that lead to a path as ostree takes it: one slash at the beginning makes no difference, and what stands
/// before a double slash does not count, whether it is there or not.
///
/// ```
/// use ostree_store::tree::walk::names;
///
/// assert_eq!(names("/usr/bin"), ["usr", "bin"]);
/// assert_eq!(names("/usr//bin"), ["bin"]);
/// assert_eq!(names("/usr//"), [""; 0]);
/// assert_eq!(names("//bin/"), ["", "bin", ""]); // which names nothing
/// assert_eq!(names("///bin"), ["bin"]);
/// ```
#[must_use]
pub fn names(path: &str) -> Vec<&str> {
    let mut names = Vec::new();
    if path == "/" {
        return names;
    }
    let mut ahead = path.strip_prefix('/').unwrap_or(path);
    loop {
        if let Some(from_root) = ahead.strip_prefix('/')
            && !names.is_empty()
        {
            names.clear();
            if matches!(from_root, "" | "/") {
                return names;
            }
            ahead = from_root.strip_prefix('/').unwrap_or(from_root);
        }
        let Some((name, after)) = ahead.split_once('/') else {
            names.push(ahead);
            return names;
        };
        names.push(name);
        ahead = after;
    }
}

/// Where `path` leads from `root`, links followed within the tree: `/` in a target is the root of the tree, and
/// `..` does not lead out of it.
pub fn resolve_following(repo: &Repo, root: Entry, path: &str) -> Result<Entry, WalkError> {
    let mut walked: Vec<(String, Entry)> = Vec::new();
    let mut ahead = reversed(path);
    let mut links = 0;
    while let Some(name) = ahead.pop() {
        let here = walked.last().map_or(root, |(_, entry)| *entry);
        let Entry::Dir { tree, .. } = here else {
            let path = path_of(walked.iter().map(|(name, _)| name.as_str()));
            return Err(WalkError::NotDirectory { path });
        };
        if name == ".." {
            walked.pop();
            continue;
        }
        let Some(found) = child(repo, &tree, &name)? else {
            let names = walked.iter().map(|(name, _)| name.as_str());
            return Err(WalkError::Missing {
                path: path_of(names.chain([name.as_str()])),
            });
        };
        let Some(target) = link_target(repo, found)? else {
            walked.push((name, found));
            continue;
        };
        links += 1;
        if links > MAX_LINKS {
            return Err(WalkError::Links {
                path: path.to_owned(),
            });
        }
        if target.starts_with('/') {
            walked.clear();
        }
        ahead.extend(reversed(&target));
    }
    Ok(walked.last().map_or(root, |(_, entry)| *entry))
}

/// The names of a path, the first one last; nothing and `.` are left out.
fn reversed(path: &str) -> Vec<String> {
    path.rsplit('/')
        .filter(|name| !matches!(*name, "" | "."))
        .map(str::to_owned)
        .collect()
}

fn path_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.fold(String::new(), |path, name| path + "/" + name)
}

fn link_target(repo: &Repo, entry: Entry) -> Result<Option<String>, ReadError> {
    let Entry::File(id) = entry else {
        return Ok(None);
    };
    match repo.file(&id)?.header.kind {
        FileKind::Symlink(target) => Ok(Some(target)),
        FileKind::Regular => Ok(None),
    }
}

fn child(
    source: &dyn DirTreeSource,
    tree: &DirTreeId,
    name: &str,
) -> Result<Option<Entry>, ReadError> {
    let stored = source.dirtree(tree)?;
    let file = stored.files.get(name).map(|file| Entry::File(*file));
    let dir = || {
        stored.dirs.get(name).map(|(tree, meta)| Entry::Dir {
            tree: *tree,
            meta: *meta,
        })
    };
    Ok(file.or_else(dir))
}

/// How much of what is below an entry is listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// Only the entry itself.
    Itself,
    /// A directory's entries, too.
    #[default]
    Children,
    /// Everything.
    All,
}

/// An entry and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The path, from the one that the list began with.
    pub path: String,
    /// What stands there.
    pub entry: Entry,
}

/// The longest path that is listed, in bytes. Linux takes 4,096.
const MAX_PATH: usize = 1 << 20;

/// How many entries the directories may have that a listed path leads through, all together. What they hold is in
/// memory while the path is listed.
const MAX_OPEN: usize = 1 << 20;

/// Lists `entry` and what is below it: each directory, then its files, then its subdirectories, sorted by name.
///
/// `path` is where the entry stands, such as `/usr`. A dirtree that cannot be read gives an error in its place, and
/// the list goes on. So do directories that hold themselves, or that are nested deeper than any system can reach.
pub fn list<'a>(source: &'a dyn DirTreeSource, path: &str, entry: Entry, depth: Depth) -> List<'a> {
    let first = Listed {
        path: path.to_owned(),
        entry,
    };
    List {
        source,
        depth,
        first: Some(first),
        open: Vec::new(),
    }
}

/// The iterator of [`list`].
pub struct List<'a> {
    source: &'a dyn DirTreeSource,
    depth: Depth,
    /// What the list begins with, until that is listed.
    first: Option<Listed>,
    /// The directories on the way to the next path.
    open: Vec<OpenDir>,
}

/// A directory of which not everything is listed yet.
struct OpenDir {
    /// Without a slash at the end.
    path: String,
    id: DirTreeId,
    files: btree_map::IntoIter<Name, FileId>,
    dirs: btree_map::IntoIter<Name, (DirTreeId, DirMetaId)>,
    entries: usize,
}

impl Iterator for List<'_> {
    type Item = Result<Listed, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(first) = self.first.take() {
            return Some(self.enter(first, self.depth != Depth::Itself));
        }
        loop {
            let dir = self.open.last_mut()?;
            if let Some((name, file)) = dir.files.next() {
                let path = format!("{}/{name}", dir.path);
                let entry = Entry::File(file);
                return Some(Ok(Listed { path, entry }));
            }
            if let Some((name, (tree, meta))) = dir.dirs.next() {
                let path = format!("{}/{name}", dir.path);
                let entry = Entry::Dir { tree, meta };
                return Some(self.enter(Listed { path, entry }, self.depth == Depth::All));
            }
            self.open.pop();
        }
    }
}

impl List<'_> {
    /// Opens an entry that is a directory, if it is to be looked into.
    fn enter(&mut self, listed: Listed, open: bool) -> Result<Listed, ReadError> {
        if let Entry::Dir { tree, .. } = listed.entry
            && open
        {
            let path = listed.path.trim_end_matches('/').to_owned();
            let dir = self.open_dir(path, tree)?;
            self.open.push(dir);
        }
        Ok(listed)
    }

    fn open_dir(&self, path: String, id: DirTreeId) -> Result<OpenDir, ReadError> {
        let refuse = |what| ReadError::Form {
            kind: ObjectKind::DirTree,
            checksum: *id.checksum(),
            what,
        };
        if self.open.iter().any(|dir| dir.id == id) {
            return Err(refuse("the directory holds itself"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(refuse("directories are nested more than 2048 deep"));
        }
        let stored = self.source.dirtree(&id)?;
        let entries = stored.files.len() + stored.dirs.len();
        let around: usize = self.open.iter().map(|dir| dir.entries).sum();
        if path.len() > MAX_PATH || around.saturating_add(entries) > MAX_OPEN {
            return Err(refuse("it and the directories around it are too large"));
        }
        Ok(OpenDir {
            path,
            id,
            files: stored.files.into_iter(),
            dirs: stored.dirs.into_iter(),
            entries,
        })
    }
}
