//! `lib/apk/db/triggers`: which directories wake which package's trigger script.
//!
//! One line for each package that has triggers: its identity, then globs of absolute directories, with spaces
//! between. In a glob `*` and `?` do not match `/`. apk 3 knows globs with `+` before them: such a one passes only
//! directories that changed, even when the package is new.
//!
//! ```
//! use apk_format::Triggers;
//!
//! let text = "Q1yY8lhMF1VhgegJgkcXfqaNabDJw= /bin /lib/modules/*\n";
//! let triggers = Triggers::parse(text)?;
//! assert!(triggers.entries[0].matches("/lib/modules/6.6.1"));
//! assert!(!triggers.entries[0].matches("/lib/modules/6.6.1/kernel"));
//! assert_eq!(triggers.write(), text);
//! # Ok::<(), apk_format::database::TriggersError>(())
//! ```

use std::fmt::Write;

use super::InstalledDb;
use crate::digest::Digest;
use crate::glob::matches_path;

/// All triggers, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Triggers {
    /// One for each package: as they were installed (apk 2), or sorted as the packages (apk 3).
    pub entries: Vec<Trigger>,
}

/// The triggers of one package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Of the package.
    pub identity: Digest,
    /// As the package wrote them.
    pub globs: Vec<String>,
}

impl Trigger {
    /// Whether one of the globs matches a directory, given with its leading slash.
    pub fn matches(&self, directory: &str) -> bool {
        self.globs
            .iter()
            .any(|glob| matches_path(glob.strip_prefix('+').unwrap_or(glob), directory))
    }
}

impl Triggers {
    /// Reads the whole file; empty lines are ignored.
    pub fn parse(text: &str) -> Result<Triggers, TriggersError> {
        let lines = text
            .split('\n')
            .enumerate()
            .filter(|(_, line)| !line.is_empty());
        let entries = lines.map(|(at, line)| {
            let mut words = line.split(' ').filter(|word| !word.is_empty());
            let identity = words.next().and_then(|word| Digest::parse(word).ok());
            let identity = identity.ok_or_else(|| TriggersError {
                line: at + 1,
                text: line.to_owned(),
            })?;
            Ok(Trigger {
                identity,
                globs: words.map(str::to_owned).collect(),
            })
        });
        Ok(Triggers {
            entries: entries.collect::<Result<_, _>>()?,
        })
    }

    /// Brings the entries into the order of `installed`, as apk 3 has them; those of packages that are not installed
    /// come last.
    pub fn sort_as(&mut self, installed: &InstalledDb) {
        let places = installed.places();
        self.entries.sort_by_key(|entry| {
            let place = places.get(&entry.identity);
            place.copied().unwrap_or(usize::MAX)
        });
    }

    /// The whole file.
    pub fn write(&self) -> String {
        let mut text = String::new();
        for entry in &self.entries {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{} {}", entry.identity.to_q1(), entry.globs.join(" "));
        }
        text
    }
}

/// A line that does not begin with an identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the triggers is {text:?}, not an identity and globs")]
pub struct TriggersError {
    /// Counted from 1.
    pub line: usize,
    /// The whole line.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_identity_is_named() {
        let error = Triggers::parse("\nfoo /bin\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"line 2 of the triggers is "foo /bin", not an identity and globs"#
        );
    }
}
