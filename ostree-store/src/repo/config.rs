//! The file `config` of a repository: its keys and their values. What those of ostree mean stands in
//! [`super::settings`].
//!
//! The text is a key file ([`super::key_file`]); unknown groups, unknown keys and comments are kept as they stand.
//! Numbers are read as C reads them: what is no number counts as 0, and anything may follow one.

use std::fmt;

use super::key_file::{KeyFile, SyntaxError, escape, unescape};
use super::{CollectionId, RepoMode};

/// The largest `config` that is read, in bytes. Real ones have less than a thousandth of it.
pub(super) const MAX_CONFIG: u64 = 1 << 20;

/// A parsed `config`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    file: KeyFile,
}

/// Why a `config` cannot be used. Where ostree says the same, it says it in these words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The text is no key file.
    #[error("Couldn't parse config file: {0}")]
    Syntax(SyntaxError),
    /// A name that cannot be in a key file.
    #[error(transparent)]
    Name(SyntaxError),
    /// Not text.
    #[error("Invalid UTF-8")]
    NotUtf8,
    /// More text than a `config` can need.
    #[error("the configuration has more than {MAX_CONFIG} bytes")]
    TooLarge,
    /// A group that must be there is not.
    #[error("Key file does not have group “{group}”")]
    MissingGroup {
        /// The group.
        group: String,
    },
    /// A key that must be there is not.
    #[error("Key file does not have key “{key}” in group “{group}”")]
    Missing {
        /// The group.
        group: String,
        /// The key.
        key: String,
    },
    /// A value of the wrong form.
    #[error("Key file contains key “{key}” which has a value that cannot be interpreted.")]
    Value {
        /// The key.
        key: String,
    },
    /// A format that nobody has defined yet.
    #[error("Invalid repository version '{version}'")]
    Version {
        /// The value of `repo_version`.
        version: String,
    },
    /// The format of the year 2011.
    #[error(
        "This version of OSTree no longer supports \"archive\" repositories; use archive-z2 instead"
    )]
    OldArchive,
    /// A mode that ostree does not have.
    #[error("Invalid mode '{mode}' in repository configuration")]
    Mode {
        /// The value of `mode`.
        mode: String,
    },
    /// `min-free-space-size` of another form than a number and a unit.
    #[error("Invalid min-free-space-size '{value}': {problem}")]
    MinFreeSpaceSize {
        /// The value.
        value: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// `min-free-space-percent` above 99.
    #[error("Invalid min-free-space-percent '{value}'")]
    MinFreeSpacePercent {
        /// The value.
        value: String,
    },
    /// `default-repo-finders` without one.
    #[error("Invalid empty default-repo-finders configuration")]
    NoFinder,
    /// A way to find remotes that ostree does not have.
    #[error("Invalid configured repo-finder '{finder}'")]
    Finder {
        /// The way.
        finder: String,
    },
}

impl Config {
    /// Reads the text of a `config`.
    pub fn parse(text: &str) -> Result<Config, ConfigError> {
        KeyFile::parse(text)
            .map(|file| Config { file })
            .map_err(ConfigError::Syntax)
    }

    /// Reads the bytes of a `config`.
    pub(super) fn parse_bytes(bytes: &[u8]) -> Result<Config, ConfigError> {
        if bytes.len() as u64 > MAX_CONFIG {
            return Err(ConfigError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ConfigError::NotUtf8)?;
        if text.contains('\0') {
            return Err(ConfigError::NotUtf8); // so says GLib of NUL too
        }
        Config::parse(text)
    }

    /// The text that `init` writes for a new repository.
    #[must_use]
    pub fn initial(mode: RepoMode, collection_id: Option<&CollectionId>) -> String {
        let mut text = format!("[core]\nrepo_version=1\nmode={}\n", mode.config_text());
        if let Some(id) = collection_id {
            text.push_str(&format!("collection-id={id}\n"));
        }
        text
    }

    /// The value of a key as it stands in the file, escapes included.
    #[must_use]
    pub fn get(&self, group: &str, key: &str) -> Option<&str> {
        self.file.get(group, key)
    }

    /// The string that a key holds.
    ///
    /// # Errors
    ///
    /// If there is no such group or key, or its value has an escape that is none.
    pub fn string(&self, group: &str, key: &str) -> Result<String, ConfigError> {
        let value = self.required(group, key)?;
        unescape(value, None)
            .and_then(|mut strings| strings.pop())
            .ok_or_else(|| ConfigError::Value {
                key: key.to_owned(),
            })
    }

    /// The strings of a list, which are separated by semicolons; none if there is no such key.
    pub fn strings(&self, group: &str, key: &str) -> Result<Vec<String>, ConfigError> {
        match self.get(group, key) {
            None => Ok(Vec::new()),
            Some(value) => unescape(value, Some(';')).ok_or_else(|| ConfigError::Value {
                key: key.to_owned(),
            }),
        }
    }

    /// Sets a key to a string. A new key comes last in its group, a new group last in the file.
    pub fn set(&mut self, group: &str, key: &str, value: &str) -> Result<(), ConfigError> {
        self.set_raw(group, key, escape(value, None))
    }

    /// Sets a key to a list of strings.
    pub(crate) fn set_strings(
        &mut self,
        group: &str,
        key: &str,
        strings: &[String],
    ) -> Result<(), ConfigError> {
        let value = strings
            .iter()
            .map(|text| escape(text, Some(';')) + ";")
            .collect();
        self.set_raw(group, key, value)
    }

    fn set_raw(&mut self, group: &str, key: &str, value: String) -> Result<(), ConfigError> {
        self.file.set(group, key, value).map_err(ConfigError::Name)
    }

    /// Removes a key and says whether it was there.
    pub fn unset(&mut self, group: &str, key: &str) -> bool {
        self.file.unset(group, key)
    }

    /// Removes a group with all its keys and says whether it was there.
    pub fn remove_group(&mut self, group: &str) -> bool {
        self.file.remove_group(group)
    }

    /// The names of all remotes, sorted.
    pub fn remotes(&self) -> impl Iterator<Item = &str> {
        let names = self
            .file
            .groups()
            .filter_map(|group| group.strip_prefix("remote \"")?.strip_suffix('"'));
        let mut names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
        names.sort_unstable();
        names.into_iter()
    }

    /// The group of a remote's settings.
    pub(crate) fn remote_group(remote: &str) -> String {
        format!("remote \"{remote}\"")
    }

    /// Whether there is such a group.
    #[must_use]
    pub fn has_group(&self, group: &str) -> bool {
        self.file.has_group(group)
    }

    pub(super) fn required(&self, group: &str, key: &str) -> Result<&str, ConfigError> {
        if !self.file.has_group(group) {
            return Err(ConfigError::MissingGroup {
                group: group.to_owned(),
            });
        }
        self.get(group, key).ok_or_else(|| ConfigError::Missing {
            group: group.to_owned(),
            key: key.to_owned(),
        })
    }

    /// A boolean of the group `core`: `true`, `1`, `false` or `0`.
    pub fn flag(&self, key: &'static str, default: bool) -> Result<bool, ConfigError> {
        self.boolean("core", key, default)
    }

    /// A boolean of any group.
    pub fn boolean(&self, group: &str, key: &str, default: bool) -> Result<bool, ConfigError> {
        match self.get(group, key).map(str::trim_end) {
            None => Ok(default),
            Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(_) => Err(ConfigError::Value {
                key: key.to_owned(),
            }),
        }
    }

    /// A whole number, read as C's `strtoll` does.
    #[must_use]
    pub fn number(&self, group: &str, key: &str, default: i64) -> i64 {
        let bounded = |number: i128| {
            let bound = if number < 0 { i64::MIN } else { i64::MAX };
            i64::try_from(number).unwrap_or(bound)
        };
        self.get(group, key)
            .map_or(default, |text| bounded(leading_number(text)))
    }

    /// A whole number, read as C's `strtoull` does: a negative one is a very large one.
    #[must_use]
    pub fn unsigned(&self, group: &str, key: &str, default: u64) -> u64 {
        self.get(group, key)
            .map_or(default, |text| unsigned(leading_number(text)))
    }
}

impl fmt::Display for Config {
    /// The text of the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.file, f)
    }
}

/// The number at the beginning of a text; 0 if there is none. It stays within ±2^64.
pub(super) fn leading_number(text: &str) -> i128 {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.chars().map_while(|c| c.to_digit(10));
    let number = digits.fold(0_i128, |number, digit| {
        (number * 10 + i128::from(digit)).min(1 << 64)
    });
    if negative { -number } else { number }
}

/// C's conversion to an unsigned number: too large ones are the largest, negative ones wrap.
pub(super) fn unsigned(number: i128) -> u64 {
    match u64::try_from(number.abs()) {
        Ok(size) if number < 0 => size.wrapping_neg(),
        Ok(size) => size,
        Err(_) => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn core(lines: &str) -> Config {
        Config::parse(&format!("[core]\nrepo_version=1\n{lines}")).unwrap()
    }

    /// The values are those that C's functions give.
    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, signed, unsigned) in [
            ("5", 5, 5),
            (" 5 x", 5, 5),
            ("abc", 0, 0),
            ("", 0, 0),
            ("-1", -1, u64::MAX),
            ("+7", 7, 7),
            ("99999999999999999999", i64::MAX, u64::MAX),
            ("-99999999999999999999", i64::MIN, u64::MAX),
        ] {
            let config = core(&format!("n={text}\n"));
            assert_eq!(config.number("core", "n", 9), signed, "{text}");
            assert_eq!(config.unsigned("core", "n", 9), unsigned, "{text}");
        }
        assert_eq!(core("").number("core", "n", 9), 9);
    }
}
