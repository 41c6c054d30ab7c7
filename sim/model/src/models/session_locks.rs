//! Locks of two clients, without data (I12): one has a lock, and the other wants it. Any message between them
//! and the masters may be lost or late, the first client's session runs out meanwhile, and its renewals
//! arrive when they will: of its three seconds one is left. In the large size another master leads in
//! between, and counts the session anew. The file has no chunk: what fences off writes is in scripts, walks and the full stack.

use super::{Named, Negative, Size, TIMED, begin};
use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;

/// This model.
pub const MODEL: Named = Named {
    name: "session-locks",
    about: "I12",
    negatives: &[Negative::small("sessions_last", "I12", "session_not_waited_out")],
    space,
};

fn bounds(size: Size) -> Bounds {
    let (ticks, leads) = match size {
        Size::Smallest => (1, 0),
        // A third tick takes thirty times as long, and a change of the leader more than ten minutes.
        Size::Small | Size::Medium => (2, 0),
        Size::Large => (3, 1),
    };
    let bounds = Bounds { ticks: Some(ticks), leads, version_max: 2, ..Bounds::default() };
    let (prompt_disks, prompt_log, no_repair) = (true, true, true);
    Bounds { prompt_disks, prompt_log, no_repair, repeats: Some(0), ..bounds }
}

fn space(size: Size, rules: Rules) -> Space {
    let masters = if size > Size::Medium { 2 } else { 1 };
    let cluster = format!("masters={masters} chunkservers=1 clients=2 replicas=1 {TIMED}");
    let leader = if masters == 1 { "m" } else { "m1" };
    let rest = format!(
        "run 2s\na create /f\nrun\nb open /f\nrun\ncrash n1\na lock /f exclusive\nrun\n\
                cut a {leader}\nrun 2s\nheal\n"
    );
    let menu = ["b lock /f exclusive"];
    begin(&cluster, rules, &rest, &menu, bounds(size))
}
