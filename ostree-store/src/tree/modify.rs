//! What the options of `commit` change in every entry on its way in.

use std::sync::Arc;

use super::path_rules::PathRules;
use super::recorded::Recorded;
use crate::object::{DirMeta, FileHeader, PERMISSIONS, Xattrs};

/// Changes to owner, mode and xattrs of entries; the default changes nothing.
///
/// The order is ostree's: owners first, then the write bits of programs, then the rules for single paths, then
/// canonical permissions, then xattrs.
#[derive(Clone, Debug, Default)]
pub struct Modifier {
    /// Owners and modes of single paths, before everything else.
    pub recorded: Option<Arc<Recorded>>,
    /// Owner of everything.
    pub uid: Option<u32>,
    /// Group of everything.
    pub gid: Option<u32>,
    /// Nobody may write to a regular file that somebody may execute.
    pub read_only_executables: bool,
    /// Modes of single paths, and paths that are left out. Clones share them: what one uses up is gone for all.
    pub rules: Option<Arc<PathRules>>,
    /// Owner and group 0; files and directories keep only the mode bits 0755. Xattrs go too, but for tar entries.
    pub canonical_permissions: bool,
    /// No xattrs anywhere.
    pub no_xattrs: bool,
}

/// Where an entry comes from, which decides what canonical permissions do to xattrs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A directory or a stored tree.
    Tree,
    /// A tar archive, whose xattrs canonical permissions leave alone.
    Tar,
}

/// Whether an entry goes into the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Pass {
    /// It does, as it is now.
    Kept,
    /// It is left out, a directory with everything below it.
    Skipped,
}

/// A rule that makes a mode no entry of its kind can have. ostree writes a broken object where it is a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid {} metadata mode {st_mode}{}", if *.directory { "directory" } else { "file" }, if *.directory { "; not a directory" } else { "" })]
pub struct ModeError {
    directory: bool,
    /// The mode with its type bits.
    pub st_mode: u32,
}

/// The type bits of `st_mode`.
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;

impl Modifier {
    /// Whether entries pass unchanged.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.recorded.is_none()
            && self.uid.is_none()
            && self.gid.is_none()
            && !self.read_only_executables
            && self.rules.is_none()
            && !self.canonical_permissions
            && !self.no_xattrs
    }

    /// Changes the header of a file or symbolic link. `path` gives its name from the root, slash in front; it is
    /// asked only where there are rules for paths.
    pub fn apply_file(
        &self,
        path: impl FnOnce() -> String,
        header: &mut FileHeader,
        origin: Origin,
    ) -> Result<Pass, ModeError> {
        let path = match &self.recorded {
            Some(recorded) => {
                let path = path();
                recorded.give_file(&path, header);
                Err(path)
            }
            None => Ok(path),
        };
        let path = || path.map_or_else(|known| known, |path| path());
        let mut st_mode = header.st_mode();
        let kind = st_mode & !PERMISSIONS;
        if kind == REGULAR && self.read_only_executables && st_mode & 0o111 != 0 {
            st_mode &= !0o222;
        }
        let (mut st_mode, pass) = self.ruled(path, st_mode, kind);
        if self.canonical_permissions && kind == REGULAR {
            st_mode &= REGULAR | 0o755;
        }
        if pass == Pass::Skipped {
            return Ok(pass);
        }
        (header.uid, header.gid) = self.owners(header.uid, header.gid);
        header.mode = permissions(st_mode, kind)?;
        if self.drops_xattrs(origin) {
            header.xattrs = Xattrs::NONE;
        }
        Ok(pass)
    }

    /// Changes the metadata of a directory.
    pub fn apply_dir(
        &self,
        path: impl FnOnce() -> String,
        meta: &mut DirMeta,
        origin: Origin,
    ) -> Result<Pass, ModeError> {
        let path = match &self.recorded {
            Some(recorded) => {
                let path = path();
                recorded.give_dir(&path, meta);
                Err(path)
            }
            None => Ok(path),
        };
        let path = || path.map_or_else(|known| known, |path| path());
        let (mut st_mode, pass) = self.ruled(path, DIRECTORY | meta.mode, DIRECTORY);
        if self.canonical_permissions {
            st_mode &= DIRECTORY | 0o755;
        }
        if pass == Pass::Skipped {
            return Ok(pass);
        }
        (meta.uid, meta.gid) = self.owners(meta.uid, meta.gid);
        meta.mode = permissions(st_mode, DIRECTORY)?;
        if self.drops_xattrs(origin) {
            meta.xattrs = Xattrs::NONE;
        }
        Ok(pass)
    }

    /// A look at the rules that changes nothing but may use them up. ostree takes one at a directory before it goes in.
    pub fn announce(&self, path: impl FnOnce() -> String) -> Pass {
        self.ruled(path, DIRECTORY, DIRECTORY).1
    }

    /// Whether a rule leaves a file out, which then need not even be opened. Uses the rule up if so.
    pub(super) fn leaves_out(&self, path: impl FnOnce() -> String) -> bool {
        let Some(rules) = self.rules.as_ref().filter(|rules| !rules.is_empty()) else {
            return false;
        };
        let path = path();
        rules.will_skip(&path) && self.announce(|| path) == Pass::Skipped
    }

    /// Whether xattrs of entries from `origin` need not even be read.
    pub(crate) fn drops_xattrs(&self, origin: Origin) -> bool {
        self.no_xattrs || (self.canonical_permissions && origin == Origin::Tree)
    }

    /// What the rules for its path make of an entry.
    fn ruled(&self, path: impl FnOnce() -> String, st_mode: u32, kind: u32) -> (u32, Pass) {
        let Some(rules) = self.rules.as_ref().filter(|rules| !rules.is_empty()) else {
            return (st_mode, Pass::Kept);
        };
        let path = path();
        let st_mode = rules.changed(&path, st_mode, kind);
        let skipped = rules.skips(&path);
        (st_mode, if skipped { Pass::Skipped } else { Pass::Kept })
    }

    fn owners(&self, uid: u32, gid: u32) -> (u32, u32) {
        if self.canonical_permissions {
            (0, 0)
        } else {
            (self.uid.unwrap_or(uid), self.gid.unwrap_or(gid))
        }
    }
}

/// The permission bits of a mode that must still be of this kind.
fn permissions(st_mode: u32, kind: u32) -> Result<u32, ModeError> {
    if st_mode & !PERMISSIONS == kind {
        return Ok(st_mode & PERMISSIONS);
    }
    Err(ModeError {
        directory: kind == DIRECTORY,
        st_mode,
    })
}
