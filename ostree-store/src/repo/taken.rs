//! Files that become objects as they are: `commit --consume` renames them into the repository.
//!
//! ostree renames each into its staging directory, whose content the next transaction takes over. Ours is thrown away
//! when its process is killed, so here a file stays where it is until everything else is on the disk; then all are
//! renamed into `objects/`, before any commit can be seen. Whenever the process ends, a file's content is in its old
//! place or in the repository.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::object_dir::relative_path;
use super::{RepoMode, Transaction};
use crate::checksum::{FileId, HashingReader};
use crate::object::{FileHeader, ObjectKind, WriteError};
use crate::path_error::{At, PathError};

/// The mode bits that a file keeps in `bare-user-only`.
const CANONICAL: u32 = 0o755;

/// Where a file is.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    pub(crate) root: Arc<OwnedFd>,
    /// Below the root, not empty.
    pub(crate) relative: PathBuf,
    /// For messages.
    pub(crate) path: PathBuf,
}

impl Location {
    /// Its directory and its name there.
    fn parent(&self) -> Result<(OwnedFd, &Path), PathError> {
        parent_below(&self.root, &self.relative).at("open", &self.path)
    }
}

/// The directory of what is at `path` below `root`, and the name there.
pub(crate) fn parent_below<'p>(
    root: &OwnedFd,
    path: &'p Path,
) -> rustix::io::Result<(OwnedFd, &'p Path)> {
    let dir = path.parent().unwrap_or(Path::new(""));
    let name = path.file_name().unwrap_or_default();
    Ok((open_below(root, dir, OFlags::DIRECTORY)?, Path::new(name)))
}

/// Opens what is at `path` below `root`, or the root itself, for reading: over no symbolic link at all where the kernel
/// can see to that, else not over a last one.
pub(crate) fn open_below(
    root: &OwnedFd,
    path: &Path,
    flags: OFlags,
) -> rustix::io::Result<OwnedFd> {
    let path = match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    };
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
    match rustix::fs::openat2(root, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        // Old kernels do not have the call, some sandboxes forbid it.
        Err(Errno::NOSYS | Errno::PERM) => rustix::fs::openat(root, path, flags, Mode::empty()),
        opened => opened,
    }
}

/// Files that wait to be renamed.
#[derive(Debug, Default)]
pub(super) struct Taken(Mutex<BTreeMap<FileId, (Location, Version)>>);

/// What changes when somebody writes to a file, or changes its owner or mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    inode: (u64, u64),
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Version {
    fn of(stat: &Stat) -> Version {
        Version {
            inode: (stat.st_dev, stat.st_ino),
            size: stat.st_size,
            modified: (
                stat.st_mtime,
                i64::try_from(stat.st_mtime_nsec).unwrap_or(0),
            ),
            changed: (
                stat.st_ctime,
                i64::try_from(stat.st_ctime_nsec).unwrap_or(0),
            ),
        }
    }
}

impl Transaction<'_> {
    /// Whether files of this file system can become objects as they are, as far as the mode of the repository goes.
    pub(crate) fn takes_from(&self, stat: &Stat) -> bool {
        let mode = self.repo().mode();
        matches!(mode, RepoMode::Bare | RepoMode::BareUserOnly)
            && stat.st_nlink == 1
            && rustix::fs::fstat(self.repo().objects.as_fd())
                .is_ok_and(|objects| objects.st_dev == stat.st_dev)
    }

    /// Hashes an open file, which is going to be the object when everything is published. In `bare` the header must
    /// be that of the file itself. `None` if somebody wrote to it meanwhile.
    pub(crate) fn take(
        &self,
        header: &FileHeader,
        file: &File,
        location: Location,
    ) -> Result<Option<FileId>, WriteError> {
        let stat = |file: &File| rustix::fs::fstat(file).at("stat", &location.path);
        let before = Version::of(&stat(file)?);
        let mut hashing = HashingReader::new(&header.checksum_frame(), file);
        io::copy(&mut hashing, &mut io::sink()).map_err(WriteError::Content)?;
        let id = FileId::new(hashing.finish().0);
        if Version::of(&stat(file)?) != before {
            return Ok(None);
        }
        if !self.repo().has(ObjectKind::File, id.checksum())? {
            let mut taken = self.taken.0.lock().unwrap_or_else(PoisonError::into_inner);
            taken.entry(id).or_insert((location, before));
        }
        Ok(Some(id))
    }

    /// Renames every file, after a look at all of them. Gives the directories that have changed.
    pub(super) fn publish_taken(&self, objects: &Path) -> Result<Vec<PathBuf>, PathError> {
        let taken = self.taken.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (location, version) in taken.values() {
            let (dir, name) = location.parent()?;
            let found = rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW);
            if Version::of(&found.at("stat", &location.path)?) != *version {
                let changed = io::Error::other("it has changed while it was committed");
                return Err(changed).at("take over", &location.path);
            }
        }
        let moved = taken
            .iter()
            .map(|(id, (location, _))| self.move_in(id, location, objects));
        moved.collect()
    }

    fn move_in(&self, id: &FileId, from: &Location, objects: &Path) -> Result<PathBuf, PathError> {
        let mode = self.repo().mode();
        let extension = mode.extension(ObjectKind::File);
        let to = objects.join(relative_path(id.checksum(), extension));
        let parent = to.parent().unwrap_or(objects).to_owned();
        match fs::create_dir(&parent) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e).at("create", &parent)?,
            _ => {}
        }
        let (dir, name) = from.parent()?;
        if mode == RepoMode::BareUserOnly {
            let found = rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW);
            let bits = Mode::from_raw_mode(found.at("stat", &from.path)?.st_mode & CANONICAL);
            rustix::fs::chmodat(&dir, name, bits, AtFlags::empty())
                .at("change the mode of", &from.path)?;
        }
        let renamed = match rustix::fs::renameat_with(&dir, name, CWD, &to, RenameFlags::NOREPLACE)
        {
            // The file system does not know the flag; both files are the same object.
            Err(Errno::INVAL) => rustix::fs::renameat(&dir, name, CWD, &to),
            // Somebody else wrote the object meanwhile.
            Err(Errno::EXIST) => Ok(()),
            renamed => renamed,
        };
        renamed.at("take over", &from.path)?;
        Ok(parent)
    }
}
