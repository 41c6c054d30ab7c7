//! The lease under drift (I1): clocks go at rates as far from each other as the allowances of both
//! sides together bear, 4ρ. A holder allows 2ρ, and so does the granter; either alone is enough for
//! the ρ that is promised, and both together are what the constants say.
//!
//! Rates stay as a run begins with them. Which of two clocks is ahead after a span is decided by
//! their rates' extremes, so the beginnings are the extremes: the master's clock fast and the
//! servers' slow, the other way round, and one server of each kind.

use super::{Named, Negative, Size, begin_at};
use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;

/// This model.
pub const MODEL: Named = Named {
    name: "drift",
    about: "I1 I2",
    negatives: &[Negative::small("granter_allows_for_drift", "I1", "drift_not_allowed_for")],
    space,
};

/// T·(1−2ρ) is 6 s at the holder, T·(1+2ρ) is 10 s at the granter: with rates of 3/2 one ends 7.2 s
/// and the other 8 s after the last question. T alone would end after 6.4 s.
const CLUSTER: &str = "masters=1 chunkservers=2 clients=1 replicas=2 lease=8s rho=125000ppm renew=1s \
                       heartbeat=1s dead-after=3s repair-delay=10h";

fn bounds(size: Size) -> Bounds {
    let ticks = match size {
        // A fourth tick is above a million states.
        Size::Smallest | Size::Small | Size::Medium => 3,
        Size::Large => 5,
    };
    let bounds = Bounds { ticks: Some(ticks), version_max: 2, ..Bounds::default() };
    Bounds { prompt_disks: true, prompt_log: true, no_repair: true, ..bounds }
}

fn space(size: Size, rules: Rules) -> Space {
    let rates = [
        [("m", 250_000), ("n1", -166_667), ("n2", -166_667)],
        [("m", -166_667), ("n1", 250_000), ("n2", 250_000)],
        [("m", 250_000), ("n1", 250_000), ("n2", -166_667)],
        [("m", -166_667), ("n1", -166_667), ("n2", 250_000)],
    ];
    let rest = |rates: &[(&str, i32); 3]| {
        let rates: Vec<String> =
            rates.iter().map(|(node, ppm)| format!("rate {node} {ppm}ppm\n")).collect();
        format!(
            "run 2s\na create /f\nrun\na write /f 0 \"x\"\nrun\n{}run 2s\n\
             cut n2 m\nrun 4s\nheal\n",
            rates.concat()
        )
    };
    let rests: Vec<String> = rates.iter().map(rest).collect();
    let rests: Vec<&str> = rests.iter().map(String::as_str).collect();
    begin_at(CLUSTER, rules, &rests, &[], bounds(size))
}
