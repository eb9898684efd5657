//! The checksum of one file, link or directory on disk, without a repository.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, Stat};

use super::import_dir::{ImportDirError, header};
use crate::checksum::Checksum;
use crate::object::{Checksummer, DirMeta, FileHeader, FileKind, ObjectSink, WriteError, Xattrs};
use crate::path_error::At;
use crate::repo::{read_link_xattrs, read_xattrs};

/// What is taken for the file's own.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Look {
    pub(super) ignore_xattrs: bool,
    /// Owner in place of the real one.
    pub(super) uid: Option<u32>,
    /// Group in place of the real one.
    pub(super) gid: Option<u32>,
}

/// The checksum of the object that `path` would become: a file object, or of a directory its dirmeta. A symbolic link
/// is not followed.
pub fn checksum_path(path: &Path, ignore_xattrs: bool) -> Result<Checksum, ImportDirError> {
    let stat = rustix::fs::lstat(path).at("stat", path)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink | FileType::RegularFile | FileType::Directory => {
            let look = Look {
                ignore_xattrs,
                ..Look::default()
            };
            checksum_as(path, &look)
        }
        _ => Err(ImportDirError::Kind {
            name: path.display().to_string(),
            path: path.to_owned(),
        }),
    }
}

/// The same as `look` says. A fifo, socket or device has a checksum too, though no object: over its metadata alone,
/// the kind in place of a link's target.
pub(super) fn checksum_as(path: &Path, look: &Look) -> Result<Checksum, ImportDirError> {
    let stat = rustix::fs::lstat(path).at("stat", path)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile | FileType::Directory => opened(path, look),
        FileType::Symlink => {
            let target = rustix::fs::readlink(path, Vec::new()).at("read", path)?;
            let target = target.into_string().map_err(|_| ImportDirError::Target {
                path: path.to_owned(),
            })?;
            unopened(path, &stat, target, look)
        }
        kind => unopened(path, &stat, format!("{:o}", kind.as_raw_mode()), look),
    }
}

/// What cannot be opened: all there is of it is metadata and a text.
fn unopened(
    path: &Path,
    stat: &Stat,
    text: String,
    look: &Look,
) -> Result<Checksum, ImportDirError> {
    let xattrs = match look.ignore_xattrs {
        true => Xattrs::NONE,
        false => read_link_xattrs(path)
            .at("read the xattrs of", path)?
            .map_err(|cause| ImportDirError::Xattrs {
                path: path.to_owned(),
                cause,
            })?,
    };
    let header = looked_at(stat, FileKind::Symlink(text), xattrs, look);
    written(
        path,
        Checksummer
            .file(&header, 0, &mut std::io::empty())
            .map(|id| *id.checksum()),
    )
}

fn opened(path: &Path, look: &Look) -> Result<Checksum, ImportDirError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::empty()).at("open", path)?);
    let stat = rustix::fs::fstat(&file).at("stat", path)?;
    let xattrs = match look.ignore_xattrs {
        true => Xattrs::NONE,
        false => read_xattrs(&file)
            .at("read the xattrs of", path)?
            .map_err(|cause| ImportDirError::Xattrs {
                path: path.to_owned(),
                cause,
            })?,
    };
    let header = looked_at(&stat, FileKind::Regular, xattrs, look);
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        let meta = DirMeta {
            uid: header.uid,
            gid: header.gid,
            mode: header.mode,
            xattrs: header.xattrs,
        };
        return Ok(*meta.id().checksum());
    }
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    written(
        path,
        Checksummer
            .file(&header, size, &mut file)
            .map(|id| *id.checksum()),
    )
}

fn looked_at(stat: &Stat, kind: FileKind, xattrs: Xattrs, look: &Look) -> FileHeader {
    let own = header(stat, kind, xattrs);
    FileHeader {
        uid: look.uid.unwrap_or(own.uid),
        gid: look.gid.unwrap_or(own.gid),
        ..own
    }
}

fn written(path: &Path, made: Result<Checksum, WriteError>) -> Result<Checksum, ImportDirError> {
    let path = path.to_owned();
    made.map_err(|source| match source {
        WriteError::Size { .. } => ImportDirError::Changed { path },
        source => ImportDirError::Write { path, source },
    })
}
