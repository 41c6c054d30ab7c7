//! A chain of three (I3, I4, I5): a write goes from the primary to its first secondary and on to the
//! tail, and each of the three acknowledges for itself. In any order of these, the client's write is
//! acknowledged only when all three have it.

use super::{Named, Negative, Size, TIMELESS, begin};
use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;
use leasehold_world::names;

/// This model.
pub const MODEL: Named = Named {
    name: "chain",
    about: "I3 I4 I5",
    negatives: &[Negative::healed("acknowledge_after_all", "I4", "acknowledged_after_first_reply")],
    space,
};

fn bounds(size: Size) -> Bounds {
    let (ticks, crashes) = match size {
        Size::Smallest | Size::Small => (0, 0),
        Size::Medium => (0, 1),
        Size::Large => (1, 1),
    };
    let crashing = vec![names::server(1), names::server(2), names::server(3)];
    let bounds = Bounds { ticks: Some(ticks), crashes, crashing, ..Bounds::default() };
    Bounds { version_max: 2, prompt_log: true, no_repair: true, repeats: Some(0), ..bounds }
}

fn space(size: Size, rules: Rules) -> Space {
    let cluster = format!("masters=1 chunkservers=3 clients=1 replicas=3 {TIMELESS}");
    let rest = "run 30s\na create /f\nrun\na write /f 0 \"1\"\nrun\n";
    let menu = ["a write /f 0 \"2\"", "a append /f \"3\""];
    begin(&cluster, rules, rest, &menu, bounds(size))
}
