//! Files that stand for the absence of others.
//!
//! | file | with | does |
//! |---|---|---|
//! | `.wh.NAME` | `whiteouts` | removes NAME, whatever it is, and is not made itself |
//! | `.wh..wh..opq` | `whiteouts` | removes the directory's former content |
//! | `.ostree-wh.NAME` | `passthrough_whiteouts` | becomes the character device 0:0 NAME |
//!
//! The first two are those of container layers, the third is what overlayfs takes for a removed file. NAME is one
//! name in the same directory; `.wh...`, by which ostree would remove the directory above, is refused.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, XattrFlags};
use rustix::io::Errno;

use super::error::call;
use super::link::through;
use super::{Checkout, CheckoutError, OpenDir, Overwrite, Ownership, gid, uid};
use crate::object::{FileHeader, Name, PERMISSIONS};
use crate::path_error::At;
use crate::repo::{RepoMode, read_link_xattrs};

/// What the name of a file that removes another begins with.
pub(super) const PREFIX: &str = ".wh.";

/// The name of a file that removes all others.
pub(super) const OPAQUE: &str = ".wh..wh..opq";

/// What the name of a file that hides another in an overlay begins with.
pub(super) const OVERLAY_PREFIX: &str = ".ostree-wh.";

impl Checkout<'_> {
    /// Removes what a file `.wh.NAME` hides.
    pub(super) fn remove_hidden(
        &self,
        dir: &OpenDir,
        whiteout: &Name,
        hidden: &str,
    ) -> Result<(), CheckoutError> {
        let hidden = checked(dir, whiteout, hidden, "whiteout")?;
        remove_in(dir, hidden.as_str())
    }

    /// Makes the device that a file `.ostree-wh.NAME` stands for.
    pub(super) fn hide(
        &self,
        dir: &OpenDir,
        whiteout: &Name,
        hidden: &str,
        header: &FileHeader,
    ) -> Result<(), CheckoutError> {
        let name = checked(dir, whiteout, hidden, "overlayfs whiteout")?;
        let name = name.as_str();
        match self.make_device(dir, name, header) {
            Err(Errno::EXIST) => {}
            made => return made.map_err(|e| call("Creating whiteout char device", e)),
        }
        match self.options.overwrite {
            Overwrite::Refuse => Err(call("Creating whiteout char device", Errno::EXIST)),
            Overwrite::UnionAdd => Ok(()),
            Overwrite::Union => {
                rustix::fs::unlinkat(&dir.fd, name, AtFlags::empty())
                    .map_err(|e| call(format!("unlink({name})"), e))?;
                self.make_device(dir, name, header)
                    .map_err(|e| call("Creating whiteout char device", e))
            }
            Overwrite::UnionIdentical => self.is_same_device(dir, name, header),
        }
    }

    fn make_device(
        &self,
        dir: &OpenDir,
        name: &str,
        header: &FileHeader,
    ) -> rustix::io::Result<()> {
        let mode = Mode::from_raw_mode(header.mode);
        rustix::fs::mknodat(&dir.fd, name, FileType::CharacterDevice, mode, 0)?;
        if self.ownership == Ownership::User {
            return Ok(());
        }
        for (xattr, value) in header.xattrs.iter() {
            rustix::fs::lsetxattr(through(dir, name), xattr, value, XattrFlags::empty())?;
        }
        let (uid, gid) = (uid(header.uid), gid(header.gid));
        rustix::fs::chownat(&dir.fd, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        rustix::fs::chmodat(&dir.fd, name, mode, AtFlags::empty())
    }

    /// Whether what stands at `name` has the metadata that the device would get.
    fn is_same_device(
        &self,
        dir: &OpenDir,
        name: &str,
        header: &FileHeader,
    ) -> Result<(), CheckoutError> {
        let other = |what: String| CheckoutError::OtherWhiteout {
            name: name.to_owned(),
            what,
        };
        let path = dir.path.join(name);
        let found: Stat =
            rustix::fs::statat(&dir.fd, name, AtFlags::SYMLINK_NOFOLLOW).at("stat", &path)?;
        if self.repo.mode() != RepoMode::BareUserOnly {
            let xattrs = read_link_xattrs(through(dir, name).as_ref()).at("read", &path)?;
            if xattrs.as_ref() != Ok(&header.xattrs) {
                return Err(other("xattrs don't match".to_owned()));
            }
        }
        if self.ownership == Ownership::User {
            return Ok(());
        }
        if found.st_gid != header.gid {
            return Err(other(format!("does not match gid {}", header.gid)));
        }
        if found.st_uid != header.uid {
            return Err(other(format!("does not match uid {}", header.uid)));
        }
        match found.st_mode & PERMISSIONS == header.mode {
            true => Ok(()),
            false => Err(other(format!("does not match mode {:o}", header.st_mode()))),
        }
    }
}

/// The name that a whiteout hides.
fn checked(
    dir: &OpenDir,
    whiteout: &Name,
    hidden: &str,
    kind: &'static str,
) -> Result<Name, CheckoutError> {
    if hidden.is_empty() {
        return Err(CheckoutError::EmptyWhiteout { kind });
    }
    Name::new(hidden).map_err(|source| CheckoutError::Whiteout {
        whiteout: whiteout.to_string(),
        dir: dir.path.clone(),
        source,
    })
}

/// Removes an entry of an open directory, see [`remove`].
pub(super) fn remove_in(dir: &OpenDir, name: &str) -> Result<(), CheckoutError> {
    remove(dir.fd.as_fd(), Path::new(name), &dir.path.join(name))
}

/// Removes whatever is there, a directory with everything in it. No link is followed.
pub(super) fn remove(
    parent: BorrowedFd<'_>,
    name: &Path,
    path: &Path,
) -> Result<(), CheckoutError> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    let removed = match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        Ok(_) if parent.as_raw_fd() == CWD.as_raw_fd() => fs::remove_dir_all(name),
        Ok(_) => {
            let parent = PathBuf::from(format!("/proc/self/fd/{}", parent.as_raw_fd()));
            fs::remove_dir_all(parent.join(name))
        }
        Err(Errno::NOENT) => Ok(()),
        Err(Errno::NOTDIR | Errno::LOOP) => {
            rustix::fs::unlinkat(parent, name, AtFlags::empty()).map_err(Into::into)
        }
        Err(e) => Err(e.into()),
    };
    Ok(removed.at("remove", path)?)
}
