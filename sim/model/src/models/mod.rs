//! The models by name: where each begins, what bounds it, and what it proves within that.

pub mod lease;
pub mod incarnations;
pub mod drift;
pub mod renewals;
pub mod deposed_leader;
pub mod replaced_primary;
pub mod stale_entry;
pub mod split_brain;
pub mod reconfiguration;
pub mod stale_recovery;
pub mod append_retry;
pub mod chain;
pub mod learner;
pub mod restarted_learner;
pub mod garbage;
pub mod full_disk;
pub mod frozen;
pub mod session_locks;
mod negative;

use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;
pub use negative::Negative;
use std::fmt;
use std::time::Duration;

/// How large a model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Size {
    /// For checking the reductions, as far as a bounded number of steps.
    Smallest,
    /// All models together within a minute.
    Small,
    /// Within ten minutes.
    Medium,
    /// Within a night.
    Large,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Size::Smallest => "smallest",
            Size::Small => "small",
            Size::Medium => "medium",
            Size::Large => "large",
        })
    }
}

/// A model.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    /// Its name, that of its file.
    pub name: &'static str,
    /// The invariants that it is about. The judge looks at all of them in every model.
    pub about: &'static str,
    /// What it finds without a rule.
    pub negatives: &'static [Negative],
    /// The model of that size, with these rules in force.
    pub space: fn(Size, Rules) -> Space,
}

/// Every model, those with few states first.
pub const ALL: &[Named] = &[
    incarnations::MODEL,
    replaced_primary::MODEL,
    stale_entry::MODEL,
    append_retry::MODEL,
    chain::MODEL,
    full_disk::MODEL,
    frozen::MODEL,
    stale_recovery::MODEL,
    learner::MODEL,
    restarted_learner::MODEL,
    deposed_leader::MODEL,
    reconfiguration::MODEL,
    garbage::MODEL,
    drift::MODEL,
    lease::MODEL,
    split_brain::MODEL,
    renewals::MODEL,
    session_locks::MODEL,
];

/// Durations of one to three ticks where time matters, hours for what is not to run out. A tick
/// is a second.
pub(crate) const TIMED: &str = "lease=3s renew=1s heartbeat=1s dead-after=2s repair-delay=10h";

/// Only retries happen within the few seconds that such a model has.
pub(crate) const TIMELESS: &str =
    "lease=30s renew=10s heartbeat=10s dead-after=20s repair-delay=0s";

/// What every model's cluster shares.
const SPANS: &str = "clocks=100s retry=1s grace=1s backoff-min=1s backoff-max=1s margin=0ms \
                     rho=0ppm idle=100h timeout=100h trash=100h quarantine=100h \
                     silent-after=20s stalled-after=40s repair-stalled-after=20s";

/// How far true time goes at once.
const TICK: Duration = Duration::from_secs(1);

/// A model's space: one beginning, in the words of a script whose first line sets the cluster up.
pub(crate) fn begin(
    cluster: &str,
    rules: Rules,
    rest: &str,
    menu: &[&str],
    bounds: Bounds,
) -> Space {
    begin_at(cluster, rules, &[rest], menu, bounds)
}

/// A model's space with several beginnings.
pub(crate) fn begin_at(
    cluster: &str,
    rules: Rules,
    rests: &[&str],
    menu: &[&str],
    bounds: Bounds,
) -> Space {
    let rules = Rules { repair: rules.repair && !bounds.no_repair, ..rules };
    let names = leasehold_world::script::rules_left_out(rules);
    let without =
        if names.is_empty() { String::new() } else { format!(" without={}", names.join(",")) };
    let script = |rest: &&str| {
        format!("# An hour stands for never.\ncluster {SPANS} {cluster}{without}\n{rest}")
    };
    let scripts: Vec<String> = rests.iter().map(script).collect();
    Space::new(&scripts, menu, bounds, TICK).expect("the model's own script runs")
}
