//! Reconsidering a name: what its providers have become, and what is certain whichever of them is chosen.

use super::graph::{Edge, Provider};
use super::solver::{Requirer, Solver};
use super::state::Recheck;
use super::state::Wishes;
use super::table::{NameId, PackageId};
use super::tags::TagSet;

/// What a walk over the providers of a name found.
#[derive(Debug)]
struct Walk {
    recheck: Recheck,
    first: Option<PackageId>,
    options: usize,
    any_tag_not_ok: bool,
    auto_selectable: bool,
    triggered: bool,
    exhausted: bool,
    /// The class of the name.
    class: u32,
}

/// What became of one condition of a package's install_if.
enum Condition {
    Holds,
    Fails,
    Undecided,
}

impl<'a> Solver<'_, 'a> {
    /// Looks at the providers of a name again and propagates what has become certain.
    pub(super) fn reconsider(&mut self, name: NameId) {
        let walk = self.walk(name);
        let state = &mut self.names[name];
        state.has_options = walk.options > 1 || walk.any_tag_not_ok;
        state.triggered = walk.triggered;
        state.exhausted = walk.exhausted;
        let changed = std::mem::replace(&mut state.auto_selectable, walk.auto_selectable)
            != walk.auto_selectable;
        if let Some(first) = walk.first {
            for provider in self.graph.providers(name) {
                let package = &mut self.packages[provider.package];
                package.in_last_merge = package.in_this_merge;
            }
            self.require_common(first, walk.options);
            self.require_provided(name, first, &walk);
        }
        let reverse = self.graph.reverse_depends(name);
        self.spend(reverse.len());
        self.names[name].requirers_decided = reverse
            .iter()
            .all(|reverse| !self.names[*reverse].seen || self.names[*reverse].locked);
        self.consider(name, changed);
    }

    // --- the walk over the providers ------------------------------------------

    fn walk(&mut self, name: NameId) -> Walk {
        let mut walk = Walk {
            recheck: std::mem::take(&mut self.names[name].recheck),
            first: None,
            options: 0,
            any_tag_not_ok: false,
            auto_selectable: false,
            triggered: false,
            exhausted: true,
            class: self.graph.names[name].class,
        };
        self.walks += 1;
        for provider in self.graph.providers(name) {
            self.weigh(name, *provider, &mut walk);
        }
        walk
    }

    fn weigh(&mut self, name: NameId, provider: Provider<'a>, walk: &mut Walk) {
        let package = provider.package;
        self.spend(1);
        self.packages[package].in_this_merge = false;
        self.packages[package].walk = self.walks;
        if walk.recheck.depends
            && self.packages[package].selectable
            && !self.is_satisfiable(package)
        {
            self.rule_out(package);
        }
        if !self.packages[package].selectable {
            return;
        }
        if walk.recheck.install_if {
            self.check_install_if(package);
        }
        let state = &self.packages[package];
        walk.triggered |= state.triggered;
        walk.auto_selectable |= state.triggered;
        walk.exhausted &= state.cannot_trigger;
        if self.names[name].requirers == 0 {
            return;
        }
        walk.auto_selectable |= self.is_auto_selectable(provider);
        walk.any_tag_not_ok |= !state.tag_ok;
        self.packages[package].in_this_merge = true;
        walk.first.get_or_insert(package);
        self.count_depends(package, walk.options);
        self.count_provides(provider, walk);
        walk.options += 1;
    }

    /// Whether all that a package depends on can still be had.
    fn is_satisfiable(&mut self, package: PackageId) -> bool {
        let mut steps = 0;
        let satisfiable = self.graph.depends(package).all(|edge| {
            if edge.dependency.conflict && self.ignores_conflicts {
                return true;
            }
            steps += 1;
            let state = &self.names[edge.name];
            let by = |provider| {
                self.graph
                    .satisfied(edge.dependency, Some(package), provider)
            };
            if state.locked {
                return by(state.chosen);
            }
            (state.requirers == 0 && by(None))
                || self.graph.providers(edge.name).iter().any(|provider| {
                    steps += 1;
                    self.packages[provider.package].selectable && by(Some(*provider))
                })
        });
        self.spend(steps);
        satisfiable
    }

    /// Whether a provider may be chosen for the name without being asked for by its own name.
    pub(super) fn is_auto_selectable(&self, provider: Provider<'a>) -> bool {
        let package = &self.graph.packages[provider.package];
        provider.version.is_some()
            || package.provider_priority > 0
            || self.names[package.name].requirers > 0
    }

    // --- install_if -----------------------------------------------------------

    fn check_install_if(&mut self, package: PackageId) {
        let state = &self.packages[package];
        if !state.triggered && !state.cannot_trigger {
            self.try_trigger(package);
        }
        if self.packages[package].triggered {
            self.inherit_from_conditions(package);
        }
    }

    fn try_trigger(&mut self, package: PackageId) {
        for edge in self.graph.install_if(package) {
            match self.condition(package, edge) {
                Condition::Holds => {}
                Condition::Fails => {
                    self.packages[package].cannot_trigger = true;
                    return;
                }
                Condition::Undecided => {
                    if edge.dependency.conflict {
                        self.names[edge.name].awaited = true;
                        self.consider(edge.name, false);
                    }
                    return;
                }
            }
        }
        self.packages[package].triggered = true;
    }

    fn condition(&self, package: PackageId, edge: Edge<'a>) -> Condition {
        if !self.names[edge.name].locked {
            Condition::Undecided
        } else if self.choice_satisfies(edge, Some(package)) {
            Condition::Holds
        } else {
            Condition::Fails
        }
    }

    fn inherit_from_conditions(&mut self, package: PackageId) {
        for edge in self.graph.install_if(package) {
            let from = match self.choice(edge.name) {
                Some(chosen) => Requirer::Package(chosen),
                None => Requirer::World {
                    wishes: Wishes::NONE,
                    tag: TagSet::EMPTY,
                },
            };
            self.inherit(package, from);
        }
    }

    // --- dependencies common to all options ------------------------------------

    /// Counts the names an option depends on; `options` came before it. Only names that all of them had stay in step.
    fn count_depends(&mut self, package: PackageId, options: usize) {
        self.spend(self.graph.depends(package).len());
        for edge in self.graph.depends(package) {
            let count = &mut self.names[edge.name].depends_count;
            if !edge.dependency.conflict && *count == options {
                *count = options + 1;
            }
        }
    }

    /// Requires what every option depends on: fully if there is one option, else by name only.
    fn require_common(&mut self, first: PackageId, options: usize) {
        for edge in self.graph.depends(first) {
            if std::mem::take(&mut self.names[edge.name].depends_count) != options {
                continue;
            }
            if options == 1 {
                self.apply(Requirer::Package(first), edge);
            } else if self.names[edge.name].requirers == 0 {
                self.names[edge.name].requirers = 1;
                self.announce(edge.name);
                for provider in self.graph.providers(edge.name) {
                    self.inherit(provider.package, Requirer::Package(first));
                }
            }
        }
    }

    // --- names provided by all options -----------------------------------------

    /// Counts the names an option provides, as far as anybody else provides them too. Those with the same providers as
    /// the name itself are no matter: whoever provides them provides the name.
    fn count_provides(&mut self, provider: Provider<'a>, walk: &Walk) {
        let graph = self.graph;
        let mut steps = 0;
        for shared in graph.shared(provider.package, walk.class) {
            let unversioned = shared.unversioned.unwrap_or(provider.version.is_none());
            self.count_provided(shared.name, unversioned, walk.options);
            steps += 1;
        }
        self.spend(steps);
    }

    fn count_provided(&mut self, name: NameId, unversioned: bool, options: usize) {
        let state = &mut self.names[name];
        if state.provides_count == options {
            state.provides_count = options + 1;
            state.provided_unversioned = unversioned || (options > 0 && state.provided_unversioned);
        }
    }

    /// Whatever is chosen for a name that all options provide must provide `name` too.
    fn require_provided(&mut self, name: NameId, first: PackageId, walk: &Walk) {
        let graph = self.graph;
        for shared in graph.shared(first, walk.class) {
            let count = std::mem::take(&mut self.names[shared.name].provides_count);
            if count == walk.options && shared.name != name && !self.ignores_conflicts {
                self.rule_out_strangers(shared.name);
            }
        }
    }

    /// Rules out the providers of `provided` that the walk over the providers of the name has not met.
    fn rule_out_strangers(&mut self, provided: NameId) {
        let spare_unversioned = self.names[provided].provided_unversioned;
        let graph = self.graph;
        self.spend(graph.providers(provided).len());
        for provider in graph.providers(provided) {
            let package = provider.package;
            let spared =
                spare_unversioned && (provider.version.is_none() || graph.packages[package].spares);
            let stranger = self.packages[package].walk != self.walks;
            if self.packages[package].selectable && !spared && stranger {
                self.rule_out(package);
            }
        }
    }
}
