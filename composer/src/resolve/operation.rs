//! The operation as the solver sees it: a world, and wishes for the world as a whole and for single packages.
//!
//! | operation | wishes for the named packages, handed on or not | for the whole world |
//! |---|---|---|
//! | add | those of the preference, handed on | none |
//! | gather | none; conflicts do not count | none |
//! | upgrade | none | upgrade |
//! | upgrade of named packages | upgrade, not handed on | none |
//! | upgrade ignoring packages | stay installed, not handed on | upgrade |
//! | del | remove, not handed on | none |
//! | before upgrade | upgrade for apk itself, not handed on | none |
//! | fix | reinstall or upgrade, handed on if asked | none |

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use apk_format::{Constraint, Dependency, dependency::name_order};

use super::graph::Graph;
use super::solver::Solver;
use super::state::Wishes;
use super::table::{NameId, PackageId};
use super::tags::TagSet;
use super::{Request, RequestOptions, ResolveError};

/// What is done to a system.
#[derive(Clone, Copy, Debug)]
pub enum Operation<'a> {
    /// Adds dependencies to the world, or replaces those with the same names: `apk add`.
    ///
    /// Without any, the world as it is gets installed.
    Add {
        /// What is wanted.
        wanted: &'a [Dependency],
        /// What is preferred for them, and for all they depend on.
        preference: Preference,
    },
    /// Finds all that some dependencies take, whether it could be installed together or not: `apk query --recursive`.
    Gather {
        /// What is wanted beside the world.
        wanted: &'a [Dependency],
        /// Prefer what repositories have to what is installed: `--available`.
        available: bool,
    },
    /// Brings installed packages up to date: `apk upgrade`.
    Upgrade {
        /// Only these packages, without what they depend on; all packages if there are none.
        only: &'a [&'a str],
        /// Packages that stay as they are if they can.
        ignore: &'a [&'a str],
        /// Prefer what repositories have to what is installed, whatever the versions: `--available`.
        available: bool,
        /// Insist on the newest versions: `--latest`.
        latest: bool,
        /// Take names that no repository offers any more from the world: `--prune`.
        prune: bool,
    },
    /// Takes names from the world, so that packages nobody needs go: `apk del`.
    Delete {
        /// Names of packages, or of dependencies in the world.
        names: &'a [&'a str],
        /// With all that depends on them.
        with_dependants: bool,
    },
    /// Installs packages again, or upgrades them: `apk fix`.
    Fix {
        /// The packages.
        names: &'a [&'a str],
        /// Install them again; that too is meant if upgrading is not.
        reinstall: bool,
        /// Upgrade them.
        upgrade: bool,
        /// With all they depend on.
        with_dependencies: bool,
    },
    /// Brings apk itself up to date before anything else: the first step of `apk upgrade`.
    ///
    /// Names without a newer version in a repository are passed over; without any other there is nothing to do.
    Preupgrade {
        /// The packages that apk consists of.
        names: &'a [&'a str],
        /// Prefer what repositories have to what is installed: `--available`.
        available: bool,
        /// Insist on the newest versions: `--latest`.
        latest: bool,
    },
}

impl Default for Operation<'_> {
    fn default() -> Self {
        Operation::Add {
            wanted: &[],
            preference: Preference::Installed,
        }
    }
}

/// Which versions `add` prefers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preference {
    /// Installed ones where they do.
    #[default]
    Installed,
    /// The newest usable ones.
    Upgrade,
    /// The newest ones, even where that leads to failure.
    Latest,
}

/// A request in the solver's words.
#[derive(Clone, Debug)]
pub(super) struct Plan<'a> {
    /// Sorted by name.
    pub(super) world: Vec<WorldEntry<'a>>,
    /// What reaches every package that satisfies an entry of the world, and from there all they depend on.
    pub(super) wishes: Wishes,
    pub(super) named: Vec<NamedWish>,
    pub(super) options: RequestOptions,
    pub(super) preupgrade: bool,
    /// Conflicts rule nothing out.
    pub(super) ignores_conflicts: bool,
}

/// A dependency of the world.
#[derive(Clone, Debug)]
pub(super) struct WorldEntry<'a> {
    pub(super) name: NameId,
    pub(super) tag: TagSet,
    pub(super) dependency: Cow<'a, Dependency>,
    /// It was given up, because it cannot be had.
    pub(super) disabled: bool,
}

/// A name that the operation speaks of, and wishes for the packages that provide it.
#[derive(Clone, Copy, Debug)]
pub(super) struct NamedWish {
    pub(super) name: NameId,
    pub(super) own: Wishes,
    pub(super) inheritable: Wishes,
}

impl<'a> Plan<'a> {
    /// Applies the operation to the world; names of operands that nobody knows enter the graph.
    pub(super) fn make(graph: &mut Graph<'a>, request: &Request<'a>) -> Result<Self, ResolveError> {
        let mut plan = Plan {
            world: Vec::new(),
            wishes: Wishes::NONE,
            named: Vec::new(),
            options: request.options,
            preupgrade: false,
            ignores_conflicts: false,
        };
        for entry in request.world {
            plan.world.push(WorldEntry::new(graph, entry)?);
        }
        match request.operation {
            Operation::Add { wanted, preference } => plan.add(graph, wanted, preference)?,
            Operation::Gather { wanted, available } => {
                plan.ignores_conflicts = true;
                if available {
                    plan.wishes = Wishes::AVAILABLE;
                }
                for dependency in wanted {
                    plan.world.push(WorldEntry::new(graph, dependency)?);
                }
            }
            Operation::Upgrade {
                only,
                ignore,
                available,
                latest,
                prune,
            } => {
                plan.wishes |= upgrade_wishes(only, available, latest);
                plan.name_all(graph, only, Wishes::UPGRADE, Wishes::NONE)?;
                plan.name_all(graph, ignore, Wishes::INSTALLED, Wishes::NONE)?;
                plan.refresh_world(graph, available, prune);
            }
            Operation::Delete {
                names,
                with_dependants,
            } => Deletion::new(&mut plan, graph).delete(names, with_dependants)?,
            Operation::Fix {
                names,
                reinstall,
                upgrade,
                with_dependencies,
            } => {
                let mut own = if upgrade {
                    Wishes::UPGRADE
                } else {
                    Wishes::REINSTALL
                };
                if reinstall {
                    own |= Wishes::REINSTALL;
                }
                let inheritable = if with_dependencies { own } else { Wishes::NONE };
                plan.name_all(graph, names, own, inheritable)?;
            }
            Operation::Preupgrade {
                names,
                available,
                latest,
            } => {
                let names: Vec<&str> = names.to_vec();
                let newer = names.into_iter().filter(|name| has_newer(graph, name));
                let own = upgrade_wishes(&[], available, latest);
                plan.preupgrade = true;
                plan.name_all(graph, &newer.collect::<Vec<_>>(), own, Wishes::NONE)?;
            }
        }
        plan.world
            .sort_by(|a, b| name_order(&a.dependency.name, &b.dependency.name));
        // What is only looked for may have a tag that no repository has; it allows nothing.
        let gathers = matches!(request.operation, Operation::Gather { .. });
        if !plan.options.broken_world && !gathers {
            plan.check_tags(graph)?;
        }
        Ok(plan)
    }

    /// The world from now on.
    pub(super) fn into_world(self) -> Vec<Dependency> {
        self.world
            .into_iter()
            .map(|entry| entry.dependency.into_owned())
            .collect()
    }

    fn add(
        &mut self,
        graph: &mut Graph<'a>,
        wanted: &'a [Dependency],
        preference: Preference,
    ) -> Result<(), ResolveError> {
        let wishes = match preference {
            Preference::Installed => Wishes::NONE,
            Preference::Upgrade => Wishes::UPGRADE,
            Preference::Latest => Wishes::LATEST,
        };
        let mut places: HashMap<NameId, usize> = HashMap::new();
        for (place, old) in self.world.iter().enumerate() {
            places.entry(old.name).or_insert(place);
        }
        for dependency in wanted {
            let entry = WorldEntry::new(graph, dependency)?;
            self.named.push(NamedWish {
                name: entry.name,
                own: wishes,
                inheritable: wishes,
            });
            let new = self.world.len();
            let place = *places.entry(entry.name).or_insert(new);
            match self.world.get_mut(place) {
                Some(old) => *old = entry,
                None => self.world.push(entry),
            }
        }
        Ok(())
    }

    /// Takes the entries out of the request that led to nothing or to a package in error; they stay in the world. Gives
    /// whether there were any.
    pub(super) fn disable_broken(&mut self, solver: &Solver<'_, '_>) -> bool {
        let broken = |entry: &&mut WorldEntry<'a>| {
            let chosen = solver.choice(entry.name);
            !entry.disabled && chosen.is_none_or(|package| solver.packages[package].error)
        };
        let mut found = false;
        for entry in self.world.iter_mut().filter(broken) {
            entry.disabled = true;
            found = true;
        }
        found
    }

    /// The entries that count.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &WorldEntry<'a>> {
        self.world.iter().filter(|entry| !entry.disabled)
    }

    fn name_all(
        &mut self,
        graph: &Graph<'a>,
        names: &[&str],
        own: Wishes,
        inheritable: Wishes,
    ) -> Result<(), ResolveError> {
        for name in names {
            let name = graph
                .find(name)
                .ok_or_else(|| ResolveError::UnknownName((*name).to_owned()))?;
            self.named.push(NamedWish {
                name,
                own,
                inheritable,
            });
        }
        Ok(())
    }

    fn refresh_world(&mut self, graph: &Graph<'a>, available: bool, prune: bool) {
        if prune {
            let offered = |name: NameId| {
                graph
                    .providers(name)
                    .iter()
                    .any(|provider| graph.packages[provider.package].is_available())
            };
            self.world.retain(|entry| offered(entry.name));
        }
        for entry in self.world.iter_mut().filter(|_| available) {
            if matches!(entry.dependency.constraint, Constraint::Identity(_)) {
                entry.dependency.to_mut().constraint = Constraint::Any;
            }
        }
    }

    /// Every tag of the world must be that of some repository.
    fn check_tags(&self, graph: &Graph<'a>) -> Result<(), ResolveError> {
        let unknown = |entry: &&WorldEntry<'a>| {
            entry.tag != TagSet::DEFAULT && !entry.tag.intersects(graph.known_tags)
        };
        let unknown: Vec<Dependency> = self
            .world
            .iter()
            .filter(unknown)
            .map(|entry| entry.dependency.clone().into_owned())
            .collect();
        if unknown.is_empty() {
            Ok(())
        } else {
            Err(ResolveError::UnknownTags(unknown))
        }
    }
}

impl<'a> WorldEntry<'a> {
    pub(super) fn owned(name: NameId, tag: TagSet, dependency: Dependency) -> Self {
        WorldEntry {
            name,
            tag,
            dependency: Cow::Owned(dependency),
            disabled: false,
        }
    }

    fn new(graph: &mut Graph<'a>, dependency: &'a Dependency) -> Result<Self, ResolveError> {
        let tag = graph.tags.meet(dependency.tag.as_deref())?;
        Ok(WorldEntry {
            name: graph.meet(&dependency.name),
            tag,
            dependency: Cow::Borrowed(dependency),
            disabled: false,
        })
    }
}

/// Whether some repository has a newer version of an installed package.
fn has_newer(graph: &Graph<'_>, name: &str) -> bool {
    let Some(name) = graph.find(name) else {
        return false;
    };
    let packages = graph.providers(name).iter();
    let mut packages = packages.map(|provider| &graph.packages[provider.package]);
    let installed = packages
        .clone()
        .find(|package| package.name == name && package.is_installed());
    installed.is_some_and(|installed| {
        packages.any(|package| {
            package.first.is_some() && package.record.version > installed.record.version
        })
    })
}

fn upgrade_wishes(only: &[&str], available: bool, latest: bool) -> Wishes {
    let mut wishes = if only.is_empty() {
        Wishes::UPGRADE
    } else {
        Wishes::NONE
    };
    if available {
        wishes |= Wishes::AVAILABLE;
    }
    if latest {
        wishes |= Wishes::LATEST;
    }
    wishes
}

/// Takes packages, and what needs them, out of a plan's world.
struct Deletion<'p, 'g, 'a> {
    plan: &'p mut Plan<'a>,
    graph: &'g Graph<'a>,
    /// Where each name is in the world, the first place last; what was deleted is no more in here.
    places: HashMap<NameId, Vec<usize>>,
    /// Whoever was looked at once is not looked at again, whatever else is deleted: apk's way.
    examined: HashSet<PackageId>,
}

impl<'p, 'g, 'a> Deletion<'p, 'g, 'a> {
    fn new(plan: &'p mut Plan<'a>, graph: &'g Graph<'a>) -> Self {
        let mut places: HashMap<NameId, Vec<usize>> = HashMap::new();
        for (place, entry) in plan.world.iter().enumerate().rev() {
            places.entry(entry.name).or_default().push(place);
        }
        Deletion {
            plan,
            graph,
            places,
            examined: HashSet::new(),
        }
    }

    fn delete(&mut self, names: &[&str], with_dependants: bool) -> Result<(), ResolveError> {
        for text in names {
            let name = self
                .graph
                .find(text)
                .ok_or_else(|| ResolveError::UnknownName((*text).to_owned()))?;
            match self.installed_as(name) {
                Some(package) if with_dependants => self.delete_with_dependants(package),
                Some(package) => self.mark(package),
                None => self.forget(name),
            }
        }
        let left: HashSet<usize> = self.places.values().flatten().copied().collect();
        let mut place = 0..;
        self.plan
            .world
            .retain(|_| place.next().is_some_and(|place| left.contains(&place)));
        Ok(())
    }

    /// Deletes a package and, depth first, the installed packages with a dependency that it satisfies.
    fn delete_with_dependants(&mut self, package: PackageId) {
        let mut way = vec![(package, self.mark_with_provides(package).into_iter())];
        while let Some((deleted, candidates)) = way.last_mut() {
            let Some(candidate) = candidates.next() else {
                way.pop();
                continue;
            };
            let deleted = *deleted;
            if self.examined.insert(candidate) && self.graph.depends_on(candidate, deleted) {
                way.push((candidate, self.mark_with_provides(candidate).into_iter()));
            }
        }
    }

    fn mark(&mut self, package: PackageId) {
        let name = self.graph.packages[package].name;
        self.plan.named.push(NamedWish {
            name,
            own: Wishes::REMOVE,
            inheritable: Wishes::NONE,
        });
        self.forget(name);
    }

    /// Deletes a package with all its names; gives the installed packages that may depend on it.
    fn mark_with_provides(&mut self, package: PackageId) -> Vec<PackageId> {
        self.mark(package);
        for provided in self.graph.provides(package) {
            self.forget(provided.name);
        }
        let graph = self.graph;
        let reverse = graph
            .names_of(package)
            .flat_map(|name| graph.reverse_depends(name));
        let providers = reverse
            .flat_map(|name| graph.providers(*name))
            .map(|provider| provider.package);
        providers
            .filter(|dependant| graph.packages[*dependant].is_installed())
            .collect()
    }

    fn installed_as(&self, name: NameId) -> Option<PackageId> {
        let mut own = self
            .graph
            .providers(name)
            .iter()
            .map(|provider| provider.package);
        own.find(|package| {
            self.graph.packages[*package].name == name
                && self.graph.packages[*package].is_installed()
        })
    }

    fn forget(&mut self, name: NameId) {
        if let Some(places) = self.places.get_mut(&name) {
            places.pop();
        }
    }
}
