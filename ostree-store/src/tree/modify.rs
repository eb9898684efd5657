//! What the options of `commit` change in every entry on its way in.

use crate::object::{DirMeta, FileHeader, Xattrs};

/// Changes to owner, mode and xattrs of entries; the default changes nothing.
///
/// The order is ostree's: owners first, then canonical permissions, then xattrs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modifier {
    /// Owner of everything.
    pub uid: Option<u32>,
    /// Group of everything.
    pub gid: Option<u32>,
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

impl Modifier {
    /// Whether entries pass unchanged.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        *self == Modifier::default()
    }

    /// Changes the header of a file or symbolic link. Symbolic links keep their mode.
    pub fn apply_file(&self, header: &mut FileHeader, origin: Origin) {
        header.uid = self.owner(self.uid, header.uid);
        header.gid = self.owner(self.gid, header.gid);
        if self.canonical_permissions && !header.is_symlink() {
            header.mode &= 0o755;
        }
        if self.drops_xattrs(origin) {
            header.xattrs = Xattrs::NONE;
        }
    }

    /// Changes the metadata of a directory.
    pub fn apply_dir(&self, meta: &mut DirMeta, origin: Origin) {
        meta.uid = self.owner(self.uid, meta.uid);
        meta.gid = self.owner(self.gid, meta.gid);
        if self.canonical_permissions {
            meta.mode &= 0o755;
        }
        if self.drops_xattrs(origin) {
            meta.xattrs = Xattrs::NONE;
        }
    }

    /// Whether xattrs of entries from `origin` need not even be read.
    #[must_use]
    pub fn drops_xattrs(&self, origin: Origin) -> bool {
        self.no_xattrs || (self.canonical_permissions && origin == Origin::Tree)
    }

    fn owner(&self, forced: Option<u32>, own: u32) -> u32 {
        if self.canonical_permissions {
            0
        } else {
            forced.unwrap_or(own)
        }
    }
}
