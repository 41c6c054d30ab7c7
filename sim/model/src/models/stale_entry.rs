//! An entry of an earlier epoch (I1, I2): a deposed leader's configuration is in the log, and whether it
//! will commit is unknown. Its successor has renewed the old primary's lease meanwhile, and receives
//! messages of the server that the entry would make primary.

use super::{Named, Size, begin};
use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;

/// This model. No switch leaves its rule out; the mutant `stale_epoch_entry_applied` does, and is found.
pub const MODEL: Named = Named { name: "stale-entry", about: "I1 I2", negatives: &[], space };

/// As `TIMED`, but a server counts as dead after a lease, so that a late registration is waited for.
const CLUSTER: &str = "masters=2 chunkservers=2 clients=1 replicas=2 lease=3s renew=1s heartbeat=1s \
                       dead-after=3s repair-delay=10h";

fn bounds(size: Size) -> Bounds {
    let (ticks, version_max) = match size {
        Size::Smallest | Size::Small => (1, 2),
        Size::Medium => (2, 2),
        Size::Large => (2, 3),
    };
    let (prompt_disks, prompt_log, no_repair) = (true, true, true);
    let bounds = Bounds { ticks: Some(ticks), version_max, ..Bounds::default() };
    Bounds { prompt_disks, prompt_log, no_repair, ..bounds }
}

fn space(size: Size, rules: Rules) -> Space {
    let rest = "run 2s\na create /f\nrun\na write /f 0 \"x\"\nrun\ncut n2 m1\nhold io m1 Propose\n\
                run 7s\nfail unknown m1 Propose\ncut n1 m1\ncut n1 m2\ncut n1 n2\nlead m2\nrun 1500ms\n\
                mend n1 m2\nhold n1->m2\nrun 500ms\n";
    begin(CLUSTER, rules, rest, &[], bounds(size))
}
