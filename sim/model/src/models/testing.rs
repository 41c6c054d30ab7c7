//! What every model's tests ask: does it hold, and is it red without a rule?

use super::{Named, Size};
use crate::search::{Effort, search};
use crate::story;
use leasehold_proto::Rules;

/// The small size is complete, and nothing is violated in it.
pub(crate) fn holds(model: &Named) {
    let space = (model.space)(Size::Small, Rules::default());
    let explored = search(space, Effort { threads: 2, ..Effort::default() });
    let found = explored.found.map(|found| found.violation);
    assert_eq!(found, None, "in {}", model.name);
    assert!(explored.complete, "{} was cut off", model.name);
    assert!(explored.states > 500, "{} states are no search", explored.states);
}

/// Without the rule a shortest run to the invariant's violation is found, and World agrees.
pub(crate) fn finds(model: &Named, rules: Rules, invariant: &str) {
    let space = (model.space)(Size::Small, rules);
    let found =
        search(space.clone(), Effort::default()).found.expect("the rule protects something");
    assert_eq!(found.violation.invariant, invariant, "{}", found.violation);
    let golden = story::script(&space, &found, "a test").expect("World can do what the model did");
    let first = golden.violations.first().expect("World sees the violation too");
    assert!(first.starts_with(&format!("violation: {invariant} ")), "{first}");
}
