//! World as a stateright model.

use leasehold_world::{Action, World};
use stateright::{Checker, Model, Property};
use std::hash::{Hash, Hasher};

/// A state of the search: a world, and how much more may go wrong.
///
/// Two states are the same if their clusters are. What the judge remembers beside that, which
/// operations were acknowledged, the clients of the cluster remember too.
#[derive(Clone, Debug)]
pub struct State {
    /// The cluster and its judge.
    pub world: World,
    /// Crashes that may still come.
    pub crashes_left: u8,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.crashes_left == other.crashes_left
            && self.world.violation() == other.world.violation()
            && self.world.cluster() == other.world.cluster()
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.crashes_left.hash(hasher);
        self.world.violation().is_some().hash(hasher);
        self.world.cluster().hash(hasher);
    }
}

/// Every run from one state, up to a depth.
#[derive(Clone, Debug)]
pub struct Bounded {
    /// Where runs begin.
    pub start: World,
    /// Crashes of chunkservers in one run at the most.
    pub crashes: u8,
    /// Steps of one run at the most.
    pub depth: usize,
}

/// What a search saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explored {
    /// Different states.
    pub states: usize,
    /// The shortest run to a violation: its actions, and what did not hold.
    pub violation: Option<(Vec<Action>, String)>,
}

impl Bounded {
    /// Searches breadth first, so that the first violation found is a shortest one.
    #[must_use]
    pub fn explore(self) -> Explored {
        let depth = self.depth;
        let checker = self.checker().target_max_depth(depth).spawn_bfs().join();
        let violation = checker.discovery(SAFE).map(|path| {
            let last = path.last_state().world.violation().map(ToString::to_string);
            let last = last.expect("the property says that there is one");
            (path.into_actions(), last)
        });
        Explored { states: checker.unique_state_count(), violation }
    }
}

const SAFE: &str = "no invariant is violated";

impl Model for Bounded {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { world: self.start.clone(), crashes_left: self.crashes }]
    }

    /// Messages arrive in any order or never; an I/O completes, or becomes durable unheard; nodes
    /// crash and restart. Time passes only when nothing else is left to do: what clocks can do is
    /// the business of the lease models.
    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.world.violation().is_some() {
            return;
        }
        let mut enabled = Vec::new();
        state.world.cluster().enabled(&mut enabled);
        let crash = state.crashes_left > 0;
        let now = |action: &Action| match action {
            Action::Deliver(_)
            | Action::Complete(..)
            | Action::Persist(..)
            | Action::Learn(_)
            | Action::Wake(_)
            | Action::Restart(_) => true,
            Action::Crash(node) => {
                crash && state.world.cluster().node(*node).chunkserver().is_some()
            }
            _ => false,
        };
        actions.extend(enabled.iter().filter(|action| now(action)).cloned());
        let progress = |action: &Action| !matches!(action, Action::Crash(_));
        if !actions.iter().any(progress) {
            actions.extend(enabled.into_iter().filter(|a| matches!(a, Action::AdvanceTo(_))));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        if matches!(action, Action::Crash(_)) {
            next.crashes_left -= 1;
        }
        next.world.try_apply(action).ok()?;
        next.world.take_trace();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(SAFE, |_, state: &State| state.world.violation().is_none())]
    }
}
