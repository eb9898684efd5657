//! Names of directory entries.

use std::borrow::Borrow;
use std::fmt;

/// One component of a path: not empty, not `.` or `..`, without `/` and NUL, UTF-8.
///
/// Names order bytewise, which is how ostree sorts a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

/// A text that cannot be the name of a directory entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No name at all.
    #[error("Invalid empty filename")]
    Empty,
    /// `.`
    #[error("Invalid self-referential filename '.'")]
    SelfReference,
    /// `..`
    #[error("Invalid path uplink filename '..'")]
    Uplink,
    /// A slash inside.
    #[error("Invalid / in filename {name}")]
    Slash {
        /// The whole text.
        name: String,
    },
    /// A NUL inside.
    #[error("Invalid NUL in filename {name:?}")]
    Nul {
        /// The whole text.
        name: String,
    },
    /// Bytes that are not UTF-8.
    #[error("Invalid UTF-8 in filename {name}")]
    Utf8 {
        /// The bytes, as far as they can be shown.
        name: String,
    },
}

impl Name {
    /// Takes `text` as a name.
    pub fn new(text: &str) -> Result<Self, NameError> {
        match text {
            "" => Err(NameError::Empty),
            "." => Err(NameError::SelfReference),
            ".." => Err(NameError::Uplink),
            text if text.contains('/') => Err(NameError::Slash {
                name: text.to_owned(),
            }),
            text if text.contains('\0') => Err(NameError::Nul {
                name: text.to_owned(),
            }),
            text => Ok(Name(text.into())),
        }
    }

    /// Takes the bytes of a file name.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NameError> {
        let text = std::str::from_utf8(bytes).map_err(|_| NameError::Utf8 {
            name: String::from_utf8_lossy(bytes).into_owned(),
        })?;
        Name::new(text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_single_components_are_names() {
        for good in ["a", "...", "-x", " ", "a\nb", "é"] {
            assert_eq!(Name::new(good).unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "a/b", "/", "a\0"] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
        assert!(matches!(
            Name::from_bytes(b"\xff"),
            Err(NameError::Utf8 { .. })
        ));
    }
}
