//! The lease, without data (I1, I2): two masters, two chunkservers, and one chunk whose primary
//! requests its lease again and again. Servers are counted as dead and come back, configurations
//! change, and the log's leader changes while the old one still hears everybody.

use super::{Named, Negative, Size, TIMED, begin};
use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;

/// This model.
pub const MODEL: Named = Named {
    name: "lease",
    about: "I1 I2",
    negatives: &[Negative::small("wait_out_old_lease", "I1", "lease_not_waited_out")],
    space,
};

fn bounds(size: Size) -> Bounds {
    let (ticks, leads, version_max) = match size {
        Size::Smallest => (Some(1), 0, 2),
        // A fourth tick takes more than ten minutes, and so does a change of the leader.
        Size::Small | Size::Medium => (Some(3), 0, 2),
        Size::Large => (Some(4), 1, 3),
    };
    let (prompt_disks, prompt_log) = (true, true);
    let no_repair = true;
    let bounds = Bounds { ticks, leads, version_max, no_repair, ..Bounds::default() };
    Bounds { prompt_disks, prompt_log, ..bounds }
}

fn space(size: Size, rules: Rules) -> Space {
    let cluster = format!("masters=2 chunkservers=2 clients=1 replicas=2 {TIMED}");
    let rest = "run 2s\na create /f\nrun\na write /f 0 \"x\"\nrun\n";
    begin(&cluster, rules, rest, &[], bounds(size))
}
