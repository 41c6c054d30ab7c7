//! A disk that is full while more is promised (I2, I5): a write is on its way to a member's disk and
//! another waits behind it when the next version is being prepared. What finds no room is kept for
//! later, unless a promise has fenced it off.

use super::{Named, Size, TIMELESS, begin};
use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;
use leasehold_world::names;

/// This model. No switch leaves its rule out; the mutant `requeued_mutation_not_fenced` does, and is found.
pub const MODEL: Named = Named { name: "full-disk", about: "I2 I5", negatives: &[], space };

fn bounds(size: Size) -> Bounds {
    let (full_disks, crashes) = match size {
        Size::Smallest | Size::Small => (1, 0),
        Size::Medium => (2, 0),
        Size::Large => (2, 1),
    };
    let crashing = vec![names::server(1), names::server(2)];
    let bounds = Bounds { ticks: Some(0), full_disks, crashes, crashing, ..Bounds::default() };
    Bounds { version_max: 2, prompt_log: true, no_repair: true, repeats: Some(0), ..bounds }
}

fn space(size: Size, rules: Rules) -> Space {
    let cluster = format!("masters=1 chunkservers=2 clients=1 replicas=2 {TIMELESS}");
    let rest = "run 30s\na create /f\nrun\na write /f 0 \"1\"\nrun\n\
                hold io n1 Apply\na write /f 100 \"2\"\nrun 100ms\na write /f 200 \"3\"\nrun 100ms\n\
                crash n2\nrestart n2\nrun until ChangeBegan\n";
    begin(&cluster, rules, rest, &[], bounds(size))
}
