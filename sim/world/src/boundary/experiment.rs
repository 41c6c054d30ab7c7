//! The adversary's schedule, on a whole cluster.
//!
//! A primary renews its lease; the question takes δ to its answer. Then the master hears nothing
//! from it any more, counts it as dead and prepares its successor, of which one answer is held
//! back. It arrives in the very instant in which the master's own count of the lease is over, and
//! everything after it, up to the successor's lease, happens in that instant: nothing but the
//! arithmetic is left between the two.

use super::Point;
use crate::action::Action;
use crate::fair::{self, Holds, STEPS_IN_AN_INSTANT_MAX};
use crate::observation::Observation;
use crate::payload::payload;
use crate::shape::Shape;
use crate::world::World;
use leasehold_proto::machine::Operation;
use leasehold_proto::metadata::{FileSpec, MetadataChange};
use leasehold_proto::{Event, FileId, NodeId, RequestId, Time};

const SECOND_NS: u64 = 1_000_000_000;
/// Files begin after the root.
const FILE: FileId = FileId(2);

/// What one run showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// I1 was violated.
    pub overlaps: bool,
    /// From the end of the old primary's belief to the successor's lease, in nanoseconds of true
    /// time; below zero if they overlap.
    pub gap_ns: i128,
}

/// Runs the schedule with the holder's clock slow and the granter's fast by `drift_ppm`.
///
/// # Panics
/// If the schedule does not come about: the machines have changed and this has to follow.
#[must_use]
pub fn measure(point: &Point, drift_ppm: i64) -> Overlap {
    let mut run = Run::new(point);
    let primary = run.elect();
    run.act(Action::Rate(primary, -drift_ppm));
    run.act(Action::Rate(run.master, drift_ppm));
    let until = run.renew(primary, u64::try_from(point.delay.as_nanos()).expect("a short delay"));
    let believed_ns = run.true_ns(primary, until.believed);
    run.act(Action::Cut(primary, run.master));
    run.act(Action::Cut(run.master, primary));
    let over_ns = run.true_ns(run.master, until.granted);
    let taken_ns = run.succeed(primary, over_ns);
    let found = run.world.violation();
    assert!(found.is_none_or(|found| found.invariant == "I1"), "{found:?}");
    Overlap { overlaps: found.is_some(), gap_ns: i128::from(taken_ns) - i128::from(believed_ns) }
}

/// The end of one lease, by the clock of each side.
struct Until {
    believed: Time,
    granted: Time,
}

struct Run {
    world: World,
    holds: Holds,
    master: NodeId,
    client: NodeId,
}

impl Run {
    fn new(point: &Point) -> Self {
        let constants = point.constants();
        constants.check().expect("the grid holds only constants that fit together");
        let shape = Shape { chunkservers: 3, clients: 1, constants, ..Shape::default() };
        let first = |mut ids: Box<dyn Iterator<Item = NodeId>>| ids.next().expect("there is one");
        let master = first(Box::new(shape.master_ids()));
        let client = first(Box::new(shape.client_ids()));
        Run { world: World::new(shape), holds: Holds::none(), master, client }
    }

    /// Writes to a new file, so that its chunk has a primary.
    fn elect(&mut self) -> NodeId {
        self.fair_until(SECOND_NS);
        let spec = FileSpec { chunk_bytes: 4_096, ..FileSpec::default() };
        let create = MetadataChange::Create { path: "/f".into(), spec, mode: 0o644 };
        self.request(1, Operation::Change(create));
        self.finish_instant(|_| false);
        let write = Operation::Write { file: FILE, index: 0, offset: 0, payload: payload("x") };
        self.request(2, write);
        let taken = self.finish_instant(|event| matches!(event, Event::LeaseTaken { .. }));
        let (primary, _) = taken.expect("a write needs a primary");
        self.finish_instant(|_| false);
        primary
    }

    /// Lets the primary's next question take `delay_ns`, and its answer no time at all.
    fn renew(&mut self, primary: NodeId, delay_ns: u64) -> Until {
        let question = (primary, self.master, "LeaseRequest".to_owned());
        self.holds.messages.push(question);
        let patience_ns = self.world.cluster().now() + 100 * SECOND_NS;
        while self.held().is_none() {
            assert!(self.world.cluster().now() < patience_ns, "a primary in use renews its lease");
            let action = fair::next(self.world.cluster(), &self.holds, u64::MAX);
            self.act(action.expect("a primary renews its lease"));
        }
        self.fair_until(self.world.cluster().now() + delay_ns);
        let first = self.held().expect("it is held");
        self.act(Action::Deliver(first));
        let granted = self.finish_instant(|event| matches!(event, Event::LeaseGranted { .. }));
        let Some((_, Event::LeaseGranted { until: granted, .. })) = granted else {
            panic!("a master answers its primary")
        };
        let taken = self.finish_instant(|event| matches!(event, Event::LeaseTaken { .. }));
        let Some((_, Event::LeaseTaken { until: believed, .. })) = taken else {
            panic!("a grant makes the lease longer")
        };
        Until { believed, granted }
    }

    /// Lets the master find a successor, and propose it as soon as it may; when that one's lease
    /// begins.
    fn succeed(&mut self, primary: NodeId, over_ns: u64) -> u64 {
        let others = self.world.cluster().shape().server_ids().filter(|node| *node != primary);
        let late = others.last().expect("there are three");
        self.holds.messages = vec![(late, self.master, "Prepared".to_owned())];
        self.fair_until(over_ns);
        let answer = self.held().expect("the master prepares a successor before the lease is over");
        self.act(Action::Deliver(answer));
        let taken = self.finish_instant(
            |event| matches!(event, Event::LeaseTaken { version, .. } if version.0 > 1),
        );
        assert!(taken.is_some(), "a successor takes its lease in the instant that allows it");
        self.world.cluster().now()
    }

    /// The oldest message that is held back.
    fn held(&self) -> Option<crate::net::MessageId> {
        self.world.cluster().net().find(|envelope| self.holds.message(envelope))
    }

    fn request(&mut self, id: u64, operation: Operation) {
        self.act(Action::Request(self.client, RequestId(id), Box::default(), operation));
    }

    fn act(&mut self, action: Action) {
        self.world.apply(action).expect("the schedule asks for what is possible");
    }

    /// The fair schedule, up to a true time.
    fn fair_until(&mut self, end_ns: u64) {
        while let Some(action) = fair::next(self.world.cluster(), &self.holds, end_ns) {
            self.act(action);
        }
        self.world.take_trace();
    }

    /// The fair schedule without the passing of time, until such an event is told; it is taken
    /// out of the trace, with what came before it.
    fn finish_instant(&mut self, wanted: impl Fn(&Event) -> bool) -> Option<(NodeId, Event)> {
        let now = self.world.cluster().now();
        let mut steps = 0;
        loop {
            for moment in self.world.take_trace() {
                if let Observation::Event { node, event } = moment.observation
                    && wanted(&event)
                {
                    return Some((node, event));
                }
            }
            self.act(fair::next(self.world.cluster(), &self.holds, now)?);
            steps += 1;
            assert!(steps < STEPS_IN_AN_INSTANT_MAX, "an instant ends");
        }
    }

    fn true_ns(&self, node: NodeId, at: Time) -> u64 {
        self.world.cluster().node(node).clock.true_ns(at)
    }
}
