//! The decisions as a list of changes, in the order in which they are performed.
//!
//! The order is depth first: what a package depends on comes before it, as written; the world is sorted; each package
//! comes once. Where dependencies go in a circle the package through which it was entered comes last. Packages that
//! install themselves follow the last of what they waited for. Removals come where something takes the place of
//! what goes, or where the last use of it ends.
//!
//! Each step may lead to others; they wait in a list rather than on the thread's stack, because hostile indexes are
//! as deep as they have packages.

use super::graph::Edge;
use super::operation::Plan;
use super::solver::Solver;
use super::state::Wishes;
use super::table::{NameId, PackageId, Table};
use super::{Change, Chosen};

/// Changes in order.
#[derive(Debug, Default)]
pub(super) struct ChangeList {
    entries: Vec<Entry>,
}

/// What is installed under a name now, and afterwards.
#[derive(Clone, Copy, Debug)]
struct Entry {
    old: Option<PackageId>,
    new: Option<PackageId>,
}

impl ChangeList {
    /// Lists what the decisions change; finds the errors that show only now.
    pub(super) fn make(solver: &mut Solver<'_, '_>, plan: &Plan<'_>) -> Self {
        let mut builder = Builder::new(solver);
        builder.remove_leaves();
        for entry in &plan.world {
            builder.run(Task::Process(entry.name));
        }
        for at in 0.. {
            let Some(package) = builder.solver.graph.installed.get(at) else {
                break;
            };
            builder.run(Task::Process(builder.solver.graph.packages[*package].name));
        }
        ChangeList {
            entries: builder.entries,
        }
    }

    /// The packages that are installed afterwards, in order.
    pub(super) fn chosen(&self) -> impl Iterator<Item = PackageId> {
        self.entries.iter().filter_map(|entry| entry.new)
    }

    pub(super) fn into_public<'a>(self, solver: &Solver<'_, 'a>) -> Vec<Change<'a>> {
        self.entries
            .iter()
            .map(|entry| public_change(solver, entry))
            .collect()
    }
}

fn public_change<'a>(solver: &Solver<'_, 'a>, entry: &Entry) -> Change<'a> {
    let graph = solver.graph;
    let tag_of = |set| graph.tags.texts(set).next().flatten();
    let old = entry.old.map(|id| {
        let package = &graph.packages[id];
        Chosen {
            record: package.record,
            offer: package.offer,
            tag: package.installed.and_then(tag_of),
        }
    });
    let new = entry.new.map(|id| {
        let package = &graph.packages[id];
        let tags = (solver.packages[id].allowed & package.home).lowest();
        Chosen {
            record: package.record,
            offer: package.offer,
            tag: tags.and_then(tag_of),
        }
    });
    let reinstall = entry
        .new
        .is_some_and(|id| solver.packages[id].wishes.has(Wishes::REINSTALL));
    Change {
        old,
        new,
        reinstall,
    }
}

/// One step. A step does what it can at once and leaves the rest as further steps.
#[derive(Clone, Copy, Debug)]
enum Task {
    /// Lists the package chosen for a name, after what it depends on.
    Process(NameId),
    /// Removes what is installed under a name and does not stay; once for each name.
    Prepare(NameId),
    /// The same for the packages that provide it, from this provider on.
    PrepareProviders(NameId, usize),
    /// Lists the choice for a name whose place is prepared.
    List(NameId),
    /// Prepares what a package provides, from this item on.
    PrepareProvides(PackageId, usize),
    /// Processes what a package depends on, from this item on.
    Depends(PackageId, usize),
    /// Takes over an error of the choice for a dependency.
    TakeOverError(PackageId, NameId),
    Append(Entry),
    /// Processes what was waiting for a package.
    Triggered(PackageId, Place),
    /// Counts what the package that came depends on.
    Use(PackageId),
    /// Counts what the package that went depended on, from this item on.
    Release(PackageId, usize),
    /// Removes an installed package.
    Remove(PackageId),
    /// Removes the installed packages that depend on an installed one.
    RemoveDependants(PackageId, Place),
    /// Removes the installed packages that installed themselves because of this installed one.
    RemoveTriggered(PackageId, Place),
}

/// A place in the reverse lists of a package's names: which of its names, which item of that name's list, and which
/// provider of that item where this matters.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    name: usize,
    item: usize,
    provider: usize,
}

/// What is known about a name while the list is built.
#[derive(Clone, Debug, Default)]
struct NameNotes {
    /// The package of that name that is installed.
    installed: Option<PackageId>,
    /// The name of the installed package that owns this name.
    installed_name: Option<NameId>,
    /// How many dependencies of what is installed end at the package of this name. May fall below zero.
    uses: isize,
    processed: bool,
    removed: bool,
}

struct Builder<'s, 'g, 'a> {
    solver: &'s mut Solver<'g, 'a>,
    names: Table<NameId, NameNotes>,
    listed: Table<PackageId, bool>,
    entries: Vec<Entry>,
    tasks: Vec<Task>,
}

impl<'s, 'g, 'a> Builder<'s, 'g, 'a> {
    fn new(solver: &'s mut Solver<'g, 'a>) -> Self {
        let graph = solver.graph;
        let mut builder = Builder {
            names: Table::beside(&graph.names, |_| NameNotes::default()),
            listed: Table::beside(&graph.packages, |_| false),
            entries: Vec::new(),
            tasks: Vec::new(),
            solver,
        };
        for package in &graph.installed {
            let name = graph.packages[*package].name;
            builder.names[name].installed = Some(*package);
            builder.names[name].installed_name = Some(name);
            for provided in graph
                .provides(*package)
                .iter()
                .filter(|provided| provided.version.is_some())
            {
                builder.names[provided.name].installed_name = Some(name);
            }
        }
        for package in &graph.installed {
            builder.count_uses(*package);
        }
        builder
    }

    fn remove_leaves(&mut self) {
        let graph = self.solver.graph;
        for package in &graph.installed {
            let name = graph.packages[*package].name;
            if self.names[name].uses <= 0 && self.solver.choice(name).is_none() {
                self.run(Task::Remove(*package));
            }
        }
    }

    /// Does one step and all that it leads to.
    fn run(&mut self, task: Task) {
        self.tasks.push(task);
        while let Some(task) = self.tasks.pop() {
            if self.solver.work > self.solver.limit {
                self.tasks.clear();
                return;
            }
            self.solver.spend(1);
            self.step(task);
        }
    }

    /// Leaves steps to be done next, in the order given.
    fn then<const N: usize>(&mut self, tasks: [Task; N]) {
        self.tasks.extend(tasks.into_iter().rev());
    }

    fn step(&mut self, task: Task) {
        match task {
            // What came for another of its names serves this name too, even if another package was chosen for it.
            Task::Process(name) if self.names[name].processed => {}
            Task::Process(name) => self.then([Task::Prepare(name), Task::List(name)]),
            Task::Prepare(name) => self.prepare(name),
            Task::PrepareProviders(name, from) => self.prepare_providers(name, from),
            Task::List(name) => self.list(name),
            Task::PrepareProvides(package, item) => self.prepare_provides(package, item),
            Task::Depends(package, item) => self.depend(package, item),
            Task::TakeOverError(package, name) => self.take_over_error(package, name),
            Task::Append(entry) => self.entries.push(entry),
            Task::Triggered(package, place) => self.process_triggered(package, place),
            Task::Use(package) => self.count_uses(package),
            Task::Release(package, item) => self.release(package, item),
            Task::Remove(package) => self.remove(package),
            Task::RemoveDependants(package, place) => self.remove_dependants(package, place),
            Task::RemoveTriggered(package, place) => self.remove_triggered(package, place),
        }
    }

    // --- what comes --------------------------------------------------------------

    fn prepare(&mut self, name: NameId) {
        let notes = &mut self.names[name];
        if std::mem::replace(&mut notes.processed, true) {
            return;
        }
        let installed = notes.installed;
        self.then([Task::PrepareProviders(name, 0)]);
        if let Some(installed) = installed
            && !self.stays(installed)
        {
            self.then([Task::Remove(installed)]);
        }
    }

    fn prepare_providers(&mut self, name: NameId, from: usize) {
        let graph = self.solver.graph;
        for (at, provider) in graph.providers(name).iter().enumerate().skip(from) {
            let package = &graph.packages[provider.package];
            if package.is_installed() && self.solver.choice(package.name).is_none() {
                return self.then([
                    Task::Remove(provider.package),
                    Task::PrepareProviders(name, at + 1),
                ]);
            }
        }
    }

    fn list(&mut self, name: NameId) {
        let Some(new) = self.solver.choice(name) else {
            return;
        };
        if std::mem::replace(&mut self.listed[new], true) {
            return;
        }
        let own = self.solver.graph.packages[new].name;
        let old = self.names[own].installed;
        if let Some(old) = old {
            self.then([Task::Release(old, 0)]);
        }
        let start = Place::default();
        self.then([
            Task::Depends(new, 0),
            Task::Append(Entry {
                old,
                new: Some(new),
            }),
            Task::Triggered(new, start),
            Task::Use(new),
        ]);
        if let Some(old) = old {
            self.then([Task::RemoveTriggered(old, start)]);
        }
        self.then([Task::Prepare(own), Task::PrepareProvides(new, 0)]);
    }

    fn prepare_provides(&mut self, package: PackageId, item: usize) {
        if let Some(provided) = self.solver.graph.provides(package).get(item) {
            self.then([
                Task::Prepare(provided.name),
                Task::PrepareProvides(package, item + 1),
            ]);
        }
    }

    fn depend(&mut self, package: PackageId, item: usize) {
        let graph = self.solver.graph;
        let Some(edge) = graph.depends_at(package, item) else {
            return;
        };
        if edge.dependency.conflict && self.solver.ignores_conflicts {
            return self.then([Task::Depends(package, item + 1)]);
        }
        if !self.solver.choice_satisfies(edge, Some(package)) {
            self.solver.fail(package);
        }
        self.then([
            Task::Process(edge.name),
            Task::TakeOverError(package, edge.name),
            Task::Depends(package, item + 1),
        ]);
    }

    fn take_over_error(&mut self, package: PackageId, name: NameId) {
        if self
            .solver
            .choice(name)
            .is_some_and(|chosen| self.solver.packages[chosen].error)
        {
            self.solver.fail(package);
        }
    }

    /// Processes the names that waited for a package which is now in the list.
    fn process_triggered(&mut self, package: PackageId, mut place: Place) {
        while let Some(name) = self.waiting(package, &mut place) {
            self.solver.spend(1);
            if self.is_due(name) {
                return self.then([Task::Process(name), Task::Triggered(package, place)]);
            }
        }
    }

    /// Whether the choice for a name can be installed because its install_if has come to hold.
    fn is_due(&self, name: NameId) -> bool {
        let Some(chosen) = self.solver.choice(name) else {
            return false;
        };
        let mut conditions = self.solver.graph.install_if(chosen);
        self.solver.names[name].seen
            && !self.names[name].processed
            && conditions.all(|edge| {
                self.solver.choice_satisfies(edge, Some(chosen))
                    && (edge.dependency.conflict || self.names[edge.name].processed)
            })
    }

    // --- what goes ---------------------------------------------------------------

    fn remove(&mut self, package: PackageId) {
        if self.listed[package] || self.stays(package) {
            return;
        }
        self.listed[package] = true;
        self.names[self.solver.graph.packages[package].name].removed = true;
        let start = Place::default();
        self.then([
            Task::RemoveDependants(package, start),
            Task::RemoveTriggered(package, start),
            Task::Append(Entry {
                old: Some(package),
                new: None,
            }),
            Task::Release(package, 0),
        ]);
    }

    /// Whether a package of the same name is there afterwards.
    fn stays(&self, package: PackageId) -> bool {
        let name = self.solver.graph.packages[package].name;
        self.solver
            .choice(name)
            .is_some_and(|chosen| self.solver.graph.packages[chosen].name == name)
    }

    fn remove_dependants(&mut self, package: PackageId, mut place: Place) {
        let graph = self.solver.graph;
        while let Some(name) = graph.name_of(package, place.name) {
            let Some(reverse) = graph.reverse_depends(name).get(place.item) else {
                place = Place {
                    name: place.name + 1,
                    ..Place::default()
                };
                continue;
            };
            let Some(provider) = graph.providers(*reverse).get(place.provider) else {
                place = Place {
                    item: place.item + 1,
                    provider: 0,
                    ..place
                };
                continue;
            };
            place.provider += 1;
            self.solver.spend(1);
            if graph.packages[provider.package].is_installed()
                && graph.depends_on(provider.package, package)
            {
                return self.then([
                    Task::Remove(provider.package),
                    Task::RemoveDependants(package, place),
                ]);
            }
        }
    }

    fn remove_triggered(&mut self, package: PackageId, mut place: Place) {
        while let Some(name) = self.waiting(package, &mut place) {
            if let Some(leaving) = self.is_orphaned(name) {
                return self.then([Task::Remove(leaving), Task::RemoveTriggered(package, place)]);
            }
        }
    }

    /// The installed package of a name, if it installed itself for something that is being removed, and nobody uses it.
    fn is_orphaned(&self, name: NameId) -> Option<PackageId> {
        let notes = &self.names[name];
        let installed = notes.installed?;
        let gone = |edge: Edge<'_>| {
            self.names[edge.name].removed && self.solver.choice(edge.name).is_none()
        };
        let orphaned = self.solver.choice(name).is_none()
            && !notes.processed
            && !notes.removed
            && notes.uses <= 0
            && self.solver.graph.install_if(installed).any(gone);
        orphaned.then_some(installed)
    }

    // --- uses --------------------------------------------------------------------

    fn count_uses(&mut self, package: PackageId) {
        for edge in self
            .solver
            .graph
            .depends(package)
            .filter(|edge| !edge.dependency.conflict)
        {
            if let Some(user) = self.names[edge.name].installed_name {
                self.names[user].uses += 1;
            }
        }
    }

    fn release(&mut self, package: PackageId, item: usize) {
        for (at, edge) in (item..).zip(self.solver.graph.depends_from(package, item)) {
            let Some(used) = self.names[edge.name]
                .installed_name
                .filter(|_| !edge.dependency.conflict)
            else {
                continue;
            };
            self.names[used].uses -= 1;
            if self.names[used].uses <= 0
                && let Some(unused) = self.names[edge.name].installed
            {
                return self.then([Task::Remove(unused), Task::Release(package, at + 1)]);
            }
        }
    }

    // --- walking over reverse lists ------------------------------------------------

    /// The next name that waits for any name of a package.
    fn waiting(&self, package: PackageId, place: &mut Place) -> Option<NameId> {
        let graph = self.solver.graph;
        loop {
            let name = graph.name_of(package, place.name)?;
            if let Some(waiting) = graph.reverse_install_if(name).get(place.item) {
                place.item += 1;
                return Some(*waiting);
            }
            *place = Place {
                name: place.name + 1,
                ..Place::default()
            };
        }
    }
}
