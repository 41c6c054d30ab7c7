//! Each model is red without the rules that it names, by the run that stands in
//! scenarios/scripts/found. `UPDATE=1 cargo test -p leasehold-model` rewrites those.

use leasehold_model::models::{ALL, Named, Negative};
use leasehold_model::{Effort, search};
use leasehold_world::script::difference;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn found(script: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/scripts/found");
    root.join(format!("{script}.txt"))
}

/// A shortest run is found, World sees the same violation in it, and it is the one on file.
fn is_red(model: &Named, negative: &Negative) -> Result<(), String> {
    let space = negative.space(model);
    let explored = search(&space, Effort { threads: 2, heal: negative.heals, ..Effort::default() });
    let golden = negative.told(model, &explored)?;
    let path = found(negative.script);
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(&path, &golden.text).expect("the folder is in the checkout");
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    match difference(&stored, &golden.text) {
        None => Ok(()),
        Some(difference) => Err(format!("{}: {difference}", path.display())),
    }
}

#[test]
fn every_model_is_red_without_its_rules() {
    let all = ALL.iter().flat_map(|model| model.negatives.iter().map(move |n| (model, n)));
    let failures: Vec<String> = all.filter_map(|(model, n)| is_red(model, n).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// I9 and I11 are nobody's: names and rot are judged by walks and by the full stack.
#[test]
fn every_invariant_of_the_models_has_a_negative() {
    let violated: BTreeSet<&str> =
        ALL.iter().flat_map(|model| model.negatives).map(|negative| negative.violates).collect();
    for invariant in ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I10"] {
        assert!(violated.contains(invariant), "{invariant} has no negative");
    }
}

#[test]
fn no_two_negatives_share_a_script() {
    let scripts: Vec<&str> =
        ALL.iter().flat_map(|model| model.negatives).map(|negative| negative.script).collect();
    let different: BTreeSet<&str> = scripts.iter().copied().collect();
    assert_eq!(scripts.len(), different.len());
}
