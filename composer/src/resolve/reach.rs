//! What of the chosen packages can be reached from the world: names beyond that are missing, though somebody has them.

use std::collections::{HashMap, HashSet};

use super::graph::Graph;
use super::table::{NameId, PackageId};

/// The names that are served, as far as they can be reached from those that the world wants.
pub(super) fn present_names(
    graph: &Graph<'_>,
    among: &HashSet<PackageId>,
    world: impl Iterator<Item = NameId>,
) -> HashSet<NameId> {
    let mut reach = Reach {
        graph,
        among,
        packages: HashMap::new(),
        names: HashMap::new(),
        tasks: Vec::new(),
    };
    for name in world {
        reach.run(Task::Name(name, PRESENT));
    }
    let present = reach.names.into_iter();
    let present = present.filter(|(_, marks)| marks & (PRESENT | TRIGGERED) != 0);
    present.map(|(name, _)| name).collect()
}

/// Reached through depends.
const PRESENT: u8 = 1;
/// Reached because it installs itself.
const TRIGGERED: u8 = 2;
/// Reached under a name that leads to it only if it is there anyway.
const VIRTUAL: u8 = 4;

/// What of the chosen packages can be reached from the world, and how. The steps and their order are apk's, because
/// what is reached first decides whether conditions with a conflict hold.
struct Reach<'r, 'a> {
    graph: &'r Graph<'a>,
    among: &'r HashSet<PackageId>,
    packages: HashMap<PackageId, u8>,
    names: HashMap<NameId, u8>,
    tasks: Vec<Task>,
}

/// A step; it leaves others to be done before the next one of its row.
#[derive(Clone, Copy)]
enum Task {
    Name(NameId, u8),
    /// The package as a provider of the name.
    Package(PackageId, NameId, u8),
    /// What a package depends on.
    Depends(PackageId),
    /// What waits for a name.
    Waiting(NameId),
    /// Whether a package that waits installs itself.
    Conditions(PackageId),
}

impl Reach<'_, '_> {
    fn run(&mut self, task: Task) {
        self.tasks.push(task);
        while let Some(task) = self.tasks.pop() {
            let start = self.tasks.len();
            self.step(task);
            if let Some(added) = self.tasks.get_mut(start..) {
                added.reverse();
            }
        }
    }

    fn step(&mut self, task: Task) {
        let graph = self.graph;
        match task {
            Task::Name(name, how) => {
                let providers = graph.providers(name).iter();
                let packages = providers.map(|one| Task::Package(one.package, name, how));
                self.tasks.extend(packages);
            }
            Task::Package(package, name, how) if self.among.contains(&package) => {
                self.reach(package, name, how);
            }
            Task::Depends(package) => {
                let edges = graph.all_depends(package);
                let wanted = edges.filter(|edge| !edge.dependency.conflict);
                self.tasks
                    .extend(wanted.map(|edge| Task::Name(edge.name, PRESENT)));
            }
            Task::Waiting(name) => {
                let waiting = graph.reverse_install_if(name).iter();
                let providers = waiting.flat_map(|name| graph.providers(*name));
                self.tasks
                    .extend(providers.map(|one| Task::Conditions(one.package)));
            }
            Task::Conditions(package) if self.holds(package) => {
                let names = graph.names_of(package);
                self.tasks
                    .extend(names.map(|name| Task::Name(name, TRIGGERED)));
            }
            Task::Package(..) | Task::Conditions(_) => {}
        }
    }

    fn reach(&mut self, package: PackageId, name: NameId, how: u8) {
        let graph = self.graph;
        let known = &graph.packages[package];
        let mut provides = graph.provides(package).iter();
        let concrete = known.name == name
            || known.provider_priority > 0
            || provides.any(|one| one.name == name && one.version.is_some());
        let how = if concrete { how } else { VIRTUAL };
        let marks = self.packages.entry(package).or_default();
        if *marks & how != 0 {
            return;
        }
        *marks |= how;
        *self.names.entry(known.name).or_default() |= how;
        for provided in graph.provides(package) {
            let only = how == TRIGGERED && provided.version.is_none();
            *self.names.entry(provided.name).or_default() |= if only { VIRTUAL } else { how };
        }
        self.tasks.push(Task::Depends(package));
        if how != VIRTUAL {
            self.tasks
                .extend(graph.names_of(package).map(Task::Waiting));
        }
    }

    fn holds(&self, package: PackageId) -> bool {
        let mut conditions = self.graph.install_if(package);
        let there = |name: &NameId| {
            let marks = self.names.get(name).copied().unwrap_or_default();
            marks & (PRESENT | TRIGGERED) != 0
        };
        self.among.contains(&package)
            && conditions.len() > 0
            && conditions.all(|edge| there(&edge.name) != edge.dependency.conflict)
    }
}
