//! Incarnations of a server (I2): messages of an earlier incarnation to the master are in flight, those
//! of the present one too, and it may crash once more.

use super::{Named, Size, TIMELESS, begin};
use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;
use leasehold_world::names;

/// This model.
pub const MODEL: Named = Named { name: "incarnations", about: "I2", negatives: &[], space };

fn bounds(size: Size) -> Bounds {
    let repeats = u8::from(size > Size::Medium);
    let crashes = match size {
        Size::Smallest => 0,
        Size::Small => 1,
        Size::Medium => 2,
        Size::Large => 3,
    };
    let bounds = Bounds { ticks: Some(0), crashes, ..Bounds::default() };
    let crashing = vec![names::server(1)];
    Bounds {
        crashing,
        repeats: Some(repeats),
        version_max: 2,
        prompt_disks: true,
        no_repair: true,
        ..bounds
    }
}

fn space(size: Size, rules: Rules) -> Space {
    let cluster = format!("masters=1 chunkservers=1 clients=1 replicas=1 {TIMELESS}");
    let rest = "run 30s\na create /f\nrun\na write /f 0 \"1\"\nrun\nhold n1->m Register\ncrash n1\nrestart n1\n\
                run 1s\ncrash n1\nrestart n1\n";
    begin(&cluster, rules, rest, &[], bounds(size))
}
