//! Tombstones: the files `objects/XX/REST.tombstone-commit` that stand where commits were deleted.
//!
//! The content is an `a{sv}` with the one entry `commit`: the 64 hex digits of the deleted commit and a NUL, as bytes.
//! They are written where `core.tombstone-commits` is on, so that who pulls can tell a commit that was taken away
//! from one that never was there. Writing the commit again removes its tombstone.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;

use super::object_dir::relative_path;
use super::{ConfigError, Repo, RepoError, replace_config, small_file};
use crate::checksum::CommitId;
use crate::gvariant::{Dict, Value};
use crate::path_error::{At, PathError, UnlessAbsent};

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
        let found = fs::symlink_metadata(&path).unless_absent();
        Ok(found.at("stat", &path)?.is_some())
    }

    /// Turns `core.tombstone-commits` on in the configuration file, as ostree does before it deletes a commit that it
    /// was told to delete. This [`Repo`] goes on with what it has read.
    pub fn enable_tombstones(&self) -> Result<(), RepoError> {
        let mut config = self.config.clone();
        config.set("core", "tombstone-commits", "true")?;
        Ok(replace_config(&self.path, &config.to_string())?)
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
        small_file::overwrite(&path, &dict.encode())
    }
}
