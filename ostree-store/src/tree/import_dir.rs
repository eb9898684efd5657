//! A directory on disk as a tree.
//!
//! The rules are those of `ostree commit --tree=dir=`: nothing is followed but the name of the root itself; a fifo,
//! socket or device is an error; every xattr with a value counts; times, sizes and hard links leave no trace. Unlike
//! ostree a link target that is not UTF-8 is an error too: ostree writes other text in its place.
//!
//! First all directories are walked, one open at a time, in byte order of their names. Then the files are read by
//! many threads at once, the largest first so that none of them is left over at the end. What fails first in the
//! order of the walk is what is reported.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::consume::{self, Consume, Doomed, FileVersion};
use super::modify::{ModeError, Modifier, Origin, Pass};
use super::reuse::{Inodes, ReuseError};
use super::{Subtree, Tree};
use crate::checksum::{DirMetaId, FileId};
use crate::object::{
    DirMeta, FileHeader, FileKind, Name, NameError, ObjectSink, PERMISSIONS, WriteError, Xattrs,
    XattrsError,
};
use crate::path_error::{At, PathError, SystemError};
use crate::repo::{Location, RepoMode, read_link_xattrs, read_xattrs};

/// Why a directory could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportDirError {
    /// The directory itself cannot be opened.
    #[error("opendir({}): {cause}", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        cause: SystemError,
    },
    /// A fifo, socket or device.
    #[error("Not a regular file or symlink: {name}")]
    Kind {
        /// Its name.
        name: String,
        /// Where it is.
        path: PathBuf,
    },
    /// A name that no tree can hold.
    #[error("{cause} (in {})", path.display())]
    Name {
        /// The directory.
        path: PathBuf,
        /// Why.
        cause: NameError,
    },
    /// A symbolic link to bytes that are not UTF-8.
    #[error("the target of the symbolic link {} is not UTF-8", path.display())]
    Target {
        /// The link.
        path: PathBuf,
    },
    /// Xattrs that no object can hold.
    #[error("{}: {cause}", path.display())]
    Xattrs {
        /// Where.
        path: PathBuf,
        /// Why.
        cause: XattrsError,
    },
    /// A rule makes a mode that the entry cannot have.
    #[error("{cause} (for {})", path.display())]
    Mode {
        /// The entry.
        path: PathBuf,
        /// Why.
        cause: ModeError,
    },
    /// Somebody wrote to the file meanwhile.
    #[error("{} changed while it was read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The file system refused.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A file is a hard link to an object that cannot be used.
    #[error("cannot import {}", path.display())]
    Reuse {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ReuseError,
    },
    /// An object could not be written.
    #[error("cannot import {}", path.display())]
    Write {
        /// What it was made from.
        path: PathBuf,
        /// Why.
        source: WriteError,
    },
}

/// How a directory is imported.
#[derive(Clone, Copy, Default)]
pub struct DirOptions<'a> {
    /// Files that are hard links to objects of the repository are taken for these objects and not read, unless the
    /// modifier changes something in them.
    pub inodes: Option<&'a Inodes<'a>>,
    /// The directory is deleted when it is committed.
    pub consume: Option<&'a Consume<'a>>,
    /// Is told of every file that was written, with its size in bytes. Called from many threads.
    pub watch: Option<&'a (dyn Fn(u64) + Sync)>,
}

/// Writes an object for every file below `path` and returns the tree they make, all its directories open.
pub fn import_dir(
    path: &Path,
    modifier: &Modifier,
    sink: &dyn ObjectSink,
) -> Result<Tree, ImportDirError> {
    import_dir_with(path, modifier, &DirOptions::default(), sink)
}

/// The same with more options.
pub fn import_dir_with(
    path: &Path,
    modifier: &Modifier,
    options: &DirOptions<'_>,
    sink: &dyn ObjectSink,
) -> Result<Tree, ImportDirError> {
    let no_directory = |cause: std::io::Error| ImportDirError::Open {
        path: path.to_owned(),
        cause: cause.into(),
    };
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let root = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| no_directory(e.into()))?;
    let stat = rustix::fs::fstat(&root).map_err(|e| no_directory(e.into()))?;
    if options
        .consume
        .is_some_and(|consume| consume.is_gone(&stat))
    {
        return Err(no_directory(Errno::NOENT.into()));
    }
    let import = Import {
        path,
        root: Arc::new(root),
        modifier,
        sink,
        options,
    };
    let walked = import.walk()?;
    let ids = import.files(&walked.files)?;
    if let Some(consume) = options.consume {
        consume.add(import.doomed(&walked), walked.inodes);
    }
    Ok(assemble(walked.dirs, walked.files, ids))
}

struct Import<'a> {
    path: &'a Path,
    root: Arc<OwnedFd>,
    modifier: &'a Modifier,
    sink: &'a dyn ObjectSink,
    options: &'a DirOptions<'a>,
}

/// What was met on the walk.
#[derive(Default)]
struct Walked {
    dirs: Vec<WalkedDir>,
    files: Vec<WalkedFile>,
    /// Left out by a rule, relative to the root.
    skipped: Vec<PathBuf>,
    /// The directories by device and inode.
    inodes: HashSet<(u64, u64)>,
}

/// A directory that was walked; its parent was walked before it.
struct WalkedDir {
    /// Index of the parent and name there; the root has none.
    place: Option<(usize, Name)>,
    /// Relative to the root.
    path: PathBuf,
    /// Nothing for a root that a rule leaves out.
    meta: Option<DirMetaId>,
}

/// A directory to be walked: relative to the root, and where it belongs.
type Pending = (PathBuf, Option<(usize, Name)>);

/// A file that was met on the walk.
struct WalkedFile {
    dir: usize,
    name: Name,
    /// Relative to the root.
    path: PathBuf,
    size: u64,
    /// Read on the walk; regular files are read later.
    symlink: Option<FileHeader>,
    /// The object that the file is a hard link to.
    object: Option<FileId>,
    version: FileVersion,
}

impl Import<'_> {
    /// Every directory, parents first, and every file.
    fn walk(&self) -> Result<Walked, ImportDirError> {
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
    fn doomed(&self, walked: &Walked) -> Doomed {
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

    /// Writes the objects of all files, in any order, and gives their names in the order of the list; nothing for
    /// those that a rule leaves out.
    fn files(&self, files: &[WalkedFile]) -> Result<Vec<Option<FileId>>, ImportDirError> {
        let mut largest_first: Vec<_> = files.iter().enumerate().collect();
        largest_first.sort_by_key(|(_, file)| std::cmp::Reverse(file.size));
        let written = largest_first.into_par_iter().with_max_len(1);
        let mut written: Vec<_> = written
            .map(|(index, file)| (index, self.file(file)))
            .collect();
        written.sort_unstable_by_key(|(index, _)| *index);
        written.into_iter().map(|(_, id)| id).collect()
    }

    fn file(&self, file: &WalkedFile) -> Result<Option<FileId>, ImportDirError> {
        let made = self.made(file)?;
        if let Some(watch) = self.options.watch {
            watch(file.size);
        }
        Ok(made)
    }

    fn made(&self, file: &WalkedFile) -> Result<Option<FileId>, ImportDirError> {
        if let (Some(inodes), Some(id)) = (self.options.inodes, file.object)
            && !inodes.believes_files()
        {
            let path = || rule_path(&file.path);
            let made = inodes.reuse(id, path, self.modifier, self.sink);
            return made.map_err(|source| ImportDirError::Reuse {
                path: self.path.join(&file.path),
                source,
            });
        }
        let Some(own) = &file.symlink else {
            return self.regular_file(file);
        };
        let Some(header) = self.filtered(own.clone(), file)? else {
            return Ok(None);
        };
        if let Some(id) = self.unchanged_object(file, own, &header) {
            return Ok(Some(id));
        }
        let written = self.sink.file(&header, 0, &mut std::io::empty());
        written.map(Some).map_err(|source| ImportDirError::Write {
            path: self.path.join(&file.path),
            source,
        })
    }

    /// The object that the file is, if the modifier leaves the file as it is.
    fn unchanged_object(
        &self,
        walked: &WalkedFile,
        own: &FileHeader,
        header: &FileHeader,
    ) -> Option<FileId> {
        let (inodes, id) = (self.options.inodes?, walked.object?);
        let unchanged = own == header && !self.modifier.drops_xattrs(Origin::Tree);
        unchanged.then(|| inodes.hit(id))
    }

    fn regular_file(&self, walked: &WalkedFile) -> Result<Option<FileId>, ImportDirError> {
        let path = self.path.join(&walked.path);
        // A fifo put there meanwhile must not make us wait.
        let mut file = self.open(&walked.path, OFlags::NONBLOCK)?;
        let before = rustix::fs::fstat(&file).at("stat", &path)?;
        if FileType::from_raw_mode(before.st_mode) != FileType::RegularFile {
            return Err(ImportDirError::Changed { path });
        }
        let own = header(&before, FileKind::Regular, self.xattrs(&file, &path)?);
        let Some(header) = self.filtered(own.clone(), walked)? else {
            return Ok(None);
        };
        if let Some(id) = self.unchanged_object(walked, &own, &header) {
            return Ok(Some(id));
        }
        if let Some(taken) = self.taken(walked, &before, &own, &header, &file)? {
            return Ok(Some(taken));
        }
        let size = u64::try_from(before.st_size).unwrap_or(0);
        let id = match self.sink.file(&header, size, &mut file) {
            Err(WriteError::Size { .. }) => return Err(ImportDirError::Changed { path }),
            written => written.map_err(|source| ImportDirError::Write {
                path: path.clone(),
                source,
            })?,
        };
        let after = rustix::fs::fstat(&file).at("stat", &path)?;
        if version(&before) != version(&after) {
            return Err(ImportDirError::Changed { path });
        }
        Ok(Some(id))
    }

    /// The object that the file is going to be itself, where it is consumed and the mode lets it.
    fn taken(
        &self,
        walked: &WalkedFile,
        stat: &Stat,
        own: &FileHeader,
        header: &FileHeader,
        file: &File,
    ) -> Result<Option<FileId>, ImportDirError> {
        let Some(consume) = self.options.consume else {
            return Ok(None);
        };
        let transaction = consume.transaction;
        let unchanged = own == header && !self.modifier.drops_xattrs(Origin::Tree);
        let as_it_is = unchanged || transaction.repo().mode() == RepoMode::BareUserOnly;
        if !as_it_is || !transaction.takes_from(stat) {
            return Ok(None);
        }
        let path = self.path.join(&walked.path);
        let location = Location {
            root: Arc::clone(&self.root),
            relative: walked.path.clone(),
            path: path.clone(),
        };
        match transaction.take(header, file, location) {
            Ok(Some(id)) => Ok(Some(id)),
            Ok(None) => Err(ImportDirError::Changed { path }),
            Err(source) => Err(ImportDirError::Write { path, source }),
        }
    }

    /// The header as the modifier leaves it; nothing if the file is left out.
    fn filtered(
        &self,
        mut header: FileHeader,
        walked: &WalkedFile,
    ) -> Result<Option<FileHeader>, ImportDirError> {
        let path = || rule_path(&walked.path);
        let pass = self.modifier.apply_file(path, &mut header, Origin::Tree);
        let pass = pass.map_err(|cause| ImportDirError::Mode {
            path: self.path.join(&walked.path),
            cause,
        })?;
        Ok(Some(header).filter(|_| pass == Pass::Kept))
    }

    fn xattrs(&self, file: &File, path: &Path) -> Result<Xattrs, ImportDirError> {
        if self.modifier.drops_xattrs(Origin::Tree) {
            return Ok(Xattrs::NONE);
        }
        let xattrs = read_xattrs(file).at("read the xattrs of", path)?;
        xattrs.map_err(|cause| ImportDirError::Xattrs {
            path: path.to_owned(),
            cause,
        })
    }

    /// Opens what is at `path` below the root, over no symbolic link at all where the kernel can see to that.
    fn open(&self, path: &Path, flags: OFlags) -> Result<File, PathError> {
        let path = if path.as_os_str().is_empty() {
            Path::new(OsStr::from_bytes(b"."))
        } else {
            path
        };
        let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
        let opened = match rustix::fs::openat2(
            &*self.root,
            path,
            flags,
            Mode::empty(),
            ResolveFlags::NO_SYMLINKS,
        ) {
            // Old kernels do not have the call, some sandboxes forbid it.
            Err(Errno::NOSYS | Errno::PERM) => {
                rustix::fs::openat(&*self.root, path, flags, Mode::empty())
            }
            opened => opened,
        };
        opened.map(File::from).at("open", self.path.join(path))
    }
}

/// What changes when somebody writes to a file. Not the time of the last change of status: a new hard link sets it.
fn version(stat: &Stat) -> impl PartialEq {
    (
        stat.st_size,
        stat.st_mtime,
        stat.st_mtime_nsec,
        stat.st_mode,
        stat.st_uid,
        stat.st_gid,
    )
}

/// The path by which the rules of a modifier know an entry.
fn rule_path(relative: &Path) -> String {
    format!("/{}", relative.display()) // made of names, which are UTF-8
}

fn header(stat: &Stat, kind: FileKind, xattrs: Xattrs) -> FileHeader {
    FileHeader {
        uid: stat.st_uid,
        gid: stat.st_gid,
        mode: stat.st_mode & PERMISSIONS,
        kind,
        xattrs,
    }
}

/// Puts files into their directories and directories into their parents, from the last one walked to the root.
fn assemble(dirs: Vec<WalkedDir>, files: Vec<WalkedFile>, ids: Vec<Option<FileId>>) -> Tree {
    let mut trees: Vec<Tree> = dirs
        .iter()
        .map(|dir| Tree {
            meta: dir.meta,
            ..Tree::default()
        })
        .collect();
    for (file, id) in files.into_iter().zip(ids) {
        if let (Some(tree), Some(id)) = (trees.get_mut(file.dir), id) {
            tree.files.insert(file.name, id);
        }
    }
    for dir in dirs.into_iter().rev() {
        let Some((parent, name)) = dir.place else {
            break;
        };
        let Some(tree) = trees.pop() else { break };
        if let Some(parent) = trees.get_mut(parent) {
            parent.dirs.insert(name, Subtree::Open(tree));
        }
    }
    trees.pop().unwrap_or_default()
}
