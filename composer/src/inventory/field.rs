//! What can be asked of a package: apk's query fields, by name, and their values.
//!
//! A value that is empty or 0 is not there, except those of the lists that are made up here (`repositories`,
//! `reverse-depends`, `reverse-install-if`, `contents`, `status`). What only the installed database knows is not there
//! for other packages. `hash` is a field without a value in apk 3.0.6, and `recommends` and `layer` exist in v3
//! packages only.

use apk_format::Text;

use super::{Installed, Inventory, PackageId};

/// A field. The order is that in which apk prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Field {
    Query,
    Error,
    PathTarget,
    Owner,
    Package,
    Name,
    Version,
    Hash,
    Description,
    Arch,
    License,
    Origin,
    Maintainer,
    Url,
    Commit,
    BuildTime,
    InstalledSize,
    FileSize,
    ProviderPriority,
    Depends,
    Provides,
    InstallIf,
    Recommends,
    Layer,
    Tags,
    Repositories,
    DownloadUrl,
    ReverseDepends,
    ReverseInstallIf,
    Contents,
    Triggers,
    Scripts,
    ReplacesPriority,
    Replaces,
    Status,
}

use Field as F;

/// Each field with its name on the command line and its title.
const FIELDS: [(Field, &str); 35] = [
    (F::Query, "query"),
    (F::Error, "error"),
    (F::PathTarget, "path-target"),
    (F::Owner, "owner"),
    (F::Package, "package"),
    (F::Name, "name"),
    (F::Version, "version"),
    (F::Hash, "hash"),
    (F::Description, "description"),
    (F::Arch, "arch"),
    (F::License, "license"),
    (F::Origin, "origin"),
    (F::Maintainer, "maintainer"),
    (F::Url, "url"),
    (F::Commit, "commit"),
    (F::BuildTime, "build-time"),
    (F::InstalledSize, "installed-size"),
    (F::FileSize, "file-size"),
    (F::ProviderPriority, "provider-priority"),
    (F::Depends, "depends"),
    (F::Provides, "provides"),
    (F::InstallIf, "install-if"),
    (F::Recommends, "recommends"),
    (F::Layer, "layer"),
    (F::Tags, "tags"),
    (F::Repositories, "repositories"),
    (F::DownloadUrl, "download-url"),
    (F::ReverseDepends, "reverse-depends"),
    (F::ReverseInstallIf, "reverse-install-if"),
    (F::Contents, "contents"),
    (F::Triggers, "triggers"),
    (F::Scripts, "scripts"),
    (F::ReplacesPriority, "replaces-priority"),
    (F::Replaces, "replaces"),
    (F::Status, "status"),
];

impl Field {
    /// All fields.
    pub fn all() -> impl Iterator<Item = Field> {
        FIELDS.iter().map(|(field, ..)| *field)
    }

    /// Finds a field by its name on the command line.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Field> {
        let found = FIELDS.iter().find(|(_, known)| *known == key);
        found.map(|(field, ..)| *field)
    }

    /// The name on the command line.
    #[must_use]
    pub fn key(self) -> &'static str {
        let row = FIELDS.iter().find(|(field, _)| *field == self);
        row.map_or("", |(_, key)| key)
    }

    /// The name as it is shown: `Download-URL`.
    #[must_use]
    pub fn title(self) -> String {
        let words = self.key().split('-').map(|word| match word.split_at(1) {
            ("u", "rl") => "URL".to_owned(),
            (first, rest) => first.to_uppercase() + rest,
        });
        words.collect::<Vec<_>>().join("-")
    }
}

/// Some of the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields(u64);

impl Fields {
    /// None of them.
    pub const NONE: Fields = Fields(0);

    /// These.
    #[must_use]
    pub fn of(fields: &[Field]) -> Fields {
        fields.iter().fold(Fields::NONE, |all, one| all.with(*one))
    }

    /// All of them.
    #[must_use]
    pub fn all() -> Fields {
        Field::all().fold(Fields::NONE, Fields::with)
    }

    /// What a query prints without being told.
    #[must_use]
    pub fn usual() -> Fields {
        Fields::of(&[
            F::Query,
            F::Error,
            F::Name,
            F::Version,
            F::Description,
            F::Arch,
            F::License,
            F::Origin,
            F::Url,
            F::Tags,
            F::FileSize,
        ])
    }

    /// What an operand can be compared with.
    #[must_use]
    pub fn matchable() -> Fields {
        Fields::of(&[
            F::Package,
            F::Name,
            F::Version,
            F::Description,
            F::Arch,
            F::License,
            F::Origin,
            F::Maintainer,
            F::Url,
            F::Provides,
            F::Depends,
            F::InstallIf,
            F::Recommends,
            F::Replaces,
            F::Tags,
            F::Contents,
            F::Owner,
        ])
    }

    /// What can be summarized.
    #[must_use]
    pub fn summarizable() -> Fields {
        Fields::of(&[
            F::Package,
            F::Name,
            F::Origin,
            F::Depends,
            F::Provides,
            F::Replaces,
            F::InstallIf,
            F::Recommends,
            F::ReverseDepends,
            F::ReverseInstallIf,
        ])
    }

    /// What only the installed database knows.
    #[must_use]
    pub fn installed_only() -> Fields {
        Fields::of(&[
            F::Replaces,
            F::Contents,
            F::Triggers,
            F::Scripts,
            F::ReplacesPriority,
            F::Status,
        ])
    }

    /// Reads names separated by commas, or `all`; `None` if one is not of `allowed`, or if there is none.
    #[must_use]
    pub fn parse(text: &str, allowed: Fields) -> Option<Fields> {
        if text == "all" {
            return Some(Fields::all());
        }
        let words = text.split(',').filter(|word| !word.is_empty());
        let fields = words.map(|word| Field::from_key(word).filter(|f| allowed.contains(*f)));
        let fields = fields.collect::<Option<Vec<Field>>>()?;
        (!fields.is_empty()).then(|| Fields::of(&fields))
    }

    /// These and one more.
    #[must_use]
    pub fn with(self, field: Field) -> Fields {
        Fields(self.0 | 1 << field as u64)
    }

    /// These without one.
    #[must_use]
    pub fn without(self, field: Field) -> Fields {
        Fields(self.0 & !(1 << field as u64))
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Fields) -> Fields {
        Fields(self.0 | other.0)
    }

    /// These without the others.
    #[must_use]
    pub fn except(self, other: Fields) -> Fields {
        Fields(self.0 & !other.0)
    }

    /// Whether a field is among them.
    #[must_use]
    pub fn contains(self, field: Field) -> bool {
        self.0 >> field as u64 & 1 == 1
    }

    /// Whether all of the others are among these.
    #[must_use]
    pub fn contains_all(self, others: Fields) -> bool {
        others.0 & !self.0 == 0
    }

    /// Whether some field is in both.
    #[must_use]
    pub fn intersects(self, other: Fields) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// In the order of printing.
    pub fn iter(self) -> impl Iterator<Item = Field> {
        Field::all().filter(move |field| self.contains(*field))
    }
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// One text.
    Text(String),
    /// One number.
    Number(u64),
    /// Texts, the number of which is known beforehand.
    Counted(Vec<String>),
    /// Texts that are found while they are printed.
    Found(Vec<String>),
}

/// How packages are named in the reverse lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NamedBy {
    /// By their names, each once.
    #[default]
    Name,
    /// As `name-version`.
    Package,
    /// By their origins, each once.
    Origin,
}

/// What to say of packages.
#[derive(Clone, Copy, Debug, Default)]
pub struct Question {
    /// Which fields.
    pub fields: Fields,
    /// In the reverse lists only installed packages.
    pub installed_only: bool,
    /// How packages are named in the reverse lists.
    pub named_by: NamedBy,
}

impl Inventory {
    /// The fields of a package that are there, in the order of printing.
    #[must_use]
    pub fn describe(&self, package: PackageId, question: &Question) -> Vec<(Field, Value)> {
        let fields = question.fields.iter();
        fields
            .filter_map(|field| Some((field, self.value(package, field, question)?)))
            .collect()
    }

    /// Whether a question about a package cannot be answered, because it is not installed or the field has no value.
    #[must_use]
    pub fn leaves_open(&self, package: PackageId, fields: Fields) -> bool {
        fields.contains(Field::Hash)
            || (self[package].installed.is_none() && fields.intersects(Fields::installed_only()))
    }

    /// The value of one field, if it is there.
    #[must_use]
    pub fn value(&self, package: PackageId, field: Field, question: &Question) -> Option<Value> {
        let record = &self[package].record;
        let text = |text: &str| (!text.is_empty()).then(|| Value::Text(text.to_owned()));
        let optional = |text: &Option<Text>| text.clone().map(|text| Value::Text(text.into()));
        match field {
            F::Query | F::Error | F::PathTarget | F::Owner => None,
            F::Hash => None,
            F::Package => Some(Value::Text(self.title(package))),
            F::Name => Some(Value::Text(record.name.to_string())),
            F::Version => text(record.version.as_str()),
            F::Description => text(&record.description),
            F::Arch => optional(&record.arch),
            F::License => text(&record.license),
            F::Origin => optional(&record.origin),
            F::Maintainer => optional(&record.maintainer),
            F::Url => text(&record.url),
            F::Commit => optional(&record.commit),
            F::BuildTime => number(record.build_time),
            F::InstalledSize => number(record.installed_size),
            F::FileSize => number(record.size),
            F::ProviderPriority => number(record.provider_priority.into()),
            F::Depends => counted(&record.depends),
            F::Provides => counted(&record.provides),
            F::InstallIf => counted(&record.install_if),
            F::Recommends => counted(&record.recommends),
            F::Layer => number(record.layer.into()),
            F::Tags if !record.tags.is_empty() => counted(&record.tags),
            F::Repositories => Some(Value::Found(self.repositories_of(package))),
            F::DownloadUrl => self.download_url(package).map(Value::Text),
            F::ReverseDepends => {
                let found = self.dependants(package, question.installed_only);
                Some(Value::Found(self.named(package, &found, question.named_by)))
            }
            F::ReverseInstallIf => {
                let found = self.awaiting(package, question.installed_only);
                Some(Value::Found(self.named(package, &found, question.named_by)))
            }
            _ => self[package]
                .installed
                .as_ref()
                .and_then(|installed| installed.value(field)),
        }
    }

    /// The URL of the package's file; `None` if no repository has it, or one with a pattern that makes no name.
    #[must_use]
    pub fn download_url(&self, package: PackageId) -> Option<String> {
        let record = &self[package].record;
        let (version, arch) = (record.version.as_str(), record.arch.as_deref());
        let arch = arch.unwrap_or_default();
        let repository = self.source(package)?;
        let Some(pattern) = &repository.pkgname_spec else {
            return Some(repository.listed.package_url(&record.name, version, arch));
        };
        let value = |key: &str| match key {
            "name" => Some(record.name.to_string()),
            "version" => Some(version.to_owned()),
            "arch" => Some(arch.to_owned()),
            "hash" => Some(record.identity.to_hex()),
            _ => None,
        };
        let path = apk_format::database::substitute(pattern, value).ok()?;
        if pattern.contains("://") {
            return Some(path);
        }
        Some(format!("{}/{path}", repository.listed.base_url()))
    }

    fn repositories_of(&self, package: PackageId) -> Vec<String> {
        let known = &self[package];
        let installed = known.installed.iter().map(|_| INSTALLED.to_owned());
        let listing = known.repositories.iter();
        let listing = listing.filter_map(|at| self.repositories.get(*at));
        let urls = listing.map(|repository| printable(&repository.listed.url));
        installed.chain(urls).collect()
    }

    /// Packages by name; `of` is the one they belong to.
    fn named(&self, of: PackageId, packages: &[PackageId], by: NamedBy) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for package in packages {
            let record = &self[*package].record;
            let name = match by {
                NamedBy::Package => {
                    names.push(self.title(*package));
                    continue;
                }
                NamedBy::Name => record.name.to_string(),
                // apk asks whether the package itself has an origin, not whether the one it names has.
                NamedBy::Origin if self[of].record.origin.is_none() => continue,
                NamedBy::Origin => record.origin.clone().unwrap_or_default().into(),
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

impl Installed {
    fn value(&self, field: Field) -> Option<Value> {
        match field {
            F::Tags => counted(&self.labels),
            F::Contents => Some(Value::Found(self.paths().collect())),
            F::Triggers => counted(&self.triggers),
            F::Scripts => counted(&self.scripts),
            F::ReplacesPriority => number(self.replaces_priority.into()),
            F::Replaces => counted(&self.replaces),
            F::Status => {
                let states = [
                    (true, "installed"),
                    (self.flags.broken_files, "broken-files"),
                    (self.flags.broken_script, "broken-script"),
                    (self.flags.broken_xattrs, "broken-xattr"),
                ];
                let states = states.iter().filter(|(holds, _)| *holds);
                Some(Value::Found(
                    states.map(|(_, text)| (*text).to_owned()).collect(),
                ))
            }
            _ => None,
        }
    }

    /// The paths of all files, without a leading slash.
    pub fn paths(&self) -> impl Iterator<Item = String> {
        self.dirs.iter().flat_map(|dir| {
            let join = |name: &str| match dir.path.as_str() {
                "" => name.to_owned(),
                path => format!("{path}/{name}"),
            };
            dir.files.iter().map(move |file| join(&file.name))
        })
    }
}

/// How apk names the installed database among repositories.
pub const INSTALLED: &str = "lib/apk/db/installed";

/// An URL without the password in it.
#[must_use]
pub fn printable(url: &str) -> String {
    let hidden = || {
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split('/').next()?;
        let (user, host) = authority.split_once('@')?;
        let (name, _) = user.split_once(':')?;
        let rest = rest.strip_prefix(authority)?;
        Some(format!("{scheme}://{name}:*@{host}{rest}"))
    };
    hidden().unwrap_or_else(|| url.to_owned())
}

fn number(value: u64) -> Option<Value> {
    (value != 0).then_some(Value::Number(value))
}

fn counted<T: ToString>(items: &[T]) -> Option<Value> {
    let texts = || items.iter().map(ToString::to_string).collect();
    (!items.is_empty()).then(|| Value::Counted(texts()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_names_are_read() {
        let fields = Fields::parse("name,url", Fields::all());
        assert_eq!(fields, Some(Fields::of(&[F::Name, F::Url])));
        assert_eq!(Fields::parse("all", Fields::NONE), Some(Fields::all()));
        for wrong in ["", "nope", "name,nope", "Name"] {
            assert_eq!(Fields::parse(wrong, Fields::all()), None, "{wrong}");
        }
        assert_eq!(Fields::parse("contents", Fields::summarizable()), None);
        assert_eq!(Field::all().map(Field::key).count(), 35);
    }

    #[test]
    fn passwords_are_hidden() {
        for (url, shown) in [
            ("https://u:p@h/x", "https://u:*@h/x"),
            ("https://u@h/x", "https://u@h/x"),
            ("https://h/x:y@z", "https://h/x:y@z"),
            ("/a", "/a"),
        ] {
            assert_eq!(printable(url), shown);
        }
    }
}
