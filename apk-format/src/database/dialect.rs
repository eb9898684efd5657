//! The two forms in which apk writes the same database.
//!
//! | | 2.14 | 3.0 |
//! |---|---|---|
//! | scripts | `scripts.tar`, in the order of installation | `scripts.tar.gz`, in the order of `installed` |
//! | identity in a script's name | `Q1` and base64 | `X1` and hex |
//! | triggers | in the order of installation | in the order of `installed` |
//! | files of a directory | as in the package | by name, byte by byte |
//! | directories of a package | by first appearance | the same, but sorted at times: [`DirectoryOrder`] |
//!
//! Each version reads what the other one wrote. apk 3 keeps a `scripts.tar` that it finds, and then does not compress.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

/// A form of the database, by the apk-tools that writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// apk-tools 2.14.
    Apk2,
    /// apk-tools 3.0.
    #[default]
    Apk3,
}

impl Dialect {
    /// The file of the scripts within `lib/apk/db`.
    #[must_use]
    pub fn scripts_file(self) -> &'static str {
        match self {
            Dialect::Apk2 => "scripts.tar",
            Dialect::Apk3 => "scripts.tar.gz",
        }
    }
}

/// The version: `2.14` or `3.0`.
impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Dialect::Apk2 => "2.14",
            Dialect::Apk3 => "3.0",
        })
    }
}

impl FromStr for Dialect {
    type Err = DialectError;

    fn from_str(text: &str) -> Result<Dialect, DialectError> {
        match text {
            "2.14" => Ok(Dialect::Apk2),
            "3.0" => Ok(Dialect::Apk3),
            _ => Err(DialectError {
                text: text.to_owned(),
            }),
        }
    }
}

/// A text that names no dialect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no dialect of apk's database: there are 2.14 and 3.0")]
pub struct DialectError {
    /// What was given.
    pub text: String,
}

/// The order in which a package's directories are recorded.
///
/// apk 2 keeps the order in which they first appear. apk 3 (3.0.6, `database.c`) looks names up in a list of which
/// only the front is known to be sorted, and sorts all of it at a lookup that finds more than 32 names behind that
/// front.
#[derive(Clone, Debug)]
pub struct DirectoryOrder {
    dialect: Dialect,
    dirs: Vec<String>,
    known: HashSet<String>,
    unsorted: usize,
    current: Option<String>,
}

/// apk 3 tolerates so many names behind the sorted ones.
const UNSORTED: usize = 32;

impl DirectoryOrder {
    /// An empty list.
    #[must_use]
    pub fn new(dialect: Dialect) -> DirectoryOrder {
        DirectoryOrder {
            dialect,
            dirs: Vec::new(),
            known: HashSet::new(),
            unsorted: 0,
            current: None,
        }
    }

    /// Takes notice of an entry of the package: a directory's own, or that of a file in it.
    pub fn enter(&mut self, dir: &str) {
        if self.current.as_deref() == Some(dir) {
            return;
        }
        if self.dialect == Dialect::Apk3 && self.unsorted > UNSORTED {
            self.dirs.sort_unstable();
            self.unsorted = 0;
        }
        if !self.known.contains(dir) {
            if self.unsorted > 0 || self.dirs.last().is_some_and(|last| dir < last.as_str()) {
                self.unsorted += 1;
            }
            self.known.insert(dir.to_owned());
            self.dirs.push(dir.to_owned());
        }
        self.current = Some(dir.to_owned());
    }

    /// Whose order it is.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// All directories, in the order of the database.
    #[must_use]
    pub fn finish(self) -> Vec<String> {
        self.dirs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialects_are_named_by_version() {
        for dialect in [Dialect::Apk2, Dialect::Apk3] {
            assert_eq!(dialect.to_string().parse(), Ok(dialect));
        }
        let error = "3".parse::<Dialect>().unwrap_err();
        assert_eq!(
            error.to_string(),
            r#""3" is no dialect of apk's database: there are 2.14 and 3.0"#
        );
    }
}
