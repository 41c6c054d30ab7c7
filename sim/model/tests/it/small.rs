//! The models of the small size that take a moment: complete, green, and every state heals. `just
//! models` searches all of them, compiled for speed.

use leasehold_model::models::{ALL, Size, frozen};
use leasehold_model::{Effort, search};
use leasehold_proto::Rules;

#[test]
fn the_smallest_models_are_complete_and_every_state_of_theirs_converges() {
    for name in ["append-retry", "reconfiguration", "frozen"] {
        let model = ALL.iter().find(|model| model.name == name).expect("it is a model");
        let space = (model.space)(Size::Small, Rules::default());
        let explored = search(&space, Effort { threads: 2, heal: true, ..Effort::default() });
        let found = explored.found.map(|found| found.violation);
        assert_eq!(found, None, "in {name}");
        assert!(explored.complete, "{name} was cut off");
        assert!(explored.states > 500, "{} states are no search", explored.states);
        let healed = explored.healed.expect("it was asked for");
        assert!(healed.steps > 10, "{healed:?}: from somewhere it is not done at once");
    }
}

#[test]
fn what_is_found_does_not_depend_on_the_number_of_threads() {
    let model = ALL.iter().find(|model| model.name == "reconfiguration").expect("it is a model");
    let space = (model.space)(Size::Small, Rules::default());
    let seen = [1, 2, 3].map(|threads| {
        let explored = search(&space, Effort { threads, heal: true, ..Effort::default() });
        (explored.states, explored.generated, explored.depth, explored.healed)
    });
    assert!(seen[0] == seen[1] && seen[1] == seen[2], "{seen:?}");
}

#[test]
fn a_search_that_is_given_up_says_so() {
    let model = ALL.iter().find(|model| model.name == "reconfiguration").expect("it is a model");
    let space = (model.space)(Size::Small, Rules::default());
    let tired = Effort { enough: &|states| states >= 100, ..Effort::default() };
    let (whole, given_up) = (search(&space, Effort::default()), search(&space, tired));
    assert!(whole.complete && !given_up.complete);
    assert!(given_up.states >= 100 && given_up.states < whole.states);
    let shallow = search(&space, Effort { depth: Some(3), ..Effort::default() });
    assert!(!shallow.complete && shallow.depth == 3, "{shallow:?}");
}

/// Without a confirmation, a primary whose clock stood still serves what was overwritten.
#[test]
fn a_frozen_primary_that_trusts_its_lease_is_found() {
    let space = |confirmed| frozen::space(Size::Small, Rules::default(), confirmed);
    let found = search(&space(false), Effort { threads: 2, ..Effort::default() }).found;
    assert_eq!(found.map(|run| run.violation.invariant), Some("I6"));
}
