//! The small files of a repository: settings, refs, marks, summaries.
//!
//! Whoever can write to the repository could put anything in their place. So no more is read than such a file may
//! have, a fifo is not waited for, and nothing is written through a link.
//!
//! | function | when it is broken off |
//! |---|---|
//! | [`replace`] | the old file or the new one stands there |
//! | [`overwrite`] | the file may have any part of its content: for those that count by being there |

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::libc::{O_NOFOLLOW, O_NONBLOCK};

use super::lock::{LockKind, try_lock};
use crate::path_error::{At, PathError, UnlessAbsent};

/// What the names of temporary files in `tmp/` begin with.
pub(super) const TEMPORARY: &str = "apk-ostree-";

/// How the names of [`guarded`] links end.
pub(super) const GUARDED: &str = "link";

/// Opens a file without waiting for a fifo; the final link is followed.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).custom_flags(O_NONBLOCK).open(path)
}

/// Opens a regular file that is no link.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    let flags = O_NONBLOCK | O_NOFOLLOW;
    let file = options.read(true).custom_flags(flags).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        return Ok(file);
    }
    let kind = match kind.is_dir() {
        true => io::ErrorKind::IsADirectory,
        false => io::ErrorKind::InvalidInput,
    };
    Err(io::Error::new(kind, "not a regular file"))
}

/// At most the first `limit` bytes.
pub(super) fn beginning(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The whole content, if there is such a file.
///
/// # Errors
///
/// One of more than `limit` MiB is not read.
pub(super) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, PathError> {
    let Some(file) = open(path).unless_absent().at("read", path)? else {
        return Ok(None);
    };
    let bytes = beginning(file, (limit << 20) + 1).at("read", path)?;
    if bytes.len() as u64 > limit << 20 {
        return Err(io::Error::other(format!("larger than {limit} MiB"))).at("read", path);
    }
    Ok(Some(bytes))
}

/// Puts a file in place of another one by a rename. `sync` waits until the content is on the disk before.
pub(super) fn replace(repo: &Path, path: &Path, bytes: &[u8], sync: bool) -> Result<(), PathError> {
    let tmp = repo.join("tmp");
    fs::create_dir_all(&tmp).at("create", &tmp)?;
    let (temporary, _held) = at_new_name(&tmp, |path| write_new(path, bytes, sync))?;
    let renamed = fs::rename(&temporary, path);
    if renamed.is_err() {
        let _ = fs::remove_file(&temporary); // the error says more than a second one would
    }
    renamed.at("write", path)
}

/// Makes a file or a link in `dir`, under a name that nothing has; a process of the same number may have left some.
pub(super) fn at_new_name<T>(
    dir: &Path,
    make: impl Fn(&Path) -> io::Result<T>,
) -> Result<(PathBuf, T), PathError> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = dir.join(format!("{TEMPORARY}{}-{number}", std::process::id()));
        match make(&path) {
            Ok(made) => return Ok((path, made)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => {
                let _ = fs::remove_file(&path);
                return Err(e).at("write", path);
            }
        }
    }
}

/// Writes a file that is not there yet. As long as the result lives, [`super::leftovers`] keeps off it.
pub(super) fn write_new(path: &Path, bytes: &[u8], sync: bool) -> io::Result<File> {
    let mut options = File::options();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    // Somebody took it for a leftover before it was locked. Where files cannot be locked, nobody does.
    if let Ok(false) = try_lock(&file, LockKind::Exclusive) {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fill(&mut file, bytes)?;
    if sync {
        file.sync_data()?;
    }
    Ok(file)
}

/// The name of a link that counts as in use as long as a file that [`write_new`] has made is held.
pub(super) fn guarded(guard: &Path) -> PathBuf {
    guard.with_added_extension(GUARDED)
}

/// Writes a file at its final name, over what is there.
pub(super) fn overwrite(path: &Path, bytes: &[u8]) -> Result<(), PathError> {
    let mut options = File::options();
    let options = options.write(true).create(true).mode(0o600);
    let opened = options.custom_flags(O_NONBLOCK | O_NOFOLLOW).open(path);
    let written = opened.and_then(|mut file| {
        file.set_len(0)?;
        fill(&mut file, bytes)
    });
    written.at("write", path)
}

/// Whatever the umask is, others may read it.
fn fill(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

/// Removes a file; one that is not there is fine.
pub(super) fn remove(path: &Path) -> Result<(), PathError> {
    let removed = fs::remove_file(path).unless_absent();
    removed.at("remove", path).map(drop)
}
