//! A directory of objects: that of a repository, or that of a transaction's staging directory.
//!
//! What is in it may have been put there by anybody: no link is followed and no fifo waited for.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use super::objects::MAX_METADATA;
use super::{ReadError, RepoMode};
use crate::checksum::{Checksum, CommitId};
use crate::object::{ObjectKind, ParseError};
use crate::path_error::{At, PathError};

/// A directory of objects in the form of one mode.
#[derive(Debug)]
pub(super) struct ObjectDir {
    pub(super) path: PathBuf,
    dir: OwnedFd,
    pub(super) mode: RepoMode,
    /// Whether xattrs of files in `bare` do not count (`core.disable-xattrs`).
    pub(super) no_xattrs: bool,
}

impl ObjectDir {
    pub(super) fn open(path: PathBuf, mode: RepoMode) -> Result<ObjectDir, PathError> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let dir = rustix::fs::open(&path, flags, Mode::empty()).at("open", &path)?;
        Ok(ObjectDir {
            path,
            dir,
            mode,
            no_xattrs: false,
        })
    }

    /// Takes objects in `bare` to have no xattrs, if `disabled`.
    pub(super) fn without_xattrs(mut self, disabled: bool) -> ObjectDir {
        self.no_xattrs = disabled;
        self
    }

    /// The directory's descriptor.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// How file objects lie in it.
    pub(super) fn mode(&self) -> RepoMode {
        self.mode
    }

    /// Where an object lies, or would lie.
    pub(super) fn object_path(&self, kind: ObjectKind, checksum: &Checksum) -> PathBuf {
        self.path
            .join(relative_path(checksum, self.mode.extension(kind)))
    }

    /// Whether the object is there.
    pub(super) fn has(&self, kind: ObjectKind, checksum: &Checksum) -> Result<bool, PathError> {
        let relative = relative_path(checksum, self.mode.extension(kind));
        match rustix::fs::statat(&self.dir, &relative, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(rustix::io::Errno::NOENT) => Ok(false),
            Err(e) => Err(e).at("stat", self.object_path(kind, checksum)),
        }
    }

    /// Reads and parses a metadata object.
    pub(super) fn metadata<T>(
        &self,
        kind: ObjectKind,
        checksum: &Checksum,
        parse: impl FnOnce(&[u8]) -> Result<T, ParseError>,
    ) -> Result<T, ReadError> {
        let bytes = self.metadata_bytes(kind, checksum)?;
        parse(&bytes).map_err(ReadError::parse(kind, checksum))
    }

    /// The bytes of a dirtree, dirmeta or commit, as they are stored.
    pub(super) fn metadata_bytes(
        &self,
        kind: ObjectKind,
        checksum: &Checksum,
    ) -> Result<Vec<u8>, ReadError> {
        let Opened::Regular(file) = self.open_object(kind, checksum)? else {
            return Err(ReadError::Form {
                kind,
                checksum: *checksum,
                what: "a symbolic link, not a file",
            });
        };
        let path = || self.object_path(kind, checksum);
        let size = file.metadata().at("stat", path())?.len();
        if size > MAX_METADATA {
            return Err(ReadError::Form {
                kind,
                checksum: *checksum,
                what: "larger than 32 MiB",
            });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        let read = file.take(size).read_to_end(&mut bytes);
        read.at("read", path())?;
        Ok(bytes)
    }

    /// Every loose object, sorted by name. Strange files in `objects/` are passed over, as ostree does.
    pub(super) fn list(&self) -> Result<Vec<(ObjectKind, Checksum)>, PathError> {
        let root = &self.path;
        let mut objects = Vec::new();
        for entry in fs::read_dir(root).at("list", root)? {
            let entry = entry.at("list", root)?;
            let prefix = entry.file_name().into_string().unwrap_or_default();
            if prefix.len() != 2 || !entry.file_type().at("stat", entry.path())?.is_dir() {
                continue;
            }
            let dir = entry.path();
            for entry in fs::read_dir(&dir).at("list", &dir)? {
                let name = entry
                    .at("list", &dir)?
                    .file_name()
                    .into_string()
                    .unwrap_or_default();
                objects.extend(self.object_named(&prefix, &name));
            }
        }
        objects.sort_unstable_by_key(|(kind, checksum)| (*checksum, *kind));
        Ok(objects)
    }

    /// The commits whose checksums begin with these digits, in no order.
    pub(super) fn commits(&self, digits: &str) -> Result<Vec<CommitId>, PathError> {
        let mut commits = Vec::new();
        for entry in fs::read_dir(&self.path).at("list", &self.path)? {
            let prefix = entry.at("list", &self.path)?.file_name();
            let prefix = prefix.to_str().unwrap_or_default();
            let common = digits.len().min(2);
            if prefix.len() != 2 || prefix.get(..common) != digits.get(..common) {
                continue;
            }
            let dir = self.path.join(prefix);
            let entries = match fs::read_dir(&dir) {
                Err(e) if e.kind() == io::ErrorKind::NotADirectory => continue,
                entries => entries.at("list", &dir)?,
            };
            for entry in entries {
                let name = entry.at("list", &dir)?.file_name();
                let name = name.to_str().unwrap_or_default();
                if let Some((ObjectKind::Commit, checksum)) = self.object_named(prefix, name)
                    && checksum.to_string().starts_with(digits)
                {
                    commits.push(CommitId::new(checksum));
                }
            }
        }
        Ok(commits)
    }

    fn object_named(&self, prefix: &str, name: &str) -> Option<(ObjectKind, Checksum)> {
        let (rest, extension) = name.split_once('.')?;
        let kinds = [
            ObjectKind::File,
            ObjectKind::DirTree,
            ObjectKind::DirMeta,
            ObjectKind::Commit,
        ];
        let kind = kinds
            .into_iter()
            .find(|kind| self.mode.extension(*kind) == extension)?;
        Some((kind, format!("{prefix}{rest}").parse().ok()?))
    }

    /// Opens the object's file without following a link and without waiting for a fifo.
    pub(super) fn open_object(
        &self,
        kind: ObjectKind,
        checksum: &Checksum,
    ) -> Result<Opened, ReadError> {
        let extension = self.mode.extension(kind);
        let relative = relative_path(checksum, extension);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match rustix::fs::openat(&self.dir, &relative, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(rustix::io::Errno::NOENT) => {
                return Err(ReadError::Missing {
                    kind,
                    checksum: *checksum,
                    extension,
                });
            }
            Err(rustix::io::Errno::LOOP) if kind == ObjectKind::File => {
                let target = rustix::fs::readlinkat(&self.dir, &relative, Vec::new());
                return Ok(Opened::Link(
                    target.at("read", self.object_path(kind, checksum))?,
                ));
            }
            Err(e) if kind == ObjectKind::File => {
                return Err(ReadError::Open {
                    checksum: *checksum,
                    cause: io::Error::from(e).into(),
                });
            }
            Err(e) => return Err(e).at("open", self.object_path(kind, checksum))?,
        };
        let found = rustix::fs::fstat(&file).at("stat", self.object_path(kind, checksum))?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => Ok(Opened::Regular(file)),
            _ => Err(ReadError::Form {
                kind,
                checksum: *checksum,
                what: "not a regular file",
            }),
        }
    }
}

/// An object's file: in some modes a symbolic link.
pub(super) enum Opened {
    Regular(File),
    Link(CString),
}

/// `XX/REST.EXT`.
pub(super) fn relative_path(checksum: &Checksum, extension: &str) -> String {
    let hex = checksum.to_string();
    let (prefix, rest) = hex.split_at(2);
    format!("{prefix}/{rest}.{extension}")
}
