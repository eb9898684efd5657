//! Stored trees as directories on disk.
//!
//! Everything happens relative to open directories, and no symbolic link below the destination is followed, so
//! nothing lands outside it whatever stands there already. (ostree follows a link that stands where a tree has a
//! directory; here that is an error.)
//!
//! | | owners as stored | owned by the user |
//! |---|---|---|
//! | directories | owner, mode, xattrs as stored | mode as stored |
//! | files | owner, mode, xattrs as stored | mode without set-id bits, readable for the owner |
//!
//! `bare-user-only` repositories know no owners and always behave as in the second column, there and with
//! [`CheckoutOptions::bare_user_only_dirs`] directories keep only the mode bits 0775. Directories are made with
//! mode 0700 and get what is theirs when everything is in them; new ones get modification time 0.
//!
//! Files are links to their objects where that changes nothing (the module `files` has the table). The cache of uncompressed
//! objects that ostree keeps in `archive` repositories is not used: such files are always copies.

mod files;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use rustix::fs::{CWD, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags};
use rustix::io::Errno;

use super::DirTreeSource;
use crate::checksum::{DirMetaId, DirTreeId, FileId};
use crate::object::{DirMeta, Name, Xattrs};
use crate::path_error::{At, PathError, SystemError};
use crate::repo::{ReadError, Repo, RepoMode};

/// What of a directory's mode `bare-user-only` keeps.
const BARE_USER_ONLY_BITS: u32 = 0o775;

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
}

/// How a tree is checked out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
}

/// Why a tree could not be checked out. What was made until then stays.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// A directory could not be made, often because there is one.
    #[error("mkdirat: {cause}")]
    MakeDir {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        cause: SystemError,
    },
    /// What stands where a directory should be cannot be opened as one.
    #[error("opendir({name}): {cause}")]
    OpenDir {
        /// Its name.
        name: String,
        /// What the system said.
        cause: SystemError,
    },
    /// A file cannot take the place of what is there.
    #[error("renameat({temporary}, {name}): {cause}")]
    Replace {
        /// The file's name for the time being.
        temporary: String,
        /// Its name.
        name: String,
        /// What the system said.
        cause: SystemError,
    },
    /// Links are demanded where the repository mode has none.
    #[error("{mode} repository mode {what}")]
    NoHardLink {
        /// How ostree calls the mode.
        mode: &'static str,
        /// Why not.
        what: &'static str,
    },
    /// Links are demanded and copies forbidden.
    #[error("Cannot specify both --require-hardlinks and --force-copy")]
    LinkAndCopy,
    /// An object's content is not as long as its header says.
    #[error("file object {id} has {actual} bytes where {expected} were announced")]
    Size {
        /// The object.
        id: FileId,
        /// Bytes announced.
        expected: u64,
        /// Bytes that came.
        actual: u64,
    },
    /// An object could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// Makes the stored directory `tree` with the metadata `meta` at `destination`.
pub fn checkout(
    repo: &Repo,
    tree: &DirTreeId,
    meta: &DirMetaId,
    destination: &Path,
    options: &CheckoutOptions,
) -> Result<(), CheckoutError> {
    let checkout = Checkout::new(repo, options)?;
    let root = checkout.root(destination, Some(meta))?;
    let mut open = vec![checkout.fill(root, tree)?];
    while let Some(dir) = open.last_mut() {
        match dir.ahead.pop() {
            Some((name, (tree, meta))) => {
                let made = checkout.subdirectory(dir, &name, &meta)?;
                let filled = checkout.fill(made, &tree)?;
                open.push(filled);
            }
            None => {
                if let Some(dir) = open.pop() {
                    checkout.finish(&dir)?;
                }
            }
        }
    }
    Ok(())
}

/// Makes the stored file `file` as `name` in the directory `destination`, which is made with mode 0700 if it is not
/// there.
pub fn checkout_file(
    repo: &Repo,
    name: &Name,
    file: &FileId,
    destination: &Path,
    options: &CheckoutOptions,
) -> Result<(), CheckoutError> {
    let checkout = Checkout::new(repo, options)?;
    let dir = checkout.root(destination, None)?;
    checkout.file(&dir, name, file)
}

struct Checkout<'a> {
    repo: &'a Repo,
    options: &'a CheckoutOptions,
    ownership: Ownership,
    dir_bits: u32,
    /// Numbers names for the time being.
    temporaries: AtomicU64,
}

/// A directory being filled.
struct OpenDir {
    fd: OwnedFd,
    path: PathBuf,
    /// What it gets in the end, if it is new.
    meta: Option<DirMeta>,
    /// Subdirectories still to be made, the next one last.
    ahead: Vec<(Name, (DirTreeId, DirMetaId))>,
}

impl<'a> Checkout<'a> {
    fn new(repo: &'a Repo, options: &'a CheckoutOptions) -> Result<Self, CheckoutError> {
        if options.require_hard_links && options.force_copy {
            return Err(CheckoutError::LinkAndCopy);
        }
        let user_only = repo.mode() == RepoMode::BareUserOnly;
        Ok(Checkout {
            repo,
            options,
            ownership: if user_only {
                Ownership::User
            } else {
                options.ownership
            },
            dir_bits: if user_only || options.bare_user_only_dirs {
                BARE_USER_ONLY_BITS
            } else {
                0o7777
            },
            temporaries: AtomicU64::new(0),
        })
    }

    /// The destination itself. Only here a link to a directory is followed: the user named it.
    fn root(&self, destination: &Path, meta: Option<&DirMetaId>) -> Result<OpenDir, CheckoutError> {
        // A single file may go into a directory that is there.
        let merge = meta.is_none() || self.options.overwrite != Overwrite::Refuse;
        let new = make_dir(CWD, destination, destination, merge)?;
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(destination, flags, Mode::empty());
        let fd = fd.map_err(|e| not_a_dir(destination.display().to_string(), e))?;
        let meta = meta
            .filter(|_| new)
            .map(|meta| self.repo.dirmeta(meta))
            .transpose()?;
        Ok(OpenDir {
            fd,
            path: destination.to_owned(),
            meta,
            ahead: Vec::new(),
        })
    }

    fn subdirectory(
        &self,
        parent: &OpenDir,
        name: &Name,
        meta: &DirMetaId,
    ) -> Result<OpenDir, CheckoutError> {
        let path = parent.path.join(name.as_str());
        let merge = self.options.overwrite != Overwrite::Refuse;
        let new = make_dir(parent.fd.as_fd(), Path::new(name.as_str()), &path, merge)?;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&parent.fd, name.as_str(), flags, Mode::empty());
        let fd = fd.map_err(|e| not_a_dir(name.to_string(), e))?;
        let meta = if new {
            Some(self.repo.dirmeta(meta)?)
        } else {
            None
        };
        Ok(OpenDir {
            fd,
            path,
            meta,
            ahead: Vec::new(),
        })
    }

    /// Makes the files of a directory and notes its subdirectories.
    fn fill(&self, mut dir: OpenDir, tree: &DirTreeId) -> Result<OpenDir, CheckoutError> {
        let stored = self.repo.dirtree(tree)?;
        for (name, file) in &stored.files {
            self.file(&dir, name, file)?;
        }
        dir.ahead = stored.dirs.into_iter().rev().collect();
        Ok(dir)
    }

    /// Gives a new directory what is its own, now that nothing more goes into it.
    fn finish(&self, dir: &OpenDir) -> Result<(), CheckoutError> {
        let Some(meta) = &dir.meta else { return Ok(()) };
        if self.ownership == Ownership::AsStored {
            rustix::fs::fchown(&dir.fd, uid(meta.uid), gid(meta.gid))
                .at("change the owner of", &dir.path)?;
            set_xattrs(&dir.fd, &meta.xattrs).at("set the xattrs of", &dir.path)?;
        }
        let mode = Mode::from_raw_mode(meta.mode & self.dir_bits);
        rustix::fs::fchmod(&dir.fd, mode).at("change the mode of", &dir.path)?;
        if !self.options.force_copy {
            rustix::fs::futimens(&dir.fd, &MODIFIED_AT_ZERO).at("set the time of", &dir.path)?;
        }
        Ok(())
    }
}

const MODIFIED_AT_ZERO: Timestamps = Timestamps {
    last_access: Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_OMIT,
    },
    last_modification: Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    },
};

/// Makes a directory; with `merge` one that is there will do. Returns whether it is new.
fn make_dir(
    parent: BorrowedFd<'_>,
    name: &Path,
    path: &Path,
    merge: bool,
) -> Result<bool, CheckoutError> {
    match rustix::fs::mkdirat(parent, name, Mode::RWXU) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) if merge => Ok(false),
        Err(e) => Err(CheckoutError::MakeDir {
            path: path.to_owned(),
            cause: system(e),
        }),
    }
}

fn not_a_dir(name: String, errno: Errno) -> CheckoutError {
    CheckoutError::OpenDir {
        name,
        cause: system(errno),
    }
}

fn system(errno: Errno) -> SystemError {
    std::io::Error::from(errno).into()
}

/// The owner to set; the one number that the kernel takes for "leave it" means the same here.
fn uid(uid: u32) -> Option<Uid> {
    (uid != u32::MAX).then(|| Uid::from_raw(uid))
}

fn gid(gid: u32) -> Option<Gid> {
    (gid != u32::MAX).then(|| Gid::from_raw(gid))
}

fn set_xattrs(fd: &OwnedFd, xattrs: &Xattrs) -> rustix::io::Result<()> {
    xattrs
        .iter()
        .try_for_each(|(name, value)| rustix::fs::fsetxattr(fd, name, value, XattrFlags::empty()))
}
