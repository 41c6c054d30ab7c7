//! A leader that was paused while another was elected (I1, I2): it continues as leader, its confirmation
//! round began while it led, and the primary, which reaches no other master, has sent it another
//! request since. Its successor is about to make another primary.

use super::{Named, Negative, Size, TIMED, begin};
use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;

/// This model. The old leader and the primary are one side of a partition.
pub const MODEL: Named = Named {
    name: "deposed-leader",
    about: "I1 I2",
    negatives: &[Negative::small("confirm_leadership", "I1", "renewed_without_confirmation")],
    space,
};

fn bounds(size: Size) -> Bounds {
    let ticks = match size {
        // A second tick is above a million states.
        Size::Smallest | Size::Small | Size::Medium => 1,
        Size::Large => 2,
    };
    let (prompt_disks, prompt_log, no_repair) = (true, true, true);
    let bounds = Bounds { ticks: Some(ticks), version_max: 2, ..Bounds::default() };
    Bounds { prompt_disks, prompt_log, no_repair, ..bounds }
}

fn space(size: Size, rules: Rules) -> Space {
    let cluster = format!("masters=2 chunkservers=2 clients=1 replicas=2 {TIMED}");
    let rest = "run 2s\na create /f\nrun\na write /f 0 \"x\"\nrun\ncut n2 m2\n\
                hold io m1 ConfirmLeadership\nrun 1s\npause m1\nlead m2\nhold n2->m1\nrun 2s\nresume m1\n\
                cut n1 m1\ncut n1 n2\n";
    begin(&cluster, rules, rest, &[], bounds(size))
}
