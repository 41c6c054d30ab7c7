//! A learner joins while its source may restart and a write goes on (I3, I4, I5): a member is lost,
//! a spare server has been ordered to copy the chunk.

use super::{Named, Size, TIMELESS, begin};
use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;
use leasehold_world::names;

/// This model.
pub const MODEL: Named = Named { name: "learner", about: "I3 I4 I5", from: Size::Small, space };

fn bounds(size: Size) -> Bounds {
    let repeats = u8::from(size > Size::Small);
    let (ticks, crashes, version_max) = match size {
        Size::Small => (0, 0, 3),
        Size::Medium => (1, 1, 3),
        Size::Large => (2, 1, 4),
    };
    let crashing = vec![names::server(2)];
    let bounds = Bounds { ticks: Some(ticks), crashes, crashing, ..Bounds::default() };
    Bounds { version_max, prompt_log: true, repeats: Some(repeats), ..bounds }
}

fn space(size: Size, rules: Rules) -> Space {
    let cluster = format!("masters=1 chunkservers=2 spares=1 clients=1 replicas=2 {TIMELESS}");
    let rest = "run 2h\na create /f\nrun\na write /f 0 \"1\"\nrun\ncrash n1\nrun 4h\nrestart n3\n\
                run until RepairBegan\n";
    let menu = ["a write /f 0 \"2\""];
    begin(&cluster, rules, rest, &menu, bounds(size))
}

#[cfg(test)]
mod tests {
    use super::super::testing::holds;
    use super::*;

    #[test]
    fn within_the_bounds_nothing_is_violated() {
        holds(&MODEL);
    }
}
