//! Models by name: where each begins, and what it proves within its bound.

pub mod reconfiguration;

use leasehold_proto::{Operation, RequestId};
use leasehold_world::fair::{self, Holds};
use leasehold_world::{Action, World, names};

/// Lets the fair schedule run until nothing happens before `end_ns`, true time.
pub(crate) fn settle(world: &mut World, end_ns: u64) {
    while let Some(action) = fair::next(world.cluster(), &Holds::none(), end_ns) {
        world.apply(action).expect("the fair schedule chooses what is possible");
    }
    world.take_trace();
}

/// Client `a` asks for something.
pub(crate) fn ask(world: &mut World, id: u64, op: Operation) {
    let request = Action::Request(names::client(1), RequestId(id), op);
    world.apply(request).expect("the client runs");
}

/// Lets the fair schedule run until the world is as wanted.
pub(crate) fn settle_until(world: &mut World, wanted: impl Fn(&World) -> bool) {
    let end_ns = world.cluster().now() + 10_000_000_000;
    while !wanted(world) {
        let action = fair::next(world.cluster(), &Holds::none(), end_ns);
        let action = action.expect("it comes within ten seconds");
        world.apply(action).expect("the fair schedule chooses what is possible");
    }
    world.take_trace();
}
