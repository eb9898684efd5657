//! Directories: made when the first package needs them, and given their final owner and mode at the end.
//!
//! Only a directory that is as its packages had it, or that this run has made, gets another owner or mode: one that
//! somebody changed keeps both. What several packages say of one directory: [`crate::directories`].

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use apk_format::Dialect;
use rustix::fs::FileType;

use super::disk::Disk;
use super::{Database, Event, Owners, Run};
use crate::directories::{Access, claims};
use crate::root::Root;

/// Directories that packages brought or lost in this run.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// With whether owner and mode may be changed.
    dirs: BTreeMap<String, bool>,
    /// Those that were made before packages came: by a run which was broken off, or for the world.
    pub(super) left: BTreeSet<String>,
}

impl Touched {
    pub(super) fn new(left: &BTreeSet<String>) -> Touched {
        Touched {
            dirs: BTreeMap::new(),
            left: left.clone(),
        }
    }

    /// Nobody has the directory any more: to whoever brings it next it is new.
    pub(super) fn forget(&mut self, path: &str) {
        self.dirs.remove(path);
    }
}

impl Run<'_> {
    /// A package brings a directory. That it cannot be made shows with the files in it.
    pub(super) fn bring_dir(&mut self, path: &str, access: Access) {
        if path.is_empty() || self.touched.dirs.contains_key(path) {
            return;
        }
        match path.rsplit_once('/') {
            Some((above, _)) if !self.touched.dirs.contains_key(above) => {
                self.bring_missing(above);
            }
            _ => {}
        }
        let changeable = match self.is_as_recorded(path) {
            Some(unchanged) => unchanged,
            None => self.make_dir(path, access).is_ok(),
        };
        self.touched.dirs.insert(path.to_owned(), changeable);
    }

    /// Makes directories for which no package has an entry.
    fn bring_missing(&mut self, path: &str) {
        if !matches!(self.disk.stat(path), Ok(None)) {
            return;
        }
        if let Some((above, _)) = path.rsplit_once('/') {
            self.bring_missing(above);
        }
        let _ = self.make_dir(path, PLAIN); // shows with the files in it
    }

    /// A package is about to lose a directory.
    pub(super) fn touch_dir(&mut self, path: &str) {
        if !path.is_empty() && !self.touched.dirs.contains_key(path) {
            let unchanged = self.is_as_recorded(path).unwrap_or(false);
            self.touched.dirs.insert(path.to_owned(), unchanged);
        }
    }

    /// Whether what is at a path is as its packages had it before; `None` if there is nothing.
    fn is_as_recorded(&mut self, path: &str) -> Option<bool> {
        let stat = match self.disk.stat(path) {
            Ok(Some(stat)) => stat,
            Ok(None) => return None,
            Err(_) => return Some(false),
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return Some(false);
        }
        if self.touched.left.contains(path) {
            return Some(true);
        }
        let found = (stat.st_uid, stat.st_gid, stat.st_mode & 0o7777);
        let Some(expected) = self.packages.before.get(path) else {
            return Some(false); // somebody else's, or that of another run
        };
        let expected = self.on_disk(*expected);
        Some(match self.options.owners {
            Owners::Package => found == expected,
            Owners::Caller => found.2 == expected.2,
        })
    }

    fn make_dir(&mut self, path: &str, access: Access) -> io::Result<()> {
        self.area.remember(path)?;
        let access = self.on_disk(access);
        let owned = self.options.owners == Owners::Package;
        self.disk.make_dir(path, access, owned)
    }

    fn on_disk(&self, access: Access) -> Access {
        on_disk(self.options.owners, access)
    }

    /// Gives every touched directory what its packages say now.
    pub(super) fn finish_directories(&mut self) {
        let touched = std::mem::take(&mut self.touched.dirs);
        let wanted = claims(self.options.dialect, self.packages.iter(), |path| {
            touched.get(path).copied().unwrap_or(false)
        });
        let owned = self.options.owners == Owners::Package;
        for (path, access) in wanted {
            let access = self.on_disk(access);
            match self.disk.set_access(&path, access, owned) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let (path, error) = (path.as_str(), &error);
                    self.watch.event(&Event::Directory { path, error });
                    self.errors += 1;
                }
            }
        }
    }
}

/// What became of the directories of a root.
#[derive(Debug, Default)]
pub struct Fixed {
    /// Those that had another owner or mode.
    pub fixed: Vec<String>,
    /// Those that could not be set right, and why.
    pub failed: Vec<(String, io::Error)>,
}

/// Gives every directory of the packages the owner and the mode that they say, and makes those that are missing. With
/// `simulate` it only tells. What is no directory, or a link to one, is left alone.
pub fn fix_directories(
    root: &Root,
    database: &Database,
    (dialect, owners): (Dialect, Owners),
    simulate: bool,
) -> Fixed {
    let mut disk = Disk::new(root);
    let mut done = Fixed::default();
    let owned = owners == Owners::Package;
    for (path, access) in claims(dialect, database.installed.packages.iter(), |_| true) {
        let access = on_disk(owners, access);
        let found = match disk.stat(&path) {
            _ if path.is_empty() => continue,
            Ok(None) if simulate => continue,
            Ok(None) => {
                if let Err(error) = disk.make_dir(&path, access, owned) {
                    done.failed.push((path, error));
                }
                continue;
            }
            Ok(Some(stat)) => stat,
            Err(_) => continue,
        };
        let is_dir = FileType::from_raw_mode(found.st_mode) == FileType::Directory;
        let right = found.st_mode & 0o7777 == access.2 & 0o7777
            && (!owned || (found.st_uid, found.st_gid) == (access.0, access.1));
        if !is_dir || right {
            continue;
        }
        if !simulate && let Err(error) = disk.set_access(&path, access, owned) {
            done.failed.push((path.clone(), error));
        }
        done.fixed.push(path);
    }
    done
}

/// An ordinary user must be able to write to the directories that he makes.
fn on_disk(owners: Owners, access: Access) -> Access {
    match owners {
        Owners::Package => access,
        Owners::Caller => (access.0, access.1, access.2 | 0o300),
    }
}

/// What a directory is that nobody says anything of.
const PLAIN: Access = (0, 0, 0o755);
