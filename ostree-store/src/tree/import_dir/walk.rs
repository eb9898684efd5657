//! Every directory below the root, and the files in them as far as they are known without reading them.

use std::collections::HashSet;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, OFlags, Stat};

use super::{Import, ImportDirError, header, rule_path};
use crate::checksum::{DirMetaId, FileId};
use crate::object::{DirMeta, FileHeader, FileKind, Name, PERMISSIONS, Xattrs};
use crate::path_error::At;
use crate::repo::{MAX_METADATA, read_link_xattrs};
use crate::tree::Tree;
use crate::tree::consume::{self, Doomed, FileVersion};
use crate::tree::modify::{Origin, Pass};
use crate::tree::reuse::Inodes;
use crate::tree::weight;

/// How many files become objects at once. It takes some megabytes of memory to know of them.
const BATCH: usize = 16_384;

/// What was met on the walk.
#[derive(Default)]
pub(super) struct Walked {
    pub(super) dirs: Vec<WalkedDir>,
    /// Files that are not objects yet.
    pub(super) files: Vec<WalkedFile>,
    /// Directories to be walked, the next one last.
    pub(super) pending: Vec<(Name, usize)>,
    /// The memory that all of it takes, at most, in bytes.
    pub(super) held: usize,
    /// Where that is looked at again.
    pub(super) next: usize,
    /// What goes with the commit, if it consumes the directory.
    pub(super) doomed: Option<Doomed>,
    /// The directories by device and inode, for the same.
    pub(super) inodes: HashSet<(u64, u64)>,
}

/// A directory that was walked; its parent was walked before it.
pub(super) struct WalkedDir {
    /// Index of the parent and name there; the root has none.
    pub(super) place: Option<(usize, Name)>,
    /// Relative to the root.
    pub(super) path: PathBuf,
    pub(super) tree: Tree,
}

/// A file that was met on the walk.
pub(super) struct WalkedFile {
    pub(super) dir: usize,
    pub(super) name: Name,
    /// Relative to the root.
    pub(super) path: PathBuf,
    pub(super) size: u64,
    /// Read on the walk; regular files are read later.
    pub(super) symlink: Option<FileHeader>,
    /// The object that the file is a hard link to.
    pub(super) object: Option<FileId>,
    pub(super) version: FileVersion,
}

impl Walked {
    /// Takes note of what a rule leaves out.
    fn skip(&mut self, path: PathBuf) {
        if let Some(doomed) = &mut self.doomed {
            doomed.skipped.push(path);
        }
    }
}

impl Import<'_> {
    /// Walks a directory and makes its files objects, so many at a time that all threads have something to do.
    pub(super) fn walk(&self) -> Result<Walked, ImportDirError> {
        let mut walked = Walked {
            doomed: self
                .options
                .consume
                .map(|_| Doomed::below(&self.root, self.path)),
            ..Walked::default()
        };
        let mut next = Some(None);
        while let Some(place) = next {
            self.directory(place, &mut walked)?;
            if walked.files.len() >= BATCH {
                self.flush(&mut walked)?;
            }
            next = walked
                .pending
                .pop()
                .map(|(name, parent)| Some((parent, name)));
        }
        self.flush(&mut walked)?;
        Ok(walked)
    }

    /// Takes note of a directory and of what it holds.
    fn directory(
        &self,
        place: Option<(usize, Name)>,
        walked: &mut Walked,
    ) -> Result<(), ImportDirError> {
        let parent = place
            .as_ref()
            .and_then(|(parent, _)| walked.dirs.get(*parent));
        let path = match (&place, parent) {
            (Some((_, name)), Some(parent)) => parent.path.join(name.as_str()),
            _ => PathBuf::new(),
        };
        let dir = self.open(&path, OFlags::DIRECTORY)?;
        let stat = rustix::fs::fstat(&dir).at("stat", self.path.join(&path))?;
        if let Some(doomed) = &mut walked.doomed {
            walked.inodes.insert((stat.st_dev, stat.st_ino));
            if place.is_some() {
                doomed.dirs.push(path.clone());
            }
        }
        let meta = self.dir_meta(&dir, &path, &stat)?;
        walked.held += weight::DIRECTORY + path.as_os_str().len();
        let index = walked.dirs.len();
        walked.dirs.push(WalkedDir {
            place,
            path: path.clone(),
            // Nothing for a root that a rule leaves out.
            tree: Tree {
                meta,
                ..Tree::default()
            },
        });
        match meta {
            Some(_) => self.entries(&dir, &path, index, walked),
            None => Ok(()),
        }
    }

    /// Takes note of the files in a directory, and of the directories to be walked.
    fn entries(
        &self,
        dir: &File,
        path: &Path,
        index: usize,
        walked: &mut Walked,
    ) -> Result<(), ImportDirError> {
        let first = walked.pending.len();
        for name in self.names(dir, path)? {
            let stat = rustix::fs::statat(dir, name.as_str(), AtFlags::SYMLINK_NOFOLLOW);
            let stat = stat.at("stat", self.path.join(path).join(name.as_str()))?;
            let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            let consume = self.options.consume;
            if is_dir && consume.is_some_and(|consume| consume.is_gone(&stat)) {
                continue;
            }
            walked.held += weight::FILE + name.as_str().len();
            if is_dir {
                let entry = path.join(name.as_str());
                match self.modifier.announce(|| rule_path(&entry)) {
                    Pass::Kept => walked.pending.push((name, index)),
                    Pass::Skipped => walked.skip(entry),
                }
                continue;
            }
            let entry = path.join(name.as_str());
            match self.file_met(dir.as_fd(), index, name, &entry, &stat)? {
                Some(file) => walked.files.push(file),
                None => walked.skip(entry),
            }
        }
        // The stack gives the last one back first.
        let below = walked.pending.get_mut(first..);
        below.unwrap_or_default().reverse();
        Ok(())
    }

    /// The names in a directory, sorted.
    fn names(&self, dir: &File, path: &Path) -> Result<Vec<Name>, ImportDirError> {
        let path = self.path.join(path);
        let mut names = Vec::new();
        let mut size = 0;
        for entry in Dir::read_from(dir).at("list", &path)? {
            let entry = entry.at("list", &path)?;
            let bytes = entry.file_name().to_bytes();
            if !matches!(bytes, b"." | b"..") {
                let name = Name::from_bytes(bytes);
                names.push(name.map_err(|cause| ImportDirError::Name {
                    path: path.clone(),
                    cause,
                })?);
                size += bytes.len() + 34; // with its checksum in the object, at least
                if size as u64 > MAX_METADATA {
                    return Err(ImportDirError::TooLarge { path });
                }
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Writes the dirmeta; nothing if a rule leaves the directory out.
    fn dir_meta(
        &self,
        dir: &File,
        relative: &Path,
        stat: &Stat,
    ) -> Result<Option<DirMetaId>, ImportDirError> {
        let path = self.path.join(relative);
        let (uid, gid, mode) = (stat.st_uid, stat.st_gid, stat.st_mode & PERMISSIONS);
        let mut meta = DirMeta {
            uid,
            gid,
            mode,
            xattrs: self.xattrs(dir, &path)?,
        };
        let pass = self
            .modifier
            .apply_dir(|| rule_path(relative), &mut meta, Origin::Tree);
        match pass {
            Err(cause) => Err(ImportDirError::Mode { path, cause }),
            Ok(Pass::Skipped) => Ok(None),
            Ok(Pass::Kept) => match self.sink.dirmeta(&meta) {
                Ok(id) => Ok(Some(id)),
                Err(source) => Err(ImportDirError::Write { path, source }),
            },
        }
    }

    /// A file to be written; nothing if a rule leaves it out.
    fn file_met(
        &self,
        parent: BorrowedFd<'_>,
        dir: usize,
        name: Name,
        path: &Path,
        stat: &Stat,
    ) -> Result<Option<WalkedFile>, ImportDirError> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        if !matches!(kind, FileType::RegularFile | FileType::Symlink) {
            return Err(ImportDirError::Kind {
                name: name.to_string(),
                path: self.path.join(path),
            });
        }
        let inodes = self.options.inodes;
        let object = inodes.and_then(|inodes| inodes.object(stat));
        let canonical = object.is_some() && inodes.is_some_and(Inodes::is_unconditional);
        if !canonical && self.modifier.leaves_out(|| rule_path(path)) {
            return Ok(None);
        }
        let symlink = match kind {
            FileType::Symlink if object.is_none() || inodes.is_some_and(Inodes::believes_files) => {
                Some(self.symlink(parent, &name, path, stat)?)
            }
            _ => None,
        };
        Ok(Some(WalkedFile {
            dir,
            name,
            path: path.to_owned(),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            symlink,
            object,
            version: consume::version(stat),
        }))
    }

    fn symlink(
        &self,
        parent: BorrowedFd<'_>,
        name: &Name,
        path: &Path,
        stat: &Stat,
    ) -> Result<FileHeader, ImportDirError> {
        let path = self.path.join(path);
        let target = rustix::fs::readlinkat(parent, name.as_str(), Vec::new()).at("read", &path)?;
        let target = target
            .into_string()
            .map_err(|_| ImportDirError::Target { path: path.clone() })?;
        let xattrs = if self.modifier.drops_xattrs(Origin::Tree) {
            Xattrs::NONE
        } else {
            let xattrs = read_link_xattrs(&path).at("read the xattrs of", &path)?;
            xattrs.map_err(|cause| ImportDirError::Xattrs { path, cause })?
        };
        Ok(header(stat, FileKind::Symlink(target), xattrs))
    }
}
