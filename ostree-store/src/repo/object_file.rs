//! One file object on its way to the disk: content, then owner, mode, xattrs and time, as the mode keeps them.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, RenameFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::RepoMode;
use super::stage::Place;
use super::stored_file::BARE_USER_META;
use crate::object::{FileHeader, WriteError};
use crate::path_error::{At, PathError};

/// What `bare-user-only` can represent of a mode.
pub(super) const BARE_USER_ONLY_BITS: u32 = 0o775;

/// Writes the files of objects in the form of one repository.
#[derive(Debug)]
pub(super) struct ObjectWriter {
    pub(super) mode: RepoMode,
    /// How hard content is compressed in `archive`.
    pub(super) level: Compression,
    /// Whether to wait for the disk after each object.
    pub(super) sync: bool,
}

impl ObjectWriter {
    /// Whether the object of this header is a symbolic link on the disk too.
    pub(super) fn is_link(&self, header: &FileHeader) -> bool {
        header.is_symlink() && matches!(self.mode, RepoMode::Bare | RepoMode::BareUserOnly)
    }

    /// Writes an object's file: content, then metadata.
    pub(super) fn fill(
        &self,
        file: &mut File,
        header: &FileHeader,
        size: u64,
        content: &mut dyn Read,
        in_stage: &Path,
    ) -> Result<(), WriteError> {
        match self.mode {
            RepoMode::Archive => {
                file.write_all(&header.archive_frame(size))
                    .at("write an object in", in_stage)?;
                if !header.is_symlink() {
                    let mut deflate = DeflateEncoder::new(&mut *file, self.level);
                    copy_content(content, &mut deflate, in_stage, size)?;
                    deflate.finish().at("write an object in", in_stage)?;
                }
            }
            RepoMode::BareUser if header.is_symlink() => {
                let target = [header.target().as_bytes(), &[0]].concat();
                file.write_all(&target).at("write an object in", in_stage)?;
            }
            _ => copy_content(content, file, in_stage, size)?,
        }
        self.finish(file, header)
            .at("write an object in", in_stage)?;
        Ok(())
    }

    /// Sets the metadata of a file whose content is complete.
    pub(super) fn finish(&self, file: &File, header: &FileHeader) -> io::Result<()> {
        self.set_metadata(file, header)?;
        if self.sync { file.sync_all() } else { Ok(()) }
    }

    /// Owner, mode, xattrs and time, as far as the mode of the repository keeps them on the file.
    fn set_metadata(&self, file: &File, header: &FileHeader) -> io::Result<()> {
        match self.mode {
            RepoMode::Archive => return set_mode(file, 0o644), // only the modification time stays that of writing
            RepoMode::BareUser => {
                let mode = if header.is_symlink() {
                    0o644
                } else {
                    (header.mode & 0o775) | 0o400
                };
                rustix::fs::fsetxattr(
                    file,
                    BARE_USER_META,
                    &header.bare_user_meta(),
                    XattrFlags::empty(),
                )?;
                set_mode(file, mode)?;
            }
            RepoMode::BareUserOnly => set_mode(file, header.mode & BARE_USER_ONLY_BITS)?,
            RepoMode::Bare | RepoMode::BareSplitXattrs => {
                rustix::fs::fchown(file, uid(header.uid)?, gid(header.gid)?)?;
                for (name, value) in header.xattrs.iter() {
                    rustix::fs::fsetxattr(file, CString::new(name)?, value, XattrFlags::empty())?;
                }
                set_mode(file, header.mode)?;
            }
        }
        let zero = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: rustix::fs::UTIME_NOW,
        };
        rustix::fs::futimens(
            file,
            &Timestamps {
                last_access: now,
                last_modification: zero,
            },
        )?;
        Ok(())
    }

    /// Makes a symbolic link that is a symbolic link in the repository too; says whether it was new.
    pub(super) fn link(
        &self,
        header: &FileHeader,
        place: &Place<'_>,
        in_stage: &Path,
    ) -> Result<bool, WriteError> {
        let made = rustix::fs::symlinkat(header.target(), place.dir, &place.name);
        match made {
            Err(Errno::EXIST) => return Ok(false),
            made => made.at("create an object in", in_stage)?,
        }
        if self.mode == RepoMode::Bare {
            set_link_metadata(header, place).at("write an object in", in_stage)?;
        }
        Ok(true)
    }
}

fn set_link_metadata(header: &FileHeader, place: &Place<'_>) -> io::Result<()> {
    let (uid, gid) = (uid(header.uid)?, gid(header.gid)?);
    rustix::fs::chownat(place.dir, &place.name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
    // There is no way to set an attribute of a link through a directory descriptor.
    let prefix = place.dir.as_fd();
    let dir = std::fs::read_link(format!(
        "/proc/self/fd/{}",
        std::os::fd::AsRawFd::as_raw_fd(&prefix)
    ));
    for (name, value) in header.xattrs.iter() {
        let path = dir
            .as_ref()
            .map_err(|e| io::Error::from(e.kind()))?
            .join(&place.name);
        rustix::fs::lsetxattr(path, CString::new(name)?, value, XattrFlags::empty())?;
    }
    Ok(())
}

/// Creates a file that only we may read yet; `None` if the name is taken, so that somebody else has made it.
pub(super) fn create(place: &Place<'_>) -> rustix::io::Result<Option<File>> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    match rustix::fs::openat(place.dir, &place.name, flags, Mode::RUSR | Mode::WUSR) {
        Ok(fd) => Ok(Some(File::from(fd))),
        Err(Errno::EXIST) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Renames unless the new name is taken; says whether it did.
pub(super) fn rename(from: &Place<'_>, to: &Place<'_>) -> rustix::io::Result<bool> {
    match rustix::fs::renameat_with(
        from.dir,
        &from.name,
        to.dir,
        &to.name,
        RenameFlags::NOREPLACE,
    ) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        // The file system does not know the flag. Both files are the same object, either may stay.
        Err(Errno::INVAL) => {
            rustix::fs::renameat(from.dir, &from.name, to.dir, &to.name).map(|()| true)
        }
        Err(e) => Err(e),
    }
}

pub(super) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?)
}

fn uid(number: u32) -> io::Result<Option<Uid>> {
    if number == u32::MAX {
        Err(reserved_id())
    } else {
        Ok(Some(Uid::from_raw(number)))
    }
}

fn gid(number: u32) -> io::Result<Option<Gid>> {
    if number == u32::MAX {
        Err(reserved_id())
    } else {
        Ok(Some(Gid::from_raw(number)))
    }
}

/// The largest number means "leave it as it is" to the kernel, so a file cannot have it.
fn reserved_id() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "no file on disk can have the owner 4294967295",
    )
}

/// Copies content of about `size` bytes in large steps and tells apart who failed.
pub(super) fn copy_content(
    from: &mut (impl Read + ?Sized),
    to: &mut (impl Write + ?Sized),
    path: &Path,
    size: u64,
) -> Result<(), WriteError> {
    // Most contents are small, and making a large buffer costs more than copying them.
    let mut buffer = vec![0; usize::try_from(size.clamp(512, 128 << 10)).unwrap_or(128 << 10)];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(WriteError::Content(e)),
        };
        let written: Result<(), PathError> = to
            .write_all(buffer.get(..count).unwrap_or_default())
            .at("write an object in", path);
        written?;
    }
}
