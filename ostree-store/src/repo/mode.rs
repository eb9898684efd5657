//! Repository modes: how file objects lie on the disk. Metadata objects are the same in all of them.
//!
//! | mode | regular file | symbolic link | owner, mode, xattrs |
//! |---|---|---|---|
//! | `bare` | `.file`, as it is | a link | on the inode; needs root |
//! | `bare-user` | `.file`, mode `(m & 0775) \| 0400` | regular file: target and NUL | in `user.ostreemeta` |
//! | `bare-user-only` | `.file`, only mode bits 0775 allowed | a link | mode on the inode, the rest is lost |
//! | `bare-split-xattrs` | `.file`, as it is but for xattrs | a link | on the inode; xattrs in `.file-xattrs-link`; only read |
//! | `archive` | `.filez`, header and deflated content | `.filez`, header | in the header |

use std::fmt;

use crate::object::ObjectKind;

/// How a repository stores file objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RepoMode {
    /// Files as they are, with real owners.
    Bare,
    /// Files of the user, with the real owner in an extended attribute.
    BareUser,
    /// Files of the user, owners not kept.
    BareUserOnly,
    /// Files with real owners, their xattrs in files of their own. Neither ostree nor this crate writes it.
    BareSplitXattrs,
    /// Compressed, for serving over HTTP.
    Archive,
}

impl RepoMode {
    /// Every mode in which files can be written.
    pub const ALL: [RepoMode; 4] = [
        RepoMode::Bare,
        RepoMode::BareUser,
        RepoMode::BareUserOnly,
        RepoMode::Archive,
    ];

    /// The mode that `text` names in a configuration or on a command line.
    #[must_use]
    pub fn named(text: &str) -> Option<RepoMode> {
        match text {
            "bare" => Some(RepoMode::Bare),
            "bare-user" => Some(RepoMode::BareUser),
            "bare-user-only" => Some(RepoMode::BareUserOnly),
            "bare-split-xattrs" => Some(RepoMode::BareSplitXattrs),
            "archive" | "archive-z2" => Some(RepoMode::Archive),
            _ => None,
        }
    }

    /// The text that `init` writes; ostree has kept `archive-z2` there for old readers.
    #[must_use]
    pub const fn config_text(self) -> &'static str {
        match self {
            RepoMode::Bare => "bare",
            RepoMode::BareUser => "bare-user",
            RepoMode::BareUserOnly => "bare-user-only",
            RepoMode::BareSplitXattrs => "bare-split-xattrs",
            RepoMode::Archive => "archive-z2",
        }
    }

    /// The extension of an object's file in this mode.
    #[must_use]
    pub const fn extension(self, kind: ObjectKind) -> &'static str {
        match (self, kind) {
            (RepoMode::Archive, ObjectKind::File) => "filez",
            (_, ObjectKind::File) => "file",
            (_, ObjectKind::DirTree) => "dirtree",
            (_, ObjectKind::DirMeta) => "dirmeta",
            (_, ObjectKind::Commit) => "commit",
        }
    }
}

impl fmt::Display for RepoMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == RepoMode::Archive {
            "archive"
        } else {
            self.config_text()
        })
    }
}
