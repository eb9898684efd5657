//! One file of a package; here, as the data member of a v2 package describes it.
//!
//! | rule | here |
//! |---|---|
//! | entries that begin with `.` at the top level belong to the package, not to the system | skipped |
//! | paths are relative, without `.`, `..` or empty components and without control characters | an error |
//! | a directory may end in `/` | removed |
//! | a regular file has the SHA-1 of its content, a symlink that of its target | a file without is an error |
//! | a hard link names an earlier file of the same package | checked like a path; the order is for the caller |
//!
//! Names and targets must be UTF-8. Owner names that are not are given with replacement characters, and so
//! match no account.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::package::PackageError;
use crate::ustar::Header;

/// One file, directory, link or device that a package brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative, without a slash at either end: `usr/bin/env`.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// Permissions with setuid, setgid and sticky bits: at most `0o7777`.
    pub mode: u32,
    /// The number in the header, 65534 in v3 packages; counts only if the installed system does not know `uname`.
    pub uid: u32,
    /// The number in the header, 65534 in v3 packages; counts only if the installed system does not know `gname`.
    pub gid: u32,
    /// The owner's name, perhaps empty.
    pub uname: String,
    /// The group's name, perhaps empty.
    pub gname: String,
    /// Unix seconds; 0 for directories of v3 packages, which have none.
    pub mtime: u64,
    /// Extended attributes by their full names, such as `security.capability`.
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// Digest of the content of a file or of the target of a symlink: SHA-1 in v2 packages, as they claim and as is
    /// verified, SHA-256 in v3 packages. Always there for files, normally for symlinks. Hard links of v3 packages claim
    /// one too, which is not verified; nothing else has one.
    pub checksum: Option<Digest>,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File {
        /// Bytes of content, to be read from the package.
        size: u64,
    },
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink {
        /// Verbatim; not empty.
        target: String,
    },
    /// Another name for a file.
    HardLink {
        /// The path of an earlier entry of the same package.
        target: String,
    },
    /// A character device.
    Char {
        /// Which driver.
        major: u32,
        /// Which of its devices.
        minor: u32,
    },
    /// A block device.
    Block {
        /// Which driver.
        major: u32,
        /// Which of its devices.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}

impl Entry {
    /// Checks a header; `None` for entries that are not installed.
    pub(crate) fn from_header(header: Header) -> Result<Option<Entry>, PackageError> {
        let refused = |reason| PackageError::Path {
            path: header.lossy_name(),
            reason,
        };
        if is_hidden(&header.name) {
            return Ok(None);
        }
        let path = check_path(&header.name).map_err(refused)?;
        let kind = kind(&header).map_err(refused)?;
        let xattrs = xattrs(&header).map_err(refused)?;
        let checksum = match (&kind, &header.checksum) {
            (EntryKind::File { .. } | EntryKind::Symlink { .. }, Some(text)) => {
                Some(checksum(&path, text)?)
            }
            (EntryKind::File { .. }, None) => return Err(PackageError::NoChecksum { path }),
            _ => None,
        };
        if let (EntryKind::Symlink { target }, Some(expected)) = (&kind, checksum) {
            let found = Digest::sha1(target.as_bytes());
            if found != expected {
                return Err(PackageError::Content {
                    path,
                    expected,
                    found,
                });
            }
        }
        Ok(Some(Entry {
            path,
            kind,
            mode: header.mode,
            uid: header.uid,
            gid: header.gid,
            uname: String::from_utf8_lossy(&header.uname).into_owned(),
            gname: String::from_utf8_lossy(&header.gname).into_owned(),
            mtime: header.mtime,
            xattrs,
            checksum,
        }))
    }
}

/// Why a name in a package is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// There is none.
    #[error("it is empty")]
    Empty,
    /// It is no text.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// It begins with a slash.
    #[error("it is absolute")]
    Absolute,
    /// A component is empty, `.` or `..`.
    #[error("it has an empty, \".\" or \"..\" component")]
    Component,
    /// It holds a byte below space, or DEL.
    #[error("it holds a control character")]
    Control,
    /// It is longer than any system would take.
    #[error("it is longer than {PATH_LIMIT} bytes, or a component longer than {NAME_LIMIT}")]
    TooLong,
    /// It begins with a dot at the top level, where v2 packages have what is not installed.
    #[error("it begins with a dot, as only what belongs to a v2 package itself does")]
    Hidden,
    /// The target of a link is no path.
    #[error("the target of the link is empty, too long, not UTF-8, or no path within the package")]
    Target,
    /// The name of an extended attribute is empty or no text.
    #[error("it has an extended attribute without a readable name")]
    Xattr,
}

/// Linux: `PATH_MAX`, with its NUL.
const PATH_LIMIT: usize = 4095;

/// Linux: `NAME_MAX`.
const NAME_LIMIT: usize = 255;

/// Whether an entry belongs to the package alone. `./x` and `../x` do not: they are paths, and bad ones.
pub(super) fn is_hidden(name: &[u8]) -> bool {
    name.starts_with(b".") && !name.starts_with(b"./") && !name.starts_with(b"../") && name != b".."
}

pub(super) fn check_path(name: &[u8]) -> Result<String, PathError> {
    let path = std::str::from_utf8(name).map_err(|_| PathError::NotUtf8)?;
    let path = path.strip_suffix('/').unwrap_or(path);
    if name.starts_with(b"/") {
        return Err(PathError::Absolute);
    }
    if path.is_empty() {
        return Err(PathError::Empty);
    }
    if path.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(PathError::Control);
    }
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(PathError::Component);
    }
    if path.len() > PATH_LIMIT || path.split('/').any(|part| part.len() > NAME_LIMIT) {
        return Err(PathError::TooLong);
    }
    Ok(path.to_owned())
}

fn kind(header: &Header) -> Result<EntryKind, PathError> {
    let (major, minor) = header.device;
    Ok(match header.kind {
        b'1' => EntryKind::HardLink {
            target: check_path(&header.link).map_err(|_| PathError::Target)?,
        },
        b'2' => EntryKind::Symlink {
            target: symlink_target(&header.link)?,
        },
        b'3' => EntryKind::Char { major, minor },
        b'4' => EntryKind::Block { major, minor },
        b'5' => EntryKind::Dir,
        b'6' => EntryKind::Fifo,
        _ => EntryKind::File { size: header.size },
    })
}

pub(super) fn symlink_target(link: &[u8]) -> Result<String, PathError> {
    let target = std::str::from_utf8(link).map_err(|_| PathError::Target)?;
    if target.is_empty() || target.len() > PATH_LIMIT || target.contains('\0') {
        return Err(PathError::Target);
    }
    Ok(target.to_owned())
}

fn xattrs(header: &Header) -> Result<BTreeMap<String, Vec<u8>>, PathError> {
    let named = |(name, value): (&Vec<u8>, &Vec<u8>)| {
        let name = std::str::from_utf8(name)
            .ok()
            .filter(|name| !name.is_empty() && !name.contains('\0'));
        Ok((name.ok_or(PathError::Xattr)?.to_owned(), value.clone()))
    };
    header.xattrs.iter().map(named).collect()
}

fn checksum(path: &str, text: &[u8]) -> Result<Digest, PackageError> {
    let text = String::from_utf8_lossy(text);
    match Digest::from_hex(&text) {
        Ok(digest @ Digest::Sha1(_)) => Ok(digest),
        _ => Err(PackageError::Checksum {
            path: path.to_owned(),
            text: text.into_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        assert_eq!(check_path(b"usr/lib/").unwrap(), "usr/lib");
        assert_eq!(check_path(b"a.b/..c").unwrap(), "a.b/..c");
        let long = [b'x'; 256];
        for (path, error) in [
            (&b""[..], PathError::Empty),
            (b"/", PathError::Absolute),
            (b"/etc", PathError::Absolute),
            (b"./etc", PathError::Component),
            (b"a/../b", PathError::Component),
            (b"a//b", PathError::Component),
            (b"a//", PathError::Component),
            (b"a/.", PathError::Component),
            (b"a\nb", PathError::Control),
            (b"a\x7f", PathError::Control),
            (b"a\0b", PathError::Control),
            (b"\xff", PathError::NotUtf8),
            (&long, PathError::TooLong),
            (&b"a/".repeat(2100), PathError::TooLong),
        ] {
            assert_eq!(check_path(path), Err(error), "{path:?}");
        }
    }

    #[test]
    fn hidden_entries_are_not_bad_paths() {
        assert!(
            is_hidden(b".PKGINFO") && is_hidden(b".a/b") && is_hidden(b".") && is_hidden(b"..x")
        );
        assert!(
            !is_hidden(b"./a") && !is_hidden(b"../a") && !is_hidden(b"..") && !is_hidden(b"a/.b")
        );
    }
}
