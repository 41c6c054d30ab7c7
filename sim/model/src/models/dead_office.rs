//! What a deposed leader proposed may still commit (I1, I2): its configuration waits where nobody
//! knows of it, its successor leads, and the primary that it was to replace asks that one for a
//! lease.

use super::{Named, Size, TIMED, begin};
use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;

/// This model. No switch leaves its rule out; the mutant `entry_of_a_deposed_leader` does, and is
/// found.
pub const MODEL: Named = Named { name: "dead-office", about: "I1 I2", negatives: &[], space };

fn bounds(size: Size) -> Bounds {
    let (ticks, version_max) = match size {
        Size::Smallest | Size::Small => (1, 3),
        Size::Medium => (2, 3),
        Size::Large => (2, 4),
    };
    let (prompt_disks, prompt_log, no_repair) = (true, true, true);
    let bounds = Bounds { ticks: Some(ticks), version_max, ..Bounds::default() };
    Bounds { prompt_disks, prompt_log, no_repair, ..bounds }
}

fn space(size: Size, rules: Rules) -> Space {
    let cluster = format!("masters=2 chunkservers=2 clients=1 replicas=2 {TIMED}");
    let rest = "run 2s\na create /f\nrun\na write /f 0 \"x\"\nrun\ncut n2 m1\nhold io m1 Propose\n\
                run 7s\nhold m1->n1 Prepare\nfail unknown m1 Propose\nhold m2->n1 Prepare\n\
                hold m2->n2 Prepare\nlead m2\nrun 1500ms\n";
    begin(&cluster, rules, rest, &[], bounds(size))
}
