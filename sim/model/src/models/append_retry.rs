//! Append and retry (I8): a record is in flight to its primary. The answer is lost, the client
//! retries, a member crashes; the record is in the file once.

use super::{Named, Negative, Size, TIMELESS, begin};
use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;
use leasehold_world::names;

/// This model.
pub const MODEL: Named = Named {
    name: "append-retry",
    about: "I3 I4 I8",
    negatives: &[
        Negative::small("operation_table", "I8", "append_executed_twice"),
        Negative::healed("acknowledge_after_all", "I4", "acknowledged_after_one_member"),
    ],
    space,
};

fn bounds(size: Size) -> Bounds {
    let repeats = 1;
    let (ticks, crashes, version_max) = match size {
        Size::Smallest | Size::Small => (1, 0, 1),
        Size::Medium => (1, 1, 1),
        Size::Large => (3, 1, 3),
    };
    let crashing = vec![names::server(1), names::server(2)];
    let bounds = Bounds { ticks: Some(ticks), crashes, crashing, ..Bounds::default() };
    Bounds { version_max, prompt_log: true, no_repair: true, repeats: Some(repeats), ..bounds }
}

fn space(size: Size, rules: Rules) -> Space {
    let cluster = format!("masters=1 chunkservers=2 clients=1 replicas=2 {TIMELESS}");
    let rest = "run 30s\na create /f\nrun\na append /f \"1\"\nrun\n";
    let menu = ["a append /f \"2\""];
    begin(&cluster, rules, rest, &menu, bounds(size))
}
