//! Extended attributes of files on the disk.

use std::ffi::CStr;
use std::fs::File;
use std::path::Path;

use crate::object::{Xattrs, XattrsError};

/// The value of one xattr of an open file.
pub(super) fn get_xattr(file: &File, name: &CStr) -> rustix::io::Result<Vec<u8>> {
    sized(|buffer| rustix::fs::fgetxattr(file, name, buffer))
}

/// Calls again with a larger buffer until the value fits.
fn sized(read: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> rustix::io::Result<Vec<u8>> {
    let mut buffer = vec![0; 256];
    loop {
        match read(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            // The kernel's limit for names and values is 64 KiB.
            Err(rustix::io::Errno::RANGE) if buffer.len() <= 64 << 10 => {
                buffer.resize(buffer.len() * 16, 0);
            }
            Err(e) => return Err(e),
        }
    }
}

/// All xattrs of an open file; none where the file system has none. Empty values are dropped, as ostree does.
pub(crate) fn read_xattrs(file: &File) -> rustix::io::Result<Result<Xattrs, XattrsError>> {
    let names = names_or_none(sized(|buffer| rustix::fs::flistxattr(file, buffer)))?;
    collect_xattrs(&names, |name| {
        sized(|buffer| rustix::fs::fgetxattr(file, name, buffer))
    })
}

/// The same for the path itself, also when it is a symbolic link.
pub(crate) fn read_link_xattrs(path: &Path) -> rustix::io::Result<Result<Xattrs, XattrsError>> {
    let names = names_or_none(sized(|buffer| rustix::fs::llistxattr(path, buffer)))?;
    collect_xattrs(&names, |name| {
        sized(|buffer| rustix::fs::lgetxattr(path, name, buffer))
    })
}

fn names_or_none(names: rustix::io::Result<Vec<u8>>) -> rustix::io::Result<Vec<u8>> {
    match names {
        Err(rustix::io::Errno::OPNOTSUPP) => Ok(Vec::new()),
        names => names,
    }
}

fn collect_xattrs(
    names: &[u8],
    value: impl Fn(&CStr) -> rustix::io::Result<Vec<u8>>,
) -> rustix::io::Result<Result<Xattrs, XattrsError>> {
    let mut pairs = Vec::new();
    for name in names.split_inclusive(|byte| *byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else {
            continue;
        };
        match value(name) {
            Ok(value) if value.is_empty() => {}
            Ok(value) => pairs.push((name.to_bytes().to_vec(), value)),
            Err(rustix::io::Errno::NODATA) => {} // removed in the meantime
            Err(e) => return Err(e),
        }
    }
    Ok(Xattrs::new(pairs))
}
