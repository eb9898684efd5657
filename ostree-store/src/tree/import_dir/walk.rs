//! Every directory below the root, and the files in them as far as they are known without reading them.

use std::collections::HashSet;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, OFlags, Stat};

use super::{Import, ImportDirError, header, rule_path};
use crate::checksum::{DirMetaId, FileId};
use crate::object::{DirMeta, FileHeader, FileKind, Name, PERMISSIONS, Xattrs};
use crate::path_error::At;
use crate::repo::read_link_xattrs;
use crate::tree::consume::{self, Doomed, FileVersion};
use crate::tree::modify::{Origin, Pass};
use crate::tree::reuse::Inodes;

/// What was met on the walk.
#[derive(Default)]
pub(super) struct Walked {
    pub(super) dirs: Vec<WalkedDir>,
    pub(super) files: Vec<WalkedFile>,
    /// Left out by a rule, relative to the root.
    skipped: Vec<PathBuf>,
    /// The directories by device and inode.
    pub(super) inodes: HashSet<(u64, u64)>,
}

/// A directory that was walked; its parent was walked before it.
pub(super) struct WalkedDir {
    /// Index of the parent and name there; the root has none.
    pub(super) place: Option<(usize, Name)>,
    /// Relative to the root.
    pub(super) path: PathBuf,
    /// Nothing for a root that a rule leaves out.
    pub(super) meta: Option<DirMetaId>,
}

/// A directory to be walked: relative to the root, and where it belongs.
type Pending = (PathBuf, Option<(usize, Name)>);

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
    version: FileVersion,
}

impl Import<'_> {
    /// Every directory, parents first, and every file.
    pub(super) fn walk(&self) -> Result<Walked, ImportDirError> {
        let mut walked = Walked::default();
        let mut pending = vec![(PathBuf::new(), None)];
        while let Some((path, place)) = pending.pop() {
            let dir = self.open(&path, OFlags::DIRECTORY)?;
            let stat = rustix::fs::fstat(&dir).at("stat", self.path.join(&path))?;
            walked.inodes.insert((stat.st_dev, stat.st_ino));
            let index = walked.dirs.len();
            let meta = self.dir_meta(&dir, &path, &stat)?;
            let below = match meta {
                Some(_) => self.entries(&dir, &path, index, &mut walked)?,
                None => Vec::new(),
            };
            walked.dirs.push(WalkedDir { place, path, meta });
            // The stack gives the last one back first.
            pending.extend(below.into_iter().rev());
        }
        Ok(walked)
    }

    /// Takes note of the files in a directory, and gives the directories.
    fn entries(
        &self,
        dir: &File,
        path: &Path,
        index: usize,
        walked: &mut Walked,
    ) -> Result<Vec<Pending>, ImportDirError> {
        let mut below = Vec::new();
        for name in self.names(dir, path)? {
            let entry = path.join(name.as_str());
            let stat = rustix::fs::statat(dir, name.as_str(), AtFlags::SYMLINK_NOFOLLOW);
            let stat = stat.at("stat", self.path.join(&entry))?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                let consume = self.options.consume;
                if consume.is_some_and(|consume| consume.is_gone(&stat)) {
                    continue;
                }
                match self.modifier.announce(|| rule_path(&entry)) {
                    Pass::Kept => below.push((entry, Some((index, name)))),
                    Pass::Skipped => walked.skipped.push(entry),
                }
                continue;
            }
            match self.file_met(dir.as_fd(), index, name, &entry, &stat)? {
                Some(file) => walked.files.push(file),
                None => walked.skipped.push(entry),
            }
        }
        Ok(below)
    }

    /// Everything that goes when the commit is made.
    pub(super) fn doomed(&self, walked: &Walked) -> Doomed {
        let files = walked.files.iter();
        let dirs = walked.dirs.iter().filter(|dir| dir.place.is_some());
        Doomed {
            root: Arc::clone(&self.root),
            path: self.path.to_owned(),
            files: files
                .map(|file| (file.path.clone(), file.version))
                .collect(),
            dirs: dirs.map(|dir| dir.path.clone()).collect(),
            skipped: walked.skipped.clone(),
        }
    }

    /// The names in a directory, sorted.
    fn names(&self, dir: &File, path: &Path) -> Result<Vec<Name>, ImportDirError> {
        let path = self.path.join(path);
        let mut names = Vec::new();
        for entry in Dir::read_from(dir).at("list", &path)? {
            let entry = entry.at("list", &path)?;
            let bytes = entry.file_name().to_bytes();
            if !matches!(bytes, b"." | b"..") {
                let name = Name::from_bytes(bytes);
                names.push(name.map_err(|cause| ImportDirError::Name {
                    path: path.clone(),
                    cause,
                })?);
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
