//! Files in `tmp/` that somebody has left there.
//!
//! | name | what happens |
//! |---|---|
//! | `cache` | stays |
//! | `staging-…` | is for [`super::stage`] |
//! | `apk-ostree-…`, a regular file | goes at once if nobody holds its lock: a process of ours was broken off |
//! | `apk-ostree-….link`, a link | goes at once if the file without `.link` is not there or not held |
//! | anything else | goes if it has not been changed for `core.tmp-expiry-secs`, by default a day |

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use nix::libc::{O_NOFOLLOW, O_NONBLOCK};

use super::lock::{LockKind, try_lock};
use super::small_file::{GUARDED, TEMPORARY};

/// Removes what is older than `expiry` seconds at the time `now`. What cannot be removed stays: that others left
/// something behind is no fault of whoever calls this.
pub(super) fn remove(tmp: &Path, now: SystemTime, expiry: u64) {
    let Ok(entries) = fs::read_dir(tmp) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes()) && is_abandoned(&entry.path())
        {
            let _ = fs::remove_file(entry.path());
            continue;
        }
        if name == "cache" || name.as_encoded_bytes().starts_with(b"staging-") {
            continue;
        }
        let Ok(found) = entry.metadata() else {
            continue;
        };
        let age = found.modified().and_then(|changed| {
            now.duration_since(changed)
                .map_err(|e| std::io::Error::other(e.to_string()))
        });
        // Only whole seconds count. What is from the future stays.
        if !age.is_ok_and(|age| Duration::from_secs(age.as_secs()) > Duration::from_secs(expiry)) {
            continue;
        }
        let path = entry.path();
        let _ = if found.is_dir() {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        };
    }
}

/// Whether no process has the file in hand, or the file that guards the link.
fn is_abandoned(path: &Path) -> bool {
    if !path.is_symlink() {
        return is_free(path);
    }
    let guard = path.with_extension("");
    let is_guarded = path.extension().is_some_and(|ending| ending == GUARDED);
    is_guarded && (is_free(&guard) || !guard.exists())
}

/// The lock goes with the descriptor; who finds the file free has it to itself.
fn is_free(path: &Path) -> bool {
    let mut options = File::options();
    let options = options.read(true).write(true);
    let opened = options.custom_flags(O_NONBLOCK | O_NOFOLLOW).open(path);
    let Ok(file) = opened else {
        return false;
    };
    let is_file = file.metadata().is_ok_and(|found| found.is_file());
    is_file && matches!(try_lock(&file, LockKind::Exclusive), Ok(true))
}
