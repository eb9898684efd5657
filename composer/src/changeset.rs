//! What `apk add`, `del`, `upgrade` and `fix` do to a root: the plan, apart from carrying it out.
//!
//! [`Inventory::plan`] makes it out of what was opened, and changes nothing. Whoever carries it out goes through
//! [`Changeset::changes`] in order: each installs, replaces or removes one package, wherever [`Inventory::source`] or
//! [`Inventory::file_of`] says its file is; then [`Changeset::world`] becomes the world. Triggers come after all changes.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use apk_format::{Dependency, Record};

use crate::inventory::{Inventory, NameId, PackageId};
use crate::resolve::{
    ChangeKind, Contradiction, Operation, Problem, Request, RequestOptions, ResolveError, resolve,
};

/// A package that comes with the command.
#[derive(Clone, Debug)]
pub struct Given {
    /// The package.
    pub package: PackageId,
    /// Its file; a package without one is empty, and was made up to hold others (`add --virtual`).
    pub file: Option<PathBuf>,
}

/// Changes in the order in which they are made, and the world afterwards.
#[derive(Clone, Debug)]
pub struct Changeset {
    /// Packages that stay as they are stand in this list too.
    pub changes: Vec<Planned>,
    /// Sorted as apk sorts it.
    pub world: Vec<Dependency>,
}

/// A change of one package; at least one of `old` and `new` is there.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What it does.
    pub kind: ChangeKind,
    /// What is installed now.
    pub old: Option<PackageId>,
    /// What is installed afterwards.
    pub new: Option<PackageId>,
    /// The repository tag under which it is installed afterwards, or of what goes none.
    pub tag: Option<String>,
    /// Whether it was to be installed again, whatever became of that.
    pub reinstall: bool,
}

impl Inventory {
    /// Adds a package that comes with the command; to be called after everything was opened.
    pub fn give(&mut self, record: Record, file: Option<PathBuf>) -> PackageId {
        let package = self.add(record);
        self.given.push(Given { package, file });
        package
    }

    /// The file of a package that came with the command.
    #[must_use]
    pub fn file_of(&self, package: PackageId) -> Option<&Path> {
        let mut given = self.given.iter();
        let given = given.find(|given| given.package == package)?;
        given.file.as_deref()
    }

    /// Whether the package can be had at all, be it from a file.
    #[must_use]
    pub fn can_be_had(&self, package: PackageId) -> bool {
        self.is_available(package) || self.is_cached(package) || self.file_of(package).is_some()
    }

    /// Plans an operation on the root.
    ///
    /// Fails if it has no solution, or speaks of names or tags that are not there.
    pub fn plan(
        &self,
        operation: Operation<'_>,
        options: RequestOptions,
    ) -> Result<Changeset, ResolveError> {
        let request = Request {
            world: &self.world,
            operation,
            options,
        };
        let solution = resolve(&self.universe(), &request)?;
        let place = |record: &Record| self.identified(&record.identity);
        let changes = solution.changes.iter().map(|change| Planned {
            kind: change.kind(),
            old: change.old.and_then(|old| place(old.record)),
            new: change.new.and_then(|new| place(new.record)),
            tag: change.new.and_then(|new| new.tag.map(str::to_owned)),
            reinstall: change.reinstall,
        });
        let changes = changes.collect();
        Ok(Changeset {
            changes,
            world: solution.world,
        })
    }

    /// The smallest part of an operation without a solution that has none either.
    #[must_use]
    pub fn contradiction(
        &self,
        operation: Operation<'_>,
        options: RequestOptions,
    ) -> Option<Contradiction> {
        let mut problem = Problem::new(&self.universe(), &self.world).ok()?;
        problem.contradiction(operation, options)
    }
}

impl Changeset {
    /// What differs afterwards.
    pub fn effective(&self) -> impl Iterator<Item = &Planned> {
        let changes = self.changes.iter();
        changes.filter(|change| change.kind != ChangeKind::Keep)
    }

    /// How many packages there will be, and how many bytes they have when they are installed.
    #[must_use]
    pub fn afterwards(&self, inventory: &Inventory) -> (usize, u64) {
        let there = self.changes.iter().filter_map(|change| change.new);
        let sizes = there.map(|new| inventory[new].record.installed_size);
        sizes.fold((0, 0_u64), |(count, sum), size| {
            (count + 1, sum.saturating_add(size))
        })
    }

    /// For names that were to be deleted: those which are there all the same, and the names in the world that keep
    /// them, in apk's order. `all` tells what stands between them too.
    #[must_use]
    pub fn kept(
        &self,
        inventory: &Inventory,
        names: &[NameId],
        all: bool,
    ) -> Vec<(NameId, Vec<NameId>)> {
        let mut kept = Vec::new();
        for name in names {
            let mut keeper = Keeper {
                inventory,
                there: self
                    .changes
                    .iter()
                    .filter_map(|change| change.new)
                    .collect(),
                world: self.wanted(inventory),
                all,
                seen: HashSet::new(),
                keepers: Vec::new(),
            };
            let refused = inventory
                .world
                .iter()
                .any(|wanted| wanted.conflict && wanted.name == inventory.text(*name));
            if refused {
                continue;
            }
            let mut found = false;
            for provider in inventory.providers(*name) {
                if keeper.there.contains(&provider.package) {
                    found = true;
                    keeper.follow(provider.package);
                }
            }
            if found {
                kept.push((*name, keeper.keepers));
            }
        }
        kept
    }

    fn wanted(&self, inventory: &Inventory) -> HashSet<NameId> {
        let wanted = self.world.iter().filter(|wanted| !wanted.conflict);
        wanted
            .filter_map(|wanted| inventory.find(&wanted.name))
            .collect()
    }
}

/// Follows what keeps a package, from dependant to dependant.
struct Keeper<'i> {
    inventory: &'i Inventory,
    there: HashSet<PackageId>,
    world: HashSet<NameId>,
    all: bool,
    seen: HashSet<PackageId>,
    keepers: Vec<NameId>,
}

impl Keeper<'_> {
    fn follow(&mut self, package: PackageId) {
        // A package, and whether it is only a condition of another's install_if.
        let mut waiting = vec![(package, false)];
        let mut first = true;
        while let Some((package, condition)) = waiting.pop() {
            if !std::mem::take(&mut first) && !self.seen.insert(package) {
                continue;
            }
            if condition && !self.all && !self.world.contains(&self.inventory.name_of(package)) {
                continue;
            }
            let known = &self.inventory[package];
            let provides = known.record.provides.iter();
            let provided = provides.filter_map(|one| self.inventory.find(&one.name));
            let names = std::iter::once(self.inventory.name_of(package)).chain(provided);
            let wanted = names.filter(|name| self.world.contains(name));
            self.keepers.extend(wanted);
            let mut next = Vec::new();
            let dependants = self.inventory.dependants(package, false).into_iter();
            next.extend(dependants.map(|one| (one, false)));
            for condition in known.record.install_if.iter() {
                let Some(name) = self.inventory.find(&condition.name) else {
                    continue;
                };
                let providers = self.inventory.providers(name).iter();
                next.extend(providers.map(|one| (one.package, true)));
            }
            next.retain(|(one, _)| self.there.contains(one));
            waiting.extend(next.into_iter().rev());
        }
    }
}
