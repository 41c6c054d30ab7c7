//! A primary that reconnects while it is being replaced (I1, I2): the proposal is in flight, the old
//! lease is over, and the old primary requests another. Nothing is granted for the chunk until the
//! proposal's outcome is known. In a second beginning the outcome stays unknown, another proposal was
//! made meanwhile, and both may commit: the first is refused, since its base is no longer current.

use super::{Named, Size, TIMED, begin_at};
use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;

/// This model. No switch leaves its rules out; the mutants `lease_granted_during_change` and
/// `configuration_base_not_compared` do, and are found.
pub const MODEL: Named = Named { name: "replaced-primary", about: "I1 I2", negatives: &[], space };

fn bounds(size: Size) -> Bounds {
    let (ticks, version_max) = match size {
        Size::Smallest | Size::Small => (1, 3),
        Size::Medium => (3, 3),
        Size::Large => (4, 3),
    };
    let (prompt_disks, no_repair) = (true, true);
    let bounds = Bounds { ticks: Some(ticks), version_max, ..Bounds::default() };
    Bounds { prompt_disks, no_repair, ..bounds }
}

fn space(size: Size, rules: Rules) -> Space {
    let cluster = format!("masters=1 chunkservers=2 clients=1 replicas=2 {TIMED}");
    let rest = "run 2s\na create /f\nrun\na write /f 0 \"x\"\nrun\ncut n2 m\nhold io m Propose\n\
                run 7s\nhold n2->m LeaseRequest\nmend n2 m\nrun 1s\n";
    let unknown = "run 2s\na create /f\nrun\na write /f 0 \"x\"\nrun\ncut n2 m\nhold io m Propose\n\
                   run 7s\nfail unknown m Propose\nrun 2s\n";
    begin_at(&cluster, rules, &[rest, unknown], &[], bounds(size))
}
