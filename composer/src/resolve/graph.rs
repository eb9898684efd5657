//! What there is: every name and every package, linked with each other and never changed afterwards.
//!
//! The order of all lists here is the order of reading (world, installed packages, repositories; in a record its name,
//! depends, provides, install_if), except the two reverse lists, which follow [`names::visiting_order`].

use std::collections::HashMap;
use std::ops::Range;

use apk_format::{Dependency, Version};

use super::names;
use super::table::{NameId, PackageId, Table};
use super::tags::{TagSet, Tags, TooManyTags};
use super::{Offer, Universe};
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
    /// Where a repository has it: the first one.
    pub(super) offer: Option<Offer>,
    /// Its tag in the installed database.
    pub(super) installed: Option<TagSet>,
    /// The tags of the repositories that have it and, if it is installed, of all that have the tag it was installed with.
    pub(super) home: TagSet,
    /// Neither made for another architecture nor written in a way that forbids its use.
    pub(super) installable: bool,
    pub(super) foreign: bool,
    /// Some install_if names one of its names.
    pub(super) awaited: bool,
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
}

impl<'a> Graph<'a> {
    /// Links everything in the universe; the world comes first because its names are met first.
    pub(super) fn read(
        universe: &Universe<'a>,
        world: &'a [Dependency],
    ) -> Result<Self, TooManyTags> {
        let mut graph = Graph {
            names: Table::new(),
            packages: Table::new(),
            installed: Vec::new(),
            tags: Tags::default(),
            known_tags: TagSet::EMPTY,
            numbers: HashMap::new(),
            edges: Vec::new(),
            provided: Vec::new(),
        };
        let mut reader = Reader {
            graph: &mut graph,
            universe,
            by_identity: HashMap::new(),
        };
        reader.world(world)?;
        reader.installed()?;
        reader.repositories()?;
        graph.link();
        Ok(graph)
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

    fn link(&mut self) {
        self.link_names();
        for package in self.packages.keys() {
            let awaited = self
                .names_of(package)
                .any(|name| !self.names[name].reverse_install_if.is_empty());
            self.packages[package].awaited = awaited;
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
        }
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
                row.offer.get_or_insert(Offer { repository, record });
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

    /// The package of a record, which is added unless one with this identity was read before.
    fn package(&mut self, record: &'a Record) -> PackageId {
        if let Some(known) = self.by_identity.get(record.identity.first_20()) {
            return *known;
        }
        let foreign = !self.is_ours(record);
        let name = self.graph.meet(&record.name);
        let depends = self.edges(&record.depends);
        let provides = self.provides(record);
        let install_if = self.edges(&record.install_if);
        let package = self.graph.packages.push(Package {
            name,
            record,
            offer: None,
            installed: None,
            home: TagSet::EMPTY,
            installable: record.uninstallable.is_none() && !foreign,
            foreign,
            awaited: false,
            depends,
            install_if,
            provides: provides.clone(),
        });
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
