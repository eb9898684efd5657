//! One file of a checkout: a link to its object, a copy, or a symbolic link made new.
//!
//! | repository mode | owners as stored | owned by the user |
//! |---|---|---|
//! | `bare` | link | copy |
//! | `bare-user` | copy | link, which carries `user.ostreemeta` |
//! | `bare-user-only` | link | link |
//! | `archive` | copy | copy |
//!
//! Empty files are always copies, and so are files that the user could not read. Symbolic links are links to their
//! objects only in `bare` with owners as stored. Where the file system allows no link, a copy is made.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, XattrFlags};
use rustix::io::Errno;

use super::{Checkout, CheckoutError, OpenDir, Overwrite, Ownership, gid, set_xattrs, system, uid};
use crate::checksum::FileId;
use crate::object::{FileHeader, FileKind, Name, ObjectKind};
use crate::path_error::At;
use crate::repo::{RepoMode, StoredFile};

/// How a file gets to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Link,
    Copy,
    NewSymlink,
}

impl Checkout<'_> {
    /// Makes one file.
    pub(super) fn file(
        &self,
        dir: &OpenDir,
        name: &Name,
        id: &FileId,
    ) -> Result<(), CheckoutError> {
        let mut stored = self.repo.file(id)?;
        let way = self.way(&stored)?;
        self.put(dir, name, &mut |name| match way {
            Way::Link => self.link_or_copy(dir, name, id, &mut stored),
            Way::Copy => self.copy(dir, name, id, &mut stored),
            Way::NewSymlink => self.symlink(dir, name, &stored.header),
        })
    }

    fn way(&self, stored: &StoredFile) -> Result<Way, CheckoutError> {
        let symlink = stored.header.is_symlink();
        let unreadable = self.ownership == Ownership::User && stored.header.mode & 0o400 == 0;
        if !symlink && (stored.size == 0 || self.options.force_copy || unreadable) {
            return Ok(Way::Copy);
        }
        match (self.repo.mode(), self.ownership) {
            (RepoMode::Bare, Ownership::AsStored) if !self.options.force_copy => Ok(Way::Link),
            (RepoMode::Bare | RepoMode::Archive, _) if self.options.require_hard_links => {
                // ostree has these words for both modes.
                Err(CheckoutError::NoHardLink {
                    mode: "Bare",
                    what: "cannot hardlink in user checkout mode",
                })
            }
            _ if symlink => Ok(Way::NewSymlink),
            (RepoMode::BareUserOnly, _) | (RepoMode::BareUser, Ownership::User) => Ok(Way::Link),
            (RepoMode::BareUser, _) if self.options.require_hard_links => {
                Err(CheckoutError::NoHardLink {
                    mode: "User",
                    what: "requires user checkout mode to hardlink",
                })
            }
            _ => Ok(Way::Copy),
        }
    }

    /// Lets `make` make the file where it may stand. `make` never replaces anything.
    fn put(
        &self,
        dir: &OpenDir,
        name: &Name,
        make: &mut dyn FnMut(&str) -> Result<(), CheckoutError>,
    ) -> Result<(), CheckoutError> {
        match self.options.overwrite {
            Overwrite::Refuse => make(name.as_str()),
            Overwrite::UnionAdd => {
                match rustix::fs::statat(&dir.fd, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(_) => Ok(()),
                    Err(Errno::NOENT) => make(name.as_str()),
                    Err(e) => Err(e).at("stat", dir.path.join(name.as_str()))?,
                }
            }
            Overwrite::Union => self.replace(dir, name, make),
        }
    }

    /// Makes the file under another name and renames it.
    fn replace(
        &self,
        dir: &OpenDir,
        name: &Name,
        make: &mut dyn FnMut(&str) -> Result<(), CheckoutError>,
    ) -> Result<(), CheckoutError> {
        let temporary = self.free_name(dir)?;
        make(&temporary)?;
        let renamed = rustix::fs::renameat(&dir.fd, &*temporary, &dir.fd, name.as_str());
        // Renaming one link of a file over another one of the same file does nothing.
        let _ = rustix::fs::unlinkat(&dir.fd, &*temporary, AtFlags::empty());
        renamed.map_err(|e| {
            let (name, cause) = (name.to_string(), system(e));
            CheckoutError::Replace {
                temporary,
                name,
                cause,
            }
        })
    }

    /// A name that nothing in the directory has.
    fn free_name(&self, dir: &OpenDir) -> Result<String, CheckoutError> {
        loop {
            let number = self.temporaries.fetch_add(1, Ordering::Relaxed);
            let name = format!(".checkout-{}-{number}", std::process::id());
            match rustix::fs::statat(&dir.fd, &*name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => {}
                Err(Errno::NOENT) => return Ok(name),
                Err(e) => Err(e).at("stat", dir.path.join(name))?,
            }
        }
    }

    fn link_or_copy(
        &self,
        dir: &OpenDir,
        name: &str,
        id: &FileId,
        stored: &mut StoredFile,
    ) -> Result<(), CheckoutError> {
        let object = self.repo.object_path(ObjectKind::File, id.checksum());
        match rustix::fs::linkat(CWD, &object, &dir.fd, name, AtFlags::empty()) {
            Ok(()) => Ok(()),
            Err(Errno::MLINK | Errno::XDEV | Errno::PERM) if !self.options.require_hard_links => {
                match stored.header.kind {
                    FileKind::Regular => self.copy(dir, name, id, stored),
                    FileKind::Symlink(_) => self.symlink(dir, name, &stored.header),
                }
            }
            Err(e) => Ok(Err(e).at("link", dir.path.join(name))?),
        }
    }

    fn copy(
        &self,
        dir: &OpenDir,
        name: &str,
        id: &FileId,
        stored: &mut StoredFile,
    ) -> Result<(), CheckoutError> {
        let path = || dir.path.join(name);
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&dir.fd, name, flags, Mode::RUSR | Mode::WUSR)
            .at("create", path())?;
        let mut file = std::fs::File::from(file);
        let copied = match stored.as_file() {
            // From file to file the kernel copies, or shares the blocks.
            Some(mut content) => io::copy(&mut content, &mut file),
            None => io::copy(stored, &mut file),
        };
        let copied = copied
            .at("write", path())
            .map_err(CheckoutError::from)
            .and_then(|actual| {
                let expected = stored.size;
                if actual == expected {
                    Ok(())
                } else {
                    Err(CheckoutError::Size {
                        id: *id,
                        expected,
                        actual,
                    })
                }
            });
        let done = copied.and_then(|()| {
            Ok(self
                .dress(&file.into(), &stored.header)
                .at("set the metadata of", path())?)
        });
        if done.is_err() {
            let _ = rustix::fs::unlinkat(&dir.fd, name, AtFlags::empty()); // the first error says more
        }
        done
    }

    /// Owner, xattrs and mode of a copy; the mode last, because a change of owner takes set-id bits away.
    fn dress(&self, file: &std::os::fd::OwnedFd, header: &FileHeader) -> rustix::io::Result<()> {
        let mode = match self.ownership {
            Ownership::AsStored => {
                rustix::fs::fchown(file, uid(header.uid), gid(header.gid))?;
                set_xattrs(file, &header.xattrs)?;
                header.mode
            }
            Ownership::User => (header.mode & !0o6000) | 0o400,
        };
        rustix::fs::fchmod(file, Mode::from_raw_mode(mode))
    }

    fn symlink(&self, dir: &OpenDir, name: &str, header: &FileHeader) -> Result<(), CheckoutError> {
        let path = || dir.path.join(name);
        rustix::fs::symlinkat(header.target(), &dir.fd, name).at("create", path())?;
        if self.ownership == Ownership::AsStored {
            let (uid, gid) = (uid(header.uid), gid(header.gid));
            rustix::fs::chownat(&dir.fd, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
                .at("change the owner of", path())?;
            // No call sets an xattr of a link in an open directory, but the directory has a name of its own.
            let through = format!("/proc/self/fd/{}/{name}", dir.fd.as_raw_fd());
            for (xattr, value) in header.xattrs.iter() {
                rustix::fs::lsetxattr(&through, xattr, value, XattrFlags::empty())
                    .at("set the xattrs of", path())?;
            }
        }
        Ok(())
    }
}
