//! Random walks: dice choose among the enabled actions, in two acts. In the first there are
//! faults; in the second they end, the fair schedule takes over, and everything must converge.

mod drawn;
mod dice;
mod faults;
mod targeted;
mod workload;
mod replay;

pub use drawn::Drawn;
pub use replay::{replay, shrink};

use crate::action::Action;
use crate::fair::{self, Holds, STEPS_IN_AN_INSTANT_MAX};
use crate::judge::Violation;
use crate::world::World;
use dice::Dice;
use faults::Faults;
use targeted::TargetedPartitions;
use workload::Workload;

/// How long the second act lasts: longer than every lease, retry, repair and operation.
const HEALED_NS: u64 = 180_000_000_000;

/// A walk that has ended.
#[derive(Clone, Debug)]
pub struct Walk {
    /// What the seed drew.
    pub drawn: Drawn,
    /// The world at its end.
    pub world: World,
    /// What was done, in order.
    pub actions: Vec<Action>,
    /// Requests made, and of those answered well.
    pub requests: u64,
    /// ... answered well.
    pub succeeded: u64,
}

impl Walk {
    /// What did not hold, if anything.
    #[must_use]
    pub fn violation(&self) -> Option<&Violation> {
        self.world.violation()
    }
}

/// Walks `steps` steps with faults, then heals.
#[must_use]
pub fn walk(drawn: Drawn, steps: u64) -> Walk {
    let mut walker = Walker::new(drawn);
    for _ in 0..steps {
        walker.step();
        if walker.world.violation().is_some() {
            break;
        }
    }
    walker.heal();
    walker.end()
}

#[derive(Debug)]
struct Walker {
    drawn: Drawn,
    world: World,
    dice: Dice,
    faults: Faults,
    targeted: TargetedPartitions,
    workload: Workload,
    actions: Vec<Action>,
    enabled: Vec<Action>,
}

impl Walker {
    fn new(drawn: Drawn) -> Self {
        let mut world = World::new(drawn.shape.clone());
        world.take_trace();
        let dice = Dice::new(drawn.seed, "walk");
        let faults = Faults::new(&drawn);
        let targeted = TargetedPartitions::new(&drawn);
        let workload = Workload::new(&drawn);
        let (actions, enabled) = (Vec::new(), Vec::new());
        Walker { drawn, world, dice, faults, targeted, workload, actions, enabled }
    }

    fn step(&mut self) {
        let cluster = self.world.cluster();
        let request = self.workload.next(cluster, &mut self.dice);
        let own = || self.faults.of_its_own(cluster, &mut self.dice);
        let episode = || self.targeted.next(cluster);
        if let Some(action) = request.or_else(own).or_else(episode) {
            return self.apply(action);
        }
        self.enabled.clear();
        cluster.enabled(&mut self.enabled);
        let weight = |action: &Action| {
            let slower = self.targeted.slower(cluster, action)?;
            Some(self.faults.weight(cluster, action) / slower)
        };
        let weights = self.enabled.iter().map(|action| weight(action).unwrap_or(0));
        if let Some(place) = self.dice.weighted(weights) {
            let action = self.enabled[place].clone();
            self.apply(action);
        }
    }

    fn apply(&mut self, action: Action) {
        self.faults.note(&action);
        self.actions.push(action.clone());
        // What the dice parametrise themselves may be impossible; then nothing happens.
        if self.world.try_apply(action).is_err() {
            self.actions.pop();
        }
        for moment in self.world.take_trace() {
            self.workload.note(&moment.observation);
        }
    }

    /// The second act.
    fn heal(&mut self) {
        for action in faults::ended(self.world.cluster()) {
            self.apply(action);
        }
        self.world.quiet();
        let end = self.world.cluster().now() + HEALED_NS;
        let (mut instant, mut steps) = (0, 0);
        while self.world.violation().is_none() {
            let Some(action) = fair::next(self.world.cluster(), &Holds::none(), end) else { break };
            self.apply(action);
            let now = self.world.cluster().now();
            steps = if now == instant { steps + 1 } else { 0 };
            instant = now;
            assert!(
                steps < STEPS_IN_AN_INSTANT_MAX,
                "time stands still in seed {}",
                self.drawn.seed
            );
        }
        self.world.finish();
        self.world.converged();
        self.world.answered();
    }

    fn end(self) -> Walk {
        let (requests, succeeded) = self.workload.counts();
        Walk { drawn: self.drawn, world: self.world, actions: self.actions, requests, succeeded }
    }
}
