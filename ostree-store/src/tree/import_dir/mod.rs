//! A directory on disk as a tree.
//!
//! The rules are those of `ostree commit --tree=dir=`: nothing is followed but the name of the root itself; a fifo,
//! socket or device is an error; every xattr with a value counts; times, sizes and hard links leave no trace. Unlike
//! ostree a link target that is not UTF-8 is an error too: ostree writes other text in its place.
//!
//! | step | module |
//! |---|---|
//! | all directories, one open at a time, in byte order of their names | `walk` |
//! | the files' objects, many at once | `files` |
//! | one tree | `batch` |
//!
//! This goes by some thousand files at a time, so that memory does not grow with their number.
//!
//! What fails first in the order of the walk is what is reported.

mod batch;
mod error;
mod files;
mod walk;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, Stat};
use rustix::io::Errno;

use super::Tree;
use super::consume::Consume;
use super::modify::{Modifier, Origin};
use super::reuse::Inodes;
use crate::object::{FileHeader, FileKind, ObjectSink, PERMISSIONS, Xattrs};
use crate::path_error::{At, PathError};
use crate::repo::{open_below, read_xattrs};

pub use error::ImportDirError;

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
    let mut walked = import.walk()?;
    if let (Some(consume), Some(doomed)) = (options.consume, walked.doomed.take()) {
        consume.add(doomed, std::mem::take(&mut walked.inodes));
    }
    Ok(walked.assemble())
}

struct Import<'a> {
    path: &'a Path,
    root: Arc<OwnedFd>,
    modifier: &'a Modifier,
    sink: &'a dyn ObjectSink,
    options: &'a DirOptions<'a>,
}

impl Import<'_> {
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

    /// Opens what is at `path` below the root.
    fn open(&self, path: &Path, flags: OFlags) -> Result<File, PathError> {
        let opened = open_below(&self.root, path, flags);
        opened.map(File::from).at("open", self.path.join(path))
    }
}

/// The path by which the rules of a modifier know an entry.
fn rule_path(relative: &Path) -> String {
    format!("/{}", relative.display()) // made of names, which are UTF-8
}

/// The header of a file on the disk.
pub(super) fn header(stat: &Stat, kind: FileKind, xattrs: Xattrs) -> FileHeader {
    FileHeader {
        uid: stat.st_uid,
        gid: stat.st_gid,
        mode: stat.st_mode & PERMISSIONS,
        kind,
        xattrs,
    }
}
