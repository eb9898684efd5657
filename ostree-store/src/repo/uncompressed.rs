//! The directory `uncompressed-objects-cache` of an `archive` repository: plain copies of file objects that checkouts
//! link to, so that a tree checked out twice is inflated once.
//!
//! | path | what |
//! |---|---|
//! | `uncompressed-objects-cache/XX/REST.file` | content of a regular file, its mode without set-id bits |
//!
//! A copy is written without a name in `tmp/` and linked in when it is complete and, unless `core.fsync` is off, on the
//! disk. So whoever finds a name finds a whole file, however many processes fill the cache and whenever one of them
//! is killed. Nothing here is needed to read the repository: ostree empties the cache by the same rule by which
//! anybody may, a copy that has no other link is of no use.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

use super::object_dir::relative_path;
use super::{ReadError, Repo, RepoMode, StoredFile};
use crate::checksum::FileId;
use crate::path_error::{At, PathError};

/// Its name in the repository.
const NAME: &str = "uncompressed-objects-cache";

/// Bits that a copy never has, lest everybody's link be a program that runs as its owner.
const SET_ID: u32 = 0o6000;

/// The cache of one repository.
#[derive(Debug)]
pub(crate) struct UncompressedCache {
    path: PathBuf,
    tmp: PathBuf,
    fsync: bool,
    /// Opened when it is there, made when something goes in.
    dir: OnceLock<OwnedFd>,
    /// Numbers names for the time being.
    temporaries: AtomicU64,
}

impl Repo {
    /// The cache, if this repository has one: in `archive`, unless `core.enable-uncompressed-cache` says no or the
    /// user cannot write the repository.
    pub(crate) fn uncompressed_cache(&self) -> Result<Option<UncompressedCache>, super::RepoError> {
        let wanted = self.mode == RepoMode::Archive
            && self.config.flag("enable-uncompressed-cache", true)?
            && rustix::fs::accessat(
                self.objects.as_fd(),
                ".",
                Access::WRITE_OK,
                AtFlags::empty(),
            )
            .is_ok();
        Ok(wanted.then(|| UncompressedCache {
            path: self.path.join(NAME),
            tmp: self.path.join("tmp"),
            fsync: self.fsync,
            dir: OnceLock::new(),
            temporaries: AtomicU64::new(0),
        }))
    }
}

impl UncompressedCache {
    /// Where the copy of an object lies within the cache.
    pub(crate) fn name_of(id: &FileId) -> String {
        relative_path(id.checksum(), "file")
    }

    /// The directory, `None` while there is none.
    pub(crate) fn dir(&self) -> Result<Option<BorrowedFd<'_>>, PathError> {
        if let Some(dir) = self.dir.get() {
            return Ok(Some(dir.as_fd()));
        }
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        match rustix::fs::open(&self.path, flags, Mode::empty()) {
            Ok(dir) => Ok(Some(self.dir.get_or_init(|| dir).as_fd())),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e).at("open", &self.path),
        }
    }

    /// Puts the content of a regular file into the cache; one that is there already stays.
    pub(crate) fn fill(&self, id: &FileId, stored: &mut StoredFile) -> Result<(), ReadError> {
        let dir = match self.dir()? {
            Some(dir) => dir,
            None => {
                make_dir(CWD, &self.path)?;
                self.dir()?.ok_or(Errno::NOENT).at("open", &self.path)?
            }
        };
        let name = Self::name_of(id);
        let prefix = name.split('/').next().unwrap_or_default();
        make_dir(dir, Path::new(prefix)).map_err(|e| PathError {
            path: self.path.join(prefix),
            ..e
        })?;
        let (mut file, temporary) = self.unnamed()?;
        let linked = self.write(&mut file, stored).and_then(|()| {
            let source = match &temporary {
                Some(path) => path.clone(),
                None => PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())),
            };
            match rustix::fs::linkat(CWD, &source, dir, &name, AtFlags::SYMLINK_FOLLOW) {
                Ok(()) | Err(Errno::EXIST) => Ok(()),
                Err(e) => Err(e.into()),
            }
        });
        if let Some(path) = temporary {
            let _ = std::fs::remove_file(path); // the copy has its own name by now, or never gets one
        }
        Ok(linked.at("write", self.path.join(name))?)
    }

    fn write(&self, file: &mut File, stored: &mut StoredFile) -> io::Result<()> {
        io::copy(stored, file)?;
        let mode = Mode::from_raw_mode(stored.header.mode & !SET_ID);
        rustix::fs::fchmod(&*file, mode)?;
        if self.fsync {
            file.sync_all()?;
        }
        Ok(())
    }

    /// A file without a name, or with one in `tmp/` where the file system knows no other files.
    fn unnamed(&self) -> Result<(File, Option<PathBuf>), PathError> {
        let owner_only = Mode::RUSR | Mode::WUSR;
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        match rustix::fs::open(&self.tmp, flags, owner_only) {
            Ok(file) => return Ok((file.into(), None)),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT) => {}
            Err(e) => return Err(e).at("write in", &self.tmp),
        }
        loop {
            let number = self.temporaries.fetch_add(1, Ordering::Relaxed);
            let path = self
                .tmp
                .join(format!("uncompressed-{}-{number}", std::process::id()));
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            match rustix::fs::open(&path, flags, owner_only) {
                Ok(file) => return Ok((file.into(), Some(path))),
                Err(Errno::EXIST) => {}
                Err(e) => return Err(e).at("create", path),
            }
        }
    }
}

/// Makes a directory unless it is there.
fn make_dir(parent: BorrowedFd<'_>, name: &Path) -> Result<(), PathError> {
    match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o775)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(e) => Err(e).at("create", name),
    }
}
