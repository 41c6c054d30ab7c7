//! A recovery of an earlier version arrives last (I2, I3, I5): the primary of one version sent its member the state to
//! begin with, and died; the member has been made the primary of the next version, and hears both.

use super::{Named, Size, TIMELESS, begin};
use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;
use leasehold_world::names;

/// This model. No switch leaves its rule out; the mutant `reconcile_below_promise_accepted` does, and is
/// found.
pub const MODEL: Named = Named { name: "stale-recovery", about: "I2 I3 I5", negatives: &[], space };

fn bounds(size: Size) -> Bounds {
    let (ticks, crashes) = match size {
        Size::Smallest => (0, 0),
        Size::Small => (0, 1),
        Size::Medium => (1, 1),
        Size::Large => (2, 2),
    };
    let crashing = vec![names::server(1)];
    let bounds = Bounds { ticks: Some(ticks), crashes, crashing, ..Bounds::default() };
    let repeats = Some(u8::from(size > Size::Medium));
    Bounds { version_max: 3, prompt_log: true, no_repair: true, repeats, ..bounds }
}

fn space(size: Size, rules: Rules) -> Space {
    let cluster = format!("masters=1 chunkservers=2 clients=1 replicas=2 {TIMELESS}");
    let rest = "run 30s\na create /f\nrun\na write /f 0 \"1\"\nrun\ncrash n2\nrestart n2\nhold n2->n1 Reconcile\n\
                a write /f 0 \"2\"\nrun until Adopted\nrun 1s\ncrash n2\nhold m->n1 Activate\n\
                run until Configured\n";
    begin(&cluster, rules, rest, &[], bounds(size))
}
