//! Links to objects, and what happens to the file whose name they take.
//!
//! | | nothing there | the same file or an equal one | another one |
//! |---|---|---|---|
//! | refuse | linked | error | error |
//! | union | linked | stays | replaced by a rename |
//! | add | linked | stays | stays |
//! | identical | linked | stays | error |

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::Ordering;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::error::system;
use super::{Checkout, CheckoutError, OpenDir, Overwrite, whiteouts};
use crate::checksum::FileId;
use crate::object::{Checksummer, FileHeader, FileKind, ObjectSink, PERMISSIONS, Xattrs};
use crate::path_error::At;
use crate::repo::{RepoMode, read_link_xattrs, read_xattrs};

impl Checkout<'_> {
    /// Links `name` to an object, which is named by a directory and a path in it. Returns whether the file is in its
    /// place now; not if there is no such object, or if the file system allows no link and a copy will do.
    pub(super) fn link(
        &self,
        dir: &OpenDir,
        name: &str,
        (objects, object): (BorrowedFd<'_>, &str),
        id: &FileId,
    ) -> Result<bool, CheckoutError> {
        let refuse = |e| CheckoutError::HardLink {
            object: object.to_owned(),
            name: name.to_owned(),
            cause: system(e),
        };
        match rustix::fs::linkat(objects, object, &dir.fd, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::MLINK | Errno::XDEV | Errno::PERM) if !self.options.require_hard_links => {
                Ok(false)
            }
            Err(Errno::NOENT) => Ok(false),
            Err(Errno::EXIST) => match self.options.overwrite {
                Overwrite::Refuse => Err(refuse(Errno::EXIST)),
                Overwrite::UnionAdd => Ok(true),
                _ if self.is_identical(dir, name, (objects, object), id)? => Ok(true),
                Overwrite::Union => self.replace_by_link(dir, name, (objects, object)),
                Overwrite::UnionIdentical => Err(refuse(Errno::EXIST)),
            },
            Err(e) => Err(refuse(e)),
        }
    }

    /// Whether what stands at `name` is the object itself or, going by its checksum, a copy.
    fn is_identical(
        &self,
        dir: &OpenDir,
        name: &str,
        (objects, object): (BorrowedFd<'_>, &str),
        id: &FileId,
    ) -> Result<bool, CheckoutError> {
        let path = || dir.path.join(name);
        let stored =
            rustix::fs::statat(objects, object, AtFlags::SYMLINK_NOFOLLOW).at("stat", path())?;
        let found =
            rustix::fs::statat(&dir.fd, name, AtFlags::SYMLINK_NOFOLLOW).at("stat", path())?;
        if (stored.st_dev, stored.st_ino) == (found.st_dev, found.st_ino) {
            return Ok(true);
        }
        let likely = (stored.st_mode, stored.st_uid, stored.st_gid, stored.st_size)
            == (found.st_mode, found.st_uid, found.st_gid, found.st_size);
        Ok(likely && self.existing(dir, name, &found)? == Some(*id))
    }

    /// The checksum of what stands at `name`, as far as this repository can tell files apart; none if it is neither
    /// a file nor a link, or has what no object can have.
    pub(super) fn existing(
        &self,
        dir: &OpenDir,
        name: &str,
        found: &Stat,
    ) -> Result<Option<FileId>, CheckoutError> {
        let id = match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => self.existing_file(dir, name),
            FileType::Symlink => self.existing_link(dir, name, found),
            _ => Ok(None),
        };
        Ok(id.at("read", dir.path.join(name))?)
    }

    fn existing_file(&self, dir: &OpenDir, name: &str) -> io::Result<Option<FileId>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(&dir.fd, name, flags, Mode::empty())?);
        let found = rustix::fs::fstat(&file)?;
        let xattrs = match self.knows_xattrs() {
            true => read_xattrs(&file)?,
            false => Ok(Xattrs::NONE),
        };
        let Ok(xattrs) = xattrs else { return Ok(None) };
        let user_only = self.repo.mode() == RepoMode::BareUserOnly;
        let header = FileHeader {
            uid: if user_only { 0 } else { found.st_uid },
            gid: if user_only { 0 } else { found.st_gid },
            mode: found.st_mode & PERMISSIONS,
            kind: FileKind::Regular,
            xattrs,
        };
        let size = u64::try_from(found.st_size).unwrap_or(0);
        let id = Checksummer.file(&header, size, &mut file);
        Ok(id.ok()) // a file that changes under our eyes is not the same
    }

    fn existing_link(&self, dir: &OpenDir, name: &str, found: &Stat) -> io::Result<Option<FileId>> {
        let target = rustix::fs::readlinkat(&dir.fd, name, Vec::new())?;
        let Ok(target) = target.into_string() else {
            return Ok(None);
        };
        let xattrs = match self.knows_xattrs() {
            // No call reads an xattr of a link in an open directory, but the directory has a name of its own.
            true => read_link_xattrs(through(dir, name).as_ref())?,
            false => Ok(Xattrs::NONE),
        };
        let Ok(xattrs) = xattrs else { return Ok(None) };
        let header = FileHeader {
            uid: found.st_uid,
            gid: found.st_gid,
            xattrs,
            ..FileHeader::symlink(target)
        };
        Ok(Checksummer.file(&header, 0, &mut io::empty()).ok())
    }

    fn knows_xattrs(&self) -> bool {
        let disabled = self.repo.config().get("core", "disable-xattrs");
        self.repo.mode() != RepoMode::BareUserOnly && !matches!(disabled, Some("true" | "1"))
    }

    /// Makes the link under another name, in the repository's `tmp/`, and renames it: the name never has nothing.
    fn replace_by_link(
        &self,
        dir: &OpenDir,
        name: &str,
        (objects, object): (BorrowedFd<'_>, &str),
    ) -> Result<bool, CheckoutError> {
        let tmp = self.repo.path().join("tmp");
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let tmp = rustix::fs::open(&tmp, flags, Mode::empty()).at("open", &tmp)?;
        let temporary = loop {
            let temporary = self.temporary_name("checkout-union-");
            match rustix::fs::linkat(objects, object, &tmp, &*temporary, AtFlags::empty()) {
                Ok(()) => break temporary,
                Err(Errno::EXIST) => {}
                Err(e) => return Err(super::error::call("linkat", e)),
            }
        };
        let cleared = match self.options.whiteouts {
            true => whiteouts::remove_in(dir, name),
            false => Ok(()),
        };
        let renamed = cleared.and_then(|()| {
            match rustix::fs::renameat(&tmp, &*temporary, &dir.fd, name) {
                Ok(()) => Ok(true),
                // The name was taken, so the system did not get as far as to say so before. ostree gives up here.
                Err(Errno::XDEV) if !self.options.require_hard_links => Ok(false),
                Err(e) => Err(CheckoutError::Replace {
                    temporary: temporary.clone(),
                    name: name.to_owned(),
                    cause: system(e),
                }),
            }
        });
        if !matches!(renamed, Ok(true)) {
            // ostree leaves it there.
            let _ = rustix::fs::unlinkat(&tmp, &*temporary, AtFlags::empty());
        }
        renamed
    }

    /// A name that is unlikely to be taken.
    pub(super) fn temporary_name(&self, prefix: &str) -> String {
        let number = self.temporaries.fetch_add(1, Ordering::Relaxed);
        format!("{prefix}{}-{number}", std::process::id())
    }
}

/// A path to an entry of an open directory, for calls that know no descriptors. Only its last part is looked up.
pub(super) fn through(dir: &OpenDir, name: &str) -> String {
    format!("/proc/self/fd/{}/{name}", dir.fd.as_raw_fd())
}
