//! What a file object says of itself, without its content.
//!
//! In `bare` and `bare-user-only` owner, mode and size are those of the object's own file, so that it need not be
//! opened, and may even be one that the user cannot open.

use rustix::fs::{AtFlags, FileType};

use super::object_dir::{ObjectDir, relative_path};
use super::{ReadError, Repo, RepoMode};
use crate::checksum::FileId;
use crate::object::{FileHeader, FileKind, ObjectKind, PERMISSIONS, Xattrs};

/// A file object without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Owner, mode, kind and, if they were wanted, xattrs.
    pub header: FileHeader,
    /// Size of the content in bytes.
    pub size: u64,
}

impl Repo {
    /// What is known of a file object. Without `xattrs` the header may have none where the object has some.
    pub fn file_info(&self, id: &FileId, xattrs: bool) -> Result<FileInfo, ReadError> {
        self.first(|objects| match objects.info(id, xattrs) {
            Some(info) => Ok(info),
            None => objects.file(id).map(|stored| FileInfo {
                header: stored.header,
                size: stored.size,
            }),
        })
    }
}

impl ObjectDir {
    /// What the object's inode tells, if that is all there is to know.
    fn info(&self, id: &FileId, xattrs: bool) -> Option<FileInfo> {
        let user_only = match self.mode() {
            RepoMode::BareUserOnly => true,
            RepoMode::Bare if !xattrs => false,
            _ => return None,
        };
        let relative = relative_path(id.checksum(), self.mode().extension(ObjectKind::File));
        let found = rustix::fs::statat(self.as_fd(), relative, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let regular = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
        regular.then(|| FileInfo {
            header: FileHeader {
                uid: if user_only { 0 } else { found.st_uid },
                gid: if user_only { 0 } else { found.st_gid },
                mode: found.st_mode & PERMISSIONS,
                kind: FileKind::Regular,
                xattrs: Xattrs::NONE,
            },
            size: u64::try_from(found.st_size).unwrap_or(0),
        })
    }
}
