//! How names and packages are linked: what there is to read becomes a [`Graph`].

use std::collections::{HashMap, HashSet};

use apk_format::index::{Outline, Record};
use apk_format::{Constraint, Dependency, Op, Uninstallable, Version, dependency};

use super::graph::{Graph, Package, Provided, Provider, Run, SOLE, Shared};
use super::table::{Key, Lists, NameId, PackageId, Table};
use super::tags::{TagSet, TooManyTags};
use super::{Access, Offer, Universe, names};

/// How many records get room before any of them was read.
const MANY: usize = 1 << 15;

/// What the solver asks of packages and names again and again is found here, once.
impl<'a> Graph<'a> {
    /// Links everything in the universe; the world comes first because its names are met first.
    pub(super) fn read(
        universe: &Universe<'a>,
        world: &'a [Dependency],
    ) -> Result<Self, TooManyTags> {
        let records = universe.repositories.iter().map(|one| one.records.len());
        let records = records.sum::<usize>().min(MANY);
        let mut graph = Graph::with_capacity(records);
        let mut reader = Reader {
            graph: &mut graph,
            universe,
            by_identity: HashMap::with_capacity(records),
        };
        reader.world(world)?;
        reader.installed()?;
        reader.repositories()?;
        let before = (reader.graph.names.len(), reader.graph.packages.len());
        reader.given();
        graph.link_providers();
        graph.link_names(before);
        graph.pin(universe);
        graph.classify();
        graph.link_packages();
        Ok(graph)
    }

    /// Lists for each name who provides it.
    fn link_providers(&mut self) {
        let providers = self.packages.keys().flat_map(|package| {
            let own = (self.packages[package].name, self.itself(package));
            let provides = self.provides(package).iter().map(move |provided| {
                let version = provided.version;
                (provided.name, Provider { package, version })
            });
            std::iter::once(own).chain(provides)
        });
        self.links.providers = Lists::sorted(self.names.len(), providers);
    }

    /// Lists for each name who wants it and who waits for it. Names and packages that came later than `before` come after
    /// all others.
    fn link_names(&mut self, (names, packages): (usize, usize)) {
        let texts = self.names.values().take(names).map(|name| name.text);
        let order = names::visiting_order(texts);
        let mut wanted = Reverse::new(self, self.links.depends.items());
        let mut awaited = Reverse::new(self, self.links.install_if.items());
        for name in order {
            for provider in self.providers(name) {
                let package = provider.package;
                if package.row() < packages {
                    wanted.add(self.wanted(package), name);
                    awaited.add(self.conditions(package).iter().copied(), name);
                }
            }
        }
        for package in self.packages.keys().skip(packages) {
            for name in self.names_of(package) {
                wanted.add_late(self.wanted(package), name);
                awaited.add_late(self.conditions(package).iter().copied(), name);
            }
        }
        self.links.reverse_depends = wanted.lists(self.names.len());
        self.links.reverse_install_if = awaited.lists(self.names.len());
    }

    /// The names in a package's depends.
    fn wanted(&self, package: PackageId) -> impl Iterator<Item = NameId> {
        (0..).map_while(move |item| self.wanted_at(package, item))
    }

    /// Makes other builds of pinned names unusable.
    fn pin(&mut self, universe: &Universe<'a>) {
        for pinned in &universe.pinned {
            let Some(name) = self.find(&pinned.name) else {
                continue;
            };
            for provider in self.links.providers.get(name) {
                let package = &mut self.packages[provider.package];
                if package.name == name && package.record.identity != pinned.identity {
                    package.installable = false;
                    package.pinned = Some(pinned);
                }
            }
        }
    }

    /// Gives names with the same providers the same class.
    fn classify(&mut self) {
        let mut classes: HashMap<Vec<PackageId>, u32> = HashMap::new();
        for name in self.names.keys() {
            if self.providers(name).len() < 2 {
                continue;
            }
            // All that a package provides was read at once, so equal ones stand together.
            let providers = self.providers(name).iter();
            let mut packages: Vec<PackageId> = providers.map(|one| one.package).collect();
            packages.dedup();
            if packages.len() > 1 {
                let next = u32::try_from(classes.len()).unwrap_or(SOLE);
                self.names[name].class = *classes.entry(packages).or_insert(next);
            }
        }
    }

    /// Lists for each package which of its names others speak of or have too.
    fn link_packages(&mut self) {
        for package in self.packages.keys() {
            let mut run: Option<Run> = None;
            let mut places = 0;
            while let Some(name) = self.name_of(package, places) {
                if !self.reverse_install_if(name).is_empty() {
                    self.links.awaited.push(name);
                }
                let unversioned = places
                    .checked_sub(1)
                    .and_then(|item| self.provides(package).get(item))
                    .map(|provided| provided.version.is_none());
                self.packages[package].spares |= unversioned == Some(true);
                if self.names[name].class != SOLE {
                    run = Some(self.share(run, Shared { name, unversioned }));
                }
                places += 1;
            }
            if let Some(run) = run {
                self.links.runs.push(run);
            }
            self.links.awaited.end();
            self.links.runs.end();
        }
    }

    /// Adds a shared name to the run that is being made, or to another one if it is of another class.
    fn share(&mut self, run: Option<Run>, shared: Shared) -> Run {
        let class = self.names[shared.name].class;
        let start = self.links.shared.len();
        self.links.shared.push(shared);
        let end = start + 1;
        match run {
            Some(run) if run.class == class => Run { end, ..run },
            ended => {
                if let Some(ended) = ended {
                    self.links.runs.push(ended);
                }
                Run { class, start, end }
            }
        }
    }
}

/// Names that want others, before they are sorted by what they want.
struct Reverse {
    pairs: Vec<(NameId, NameId)>,
    last: Table<NameId, Option<NameId>>,
    /// All pairs, once something came late.
    known: HashSet<(NameId, NameId)>,
}

impl Reverse {
    fn new(graph: &Graph<'_>, items: usize) -> Self {
        Reverse {
            pairs: Vec::with_capacity(items),
            last: Table::beside(&graph.names, |_| None),
            known: HashSet::new(),
        }
    }

    /// All additions of one name come in a row, so the last row tells whether it was added.
    fn add(&mut self, targets: impl Iterator<Item = NameId>, name: NameId) {
        for target in targets {
            if self.last[target].replace(name) != Some(name) {
                self.pairs.push((target, name));
            }
        }
    }

    fn add_late(&mut self, targets: impl Iterator<Item = NameId>, name: NameId) {
        if self.known.is_empty() {
            self.known.extend(&self.pairs);
        }
        for target in targets {
            if self.known.insert((target, name)) {
                self.pairs.push((target, name));
            }
        }
    }

    fn lists(self, names: usize) -> Lists<NameId, NameId> {
        Lists::sorted(names, self.pairs.iter().copied())
    }
}

/// Fills a graph in the order of reading.
struct Reader<'g, 'u, 'a> {
    graph: &'g mut Graph<'a>,
    universe: &'u Universe<'a>,
    /// Records with one identity are one package.
    by_identity: HashMap<[u8; 20], PackageId>,
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
            let package = self.package(given.record);
            let row = &mut self.graph.packages[package];
            row.given = Some(given.file || row.given == Some(true));
        }
    }

    /// The package of a record, which is added unless one with this identity was read before.
    fn package(&mut self, record: &'a Record) -> PackageId {
        let outline = record.outline();
        let identity = outline.identity.first_20().first_chunk().copied();
        let identity = identity.unwrap_or_default();
        if let Some(known) = self.by_identity.get(&identity) {
            return *known;
        }
        let name = self.graph.meet(outline.name);
        let malformed = self.links(&outline);
        let foreign = !self.is_ours(&outline);
        let package = self.graph.packages.push(Package {
            name,
            record,
            version: outline.version,
            provider_priority: outline.provider_priority,
            empty: outline.installed_size == 0,
            first: None,
            offer: None,
            access: Access::Unreachable,
            given: None,
            installed: None,
            home: TagSet::EMPTY,
            installable: outline.uninstallable.is_none() && !foreign,
            foreign,
            pinned: None,
            spares: false,
        });
        self.by_identity.insert(identity, package);
        if let Some(malformed) = malformed {
            self.graph.malformed.insert(package, malformed);
        }
        package
    }

    /// Meets the names in a record's lists; gives the dependency that cannot be read.
    fn links(&mut self, outline: &Outline<'a>) -> Option<(NameId, Dependency)> {
        let graph = &mut *self.graph;
        for wanted in outline.depends() {
            let name = graph.meet(wanted);
            graph.links.depends.push(name);
        }
        graph.links.depends.end();
        let malformed = malformed(outline).map(|(name, wanted)| (graph.meet(name), wanted));
        for (name, version) in outline.provides() {
            let name = graph.meet(name);
            graph.links.provides.push(Provided { name, version });
        }
        graph.links.provides.end();
        for awaited in outline.install_if() {
            let name = graph.meet(awaited);
            graph.links.install_if.push(name);
        }
        graph.links.install_if.end();
        malformed
    }

    fn is_ours(&self, outline: &Outline<'_>) -> bool {
        outline
            .arch
            .is_none_or(|arch| arch == "noarch" || self.universe.architectures.contains(&arch))
    }
}

/// The dependency of a record that cannot be read: its name, and what it would be with a version like any other.
fn malformed<'a>(record: &Outline<'a>) -> Option<(&'a str, Dependency)> {
    let Some(Uninstallable::Dependency(atom)) = record.uninstallable else {
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
