//! Deciding a name: who may be chosen, who is preferred, and what the choice entails.

use std::cmp::{Ordering, Reverse};

use apk_format::version;

use super::graph::Provider;
use super::solver::{Requirer, Solver};
use super::state::{PackageState, Wishes};
use super::table::{NameId, PackageId};
use super::tags::TagSet;

impl<'a> Solver<'_, 'a> {
    /// Chooses a provider of the name, or nobody, for good.
    pub(super) fn decide(&mut self, name: NameId) {
        self.spend(1 + self.graph.providers(name).len());
        match self.best(name) {
            Some(provider) => self.choose(provider.package),
            None => {
                self.assign(name, None);
                if self.names[name].requirers > 0 {
                    self.errors += 1;
                }
            }
        }
    }

    // --- who is best ------------------------------------------------------------

    fn best(&self, name: NameId) -> Option<Provider<'a>> {
        let state = &self.names[name];
        if state.requirers == 0 && !state.triggered {
            return None;
        }
        let mut best: Option<Provider<'a>> = None;
        for provider in self.graph.providers(name) {
            if !self.is_eligible(name, *provider) {
                continue;
            }
            if best.is_none_or(|best| self.preference(*provider, best) == Ordering::Greater) {
                best = Some(*provider);
            }
        }
        best
    }

    /// Whether a provider takes part. If the name is required even unusable ones do: winning is their error.
    fn is_eligible(&self, name: NameId, provider: Provider<'a>) -> bool {
        let package = &self.packages[provider.package];
        let usable = package.triggered && package.tag_ok && package.selectable;
        (self.names[name].requirers > 0 || usable) && self.is_auto_selectable(provider)
    }

    /// Compares two providers of one name: the greater one is preferred, equal ones stay in list order.
    fn preference(&self, a: Provider<'a>, b: Provider<'a>) -> Ordering {
        let (left, right) = (&self.packages[a.package], &self.packages[b.package]);
        let wishes = left.wishes.or(right.wishes);
        let untagged = left.allowed == TagSet::DEFAULT && right.allowed == TagSet::DEFAULT;
        let by_state = if wishes.has(Wishes::LATEST) && untagged {
            latest_preference(wishes, left, right)
        } else {
            self.usual_preference(wishes, a, b)
        };
        by_state.then_with(|| self.common_preference(wishes, a, b))
    }

    /// Prefers what can be used as it is, then what is installed.
    fn usual_preference(&self, wishes: Wishes, a: Provider<'a>, b: Provider<'a>) -> Ordering {
        let (left, right) = (&self.packages[a.package], &self.packages[b.package]);
        let usable = |state: &PackageState| {
            (
                state.selectable,
                state.in_last_merge,
                Reverse(state.conflicts),
            )
        };
        usable(left)
            .cmp(&usable(right))
            .then_with(|| {
                let stay = self.preupgrade && !wishes.has(Wishes::UPGRADE);
                when(stay || wishes.has(Wishes::INSTALLED), || {
                    self.by_installed(a, b)
                })
            })
            .then_with(|| left.tag_ok.cmp(&right.tag_ok))
            .then_with(|| {
                when(wishes.has(Wishes::AVAILABLE), || {
                    left.available.cmp(&right.available)
                })
            })
            .then_with(|| left.tag_preferred.cmp(&right.tag_preferred))
            .then_with(|| {
                when(self.may_keep_installed(wishes, a, b), || {
                    self.by_installed(a, b)
                })
            })
    }

    /// Whether being installed counts before the version: not between unversioned providers of different names.
    fn may_keep_installed(&self, wishes: Wishes, a: Provider<'a>, b: Provider<'a>) -> bool {
        !wishes.has(Wishes::UPGRADE.or(Wishes::REMOVE))
            && (self.have_same_name(a, b) || a.version.is_some() || b.version.is_some())
    }

    /// Prefers versions, priorities, what is installed, and what comes first.
    fn common_preference(&self, wishes: Wishes, a: Provider<'a>, b: Provider<'a>) -> Ordering {
        let (left, right) = (
            &self.graph.packages[a.package],
            &self.graph.packages[b.package],
        );
        compare_versions(a.version, b.version)
            .then_with(|| {
                when(self.have_same_name(a, b), || {
                    version::compare(left.version, right.version, false)
                })
            })
            .then_with(|| left.provider_priority.cmp(&right.provider_priority))
            .then_with(|| when(!wishes.has(Wishes::REMOVE), || self.by_installed(a, b)))
            .then_with(|| {
                self.packages[a.package]
                    .selectable
                    .cmp(&self.packages[b.package].selectable)
            })
            .then_with(|| Reverse(left.first).cmp(&Reverse(right.first)))
    }

    fn by_installed(&self, a: Provider<'a>, b: Provider<'a>) -> Ordering {
        self.graph.packages[a.package]
            .is_installed()
            .cmp(&self.graph.packages[b.package].is_installed())
    }

    fn have_same_name(&self, a: Provider<'a>, b: Provider<'a>) -> bool {
        self.graph.packages[a.package].name == self.graph.packages[b.package].name
    }

    // --- what a choice entails ----------------------------------------------------

    /// Takes a package for every name it has, and makes what it depends on count.
    fn choose(&mut self, package: PackageId) {
        let state = &self.packages[package];
        if !state.selectable || !state.tag_ok {
            self.fail(package);
        }
        self.assign(
            self.graph.packages[package].name,
            Some(self.graph.itself(package)),
        );
        for provided in self.graph.provides(package) {
            self.assign(
                provided.name,
                Some(Provider {
                    package,
                    version: provided.version,
                }),
            );
        }
        let mut item = 0;
        while let Some(edge) = self.graph.depends_at(package, item) {
            self.apply(Requirer::Package(package), edge);
            item += 1;
        }
    }

    /// Locks a name to a provider or to nobody; an error if it is locked already, unless neither owns the name.
    fn assign(&mut self, name: NameId, provider: Option<Provider<'a>>) {
        let state = &mut self.names[name];
        if state.locked {
            let old = state.chosen;
            if !self.ignores_conflicts && (is_versioned(old) || is_versioned(provider)) {
                for provider in provider.into_iter().chain(old) {
                    self.fail(provider.package);
                }
            }
            return;
        }
        state.locked = true;
        state.dirty = false;
        state.queue = None;
        state.chosen = provider;
        if let Some(provider) = provider {
            self.require_conditions(name, provider.package);
        }
        self.rule_out_others(name, provider);
        self.signal_depends(name);
        match provider {
            Some(provider) => self.signal_all_install_if(provider.package),
            None => self.signal_install_if(name),
        }
    }

    /// A package that installs itself needs what it waited for.
    fn require_conditions(&mut self, name: NameId, package: PackageId) {
        if self.names[name].requirers > 0 || !self.packages[package].triggered {
            return;
        }
        for edge in self.graph.install_if(package) {
            if !self.names[edge.name].locked {
                self.apply(Requirer::Package(package), edge);
            }
        }
    }

    /// Rules out everyone else for the name; providers without a version may stand side by side.
    fn rule_out_others(&mut self, name: NameId, chosen: Option<Provider<'a>>) {
        self.spend(self.graph.providers(name).len());
        if self.ignores_conflicts {
            return;
        }
        let owned = is_versioned(chosen);
        let chosen = chosen.map(|provider| provider.package);
        for other in self.graph.providers(name) {
            if Some(other.package) != chosen && (owned || other.version.is_some()) {
                self.rule_out(other.package);
            }
        }
    }
}

/// With the wish for the latest, versions come before usability.
fn latest_preference(wishes: Wishes, left: &PackageState, right: &PackageState) -> Ordering {
    left.tag_ok.cmp(&right.tag_ok).then_with(|| {
        if wishes.has(Wishes::AVAILABLE) {
            left.available.cmp(&right.available)
        } else {
            when(wishes.has(Wishes::REINSTALL), || {
                left.selectable.cmp(&right.selectable)
            })
        }
    })
}

/// No version is less than every version.
fn compare_versions(a: Option<&str>, b: Option<&str>) -> Ordering {
    version::compare(a.unwrap_or_default(), b.unwrap_or_default(), false)
}

fn is_versioned(provider: Option<Provider<'_>>) -> bool {
    provider.is_some_and(|provider| provider.version.is_some())
}

/// A step of a comparison that applies only under a condition.
fn when(condition: bool, compare: impl FnOnce() -> Ordering) -> Ordering {
    if condition {
        compare()
    } else {
        Ordering::Equal
    }
}
