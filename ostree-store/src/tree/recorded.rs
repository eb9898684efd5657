//! Owners and modes that a record keeps of single paths, where the directory that holds them cannot have them.
//!
//! An ordinary user can make a system's files but not give them away. Whoever knows whom they should belong to, such as
//! a package database, says so here. What is not recorded belongs to root, with the mode it has.

use std::collections::HashMap;

use crate::object::{DirMeta, FileHeader, FileKind};

/// Owner, group and permissions.
pub type Access = (u32, u32, u32);

/// The record; paths have no slash at either end, the root is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Of everything that is no directory. A symbolic link has no permissions of its own.
    pub files: HashMap<String, Access>,
    /// Of directories.
    pub dirs: HashMap<String, Access>,
}

impl Recorded {
    pub(super) fn give_file(&self, path: &str, header: &mut FileHeader) {
        let known = self.files.get(path.trim_matches('/'));
        let (uid, gid, mode) = known.copied().unwrap_or((0, 0, header.mode));
        (header.uid, header.gid) = (uid, gid);
        if !matches!(header.kind, FileKind::Symlink(_)) {
            header.mode = mode;
        }
    }

    pub(super) fn give_dir(&self, path: &str, meta: &mut DirMeta) {
        let known = self.dirs.get(path.trim_matches('/'));
        (meta.uid, meta.gid, meta.mode) = known.copied().unwrap_or((0, 0, meta.mode));
    }
}
