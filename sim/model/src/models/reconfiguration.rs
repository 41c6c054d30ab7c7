//! Reconfiguration under crash (I2, I3, I4, I5): a chunk holds an acknowledged write, its primary
//! has restarted, a second write waits or was pushed just before, and the Prepares of the next version are in flight. From
//! there everything arrives in any order or not at all, and members crash at any I/O boundary.

use super::{Named, Negative, Size, TIMELESS, begin_at};
use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;
use leasehold_world::names;

/// This model.
pub const MODEL: Named = Named {
    name: "reconfiguration",
    about: "I2 I3 I4 I5",
    negatives: &[
        Negative::small("promise_is_durable", "I2", "promise_not_durable"),
        Negative::small("reconcile_both_sides", "I5", "reconcile_ignores_primary_ranges"),
        Negative::small("fence_by_promise", "assertion", "mutation_below_promise_applied"),
        Negative::small("drain_before_prepared", "I2", "prepared_before_drain"),
        Negative::healed("durable_before_ack", "I4", "acknowledged_before_durable"),
    ],
    space,
};

fn bounds(size: Size) -> Bounds {
    let repeats = u8::from(size > Size::Medium);
    let (ticks, crashes, version_max) = match size {
        Size::Smallest | Size::Small => (0, 1, 2),
        Size::Medium => (0, 2, 2),
        Size::Large => (2, 2, 4),
    };
    let crashing = vec![names::server(1), names::server(2), names::server(3)];
    let bounds = Bounds { ticks: Some(ticks), crashes, crashing, ..Bounds::default() };
    Bounds { version_max, prompt_log: true, no_repair: true, repeats: Some(repeats), ..bounds }
}

fn space(size: Size, rules: Rules) -> Space {
    let servers = if size <= Size::Medium { 2 } else { 3 };
    let cluster =
        format!("masters=1 chunkservers={servers} clients=1 replicas={servers} {TIMELESS}");
    let written = "run 30s\na create /f\nrun\na write /f 0 \"1\"\nrun\n";
    // The write was not ordered before its primary's restart, or its first push is on its way yet.
    let waiting =
        format!("{written}crash n2\nrestart n2\na write /f 0 \"2\"\nrun until ChangeBegan\n");
    let ordered = format!(
        "{written}hold n2->n1 Push\na write /f 100 \"2\"\nrun 100ms\ncrash n2\nrestart n2\n\
         run until ChangeBegan\n"
    );
    // A member's disk is busy with one write, and another waits in its memory.
    let queued = format!(
        "{written}hold io n1 Apply\na write /f 100 \"2\"\nrun 100ms\na write /f 200 \"3\"\nrun 100ms\n\
         crash n2\nrestart n2\nrun until ChangeBegan\n"
    );
    // Acknowledged from memory, nobody waits for a primary.
    let all: [&str; 3] = [&waiting, &ordered, &queued];
    let beginnings = if rules.durable_before_ack { &all[..] } else { &all[..2] };
    begin_at(&cluster, rules, beginnings, &[], bounds(size))
}
