//! Everything apk knows of when it has opened a root and its repositories: names and packages, and what links them.
//!
//! | room | answers |
//! |---|---|
//! | here | which packages there are, who provides a name, what is newer |
//! | [`open`] | the same, read from a root and its repositories |
//! | [`field`] | what can be asked of a package |
//! | [`search`] | which packages an operand means |
//!
//! A package is known by its identity: listed by several repositories, or installed, it is still one. The order of
//! all lists is that of reading: world, installed packages, repositories.

pub mod field;
mod names;
pub mod open;
pub mod search;

use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};
use std::path::PathBuf;
use std::sync::OnceLock;

use apk_format::database::{DirectoryOrder, Flags, ListedRepository};
use apk_format::{
    Dependency, Digest, InstalledDir, InstalledPackage, Record, ScriptKind, Version,
    dependency::name_order, index::Outline, version,
};

use crate::cache::{PackageCache, file_name};
use names::Names;

/// The number of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameId(usize);

/// The number of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageId(usize);

/// What there is. Built once, then only looked at.
#[derive(Debug, Default)]
pub struct Inventory {
    /// `etc/apk/world`.
    pub world: Vec<Dependency>,
    /// Its architectures, the first being its own.
    pub architectures: Vec<String>,
    /// In the order of preference.
    pub repositories: Vec<Repository>,
    /// Whether an index has fields that only a newer apk knows, and whether it has unreadable atoms.
    pub faults: Faults,
    /// Not there until somebody asks for a name.
    names: OnceLock<Names>,
    /// How many packages are linked with those that want them.
    linked: usize,
    packages: Vec<Package>,
    by_identity: HashMap<Key, PackageId>,
    tags: Vec<String>,
    /// The cache that keeps packages, if there is one.
    pub cache: Option<PackageCache>,
    cached: HashSet<PackageId>,
    pub(crate) given: Vec<crate::changeset::Given>,
}

/// What is wrong with some index or database, though it can be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// There are fields that only a newer apk knows.
    pub unknown_fields: bool,
    /// There are dependencies that cannot be read.
    pub unreadable_atoms: bool,
    /// Packages are unusable because of one or the other.
    pub unusable_packages: bool,
}

/// A repository as it was opened.
#[derive(Clone, Debug)]
pub struct Repository {
    /// As it was asked for.
    pub listed: ListedRepository,
    /// All tags it was asked for with; `None` is no tag.
    pub tags: Vec<Option<String>>,
    /// What it says of itself.
    pub description: String,
    /// How its packages are named, where its index says so.
    pub pkgname_spec: Option<String>,
    /// Its index was read.
    pub available: bool,
    /// Its packages can be had.
    pub reachable: bool,
    /// It is on this machine.
    pub local: bool,
    /// What its index lists.
    pub records: Vec<Record>,
}

/// A package, and the version under which it has a name.
#[derive(Clone, Debug)]
pub struct Provider {
    /// The package.
    pub package: PackageId,
    /// Of the package itself for its own name; `None` if it provides the name without one.
    pub version: Option<Version>,
}

/// One build of a package.
#[derive(Debug)]
pub struct Package {
    /// What is known of it; if it is installed, by the installed database.
    pub record: Record,
    /// What only the installed database knows.
    pub installed: Option<Installed>,
    /// Which repositories list it, in order.
    pub repositories: Vec<usize>,
}

/// What the databases say of an installed package beyond its record.
#[derive(Clone, Debug, Default)]
pub struct Installed {
    /// The tag it was installed with.
    pub tag: Option<String>,
    /// Tags given to it by its maker.
    pub labels: Vec<String>,
    /// Packages whose files it may take over.
    pub replaces: Vec<Dependency>,
    /// Who wins when two packages replace each other.
    pub replaces_priority: u16,
    /// What went wrong.
    pub flags: Flags,
    /// Its files.
    pub dirs: Vec<InstalledDir>,
    /// Its triggers.
    pub triggers: Vec<String>,
    /// Its scripts.
    pub scripts: Vec<ScriptKind>,
}

impl Inventory {
    /// Knows the world, and nothing else yet.
    #[must_use]
    pub fn new(world: Vec<Dependency>, architectures: Vec<String>) -> Inventory {
        let mut inventory = Inventory {
            architectures,
            ..Inventory::default()
        };
        for dependency in &world {
            inventory.meet_tag(dependency.tag.as_deref());
        }
        inventory.world = world;
        inventory
    }

    /// Adds an installed package. Its directories and files come into the order in which apk 3.0.6 has them once it has
    /// read them, whoever wrote them.
    pub fn add_installed(&mut self, mut package: InstalledPackage) {
        let paths: Vec<String> = package.dirs.iter().map(|dir| dir.path.clone()).collect();
        let mut order = DirectoryOrder::default();
        paths.iter().for_each(|path| order.enter(path));
        package.arrange(order);
        self.note_faults(&package.record.outline());
        let id = self.add(package.record);
        self.meet_tag(package.tag.as_deref());
        if let Some(known) = self.packages.get_mut(id.0) {
            known.installed.get_or_insert(Installed {
                tag: package.tag,
                labels: package.labels,
                replaces: package.replaces,
                replaces_priority: package.replaces_priority,
                flags: package.flags,
                dirs: package.dirs,
                triggers: Vec::new(),
                scripts: Vec::new(),
            });
        }
    }

    /// Adds what the other databases say of an installed package; without effect if it is not installed.
    pub fn amend(&mut self, identity: &Digest, change: impl FnOnce(&mut Installed)) {
        let id = self.by_identity.get(&key(identity)).copied();
        let package = id.and_then(|id| self.packages.get_mut(id.0));
        if let Some(installed) = package.and_then(|package| package.installed.as_mut()) {
            change(installed);
        }
    }

    /// Adds a repository and what it lists.
    pub fn add_repository(&mut self, repository: Repository) {
        for tag in &repository.tags {
            self.meet_tag(tag.as_deref());
        }
        let number = self.repositories.len();
        for record in &repository.records {
            let outline = record.outline();
            self.note_faults(&outline);
            let before = self.packages.len();
            let id = self.enter(&outline.identity, || record.clone());
            let Some(package) = self.packages.get_mut(id.0) else {
                continue;
            };
            // What was installed before gets the size of the file.
            let offered = id.0 < before && package.repositories.is_empty();
            if offered && package.record.size != outline.size {
                package.record.size = outline.size;
            }
            if package.repositories.last() != Some(&number) {
                package.repositories.push(number);
            }
        }
        self.repositories.push(repository);
    }

    /// Links packages with those that want them. To be called once, after everything was added.
    pub fn link(&mut self) {
        self.linked = self.packages.len();
        self.names = OnceLock::new();
    }

    fn met(&self) -> &Names {
        self.names.get_or_init(|| Names::read(self, self.linked))
    }

    /// The package that a file in a cache is, by its name and its length in bytes.
    #[must_use]
    pub fn named_in_cache(&self, file: &str, length: u64) -> Option<PackageId> {
        let dashes = file.match_indices('-').map(|(at, _)| at);
        let names = dashes.filter_map(|at| self.find(file.get(..at)?));
        let mut builds = names.flat_map(|name| self.builds(name));
        builds.find(|build| {
            let record = &self[*build].record;
            record.size == length && file_name(record).as_deref() == Some(file)
        })
    }

    /// Takes note of what the cache has.
    pub(crate) fn use_cache(&mut self, cache: PackageCache) {
        for (name, length) in cache.files().unwrap_or_default() {
            let package = self.named_in_cache(&name, length);
            self.cached.extend(package);
        }
        self.cache = Some(cache);
    }

    /// Whether the cache has the package.
    #[must_use]
    pub fn is_cached(&self, package: PackageId) -> bool {
        self.cached.contains(&package)
    }

    /// Packages that only the cache has.
    pub(crate) fn only_cached(&self) -> impl Iterator<Item = PackageId> {
        let mut cached: Vec<_> = self.cached.iter().copied().collect();
        cached.sort_unstable();
        cached.into_iter().filter(|one| !self.is_available(*one))
    }

    pub(crate) fn add(&mut self, record: Record) -> PackageId {
        let identity = record.identity;
        self.enter(&identity, || record)
    }

    /// The package with an identity, which is added unless it was there before.
    fn enter(&mut self, identity: &Digest, record: impl FnOnce() -> Record) -> PackageId {
        let id = PackageId(self.packages.len());
        match self.by_identity.entry(key(identity)) {
            Entry::Occupied(known) => return *known.get(),
            Entry::Vacant(place) => place.insert(id),
        };
        self.names = OnceLock::new();
        self.packages.push(Package {
            record: record(),
            installed: None,
            repositories: Vec::new(),
        });
        id
    }

    fn meet_tag(&mut self, tag: Option<&str>) {
        if let Some(tag) = tag.filter(|tag| !self.tags.iter().any(|known| known == tag)) {
            self.tags.push(tag.to_owned());
        }
    }

    fn note_faults(&mut self, record: &Outline<'_>) {
        use apk_format::Uninstallable::{Dependency, UnknownField};
        let faults = &mut self.faults;
        // apk reads a conflict among provides without complaint.
        let ignored = record.ignored.iter();
        let mut ignored = ignored.filter(|left_out| !left_out.starts_with("p:!"));
        faults.unknown_fields |= matches!(record.uninstallable, Some(UnknownField(_)))
            || ignored.clone().any(|left_out| left_out.len() == 2);
        faults.unreadable_atoms |= matches!(record.uninstallable, Some(Dependency(_)))
            || ignored.any(|left_out| left_out.len() > 2)
            || record
                .provides()
                .any(|(_, version)| version.is_some_and(|version| !version::is_valid(version)));
        faults.unusable_packages |= record.uninstallable.is_some();
    }

    /// The package with this identity.
    #[must_use]
    pub fn identified(&self, identity: &Digest) -> Option<PackageId> {
        self.by_identity.get(&key(identity)).copied()
    }

    /// How many directories and files the installed packages have; a directory of several counts once,
    /// and those above it count too.
    #[must_use]
    pub fn extent(&self) -> (usize, usize) {
        let mut dirs = std::collections::HashSet::new();
        let mut files = 0;
        for dir in self.packages().flat_map(|package| self.dirs(package)) {
            let mut path = dir.path.as_str();
            while dirs.insert(path) {
                path = path.rsplit_once('/').map_or("", |(parent, _)| parent);
            }
            files += dir.files.len();
        }
        (dirs.len(), files)
    }

    /// The name with this text.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<NameId> {
        self.met().find(text)
    }

    /// The text of a name.
    #[must_use]
    pub fn text(&self, name: NameId) -> &str {
        self.met().get(name).map_or("", |name| &name.text)
    }

    /// The package's own name.
    #[must_use]
    pub fn name_of(&self, package: PackageId) -> NameId {
        self.met().own(package)
    }

    /// All names, in the order in which apk visits them.
    pub fn names(&self) -> impl Iterator<Item = NameId> {
        self.met().order.iter().copied()
    }

    /// All names, in the order in which apk shows them.
    #[must_use]
    pub fn sorted_names(&self) -> Vec<NameId> {
        let mut names = self.met().order.clone();
        names.sort_by(|a, b| name_order(self.text(*a), self.text(*b)));
        names
    }

    /// All packages, in the order of reading.
    pub fn packages(&self) -> impl Iterator<Item = PackageId> {
        (0..self.packages.len()).map(PackageId)
    }

    /// Who has a name: packages of that name, and packages that provide it.
    #[must_use]
    pub fn providers(&self, name: NameId) -> &[Provider] {
        self.met().get(name).map_or(&[], |name| &name.providers)
    }

    /// The packages of that name.
    pub fn builds(&self, name: NameId) -> impl Iterator<Item = PackageId> {
        let providers = self.providers(name).iter();
        let own = providers.filter(move |p| self.name_of(p.package) == name);
        let mut last = None;
        own.map(|provider| provider.package)
            .filter(move |id| last.replace(*id) != Some(*id))
    }

    /// Whether some repository lists a package that has the name.
    #[must_use]
    pub fn is_offered(&self, name: NameId) -> bool {
        self.met().get(name).is_some_and(|name| name.offered)
    }

    /// The installed package of that name.
    #[must_use]
    pub fn installed(&self, name: NameId) -> Option<PackageId> {
        self.builds(name).find(|id| self[*id].installed.is_some())
    }

    /// Whether the package can be had from some repository.
    #[must_use]
    pub fn is_available(&self, package: PackageId) -> bool {
        let mut repositories = self[package].repositories.iter();
        repositories.any(|at| self.repositories.get(*at).is_some_and(|r| r.reachable))
    }

    /// Where to get a package: the first repository on this machine that lists it, else the first reachable one.
    #[must_use]
    pub fn source(&self, package: PackageId) -> Option<&Repository> {
        let listing = self[package].repositories.iter();
        let reachable = listing.filter_map(|at| self.repositories.get(*at));
        let mut reachable = reachable.filter(|repository| repository.reachable);
        let first = reachable.clone().next();
        reachable.find(|repository| repository.local).or(first)
    }

    /// The older installed package that this one would replace.
    #[must_use]
    pub fn upgradable_from(&self, package: PackageId) -> Option<PackageId> {
        let known = &self[package];
        let old = self.installed(self.name_of(package))?;
        let tag = self[old].installed.as_ref()?.tag.as_deref();
        let allowed = known.repositories.iter().any(|at| self.allows(*at, tag));
        let older = self[old].record.version < known.record.version;
        (allowed && older).then_some(old)
    }

    /// Whether a repository may be used under a tag: it was opened with it.
    #[must_use]
    pub fn allows(&self, repository: usize, tag: Option<&str>) -> bool {
        let repository = self.repositories.get(repository);
        repository.is_some_and(|repository| {
            repository.available && repository.tags.iter().any(|one| one.as_deref() == tag)
        })
    }

    /// All tags, in the order in which they were met.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().map(String::as_str)
    }

    /// The packages with a dependency, other than a conflict, that this one satisfies; each once.
    #[must_use]
    pub fn dependants(&self, package: PackageId, installed_only: bool) -> Vec<PackageId> {
        self.dependants_beside(package, installed_only, &mut HashSet::new())
    }

    /// The same without those in `seen`, to which every package goes that was asked whether it depends on this one.
    pub fn dependants_beside(
        &self,
        package: PackageId,
        installed_only: bool,
        seen: &mut HashSet<PackageId>,
    ) -> Vec<PackageId> {
        let provides = self[package].record.provides.iter();
        let provided = provides.filter_map(|provide| self.find(&provide.name));
        let names = std::iter::once(self.name_of(package)).chain(provided);
        let wanting = names.flat_map(|name| self.met().get(name).map_or(&[][..], |n| &n.wanted_by));
        let mut found = Vec::new();
        for provider in wanting.flat_map(|name| self.providers(*name)) {
            let dependant = provider.package;
            if (installed_only && self[dependant].installed.is_none()) || !seen.insert(dependant) {
                continue;
            }
            let mut wants = self[dependant].record.depends.iter();
            if wants.any(|wanted| !wanted.conflict && self.satisfies(package, wanted)) {
                found.push(dependant);
            }
        }
        found
    }

    /// The packages with an auto-installation rule that this one is part of; each once.
    #[must_use]
    pub fn awaiting(&self, package: PackageId, installed_only: bool) -> Vec<PackageId> {
        let mut found = Vec::new();
        for provider in self
            .awaiting_names(package)
            .flat_map(|name| self.providers(name))
        {
            let one = provider.package;
            if found.contains(&one) || (installed_only && self[one].installed.is_none()) {
                continue;
            }
            let mut rule = self[one].record.install_if.iter();
            if rule.any(|wanted| !wanted.conflict && self.satisfies(package, wanted)) {
                found.push(one);
            }
        }
        found
    }

    /// The names some provider of which has this package's own name in its auto-installation rule.
    pub fn awaiting_names(&self, package: PackageId) -> impl Iterator<Item = NameId> {
        let name = self.met().get(self.name_of(package));
        name.map_or(&[][..], |name| &name.awaited_by)
            .iter()
            .copied()
    }

    /// Whether a package has what a dependency wants, under its own name or one that it provides.
    #[must_use]
    pub fn satisfies(&self, package: PackageId, wanted: &Dependency) -> bool {
        let record = &self[package].record;
        let identity = Some(&record.identity);
        if record.name == wanted.name {
            return wanted.satisfied_by(identity, Some(&record.version));
        }
        let provided = record
            .provides
            .iter()
            .find(|provide| provide.name == wanted.name);
        provided.is_some_and(|provide| wanted.satisfied_by(identity, provide.version.as_ref()))
    }

    /// `name-version`
    #[must_use]
    pub fn title(&self, package: PackageId) -> String {
        crate::layer::title(&self[package].record)
    }

    /// Sorts packages by name and version, as apk shows them; equal ones keep their order.
    pub fn sort(&self, packages: &mut [PackageId]) {
        packages.sort_by(|a, b| self.compare(*a, *b));
    }

    /// The order of [`Inventory::sort`].
    #[must_use]
    pub fn compare(&self, a: PackageId, b: PackageId) -> std::cmp::Ordering {
        let (a, b) = (&self[a].record, &self[b].record);
        name_order(&a.name, &b.name).then_with(|| a.version.cmp(&b.version))
    }

    /// The installed package that a path belongs to: a file's owner, or the one that decides on a directory.
    #[must_use]
    pub fn owner(&self, path: &str) -> Option<PackageId> {
        let path = path.strip_prefix('/').unwrap_or(path).trim_end_matches('/');
        let owner_of_dir = self.directory_owner(path);
        if owner_of_dir.is_some() {
            return owner_of_dir;
        }
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        self.packages().find(|id| {
            let mut dirs = self.dirs(*id).filter(|dir| dir.path == parent);
            dirs.any(|dir| dir.files.iter().any(|file| file.name == name))
        })
    }

    fn directory_owner(&self, path: &str) -> Option<PackageId> {
        let has_dir = |id: &PackageId| self.dirs(*id).any(|dir| dir.path == path);
        self.packages()
            .filter(has_dir)
            .reduce(|a, b| self.dir_owner(a, b))
    }

    fn dirs(&self, package: PackageId) -> impl Iterator<Item = &InstalledDir> {
        let installed = self[package].installed.as_ref();
        installed
            .map_or(&[][..], |installed| &installed.dirs)
            .iter()
    }

    /// Which of two packages decides on a directory of both: apk 3's rule.
    pub(crate) fn dir_owner(&self, a: PackageId, b: PackageId) -> PackageId {
        let priority = |id: PackageId| {
            let installed = self[id].installed.as_ref();
            installed.map_or(0, |installed| installed.replaces_priority)
        };
        match priority(a).cmp(&priority(b)) {
            std::cmp::Ordering::Greater => return a,
            std::cmp::Ordering::Less => return b,
            std::cmp::Ordering::Equal => {}
        }
        let (first, second) = (&self[a].record, &self[b].record);
        if first.origin.is_some() && first.origin == second.origin {
            if first.origin.as_deref() == Some(&first.name) {
                return a;
            }
            if second.origin.as_deref() == Some(&second.name) {
                return b;
            }
        }
        if first.name <= second.name { a } else { b }
    }
}

impl std::ops::Index<PackageId> for Inventory {
    type Output = Package;

    #[expect(
        clippy::indexing_slicing,
        reason = "packages are never removed, so a number that was handed out is valid"
    )]
    fn index(&self, id: PackageId) -> &Package {
        &self.packages[id.0]
    }
}

/// What tells packages apart: the first 20 bytes of their identity, as apk compares them.
fn key(identity: &Digest) -> Key {
    identity
        .as_bytes()
        .first_chunk()
        .copied()
        .unwrap_or([0; 20])
}

type Key = [u8; 20];

/// Where a repository on this machine is; `None` if it is on another.
#[must_use]
pub fn local_path(url: &str) -> Option<PathBuf> {
    apk_format::database::local_path(url).map(PathBuf::from)
}
