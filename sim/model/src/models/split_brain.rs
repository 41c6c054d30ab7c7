//! Split brain (I1, I3, I6): the primary is paused, or isolated with a client of its own, for any
//! time, while another is made, for which another client's write waits. A client of the old primary
//! reads nothing stale, and none of its writes is acknowledged.

use super::{Named, Negative, Size, TIMED, begin};
use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;
use leasehold_world::names;

/// This model.
pub const MODEL: Named = Named {
    name: "split-brain",
    about: "I1 I3 I6",
    negatives: &[
        Negative::small("acknowledge_after_all", "I3", "acknowledged_by_isolated_primary"),
        Negative::small("read_waits_for_overlap", "I6", "uncommitted_read_at_isolated_primary"),
    ],
    space,
};

fn bounds(size: Size) -> Bounds {
    let ticks = match size {
        Size::Smallest | Size::Small | Size::Medium => 2,
        Size::Large => 3,
    };
    let bounds = Bounds { ticks: Some(ticks), version_max: 2, ..Bounds::default() };
    let (prompt_disks, prompt_log, no_repair) = (true, true, true);
    let late = if size <= Size::Medium { Vec::new() } else { vec![names::server(2)] };
    let repeats = Some(0);
    Bounds { late, prompt_disks, prompt_log, no_repair, repeats, ..bounds }
}

/// Small: a partition, with the old primary and client b on one side. Medium: the servers hear
/// each other. Large: whoever sends is heard, or not, as it happens.
fn space(size: Size, rules: Rules) -> Space {
    let cluster = format!("masters=1 chunkservers=2 clients=2 replicas=2 {TIMED}");
    let sides = "cut n2 m\ncut n2 a\ncut b m\ncut b n1\n";
    let cuts = match size {
        Size::Smallest | Size::Small => format!("{sides}cut n1 n2\n"),
        Size::Medium => sides.to_string(),
        Size::Large => String::new(),
    };
    let rest = format!(
        "run 2s\na create /f\nrun\na write /f 0 \"x\"\nrun\nb open /f\nrun\n\
         b read /f 0 1\nrun\n{cuts}a write /f 0 \"y\"\nrun 2s\n"
    );
    let menu = ["b write /f 0 \"z\"", "b read /f 0 1"];
    begin(&cluster, rules, &rest, &menu, bounds(size))
}
