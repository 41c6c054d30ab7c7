//! Renewals across a leader change (I1, I2): the log has a new leader, which one server hears, while
//! the primary's request waits at the old leader, which has not learnt that it is deposed and still
//! receives its messages.

use super::{Named, Negative, Size, TIMED, begin_at};
use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;

/// This model.
pub const MODEL: Named = Named {
    name: "renewals",
    about: "I1 I2",
    negatives: &[
        Negative::small("wait_out_old_lease", "I1", "renewed_by_deposed_leader"),
        Negative::small("lease_counts_from_question", "I1", "delayed_renewal_counted_from_receipt"),
    ],
    space,
};

fn bounds(size: Size) -> Bounds {
    let (ticks, leads) = match size {
        Size::Smallest | Size::Small => (2, 0),
        Size::Medium => (3, 0),
        Size::Large => (4, 1),
    };
    let (prompt_disks, prompt_log, no_repair) = (true, true, true);
    let bounds = Bounds { ticks: Some(ticks), leads, version_max: 2, ..Bounds::default() };
    Bounds { prompt_disks, prompt_log, no_repair, ..bounds }
}

/// The first question's confirmation began while its leader led; those of later ones begin after.
/// That question waits for its answer, or the grant is already on its way, and late. Small and
/// medium: a partition, with the old leader and the primary on one side. Large: whoever sends is
/// heard, or not, as it happens.
fn space(size: Size, rules: Rules) -> Space {
    let cluster = format!("masters=2 chunkservers=2 clients=1 replicas=2 {TIMED}");
    let cuts = match size {
        Size::Smallest | Size::Small | Size::Medium => "cut n2 m2\ncut n1 m1\ncut n1 n2\n",
        Size::Large => "",
    };
    let asked = format!(
        "run 2s\na create /f\nrun\na write /f 0 \"x\"\nrun\n{cuts}\
         advance 1s\nwake m1\nwake n2\ndeliver n2->m1 Heartbeat\ndeliver n2->m1 Report\n\
         deliver m1->n2 ReportAck\ndeliver n2->m1 LeaseRequest\n\
         lead m2\nio m2 Propose\nwake n1\ndeliver n1->m2 Heartbeat\n\
         deliver m2->n1 RegisterAgain\ndeliver n1->m2 Register\nio m2 Propose\n\
         deliver m2->n1 Registered\ndeliver n1->m2 Report\ndeliver m2->n1 ReportAck\n"
    );
    let granted =
        format!("{asked}io m1 ConfirmLeadership\nadvance 1s\nwake m1\nwake m2\nwake n1\nwake n2\n");
    // With three ticks the second beginning is a state of the first.
    let both: [&str; 2] = [&asked, &granted];
    let beginnings = if size <= Size::Small { &both[..] } else { &both[..1] };
    begin_at(&cluster, rules, beginnings, &[], bounds(size))
}
