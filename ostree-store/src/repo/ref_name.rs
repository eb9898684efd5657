//! Names of refs.
//!
//! A name is words of letters, digits, `_`, `-` and `.`, joined by `/`; a word begins with a letter, a digit or `_`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{CollectionId, RefError};
use crate::checksum::Checksum;

/// The name of a ref: a refspec `[remote:]name`, or a name in another collection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefName {
    space: Space,
    name: String,
}

/// Where a name is unique.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Space {
    Local,
    Remote(String),
    Mirror(CollectionId),
}

impl RefName {
    /// The name of a ref in a collection that is not the repository's own, see [`Repo::ref_in_collection`].
    pub(super) fn mirrored(collection: &CollectionId, name: &str) -> RefName {
        RefName {
            space: Space::Mirror(collection.clone()),
            name: name.to_owned(),
        }
    }

    /// The remote, if any.
    #[must_use]
    pub fn remote(&self) -> Option<&str> {
        match &self.space {
            Space::Remote(remote) => Some(remote),
            _ => None,
        }
    }

    /// The collection, if it is not the repository's own.
    #[must_use]
    pub fn collection(&self) -> Option<&CollectionId> {
        match &self.space {
            Space::Mirror(collection) => Some(collection),
            _ => None,
        }
    }

    /// The name without remote or collection.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The directory of all refs of the same remote or collection, relative to the repository.
    fn root(&self) -> PathBuf {
        match &self.space {
            Space::Local => PathBuf::from("refs/heads"),
            Space::Remote(remote) => Path::new("refs/remotes").join(remote),
            Space::Mirror(collection) => Path::new("refs/mirrors").join(collection.as_str()),
        }
    }

    /// The ref's file, relative to the repository.
    pub(super) fn path(&self) -> PathBuf {
        self.root().join(&self.name)
    }

    pub(super) fn path_text(&self) -> String {
        self.path().display().to_string()
    }
}

impl FromStr for RefName {
    type Err = RefError;

    fn from_str(text: &str) -> Result<Self, RefError> {
        let (remote, name) = parse_refspec(text)?;
        refuse_checksum(name)?;
        Ok(RefName {
            space: remote.map_or(Space::Local, |remote| Space::Remote(remote.to_owned())),
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.space {
            Space::Local => f.write_str(&self.name),
            Space::Remote(remote) => write!(f, "{remote}:{}", self.name),
            Space::Mirror(collection) => write!(f, "({collection}, {})", self.name),
        }
    }
}

/// Remote and name of a refspec.
pub(super) fn parse_refspec(text: &str) -> Result<(Option<&str>, &str), RefError> {
    let (remote, name) = match text.split_once(':') {
        Some((remote, name)) => (Some(remote), name),
        None => (None, text),
    };
    if remote.is_some_and(|remote| !is_fragment(remote)) || !is_name(name) {
        return Err(RefError::Refspec {
            text: text.to_owned(),
        });
    }
    Ok((remote, name))
}

pub(super) fn refuse_checksum(name: &str) -> Result<(), RefError> {
    if name.parse::<Checksum>().is_err() {
        return Ok(());
    }
    Err(RefError::LooksLikeChecksum {
        text: name.to_owned(),
    })
}

/// Whether a text may be the name of a ref, without a remote.
pub(super) fn is_name(text: &str) -> bool {
    text.split('/').all(is_fragment)
}

/// Whether a text may be the name of a remote, or one word of a ref's name.
pub(super) fn is_fragment(text: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    text.starts_with(word) && text.chars().all(|c| word(c) || c == '-' || c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lists are those of the ostree specification, tried on the real tool.
    #[test]
    fn names_are_those_of_ostree() {
        for good in [
            "a..b",
            "a.",
            "café",
            "Ü/x86_64",
            "1",
            "origin:main",
            "a-b_c/d",
        ] {
            assert_eq!(good.parse::<RefName>().unwrap().to_string(), good);
        }
        for bad in [
            "-a", ".a", "/a", "a/", "a//b", "a+b", "a@b", "a~", "a b", "", ":a", "a:", "x/y:a",
        ] {
            assert!(bad.parse::<RefName>().is_err(), "{bad:?}");
        }
        let hex = "0".repeat(64);
        assert_eq!(
            hex.parse::<RefName>().unwrap_err().to_string(),
            format!("Rev name '{hex}' looks like a checksum")
        );
    }
}
