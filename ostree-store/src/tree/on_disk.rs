//! A directory on disk as one side of a comparison.
//!
//! Nothing is hashed before it is asked for, so a file that the other side has not, or has as a directory, is not even
//! opened. A fifo, socket or device is an entry like any other, though no object can hold one: two are the same if
//! their kind, owner, mode and xattrs are. Which device it is leaves no trace, as in `ostree diff`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

use super::checksum_path::{Look, checksum_as};
use super::import_dir::ImportDirError;
use crate::checksum::Checksum;
use crate::object::Name;
use crate::path_error::At;

/// A directory on disk, and how its entries are looked at.
#[derive(Clone, Debug)]
pub struct OnDisk {
    path: PathBuf,
    look: Look,
}

/// The entries of one directory on disk.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// Everything but directories, with the bits of the mode that tell its kind.
    pub(super) files: BTreeMap<Name, u32>,
    pub(super) dirs: BTreeSet<Name>,
}

impl OnDisk {
    /// The directory at `path`; a symbolic link there is followed. Nothing is read yet.
    #[must_use]
    pub fn new(path: &Path) -> OnDisk {
        OnDisk {
            path: path.to_owned(),
            look: Look::default(),
        }
    }

    /// Takes everything to belong to this user and group, if they are given.
    #[must_use]
    pub fn owned_by(mut self, uid: Option<u32>, gid: Option<u32>) -> OnDisk {
        (self.look.uid, self.look.gid) = (uid, gid);
        self
    }

    /// Takes nothing to have xattrs.
    #[must_use]
    pub fn without_xattrs(mut self) -> OnDisk {
        self.look.ignore_xattrs = true;
        self
    }

    /// What stands in the directory `relative`.
    pub(super) fn entries(&self, relative: &str) -> Result<Entries, ImportDirError> {
        let path = self.path_of(relative);
        let mut flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        if !relative.is_empty() {
            flags |= OFlags::NOFOLLOW;
        }
        let dir = rustix::fs::open(&path, flags, Mode::empty()).map_err(|cause| {
            let path = path.clone();
            let cause = std::io::Error::from(cause).into();
            ImportDirError::Open { path, cause }
        })?;
        let mut entries = Entries::default();
        for entry in Dir::read_from(&dir).at("list", &path)? {
            let entry = entry.at("list", &path)?;
            let bytes = entry.file_name().to_bytes();
            if matches!(bytes, b"." | b"..") {
                continue;
            }
            let name = Name::from_bytes(bytes).map_err(|cause| ImportDirError::Name {
                path: path.clone(),
                cause,
            })?;
            let stat = rustix::fs::statat(&dir, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW);
            let stat = stat.at("stat", path.join(name.as_str()))?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => drop(entries.dirs.insert(name)),
                kind => drop(entries.files.insert(name, kind.as_raw_mode())),
            }
        }
        Ok(entries)
    }

    /// The checksum of a file, link or special file, or of a directory's metadata.
    pub(super) fn checksum(&self, relative: &str) -> Result<Checksum, ImportDirError> {
        checksum_as(&self.path_of(relative), &self.look)
    }

    fn path_of(&self, relative: &str) -> PathBuf {
        match relative {
            "" => self.path.clone(),
            _ => self.path.join(relative),
        }
    }
}

/// Whether a file of this kind can be an object.
pub(super) fn is_storable(kind: u32) -> bool {
    matches!(
        FileType::from_raw_mode(kind),
        FileType::RegularFile | FileType::Symlink
    )
}
