//! I23: a master says that its log is lost when it is, and never else.

use crate::seen::Seen;
use crate::violation::{Invariant, Violation};
use leasehold_proto::{Event, LostLog, NodeId};
use std::collections::BTreeSet;

/// I23.
pub const INVARIANT: Invariant = Invariant {
    id: "I23",
    name: "alarm",
    sentence: "a master raises the alarm that its log is lost only if the disk of a master was lost",
    source: "operations: who is alarmed for nothing ends to look; an alarm stops repair and deletion",
};

/// Whose disks are gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alarm {
    destroyed: BTreeSet<NodeId>,
    chunkservers: BTreeSet<NodeId>,
}

impl Alarm {
    /// Takes in what happened; true if there was something to judge.
    pub fn observe(&mut self, seen: &Seen<'_>) -> Result<bool, Violation> {
        match seen.event {
            Event::ServerJoined { node, .. } => {
                self.chunkservers.insert(*node);
                Ok(false)
            }
            Event::LogLost { proof } => {
                if self.destroyed.iter().any(|node| !self.chunkservers.contains(node)) {
                    return Ok(true);
                }
                let what = match proof {
                    LostLog::Chunk(chunk) => format!("never made {chunk}"),
                    LostLog::Epoch(epoch) => format!("never began {epoch}"),
                };
                let detail = format!("{} says that its log {what}, and none was lost", seen.node);
                Err(INVARIANT.broken(seen.true_ns, detail))
            }
            _ => Ok(false),
        }
    }

    /// A disk is gone for good.
    pub fn disk_destroyed(&mut self, node: NodeId) {
        self.destroyed.insert(node);
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::*;
    use leasehold_proto::{Event, LostLog};

    fn alarm() -> Event {
        Event::LogLost { proof: LostLog::Chunk(CHUNK) }
    }

    #[test]
    fn an_alarm_for_nothing() {
        assert_eq!(Run::new().bad(MASTER, alarm()).invariant, "I23");
        let mut run = Run::new();
        run.good(MASTER, joined(S1, 1));
        run.checkers.disk_destroyed(S1);
        assert_eq!(run.bad(MASTER, alarm()).invariant, "I23");
    }

    #[test]
    fn an_alarm_after_a_masters_disk_is_lost() {
        let mut run = Run::new();
        run.checkers.disk_destroyed(MASTER);
        run.good(MASTER, alarm());
    }
}
