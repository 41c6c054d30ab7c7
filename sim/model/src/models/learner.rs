//! A learner joins while its source may restart and a write goes on (I3, I4, I5): a member is lost,
//! a spare server has been ordered to copy the chunk, or has done so, and the order comes once more.

use super::{Named, Negative, Size, TIMELESS, begin_at};
use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;
use leasehold_world::names;

/// This model.
pub const MODEL: Named = Named {
    name: "learner",
    about: "I3 I4 I5",
    negatives: &[
        Negative::healed("repair", "I10", "missing_replica_not_repaired"),
        Negative::healed("learner_is_complete", "I10", "incomplete_learner_configured"),
        Negative::healed("acknowledge_after_all", "I4", "acknowledged_without_learner"),
    ],
    space,
};

fn bounds(size: Size) -> Bounds {
    let repeats = u8::from(size > Size::Medium);
    let (ticks, crashes, version_max) = match size {
        Size::Smallest | Size::Small => (0, 0, 3),
        Size::Medium => (0, 1, 3),
        Size::Large => (2, 1, 4),
    };
    let crashing = vec![names::server(2)];
    let bounds = Bounds { ticks: Some(ticks), crashes, crashing, ..Bounds::default() };
    Bounds { version_max, prompt_log: true, repeats: Some(repeats), ..bounds }
}

fn space(size: Size, rules: Rules) -> Space {
    let cluster = format!("masters=1 chunkservers=2 spares=1 clients=1 replicas=2 {TIMELESS}");
    let until = if rules.repair { "run until RepairBegan" } else { "run 2s" };
    let rest = format!(
        "run 30s\na create /f\nrun\na write /f 0 \"1\"\nrun\ncrash n1\nrun 60s\na write /f 0 \"2\"\n\
                run\nrestart n3\n{until}\n"
    );
    let late = format!(
        "{rest}duplicate m->n3 CopyOrder\ndeliver m->n3 CopyOrder\nhold m->n3 CopyOrder\n\
         run until RepairEnded\nrun 2s\n"
    );
    let menu = ["a write /f 0 \"3\""];
    let both: [&str; 2] = [&rest, &late];
    let beginnings = if rules.repair { &both[..] } else { &both[..1] };
    begin_at(&cluster, rules, beginnings, &menu, bounds(size))
}
