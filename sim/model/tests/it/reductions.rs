//! Each reduction is checked by doing without it, on the smallest size and as far as some steps:
//! the verdict is the same, with every rule in force and with one left out. The ratios are printed:
//! `cargo test -p leasehold-model reductions -- --nocapture`.
//!
//! The depth is bounded because without relative time a run that goes in circles has no end, and
//! without `at_once` one step of a reduced run is several.

use leasehold_model::models::{ALL, Size};
use leasehold_model::{Effort, Explored, Reductions, search};
use leasehold_proto::Rules;
use leasehold_world::script::rule;

/// Steps. The negatives' violations are within them, reduced or not.
const DEPTH: usize = 7;

fn explored(model: &str, without: Option<&str>, reductions: Reductions) -> Explored {
    let model = ALL.iter().find(|named| named.name == model).expect("it is a model");
    let mut rules = Rules::default();
    if let Some(name) = without {
        *rule(&mut rules, name).expect("it names a rule") = false;
    }
    let space = (model.space)(Size::Smallest, rules).reduced(reductions);
    search(&space, Effort { threads: 2, depth: Some(DEPTH), ..Effort::default() })
}

fn same_verdict(name: &str, (model, without): (&str, Option<&str>), reductions: Reductions) {
    let (with, bare) =
        (explored(model, without, Reductions::ALL), explored(model, without, reductions));
    let verdict = |e: &Explored| e.found.as_ref().map(|found| found.violation.invariant);
    println!(
        "{name:<20} {model:<16} {:<20} {:>7} states, {:>7} without it: {:.2} times as many",
        without.unwrap_or("-"),
        with.states,
        bare.states,
        bare.states as f64 / with.states as f64,
    );
    assert_eq!(verdict(&with), verdict(&bare), "{name} in {model}");
    assert_eq!(verdict(&with).is_some(), without.is_some(), "{model} without {without:?}");
    assert!(bare.states > 10, "{name} in {model}: {} states are no search", bare.states);
}

const MODELS: [(&str, Option<&str>); 5] = [
    ("lease", None),
    ("reconfiguration", None),
    ("reconfiguration", Some("promise_is_durable")),
    ("append-retry", None),
    ("append-retry", Some("operation_table")),
];

#[test]
fn the_verdict_is_the_same_without_each_reduction() {
    for (name, reductions) in Reductions::each_left_out() {
        for model in MODELS {
            same_verdict(name, model, reductions);
        }
    }
}

#[test]
fn the_verdict_is_the_same_without_any_reduction() {
    for model in MODELS {
        same_verdict("all of them", model, Reductions::NONE);
    }
}
