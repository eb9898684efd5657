//! What the settings of a repository mean.

use std::path::{Path, PathBuf};

use super::config::{leading_number, unsigned};
use super::{Config, ConfigError, RepoMode};

/// How much space a transaction must leave free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinFreeSpace {
    /// Of the file system's size.
    Percent(u64),
    /// In units of 2^20 bytes.
    Megabytes(u64),
}

/// How long a lock is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockTimeout {
    /// Not at all, because locks are not taken (`locking=false`).
    NoLocks,
    /// For ever.
    Never,
    /// Seconds.
    After(u64),
}

/// What the group `core` says, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) mode: RepoMode,
    /// Whether to wait until written data is on the disk.
    pub(super) fsync: bool,
    /// Whether to do so for each object.
    pub(super) per_object_fsync: bool,
    /// Whether files have no xattrs (`bare`).
    pub(super) disable_xattrs: bool,
    /// The path of the repository that has what this one has not.
    pub(super) parent: Option<PathBuf>,
}

impl Config {
    /// The settings of the group `core`. Everything that ostree checks when it opens a repository is checked here.
    pub(super) fn settings(&self) -> Result<Settings, ConfigError> {
        let mode = self.mode()?;
        self.flag("enable-uncompressed-cache", true)?;
        let fsync = self.flag("fsync", true)?;
        let per_object_fsync = self.flag("per-object-fsync", false)?;
        let disable_xattrs = self.flag("disable-xattrs", false)?;
        self.flag("locking", true)?;
        self.min_free_space()?;
        let parent = self.get("core", "parent").filter(|path| !path.is_empty());
        self.flag("add-remotes-config-dir", false)?;
        self.check_finders()?;
        Ok(Settings {
            mode,
            fsync,
            per_object_fsync,
            disable_xattrs,
            parent: parent.map(|path| Path::new(path).to_owned()),
        })
    }

    /// The repository's mode; also checks the version.
    fn mode(&self) -> Result<RepoMode, ConfigError> {
        let version = self.required("core", "repo_version")?;
        if version != "1" {
            return Err(ConfigError::Version {
                version: version.to_owned(),
            });
        }
        if self.flag("archive", false)? {
            return Err(ConfigError::OldArchive);
        }
        let mode = self.get("core", "mode").unwrap_or("bare");
        RepoMode::named(mode).ok_or_else(|| ConfigError::Mode {
            mode: mode.to_owned(),
        })
    }

    fn check_finders(&self) -> Result<(), ConfigError> {
        let finders = self.strings("core", "default-repo-finders")?;
        if finders.is_empty() && self.get("core", "default-repo-finders").is_some() {
            return Err(ConfigError::NoFinder);
        }
        let unknown = |finder: &String| !matches!(finder.as_str(), "config" | "lan" | "mount");
        match finders.into_iter().find(unknown) {
            Some(finder) => Err(ConfigError::Finder { finder }),
            None => Ok(()),
        }
    }

    /// How well `archive` compresses, 1 to 9.
    pub(super) fn zlib_level(&self) -> u32 {
        let level = self.unsigned("archive", "zlib-level", 6).clamp(1, 9);
        u32::try_from(level).unwrap_or(6)
    }

    /// How long a lock is waited for: 30 seconds by default.
    pub(crate) fn lock_timeout(&self) -> Result<LockTimeout, ConfigError> {
        if !self.flag("locking", true)? {
            return Ok(LockTimeout::NoLocks);
        }
        let seconds = self.number("core", "lock-timeout-secs", 30);
        Ok(match u64::try_from(seconds) {
            Ok(seconds) => LockTimeout::After(seconds),
            Err(_) if seconds == -2 => LockTimeout::NoLocks, // ostree's own sign for it
            Err(_) => LockTimeout::Never,
        })
    }

    /// What must stay free: by default 3 percent. A size counts more than a percentage, 0 means no limit.
    pub(super) fn min_free_space(&self) -> Result<MinFreeSpace, ConfigError> {
        let size = match self.get("core", "min-free-space-size") {
            Some(text) => Some(megabytes(text)?),
            None => None,
        };
        let percent = match self.get("core", "min-free-space-percent") {
            Some(text) => percent(text)?,
            None if size.is_some() => 0,
            None => 3,
        };
        Ok(match size {
            Some(size @ 1..) => MinFreeSpace::Megabytes(size),
            _ => MinFreeSpace::Percent(percent),
        })
    }
}

fn percent(text: &str) -> Result<u64, ConfigError> {
    let percent = unsigned(leading_number(text));
    if percent > 99 {
        return Err(ConfigError::MinFreeSpacePercent {
            value: text.to_owned(),
        });
    }
    Ok(percent)
}

/// `123MB`, `123GB` or `123TB`.
fn megabytes(text: &str) -> Result<u64, ConfigError> {
    let refuse = |problem| ConfigError::MinFreeSpaceSize {
        value: text.to_owned(),
        problem,
    };
    let form = "It should be of the format '123MB', '123GB' or '123TB'";
    let units = [("MB", 0), ("GB", 10), ("TB", 20)];
    let found = units
        .iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)));
    let (digits, shift) = found.ok_or_else(|| refuse(form))?;
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(refuse(form));
    }
    let count = unsigned(leading_number(digits));
    if *shift > 0 && count >> (64 - shift) != 0 {
        return Err(refuse("Value was too high"));
    }
    Ok(count << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn core(lines: &str) -> Config {
        Config::parse(&format!("[core]\nrepo_version=1\n{lines}")).unwrap()
    }

    #[test]
    fn reads_what_ostree_writes() {
        let config = core("mode=archive-z2\n\n[remote \"origin\"]\nurl=http://x/\n");
        let settings = config.settings().unwrap();
        assert_eq!(settings.mode, RepoMode::Archive);
        assert_eq!(config.remotes().collect::<Vec<_>>(), ["origin"]);
        assert!(settings.fsync && !settings.per_object_fsync);
        assert_eq!(config.min_free_space(), Ok(MinFreeSpace::Percent(3)));
        assert_eq!(config.lock_timeout(), Ok(LockTimeout::After(30)));
        assert_eq!(config.zlib_level(), 6);
    }

    #[test]
    fn locks_are_waited_for_as_long_as_is_said() {
        for (lines, wanted) in [
            ("lock-timeout-secs=0\n", LockTimeout::After(0)),
            ("lock-timeout-secs=-1\n", LockTimeout::Never),
            ("lock-timeout-secs=-2\n", LockTimeout::NoLocks),
            ("lock-timeout-secs=x\n", LockTimeout::After(0)),
            ("locking=false\n", LockTimeout::NoLocks),
        ] {
            assert_eq!(core(lines).lock_timeout(), Ok(wanted), "{lines}");
        }
    }

    #[test]
    fn a_size_counts_more_than_a_percentage() {
        for (lines, wanted) in [
            ("min-free-space-percent=7\n", MinFreeSpace::Percent(7)),
            ("min-free-space-size=2GB\n", MinFreeSpace::Megabytes(2048)),
            (
                "min-free-space-size=2MB\nmin-free-space-percent=7\n",
                MinFreeSpace::Megabytes(2),
            ),
            (
                "min-free-space-size=0MB\nmin-free-space-percent=7\n",
                MinFreeSpace::Percent(7),
            ),
            ("min-free-space-size=0TB\n", MinFreeSpace::Percent(0)),
        ] {
            assert_eq!(core(lines).min_free_space(), Ok(wanted), "{lines}");
        }
        for lines in [
            "min-free-space-size=1kB\n",
            "min-free-space-size=MB\n",
            "min-free-space-size=-1MB\n",
            "min-free-space-size=99999999999999999TB\n",
            "min-free-space-percent=100\n",
            "min-free-space-percent=-1\n",
        ] {
            assert!(core(lines).min_free_space().is_err(), "{lines}");
        }
    }
}
