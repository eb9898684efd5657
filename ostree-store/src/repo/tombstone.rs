//! Tombstones: the files `objects/XX/REST.tombstone-commit` that stand where commits were deleted.
//!
//! The content is an `a{sv}` with the one entry `commit`: the 64 hex digits of the deleted commit and a NUL, as bytes.
//! They are written where `core.tombstone-commits` is on, so that who pulls can tell a commit that was taken away
//! from one that never was there. Writing the commit again removes its tombstone.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};

use super::objects::relative_path;
use super::{ConfigError, Repo};
use crate::checksum::CommitId;
use crate::gvariant::{Dict, Value};
use crate::path_error::{At, PathError};

/// The extension of a tombstone's file.
pub(super) const EXTENSION: &str = "tombstone-commit";

impl Repo {
    /// Whether deleting a commit leaves a tombstone (`core.tombstone-commits`).
    pub fn keeps_tombstones(&self) -> Result<bool, ConfigError> {
        self.config.flag("tombstone-commits", false)
    }

    /// Whether there is a tombstone in place of the commit.
    pub fn has_tombstone(&self, commit: &CommitId) -> Result<bool, PathError> {
        let path = relative_path(commit.checksum(), EXTENSION);
        let path = self.path.join("objects").join(path);
        match fs::symlink_metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            found => found.at("stat", &path).map(|_| true),
        }
    }

    /// Turns `core.tombstone-commits` on in the configuration file, as ostree does before it deletes a commit that it
    /// was told to delete. Everything else in the file stays as it is. This [`Repo`] goes on with what it has read.
    pub fn enable_tombstones(&self) -> Result<(), PathError> {
        let path = self.path.join("config");
        let text = fs::read_to_string(&path).at("read", &path)?;
        let temporary = self.path.join(format!("tmp/config-{}", std::process::id()));
        fs::write(&temporary, with_tombstones(&text)).at("write", &temporary)?;
        fs::rename(&temporary, &path).at("write", &path)
    }

    /// Puts a tombstone beside a commit that is about to be deleted.
    ///
    /// It gets its final name at once: one that was broken off stands beside a commit that is still there, and is
    /// written again when that is deleted.
    pub(crate) fn write_tombstone(&self, commit: &CommitId) -> Result<(), PathError> {
        let mut dict = Dict::default();
        let name = format!("{commit}\0").into_bytes();
        dict.push("commit", Value::Bytes(name));
        let path = relative_path(commit.checksum(), EXTENSION);
        let path = self.path.join("objects").join(path);
        if let Some(dir) = path.parent() {
            let made = DirBuilder::new().recursive(true).mode(0o777).create(dir);
            made.at("create", dir)?;
        }
        fs::write(&path, dict.encode()).at("write", &path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).at("write", &path)
    }
}

/// The configuration with the key set, at the end of the group `core` if it is new.
fn with_tombstones(text: &str) -> String {
    const LINE: &str = "tombstone-commits=true";
    let mut lines: Vec<&str> = Vec::new();
    let mut in_core = false;
    // Where the key goes: behind the last key of the group, in front of the blank line that ends it.
    let mut place = None;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with('[') {
            in_core = trimmed == "[core]";
        }
        let is_key = trimmed.split('=').next().map(str::trim) == Some("tombstone-commits");
        if in_core && is_key {
            continue;
        }
        lines.push(line);
        if in_core && !trimmed.is_empty() && !trimmed.starts_with('#') {
            place = Some(lines.len());
        }
    }
    match place {
        Some(place) => lines.insert(place, LINE),
        None => lines.extend(["[core]", LINE]),
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_goes_to_the_end_of_its_group() {
        let text = "[core]\nrepo_version=1\nmode=bare\n\n[remote \"a\"]\nurl=x\n";
        let wanted =
            "[core]\nrepo_version=1\nmode=bare\ntombstone-commits=true\n\n[remote \"a\"]\nurl=x\n";
        assert_eq!(with_tombstones(text), wanted);
        assert_eq!(with_tombstones(wanted), wanted);
        let off = "# mine\n[core]\ntombstone-commits = false\nmode=bare\n";
        let on = "# mine\n[core]\nmode=bare\ntombstone-commits=true\n";
        assert_eq!(with_tombstones(off), on);
    }
}
