//! One package as an index or an installed database lists it.
//!
//! | letter | field | written |
//! |---|---|---|
//! | `C` | identity | always |
//! | `P` `V` | name, version | always |
//! | `A` | architecture | if known |
//! | `S` | size of the package file in bytes | always |
//! | `I` | installed size in bytes; 0 means that there is nothing to download or to run | always |
//! | `T` `U` `L` | description, URL, license | always, perhaps empty |
//! | `o` `m` `t` `c` `k` | origin, maintainer, build time (Unix seconds), commit, provider priority | if set and not 0 |
//! | `D` `p` `i` | depends, provides, install_if: atoms with spaces between | if there are any |
//!
//! This is also the order of writing. The letters `F M R Z a r q s f g` belong to the installed database and are
//! ignored here. Another lower-case letter is ignored, another upper-case letter makes the package
//! uninstallable, as does a malformed `D`. A malformed `i` empties the whole list, a malformed `p` is left out.
//! A letter that comes twice counts the last time, but `D`, `p` and `i` add up.

use std::fmt::Write;

use crate::dependency::{Dependency, Provide};
use crate::digest::Digest;
use crate::index::text::Shared;
use crate::index::{Atom, Atoms, Text};
use crate::stanza::{Field, StanzaError};
use crate::version::Version;

/// The fields of a [`Record`](crate::Record).
///
/// Equality compares versions as [`Version`] does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    /// `C`: names this build of the package.
    pub identity: Digest,
    /// `P`
    pub name: Text,
    /// `V`: as written; it need not be valid.
    pub version: Version,
    /// `A`: `None` when not listed.
    pub arch: Option<Text>,
    /// `S`: of the package file, in bytes.
    pub size: u64,
    /// `I`: in bytes. A package with 0 is never downloaded or unpacked and its scripts never run.
    pub installed_size: u64,
    /// `T`
    pub description: Text,
    /// `U`
    pub url: Text,
    /// `L`
    pub license: Text,
    /// `o`: the source package.
    pub origin: Option<Text>,
    /// `m`
    pub maintainer: Option<Text>,
    /// `t`: Unix seconds, 0 when not listed.
    pub build_time: u64,
    /// `c`: of the package recipe.
    pub commit: Option<Text>,
    /// `k`: decides among providers of a name, 0 when not listed.
    pub provider_priority: u16,
    /// `D`: in the order of the line.
    pub depends: Atoms<Dependency>,
    /// `p`: in the order of the line.
    pub provides: Atoms<Provide>,
    /// `i`: all of these bring the package in; empty for never.
    pub install_if: Atoms<Dependency>,
    /// Packages that would go well with this one; in v3 indexes only, and apk does nothing with it.
    pub recommends: Atoms<Dependency>,
    /// On which part of the system it is installed, 0 to 7; in v3 indexes only.
    pub layer: u8,
    /// Words that say something of the package; in v3 indexes, and written into databases (`g`) only.
    pub tags: Vec<String>,
    /// Why the package may not be installed, though it is listed.
    pub uninstallable: Option<Uninstallable>,
    /// Atoms of `p` and `i` that were left out, as `letter:atom`, and letters nobody knows, as `letter:`.
    pub ignored: Vec<String>,
}

/// Why a listed package may not be installed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Uninstallable {
    /// An atom of the dependencies cannot be read.
    #[error("the dependency {0:?} cannot be read")]
    Dependency(String),
    /// A field of a v3 index that whoever made the index could not write.
    #[error("the field {0:?} was lost when the index was made")]
    Lost(&'static str),
    /// A field that a newer apk may understand, and that must not be ignored.
    #[error("the field {0:?} is not known")]
    UnknownField(char),
}

impl Fields {
    /// Those of a record with an identity, a name and a version, and nothing else.
    pub(crate) fn new(identity: Digest, name: Text, version: Version) -> Fields {
        Fields::with_texts(identity, name, version, &Text::default())
    }

    /// The same, where all texts are this empty one.
    fn with_texts(identity: Digest, name: Text, version: Version, none: &Text) -> Fields {
        Fields {
            identity,
            name,
            version,
            arch: None,
            size: 0,
            installed_size: 0,
            description: none.clone(),
            url: none.clone(),
            license: none.clone(),
            origin: None,
            maintainer: None,
            build_time: 0,
            commit: None,
            provider_priority: 0,
            depends: Atoms::default(),
            provides: Atoms::default(),
            install_if: Atoms::default(),
            recommends: Atoms::default(),
            layer: 0,
            tags: Vec::new(),
            uninstallable: None,
            ignored: Vec::new(),
        }
    }

    /// Reads one paragraph, which is part of a text that is kept.
    pub(crate) fn within(whole: &Shared, fields: &[Field<'_>]) -> Result<Fields, RecordError> {
        let line = fields.first().map_or(0, |field| field.line);
        let none = whole.part("");
        let no_version = Version::lenient("");
        let mut record = Fields::with_texts(Digest::Sha1([0; 20]), none.clone(), no_version, &none);
        let mut seen = [('C', false), ('P', false), ('V', false)];
        let mut install_if_broken = false;
        for field in fields {
            record.set(whole, field, &mut install_if_broken)?;
            if let Some((_, seen)) = seen.iter_mut().find(|(key, _)| *key == field.key) {
                *seen = true;
            }
        }
        if install_if_broken {
            record.install_if = Atoms::default();
        }
        match seen.iter().find(|(_, seen)| !seen) {
            Some((key, _)) => Err(RecordError {
                line,
                problem: RecordProblem::Missing { key: *key },
            }),
            None => Ok(record),
        }
    }

    /// Appends the record as an index lists it, with the empty line that ends it.
    pub fn write_index(&self, text: &mut String) {
        self.write_fields(text);
        text.push('\n');
    }

    /// Appends the lines of the record without the empty line, for the installed database to go on.
    pub(crate) fn write_fields(&self, text: &mut String) {
        let mut line = |key: char, value: &dyn std::fmt::Display| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{key}:{value}");
        };
        line('C', &self.identity.to_q1());
        line('P', &self.name);
        line('V', &self.version);
        if let Some(arch) = &self.arch {
            line('A', arch);
        }
        line('S', &self.size);
        line('I', &self.installed_size);
        line('T', &self.description.replace('\n', " "));
        line('U', &self.url);
        line('L', &self.license);
        for (key, value) in [('o', &self.origin), ('m', &self.maintainer)] {
            if let Some(value) = value {
                line(key, value);
            }
        }
        if self.build_time != 0 {
            line('t', &self.build_time);
        }
        if let Some(commit) = &self.commit {
            line('c', commit);
        }
        if self.provider_priority != 0 {
            line('k', &self.provider_priority);
        }
        for (key, atoms) in [
            ('D', atoms(&self.depends)),
            ('p', atoms(&self.provides)),
            ('i', atoms(&self.install_if)),
        ] {
            if !atoms.is_empty() {
                line(key, &atoms);
            }
        }
    }

    fn set(
        &mut self,
        whole: &Shared,
        field: &Field<'_>,
        install_if_broken: &mut bool,
    ) -> Result<(), RecordError> {
        let text = || whole.part(field.value);
        let optional = || (!field.value.is_empty()).then(text);
        match field.key {
            'C' => {
                let problem = |_| RecordProblem::Identity {
                    text: field.value.to_owned(),
                };
                self.identity = Digest::parse(field.value).map_err(|e| RecordError {
                    line: field.line,
                    problem: problem(e),
                })?;
            }
            'P' => self.name = text(),
            'V' => self.version = Version::lenient(field.value),
            'A' => self.arch = optional(),
            'S' => self.size = number(field)?,
            'I' => self.installed_size = number(field)?,
            'T' => self.description = text(),
            'U' => self.url = text(),
            'L' => self.license = text(),
            'o' => self.origin = optional(),
            'm' => self.maintainer = optional(),
            't' => self.build_time = number(field)?,
            'c' => self.commit = optional(),
            'k' => self.provider_priority = low_16_bits(number(field)?),
            'D' => self.add_depends(text()),
            'p' => self.add_provides(text()),
            'i' => *install_if_broken |= self.add_install_if(text()),
            'F' | 'M' | 'R' | 'Z' | 'a' | 'r' | 'q' | 's' | 'f' | 'g' => {}
            other => self.unknown(other),
        }
        Ok(())
    }

    /// Adds a list of dependencies; a malformed one makes the package uninstallable.
    fn add_depends(&mut self, text: Text) {
        let malformed = add(&mut self.depends, text);
        if let (None, Some(atom)) = (&self.uninstallable, malformed.into_iter().next()) {
            self.uninstallable = Some(Uninstallable::Dependency(atom));
        }
    }

    /// Adds a list of provides; malformed ones are left out.
    fn add_provides(&mut self, text: Text) {
        let malformed = add(&mut self.provides, text);
        self.ignored
            .extend(malformed.iter().map(|atom| format!("p:{atom}")));
    }

    /// Adds a list of conditions, and gives whether one is malformed.
    fn add_install_if(&mut self, text: Text) -> bool {
        let malformed = add(&mut self.install_if, text);
        self.ignored
            .extend(malformed.iter().map(|atom| format!("i:{atom}")));
        !malformed.is_empty()
    }

    fn unknown(&mut self, key: char) {
        if key.is_ascii_uppercase() {
            self.uninstallable
                .get_or_insert(Uninstallable::UnknownField(key));
        } else {
            self.ignored.push(format!("{key}:"));
        }
    }
}

/// How many atoms and unknown letters an index may have. One of Alpine's largest, with 27,000 packages, has some 300,000;
/// each takes about a hundred bytes.
pub(super) const ATOMS_LIMIT: usize = 4_000_000;

/// How many packages an index may list; each takes up to 700 bytes besides its text. The largest index of Alpine has some
/// 27,000.
pub(super) const PACKAGES_LIMIT: usize = 150_000;

/// Whether one more package, that of these lines, is not too many.
pub(super) fn spend_record(fields: &[Field<'_>], there: usize) -> Result<(), RecordError> {
    if there < PACKAGES_LIMIT {
        return Ok(());
    }
    Err(RecordError {
        line: fields.first().map_or(0, |field| field.line),
        problem: RecordProblem::TooManyPackages {
            limit: PACKAGES_LIMIT,
        },
    })
}

/// Takes what a paragraph can hold at most of what is left, before anything of it is kept.
pub(super) fn spend_atoms(fields: &[Field<'_>], left: &mut usize) -> Result<(), RecordError> {
    for field in fields {
        let atoms = match field.key {
            'D' | 'p' | 'i' => 1 + field.value.bytes().filter(|byte| *byte == b' ').count(),
            key if key.is_ascii_lowercase() => 1,
            _ => 0,
        };
        *left = left.checked_sub(atoms).ok_or(RecordError {
            line: field.line,
            problem: RecordProblem::TooMany { limit: ATOMS_LIMIT },
        })?;
    }
    Ok(())
}

/// Adds a line to a list, and gives what is malformed in it.
fn add<T: Atom>(all: &mut Atoms<T>, text: Text) -> Vec<String> {
    let (more, malformed) = Atoms::listed(text);
    *all = std::mem::take(all).join(more);
    malformed
}

/// Atoms with a space between each two. One without a name (`<>=1` is read as such) has no text and is left out.
pub(crate) fn atoms<T: std::fmt::Display>(atoms: &[T]) -> String {
    let texts = atoms.iter().map(ToString::to_string);
    let texts: Vec<String> = texts.filter(|text| !text.is_empty()).collect();
    texts.join(" ")
}

/// Why a paragraph is no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct RecordError {
    /// Counted from 1; where the paragraph begins if the problem is no single line.
    pub line: usize,
    /// What is wrong there.
    pub problem: RecordProblem,
}

/// What can be wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordProblem {
    /// The line is no field.
    #[error("{text:?} is not a letter, a colon and a value")]
    Line {
        /// The whole line.
        text: String,
    },
    /// A field without which there is no record.
    #[error("the record has no field {key}")]
    Missing {
        /// The letter of the field.
        key: char,
    },
    /// A number that cannot be read.
    #[error("{text:?} in field {key} is not a number, or too large")]
    Number {
        /// The letter of the field.
        key: char,
        /// Its value.
        text: String,
    },
    /// More packages than an index can list.
    #[error("it lists more than {limit} packages, which is more than is read")]
    TooManyPackages {
        /// How many it may list.
        limit: usize,
    },
    /// More atoms than any index has.
    #[error("with this line the index has more than the {limit} dependencies and provides allowed")]
    TooMany {
        /// How many are allowed.
        limit: usize,
    },
    /// An identity that cannot be read.
    #[error("{text:?} is not an identity")]
    Identity {
        /// The value of the field.
        text: String,
    },
}

impl From<StanzaError> for RecordError {
    fn from(error: StanzaError) -> Self {
        RecordError {
            line: error.line,
            problem: RecordProblem::Line { text: error.text },
        }
    }
}

pub(crate) fn number(field: &Field<'_>) -> Result<u64, RecordError> {
    let problem = || RecordProblem::Number {
        key: field.key,
        text: field.value.to_owned(),
    };
    decimal(field.value).ok_or_else(|| RecordError {
        line: field.line,
        problem: problem(),
    })
}

/// Decimal digits and nothing else; no sign, as `str::parse` would allow.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

/// Priorities are kept in 16 bits by apk, whatever is written.
pub(crate) fn low_16_bits(value: u64) -> u16 {
    u16::try_from(value & 0xffff).unwrap_or_default()
}

/// The layer is kept in 3 bits by apk.
pub(crate) fn low_3_bits(value: u64) -> u8 {
    u8::try_from(value & 7).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{Index, Record};

    const HEAD: &str = "C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nP:a\nV:1\n";

    fn read(rest: &str) -> Record {
        Index::parse_records(&format!("{HEAD}{rest}"))
            .unwrap()
            .remove(0)
    }

    #[test]
    fn broken_lists_have_their_own_consequences() {
        assert_eq!(
            read("D:b c=bad d\n").uninstallable,
            Some(Uninstallable::Dependency("c=bad".into()))
        );
        let record = read("i:b c=\np:x y=bad !z\n");
        assert!(record.install_if.is_empty() && record.uninstallable.is_none());
        assert_eq!(atoms(&record.provides), "x y=bad");
        assert_eq!(record.ignored, ["i:c=", "p:!z"]);
    }

    #[test]
    fn unknown_letters_by_case() {
        assert_eq!(read("x:1\n").ignored, ["x:"]);
        assert_eq!(
            read("X:1\n").uninstallable,
            Some(Uninstallable::UnknownField('X'))
        );
        assert_eq!(read("F:dir\nR:file\na:0:0:755\n"), read(""));
    }

    #[test]
    fn lists_add_up_and_scalars_do_not() {
        let record = read("D:b\nD:c\nT:one\nT:two\nk:65541\n");
        assert_eq!(atoms(&record.depends), "b c");
        assert_eq!(record.description, "two");
        assert_eq!(record.provider_priority, 5);
    }

    #[test]
    fn errors_name_the_line() {
        for (text, message) in [
            ("P:a\nV:1\n", "line 1: the record has no field C"),
            (
                "\nC:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nP:a\n",
                "line 2: the record has no field V",
            ),
            ("C:x\n", r#"line 1: "x" is not an identity"#),
            (
                "P:a\nS:-1\n",
                r#"line 2: "-1" in field S is not a number, or too large"#,
            ),
            (
                "P:a\nS\u{e9}\n",
                "line 2: \"S\u{e9}\" is not a letter, a colon and a value",
            ),
        ] {
            assert_eq!(Index::parse_records(text).unwrap_err().to_string(), message);
        }
    }
}
