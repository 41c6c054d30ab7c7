//! A primary whose machine was stopped, and its clock with it (I6): another is made meanwhile, and a write
//! acknowledged by it. The model begins at the moment at which the machine goes on, with everything that
//! was sent to it still on its way: a client that knows only the old primary reads nothing stale, since no
//! grant that was requested after its read comes for it.

use super::{Named, Size, TIMED, begin};
use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;

/// This model.
pub const MODEL: Named = Named {
    name: "frozen",
    about: "I6",
    negatives: &[],
    space: |size, rules| space(size, rules, true),
};

fn bounds(size: Size) -> Bounds {
    let ticks = match size {
        // A tick takes more than ten minutes.
        Size::Smallest | Size::Small | Size::Medium => 0,
        Size::Large => 1,
    };
    let (prompt_disks, prompt_log, no_repair) = (true, true, true);
    let bounds = Bounds { ticks: Some(ticks), version_max: 2, ..Bounds::default() };
    Bounds { prompt_disks, prompt_log, no_repair, repeats: Some(0), ..bounds }
}

/// The model, with reads confirmed or not: those that trust a lease alone are stale here.
#[must_use]
pub fn space(size: Size, rules: Rules, confirmed: bool) -> Space {
    let confirm = if confirmed { "yes" } else { "no" };
    let cluster =
        format!("masters=1 chunkservers=2 clients=2 replicas=2 confirm-reads={confirm} {TIMED}");
    let rest = "run 2s\na create /f\nrun\na write /f 0 \"x\"\nrun\nb open /f\nrun\n\
                b read /f 0 1\nrun\nfreeze n2\na write /f 0 \"y\"\nrun\nresume n2\n";
    let menu = ["b read /f 0 1", "b write /f 0 \"z\""];
    begin(&cluster, rules, rest, &menu, bounds(size))
}
