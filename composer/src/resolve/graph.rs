//! What there is: every name and every package, linked with each other and never changed afterwards.
//!
//! The order of all lists here is the order of reading (world, installed packages, repositories; in a record its name,
//! depends, provides, install_if), except the two reverse lists, which follow [`names::visiting_order`](super::names).
//!
//! Only names and versions are here, as the outlines of records have them: what a dependency says beyond its name is
//! read from the record when somebody asks. Most packages of an index are never asked.

use std::collections::HashMap;

use apk_format::index::Record;
use apk_format::{Constraint, Dependency};

use super::table::{Lists, NameId, PackageId, Table};
use super::tags::{TagSet, Tags};
use super::{Access, Offer};

/// Names and packages of one universe, and the names of one world.
#[derive(Debug)]
pub(super) struct Graph<'a> {
    pub(super) names: Table<NameId, Name<'a>>,
    pub(super) packages: Table<PackageId, Package<'a>>,
    /// In the order of the installed database.
    pub(super) installed: Vec<PackageId>,
    pub(super) tags: Tags<'a>,
    /// The tags that some repository has.
    pub(super) known_tags: TagSet,
    pub(super) links: Links<'a>,
    pub(super) numbers: HashMap<&'a str, NameId>,
    /// Of each package that has a malformed dependency, the first one.
    pub(super) malformed: HashMap<PackageId, (NameId, Dependency)>,
    /// What counts instead of items of depends.
    relaxed: HashMap<(PackageId, usize), Edge<'a>>,
}

/// The lists of names and packages. Names that were met when they had been made have none.
#[derive(Debug, Default)]
pub(super) struct Links<'a> {
    pub(super) depends: Lists<PackageId, NameId>,
    pub(super) provides: Lists<PackageId, Provided<'a>>,
    pub(super) install_if: Lists<PackageId, NameId>,
    pub(super) providers: Lists<NameId, Provider<'a>>,
    pub(super) reverse_depends: Lists<NameId, NameId>,
    pub(super) reverse_install_if: Lists<NameId, NameId>,
    pub(super) awaited: Lists<PackageId, NameId>,
    /// The names that packages share with others, in runs of one class.
    pub(super) runs: Lists<PackageId, Run>,
    pub(super) shared: Vec<Shared>,
}

/// A node: a string that packages are called, provide, want or wait for.
#[derive(Debug)]
pub(super) struct Name<'a> {
    pub(super) text: &'a str,
    /// Names with the same class are provided by the same packages; [`SOLE`] if it is one package.
    pub(super) class: u32,
}

/// The class of names that only one package provides, or none.
pub(super) const SOLE: u32 = u32::MAX;

/// A name that a package shares with others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared {
    pub(super) name: NameId,
    /// Whether it is provided without a version; `None` for the package's own name.
    pub(super) unversioned: Option<bool>,
}

/// Names that a package shares with others, one after the other and of one class.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) class: u32,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A package, and the version under which it provides the name in whose list this stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Provider<'a> {
    pub(super) package: PackageId,
    pub(super) version: Option<&'a str>,
}

/// One build.
#[derive(Debug)]
pub(super) struct Package<'a> {
    pub(super) name: NameId,
    /// As first read: if installed, as the installed database has it.
    pub(super) record: &'a Record,
    /// That of the record.
    pub(super) version: &'a str,
    /// That of the record.
    pub(super) provider_priority: u16,
    /// There is nothing to download or unpack.
    pub(super) empty: bool,
    /// The lowest number of a repository that has it.
    pub(super) first: Option<usize>,
    /// Where it can be had.
    pub(super) offer: Option<Offer>,
    pub(super) access: Access,
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
    pub(super) version: Option<&'a str>,
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
    /// Has room for the names of so many packages.
    pub(super) fn with_capacity(packages: usize) -> Self {
        Graph {
            names: Table::with_capacity(2 * packages),
            packages: Table::with_capacity(packages),
            installed: Vec::new(),
            tags: Tags::default(),
            known_tags: TagSet::EMPTY,
            links: Links::with_capacity(packages),
            numbers: HashMap::with_capacity(2 * packages),
            malformed: HashMap::new(),
            relaxed: HashMap::new(),
        }
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
        let links = &self.links;
        let items = links.depends.items() + links.install_if.items() + links.provides.items();
        self.names.len() + self.packages.len() + items
    }

    /// Puts another dependency in the place of one of a package, or the package's own one back.
    pub(super) fn relax(&mut self, package: PackageId, item: usize, other: Option<Edge<'a>>) {
        match other {
            Some(other) => self.relaxed.insert((package, item), other),
            None => self.relaxed.remove(&(package, item)),
        };
    }

    fn relaxed(&self, package: PackageId, item: usize) -> Option<Edge<'a>> {
        if self.relaxed.is_empty() {
            return None;
        }
        self.relaxed.get(&(package, item)).copied()
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

    pub(super) fn providers(&self, name: NameId) -> &[Provider<'a>] {
        self.links.providers.get(name)
    }

    /// The names some provider of which has this name in its depends, conflicts included; each once.
    pub(super) fn reverse_depends(&self, name: NameId) -> &[NameId] {
        self.links.reverse_depends.get(name)
    }

    /// The same through install_if.
    pub(super) fn reverse_install_if(&self, name: NameId) -> &[NameId] {
        self.links.reverse_install_if.get(name)
    }

    pub(super) fn depends(
        &self,
        package: PackageId,
    ) -> impl ExactSizeIterator<Item = Edge<'a>> + use<'_, 'a> {
        self.depends_from(package, 0)
    }

    /// What a package depends on, from this item on.
    pub(super) fn depends_from(
        &self,
        package: PackageId,
        item: usize,
    ) -> impl ExactSizeIterator<Item = Edge<'a>> + use<'_, 'a> {
        let names = self.links.depends.get(package).get(item..);
        let wanted = self.packages[package].record.depends.get(item..);
        let items = std::iter::zip(names.unwrap_or_default(), wanted.unwrap_or_default());
        items.enumerate().map(move |(at, (name, dependency))| {
            let name = *name;
            let own = Edge { name, dependency };
            self.relaxed(package, item + at).unwrap_or(own)
        })
    }

    /// One item of a package's depends. After the good ones comes the one that cannot be read: apk refuses the package
    /// for it, but if that is chosen all the same, looks for what it wants.
    pub(super) fn depends_at(&self, package: PackageId, item: usize) -> Option<Edge<'_>> {
        if item == self.links.depends.get(package).len() {
            let (name, dependency) = self.malformed.get(&package)?;
            let name = *name;
            return Some(Edge { name, dependency });
        }
        self.depends_from(package, item).next()
    }

    /// All items of [`Graph::depends_at`].
    pub(super) fn all_depends(&self, package: PackageId) -> impl Iterator<Item = Edge<'_>> {
        (0..).map_while(move |item| self.depends_at(package, item))
    }

    /// The name in an item of [`Graph::depends_at`].
    pub(super) fn wanted_at(&self, package: PackageId, item: usize) -> Option<NameId> {
        let names = self.links.depends.get(package);
        if item == names.len() {
            return self.malformed.get(&package).map(|(name, _)| *name);
        }
        let relaxed = self.relaxed(package, item).map(|edge| edge.name);
        relaxed.or_else(|| names.get(item).copied())
    }

    pub(super) fn install_if(
        &self,
        package: PackageId,
    ) -> impl ExactSizeIterator<Item = Edge<'a>> + use<'_, 'a> {
        // Most packages have none, and then nothing of the record is read.
        let names = self.conditions(package);
        let record = (!names.is_empty()).then(|| self.packages[package].record);
        let wanted = record.map_or(&[][..], |record| &*record.install_if);
        let items = names.iter().zip(wanted);
        items.map(|(name, dependency)| Edge {
            name: *name,
            dependency,
        })
    }

    /// The names in a package's install_if.
    pub(super) fn conditions(&self, package: PackageId) -> &[NameId] {
        self.links.install_if.get(package)
    }

    pub(super) fn provides(&self, package: PackageId) -> &[Provided<'a>] {
        self.links.provides.get(package)
    }

    /// Those names of the package that some install_if speaks of.
    pub(super) fn awaited(&self, package: PackageId) -> &[NameId] {
        self.links.awaited.get(package)
    }

    /// The names that the package shares with others, but for those of one class; in the order of [`Graph::names_of`].
    pub(super) fn shared(&self, package: PackageId, but: u32) -> impl Iterator<Item = &Shared> {
        let runs = self.links.runs.get(package).iter();
        let shared = |run: &Run| self.links.shared.get(run.start..run.end);
        runs.filter(move |run| run.class != but)
            .flat_map(move |run| shared(run).unwrap_or_default())
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
            version: Some(self.packages[package].version),
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
        self.depends(dependant).any(|edge| {
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
        let identity = matches!(dependency.constraint, Constraint::Identity(_))
            .then(|| &self.packages[provider.package].record.identity);
        dependency.satisfied_by_text(identity, provider.version.unwrap_or_default())
    }
}

impl Links<'_> {
    /// Has room for so many packages; most have less dependencies and provides.
    fn with_capacity(packages: usize) -> Self {
        Links {
            depends: Lists::with_capacity(packages, 3 * packages),
            provides: Lists::with_capacity(packages, 2 * packages),
            install_if: Lists::with_capacity(packages, packages),
            awaited: Lists::with_capacity(packages, 0),
            runs: Lists::with_capacity(packages, 0),
            ..Links::default()
        }
    }
}

impl<'a> Name<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Name { text, class: SOLE }
    }
}
