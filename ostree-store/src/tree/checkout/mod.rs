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
//! mode 0700 and get what is theirs when everything is in them; new ones get modification time 0. Those that were
//! there before keep what they have.
//!
//! Files are links to their objects where that changes nothing (the module `files` has the table).

mod copy;
mod error;
mod files;
mod link;
mod options;
mod whiteouts;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use rustix::fs::{CWD, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags};
use rustix::io::Errno;

use super::{DirTreeSource, MAX_DEPTH};
use crate::checksum::{DirMetaId, DirTreeId, FileId};
use crate::object::{DirMeta, DirTree, Name, ObjectKind, Xattrs};
use crate::path_error::At;
use crate::repo::{ReadError, Repo, RepoMode, UncompressedCache};

pub use self::error::CheckoutError;
use self::error::system;
pub use self::options::{CheckoutOptions, Overwrite, Ownership};

/// What of a directory's mode `bare-user-only` keeps.
const BARE_USER_ONLY_BITS: u32 = 0o775;

/// Makes the stored directory `tree` with the metadata `meta` at `destination`.
pub fn checkout(
    repo: &Repo,
    tree: &DirTreeId,
    meta: &DirMetaId,
    destination: &Path,
    options: &CheckoutOptions,
) -> Result<(), CheckoutError> {
    checkout_watched(repo, tree, meta, destination, options, &mut || {})
}

/// The same; `made` is called after every file and every directory.
pub fn checkout_watched(
    repo: &Repo,
    tree: &DirTreeId,
    meta: &DirMetaId,
    destination: &Path,
    options: &CheckoutOptions,
    made: &mut dyn FnMut(),
) -> Result<(), CheckoutError> {
    let checkout = Checkout::new(repo, options)?;
    let above = Above {
        fd: CWD,
        path: Path::new(""),
        relative: "",
    };
    let mut open = Vec::new();
    open.extend(checkout.directory(&above, destination, (tree, meta), made)?);
    while let Some(dir) = open.last_mut() {
        let Some((name, (tree, meta))) = dir.ahead.pop() else {
            checkout.finish(dir)?;
            open.pop();
            continue;
        };
        let above = Above {
            fd: dir.fd.as_fd(),
            path: &dir.path,
            relative: &dir.relative,
        };
        let below = checkout.directory(&above, Path::new(name.as_str()), (&tree, &meta), made)?;
        open.extend(below);
        check_depth(open.len(), &tree)?;
    }
    Ok(())
}

/// A directory that holds itself has no end.
fn check_depth(depth: usize, tree: &DirTreeId) -> Result<(), ReadError> {
    if depth <= MAX_DEPTH {
        return Ok(());
    }
    Err(ReadError::Form {
        kind: ObjectKind::DirTree,
        checksum: *tree.checksum(),
        what: "directories are nested more than 2048 deep",
    })
}

/// Makes the stored file `file` as `name` in the directory `destination`, which is made with mode 0700 if it is not
/// there. [`CheckoutOptions::skip`] has no effect.
pub fn checkout_file(
    repo: &Repo,
    name: &Name,
    file: &FileId,
    destination: &Path,
    options: &CheckoutOptions,
) -> Result<(), CheckoutError> {
    let checkout = Checkout::new(repo, options)?;
    make_dir(CWD, destination, destination, true)?;
    let dir = OpenDir {
        fd: open_dir(CWD, destination, OFlags::empty())?,
        path: destination.to_owned(),
        relative: String::new(),
        meta: None,
        ahead: Vec::new(),
    };
    checkout.file(&dir, name, file)
}

struct Checkout<'a> {
    repo: &'a Repo,
    options: &'a CheckoutOptions,
    ownership: Ownership,
    dir_bits: u32,
    /// Where `archive` keeps plain copies, if they are to be used.
    cache: Option<UncompressedCache>,
    /// The file system of the repository, if everything must be on it.
    device: Option<u64>,
    /// Numbers names for the time being.
    temporaries: AtomicU64,
}

/// Where a directory is made.
struct Above<'a> {
    fd: BorrowedFd<'a>,
    path: &'a Path,
    relative: &'a str,
}

/// A directory being filled.
struct OpenDir {
    fd: OwnedFd,
    path: PathBuf,
    /// Its path in the tree, with a slash at both ends, as skip lists have it.
    relative: String,
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
        if options.overwrite == Overwrite::UnionIdentical && !options.require_hard_links {
            return Err(CheckoutError::IdenticalCopies);
        }
        let user_only = repo.mode() == RepoMode::BareUserOnly;
        let ownership = match user_only {
            true => Ownership::User,
            false => options.ownership,
        };
        let cached = options.uncompressed_cache && ownership == Ownership::User;
        let cache = match cached {
            true => repo.uncompressed_cache().map_err(Box::new)?,
            false => None,
        };
        let device = match options.require_hard_links {
            true => Some(
                rustix::fs::stat(repo.path())
                    .at("stat", repo.path())?
                    .st_dev,
            ),
            false => None,
        };
        Ok(Checkout {
            repo,
            options,
            ownership,
            dir_bits: if user_only || options.bare_user_only_dirs {
                BARE_USER_ONLY_BITS
            } else {
                0o7777
            },
            cache,
            device,
            temporaries: AtomicU64::new(0),
        })
    }

    /// Makes a directory and the files in it, and notes its subdirectories; nothing if it is to be skipped.
    fn directory(
        &self,
        above: &Above<'_>,
        name: &Path,
        (tree, meta): (&DirTreeId, &DirMetaId),
        made: &mut dyn FnMut(),
    ) -> Result<Option<OpenDir>, CheckoutError> {
        let stored = self.repo.dirtree(tree)?;
        let meta = self.repo.dirmeta(meta)?;
        let is_root = above.relative.is_empty();
        let relative = match is_root {
            true => "/".to_owned(),
            false => format!("{}{}/", above.relative, name.display()),
        };
        if self.options.skip.contains(&relative) {
            return Ok(None);
        }
        if self.options.whiteouts && stored.files.contains_key(whiteouts::OPAQUE) {
            whiteouts::remove(above.fd, name, &above.path.join(name))?;
        }
        let dir = self.open(above, name, is_root, meta, relative)?;
        self.fill(dir, stored, made).map(Some)
    }

    /// Only the destination itself may be a link to a directory: the user named it.
    fn open(
        &self,
        above: &Above<'_>,
        name: &Path,
        is_root: bool,
        meta: DirMeta,
        relative: String,
    ) -> Result<OpenDir, CheckoutError> {
        let path = above.path.join(name);
        let merge = self.options.overwrite != Overwrite::Refuse;
        let new = make_dir(above.fd, name, &path, merge)?;
        let follow = match is_root {
            true => OFlags::empty(),
            false => OFlags::NOFOLLOW,
        };
        let fd = open_dir(above.fd, name, follow)?;
        if let Some(repository) = self.device {
            let destination = rustix::fs::fstat(&fd).at("stat", &path)?.st_dev;
            if destination != repository {
                return Err(CheckoutError::Devices {
                    repository,
                    destination,
                });
            }
        }
        if new && self.ownership == Ownership::AsStored {
            set_xattrs(&fd, &meta.xattrs).at("set the xattrs of", &path)?;
        }
        Ok(OpenDir {
            fd,
            path,
            relative,
            meta: new.then_some(meta),
            ahead: Vec::new(),
        })
    }

    /// Makes the files of a directory and notes its subdirectories.
    fn fill(
        &self,
        mut dir: OpenDir,
        stored: DirTree,
        made: &mut dyn FnMut(),
    ) -> Result<OpenDir, CheckoutError> {
        for (name, file) in &stored.files {
            if !self.skips(&dir, name) {
                self.file(&dir, name, file)?;
            }
            made();
        }
        dir.ahead = stored.dirs.into_iter().rev().collect();
        made();
        Ok(dir)
    }

    fn skips(&self, dir: &OpenDir, name: &Name) -> bool {
        let skip = &self.options.skip;
        !skip.is_empty() && skip.contains(&format!("{}{name}", dir.relative))
    }

    /// Gives a new directory what is its own, now that nothing more goes into it.
    fn finish(&self, dir: &OpenDir) -> Result<(), CheckoutError> {
        let Some(meta) = &dir.meta else { return Ok(()) };
        let mode = Mode::from_raw_mode(meta.mode & self.dir_bits);
        rustix::fs::fchmod(&dir.fd, mode).at("change the mode of", &dir.path)?;
        if self.ownership == Ownership::AsStored {
            rustix::fs::fchown(&dir.fd, uid(meta.uid), gid(meta.gid))
                .at("change the owner of", &dir.path)?;
        }
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

fn open_dir(parent: BorrowedFd<'_>, name: &Path, more: OFlags) -> Result<OwnedFd, CheckoutError> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC | more;
    rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(|e| CheckoutError::OpenDir {
        name: name.display().to_string(),
        cause: system(e),
    })
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
