//! The solver: propagates what is certain, decides one name at a time, and never takes a decision back.

use std::collections::VecDeque;

use super::graph::{Edge, Graph, Provider};
use super::operation::{Plan, WorldEntry};
use super::queues::Queues;
use super::state::{NameState, PackageState, Wishes};
use super::table::{NameId, PackageId, Table};
use super::tags::TagSet;
use super::{WORK_BASE, WORK_FACTOR};

/// All that changes while one request is solved.
#[derive(Debug)]
pub(super) struct Solver<'g, 'a> {
    pub(super) graph: &'g Graph<'a>,
    pub(super) names: Table<NameId, NameState<'a>>,
    pub(super) packages: Table<PackageId, PackageState>,
    pub(super) queues: Queues,
    dirty: VecDeque<NameId>,
    /// The request asks for what repositories have.
    pub(super) prefer_available: bool,
    /// The last order number given by discovery.
    pub(super) discovered: usize,
    /// Packages in error, and required names for which nobody was found.
    pub(super) errors: usize,
    /// Conflicts, and names that only one package may have, do not count.
    pub(super) ignores_conflicts: bool,
    /// Apk itself is being upgraded: everything else stays if it can.
    pub(super) preupgrade: bool,
    /// The number of the name that is being reconsidered or decided. What is signalled twice meanwhile finds nothing new.
    moment: u64,
    /// The number of the last walk over the providers of a name.
    pub(super) walks: u64,
    /// Steps so far, and how many are allowed.
    pub(super) work: u64,
    pub(super) limit: u64,
}

/// On whose behalf a constraint is applied, and what that hands on to the packages that satisfy it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Requirer {
    /// The world, with the wishes of the operation and the tag of the entry.
    World { wishes: Wishes, tag: TagSet },
    /// A package, which hands on its own wishes and tags.
    Package(PackageId),
}

impl<'g, 'a> Solver<'g, 'a> {
    pub(super) fn new(graph: &'g Graph<'a>, plan: &Plan<'a>) -> Self {
        let mut solver = Solver {
            graph,
            names: Table::beside(&graph.names, |_| NameState::default()),
            packages: Table::beside(&graph.packages, |_| PackageState::default()),
            queues: Queues::default(),
            dirty: VecDeque::new(),
            prefer_available: plan.wishes.has(Wishes::AVAILABLE),
            discovered: 0,
            errors: 0,
            ignores_conflicts: plan.ignores_conflicts,
            preupgrade: plan.preupgrade,
            moment: 1,
            walks: 0,
            work: 0,
            limit: limit(graph.size()),
        };
        for wish in &plan.named {
            solver.names[wish.name].rank.named = true;
            for provider in graph.providers(wish.name) {
                let package = &mut solver.packages[provider.package];
                package.wishes |= wish.own;
                package.inheritable |= wish.inheritable;
            }
        }
        solver
    }

    /// Decides every name that the world needs decided.
    pub(super) fn solve(&mut self, plan: &Plan<'a>) {
        for entry in plan.wanted() {
            self.discover(entry.name);
        }
        for entry in plan.wanted() {
            self.apply_world(entry, plan.wishes);
        }
        while self.work <= self.limit {
            self.moment += 1;
            if let Some(name) = self.dirty.pop_front() {
                if !self.names[name].locked {
                    self.names[name].dirty = false;
                    self.reconsider(name);
                }
                continue;
            }
            let Some(name) = self.next_name() else {
                break;
            };
            self.decide(name);
        }
    }

    /// Counts steps.
    pub(super) fn spend(&mut self, steps: usize) {
        self.work = self.work.saturating_add(steps as u64);
    }

    fn apply_world(&mut self, entry: &WorldEntry<'a>, wishes: Wishes) {
        let edge = Edge {
            name: entry.name,
            dependency: &entry.dependency,
        };
        self.apply(
            Requirer::World {
                wishes,
                tag: entry.tag,
            },
            edge,
        );
    }

    // --- constraints ---------------------------------------------------------

    /// Makes a dependency count: for its name, and against every provider that does not satisfy it.
    pub(super) fn apply(&mut self, requirer: Requirer, edge: Edge<'_>) {
        if (edge.dependency.conflict && self.ignores_conflicts) || self.work > self.limit {
            return;
        }
        self.spend(1 + self.graph.providers(edge.name).len());
        if !edge.dependency.conflict {
            self.names[edge.name].requirers += 1;
            if self.names[edge.name].requirers == 1 {
                self.announce(edge.name);
            }
        }
        for provider in self.graph.providers(edge.name) {
            let satisfied =
                self.graph
                    .satisfied(edge.dependency, requirer.package(), Some(*provider));
            let package = &mut self.packages[provider.package];
            if !satisfied {
                package.conflicts += 1;
            }
            if package.selectable && package.conflicts > 0 {
                self.rule_out(provider.package);
            }
            if satisfied {
                self.inherit(provider.package, requirer);
            }
        }
    }

    /// A name is required for the first time.
    pub(super) fn announce(&mut self, name: NameId) {
        self.consider(name, false);
        self.signal_install_if(name);
        self.enqueue_dirty(name);
    }

    /// Hands wishes and tags on to a package.
    pub(super) fn inherit(&mut self, package: PackageId, from: Requirer) {
        let home = self.graph.packages[package].home;
        match from {
            Requirer::Package(requirer) => {
                let (inheritable, allowed) = (
                    self.packages[requirer].inheritable,
                    self.packages[requirer].allowed,
                );
                self.packages[package].take_over(inheritable, allowed);
            }
            Requirer::World { wishes, tag } => {
                self.packages[package].take_over(wishes, tag);
                self.packages[package].tag_preferred = home.intersects(tag);
            }
        }
        let state = &mut self.packages[package];
        state.tag_ok |= home.intersects(state.allowed);
    }

    /// A package cannot be used any more.
    pub(super) fn rule_out(&mut self, package: PackageId) {
        let state = &mut self.packages[package];
        state.selectable = false;
        if std::mem::replace(&mut state.signalled, self.moment) != self.moment {
            for name in self.graph.names_of(package) {
                self.signal_depends(name);
            }
        }
        self.signal_all_install_if(package);
    }

    // --- signals -------------------------------------------------------------

    /// Whoever depends on this name looks at its dependencies again.
    pub(super) fn signal_depends(&mut self, name: NameId) {
        self.spend(1 + self.graph.reverse_depends(name).len());
        for reverse in self.graph.reverse_depends(name) {
            if self.names[*reverse].seen {
                self.names[*reverse].recheck.depends = true;
                self.enqueue_dirty(*reverse);
            }
        }
    }

    /// Whoever waits for this name looks at its install_if again.
    pub(super) fn signal_install_if(&mut self, name: NameId) {
        self.spend(self.graph.reverse_install_if(name).len());
        for reverse in self.graph.reverse_install_if(name) {
            let state = &mut self.names[*reverse];
            if state.seen && !state.exhausted {
                state.recheck.install_if = true;
                self.enqueue_dirty(*reverse);
            }
        }
    }

    /// The same for all names of a package.
    pub(super) fn signal_all_install_if(&mut self, package: PackageId) {
        let woken = &mut self.packages[package].woken;
        if std::mem::replace(woken, self.moment) != self.moment {
            for name in self.graph.awaited(package) {
                self.signal_install_if(*name);
            }
        }
    }

    fn enqueue_dirty(&mut self, name: NameId) {
        let state = &mut self.names[name];
        if state.dirty || state.locked || (state.requirers == 0 && !state.recheck.install_if) {
            return;
        }
        state.dirty = true;
        self.dirty.push_back(name);
    }

    // --- errors --------------------------------------------------------------

    /// Counts an error of a package, once for each package.
    pub(super) fn fail(&mut self, package: PackageId) {
        if !std::mem::replace(&mut self.packages[package].error, true) {
            self.errors += 1;
        }
    }

    /// Whether the choice for a name does what a dependency wants.
    pub(super) fn choice_satisfies(&self, edge: Edge<'_>, requirer: Option<PackageId>) -> bool {
        self.graph
            .satisfied(edge.dependency, requirer, self.names[edge.name].chosen)
    }

    /// The package chosen for a name.
    pub(super) fn choice(&self, name: NameId) -> Option<PackageId> {
        self.names[name]
            .chosen
            .map(|provider: Provider<'a>| provider.package)
    }
}

/// The steps that are allowed where there is this much.
fn limit(size: usize) -> u64 {
    (size as u64)
        .saturating_mul(WORK_FACTOR)
        .saturating_add(WORK_BASE)
}

impl Requirer {
    fn package(self) -> Option<PackageId> {
        match self {
            Requirer::World { .. } => None,
            Requirer::Package(package) => Some(package),
        }
    }
}

impl PackageState {
    fn take_over(&mut self, wishes: Wishes, tags: TagSet) {
        self.wishes |= wishes;
        self.inheritable |= wishes;
        self.allowed |= tags;
    }
}
