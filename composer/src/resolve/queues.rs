//! Which name is decided next.

use std::collections::{BinaryHeap, VecDeque};

use super::solver::Solver;
use super::state::Rank;
use super::table::NameId;

/// Where a name waits for its decision; the first queue that is not empty gives the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    /// Nothing is left to decide: first in, first out.
    Now,
    /// By rank.
    Selectable,
    /// By rank: names without a candidate that may be taken unasked.
    Rest,
}

/// The queues. A name that left a queue may still stand in it; its state tells where it really is.
#[derive(Debug, Default)]
pub(super) struct Queues {
    now: VecDeque<NameId>,
    selectable: BinaryHeap<(Rank, NameId)>,
    rest: BinaryHeap<(Rank, NameId)>,
}

impl Queues {
    fn add(&mut self, queue: Queue, rank: Rank, name: NameId) {
        match queue {
            Queue::Now => self.now.push_back(name),
            Queue::Selectable => self.selectable.push((rank, name)),
            Queue::Rest => self.rest.push((rank, name)),
        }
    }

    fn take(&mut self) -> Option<(Queue, NameId)> {
        if let Some(name) = self.now.pop_front() {
            return Some((Queue::Now, name));
        }
        if let Some((_, name)) = self.selectable.pop() {
            return Some((Queue::Selectable, name));
        }
        self.rest.pop().map(|(_, name)| (Queue::Rest, name))
    }
}

impl Solver<'_, '_> {
    /// Puts a name where it belongs, if anything makes its decision necessary.
    ///
    /// A name keeps its place unless nothing is left to decide about it, or its state has `changed` so that the
    /// other ranked queue is the right one.
    pub(super) fn consider(&mut self, name: NameId, changed: bool) {
        let state = &self.names[name];
        if state.locked || state.queue == Some(Queue::Now) {
            return;
        }
        let now = state.requirers_decided
            && state.requirers > 0
            && state.auto_selectable
            && !state.has_options;
        let due = match state.queue {
            Some(_) => now || changed,
            None => state.requirers > 0 || state.triggered || state.awaited,
        };
        if !due {
            return;
        }
        let queue = match (now, state.auto_selectable) {
            (true, _) => Queue::Now,
            (false, true) => Queue::Selectable,
            (false, false) => Queue::Rest,
        };
        if state.queue != Some(queue) {
            self.queues.add(queue, state.rank, name);
            self.names[name].queue = Some(queue);
        }
    }

    /// The name to be decided now.
    pub(super) fn next_name(&mut self) -> Option<NameId> {
        loop {
            let (queue, name) = self.queues.take()?;
            let state = &mut self.names[name];
            if !state.locked && state.queue == Some(queue) {
                state.queue = None;
                return Some(name);
            }
        }
    }
}
