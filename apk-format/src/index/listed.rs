//! The packages of a v3 index as records.
//!
//! Packages are [found](super::checked) when an index is read, and read when one of their fields is asked for; where
//! something is wrong, all are read from the beginning, to say what and where. What a record keeps is written into one
//! text: its own texts, and its lists as a v2 index has them.

use bytes::Bytes;
use std::ops::Range;

use crate::adb::schema::{DependencyView, InfoView, List, SchemaError};
use crate::adb::value::{Adb, Budget, Value};
use crate::dependency::{Dependency, Op, Provide};
use crate::digest::Digest;
use crate::index::record::PACKAGES_LIMIT;
use crate::index::text::Shared;
use crate::index::{
    Atom, Atoms, Fields, IndexError, Record, Text, Uninstallable, checked, low_3_bits, low_16_bits,
};
use crate::package::stored::{self, Atom as Stored};
use crate::version::Version;

/// All packages, in their order.
pub(super) fn records(
    values: &Bytes,
    packages: List<'_>,
    budget: Budget,
) -> Result<Vec<Record>, IndexError> {
    match checked::find(values, packages, budget) {
        Some(records) => Ok(records),
        None => read(packages, &mut { budget }),
    }
}

/// All packages, read one after the other: says what is wrong with the first that cannot be.
pub(super) fn read(packages: List<'_>, budget: &mut Budget) -> Result<Vec<Record>, IndexError> {
    if packages.len() > PACKAGES_LIMIT {
        let text = format!(
            "{} packages; {PACKAGES_LIMIT} are the most that are read",
            packages.len()
        );
        let field = "packages";
        return Err(SchemaError::Holds { field, text }.into());
    }
    let mut records = Vec::with_capacity(packages.len().min(MANY));
    for value in packages.values() {
        records.push(fields(packages.adb(), value, budget)?.into());
    }
    Ok(records)
}

/// What the values say of one package.
pub(super) fn fields(
    adb: Adb<'_>,
    value: Value,
    budget: &mut Budget,
) -> Result<Fields, IndexError> {
    let mut text = String::with_capacity(TEXT);
    let listed = Listed::read(InfoView::new(adb, value)?, budget, &mut text)?;
    text.shrink_to_fit();
    Ok(listed.into_fields(&Shared::new(text)))
}

/// What is kept of a package: where its texts are, and all else.
struct Listed {
    texts: Texts,
    identity: Digest,
    version: Version,
    numbers: [u64; 3],
    provider_priority: u16,
    depends: Kept<Dependency>,
    provides: Kept<Provide>,
    install_if: Kept<Dependency>,
    recommends: Kept<Dependency>,
    layer: u8,
    tags: Vec<String>,
    uninstallable: Option<Uninstallable>,
    ignored: Vec<String>,
}

struct Texts {
    name: Range<usize>,
    description: Range<usize>,
    url: Range<usize>,
    license: Range<usize>,
    arch: Range<usize>,
    origin: Range<usize>,
    maintainer: Range<usize>,
    commit: Range<usize>,
}

/// A list: written into the text, or read where that would change its meaning.
enum Kept<T> {
    Text(Range<usize>),
    Read(Vec<T>),
}

impl Listed {
    fn read(
        view: InfoView<'_>,
        budget: &mut Budget,
        text: &mut String,
    ) -> Result<Listed, IndexError> {
        budget
            .spend(RECORD)
            .map_err(|source| SchemaError::value("packages", source))?;
        let name = view.name()?;
        let version = Version::lenient(stored::line(view.version()?, "version", budget)?);
        let texts = Texts::read(view, budget, text)?;
        if name.is_empty() {
            return Err(SchemaError::Missing { field: "name" }.into());
        }
        let provider_priority = low_16_bits(view.provider_priority()?);
        let numbers = [view.installed_size()?, view.build_time()?];
        let layer = low_3_bits(view.layer()?);
        let tags = stored::words(view.tags()?, "tags", budget)?;
        let mut malformed = Vec::new();
        let mut wanted = |list: List<'_>, key| wanted(list, key, budget, text, &mut malformed);
        let depends = wanted(view.depends()?, "depend")?;
        let mut install_if = wanted(view.install_if()?, "install_if")?;
        wanted(view.replaces()?, "replaces")?;
        let recommends = wanted(view.recommends()?, "recommends")?;
        let provides = provides(view.provides()?, budget, text)?;
        if malformed.iter().any(|(key, _)| *key == "install_if") {
            install_if = Kept::Read(Vec::new());
        }
        let mut malformed = malformed.into_iter();
        let unread = malformed.find(|(key, _)| *key == "depend");
        let hashes = view.hashes()?;
        let identity = Digest::from_bytes(hashes).ok_or_else(|| IndexError::Identity {
            name: name.to_owned(),
            length: hashes.len(),
        })?;
        let [installed_size, build_time] = numbers;
        let mut listed = Listed {
            texts,
            identity,
            version,
            numbers: [view.file_size()?, installed_size, build_time],
            provider_priority,
            depends,
            provides,
            install_if,
            recommends,
            layer,
            tags,
            uninstallable: unread.map(|(_, atom)| Uninstallable::Dependency(atom)),
            ignored: Vec::new(),
        };
        listed.note_losses(view);
        Ok(listed)
    }

    /// Fields that whoever made the index lost, as `apk convndx` does where it cannot read them. apk takes them for
    /// empty: here a package without its version or its dependencies cannot be installed.
    fn note_losses(&mut self, view: InfoView<'_>) {
        let lost = |field| {
            let slot = InfoView::SLOTS.iter().find(|slot| slot.name == field);
            slot.is_some_and(|slot| view.value(slot.number).is_lost())
        };
        let field = if self.version.as_str().is_empty() {
            Some("version")
        } else {
            lost("depends").then_some("depends")
        };
        self.uninstallable = field.map(Uninstallable::Lost).or(self.uninstallable.take());
        for (letter, field) in [("p:", "provides"), ("i:", "install-if")] {
            if lost(field) {
                self.ignored.push(letter.to_owned());
            }
        }
    }

    fn into_fields(self, whole: &Shared) -> Fields {
        let text = |range: Range<usize>| whole.part(whole.as_str().get(range).unwrap_or_default());
        let optional = |range: Range<usize>| (!range.is_empty()).then(|| text(range));
        let [size, installed_size, build_time] = self.numbers;
        Fields {
            identity: self.identity,
            name: text(self.texts.name),
            version: self.version,
            arch: optional(self.texts.arch),
            size,
            installed_size,
            description: text(self.texts.description),
            url: text(self.texts.url),
            license: text(self.texts.license),
            origin: optional(self.texts.origin),
            maintainer: optional(self.texts.maintainer),
            build_time,
            commit: optional(self.texts.commit),
            provider_priority: self.provider_priority,
            depends: self.depends.into_atoms(text),
            provides: self.provides.into_atoms(text),
            install_if: self.install_if.into_atoms(text),
            recommends: self.recommends.into_atoms(text),
            layer: self.layer,
            tags: self.tags,
            uninstallable: self.uninstallable,
            ignored: self.ignored,
        }
    }
}

impl Texts {
    fn read(
        view: InfoView<'_>,
        budget: &mut Budget,
        text: &mut String,
    ) -> Result<Texts, SchemaError> {
        let mut keep = |line: &str, field| {
            let start = text.len();
            text.push_str(stored::line(line, field, budget)?);
            Ok::<_, SchemaError>(start..text.len())
        };
        let mut texts = Texts {
            name: keep(view.name()?, "name")?,
            description: keep(view.description()?, "description")?,
            url: keep(view.url()?, "url")?,
            license: keep(view.license()?, "license")?,
            arch: keep(view.arch()?, "arch")?,
            origin: keep(view.origin()?, "origin")?,
            maintainer: keep(view.maintainer()?, "maintainer")?,
            commit: 0..0,
        };
        let start = text.len();
        data_encoding::HEXLOWER.encode_append(view.repo_commit()?, text);
        texts.commit = start..text.len();
        Ok(texts)
    }
}

impl<T: Atom> Kept<T> {
    fn into_atoms(self, text: impl Fn(Range<usize>) -> Text) -> Atoms<T> {
        match self {
            Kept::Text(range) if range.is_empty() => Atoms::default(),
            Kept::Text(range) => Atoms::well_formed(text(range)),
            Kept::Read(list) => Atoms::from(list),
        }
    }
}

/// A list of dependencies, and what is malformed in it.
fn wanted(
    list: List<'_>,
    key: &'static str,
    budget: &mut Budget,
    text: &mut String,
    malformed: &mut Vec<(&'static str, String)>,
) -> Result<Kept<Dependency>, SchemaError> {
    let start = text.len();
    for value in list.values() {
        let atom = Stored::read(DependencyView::new(list.adb(), value)?, key, budget)?;
        if atom.constraint().is_none() {
            malformed.push((key, atom.text()));
            continue;
        }
        if text.len() > start {
            text.push(' ');
        }
        if atom.conflict() {
            text.push('!');
        }
        let op = if atom.version.is_empty() {
            ""
        } else {
            atom.op().as_str()
        };
        text.extend([atom.name, op, atom.version]);
    }
    Ok(Kept::Text(start..text.len()))
}

/// A list of what is provided; what is malformed in it is left out.
fn provides(
    list: List<'_>,
    budget: &mut Budget,
    text: &mut String,
) -> Result<Kept<Provide>, SchemaError> {
    let start = text.len();
    for value in list.values() {
        let atom = Stored::read(DependencyView::new(list.adb(), value)?, "provides", budget)?;
        if !atom.is_provide() {
            continue;
        }
        // The operator would end behind these.
        if atom.version.starts_with(['<', '=', '>', '~']) {
            text.truncate(start);
            let mut again = *budget;
            let all = stored::provides(list, &mut again, &mut Vec::new())?;
            return Ok(Kept::Read(all));
        }
        if text.len() > start {
            text.push(' ');
        }
        let op = if atom.version.is_empty() {
            ""
        } else {
            Op::EQUAL.as_str()
        };
        text.extend([atom.name, op, atom.version]);
    }
    Ok(Kept::Text(start..text.len()))
}

/// How many records get room before any of them was read: Alpine's largest index has 27,000.
const MANY: usize = 1 << 15;

/// How much room a text gets before any of it was read, in bytes: most are shorter.
const TEXT: usize = 512;

/// What a record costs beside its texts and lists. The shortest that a writer makes has 60 bytes.
pub(super) const RECORD: usize = 128;
