//! Files in `tmp/` that somebody has left there: after `core.tmp-expiry-secs`, by default a day, they go.
//!
//! | name | what happens |
//! |---|---|
//! | `cache` | stays |
//! | `staging-…` | is for [`super::stage`] |
//! | anything else | goes if it has not been changed for that long |

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Removes what is older than `expiry` seconds at the time `now`. What cannot be removed stays: that others left
/// something behind is no fault of whoever calls this.
pub(super) fn remove(tmp: &Path, now: SystemTime, expiry: u64) {
    let Ok(entries) = fs::read_dir(tmp) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
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
