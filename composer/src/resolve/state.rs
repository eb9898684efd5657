//! What the solver knows so far about each name and each package.

use std::ops::BitOrAssign;

use super::graph::Provider;
use super::queues::Queue;
use super::tags::TagSet;

/// Wishes about versions that travel from the operation to packages, and from packages to what they depend on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes(u8);

impl Wishes {
    pub(super) const NONE: Wishes = Wishes(0);
    /// Newer versions win over installed ones.
    pub(super) const UPGRADE: Wishes = Wishes(1);
    /// Newer versions win even over usable ones.
    pub(super) const LATEST: Wishes = Wishes(2);
    /// What a repository has wins.
    pub(super) const AVAILABLE: Wishes = Wishes(4);
    /// Installed packages are installed once more.
    pub(super) const REINSTALL: Wishes = Wishes(8);
    /// Being installed is no reason to stay.
    pub(super) const REMOVE: Wishes = Wishes(16);
    /// What is installed stays if it can.
    pub(super) const INSTALLED: Wishes = Wishes(32);

    pub(super) fn has(self, wish: Wishes) -> bool {
        self.0 & wish.0 != 0
    }

    pub(super) fn or(self, other: Wishes) -> Wishes {
        Wishes(self.0 | other.0)
    }
}

impl BitOrAssign for Wishes {
    fn bitor_assign(&mut self, other: Wishes) {
        *self = self.or(other);
    }
}

/// A name while solving.
#[derive(Clone, Debug, Default)]
pub(super) struct NameState<'a> {
    /// Reached from the world by discovery.
    pub(super) seen: bool,
    pub(super) rank: Rank,
    /// How often it is required. Only grows; compared with zero and one.
    pub(super) requirers: usize,
    /// Decided: `chosen` is final.
    pub(super) locked: bool,
    pub(super) chosen: Option<Provider<'a>>,
    pub(super) queue: Option<Queue>,
    /// Waiting to be reconsidered.
    pub(super) dirty: bool,
    pub(super) recheck: Recheck,
    /// Some provider installs itself because its install_if holds.
    pub(super) triggered: bool,
    /// No provider's install_if can hold any more.
    pub(super) exhausted: bool,
    /// There is more to decide than "the only candidate".
    pub(super) has_options: bool,
    /// Some candidate may be taken without being asked for by its own name.
    pub(super) auto_selectable: bool,
    /// Everything that could still require it is decided.
    pub(super) requirers_decided: bool,
    /// A negative install_if condition waits for its decision.
    pub(super) awaited: bool,
    /// How many options in a row depend on this name.
    pub(super) depends_count: usize,
    /// How many options in a row provide this name, and whether one does so without a version.
    pub(super) provides_count: usize,
    /// How far discovery has gone through what waits for this name.
    pub(super) waiting_met: usize,
    pub(super) provided_unversioned: bool,
}

/// What a name's providers are to be checked for when it is reconsidered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recheck {
    pub(super) depends: bool,
    pub(super) install_if: bool,
}

/// The precedence of a name among those to be decided: the greatest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// Named by the operation itself.
    pub(super) named: bool,
    /// There is a package of that name.
    pub(super) real: bool,
    /// When discovery was done with it; from 1, each number once.
    pub(super) order: usize,
}

/// A package while solving.
#[derive(Clone, Debug)]
pub(super) struct PackageState {
    pub(super) seen: bool,
    pub(super) available: bool,
    pub(super) selectable: bool,
    pub(super) tag_ok: bool,
    pub(super) tag_preferred: bool,
    /// How often a constraint spoke against it. A count, not a set: constraints are applied more than once.
    pub(super) conflicts: usize,
    /// Its install_if holds.
    pub(super) triggered: bool,
    /// Its install_if cannot hold any more.
    pub(super) cannot_trigger: bool,
    /// Whether it was an option when its name was last reconsidered, and in the walk now going on.
    pub(super) in_last_merge: bool,
    pub(super) in_this_merge: bool,
    pub(super) error: bool,
    /// How far discovery has gone through what it provides and what it waits for.
    pub(super) provides_met: usize,
    pub(super) conditions_met: usize,
    /// When its names were last signalled to those who depend on them, and to those who wait for them.
    pub(super) signalled: u64,
    pub(super) woken: u64,
    /// The walk in which it was last seen as a provider.
    pub(super) walk: u64,
    pub(super) allowed: TagSet,
    pub(super) wishes: Wishes,
    /// What its dependencies take over.
    pub(super) inheritable: Wishes,
}

impl Default for PackageState {
    fn default() -> Self {
        PackageState {
            seen: false,
            available: false,
            selectable: false,
            tag_ok: false,
            tag_preferred: false,
            conflicts: 0,
            triggered: false,
            cannot_trigger: false,
            in_last_merge: false,
            in_this_merge: false,
            error: false,
            provides_met: 0,
            conditions_met: 0,
            signalled: 0,
            woken: 0,
            walk: 0,
            allowed: TagSet::DEFAULT,
            wishes: Wishes::NONE,
            inheritable: Wishes::NONE,
        }
    }
}
