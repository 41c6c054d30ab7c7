//! The space as a stateright model: for its explorer, and for a second opinion on `search`.

use crate::space::{Space, Step};
use crate::state::ModelState;
use stateright::{Model, Property};

/// The name under which stateright knows the one property: the judge decides which invariant.
pub const SAFE: &str = "no invariant is violated";

impl Model for Space {
    type State = ModelState;
    type Action = Step;

    fn init_states(&self) -> Vec<ModelState> {
        self.beginnings()
    }

    fn actions(&self, state: &ModelState, actions: &mut Vec<Step>) {
        self.steps(state, actions);
    }

    fn next_state(&self, last: &ModelState, step: Step) -> Option<ModelState> {
        self.after(last, &step)
    }

    fn format_action(&self, step: &Step) -> String {
        format!("{step:?}")
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(SAFE, |_, state: &ModelState| state.violation.is_none())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{ALL, Size};
    use crate::search::{Effort, search};
    use leasehold_proto::Rules;
    use stateright::Checker;

    #[test]
    fn stateright_sees_as_many_states_as_the_search() {
        for name in ["append-retry", "reconfiguration"] {
            let model = ALL.iter().find(|model| model.name == name).expect("it is a model");
            let space = (model.space)(Size::Small, Rules::default());
            let ours = search(&space, Effort { threads: 2, ..Effort::default() });
            let theirs = space.checker().spawn_bfs().join();
            assert_eq!(ours.states, theirs.unique_state_count(), "{name}");
            assert_eq!(ours.generated, theirs.state_count(), "{name}");
        }
    }
}
