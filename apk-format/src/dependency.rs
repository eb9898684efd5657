//! Dependencies and provides: the words in which packages speak of each other.
//!
//! An atom is `[!]name[@tag][op version]`. The operator is any run of `<`, `>`, `=` and `~`, read as a set:
//!
//! | written | means |
//! |---|---|
//! | nothing, or `<`, `>` and `=` together | any version, and none |
//! | `=` `<` `<=` `>` `>=` | as usual; the order within the operator is free |
//! | `~` (also `~=`) | the version begins with the one named, part by part |
//! | `<~` `>~` | less or beginning with it; greater or beginning with it |
//! | `><` followed by `Q1…` | exactly the package with this identity |
//! | `!` before it | no package that matches the rest |
//!
//! A tag is allowed in the world only. Names are plain text: `so:libc.so.6`, `cmd:ls`, `/bin/sh`; apk accepts
//! even the empty one. Atoms are separated by spaces and newlines.
//!
//! ```
//! use apk_format::{Dependency, Version};
//!
//! let wanted = Dependency::parse("busybox@edge>=1.36")?;
//! assert_eq!(wanted.name, "busybox");
//! assert_eq!(wanted.tag.as_deref(), Some("edge"));
//! assert!(wanted.satisfied_by_version(Some(&Version::lenient("1.36.1-r2"))));
//! assert!(!wanted.satisfied_by_version(None));
//! assert_eq!(wanted.to_string(), "busybox@edge>=1.36");
//! # Ok::<(), apk_format::DependencyError>(())
//! ```

use std::cmp::Ordering;
use std::fmt;

use crate::adb::schema::matches;
use crate::digest::{Digest, DigestError};
use crate::version::{self, Version, VersionError};

/// What one package, or the world, wants or refuses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dependency {
    /// Whether the atom began with `!`: nothing that matches may be installed.
    pub conflict: bool,
    /// The name wanted: of a package, or of something packages provide.
    pub name: String,
    /// The repository tag, without its `@`; only in the world.
    pub tag: Option<String>,
    /// Which providers of the name will do.
    pub constraint: Constraint,
}

/// Which providers of a name a [`Dependency`] speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Constraint {
    /// All of them.
    Any,
    /// Those of certain versions.
    Version {
        /// How the provided version must compare to the wanted one; never empty, `><` or "anything".
        op: Op,
        /// The version written after the operator; it is valid.
        version: Version,
    },
    /// The one package with this identity.
    Identity(Digest),
}

impl Dependency {
    /// Reads one atom as the world holds it, with or without a tag.
    ///
    /// Fails if an operator has no version after it, or one that cannot be read, and if the text holds a
    /// separator.
    pub fn parse(text: &str) -> Result<Dependency, DependencyError> {
        if text.is_empty() || text.contains(SEPARATORS) {
            return Err(DependencyError::NotOne { text: text.into() });
        }
        let (conflict, rest) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (name, op, version) = split_operator(rest);
        let (name, tag) = match name.split_once('@') {
            Some((name, tag)) => (name, Some(tag.to_owned())),
            None => (name, None),
        };
        let constraint = constraint(text, op, version)?;
        Ok(Dependency {
            conflict,
            name: name.to_owned(),
            tag,
            constraint,
        })
    }

    /// Reads one atom as packages hold it: a tag is an error here.
    pub fn parse_untagged(text: &str) -> Result<Dependency, DependencyError> {
        let dependency = Dependency::parse(text)?;
        match dependency.tag {
            Some(_) => Err(DependencyError::Tag { text: text.into() }),
            None => Ok(dependency),
        }
    }

    /// Reads the atoms of a package's list: the good ones, and the texts of the malformed ones.
    ///
    /// Atoms with a tag are malformed here. What a malformed atom means depends on the list it stands in.
    pub fn parse_list(text: &str) -> (Vec<Dependency>, Vec<String>) {
        parse_each(text, Dependency::parse_untagged)
    }

    /// Whether an atom of a package's list can be read.
    pub(crate) fn is_well_formed(atom: &str) -> bool {
        let (name, op, version) = split_operator(atom.strip_prefix('!').unwrap_or(atom));
        !name.contains('@') && constraint(atom, op, version).is_ok()
    }

    /// A dependency on any version of `name`.
    pub fn any(name: &str) -> Dependency {
        Dependency {
            conflict: false,
            name: name.to_owned(),
            tag: None,
            constraint: Constraint::Any,
        }
    }

    /// Whether something that provides this name as `provided` does what the dependency wants.
    ///
    /// `None` is a provider without a version. It compares as an unparsable version does: less than every
    /// version, so it satisfies `<` and `<=` (as in apk 3.0.6). A conflict is satisfied by what does *not* match.
    /// A wanted identity is never satisfied by a version alone: use [`Dependency::satisfied_by`].
    pub fn satisfied_by_version(&self, provided: Option<&Version>) -> bool {
        self.satisfied_by(None, provided)
    }

    /// Whether a package with this identity, providing the name as `provided`, does what is wanted.
    pub fn satisfied_by(&self, identity: Option<&Digest>, provided: Option<&Version>) -> bool {
        self.satisfied_by_text(identity, provided.map_or("", Version::as_str))
    }

    /// The same of a version as written, which is empty for a provider without one.
    pub fn satisfied_by_text(&self, identity: Option<&Digest>, provided: &str) -> bool {
        let matches = match &self.constraint {
            Constraint::Any => true,
            Constraint::Version { op, version } => op.accepts(version::compare(
                provided,
                version.as_str(),
                op.contains(Op::FUZZY),
            )),
            // A refused identity is compared as if its text were a version, which is unparsable: apk's rule.
            Constraint::Identity(_) if self.conflict => {
                version::compare(provided, "", false) != Ordering::Equal
            }
            Constraint::Identity(wanted) => {
                identity.is_some_and(|identity| identity.same_identity(wanted))
            }
        };
        matches != self.conflict
    }
}

/// The exact text that apk writes to the world.
impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.conflict {
            f.write_str("!")?;
        }
        f.write_str(&self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, "@{tag}")?;
        }
        write!(f, "{}", self.constraint)
    }
}

/// The operator and what follows it.
impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Constraint::Any => Ok(()),
            Constraint::Version { op, version } => write!(f, "{op}{version}"),
            Constraint::Identity(digest) => write!(f, "{}{digest}", Op::IDENTITY),
        }
    }
}

impl std::str::FromStr for Dependency {
    type Err = DependencyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Dependency::parse(text)
    }
}

/// A set of comparison outcomes: what stands between a name and a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Op(u8);

impl Op {
    /// `<`
    pub const LESS: Op = Op(1);
    /// `=`
    pub const EQUAL: Op = Op(2);
    /// `>`
    pub const GREATER: Op = Op(4);
    /// `~`, which always comes with [`Op::EQUAL`].
    pub const FUZZY: Op = Op(8);
    /// `<=`
    pub const AT_MOST: Op = Op(1 | 2);
    /// `>=`
    pub const AT_LEAST: Op = Op(4 | 2);
    /// `~`
    pub const PREFIX: Op = Op(8 | 2);
    /// `><`: not a comparison of versions but of identities.
    pub const IDENTITY: Op = Op(1 | 4);
    /// `<`, `=` and `>` together: any version, and none.
    pub const ANY: Op = Op(1 | 2 | 4);

    /// The set that the bits of a v3 file stand for, which have another order; a conflict is left out.
    pub(crate) fn from_matches(bits: u64) -> Op {
        let mut op = Op(0);
        for (bit, part) in MATCHES {
            if bits & bit != 0 {
                op = op | part;
            }
        }
        op
    }

    /// The bits of a v3 file that stand for this set.
    pub(crate) fn matches(self) -> u64 {
        let bits = MATCHES.iter().filter(|(_, part)| self.contains(*part));
        bits.map(|(bit, _)| bit).sum()
    }

    /// The set that reading [`Display`](fmt::Display)'s text gives; `None` for what has no text.
    pub(crate) fn written(self) -> Option<Op> {
        match self {
            Op::EQUAL | Op::LESS | Op::AT_MOST | Op::GREATER | Op::AT_LEAST | Op::PREFIX => {
                Some(self)
            }
            other => Op::parse(&other.to_string()),
        }
    }

    /// Reads a run of `<`, `>`, `=` and `~`; `None` for the empty text and for any other character.
    pub fn parse(text: &str) -> Option<Op> {
        let bits = text.chars().try_fold(0, |bits, character| {
            let op = match character {
                '<' => Op::LESS,
                '>' => Op::GREATER,
                '=' => Op::EQUAL,
                '~' => Op::PREFIX,
                _ => return None,
            };
            Some(bits | op.0)
        })?;
        (bits != 0).then_some(Op(bits))
    }

    /// What [`Display`](fmt::Display) writes.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Op::LESS => "<",
            Op::AT_MOST => "<=",
            Op::EQUAL => "=",
            Op::AT_LEAST => ">=",
            Op::GREATER => ">",
            Op::PREFIX | Op::FUZZY => "~",
            op if op == Op::LESS | Op::PREFIX => "<~",
            op if op == Op::GREATER | Op::PREFIX => ">~",
            Op::IDENTITY => "><",
            op if op.contains(Op::ANY) => "",
            _ => "?",
        }
    }

    /// Whether all of `other` is in this set.
    pub fn contains(self, other: Op) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether `outcome`, of the provided version compared to the wanted one, is in this set.
    pub fn accepts(self, outcome: Ordering) -> bool {
        self.contains(match outcome {
            Ordering::Less => Op::LESS,
            Ordering::Equal => Op::EQUAL,
            Ordering::Greater => Op::GREATER,
        })
    }
}

/// How v3 files number the outcomes.
const MATCHES: [(u64, Op); 4] = [
    (matches::EQUAL, Op::EQUAL),
    (matches::LESS, Op::LESS),
    (matches::GREATER, Op::GREATER),
    (matches::FUZZY, Op::FUZZY),
];

impl std::ops::BitOr for Op {
    type Output = Op;

    fn bitor(self, other: Op) -> Op {
        Op(self.0 | other.0)
    }
}

/// The text apk writes for the set; `?` for sets that no dependency is printed with.
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a package is besides itself: a name, and perhaps a version of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Provide {
    /// The name provided.
    pub name: String,
    /// With a version the package owns the name: no other provider of it may be installed beside it.
    /// The version need not be valid.
    pub version: Option<Version>,
}

impl Provide {
    /// Reads `name` or `name=version`. Any other operator is read as `=`, as apk does.
    ///
    /// An invalid version is kept. Conflicts and tags make no sense here and are errors.
    pub fn parse(text: &str) -> Result<Provide, DependencyError> {
        if text.is_empty() || text.contains(SEPARATORS) {
            return Err(DependencyError::NotOne { text: text.into() });
        }
        if text.starts_with('!') {
            return Err(DependencyError::RefusedProvide { text: text.into() });
        }
        let (name, op, version) = split_operator(text);
        if name.contains('@') {
            return Err(DependencyError::Tag { text: text.into() });
        }
        let version = op.map(|_| Version::lenient(version));
        Ok(Provide {
            name: name.to_owned(),
            version,
        })
    }

    /// Reads the atoms of a list of provides: the good ones, and the texts of the malformed ones.
    pub fn parse_list(text: &str) -> (Vec<Provide>, Vec<String>) {
        parse_each(text, Provide::parse)
    }
}

impl fmt::Display for Provide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.version {
            Some(version) => write!(f, "={version}"),
            None => Ok(()),
        }
    }
}

/// Why a text is no dependency or no provide.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DependencyError {
    /// Nothing, or several atoms, where one is expected.
    #[error("{text:?} is not one dependency")]
    NotOne {
        /// The whole text.
        text: String,
    },
    /// An operator with nothing after it.
    #[error("{text:?} has an operator but no version")]
    NoVersion {
        /// The whole atom.
        text: String,
    },
    /// The version after the operator cannot be read.
    #[error("{text:?} wants an unreadable version")]
    Version {
        /// The whole atom.
        text: String,
        /// Where reading stopped.
        source: VersionError,
    },
    /// What follows `><` is no digest.
    #[error("{text:?} wants an unreadable identity")]
    Identity {
        /// The whole atom.
        text: String,
        /// What was read.
        source: DigestError,
    },
    /// A tag outside the world.
    #[error("{text:?} has a repository tag, which only the world may use")]
    Tag {
        /// The whole atom.
        text: String,
    },
    /// A `!` in a list of provides.
    #[error("{text:?} is a conflict where something provided is expected")]
    RefusedProvide {
        /// The whole atom.
        text: String,
    },
}

/// The order in which apk sorts packages and the world: ASCII case folded first, then by bytes.
pub fn name_order(a: &str, b: &str) -> Ordering {
    let (folded_a, folded_b) = (a.bytes().map(fold), b.bytes().map(fold));
    folded_a.cmp(folded_b).then_with(|| a.cmp(b))
}

/// Splits `name-version` at the last dash that a digit follows; one dash without a digit may come after it.
///
/// ```
/// use apk_format::dependency::split_name_version;
///
/// assert_eq!(split_name_version("alpine-keys-2.4-r1"), Some(("alpine-keys", "2.4-r1")));
/// assert_eq!(split_name_version("alpine-keys"), None);
/// ```
pub fn split_name_version(text: &str) -> Option<(&str, &str)> {
    text.rmatch_indices('-')
        .take(2)
        .filter_map(|(at, _)| Some((text.get(..at)?, text.get(at + 1..)?)))
        .find(|(_, version)| version.starts_with(|c: char| c.is_ascii_digit()))
}

/// Splits an atom without looking at its version: whether it is a conflict, its name, the operator and what follows.
///
/// The name may have a tag. `None` for the empty text, and for an operator with nothing behind it.
pub fn split(text: &str) -> Option<(bool, &str, Option<Op>, &str)> {
    let (conflict, rest) = match text.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (name, op, version) = split_operator(rest);
    let complete = op.is_none() || !version.is_empty();
    (!text.is_empty() && complete).then_some((conflict, name, op, version))
}

fn fold(byte: u8) -> u8 {
    byte.to_ascii_lowercase()
}

const SEPARATORS: [char; 2] = [' ', '\n'];
const OPERATORS: [char; 4] = ['<', '>', '=', '~'];

fn parse_each<T>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, DependencyError>,
) -> (Vec<T>, Vec<String>) {
    let (mut good, mut malformed) = (Vec::new(), Vec::new());
    for atom in atoms(text) {
        match parse(atom) {
            Ok(value) => good.push(value),
            Err(_) => malformed.push(atom.to_owned()),
        }
    }
    (good, malformed)
}

/// The atoms of a list, good ones and others.
pub(crate) fn atoms(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(list);
    let each = std::iter::from_fn(move || {
        let text = rest?;
        let end = memchr::memchr2(b' ', b'\n', text.as_bytes()).unwrap_or(text.len());
        rest = text.get(end + 1..);
        text.get(..end)
    });
    each.filter(|atom| !atom.is_empty())
}

/// The name in a well-formed atom of a list of dependencies.
pub(crate) fn atom_name(atom: &str) -> &str {
    split_operator(atom.strip_prefix('!').unwrap_or(atom)).0
}

/// The name in a well-formed atom of a list of provides, and the version as written.
pub(crate) fn atom_provide(atom: &str) -> (&str, Option<&str>) {
    let (name, op, version) = split_operator(atom);
    (name, op.map(|_| version))
}

/// The name, the operator if there is one, and what follows it.
fn split_operator(text: &str) -> (&str, Option<Op>, &str) {
    let is_operator = |byte| matches!(byte, b'<' | b'>' | b'=' | b'~');
    let Some((name, rest)) = text
        .bytes()
        .position(is_operator)
        .and_then(|at| text.split_at_checked(at))
    else {
        return (text, None, "");
    };
    let version = rest.trim_start_matches(OPERATORS);
    (
        name,
        rest.strip_suffix(version).and_then(Op::parse),
        version,
    )
}

fn constraint(text: &str, op: Option<Op>, version: &str) -> Result<Constraint, DependencyError> {
    let Some(op) = op else {
        return Ok(Constraint::Any);
    };
    if version.is_empty() {
        return Err(DependencyError::NoVersion { text: text.into() });
    }
    if op.contains(Op::ANY) {
        return Ok(Constraint::Any);
    }
    if op == Op::IDENTITY {
        let digest = Digest::parse(version);
        return digest
            .map(Constraint::Identity)
            .map_err(|source| DependencyError::Identity {
                text: text.into(),
                source,
            });
    }
    let version = Version::parse(version).map_err(|source| DependencyError::Version {
        text: text.into(),
        source,
    })?;
    Ok(Constraint::Version { op, version })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_sets() {
        for (written, printed) in [
            ("a=>1", "a>=1"),
            ("a==1", "a=1"),
            ("a~=1", "a~1"),
            ("a=~1", "a~1"),
            ("a<~1", "a<~1"),
            ("a>~1", "a>~1"),
            ("a<=>1", "a"),
            ("!a<2", "!a<2"),
            ("!", "!"),
            (
                "a<>Q1jsntIK/s+tjDr/aOKMOCoSWzBzw=",
                "a><Q1jsntIK/s+tjDr/aOKMOCoSWzBzw=",
            ),
        ] {
            assert_eq!(Dependency::parse(written).unwrap().to_string(), printed);
        }
    }

    #[test]
    fn errors_say_what_is_wrong() {
        for (text, message) in [
            ("", r#""" is not one dependency"#),
            ("a b", r#""a b" is not one dependency"#),
            ("a=", r#""a=" has an operator but no version"#),
            ("a=x", r#""a=x" wants an unreadable version"#),
            ("a><x", r#""a><x" wants an unreadable identity"#),
        ] {
            assert_eq!(Dependency::parse(text).unwrap_err().to_string(), message);
        }
        assert_eq!(
            Dependency::parse_untagged("a@b").unwrap_err().to_string(),
            r#""a@b" has a repository tag, which only the world may use"#
        );
    }

    #[test]
    fn lists_keep_the_good_and_name_the_bad() {
        let (good, bad) = Dependency::parse_list("a  b@t c=bad\nso:libc.so.6 !d");
        assert_eq!(
            good.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["a", "so:libc.so.6", "!d"]
        );
        assert_eq!(bad, ["b@t", "c=bad"]);
    }

    #[test]
    fn no_version_is_less_than_any() {
        let satisfied = |text| Dependency::parse(text).unwrap().satisfied_by_version(None);
        assert!(satisfied("a") && satisfied("a<2") && satisfied("a<=2"));
        assert!(!satisfied("a=2") && !satisfied("a>2") && !satisfied("a>=2") && !satisfied("a~2"));
        assert!(!satisfied("!a") && !satisfied("!a<2") && satisfied("!a>2"));
    }

    #[test]
    fn an_identity_is_compared_with_identities() {
        let digest = Digest::sha1(b"x");
        let wanted = Dependency {
            constraint: Constraint::Identity(digest),
            ..Dependency::any("a")
        };
        let version = Version::lenient("1");
        assert!(wanted.satisfied_by(Some(&digest), Some(&version)));
        assert!(!wanted.satisfied_by(Some(&Digest::sha1(b"y")), Some(&version)));
        assert!(!wanted.satisfied_by_version(Some(&version)));
    }

    #[test]
    fn provides_keep_bad_versions() {
        let (good, bad) = Provide::parse_list("so:a.so=1 b=x c !d e@f");
        assert_eq!(
            good.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["so:a.so=1", "b=x", "c"]
        );
        assert_eq!(bad, ["!d", "e@f"]);
    }

    #[test]
    fn names_sort_without_case_first() {
        let mut names = ["b", "B", "a_", "aA", "ab", "a"];
        names.sort_by(|a, b| name_order(a, b));
        assert_eq!(names, ["a", "a_", "aA", "ab", "B", "b"]);
    }
}
