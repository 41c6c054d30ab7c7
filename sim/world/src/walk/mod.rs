//! Random walks: dice choose among the enabled actions, in two acts. In the first there are
//! faults; in the second they end, the fair schedule takes over, and everything must converge.

mod drawn;
mod dice;
mod faults;
mod targeted;
mod late;
mod guide;
mod workload;
mod first;
mod replay;

pub use drawn::{Drawn, GRAMMAR};
pub use replay::{replay, shrink};

use crate::action::Action;
use crate::fair::{self, Holds, STEPS_IN_AN_INSTANT_MAX};
use crate::judge::Violation;
use crate::world::World;
use dice::Dice;
use faults::{Faults, Links};
use late::Late;
use leasehold_explore::{Coverage, Shares};
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
    /// How they ended, by what they were.
    pub shares: Shares,
    /// The states that were reached; none counted by the first version of the generators.
    pub coverage: Option<Box<Coverage>>,
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
    late: Late,
    workload: Workload,
    actions: Vec<Action>,
    enabled: Vec<Action>,
    weights: Vec<u64>,
    links: Links,
}

impl Walker {
    fn new(drawn: Drawn) -> Self {
        let begin = if drawn.grammar > 1 { World::covered } else { World::new };
        let mut world = begin(drawn.shape.clone());
        world.take_trace();
        let dice = Dice::new(drawn.seed, "walk");
        let faults = Faults::new(&drawn);
        let targeted = TargetedPartitions::new(&drawn);
        let late = Late::new(&drawn);
        let workload = Workload::new(&drawn);
        Walker {
            drawn,
            world,
            dice,
            faults,
            targeted,
            late,
            workload,
            actions: Vec::new(),
            enabled: Vec::new(),
            weights: Vec::new(),
            links: Links::none(),
        }
    }

    fn step(&mut self) {
        let cluster = self.world.cluster();
        self.late.step(cluster);
        let request = self.workload.next(cluster, &mut self.dice);
        let filled = self.faults.fill(cluster).or_else(|| self.faults.freeze(cluster));
        let own = || self.faults.of_its_own(cluster, &mut self.dice);
        let episode = || self.targeted.next(cluster);
        let chosen = request.or(filled).or_else(own).or_else(episode).or_else(|| {
            let coverage = self.world.coverage().filter(|_| self.drawn.guided)?;
            let crashes = self.drawn.crashes;
            guide::seek(&mut self.dice, &mut self.late, crashes, cluster, coverage)
        });
        if let Some(action) = chosen {
            return self.apply(action);
        }
        self.enabled.clear();
        cluster.enabled(&mut self.enabled);
        self.weigh();
        if let Some(place) = self.choose() {
            let action = self.enabled[place].clone();
            let action = self.beside_a_deadline(action);
            self.apply(action);
        }
    }

    fn choose(&mut self) -> Option<usize> {
        let Walker { world, dice, weights, enabled, drawn, .. } = self;
        match world.coverage().filter(|_| drawn.guided) {
            Some(coverage) => guide::choose(dice, weights, enabled, world.cluster(), coverage),
            None => dice.weighted(weights.iter().copied()),
        }
    }

    /// The weight of each enabled action. Messages of a link are among them in order of sending.
    fn weigh(&mut self) {
        let Walker { world, faults, targeted, late, enabled, weights, links, .. } = self;
        let cluster = world.cluster();
        weights.clear();
        links.clear();
        weights.extend(enabled.iter().map(|action| {
            if matches!(action, Action::Deliver(id) if late.holds(*id)) {
                return 0;
            }
            let weight = faults.weight(cluster, links, action);
            if weight == 0 {
                return 0;
            }
            targeted.slower(cluster, action).map_or(0, |slower| weight / slower)
        }));
    }

    /// Time passes from deadline to deadline; what arrives between them, just before one, or just after
    /// it and before its timer, arrives only if time also stops there.
    fn beside_a_deadline(&mut self, action: Action) -> Action {
        let Action::AdvanceTo(at) = action else { return action };
        if self.drawn.beside_rate == 0 || !self.dice.chance(self.drawn.beside_rate) {
            return action;
        }
        let now = self.world.cluster().now();
        Action::AdvanceTo(match self.dice.within(0..=3) {
            0 => (at - 1).max(now),
            1 => at + 1,
            2 => at + self.dice.within(0..=50_000_000),
            _ => self.dice.within(now..=at),
        })
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
            if steps >= STEPS_IN_AN_INSTANT_MAX {
                self.world.stands_still();
            }
        }
        self.world.finish();
        self.world.converged();
        self.world.answered();
    }

    fn end(self) -> Walk {
        let (requests, succeeded) = self.workload.counts();
        let shares = self.workload.shares();
        let Walker { drawn, mut world, actions, .. } = self;
        let coverage = world.take_coverage();
        Walk { drawn, world, actions, requests, succeeded, shares, coverage }
    }
}
