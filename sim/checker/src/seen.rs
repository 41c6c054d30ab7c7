//! What a runner saw: one event of one node, at a true time.

use leasehold_proto::{Event, NodeId, Time};

/// Turns a node's own clock into true time.
pub trait TrueTime {
    /// True time, in nanoseconds, at which the clock of `node` shows or will show `at`. Monotone
    /// in `at`.
    fn true_ns(&self, node: NodeId, at: Time) -> u64;
}

impl<F: Fn(NodeId, Time) -> u64> TrueTime for F {
    fn true_ns(&self, node: NodeId, at: Time) -> u64 {
        self(node, at)
    }
}

/// One event. Events come in the order in which they happened.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// When, in nanoseconds of true time.
    pub true_ns: u64,
    /// Where.
    pub node: NodeId,
    /// The clocks, as they run at this moment.
    pub clock: &'a dyn TrueTime,
    /// What.
    pub event: &'a Event,
}
