//! Collections: refs of one origin under a globally unique name.
//!
//! | collection | where its refs are |
//! |---|---|
//! | the repository's own (`core.collection-id`) | `refs/heads` |
//! | that of a remote (`collection-id` of its group) | `refs/remotes/REMOTE` |
//! | any other | `refs/mirrors/ID` |

use std::fmt;
use std::str::FromStr;

/// The longest name of a collection, in bytes: that of a D-Bus interface, whose rules it has.
const MAX_LENGTH: usize = 255;

/// The name of a collection: at least two words, separated by dots.
///
/// ```
/// use ostree_store::repo::CollectionId;
///
/// assert!("org.example.Os".parse::<CollectionId>().is_ok());
/// assert!("os".parse::<CollectionId>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionId(String);

/// Not the name of a collection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid collection ID {text}")]
pub struct CollectionIdError {
    /// What was given.
    pub text: String,
}

impl CollectionId {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CollectionId {
    type Err = CollectionIdError;

    fn from_str(text: &str) -> Result<Self, CollectionIdError> {
        let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
        let is_word = |word: &str| {
            word.starts_with(letter) && word.chars().all(|c| letter(c) || c.is_ascii_digit())
        };
        if text.len() > MAX_LENGTH || !text.contains('.') || !text.split('.').all(is_word) {
            return Err(CollectionIdError {
                text: text.to_owned(),
            });
        }
        Ok(CollectionId(text.to_owned()))
    }
}

impl fmt::Display for CollectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_interfaces() {
        for good in ["a.b", "org.example.A", "_a._1", "a.B_9.c"] {
            assert_eq!(good.parse::<CollectionId>().unwrap().as_str(), good);
        }
        let long = format!("a.{}", "b".repeat(254));
        for bad in [
            "", "a", "a.", ".a", "a..b", "a.1", "a.b-c", "a.ü", "a b.c", "a.b\n", &long,
        ] {
            assert!(bad.parse::<CollectionId>().is_err(), "{bad:?}");
        }
        assert!(
            long.trim_end_matches('b').len() < 3 && long[..255].parse::<CollectionId>().is_ok()
        );
    }
}
