//! Discovery: finds every name the request can touch and numbers them.
//!
//! A name gets its number on the way out, after what it leads to: so it ranks above the names it depends on, unless
//! these were reached first. Real indexes lead 150 names deep and hostile ones as deep as they have names, so the
//! way back is kept in a list and not on the thread's stack.

use super::solver::Solver;
use super::table::{NameId, PackageId};
use super::tags::TagSet;

impl Solver<'_, '_> {
    /// Discovers a name and all it leads to; nothing if it was seen before.
    pub(super) fn discover(&mut self, name: NameId) {
        let mut way = Vec::new();
        way.extend(self.enter(name));
        while let Some(visit) = way.last_mut() {
            match self.advance(visit) {
                Some(next) => way.extend(self.enter(next)),
                None => {
                    way.pop();
                }
            }
        }
    }

    fn enter(&mut self, name: NameId) -> Option<Visit> {
        let state = &mut self.names[name];
        if std::mem::replace(&mut state.seen, true) {
            return None;
        }
        state.exhausted = true;
        let mut visit = Visit {
            name,
            stage: Stage::Depends,
            provider: 0,
            item: 0,
            fresh: false,
        };
        self.meet_package(&mut visit);
        Some(visit)
    }

    /// The next name to discover from here; `None` when all is done.
    fn advance(&mut self, visit: &mut Visit) -> Option<NameId> {
        loop {
            let found = self.item(visit);
            if found.is_some() {
                self.spend(1);
                return found;
            }
            self.turn(visit)?;
        }
    }

    /// The next name of the list that the stage walks over, if there is another one.
    ///
    /// Several visits come to the lists of one package or name. What an earlier one has taken from it is seen already,
    /// so each list is walked over once.
    fn item(&mut self, visit: &mut Visit) -> Option<NameId> {
        let graph = self.graph;
        if visit.stage == Stage::Waiting {
            return self.waiting(visit.name);
        }
        let package = self.package(visit)?;
        match visit.stage {
            Stage::Depends if !visit.fresh => None,
            Stage::Depends => {
                let wanted = graph.wanted_at(package, visit.item)?;
                visit.item += 1;
                Some(wanted)
            }
            Stage::Conditions => {
                let met = &mut self.packages[package].conditions_met;
                let condition = graph.conditions(package).get(*met)?;
                *met += 1;
                Some(*condition)
            }
            Stage::Provides => {
                let met = &mut self.packages[package].provides_met;
                let provided = graph.provides(package).get(*met)?;
                *met += 1;
                Some(provided.name)
            }
            Stage::Waiting | Stage::WaitingForPackage => self.waiting(graph.packages[package].name),
        }
    }

    fn waiting(&mut self, name: NameId) -> Option<NameId> {
        let met = &mut self.names[name].waiting_met;
        let waiting = self.graph.reverse_install_if(name).get(*met)?;
        *met += 1;
        Some(*waiting)
    }

    /// Goes on to the next list; `None` when there is none.
    fn turn(&mut self, visit: &mut Visit) -> Option<()> {
        self.spend(1);
        let more = visit.provider + 1 < self.graph.providers(visit.name).len();
        let (stage, provider) = match visit.stage {
            Stage::Depends if more => (Stage::Depends, visit.provider + 1),
            Stage::Depends => (Stage::Waiting, 0),
            Stage::Waiting => (Stage::WaitingForPackage, 0),
            Stage::WaitingForPackage => (Stage::Provides, visit.provider),
            Stage::Provides if more => (Stage::WaitingForPackage, visit.provider + 1),
            Stage::Provides => {
                self.number(visit.name);
                (Stage::Conditions, 0)
            }
            Stage::Conditions if more => (Stage::Conditions, visit.provider + 1),
            Stage::Conditions => return None,
        };
        (visit.stage, visit.provider, visit.item) = (stage, provider, 0);
        if stage == Stage::Depends {
            self.meet_package(visit);
        }
        Some(())
    }

    /// Gives the provider's package its start values, if this is its first meeting.
    fn meet_package(&mut self, visit: &mut Visit) {
        let Some(package) = self.package(visit) else {
            return;
        };
        visit.fresh = !self.packages[package].seen;
        if visit.fresh {
            self.start(package);
        }
        self.names[visit.name].exhausted &= self.packages[package].cannot_trigger;
    }

    fn start(&mut self, id: PackageId) {
        let package = &self.graph.packages[id];
        let unconditional = self.graph.conditions(id).is_empty();
        let state = &mut self.packages[id];
        let empty = package.empty;
        state.seen = true;
        let given = package.given;
        state.available = package.is_available();
        state.selectable = package.installable
            && (state.available || empty || package.is_installed() || given.is_some());
        let preferred = empty || given == Some(true);
        state.tag_preferred = preferred || package.home.intersects(TagSet::DEFAULT);
        state.tag_ok = state.tag_preferred || package.is_installed();
        state.cannot_trigger = unconditional || (self.prefer_available && !state.available);
    }

    fn number(&mut self, name: NameId) {
        self.discovered += 1;
        let rank = &mut self.names[name].rank;
        rank.order = self.discovered;
        rank.real = self
            .graph
            .providers(name)
            .iter()
            .any(|provider| self.graph.packages[provider.package].name == name);
    }

    fn package(&self, visit: &Visit) -> Option<PackageId> {
        self.graph
            .providers(visit.name)
            .get(visit.provider)
            .map(|provider| provider.package)
    }
}

/// A name on the way from the world to the one being discovered.
#[derive(Debug)]
struct Visit {
    name: NameId,
    stage: Stage,
    /// Which provider of the name, and which of its dependencies.
    provider: usize,
    item: usize,
    /// Whether the provider's package was first met here: then what it depends on is discovered here.
    fresh: bool,
}

/// Which list is walked over; the variants stand in the order of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// What a provider depends on; provider after provider.
    Depends,
    /// What waits for this name.
    Waiting,
    /// What waits for the own name of a provider, and then what that provider provides; provider after provider.
    WaitingForPackage,
    Provides,
    /// After the name got its number: what a provider waits for; provider after provider.
    Conditions,
}
