//! Copies of objects: files with the content, and symbolic links made new.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, XattrFlags};
use rustix::io::Errno;

use super::error::{call, system};
use super::link::through;
use super::{
    Checkout, CheckoutError, OpenDir, Overwrite, Ownership, gid, set_xattrs, uid, whiteouts,
};
use crate::checksum::FileId;
use crate::object::{FileHeader, FileKind};
use crate::path_error::At;
use crate::repo::StoredFile;

/// Says of which object a copy was to be made, and where.
pub(super) fn in_copy(id: FileId, name: &str, cause: CheckoutError) -> CheckoutError {
    CheckoutError::Copy {
        id,
        name: name.to_owned(),
        cause: Box::new(cause),
    }
}

/// A file that is being written.
struct Growing {
    file: File,
    /// The name it has meanwhile; none if it has none.
    name: Option<String>,
}

impl Checkout<'_> {
    /// Makes a copy where it may stand.
    pub(super) fn copy(
        &self,
        dir: &OpenDir,
        name: &str,
        id: &FileId,
        stored: &mut StoredFile,
    ) -> Result<(), CheckoutError> {
        if let FileKind::Symlink(_) = stored.header.kind {
            return self.symlink(dir, name, &stored.header);
        }
        match self.options.overwrite {
            Overwrite::Refuse => self.new_copy(dir, name, id, stored),
            Overwrite::UnionAdd => match found(dir, name)? {
                Some(_) => Ok(()),
                None => self.new_copy(dir, name, id, stored),
            },
            Overwrite::UnionIdentical => match found(dir, name)? {
                Some(stat) if self.existing(dir, name, &stat)? == Some(*id) => Ok(()),
                _ => self.new_copy(dir, name, id, stored),
            },
            Overwrite::Union if self.options.whiteouts => {
                whiteouts::remove_in(dir, name)?;
                self.new_copy(dir, name, id, stored)
            }
            Overwrite::Union => self.replacing_copy(dir, name, id, stored),
        }
    }

    /// Makes a copy where nothing is.
    fn new_copy(
        &self,
        dir: &OpenDir,
        name: &str,
        id: &FileId,
        stored: &mut StoredFile,
    ) -> Result<(), CheckoutError> {
        let file = create(dir, name).map_err(|e| call("linkat", e))?;
        let file = Growing {
            file,
            name: Some(name.to_owned()),
        };
        self.fill_copy(dir, &file, id, stored)
    }

    /// Makes a copy without a name, then gives it the name, whatever has that.
    fn replacing_copy(
        &self,
        dir: &OpenDir,
        name: &str,
        id: &FileId,
        stored: &mut StoredFile,
    ) -> Result<(), CheckoutError> {
        let growing = self.unnamed(dir)?;
        self.fill_copy(dir, &growing, id, stored)?;
        let temporary = match growing.name {
            Some(name) => name,
            None => match give_name(dir, &growing.file, name) {
                Ok(()) => return Ok(()),
                Err(Errno::EXIST) => self.named_for_now(dir, &growing.file)?,
                Err(e) => return Err(call("linkat", e)),
            },
        };
        rustix::fs::renameat(&dir.fd, &*temporary, &dir.fd, name).map_err(|e| {
            let _ = rustix::fs::unlinkat(&dir.fd, &*temporary, AtFlags::empty()); // the error says more
            CheckoutError::Replace {
                temporary: format!("./{temporary}"),
                name: name.to_owned(),
                cause: system(e),
            }
        })
    }

    /// A file without a name, or with an unlikely one where the file system knows no other files.
    fn unnamed(&self, dir: &OpenDir) -> Result<Growing, CheckoutError> {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        match rustix::fs::openat(&dir.fd, ".", flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => {
                return Ok(Growing {
                    file: file.into(),
                    name: None,
                });
            }
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT) => {}
            Err(e) => return Err(call("open(O_TMPFILE)", e)),
        }
        loop {
            let name = self.temporary_name("tmp.");
            match create(dir, &name) {
                Ok(file) => {
                    let name = Some(name);
                    return Ok(Growing { file, name });
                }
                Err(Errno::EXIST) => {}
                Err(e) => return Err(call(format!("open({name})"), e)),
            }
        }
    }

    fn named_for_now(&self, dir: &OpenDir, file: &File) -> Result<String, CheckoutError> {
        loop {
            let name = self.temporary_name("tmp.");
            match give_name(dir, file, &name) {
                Ok(()) => return Ok(name),
                Err(Errno::EXIST) => {}
                Err(e) => return Err(call("linkat", e)),
            }
        }
    }

    /// Content and metadata. A file that does not get all of it goes away.
    fn fill_copy(
        &self,
        dir: &OpenDir,
        growing: &Growing,
        id: &FileId,
        stored: &mut StoredFile,
    ) -> Result<(), CheckoutError> {
        let filled = copy_content(dir, &growing.file, id, stored)
            .and_then(|()| self.dress(dir, &growing.file, &stored.header));
        if filled.is_err()
            && let Some(name) = &growing.name
        {
            let _ = rustix::fs::unlinkat(&dir.fd, &**name, AtFlags::empty()); // the first error says more
        }
        filled
    }

    /// Owner, xattrs and mode of a copy; the mode last, because a change of owner takes set-id bits away.
    fn dress(&self, dir: &OpenDir, file: &File, header: &FileHeader) -> Result<(), CheckoutError> {
        let mode = match self.ownership {
            Ownership::AsStored => {
                rustix::fs::fchown(file, uid(header.uid), gid(header.gid))
                    .map_err(|e| call("fchown", e))?;
                let set = file
                    .try_clone()
                    .map(OwnedFd::from)
                    .and_then(|fd| Ok(set_xattrs(&fd, &header.xattrs)?));
                set.at("set the xattrs of a file in", &dir.path)?;
                header.mode
            }
            Ownership::User => (header.mode & !0o6000) | 0o400,
        };
        rustix::fs::fchmod(file, Mode::from_raw_mode(mode)).map_err(|e| call("fchmod", e))
    }

    fn symlink(&self, dir: &OpenDir, name: &str, header: &FileHeader) -> Result<(), CheckoutError> {
        let target = header.target();
        match rustix::fs::symlinkat(target, &dir.fd, name) {
            Ok(()) => return self.dress_symlink(dir, name, header),
            Err(Errno::EXIST) => {}
            Err(e) => return Err(call("symlinkat", e)),
        }
        match self.options.overwrite {
            Overwrite::UnionAdd => Ok(()),
            Overwrite::Union => {
                self.clear_for_symlink(dir, name)?;
                // ostree gives a link that replaces something neither owner nor xattrs, and so do we.
                rustix::fs::symlinkat(target, &dir.fd, name).map_err(|e| call("symlinkat", e))
            }
            Overwrite::UnionIdentical => {
                let there = rustix::fs::readlinkat(&dir.fd, name, Vec::new());
                match there.is_ok_and(|there| there.as_bytes() == target.as_bytes()) {
                    true => Ok(()),
                    false => Err(call("symlinkat", Errno::EXIST)),
                }
            }
            Overwrite::Refuse => Err(call("symlinkat", Errno::EXIST)),
        }
    }

    fn clear_for_symlink(&self, dir: &OpenDir, name: &str) -> Result<(), CheckoutError> {
        if self.options.whiteouts {
            return whiteouts::remove_in(dir, name);
        }
        match rustix::fs::unlinkat(&dir.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(call(format!("unlinkat({name})"), e)),
        }
    }

    fn dress_symlink(
        &self,
        dir: &OpenDir,
        name: &str,
        header: &FileHeader,
    ) -> Result<(), CheckoutError> {
        if self.ownership == Ownership::User {
            return Ok(());
        }
        let (uid, gid) = (uid(header.uid), gid(header.gid));
        rustix::fs::chownat(&dir.fd, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| call("fchownat", e))?;
        for (xattr, value) in header.xattrs.iter() {
            // No call sets an xattr of a link in an open directory, but the directory has a name of its own.
            rustix::fs::lsetxattr(through(dir, name), xattr, value, XattrFlags::empty())
                .at("set the xattrs of", dir.path.join(name))?;
        }
        Ok(())
    }
}

/// What has this name.
fn found(dir: &OpenDir, name: &str) -> Result<Option<rustix::fs::Stat>, CheckoutError> {
    match rustix::fs::statat(&dir.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Ok(Err(e).at("stat", dir.path.join(name))?),
    }
}

fn create(dir: &OpenDir, name: &str) -> rustix::io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(&dir.fd, name, flags, Mode::RUSR | Mode::WUSR).map(File::from)
}

/// Names a file that has no name.
fn give_name(dir: &OpenDir, file: &File, name: &str) -> rustix::io::Result<()> {
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, unnamed, &dir.fd, name, AtFlags::SYMLINK_FOLLOW)
}

fn copy_content(
    dir: &OpenDir,
    mut file: &File,
    id: &FileId,
    stored: &mut StoredFile,
) -> Result<(), CheckoutError> {
    let copied = match stored.as_file() {
        // From file to file the kernel copies, or shares the blocks.
        Some(mut content) => io::copy(&mut content, &mut file),
        None => io::copy(stored, &mut file),
    };
    let actual = copied.at("write a file in", &dir.path)?;
    let expected = stored.size;
    match actual == expected {
        true => Ok(()),
        false => Err(CheckoutError::Size {
            id: *id,
            expected,
            actual,
        }),
    }
}
