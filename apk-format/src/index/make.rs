//! Making v3 indexes.
//!
//! A package is listed with what it says of itself, and with its identity and the size of its file. The values are laid
//! out as `apk mkndx` of 3.0.6 lays them out, in the order in which the packages are added: those of a v3 package as
//! they are in it, those of a v2 package line by line.
//!
//! | from | as | lists of dependencies are |
//! |---|---|---|
//! | a v3 package | `apk mkndx` | what they are in the package |
//! | a v2 package | `apk mkndx` | arrays, `install_if` an object |
//! | a v2 index | `apk convndx` | objects |
//!
//! A version that is none by apk's rules is listed as it is, also in what is provided: 3.0.6 would lose the version, or
//! all that the package provides, and there are such packages.

use std::io::{Read, Write};

use crate::adb::atoms::{Atom, atoms, sorted};
use crate::adb::block::Schema;
use crate::adb::compression::Compression;
use crate::adb::file::{FileError, FileWriter};
use crate::adb::schema::SchemaError;
use crate::adb::value::{Adb, Budget, Value};
use crate::adb::writer::{TooLarge, ValueWriter, merge_sort};
use crate::dependency::{Dependency, Provide};
use crate::digest::Digest;
use crate::index::decimal;
use crate::package::{Metadata, Package};
use crate::signature::PrivateKey;
use crate::stanza;
use crate::version;

/// A v3 index to be made.
#[derive(Debug, Default)]
pub struct IndexDraft {
    /// What the repository shall say of itself; empty for nothing.
    pub description: String,
    /// Where the packages are, see [`Index::pkgname_spec`](crate::Index::pkgname_spec); empty for the usual places.
    pub pkgname_spec: String,
    /// Whether to list v3 packages with the first 20 bytes of their identity only: `--hash sha256-160`.
    pub short_hashes: bool,
    pub(super) writer: ValueWriter,
    pub(super) packages: Vec<Listed>,
}

/// A package in the index, and what it is sorted by.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) name: Vec<u8>,
    pub(super) version: String,
    pub(super) hashes: Vec<u8>,
    pub(super) value: Value,
}

impl IndexDraft {
    /// An index of no packages.
    pub fn new() -> IndexDraft {
        IndexDraft::default()
    }

    /// How many packages are listed so far.
    pub fn len(&self) -> usize {
        self.packages.len()
    }

    /// Whether no package is listed so far.
    pub fn is_empty(&self) -> bool {
        self.packages.is_empty()
    }

    /// Lists a package whose file has `size` bytes. Neither signature nor contents are looked at.
    pub fn add<R: Read>(&mut self, package: &Package<R>, size: u64) -> Result<(), IndexDraftError> {
        let mut info = match package.metadata() {
            Metadata::V2(text) => self.copy_v2(text)?,
            Metadata::V3(values) => self.copy_v3(values, &package.info().name)?,
        };
        let identity = package.identity();
        let hashes = match identity {
            Digest::Sha256(_) if self.short_hashes => {
                identity.as_bytes().get(..20).unwrap_or_default()
            }
            _ => identity.as_bytes(),
        };
        info.set(FILE_SIZE, self.writer.int(size));
        info.set(HASHES, self.writer.blob(hashes));
        let value = self.writer.object(&info.slots);
        self.packages.push(Listed {
            name: package.info().name.clone().into_bytes(),
            version: package.info().version.to_string(),
            hashes: hashes.to_vec(),
            value,
        });
        Ok(())
    }

    /// Lists all packages of a v2 index, given as the text of its file `APKINDEX`.
    pub fn add_apkindex(&mut self, text: &str) -> Result<(), IndexDraftError> {
        for fields in stanza::split(text) {
            let fields = fields.map_err(|error| IndexDraftError::Line {
                line: error.line,
                text: error.text,
            })?;
            let mut info = Info::new();
            let mut listed = Listed {
                name: Vec::new(),
                version: String::new(),
                hashes: Vec::new(),
                value: Value::NULL,
            };
            for field in fields {
                match field.key {
                    'P' => listed.name = field.value.as_bytes().to_vec(),
                    'V' => field.value.clone_into(&mut listed.version),
                    'C' => listed.hashes = identity(field.value).unwrap_or_default(),
                    _ => {}
                }
                if let Some((_, slot)) = LETTERS.iter().find(|(key, _)| *key == field.key) {
                    let refused = |text: String| IndexDraftError::Line {
                        line: field.line,
                        text,
                    };
                    self.set_text(&mut info, *slot, field.value)
                        .map_err(refused)?;
                }
            }
            listed.value = self.writer.object(&info.slots);
            self.packages.push(listed);
        }
        Ok(())
    }

    /// Writes the index, with a signature by each key.
    pub fn write<W: Write>(
        self,
        output: W,
        compression: Compression,
        keys: &[PrivateKey],
    ) -> Result<W, IndexDraftError> {
        let values = self.into_values()?;
        let file = FileWriter::start(output, compression, Schema::INDEX, &values, keys)?;
        Ok(file.finish()?)
    }

    /// The values of the index.
    pub fn into_values(mut self) -> Result<Vec<u8>, IndexDraftError> {
        let writer = &mut self.writer;
        let description = writer.blob(self.description.as_bytes());
        let spec = writer.blob(self.pkgname_spec.as_bytes());
        let packages = merge_sort(self.packages, &|a, b| {
            let versions = version::compare(&a.version, &b.version, false);
            a.name
                .cmp(&b.name)
                .then(versions)
                .then_with(|| a.hashes.cmp(&b.hashes))
        });
        let packages: Vec<Value> = packages.into_iter().map(|listed| listed.value).collect();
        let packages = writer.object(&packages);
        let root = writer.object(&[description, packages, spec]);
        Ok(self.writer.finish(root)?)
    }

    fn copy_v3(&mut self, values: &[u8], name: &str) -> Result<Info, IndexDraftError> {
        let broken = |source| IndexDraftError::Package {
            name: name.to_owned(),
            source,
        };
        let value = |source| broken(SchemaError::value("info", source));
        let adb = Adb::new(values).map_err(value)?;
        let root = adb.slots(adb.root()).map_err(value)?;
        let slots = adb.slots(root.get(1)).map_err(value)?;
        let mut budget = Budget::for_payload(values.len());
        let mut info = Info::new();
        for slot in 1..=slots.len().min(SLOTS) {
            let copy = self.writer.copy(adb, slots.get(slot), &mut budget);
            info.set(slot, copy.map_err(value)?);
        }
        Ok(info)
    }

    fn copy_v2(&mut self, text: &str) -> Result<Info, IndexDraftError> {
        let mut info = Info::new();
        let mut lists: [Vec<(Value, Atom)>; 3] = Default::default();
        for (at, line) in text.split('\n').enumerate() {
            let Some((key, value)) = line.split_once(" = ").filter(|_| !line.starts_with('#'))
            else {
                continue;
            };
            let Some((_, slot)) = KEYS.iter().find(|(name, _)| *name == key) else {
                continue;
            };
            let refused = |text: String| IndexDraftError::Line { line: at + 1, text };
            if !info.get(*slot).is_null() {
                return Err(IndexDraftError::Twice {
                    line: at + 1,
                    key: key.to_owned(),
                });
            }
            match slot
                .checked_sub(DEPENDS)
                .and_then(|list| lists.get_mut(list))
            {
                Some(list) => {
                    for atom in words(*slot, value).map_err(refused)? {
                        list.push((atom.write(&mut self.writer), atom));
                    }
                }
                None => self.set_text(&mut info, *slot, value).map_err(refused)?,
            }
        }
        // The atoms are written where they stand, the arrays of them at the end.
        for (at, list) in lists.into_iter().enumerate() {
            let value = self.writer.array(&sorted(list));
            info.set(DEPENDS + at, value);
        }
        Ok(info)
    }

    /// Sets a slot to what a text stands for; the error is the text.
    fn set_text(&mut self, info: &mut Info, slot: usize, text: &str) -> Result<(), String> {
        let refused = || text.to_owned();
        let value = match slot {
            HASHES => self.writer.blob(&identity(text).ok_or_else(refused)?),
            REPO_COMMIT => match commit(text) {
                Some(commit) => self.writer.blob(&commit),
                None => return Ok(()),
            },
            NUMBERS_FIRST..=NUMBERS_LAST => self.writer.int(
                decimal(text)
                    .filter(|_| !text.is_empty())
                    .ok_or_else(refused)?,
            ),
            DEPENDS..=RECOMMENDS => {
                let elements = atoms(words(slot, text)?.into_iter(), &mut self.writer);
                self.writer.object(&elements)
            }
            TAGS => {
                let words = text.split(' ').filter(|word| !word.is_empty());
                let words: Vec<Value> = words
                    .map(|word| self.writer.blob(word.as_bytes()))
                    .collect();
                self.writer.object(&words)
            }
            _ => self.writer.blob(text.as_bytes()),
        };
        info.set(slot, value);
        Ok(())
    }
}

/// The slots of one package.
struct Info {
    slots: [Value; SLOTS],
}

impl Info {
    fn new() -> Info {
        Info {
            slots: [Value::NULL; SLOTS],
        }
    }

    fn get(&self, slot: usize) -> Value {
        let value = slot.checked_sub(1).and_then(|index| self.slots.get(index));
        value.copied().unwrap_or_default()
    }

    fn set(&mut self, slot: usize, value: Value) {
        let place = slot
            .checked_sub(1)
            .and_then(|index| self.slots.get_mut(index));
        if let Some(place) = place {
            *place = value;
        }
    }
}

fn identity(text: &str) -> Option<Vec<u8>> {
    let digest = Digest::parse(text).ok()?;
    Some(digest.as_bytes().to_vec())
}

/// The first 40 hex digits; a shorter text is no commit, and left out.
fn commit(text: &str) -> Option<Vec<u8>> {
    let digits = text.get(..40)?;
    data_encoding::HEXLOWER_PERMISSIVE
        .decode(digits.as_bytes())
        .ok()
}

/// All atoms of a text; the error is the first that is malformed.
///
/// What is provided may have a version that is none; everything else has the form of a dependency.
fn words(slot: usize, text: &str) -> Result<Vec<Atom>, String> {
    let atom = |word: &str| {
        let dependency = Dependency::parse_untagged(word).map(|found| Atom::of_dependency(&found));
        match dependency {
            Err(_) if slot == PROVIDES => {
                Provide::parse(word).map(|found| Atom::of_provide(&found))
            }
            other => other,
        }
        .map_err(|_| word.to_owned())
    };
    let words = text.split([' ', '\n']).filter(|word| !word.is_empty());
    words.map(atom).collect()
}

/// Why an index cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum IndexDraftError {
    /// A line of `.PKGINFO` or of an index that cannot be taken over.
    #[error("line {line}: {text:?} cannot be listed")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong in it.
        text: String,
    },
    /// A key of `.PKGINFO` that is there twice, and must not be.
    #[error("line {line}: {key:?} is there twice")]
    Twice {
        /// Counted from 1.
        line: usize,
        /// The key.
        key: String,
    },
    /// A v3 package that cannot be read.
    #[error("what {name:?} says of itself cannot be copied")]
    Package {
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: SchemaError,
    },
    /// More packages than an index can have.
    #[error("the index is too large")]
    TooLarge(#[from] TooLarge),
    /// The index cannot be written.
    #[error("cannot write the index")]
    File(#[from] FileError),
}

const VERSION: usize = 2;
const HASHES: usize = 3;
const REPO_COMMIT: usize = 10;
const NUMBERS_FIRST: usize = 11;
const FILE_SIZE: usize = 13;
const NUMBERS_LAST: usize = 14;
const DEPENDS: usize = 15;
const PROVIDES: usize = 16;
const RECOMMENDS: usize = 19;
const TAGS: usize = 21;
const SLOTS: usize = 21;

/// The letters of `APKINDEX`.
const LETTERS: [(char, usize); 19] = [
    ('C', HASHES),
    ('P', 1),
    ('V', VERSION),
    ('T', 4),
    ('U', 9),
    ('I', 12),
    ('S', FILE_SIZE),
    ('L', 6),
    ('A', 5),
    ('D', DEPENDS),
    ('i', 18),
    ('p', PROVIDES),
    ('k', 14),
    ('o', 7),
    ('m', 8),
    ('t', 11),
    ('c', REPO_COMMIT),
    ('g', TAGS),
    ('r', 17),
];

/// The keys of `.PKGINFO`; all others are passed over.
const KEYS: [(&str, usize); 16] = [
    ("arch", 5),
    ("builddate", 11),
    ("commit", REPO_COMMIT),
    ("depend", DEPENDS),
    ("install_if", 18),
    ("license", 6),
    ("maintainer", 8),
    ("origin", 7),
    ("pkgdesc", 4),
    ("pkgname", 1),
    ("pkgver", VERSION),
    ("provider_priority", 14),
    ("provides", PROVIDES),
    ("replaces", 17),
    ("size", 12),
    ("url", 9),
];
