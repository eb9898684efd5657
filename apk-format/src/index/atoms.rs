//! Lists of dependencies and provides, read when they are asked for.
//!
//! Whoever looks for one package among 5,000 needs the lists of a few of them. That a list *can* be read is known when
//! the index was read, and what is malformed in it was said then.

use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

use crate::dependency::{Dependency, Provide};
use crate::index::Text;

/// A list of atoms, seen as a slice.
///
/// ```
/// use apk_format::{Atoms, Dependency};
///
/// let list = Atoms::from(vec![Dependency::any("musl")]);
/// assert_eq!(list[0].name, "musl");
/// assert_eq!(list.iter().count(), 1);
/// ```
#[derive(Clone)]
pub struct Atoms<T> {
    /// As an index lists them, all of them well-formed; only looked at while `read` is empty.
    text: Option<Text>,
    read: OnceLock<Box<[T]>>,
}

/// What a list can hold.
pub trait Atom: Sized {
    /// The well-formed atoms of a list, and the texts of the malformed ones.
    fn parse_list(text: &str) -> (Vec<Self>, Vec<String>);

    /// Whether no atom of the list can be malformed, judged by the characters in it; `false` if it is not sure.
    fn all_good(text: &str) -> bool;
}

impl Atom for Dependency {
    fn parse_list(text: &str) -> (Vec<Self>, Vec<String>) {
        Dependency::parse_list(text)
    }

    /// Nothing is wrong with names alone.
    fn all_good(text: &str) -> bool {
        !contains(text, |byte| matches!(byte, b'<'..=b'@' | b'~'))
    }
}

impl Atom for Provide {
    fn parse_list(text: &str) -> (Vec<Self>, Vec<String>) {
        Provide::parse_list(text)
    }

    /// Versions may be anything.
    fn all_good(text: &str) -> bool {
        !contains(text, |byte| matches!(byte, b'!' | b'@'))
    }
}

/// Looks at every byte, which is faster than to stop at the first.
fn contains(text: &str, wanted: impl Fn(u8) -> bool) -> bool {
    text.bytes().fold(false, |found, byte| found | wanted(byte))
}

impl<T: Atom> Atoms<T> {
    /// A list as an index has it, and what is malformed in it, which is not in the list.
    pub(crate) fn listed(text: Text) -> (Atoms<T>, Vec<String>) {
        if T::all_good(&text) {
            return (
                Atoms {
                    text: Some(text),
                    read: OnceLock::new(),
                },
                Vec::new(),
            );
        }
        let (good, malformed) = T::parse_list(&text);
        (Atoms::from(good), malformed)
    }

    /// A list that is known to hold nothing malformed.
    pub(crate) fn well_formed(text: Text) -> Atoms<T> {
        Atoms {
            text: Some(text),
            read: OnceLock::new(),
        }
    }

    /// Both lists, one after the other.
    pub(crate) fn join(self, more: Atoms<T>) -> Atoms<T> {
        if self.is_empty() {
            return more;
        }
        let mut all = self.into_vec();
        all.extend(more.into_vec());
        Atoms::from(all)
    }

    fn into_vec(self) -> Vec<T> {
        self.as_slice();
        self.read.into_inner().unwrap_or_default().into_vec()
    }

    /// All of them.
    pub fn as_slice(&self) -> &[T] {
        let read = || self.text.as_deref().map(|text| T::parse_list(text).0);
        self.read
            .get_or_init(|| read().unwrap_or_default().into_boxed_slice())
    }
}

impl<T> From<Vec<T>> for Atoms<T> {
    fn from(list: Vec<T>) -> Atoms<T> {
        Atoms {
            text: None,
            read: OnceLock::from(list.into_boxed_slice()),
        }
    }
}

impl<T> FromIterator<T> for Atoms<T> {
    fn from_iter<I: IntoIterator<Item = T>>(atoms: I) -> Atoms<T> {
        Atoms::from(Vec::from_iter(atoms))
    }
}

/// None.
impl<T> Default for Atoms<T> {
    fn default() -> Atoms<T> {
        Atoms {
            text: None,
            read: OnceLock::new(),
        }
    }
}

impl<T: Atom> Deref for Atoms<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.as_slice()
    }
}

impl<'a, T: Atom> IntoIterator for &'a Atoms<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.as_slice().iter()
    }
}

impl<T: Atom + PartialEq> PartialEq for Atoms<T> {
    fn eq(&self, other: &Atoms<T>) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<T: Atom + Eq> Eq for Atoms<T> {}

impl<T: Atom + fmt::Debug> fmt::Debug for Atoms<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_malformed_is_not_read_yet() {
        for (text, later) in [
            ("a so:libc.so.6 !b /bin/sh", true),
            ("", true),
            ("a=1", false),
            ("a@b", false),
        ] {
            let (list, malformed) = Atoms::<Dependency>::listed(Text::from(text));
            assert_eq!(list.read.get().is_none(), later, "{text}");
            let (good, bad) = Dependency::parse_list(text);
            assert_eq!((list.as_slice(), malformed), (&good[..], bad));
        }
    }

    #[test]
    fn every_text_is_read_as_the_parser_reads_it() {
        for text in [
            "a=1 b<x c",
            "so:a=1 b",
            "!a",
            "a@b=1",
            "a=1@b",
            "a==1 b~=",
            "a>< c",
        ] {
            let (list, malformed) = Atoms::<Provide>::listed(Text::from(text));
            let (good, bad) = Provide::parse_list(text);
            assert_eq!((list.as_slice(), malformed), (&good[..], bad), "{text}");
            let (list, malformed) = Atoms::<Dependency>::listed(Text::from(text));
            let (good, bad) = Dependency::parse_list(text);
            assert_eq!((list.as_slice(), malformed), (&good[..], bad), "{text}");
        }
    }

    #[test]
    fn lists_add_up() {
        let list = |text: &str| Atoms::<Dependency>::listed(Text::from(text)).0;
        assert_eq!(list("").join(list("a")), list("a"));
        assert_eq!(list("a b=1").join(list("c")), list("a b=1 c"));
    }
}
