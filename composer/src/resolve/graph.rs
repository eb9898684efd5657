//! What there is: every name and every package, linked with each other and never changed afterwards.
//!
//! The order of all lists here is the order of reading (world, installed packages, repositories; in a record its name,
//! depends, provides, install_if), except the two reverse lists, which follow [`names::visiting_order`].

use std::collections::HashMap;
use std::ops::Range;

use apk_format::{Constraint, Dependency, Op, Uninstallable, Version, dependency};

use super::names;
use super::table::{NameId, PackageId, Table};
use super::tags::{TagSet, Tags, TooManyTags};
use super::{Access, Offer, Universe};
use apk_format::index::Record;

/// Names and packages of one [`Universe`], and the names of one world.
#[derive(Debug)]
pub(super) struct Graph<'a> {
    pub(super) names: Table<NameId, Name<'a>>,
    pub(super) packages: Table<PackageId, Package<'a>>,
    /// In the order of the installed database.
    pub(super) installed: Vec<PackageId>,
    pub(super) tags: Tags<'a>,
    /// The tags that some repository has.
    pub(super) known_tags: TagSet,
    numbers: HashMap<&'a str, NameId>,
    edges: Vec<Edge<'a>>,
    provided: Vec<Provided<'a>>,
    malformed: HashMap<PackageId, (NameId, Dependency)>,
    awaited: Vec<NameId>,
    shared: Vec<Shared>,
    runs: Vec<Run>,
}

/// A node: a string that packages are called, provide, want or wait for.
#[derive(Debug)]
pub(super) struct Name<'a> {
    pub(super) text: &'a str,
    pub(super) providers: Vec<Provider<'a>>,
    /// The names some provider of which has this name in its depends, conflicts included; each once.
    pub(super) reverse_depends: Vec<NameId>,
    /// The same through install_if.
    pub(super) reverse_install_if: Vec<NameId>,
    /// Names with the same class are provided by the same packages; [`SOLE`] if it is one package.
    pub(super) class: usize,
}

/// How many records get room before any of them was read.
const MANY: usize = 1 << 15;

/// The class of names that only one package provides, or none.
pub(super) const SOLE: usize = usize::MAX;

/// A name that a package shares with others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared {
    pub(super) name: NameId,
    /// Whether it is provided without a version; `None` for the package's own name.
    pub(super) unversioned: Option<bool>,
}

/// Names that a package shares with others, one after the other and of one class.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) class: usize,
    items: Range<usize>,
}

/// A package, and the version under which it provides the name in whose list this stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Provider<'a> {
    pub(super) package: PackageId,
    pub(super) version: Option<&'a Version>,
}

/// One build.
#[derive(Debug)]
pub(super) struct Package<'a> {
    pub(super) name: NameId,
    /// As first read: if installed, as the installed database has it.
    pub(super) record: &'a Record,
    /// The lowest number of a repository that has it.
    pub(super) first: Option<usize>,
    /// Where it can be had.
    pub(super) offer: Option<Offer>,
    access: Access,
    /// Whether the command brings it, and whether as a file.
    pub(super) given: Option<bool>,
    /// Its tag in the installed database.
    pub(super) installed: Option<TagSet>,
    /// The tags of the repositories that have it and, if it is installed, of all that have the tag it was installed with.
    pub(super) home: TagSet,
    /// Neither made for another architecture nor written in a way that forbids its use.
    pub(super) installable: bool,
    pub(super) foreign: bool,
    /// The build that the name is pinned to, if it is another.
    pub(super) pinned: Option<&'a Record>,
    /// Some name is provided without a version.
    pub(super) spares: bool,
    awaited: Range<usize>,
    runs: Range<usize>,
    depends: Range<usize>,
    install_if: Range<usize>,
    provides: Range<usize>,
}

/// An item of a package's depends or install_if.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge<'a> {
    pub(super) name: NameId,
    pub(super) dependency: &'a Dependency,
}

/// An item of a package's provides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Provided<'a> {
    pub(super) name: NameId,
    pub(super) version: Option<&'a Version>,
}

impl Package<'_> {
    pub(super) fn is_installed(&self) -> bool {
        self.installed.is_some()
    }

    /// Whether it can be had now, be it from a file.
    pub(super) fn is_available(&self) -> bool {
        self.offer.is_some() || self.given == Some(true)
    }
}

impl<'a> Graph<'a> {
    /// Links everything in the universe; the world comes first because its names are met first.
    pub(super) fn read(
        universe: &Universe<'a>,
        world: &'a [Dependency],
    ) -> Result<Self, TooManyTags> {
        // Most indexes have less names, dependencies and provides for each record.
        let records = universe.repositories.iter().map(|one| one.records.len());
        let records = records.sum::<usize>().min(MANY);
        let mut graph = Graph {
            names: Table::with_capacity(4 * records),
            packages: Table::with_capacity(records),
            installed: Vec::new(),
            tags: Tags::default(),
            known_tags: TagSet::EMPTY,
            numbers: HashMap::with_capacity(4 * records),
            edges: Vec::with_capacity(5 * records),
            provided: Vec::with_capacity(5 * records),
            malformed: HashMap::new(),
            awaited: Vec::new(),
            shared: Vec::new(),
            runs: Vec::new(),
        };
        let mut reader = Reader {
            graph: &mut graph,
            universe,
            by_identity: HashMap::with_capacity(records),
        };
        reader.world(world)?;
        reader.installed()?;
        reader.repositories()?;
        reader.graph.link_names();
        reader.given();
        reader.pin();
        graph.link_packages();
        Ok(graph)
    }

    /// How many names and tags there are now.
    pub(super) fn mark(&self) -> (usize, usize) {
        (self.names.len(), self.tags.len())
    }

    /// Forgets the names and tags that were met after a mark. No package may have come since.
    pub(super) fn forget_since(&mut self, (names, tags): (usize, usize)) {
        for name in self.names.truncate(names) {
            // The nameless one is not there, but something may really be called so.
            if self
                .numbers
                .get(name.text)
                .is_some_and(|id| id.is_from(names))
            {
                self.numbers.remove(name.text);
            }
        }
        self.tags.truncate(tags);
    }

    /// How much there is: names, packages, and what these say.
    pub(super) fn size(&self) -> usize {
        self.names.len() + self.packages.len() + self.edges.len() + self.provided.len()
    }

    /// Puts another dependency in the place of one of a package.
    pub(super) fn relax(&mut self, package: PackageId, item: usize, other: Edge<'a>) {
        let place = self.packages[package].depends.start + item;
        if let Some(edge) = self.edges.get_mut(place) {
            *edge = other;
        }
    }

    /// A name that nothing has and nobody finds.
    pub(super) fn nameless(&mut self) -> NameId {
        self.names.push(Name::new(""))
    }

    /// The node of a name, made now if it was not met before.
    pub(super) fn meet(&mut self, text: &'a str) -> NameId {
        *self
            .numbers
            .entry(text)
            .or_insert_with(|| self.names.push(Name::new(text)))
    }

    pub(super) fn find(&self, text: &str) -> Option<NameId> {
        self.numbers.get(text).copied()
    }

    pub(super) fn depends(&self, package: PackageId) -> &[Edge<'a>] {
        self.edges
            .get(self.packages[package].depends.clone())
            .unwrap_or_default()
    }

    /// One item of a package's depends. After the good ones comes the one that cannot be read: apk refuses the package
    /// for it, but if that is chosen all the same, looks for what it wants.
    pub(super) fn depends_at(&self, package: PackageId, item: usize) -> Option<Edge<'_>> {
        let good = self.depends(package);
        match good.get(item) {
            Some(edge) => Some(*edge),
            None if item == good.len() => {
                let (name, dependency) = self.malformed.get(&package)?;
                Some(Edge {
                    name: *name,
                    dependency,
                })
            }
            None => None,
        }
    }

    /// All items of [`Graph::depends_at`].
    pub(super) fn all_depends(&self, package: PackageId) -> impl Iterator<Item = Edge<'_>> {
        (0..).map_while(move |item| self.depends_at(package, item))
    }

    pub(super) fn install_if(&self, package: PackageId) -> &[Edge<'a>] {
        self.edges
            .get(self.packages[package].install_if.clone())
            .unwrap_or_default()
    }

    pub(super) fn provides(&self, package: PackageId) -> &[Provided<'a>] {
        self.provided
            .get(self.packages[package].provides.clone())
            .unwrap_or_default()
    }

    /// Those names of the package that some install_if speaks of.
    pub(super) fn awaited(&self, package: PackageId) -> &[NameId] {
        let names = self.awaited.get(self.packages[package].awaited.clone());
        names.unwrap_or_default()
    }

    /// The names that the package shares with others, but for those of one class; in the order of [`Graph::names_of`].
    pub(super) fn shared(&self, package: PackageId, but: usize) -> impl Iterator<Item = &Shared> {
        let runs = self.runs.get(self.packages[package].runs.clone());
        let runs = runs.unwrap_or_default().iter();
        runs.filter(move |run| run.class != but)
            .flat_map(|run| self.shared.get(run.items.clone()).unwrap_or_default())
    }

    /// The package's own name, then what it provides, as written.
    pub(super) fn names_of(&self, package: PackageId) -> impl Iterator<Item = NameId> {
        std::iter::once(self.packages[package].name)
            .chain(self.provides(package).iter().map(|provided| provided.name))
    }

    /// One of the names of [`Graph::names_of`].
    pub(super) fn name_of(&self, package: PackageId, place: usize) -> Option<NameId> {
        match place.checked_sub(1) {
            None => Some(self.packages[package].name),
            Some(item) => self
                .provides(package)
                .get(item)
                .map(|provided| provided.name),
        }
    }

    /// The package as a provider of its own name.
    pub(super) fn itself(&self, package: PackageId) -> Provider<'a> {
        Provider {
            package,
            version: Some(&self.packages[package].record.version),
        }
    }

    /// The package as a provider of a name, under its own version if the name is its own, else as it first provides it.
    pub(super) fn provider(&self, package: PackageId, name: NameId) -> Option<Provider<'a>> {
        if self.packages[package].name == name {
            return Some(self.itself(package));
        }
        let provided = self
            .provides(package)
            .iter()
            .find(|provided| provided.name == name)?;
        Some(Provider {
            package,
            version: provided.version,
        })
    }

    /// Whether `dependant` has a dependency, be it a refusal of other versions, that `package` satisfies.
    pub(super) fn depends_on(&self, dependant: PackageId, package: PackageId) -> bool {
        self.depends(dependant).iter().any(|edge| {
            let provider = self.provider(package, edge.name);
            provider.is_some() && self.satisfied(edge.dependency, Some(dependant), provider)
        })
    }

    /// Whether `provider` (or nobody) is what the dependency wants; `requirer` is the package that states it, if not
    /// the world.
    ///
    /// A package may conflict with names it provides itself.
    pub(super) fn satisfied(
        &self,
        dependency: &Dependency,
        requirer: Option<PackageId>,
        provider: Option<Provider<'a>>,
    ) -> bool {
        let Some(provider) = provider else {
            return dependency.conflict;
        };
        if dependency.conflict && requirer == Some(provider.package) {
            return true;
        }
        dependency.satisfied_by(
            Some(&self.packages[provider.package].record.identity),
            provider.version,
        )
    }

    /// Finds what the solver asks of packages again and again.
    fn link_packages(&mut self) {
        self.classify();
        for package in self.packages.keys() {
            let awaited = self.awaited.len();
            let runs = self.runs.len();
            let mut places = 0;
            while let Some(name) = self.name_of(package, places) {
                if !self.names[name].reverse_install_if.is_empty() {
                    self.awaited.push(name);
                }
                let unversioned = places
                    .checked_sub(1)
                    .and_then(|item| self.provides(package).get(item))
                    .map(|provided| provided.version.is_none());
                self.packages[package].spares |= unversioned == Some(true);
                if self.names[name].class != SOLE {
                    self.share(runs, Shared { name, unversioned });
                }
                places += 1;
            }
            self.packages[package].awaited = awaited..self.awaited.len();
            self.packages[package].runs = runs..self.runs.len();
        }
    }

    /// Adds a name to the runs of a package, which begin at `first`.
    fn share(&mut self, first: usize, shared: Shared) {
        let class = self.names[shared.name].class;
        let start = self.shared.len();
        self.shared.push(shared);
        let runs = self.runs.get_mut(first..).unwrap_or_default();
        match runs.last_mut() {
            Some(last) if last.class == class => last.items.end = start + 1,
            _ => self.runs.push(Run {
                class,
                items: start..start + 1,
            }),
        }
    }

    /// Gives names with the same providers the same class.
    fn classify(&mut self) {
        let mut classes: HashMap<Vec<PackageId>, usize> = HashMap::new();
        for name in self.names.keys() {
            if self.names[name].providers.len() < 2 {
                continue;
            }
            // All that a package provides was read at once, so equal ones stand together.
            let providers = self.names[name].providers.iter();
            let mut packages: Vec<PackageId> = providers.map(|one| one.package).collect();
            packages.dedup();
            if packages.len() > 1 {
                let next = classes.len();
                self.names[name].class = *classes.entry(packages).or_insert(next);
            }
        }
    }

    /// Links a package that came after all others: its names go to the end of the lists.
    fn link_late(&mut self, package: PackageId) {
        let names: Vec<NameId> = self.names_of(package).collect();
        let depends: Vec<NameId> = self.depends(package).iter().map(|edge| edge.name).collect();
        let conditions: Vec<NameId> = self
            .install_if(package)
            .iter()
            .map(|edge| edge.name)
            .collect();
        for name in names {
            for wanted in &depends {
                push_new(&mut self.names[*wanted].reverse_depends, name);
            }
            for awaited in &conditions {
                push_new(&mut self.names[*awaited].reverse_install_if, name);
            }
        }
    }

    fn link_names(&mut self) {
        let order = names::visiting_order(self.names.values().map(|name| name.text));
        for name in order {
            for at in 0.. {
                let Some(provider) = self.names[name].providers.get(at).copied() else {
                    break;
                };
                let package = &self.packages[provider.package];
                for edge in self.edges.get(package.depends.clone()).unwrap_or_default() {
                    push_once(&mut self.names[edge.name].reverse_depends, name);
                }
                if let Some((wanted, _)) = self.malformed.get(&provider.package) {
                    push_once(&mut self.names[*wanted].reverse_depends, name);
                }
                for edge in self
                    .edges
                    .get(package.install_if.clone())
                    .unwrap_or_default()
                {
                    push_once(&mut self.names[edge.name].reverse_install_if, name);
                }
            }
        }
    }
}

impl<'a> Name<'a> {
    fn new(text: &'a str) -> Self {
        Name {
            text,
            providers: Vec::new(),
            reverse_depends: Vec::new(),
            reverse_install_if: Vec::new(),
            class: SOLE,
        }
    }
}

/// The dependency of a record that cannot be read: its name, and what it would be with a version like any other.
fn malformed(record: &Record) -> Option<(&str, Dependency)> {
    let Some(Uninstallable::Dependency(atom)) = &record.uninstallable else {
        return None;
    };
    let (conflict, name, op, version) = dependency::split(atom)?;
    let wanted = Dependency {
        conflict,
        name: name.to_owned(),
        tag: None,
        constraint: Constraint::Version {
            op: op.filter(|op| *op != Op::IDENTITY)?,
            version: Version::lenient(version),
        },
    };
    Some((name, wanted))
}

fn push_new(list: &mut Vec<NameId>, name: NameId) {
    if !list.contains(&name) {
        list.push(name);
    }
}

/// All additions of one name come in a row, so the last row tells.
fn push_once(list: &mut Vec<NameId>, name: NameId) {
    if list.last() != Some(&name) {
        list.push(name);
    }
}

/// Fills a graph in the order of reading.
struct Reader<'g, 'u, 'a> {
    graph: &'g mut Graph<'a>,
    universe: &'u Universe<'a>,
    /// Records with one identity are one package.
    by_identity: HashMap<&'a [u8], PackageId>,
}

impl<'a> Reader<'_, '_, 'a> {
    fn world(&mut self, world: &'a [Dependency]) -> Result<(), TooManyTags> {
        for entry in world {
            self.graph.meet(&entry.name);
            self.graph.tags.meet(entry.tag.as_deref())?;
        }
        Ok(())
    }

    fn installed(&mut self) -> Result<(), TooManyTags> {
        for installed in &self.universe.installed {
            let tag = self.graph.tags.meet(installed.tag)?;
            let package = self.package(installed.record);
            for replaced in installed.replaces {
                self.graph.meet(&replaced.name);
            }
            let row = &mut self.graph.packages[package];
            if row.installed.is_none() {
                row.installed = Some(tag);
                self.graph.installed.push(package);
            }
        }
        Ok(())
    }

    fn repositories(&mut self) -> Result<(), TooManyTags> {
        for (repository, offers) in self.universe.repositories.iter().enumerate() {
            let tag = self.graph.tags.meet(offers.tag)?;
            self.graph.known_tags |= tag;
            for (record, offered) in offers.records.iter().enumerate() {
                let package = self.package(offered);
                let row = &mut self.graph.packages[package];
                row.home |= tag;
                row.first.get_or_insert(repository);
                if offers.access < row.access {
                    row.access = offers.access;
                    row.offer = Some(Offer { repository, record });
                }
            }
        }
        for package in &self.graph.installed {
            let row = &mut self.graph.packages[*package];
            if let Some(tag) = row.installed {
                row.home |= tag & self.graph.known_tags;
            }
        }
        Ok(())
    }

    fn given(&mut self) {
        for given in &self.universe.given {
            let before = self.graph.packages.len();
            let package = self.package(given.record);
            let row = &mut self.graph.packages[package];
            row.given = Some(given.file || row.given == Some(true));
            if self.graph.packages.len() > before {
                self.graph.link_late(package);
            }
        }
    }

    /// Makes other builds of pinned names unusable.
    fn pin(&mut self) {
        for pinned in &self.universe.pinned {
            let Some(name) = self.graph.find(&pinned.name) else {
                continue;
            };
            for provider in &self.graph.names[name].providers {
                let package = &mut self.graph.packages[provider.package];
                if package.name == name && package.record.identity != pinned.identity {
                    package.installable = false;
                    package.pinned = Some(pinned);
                }
            }
        }
    }

    /// The package of a record, which is added unless one with this identity was read before.
    fn package(&mut self, record: &'a Record) -> PackageId {
        if let Some(known) = self.by_identity.get(record.identity.first_20()) {
            return *known;
        }
        let foreign = !self.is_ours(record);
        let name = self.graph.meet(&record.name);
        let depends = self.edges(&record.depends);
        let malformed = malformed(record).map(|(name, wanted)| (self.graph.meet(name), wanted));
        let provides = self.provides(record);
        let install_if = self.edges(&record.install_if);
        let package = self.graph.packages.push(Package {
            name,
            record,
            first: None,
            offer: None,
            access: Access::Unreachable,
            given: None,
            installed: None,
            home: TagSet::EMPTY,
            installable: record.uninstallable.is_none() && !foreign,
            foreign,
            pinned: None,
            spares: false,
            awaited: 0..0,
            runs: 0..0,
            depends,
            install_if,
            provides: provides.clone(),
        });
        if let Some(malformed) = malformed {
            self.graph.malformed.insert(package, malformed);
        }
        self.by_identity.insert(record.identity.first_20(), package);
        self.graph.names[name].providers.push(Provider {
            package,
            version: Some(&record.version),
        });
        for provided in self.graph.provided.get(provides).unwrap_or_default() {
            let provider = Provider {
                package,
                version: provided.version,
            };
            self.graph.names[provided.name].providers.push(provider);
        }
        package
    }

    fn edges(&mut self, dependencies: &'a [Dependency]) -> Range<usize> {
        let start = self.graph.edges.len();
        for dependency in dependencies {
            let name = self.graph.meet(&dependency.name);
            self.graph.edges.push(Edge { name, dependency });
        }
        start..self.graph.edges.len()
    }

    fn provides(&mut self, record: &'a Record) -> Range<usize> {
        let start = self.graph.provided.len();
        for provide in &record.provides {
            let name = self.graph.meet(&provide.name);
            self.graph.provided.push(Provided {
                name,
                version: provide.version.as_ref(),
            });
        }
        start..self.graph.provided.len()
    }

    fn is_ours(&self, record: &Record) -> bool {
        record
            .arch
            .as_deref()
            .is_none_or(|arch| arch == "noarch" || self.universe.architectures.contains(&arch))
    }
}
