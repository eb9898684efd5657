//! The file `config` of a repository: groups of `key=value` lines, as GLib's key files.
//!
//! Unknown groups and keys are kept as they stand.

use std::collections::BTreeMap;

use super::RepoMode;

/// A parsed `config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    groups: BTreeMap<String, BTreeMap<String, String>>,
}

/// Why a `config` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A line that is neither a group, a key nor a comment.
    #[error("line {line} of the configuration is neither a group, a key nor a comment: {text:?}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// A key that must be there is not.
    #[error("Key file does not have key “{key}” in group “{group}”")]
    Missing {
        /// The group.
        group: &'static str,
        /// The key.
        key: &'static str,
    },
    /// A format that nobody has defined yet.
    #[error("Invalid repository version '{version}'")]
    Version {
        /// The value of `repo_version`.
        version: String,
    },
    /// A mode that ostree does not have, or one that cannot be written.
    #[error("Invalid mode '{mode}' in repository configuration")]
    Mode {
        /// The value of `mode`.
        mode: String,
    },
    /// A value of the wrong form.
    #[error("invalid value {value:?} of {group}.{key} in the repository configuration")]
    Value {
        /// The group.
        group: &'static str,
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
    },
}

/// How much space a transaction must leave free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MinFreeSpace {
    /// Of the file system's size.
    Percent(u64),
    /// Bytes, and the text they were given in.
    Bytes(u64, String),
}

impl Config {
    /// Reads the text of a `config`.
    pub fn parse(text: &str) -> Result<Config, ConfigError> {
        let mut groups: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let mut group: Option<String> = None;
        for (index, line) in text.lines().enumerate() {
            let trimmed = line.trim();
            let refuse = || ConfigError::Line {
                line: index + 1,
                text: line.to_owned(),
            };
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            if let Some(name) = trimmed
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
            {
                groups.entry(name.to_owned()).or_default();
                group = Some(name.to_owned());
                continue;
            }
            let (key, value) = trimmed.split_once('=').ok_or_else(refuse)?;
            let keys = group
                .as_ref()
                .and_then(|name| groups.get_mut(name))
                .ok_or_else(refuse)?;
            keys.insert(key.trim_end().to_owned(), value.trim_start().to_owned());
        }
        Ok(Config { groups })
    }

    /// The text that `init` writes for a new repository.
    #[must_use]
    pub fn initial(mode: RepoMode) -> String {
        format!("[core]\nrepo_version=1\nmode={}\n", mode.config_text())
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, group: &str, key: &str) -> Option<&str> {
        self.groups.get(group)?.get(key).map(String::as_str)
    }

    /// The names of all remotes, sorted.
    pub fn remotes(&self) -> impl Iterator<Item = &str> {
        self.groups
            .keys()
            .filter_map(|group| group.strip_prefix("remote \"")?.strip_suffix('"'))
    }

    /// The repository's mode; also checks the version.
    pub(super) fn mode(&self) -> Result<RepoMode, ConfigError> {
        let missing = ConfigError::Missing {
            group: "core",
            key: "repo_version",
        };
        let version = self.get("core", "repo_version").ok_or(missing)?;
        if version != "1" {
            return Err(ConfigError::Version {
                version: version.to_owned(),
            });
        }
        let mode = self.get("core", "mode").unwrap_or("bare");
        RepoMode::named(mode).ok_or_else(|| ConfigError::Mode {
            mode: mode.to_owned(),
        })
    }

    /// A boolean of the group `core`.
    pub(super) fn flag(&self, key: &'static str, default: bool) -> Result<bool, ConfigError> {
        match self.get("core", key) {
            None => Ok(default),
            Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(value) => Err(ConfigError::Value {
                group: "core",
                key,
                value: value.to_owned(),
            }),
        }
    }

    /// A whole number.
    pub(super) fn number(
        &self,
        group: &'static str,
        key: &'static str,
        default: i64,
    ) -> Result<i64, ConfigError> {
        let Some(value) = self.get(group, key) else {
            return Ok(default);
        };
        value.trim().parse().map_err(|_| ConfigError::Value {
            group,
            key,
            value: value.to_owned(),
        })
    }

    /// What must stay free: by default 3 percent.
    pub(super) fn min_free_space(&self) -> Result<MinFreeSpace, ConfigError> {
        if let Some(text) = self.get("core", "min-free-space-size") {
            let refuse = || ConfigError::Value {
                group: "core",
                key: "min-free-space-size",
                value: text.to_owned(),
            };
            let units = [("MB", 1_u64 << 20), ("GB", 1 << 30), ("TB", 1 << 40)];
            let found = units
                .iter()
                .find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)));
            let (count, unit) = found.ok_or_else(refuse)?;
            let count: u64 = count.parse().map_err(|_| refuse())?;
            return Ok(MinFreeSpace::Bytes(
                count.checked_mul(*unit).ok_or_else(refuse)?,
                text.to_owned(),
            ));
        }
        let percent = self.number("core", "min-free-space-percent", 3)?;
        match u64::try_from(percent) {
            Ok(percent @ 0..=99) => Ok(MinFreeSpace::Percent(percent)),
            _ => Err(ConfigError::Value {
                group: "core",
                key: "min-free-space-percent",
                value: percent.to_string(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_ostree_writes() {
        let text =
            "[core]\nrepo_version=1\nmode=archive-z2\n\n[remote \"origin\"]\nurl=http://x/\n";
        let config = Config::parse(text).unwrap();
        assert_eq!(config.mode(), Ok(RepoMode::Archive));
        assert_eq!(config.remotes().collect::<Vec<_>>(), ["origin"]);
        assert_eq!(config.flag("fsync", true), Ok(true));
        assert_eq!(config.min_free_space(), Ok(MinFreeSpace::Percent(3)));
    }

    #[test]
    fn refuses_what_ostree_refuses() {
        for (text, wanted) in [
            (
                "[core]\nmode=bare\n",
                "Key file does not have key “repo_version” in group “core”",
            ),
            ("[core]\nrepo_version=2\n", "Invalid repository version '2'"),
            (
                "[core]\nrepo_version=1\nmode=foo\n",
                "Invalid mode 'foo' in repository configuration",
            ),
        ] {
            assert_eq!(
                Config::parse(text).unwrap().mode().unwrap_err().to_string(),
                wanted
            );
        }
        assert!(Config::parse("key=value\n").is_err());
        assert!(Config::parse("[core]\nnonsense\n").is_err());
    }
}
