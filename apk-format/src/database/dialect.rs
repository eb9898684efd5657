//! The two forms in which apk writes the same database.
//!
//! | | 2.14 | 3.0 |
//! |---|---|---|
//! | scripts | `scripts.tar`, in the order of installation | `scripts.tar.gz`, in the order of `installed` |
//! | identity in a script's name | `Q1` and base64 | `X1` and hex |
//! | triggers | in the order of installation | in the order of `installed` |
//! | files of a directory | as in the package | by name, byte by byte |
//! | directories of a package | by first appearance | the same, but sorted at times: [`super::DirectoryOrder`] |
//!
//! Each version reads what the other one wrote. apk 3 keeps a `scripts.tar` that it finds, and then does not compress.

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
