//! What a commit says of itself: its package list, subject and body.
//!
//! The package list stands in the commit's metadata under [`PACKAGES`], type `a(ssssss)`: name, version,
//! architecture, identity, origin and licence of every package, sorted by name. Two lists are compared without
//! opening either tree.

use std::collections::BTreeMap;
use std::fmt;

use apk_format::{Record, Version};
use ostree_store::gvariant::{Type, Value};
use ostree_store::object::Commit;
use serde::Serialize;

use crate::manifest::CommitSettings;

/// The metadata key of the package list.
pub const PACKAGES: &str = "apk-ostree.packages";

/// The metadata key of what a branch extends: the ref and the commit of the parent branch, type `as`. The parent that
/// OSTree knows is the previous commit of the same ref.
pub const EXTENDS: &str = "apk-ostree.extends";

/// One package of a commit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ListedPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it was built for.
    pub arch: String,
    /// `Q1…`, as the index and the installed database have it.
    pub identity: String,
    /// The source package.
    pub origin: String,
    /// The licence.
    pub license: String,
}

impl ListedPackage {
    /// What a record says.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        ListedPackage {
            name: record.name.to_string(),
            version: record.version.to_string(),
            arch: record.arch.clone().unwrap_or_default().into(),
            identity: record.identity.to_q1(),
            origin: record.origin.clone().unwrap_or_default().into(),
            license: record.license.to_string(),
        }
    }
}

/// The list as a metadata value.
#[must_use]
pub fn to_value(packages: &[ListedPackage]) -> Value {
    let rows = packages.iter().map(|package| {
        let fields = [
            &package.name,
            &package.version,
            &package.arch,
            &package.identity,
            &package.origin,
            &package.license,
        ];
        Value::Tuple(fields.map(|field| Value::Str(field.clone())).to_vec())
    });
    Value::Array(Type::Tuple(vec![Type::Basic(b's'); 6]), rows.collect())
}

/// The packages that a commit lists; `None` if it has no list.
#[must_use]
pub fn listed(commit: &Commit) -> Option<Vec<ListedPackage>> {
    let Value::Array(_, rows) = commit.metadata.get(PACKAGES)? else {
        return None;
    };
    rows.iter().map(from_row).collect()
}

fn from_row(row: &Value) -> Option<ListedPackage> {
    let Value::Tuple(fields) = row else {
        return None;
    };
    let texts: Option<Vec<&str>> = fields.iter().map(Value::as_str).collect();
    let [name, version, arch, identity, origin, license] = texts?.try_into().ok()?;
    let owned = str::to_owned;
    Some(ListedPackage {
        name: owned(name),
        version: owned(version),
        arch: owned(arch),
        identity: owned(identity),
        origin: owned(origin),
        license: owned(license),
    })
}

/// What became of one package between two commits. The texts are versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "lowercase")]
pub enum PackageChange {
    /// It is new.
    Added {
        /// The package.
        name: String,
        /// Its version.
        version: String,
    },
    /// It is gone.
    Removed {
        /// The package.
        name: String,
        /// The version it had.
        version: String,
    },
    /// It has another version or, at the same version, another content.
    Changed {
        /// The package.
        name: String,
        /// The version it had.
        from: String,
        /// The version it has.
        to: String,
    },
}

impl PackageChange {
    fn name(&self) -> &str {
        match self {
            PackageChange::Added { name, .. }
            | PackageChange::Removed { name, .. }
            | PackageChange::Changed { name, .. } => name,
        }
    }

    /// The change in a few words, for a subject.
    fn headline(&self) -> String {
        match self {
            PackageChange::Added { name, version } => format!("{name} {version}"),
            PackageChange::Removed { name, .. } => format!("remove {name}"),
            PackageChange::Changed { name, to, .. } => format!("{name} {to}"),
        }
    }
}

impl fmt::Display for PackageChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PackageChange::Added { name, version } => write!(f, "+ {name} {version}"),
            PackageChange::Removed { name, version } => write!(f, "- {name} {version}"),
            PackageChange::Changed { name, from, to } if from == to => {
                write!(f, "* {name} {to} (rebuilt)")
            }
            PackageChange::Changed { name, from, to } => {
                let (old, new) = (Version::lenient(from), Version::lenient(to));
                let word = if new < old { "downgraded" } else { "upgraded" };
                write!(f, "* {name} {from} -> {to} ({word})")
            }
        }
    }
}

/// Compares two package lists; the changes are sorted by name.
#[must_use]
pub fn changes(old: &[ListedPackage], new: &[ListedPackage]) -> Vec<PackageChange> {
    let by_name = |list: &[ListedPackage]| -> BTreeMap<String, ListedPackage> {
        list.iter()
            .map(|package| (package.name.clone(), package.clone()))
            .collect()
    };
    let (old, new) = (by_name(old), by_name(new));
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let change = |name: &String| match (old.get(name), new.get(name)) {
        (None, Some(to)) => Some(PackageChange::Added {
            name: name.clone(),
            version: to.version.clone(),
        }),
        (Some(from), None) => Some(PackageChange::Removed {
            name: name.clone(),
            version: from.version.clone(),
        }),
        (Some(from), Some(to)) if from.identity != to.identity => Some(PackageChange::Changed {
            name: name.clone(),
            from: from.version.clone(),
            to: to.version.clone(),
        }),
        _ => None,
    };
    names.into_iter().filter_map(change).collect()
}

/// What the placeholders of the texts stand for.
#[derive(Debug)]
pub struct Context<'a> {
    /// The architecture.
    pub arch: &'a str,
    /// The branch's name in the manifest.
    pub branch: &'a str,
    /// The ref.
    pub name: &'a str,
    /// The names that were asked for.
    pub wanted: Vec<&'a str>,
    /// The package changes to the parent, or to an empty system.
    pub changes: &'a [PackageChange],
}

impl Context<'_> {
    /// The subject of the commit.
    #[must_use]
    pub fn subject(&self, settings: &CommitSettings) -> String {
        self.fill(settings.subject.as_deref().unwrap_or("{changes}"), settings)
    }

    /// The body of the commit.
    #[must_use]
    pub fn body(&self, settings: &CommitSettings) -> String {
        match &settings.body {
            Some(body) => self.fill(body, settings),
            None => self
                .changes
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n"),
        }
    }

    /// Replaces every placeholder once, from left to right, so that a value is never read as a placeholder.
    fn fill(&self, template: &str, settings: &CommitSettings) -> String {
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let value = after
                .split_once('}')
                .and_then(|(key, tail)| Some((self.value(key, settings)?, tail)));
            match value {
                Some((value, tail)) => {
                    text.push_str(&value);
                    rest = tail;
                }
                None => {
                    text.push('{');
                    rest = after;
                }
            }
        }
        text + rest
    }

    fn value(&self, key: &str, settings: &CommitSettings) -> Option<String> {
        match key {
            "arch" => Some(self.arch.to_owned()),
            "branch" => Some(self.branch.to_owned()),
            "ref" => Some(self.name.to_owned()),
            "version" => Some(settings.version.clone().unwrap_or_default()),
            "changes" => Some(self.summary()),
            _ => None,
        }
    }

    /// `curl 8.14.1-r2 (+12 packages)`: what was asked for comes first.
    fn summary(&self) -> String {
        let asked = self
            .changes
            .iter()
            .find(|change| self.wanted.contains(&change.name()));
        let Some(first) = asked.or(self.changes.first()) else {
            return "no package changed".to_owned();
        };
        match self.changes.len() - 1 {
            0 => first.headline(),
            1 => format!("{} (+1 package)", first.headline()),
            others => format!("{} (+{others} packages)", first.headline()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str) -> ListedPackage {
        ListedPackage {
            name: name.into(),
            version: version.into(),
            arch: "x86_64".into(),
            identity: format!("{name}{version}"),
            origin: String::new(),
            license: String::new(),
        }
    }

    #[test]
    fn says_what_changed() {
        let old = [
            package("a", "1.10"),
            package("b", "1"),
            package("gone", "3"),
        ];
        let new = [package("a", "1.9"), package("b", "2"), package("new", "1")];
        let changes = changes(&old, &new);
        let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "* a 1.10 -> 1.9 (downgraded)",
                "* b 1 -> 2 (upgraded)",
                "- gone 3",
                "+ new 1"
            ]
        );
        let context = Context {
            arch: "x86_64",
            branch: "base",
            name: "os/base",
            wanted: vec!["new"],
            changes: &changes,
        };
        let settings = CommitSettings {
            subject: Some("{ref} {version}: {changes} {x}".into()),
            ..Default::default()
        };
        assert_eq!(
            context.subject(&settings),
            "os/base : new 1 (+3 packages) {x}"
        );
        assert_eq!(
            context.subject(&CommitSettings::default()),
            "new 1 (+3 packages)"
        );
    }

    #[test]
    fn package_lists_survive_the_commit() {
        let list = [package("a", "1"), package("b", "2")];
        let value = to_value(&list);
        let Value::Array(_, rows) = Value::parse(&value.type_of(), &value.encode()).unwrap() else {
            panic!()
        };
        assert_eq!(rows.iter().filter_map(from_row).collect::<Vec<_>>(), list);
    }
}
