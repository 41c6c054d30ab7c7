//! Split brain (I1, I3, I6): the primary stands still or is cut off for as long as it likes while
//! another is made, one client writes there, and another reads where it read before.

use super::{Named, Size, TIMED, begin};
use crate::bounds::Bounds;
use crate::space::Space;
use leasehold_proto::Rules;
use leasehold_world::names;

/// This model.
pub const MODEL: Named = Named { name: "split-brain", about: "I1 I3 I6", from: Size::Large, space };

fn bounds(size: Size) -> Bounds {
    let repeats = Some(u8::from(size > Size::Small));
    let (ticks, leads, version_max) = match size {
        Size::Small => (1, 0, 2),
        Size::Medium => (2, 0, 2),
        Size::Large => (3, 1, 3),
    };
    let late = vec![names::server(2)];
    let (prompt_disks, prompt_log) = (true, true);
    let bounds = Bounds { ticks: Some(ticks), leads, version_max, ..Bounds::default() };
    Bounds { late, prompt_disks, prompt_log, repeats, ..bounds }
}

fn space(size: Size, rules: Rules) -> Space {
    let cluster = format!("masters=2 chunkservers=2 clients=2 replicas=2 {TIMED}");
    let rest = "run 2s\na create /f\nrun\na write /f 0 \"x\"\nrun\nb open /f\nrun\n\
                b read /f 0 1\nrun\ncut n2 m1\ncut n2 m2\ncut n2 n1\nrun until ChangeBegan\nheal\n";
    let menu = ["a write /f 0 \"y\"", "b read /f 0 1"];
    begin(&cluster, Rules { repair: false, ..rules }, rest, &menu, bounds(size))
}
