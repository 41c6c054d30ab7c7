//! The lease, without data (I1, I2): two masters, two chunkservers, and one chunk whose primary
//! asks for its lease again and again. Servers are counted as dead and come back, configurations
//! change, and the log's leader changes while the old one still hears everybody.

use super::{Named, Size, TIMED, begin};
use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;

/// This model.
pub const MODEL: Named = Named { name: "lease", about: "I1 I2", from: Size::Small, space };

fn bounds(size: Size) -> Bounds {
    let (ticks, leads, version_max) = match size {
        Size::Small => (Some(3), 0, 2),
        Size::Medium => (Some(4), 0, 2),
        Size::Large => (Some(6), 1, 3),
    };
    let (prompt_disks, prompt_log) = (true, true);
    Bounds { ticks, leads, version_max, prompt_disks, prompt_log, ..Bounds::default() }
}

fn space(size: Size, rules: Rules) -> Space {
    let cluster = format!("masters=2 chunkservers=2 clients=1 replicas=2 {TIMED}");
    let rest = "run 2s\na create /f\nrun\na write /f 0 \"x\"\nrun\n";
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
    fn a_configuration_that_does_not_wait_for_the_old_lease_is_found() {
        finds(&MODEL, Rules { wait_out_old_lease: false, ..Rules::default() }, "I1");
    }
}
