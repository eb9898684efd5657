//! Package versions: parsed, ordered and printed as apk 3 does.
//!
//! ```text
//! version := digits ( "." digits )* letter? ( "_" suffix digits? )* ( "~" hex+ )? ( "-r" digits )?
//! suffix  := alpha | beta | pre | rc | cvs | svn | git | hg | p
//! ```
//!
//! A version is read as a row of parts, each of a kind; the kinds have ranks:
//!
//! | rank | kind | compared as |
//! |---|---|---|
//! | 0 | first number | unsigned 64-bit number, wrapping |
//! | 1 | number after a dot | number; as text if either side starts with `0` |
//! | 2 | letter | text |
//! | 3 | suffix | alpha < beta < pre < rc < (none) < cvs < svn < git < hg < p |
//! | 4 | number of a suffix | number |
//! | 5 | hash | text |
//! | 6 | revision | number |
//! | 7 | the end | – |
//! | 8 | anything else: unparsable from here on | – |
//!
//! The first part that differs decides. Where the kinds differ, a suffix before "none" is less than anything;
//! otherwise the kind of lower rank is the greater one, so `1.0.1 > 1.0a > 1.0_p1 > 1.0~ab > 1.0-r1 > 1.0`.
//!
//! ```
//! use apk_format::Version;
//!
//! let old = Version::parse("1.36.1_git20240110-r2")?;
//! let new = Version::parse("1.36.1-r29")?;
//! assert!(old > new, "a git snapshot comes after its release");
//! assert!(Version::parse("1.0")? < Version::parse("1.00")?);
//! assert!(Version::parse("1.0.beta").is_err());
//! # Ok::<(), apk_format::VersionError>(())
//! ```

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A package version: its text as written, and whether it follows the grammar.
///
/// `Eq`, `Ord` and `Hash` follow apk's comparison, not the text: `01` equals `1`, and everything that is
/// unparsable from its first byte on is equal. Compare [`Version::as_str`] to tell texts apart.
#[derive(Clone)]
pub struct Version {
    text: Text,
    valid: bool,
}

/// The text of a version. Indexes hold tens of thousands of them, nearly all short: these need no memory of their own.
#[derive(Clone)]
enum Text {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Box<str>),
}

/// Longer than nearly all versions of Alpine.
const SHORT: usize = 22;

impl Text {
    fn new(text: &str) -> Text {
        let mut bytes = [0; SHORT];
        match (u8::try_from(text.len()), bytes.get_mut(..text.len())) {
            (Ok(length), Some(place)) => {
                place.copy_from_slice(text.as_bytes());
                Text::Short { length, bytes }
            }
            _ => Text::Long(text.into()),
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Text::Short { length, bytes } => {
                let bytes = bytes.get(..usize::from(*length)).unwrap_or_default();
                std::str::from_utf8(bytes).unwrap_or_default()
            }
            Text::Long(text) => text,
        }
    }
}

impl Version {
    /// Reads a version that follows the grammar to its end.
    pub fn parse(text: &str) -> Result<Version, VersionError> {
        match first_unparsable(text) {
            None => Ok(Version {
                text: Text::new(text),
                valid: true,
            }),
            Some(offset) => Err(VersionError {
                text: text.into(),
                offset,
            }),
        }
    }

    /// Keeps any text as a version.
    ///
    /// Packages with such versions exist and apk installs them. The text compares as its parsable beginning
    /// followed by a part that is less than the end.
    pub fn lenient(text: &str) -> Version {
        Version {
            text: Text::new(text),
            valid: first_unparsable(text).is_none(),
        }
    }

    /// The text as written.
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// Whether the text follows the grammar.
    pub fn is_valid(&self) -> bool {
        self.valid
    }

    /// Compares as the operator `~` does: equal when `wanted` ends where the two begin to differ.
    ///
    /// This is no order: `1.2.3` is equal to the wanted `1.2`, but `1.2` is less than the wanted `1.2.3`.
    pub fn cmp_fuzzy(&self, wanted: &Version) -> Ordering {
        compare(self.as_str(), wanted.as_str(), true)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self.as_str(), other.as_str(), false)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for part in Parts::new(self.as_str()) {
            part.hash_into(state);
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Version")
            .field("text", &self.as_str())
            .field("valid", &self.valid)
            .finish()
    }
}

impl std::str::FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Version::parse(text)
    }
}

/// A text that is no version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a version from byte {offset} on")]
pub struct VersionError {
    /// The whole text.
    pub text: String,
    /// Where the part begins that cannot be read; the length of the text if something is missing at its end.
    pub offset: usize,
}

/// Whether a text is a version that follows the grammar.
pub fn is_valid(text: &str) -> bool {
    first_unparsable(text).is_none()
}

/// Compares two texts as versions, parsable or not.
///
/// With `fuzzy`, `b` is the wanted version and `a` needs only to begin with it, part by part. The empty text
/// stands for "no version": it is less than every version that begins with a digit.
pub fn compare(a: &str, b: &str, fuzzy: bool) -> Ordering {
    let (mut left, mut right) = (Parts::new(a), Parts::new(b));
    loop {
        let (l, r) = (left.step(), right.step());
        if l.kind != r.kind {
            return by_kind(&l, &r, fuzzy);
        }
        if matches!(l.kind, Kind::End | Kind::Invalid) {
            return Ordering::Equal;
        }
        let order = by_value(&l, &r);
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn by_kind(l: &Part<'_>, r: &Part<'_>, fuzzy: bool) -> Ordering {
    if fuzzy && r.kind == Kind::End {
        Ordering::Equal
    } else if l.is_before_release() {
        Ordering::Less
    } else if r.is_before_release() {
        Ordering::Greater
    } else {
        r.kind.cmp(&l.kind)
    }
}

fn by_value(l: &Part<'_>, r: &Part<'_>) -> Ordering {
    match l.kind {
        Kind::Initial | Kind::SuffixNumber | Kind::Revision => number(l.text).cmp(&number(r.text)),
        Kind::Digit if l.text.starts_with('0') || r.text.starts_with('0') => l.text.cmp(r.text),
        Kind::Digit => number(l.text).cmp(&number(r.text)),
        Kind::Suffix => suffix_rank(l.text).cmp(&suffix_rank(r.text)),
        Kind::Letter | Kind::Hash => l.text.cmp(r.text),
        Kind::End | Kind::Invalid => Ordering::Equal,
    }
}

/// Decimal digits modulo 2^64, which is how apk's reader overflows.
fn number(digits: &str) -> u64 {
    digits.bytes().fold(0, |value: u64, digit| {
        value
            .wrapping_mul(10)
            .wrapping_add(u64::from(digit.wrapping_sub(b'0')))
    })
}

/// Suffixes by rank; the first [`BEFORE_RELEASE`] of them come before the release itself.
const SUFFIXES: [&str; 9] = ["alpha", "beta", "pre", "rc", "cvs", "svn", "git", "hg", "p"];
const BEFORE_RELEASE: usize = 4;

fn suffix_rank(suffix: &str) -> Option<usize> {
    SUFFIXES.iter().position(|known| *known == suffix)
}

/// What a part is; the order of the variants is the rank that decides between different kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Initial,
    Digit,
    Letter,
    Suffix,
    SuffixNumber,
    Hash,
    Revision,
    End,
    Invalid,
}

/// One part of a version, without the character that introduces it.
#[derive(Clone, Copy, Debug)]
struct Part<'a> {
    kind: Kind,
    text: &'a str,
}

impl Part<'_> {
    fn is_before_release(&self) -> bool {
        self.kind == Kind::Suffix
            && suffix_rank(self.text).is_some_and(|rank| rank < BEFORE_RELEASE)
    }

    /// Feeds what [`by_value`] compares, so that equal versions hash alike.
    fn hash_into<H: Hasher>(&self, state: &mut H) {
        self.kind.hash(state);
        match self.kind {
            Kind::Digit if self.text.starts_with('0') => self.text.hash(state),
            Kind::Initial | Kind::Digit | Kind::SuffixNumber | Kind::Revision => {
                number(self.text).hash(state);
            }
            _ => self.text.hash(state),
        }
    }
}

/// Splits a version into its parts; after the end, or after the first unparsable byte, it stays there.
struct Parts<'a> {
    rest: &'a str,
    last: Option<Kind>,
}

impl<'a> Parts<'a> {
    fn new(text: &'a str) -> Self {
        Parts {
            rest: text,
            last: None,
        }
    }

    /// The next part; [`Kind::End`] and [`Kind::Invalid`] repeat for ever.
    fn step(&mut self) -> Part<'a> {
        let (part, rest) = self.split();
        self.last = Some(part.kind);
        self.rest = rest;
        part
    }

    fn split(&self) -> (Part<'a>, &'a str) {
        let invalid = (
            Part {
                kind: Kind::Invalid,
                text: "",
            },
            self.rest,
        );
        let Some(last) = self.last else {
            return run(Kind::Initial, self.rest, |b| b.is_ascii_digit()).unwrap_or(invalid);
        };
        if last == Kind::Invalid {
            return invalid;
        }
        let Some(first) = self.rest.bytes().next() else {
            return (
                Part {
                    kind: Kind::End,
                    text: "",
                },
                self.rest,
            );
        };
        let after = |prefix: &str| self.rest.strip_prefix(prefix);
        let found = match first {
            b'.' if last <= Kind::Digit => {
                after(".").and_then(|t| run(Kind::Digit, t, |b| b.is_ascii_digit()))
            }
            b'a'..=b'z' if last <= Kind::Digit => {
                self.rest.split_at_checked(1).map(|(text, rest)| {
                    (
                        Part {
                            kind: Kind::Letter,
                            text,
                        },
                        rest,
                    )
                })
            }
            b'_' if last <= Kind::SuffixNumber => after("_")
                .and_then(|t| run(Kind::Suffix, t, |b| b.is_ascii_lowercase()))
                .filter(|(part, _)| suffix_rank(part.text).is_some()),
            b'0'..=b'9' if last == Kind::Suffix => {
                run(Kind::SuffixNumber, self.rest, |b| b.is_ascii_digit())
            }
            b'~' if last < Kind::Hash => after("~")
                .and_then(|t| run(Kind::Hash, t, |b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))),
            b'-' if last < Kind::Revision => {
                after("-r").and_then(|t| run(Kind::Revision, t, |b| b.is_ascii_digit()))
            }
            _ => None,
        };
        found.unwrap_or(invalid)
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    /// Every part once, the end or the unparsable part last.
    fn next(&mut self) -> Option<Part<'a>> {
        match self.last {
            Some(Kind::End | Kind::Invalid) => None,
            _ => Some(self.step()),
        }
    }
}

/// The longest beginning of `text` made of bytes that fit, if it is not empty.
fn run(kind: Kind, text: &str, fits: impl Fn(u8) -> bool) -> Option<(Part<'_>, &str)> {
    let length = text.bytes().take_while(|b| fits(*b)).count();
    let (text, rest) = text.split_at_checked(length)?;
    (length > 0).then_some((Part { kind, text }, rest))
}

/// Where `text` stops being a version.
fn first_unparsable(text: &str) -> Option<usize> {
    let mut parts = Parts::new(text);
    loop {
        match parts.step().kind {
            Kind::End => return None,
            Kind::Invalid => return Some(text.len() - parts.rest.len()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_of_kinds_descends() {
        let chain = [
            "1.0.1", "1.0a", "1.0_p1", "1.0~ab", "1.0-r1", "1.0", "1.0_rc1",
        ];
        for pair in chain.windows(2) {
            assert_eq!(
                compare(pair[0], pair[1], false),
                Ordering::Greater,
                "{pair:?}"
            );
        }
    }

    #[test]
    fn equal_versions_hash_alike() {
        let hash = |text: &str| {
            let mut state = std::hash::DefaultHasher::new();
            Version::lenient(text).hash(&mut state);
            state.finish()
        };
        for (a, b) in [
            ("01", "1"),
            ("1-r1", "1-r01"),
            ("1_p0", "1_p00"),
            ("v1", "v2"),
            ("", "x"),
        ] {
            assert_eq!(Version::lenient(a), Version::lenient(b));
            assert_eq!(hash(a), hash(b));
        }
    }

    #[test]
    fn error_says_where() {
        let error = Version::parse("1.2_foo1").unwrap_err();
        assert_eq!(error.offset, 3);
        assert_eq!(
            error.to_string(),
            r#""1.2_foo1" is not a version from byte 3 on"#
        );
    }
}
