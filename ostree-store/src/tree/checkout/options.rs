//! How a tree is checked out.

use std::collections::BTreeSet;

/// Whom the files belong to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ownership {
    /// Whom the tree says; only root can do that.
    #[default]
    AsStored,
    /// Who runs this process.
    User,
}

/// What to do where something already stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// The destination must not exist.
    #[default]
    Refuse,
    /// Directories merge, files are replaced.
    Union,
    /// Directories merge, what is there stays.
    UnionAdd,
    /// Directories merge, files must be the same as what is there. Needs
    /// [`CheckoutOptions::require_hard_links`].
    UnionIdentical,
}

/// How a tree is checked out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckoutOptions {
    /// Whom the files belong to.
    pub ownership: Ownership,
    /// What to do where something already stands.
    pub overwrite: Overwrite,
    /// Links no file to its object, and leaves the times alone.
    pub force_copy: bool,
    /// Makes it an error if a file that has content cannot be linked.
    pub require_hard_links: bool,
    /// Takes the mode bits that `bare-user-only` does not know from directories.
    pub bare_user_only_dirs: bool,
    /// Links to plain copies that an `archive` repository keeps, where the files belong to the user.
    pub uncompressed_cache: bool,
    /// Lets a file `.wh.NAME` remove NAME, and `.wh..wh..opq` everything in its directory, as in the layers of
    /// containers. With [`Overwrite::Union`] a file then replaces a directory, too.
    pub whiteouts: bool,
    /// Makes the character device 0:0 `NAME` of a file `.ostree-wh.NAME`, which hides NAME in an overlay.
    pub passthrough_whiteouts: bool,
    /// Paths to leave out, from the directory that is checked out: `/a/file`, and with a slash at the end `/a/dir/`.
    pub skip: BTreeSet<String>,
}
