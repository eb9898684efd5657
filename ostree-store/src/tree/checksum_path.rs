//! The checksum of one file, link or directory on disk, without a repository.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, Stat};

use super::import_dir::ImportDirError;
use crate::checksum::Checksum;
use crate::object::{
    Checksummer, DirMeta, FileHeader, FileKind, ObjectSink, PERMISSIONS, WriteError, Xattrs,
};
use crate::path_error::At;
use crate::repo::{read_link_xattrs, read_xattrs};

/// The checksum of the object that `path` would become: a file object, or of a directory its dirmeta. A symbolic link
/// is not followed.
pub fn checksum_path(path: &Path, ignore_xattrs: bool) -> Result<Checksum, ImportDirError> {
    let stat = rustix::fs::lstat(path).at("stat", path)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => symlink(path, &stat, ignore_xattrs),
        FileType::RegularFile | FileType::Directory => opened(path, ignore_xattrs),
        _ => Err(ImportDirError::Kind {
            name: path.display().to_string(),
            path: path.to_owned(),
        }),
    }
}

fn symlink(path: &Path, stat: &Stat, ignore_xattrs: bool) -> Result<Checksum, ImportDirError> {
    let target = rustix::fs::readlink(path, Vec::new()).at("read", path)?;
    let target = target.into_string().map_err(|_| ImportDirError::Target {
        path: path.to_owned(),
    })?;
    let mut header = header(stat, FileKind::Symlink(target));
    if !ignore_xattrs {
        let xattrs = read_link_xattrs(path).at("read the xattrs of", path)?;
        header.xattrs = xattrs.map_err(|cause| ImportDirError::Xattrs {
            path: path.to_owned(),
            cause,
        })?;
    }
    written(
        path,
        Checksummer
            .file(&header, 0, &mut std::io::empty())
            .map(|id| *id.checksum()),
    )
}

fn opened(path: &Path, ignore_xattrs: bool) -> Result<Checksum, ImportDirError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::empty()).at("open", path)?);
    let stat = rustix::fs::fstat(&file).at("stat", path)?;
    let xattrs = match ignore_xattrs {
        true => Xattrs::NONE,
        false => read_xattrs(&file)
            .at("read the xattrs of", path)?
            .map_err(|cause| ImportDirError::Xattrs {
                path: path.to_owned(),
                cause,
            })?,
    };
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        let meta = DirMeta {
            uid: stat.st_uid,
            gid: stat.st_gid,
            mode: stat.st_mode & PERMISSIONS,
            xattrs,
        };
        return Ok(*meta.id().checksum());
    }
    let header = FileHeader {
        xattrs,
        ..header(&stat, FileKind::Regular)
    };
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    written(
        path,
        Checksummer
            .file(&header, size, &mut file)
            .map(|id| *id.checksum()),
    )
}

fn header(stat: &Stat, kind: FileKind) -> FileHeader {
    FileHeader {
        uid: stat.st_uid,
        gid: stat.st_gid,
        mode: stat.st_mode & PERMISSIONS,
        kind,
        xattrs: Xattrs::NONE,
    }
}

fn written(path: &Path, made: Result<Checksum, WriteError>) -> Result<Checksum, ImportDirError> {
    let path = path.to_owned();
    made.map_err(|source| match source {
        WriteError::Size { .. } => ImportDirError::Changed { path },
        source => ImportDirError::Write { path, source },
    })
}
