//! The files of a v3 package.
//!
//! | rule | here |
//! |---|---|
//! | names of directories are paths, names of files one component | checked as in v2 |
//! | `target` begins with a file type in 2 bytes: link, device or pipe; files have none | another type is an error |
//! | a hard link has the type of a regular file, and the path of an earlier one | the order is for the caller |
//! | a device is 8 bytes, as `st_rdev` of Linux | another length is an error |
//! | a regular file has a SHA-256 | one without is an error |
//!
//! Owners have names only. The number is 65534, which apk takes for names that it does not find.

use std::collections::BTreeMap;

use crate::adb::schema::{AclView, DirView, FileView, SchemaError};
use crate::adb::value::Budget;
use crate::digest::Digest;
use crate::package::entry::{check_path, symlink_target};
use crate::package::{Entry, EntryKind, PackageError, PathError};

/// The entry of a directory that is not the root.
pub(super) fn directory(dir: DirView<'_>, budget: &mut Budget) -> Result<Entry, PackageError> {
    let path = dir_path(dir.name()?)?;
    entry(path, EntryKind::Dir, dir.acl()?, budget)
}

/// The entry of a file in a directory.
pub(super) fn file(
    dir: DirView<'_>,
    file: FileView<'_>,
    budget: &mut Budget,
) -> Result<Entry, PackageError> {
    let (parent, name) = (dir.name()?, file.name()?);
    let path = if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{}/{name}", dir_path(parent)?)
    };
    let refused = |reason| PackageError::Path {
        path: path.clone(),
        reason,
    };
    if name.contains('/') {
        return Err(refused(PathError::Component));
    }
    check_path(path.as_bytes()).map_err(refused)?;
    let (kind, checksum) = kind(file, &path)?;
    let mtime = file.mtime()?;
    let entry = entry(path, kind, file.acl()?, budget)?;
    Ok(Entry {
        mtime,
        checksum,
        ..entry
    })
}

fn entry(
    path: String,
    kind: EntryKind,
    acl: AclView<'_>,
    budget: &mut Budget,
) -> Result<Entry, PackageError> {
    let spent = |source| SchemaError::value("paths", source);
    budget.spend(path.len() + ENTRY).map_err(spent)?;
    let mode = acl.mode()?;
    let mode = u32::try_from(mode).ok().filter(|mode| *mode <= 0o7777);
    let mode = mode.ok_or_else(|| SchemaError::Holds {
        field: "mode",
        text: "more than the 12 bits of permissions".to_owned(),
    })?;
    let xattrs = xattrs(acl, &path, budget)?;
    Ok(Entry {
        path,
        kind,
        mode,
        uid: NOBODY,
        gid: NOBODY,
        uname: acl.user()?.to_owned(),
        gname: acl.group()?.to_owned(),
        mtime: 0,
        xattrs,
        checksum: None,
    })
}

/// Trailing slashes are not removed, as they are in archives: the name has a single form here.
fn dir_path(name: &str) -> Result<String, PackageError> {
    let refused = |reason| PackageError::Path {
        path: name.to_owned(),
        reason,
    };
    if name.ends_with('/') {
        return Err(refused(PathError::Component));
    }
    check_path(name.as_bytes()).map_err(refused)
}

fn kind(file: FileView<'_>, path: &str) -> Result<(EntryKind, Option<Digest>), PackageError> {
    let Some((kind, target)) = file.target()?.split_first_chunk() else {
        return regular(file, path);
    };
    let refused = || PackageError::Path {
        path: path.to_owned(),
        reason: PathError::Target,
    };
    let claimed = Digest::from_bytes(file.hash()?);
    Ok(match u16::from_le_bytes(*kind) {
        S_IFLNK => {
            let target = symlink_target(target).map_err(|_| refused())?;
            let checksum = Digest::sha256(target.as_bytes());
            (EntryKind::Symlink { target }, Some(checksum))
        }
        S_IFREG => {
            if target.ends_with(b"/") {
                return Err(refused());
            }
            // What 3.0.6 writes for a file in the root; it cannot install that itself.
            let target = target.strip_prefix(b"./").unwrap_or(target);
            let target = check_path(target).map_err(|_| refused())?;
            (EntryKind::HardLink { target }, claimed)
        }
        kind @ (S_IFCHR | S_IFBLK | S_IFIFO) => {
            let device = target.try_into().map_err(|_| refused())?;
            let (major, minor) = device_numbers(u64::from_le_bytes(device));
            let kind = match kind {
                S_IFCHR => EntryKind::Char { major, minor },
                S_IFBLK => EntryKind::Block { major, minor },
                _ => EntryKind::Fifo,
            };
            (kind, None)
        }
        other => {
            return Err(PackageError::Values(SchemaError::Holds {
                field: "target",
                text: format!(
                    "the file type {other:#06x}, which is none of a link, device or pipe"
                ),
            }));
        }
    })
}

fn regular(file: FileView<'_>, path: &str) -> Result<(EntryKind, Option<Digest>), PackageError> {
    if !file.target()?.is_empty() {
        return Err(PackageError::Path {
            path: path.to_owned(),
            reason: PathError::Target,
        });
    }
    let size = file.size()?;
    match file.hash()? {
        [] => Err(PackageError::NoChecksum {
            path: path.to_owned(),
        }),
        bytes => match Digest::from_bytes(bytes) {
            Some(digest @ Digest::Sha256(_)) => Ok((EntryKind::File { size }, Some(digest))),
            _ => Err(PackageError::Values(SchemaError::Holds {
                field: "hash",
                text: format!("{} bytes, which are no SHA-256, for {path:?}", bytes.len()),
            })),
        },
    }
}

fn xattrs(
    acl: AclView<'_>,
    path: &str,
    budget: &mut Budget,
) -> Result<BTreeMap<String, Vec<u8>>, PackageError> {
    let mut all = BTreeMap::new();
    for blob in acl.xattrs()?.blobs() {
        let blob = blob?;
        let spent = budget.spend(blob.len() + size_of::<Vec<u8>>());
        spent.map_err(|source| SchemaError::value("xattrs", source))?;
        let name = blob.iter().position(|byte| *byte == 0);
        let (name, value) = name
            .and_then(|end| Some((blob.get(..end)?, blob.get(end + 1..)?)))
            .ok_or_else(|| refused(path))?;
        let name = std::str::from_utf8(name).map_err(|_| refused(path))?;
        if name.is_empty() || all.insert(name.to_owned(), value.to_vec()).is_some() {
            return Err(refused(path));
        }
    }
    Ok(all)
}

fn refused(path: &str) -> PackageError {
    PackageError::Path {
        path: path.to_owned(),
        reason: PathError::Xattr,
    }
}

/// Splits a device number of Linux: 12 and 20 bits in the lower half, the rest of both above.
pub(crate) fn device_numbers(device: u64) -> (u32, u32) {
    let major = (device >> 8 & 0xfff) | (device >> 32 & 0xffff_f000);
    let minor = (device & 0xff) | (device >> 12 & 0xffff_ff00);
    let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    (narrow(major), narrow(minor))
}

/// The opposite of [`device_numbers`].
pub(crate) fn device_number(major: u32, minor: u32) -> u64 {
    let (major, minor) = (u64::from(major), u64::from(minor));
    (minor & 0xff) | (major & 0xfff) << 8 | (minor & !0xff) << 12 | (major & !0xfff) << 32
}

/// What an entry costs beside its path.
const ENTRY: usize = 128;

/// Whom apk takes for a name that it does not find.
const NOBODY: u32 = 65534;

pub(crate) const S_IFIFO: u16 = 0x1000;
pub(crate) const S_IFCHR: u16 = 0x2000;
pub(crate) const S_IFBLK: u16 = 0x6000;
pub(crate) const S_IFREG: u16 = 0x8000;
pub(crate) const S_IFLNK: u16 = 0xa000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_as_linux_numbers_them() {
        assert_eq!(device_numbers(0x0103), (1, 3));
        assert_eq!(device_numbers(0x0000_0000_1010_0a02), (10, 0x1_0102));
        for device in [0x0701, 0xfff0_0fff, 0x1234_5678_9abc_def0, u64::MAX] {
            let (major, minor) = device_numbers(device);
            assert_eq!(device_number(major, minor), device);
        }
    }
}
