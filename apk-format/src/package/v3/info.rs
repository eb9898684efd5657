//! What a v3 package, or an index of it, says of the package.
//!
//! Texts that stand on one line elsewhere (names, versions, licenses, …) must not hold line breaks or zeros here,
//! though the format would allow it: they are written into databases that are made of lines. Descriptions may have
//! several lines; databases get spaces between them.

use crate::adb::schema::{
    DependencyView, InfoView, List, PackageView, SchemaError, ScriptsView, matches,
};
use crate::adb::value::Budget;
use crate::dependency::{Constraint, Dependency, Op, Provide};
use crate::digest::Digest;
use crate::index::low_16_bits;
use crate::package::{PackageInfo, Script, ScriptKind};
use crate::version::Version;

/// All that a package says of itself.
pub(super) fn package(
    view: PackageView<'_>,
    budget: &mut Budget,
) -> Result<PackageInfo, SchemaError> {
    let mut info = info(view.info()?, budget)?;
    if info.version.as_str().is_empty() {
        return Err(SchemaError::Missing { field: "version" });
    }
    info.replaces_priority = low_16_bits(view.replaces_priority()?);
    info.triggers = triggers(view.triggers()?, budget)?;
    Ok(info)
}

/// Patterns of directories. Several in one text are as many: so databases have them, with spaces between them.
fn triggers(list: List<'_>, budget: &mut Budget) -> Result<Vec<String>, SchemaError> {
    let mut all = Vec::new();
    for text in list.texts() {
        let text = line(text?, "triggers", budget)?;
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            spend(budget, size_of::<String>(), "triggers")?;
            all.push(word.to_owned());
        }
    }
    Ok(all)
}

/// What an index says of a package too. The version may be empty.
pub(crate) fn info(view: InfoView<'_>, budget: &mut Budget) -> Result<PackageInfo, SchemaError> {
    let name = line(view.name()?, "name", budget)?.to_owned();
    let version = line(view.version()?, "version", budget)?;
    if name.is_empty() {
        return Err(SchemaError::Missing { field: "name" });
    }
    let mut optional = |text: &str, field| {
        let text = line(text, field, budget)?;
        Ok((!text.is_empty()).then(|| text.to_owned()))
    };
    let mut info = PackageInfo::unopened(name, Version::lenient(version));
    info.description = optional(view.description()?, "description")?.unwrap_or_default();
    info.url = optional(view.url()?, "url")?.unwrap_or_default();
    info.license = optional(view.license()?, "license")?.unwrap_or_default();
    info.arch = optional(view.arch()?, "arch")?;
    info.origin = optional(view.origin()?, "origin")?;
    info.maintainer = optional(view.maintainer()?, "maintainer")?;
    info.installed_size = view.installed_size()?;
    info.build_time = view.build_time()?;
    let commit = view.repo_commit()?;
    info.commit = (!commit.is_empty()).then(|| data_encoding::HEXLOWER.encode(commit));
    info.provider_priority = low_16_bits(view.provider_priority()?);
    info.layer = view.layer()?;
    info.tags = words(view.tags()?, "tags", budget)?;
    let mut malformed = Vec::new();
    info.depends = dependencies(view.depends()?, "depend", budget, &mut malformed)?;
    info.install_if = dependencies(view.install_if()?, "install_if", budget, &mut malformed)?;
    info.replaces = dependencies(view.replaces()?, "replaces", budget, &mut malformed)?;
    info.recommends = dependencies(view.recommends()?, "recommends", budget, &mut malformed)?;
    info.provides = provides(view.provides()?, budget, &mut malformed)?;
    info.malformed = malformed;
    Ok(info)
}

/// The scripts, in the order of [`ScriptKind`].
pub(super) fn scripts(
    view: PackageView<'_>,
    budget: &mut Budget,
) -> Result<Vec<Script>, SchemaError> {
    let view = view.scripts()?;
    let mut scripts = Vec::new();
    for kind in ScriptKind::ALL {
        let body = script(view, kind)?;
        spend(budget, body.len(), "scripts")?;
        if !body.is_empty() {
            scripts.push(Script {
                kind,
                body: body.to_vec(),
            });
        }
    }
    Ok(scripts)
}

fn script(view: ScriptsView<'_>, kind: ScriptKind) -> Result<&[u8], SchemaError> {
    match kind {
        ScriptKind::PreInstall => view.pre_install(),
        ScriptKind::PostInstall => view.post_install(),
        ScriptKind::PreDeinstall => view.pre_deinstall(),
        ScriptKind::PostDeinstall => view.post_deinstall(),
        ScriptKind::PreUpgrade => view.pre_upgrade(),
        ScriptKind::PostUpgrade => view.post_upgrade(),
        ScriptKind::Trigger => view.trigger(),
    }
}

/// A text that stands on one line elsewhere, or the description.
pub(crate) fn line<'a>(
    text: &'a str,
    field: &'static str,
    budget: &mut Budget,
) -> Result<&'a str, SchemaError> {
    spend(budget, text.len(), field)?;
    let breaks = text.contains('\n') && field != "description";
    if breaks || text.contains('\0') {
        return Err(SchemaError::Holds {
            field,
            text: format!("a line break or a zero: {text:?}"),
        });
    }
    Ok(text)
}

/// Texts that are written with spaces between them.
pub(crate) fn words(
    list: List<'_>,
    field: &'static str,
    budget: &mut Budget,
) -> Result<Vec<String>, SchemaError> {
    let word = |text: Result<&str, SchemaError>| {
        let text = text?;
        spend(budget, text.len() + size_of::<String>(), field)?;
        if text.is_empty() || text.contains([' ', '\n', '\0']) {
            return Err(SchemaError::Holds {
                field,
                text: format!("something that is no word: {text:?}"),
            });
        }
        Ok(text.to_owned())
    };
    list.texts().map(word).collect()
}

pub(crate) fn dependencies(
    list: List<'_>,
    key: &'static str,
    budget: &mut Budget,
    malformed: &mut Vec<(String, String)>,
) -> Result<Vec<Dependency>, SchemaError> {
    let mut all = Vec::with_capacity(list.len().min(SHORT_LIST));
    for value in list.values() {
        let view = DependencyView::new(list.adb(), value)?;
        let atom = Atom::read(view, key, budget)?;
        match atom.dependency() {
            Some(dependency) => all.push(dependency),
            None => malformed.push((key.to_owned(), atom.text())),
        }
    }
    Ok(all)
}

pub(crate) fn provides(
    list: List<'_>,
    budget: &mut Budget,
    malformed: &mut Vec<(String, String)>,
) -> Result<Vec<Provide>, SchemaError> {
    let mut all = Vec::with_capacity(list.len().min(SHORT_LIST));
    for value in list.values() {
        let view = DependencyView::new(list.adb(), value)?;
        let atom = Atom::read(view, "provides", budget)?;
        match atom.provide() {
            Some(provide) => all.push(provide),
            None => malformed.push(("provides".to_owned(), atom.text())),
        }
    }
    Ok(all)
}

/// A dependency as it is stored.
pub(crate) struct Atom<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    matching: u64,
}

impl<'a> Atom<'a> {
    pub(crate) fn read(
        view: DependencyView<'a>,
        field: &'static str,
        budget: &mut Budget,
    ) -> Result<Atom<'a>, SchemaError> {
        let (name, version) = (view.name()?, view.version()?);
        spend(budget, name.len() + version.len() + 16, field)?;
        let matching = match view.matching()? {
            0 if version.is_empty() => matches::ANY,
            0 => matches::EQUAL,
            other => other,
        };
        Ok(Atom {
            name,
            version,
            matching,
        })
    }

    pub(crate) fn conflict(&self) -> bool {
        self.matching & matches::CONFLICT != 0
    }

    pub(crate) fn op(&self) -> Op {
        Op::from_matches(self.matching)
    }

    /// Names are plain text, but must survive being written among others.
    fn is_name(&self) -> bool {
        !self.name.is_empty()
            && !self.name.starts_with('!')
            && !self.name.bytes().any(|byte| {
                byte.is_ascii_control() || matches!(byte, b' ' | b'<' | b'>' | b'=' | b'~' | b'@')
            })
    }

    /// What a dependency wants of the name; `None` if it is malformed.
    pub(crate) fn constraint(&self) -> Option<Constraint> {
        let constraint = match self.op() {
            _ if self.version.is_empty() => Constraint::Any,
            op if op == Op::IDENTITY => Constraint::Identity(Digest::parse(self.version).ok()?),
            op => Constraint::Version {
                op: op.written()?,
                version: Version::parse(self.version).ok()?,
            },
        };
        self.is_name().then_some(constraint)
    }

    fn dependency(&self) -> Option<Dependency> {
        self.constraint().map(|constraint| Dependency {
            conflict: self.conflict(),
            name: self.name.to_owned(),
            tag: None,
            constraint,
        })
    }

    /// Whether something can be provided as this.
    pub(crate) fn is_provide(&self) -> bool {
        let is_version = !self.version.contains([' ', '\n', '\0']);
        self.is_name() && is_version && !self.conflict()
    }

    fn provide(&self) -> Option<Provide> {
        let version = (!self.version.is_empty()).then(|| Version::lenient(self.version));
        self.is_provide().then(|| Provide {
            name: self.name.to_owned(),
            version,
        })
    }

    /// As `adbdump` prints it.
    pub(crate) fn text(&self) -> String {
        let conflict = if self.conflict() { "!" } else { "" };
        let op = if self.version.is_empty() {
            String::new()
        } else {
            self.op().to_string()
        };
        format!("{conflict}{}{op}{}", self.name, self.version)
    }
}

/// How much room a list gets before any of it was read. Most are shorter; a longer one may be a lie.
const SHORT_LIST: usize = 32;

fn spend(budget: &mut Budget, amount: usize, field: &'static str) -> Result<(), SchemaError> {
    budget
        .spend(amount)
        .map_err(|source| SchemaError::value(field, source))
}
