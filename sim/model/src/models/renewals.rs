//! Two renewals across a leader change (I1, I2): the log has a new leader while questions of the
//! primary wait at the old one, which was not told and still hears everybody.

use super::{Named, Size, TIMED, begin};
use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;

/// This model.
pub const MODEL: Named = Named { name: "renewals", about: "I1 I2", from: Size::Large, space };

fn bounds(size: Size) -> Bounds {
    let repeats = Some(u8::from(size > Size::Small));
    let (ticks, version_max) = match size {
        Size::Small => (1, 2),
        Size::Medium => (2, 2),
        Size::Large => (6, 3),
    };
    let (prompt_disks, prompt_log) = (true, true);
    Bounds {
        ticks: Some(ticks),
        version_max,
        prompt_disks,
        prompt_log,
        repeats,
        ..Bounds::default()
    }
}

fn space(size: Size, rules: Rules) -> Space {
    let cluster = format!("masters=2 chunkservers=2 clients=1 replicas=2 {TIMED}");
    let rest = "run 2s\na create /f\nrun\na write /f 0 \"x\"\nrun\n\
                hold io m1 ConfirmLeadership\nrun 1s\nlead m2\n";
    begin(&cluster, Rules { repair: false, ..rules }, rest, &[], bounds(size))
}
