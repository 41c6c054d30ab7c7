//! Garbage and reports against re-replication (I7): a server that a configuration left behind has
//! come back and is ordered to delete; a member dies, so that it is wanted again, and the order is
//! still on its way.

use super::{Named, Negative, Size, TIMED, begin};
use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;
use leasehold_world::names;

/// This model.
pub const MODEL: Named = Named {
    name: "garbage",
    about: "I4 I7",
    negatives: &[Negative::small("delete_names_version", "I7", "delayed_delete_order")],
    space,
};

fn bounds(size: Size) -> Bounds {
    let (ticks, crashes, repeats, version_max) = match size {
        // A crash or a repeated message takes more than half a million states, and ten minutes.
        Size::Smallest | Size::Small | Size::Medium => (0, 0, 0, 5),
        Size::Large => (1, 1, 1, 6),
    };
    Bounds {
        ticks: Some(ticks),
        crashes,
        crashing: vec![names::server(1)],
        version_max,
        prompt_log: true,
        repeats: Some(repeats),
        ..Bounds::default()
    }
}

fn space(size: Size, rules: Rules) -> Space {
    let cluster = format!("masters=1 chunkservers=3 clients=1 replicas=2 {TIMED} repair-delay=0s");
    let rest = "run 2s\na create /f\nrun\na write /f 0 \"1\"\nrun\ncrash n1\nrun 8s\n\
                hold m->n1 DeleteReplica\nrestart n1\ncrash n3\nrun until RepairBegan\nshow messages\n";
    begin(&cluster, rules, rest, &[], bounds(size))
}
