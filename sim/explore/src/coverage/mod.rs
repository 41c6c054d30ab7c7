//! Coverage: which interesting states a run reached.
//!
//! A green run shows something only for the states that it passed through. A [`Mark`] is one such
//! state, recognised from outside by what a node was given and what it wanted: the core knows
//! nothing of it. [`pairs`] are states by the product of what was going on and what came.

mod leases;
mod mark;
mod master;
mod replicas;
mod requests;
pub mod pairs;
#[cfg(test)]
mod tests;

pub use mark::Mark;

use leasehold_proto::{Effect, Input, NodeId, Time};
use leases::Leases;
use master::Masters;
use pairs::Pairs;
use replicas::Replicas;
use requests::Requests;
use std::collections::BTreeMap;

/// How often each mark was reached in a run so far.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    hits: Hits,
    leases: Leases,
    master: Masters,
    replicas: Replicas,
    requests: Requests,
    pairs: Pairs,
}

/// The marks that were reached.
#[derive(Clone, Debug, Default)]
struct Hits(BTreeMap<Mark, u64>);

impl Hits {
    fn hit(&mut self, mark: Mark) {
        *self.0.entry(mark).or_default() += 1;
    }

    fn hit_if(&mut self, reached: bool, mark: Mark) {
        if reached {
            self.hit(mark);
        }
    }
}

impl Coverage {
    /// Sees what a node is given. `now` is by its own clock.
    pub fn input(&mut self, node: NodeId, now: Time, input: &Input) {
        let hits = &mut self.hits;
        self.leases.input(node, now, input, hits);
        self.master.input(node, input, hits);
        self.replicas.input(node, input, hits);
        self.requests.input(node, input, self.leases.held(), hits);
        self.pairs.input(node, input, hits);
    }

    /// Sees what a node wants. `now` is by its own clock.
    pub fn effect(&mut self, node: NodeId, now: Time, effect: &Effect) {
        let hits = &mut self.hits;
        self.leases.effect(node, now, effect, self.requests.in_flight(), hits);
        self.master.effect(node, effect, hits);
        self.replicas.effect(node, effect, hits);
        self.requests.effect(node, effect, self.leases.held(), hits);
        self.pairs.effect(node, effect);
    }

    /// A node's life ends.
    pub fn crashed(&mut self, node: NodeId) {
        let hits = &mut self.hits;
        self.master.crashed(node, hits);
        self.replicas.crashed(node, hits);
        self.leases.crashed(node, self.requests.in_flight(), hits);
        self.requests.crashed(node);
        self.pairs.crashed(node);
    }

    /// A master began with entries that were durable and that nobody had been told of.
    pub fn recovered_untold(&mut self) {
        self.hits.hit(Mark::EntriesUnacknowledgedAtStart);
    }

    /// A master ended itself for its disk's sake.
    pub fn master_ended_by_its_disk(&mut self) {
        self.hits.hit(Mark::MasterEndedByItsDisk);
    }

    /// A master that had lost its disk is a member again.
    pub fn master_replaced(&mut self) {
        self.hits.hit(Mark::MasterReplaced);
    }

    /// The pairs that were met.
    #[must_use]
    pub fn pairs(&self) -> &Pairs {
        &self.pairs
    }

    /// By name, those that were reached only.
    #[must_use]
    pub fn summary(&self) -> BTreeMap<&'static str, u64> {
        self.hits.0.iter().map(|(mark, count)| (mark.name(), *count)).collect()
    }
}
