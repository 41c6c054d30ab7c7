//! Reconfiguration under crash (I2, I3, I4, I5): a chunk holds an acknowledged write, its primary
//! has restarted, a second write waits, and the Prepares of the next version are in flight. From
//! there everything arrives in any order or not at all, and members crash at any I/O boundary.

use super::{Named, Size, TIMELESS, begin};
use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;
use leasehold_world::names;

/// This model.
pub const MODEL: Named =
    Named { name: "reconfiguration", about: "I2 I3 I4 I5", from: Size::Small, space };

fn bounds(size: Size) -> Bounds {
    let repeats = u8::from(size > Size::Small);
    let (ticks, crashes, version_max) = match size {
        Size::Small => (0, 1, 2),
        Size::Medium => (1, 1, 3),
        Size::Large => (2, 2, 4),
    };
    let crashing = vec![names::server(1), names::server(2), names::server(3)];
    let bounds = Bounds { ticks: Some(ticks), crashes, crashing, ..Bounds::default() };
    Bounds { version_max, prompt_log: true, repeats: Some(repeats), ..bounds }
}

fn space(size: Size, rules: Rules) -> Space {
    let servers = if size == Size::Small { 2 } else { 3 };
    let cluster =
        format!("masters=1 chunkservers={servers} clients=1 replicas={servers} {TIMELESS}");
    let rest = "run 2h\na create /f\nrun\na write /f 0 \"1\"\nrun\ncrash n2\nrestart n2\n\
                a write /f 0 \"2\"\nrun until ChangeBegan\n";
    begin(&cluster, Rules { repair: false, ..rules }, rest, &[], bounds(size))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, holds};
    use super::*;

    #[test]
    fn within_the_bounds_nothing_is_violated() {
        holds(&MODEL);
    }

    #[test]
    fn a_promise_that_is_not_durable_is_found() {
        finds(&MODEL, Rules { promise_is_durable: false, ..Rules::default() }, "I2");
    }
}
