//! A search: all of it, or up to the first violation.

use crate::space::{Space, Step};
use crate::state::State;
use leasehold_world::Violation;
use stateright::{Checker, HasDiscoveries, Model, Property};
use std::sync::Arc;
use std::time::Duration;

/// The name under which stateright knows the one property: the judge decides which invariant.
pub const SAFE: &str = "no invariant is violated";

impl Model for Space {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        self.beginnings()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Step>) {
        self.steps(state, actions);
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        self.after(last, &step)
    }

    fn format_action(&self, step: &Step) -> String {
        format!("{step:?}")
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(SAFE, |_, state: &State| state.violation.is_none())]
    }
}

/// What a search saw.
#[derive(Clone, Debug)]
pub struct Explored {
    /// Different states.
    pub states: usize,
    /// States generated, those seen before included.
    pub generated: usize,
    /// The longest of the shortest ways to a state, in steps.
    pub depth: usize,
    /// Every state within the bounds was seen, if the search was not given up for its `patience`.
    pub complete: bool,
    /// A run to a violation: from which beginning, by which steps, and what did not hold. The
    /// shortest, if the search had one thread.
    pub found: Option<Found>,
}

/// A run that ends in a violation.
#[derive(Clone, Debug)]
pub struct Found {
    /// From which beginning.
    pub start: usize,
    /// By which steps.
    pub steps: Vec<Step>,
    /// What did not hold.
    pub violation: Arc<Violation>,
}

/// How a search goes about it.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Threads; one finds a shortest run.
    pub threads: usize,
    /// Give up, and say so, after this long.
    pub patience: Option<Duration>,
    /// Look no further than this many steps.
    pub depth: Option<usize>,
}

impl Default for Effort {
    fn default() -> Self {
        Effort { threads: 1, patience: None, depth: None }
    }
}

/// Searches breadth first.
#[must_use]
pub fn search(space: Space, effort: Effort) -> Explored {
    let mut builder = space.checker().threads(effort.threads).finish_when(HasDiscoveries::Any);
    if let Some(patience) = effort.patience {
        builder = builder.timeout(patience);
    }
    if let Some(depth) = effort.depth {
        builder = builder.target_max_depth(depth);
    }
    let checker = builder.spawn_bfs().join();
    let found = checker.discovery(SAFE).map(|path| {
        let violation = path.last_state().violation.clone();
        let violation = violation.expect("the property says that there is one");
        let start = usize::from(path.last_state().start);
        Found { start, steps: path.into_actions(), violation }
    });
    Explored {
        states: checker.unique_state_count(),
        generated: checker.state_count(),
        depth: checker.max_depth(),
        complete: found.is_none() && effort.depth.is_none(),
        found,
    }
}
