//! A learner that restarts while it copies (I5): the opening request of its earlier incarnation is
//! still on its way to the source, and two of the present one (the second is a retry). A write continues
//! meanwhile. Bytes of one beginning of a copy must not be completed by what is left of another.

use super::{Named, Size, TIMELESS, begin};
use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;
use leasehold_world::names;

/// This model. No switch leaves its rule out; the mutant `duplicate_copy_request_restarts_copy` does, and is found.
pub const MODEL: Named = Named { name: "restarted-learner", about: "I5", negatives: &[], space };

fn bounds(size: Size) -> Bounds {
    let (repeats, crashes) = match size {
        Size::Smallest | Size::Small => (0, 0),
        Size::Medium => (0, 1),
        Size::Large => (1, 1),
    };
    let crashing = vec![names::server(2)];
    let bounds = Bounds { ticks: Some(0), crashes, crashing, ..Bounds::default() };
    let prompt_disks = size == Size::Medium;
    Bounds { version_max: 3, prompt_log: true, prompt_disks, repeats: Some(repeats), ..bounds }
}

fn space(size: Size, rules: Rules) -> Space {
    let cluster = format!("masters=1 chunkservers=1 spares=1 clients=1 replicas=2 {TIMELESS}");
    let until = if rules.repair { "run until RepairBegan" } else { "run 2s" };
    let rest = format!(
        "run 30s\na create /f\nrun\na write /f 0 \"1\"\nrun\nrestart n2\nhold n2->n1 CopyRequest\n\
         {until}\nrun 100ms\ncrash n2\nrestart n2\n{until}\nrun 1100ms\n"
    );
    begin(&cluster, rules, &rest, &["a write /f 0 \"2\""], bounds(size))
}
