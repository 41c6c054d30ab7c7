//! Which delivery is of which sending.
//!
//! A network numbers the messages that it is given, from 1, in order; so does this. What arrives
//! at a node waits there until the node takes it, first come first served.

use crate::record::{Record, RecordKind};
use leasehold_proto::{ChunkHandle, ChunkVersion, NodeId, OpId};
use std::collections::{BTreeMap, VecDeque};

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It met a partition.
    Cut,
    /// It was lost on the way.
    Lost,
    /// No receiver takes so much.
    Oversized,
    /// A second copy of it is on the way.
    Doubled,
    /// It waits at its receiver.
    Arrived,
    /// It arrived, and did not decode.
    Corrupt,
    /// Its receiver is down.
    Nobody,
    /// Its receiver's inbox was full.
    Overflowed,
}

/// A message, by its number, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Which sending of the run, from 1.
    pub flow: u64,
    /// What became of it.
    pub fate: Fate,
}

/// A message that was sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    message: Option<&'static str>,
    from: Option<NodeId>,
    to: Option<NodeId>,
    chunk: Option<ChunkHandle>,
    version: Option<ChunkVersion>,
    op: Option<OpId>,
}

/// All messages of a run, and what waits where.
#[derive(Debug, Default)]
pub struct Flows {
    sent: Vec<Sent>,
    inboxes: BTreeMap<NodeId, VecDeque<u64>>,
}

impl Flows {
    /// A message is sent: its number.
    pub fn sent(&mut self, record: &Record) -> u64 {
        let Record { message, from, to, chunk, version, op, .. } = *record;
        self.sent.push(Sent { message, from, to, chunk, version, op });
        self.sent.len() as u64
    }

    /// The network's word on a message, as a record without a time; none if it went as it should.
    pub fn passed(&mut self, Passage { flow, fate }: Passage) -> Option<Record> {
        let Sent { message, from, to, chunk, version, op } = *self.get(flow)?;
        let what = match fate {
            Fate::Cut => "Cut",
            Fate::Lost => "Lost",
            Fate::Oversized => "Oversized",
            Fate::Doubled => "Doubled",
            Fate::Arrived => {
                self.inboxes.entry(to?).or_default().push_back(flow);
                return None;
            }
            Fate::Corrupt => "Corrupt",
            Fate::Nobody => "Nobody",
            Fate::Overflowed => "Overflowed",
        };
        let at_sender = matches!(fate, Fate::Cut | Fate::Lost | Fate::Oversized | Fate::Doubled);
        Some(Record {
            node: if at_sender { from? } else { to? },
            kind: RecordKind::Network,
            what,
            flow: Some(flow),
            bad: fate != Fate::Doubled,
            text: format!("{} {}", message.unwrap_or("a message"), words(fate)),
            message,
            from,
            to,
            chunk,
            version,
            op,
            ..Record::default()
        })
    }

    /// A node takes a message from its inbox: which one.
    pub fn delivered(&mut self, record: &Record) -> Option<u64> {
        let inbox = self.inboxes.get(&record.node)?;
        let is_it = |flow: &u64| {
            self.get(*flow).is_some_and(|sent| {
                (sent.message, sent.from, sent.to) == (record.message, record.from, record.to)
            })
        };
        let at = inbox.iter().position(is_it)?;
        self.inboxes.get_mut(&record.node)?.remove(at)
    }

    /// What waited at a node is gone with it.
    pub fn forget(&mut self, node: NodeId) {
        self.inboxes.remove(&node);
    }

    fn get(&self, flow: u64) -> Option<&Sent> {
        self.sent.get(usize::try_from(flow).ok()?.checked_sub(1)?)
    }
}

fn words(fate: Fate) -> &'static str {
    match fate {
        Fate::Cut => "meets a partition",
        Fate::Lost => "is lost",
        Fate::Oversized => "is too long for its receiver",
        Fate::Doubled => "will arrive twice",
        Fate::Arrived => "has arrived",
        Fate::Corrupt => "arrives damaged and is refused",
        Fate::Nobody => "finds nobody",
        Fate::Overflowed => "finds a full inbox",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(node: u64, message: &'static str) -> Record {
        Record {
            node: NodeId(node),
            message: Some(message),
            from: Some(NodeId(1)),
            to: Some(NodeId(2)),
            ..Record::default()
        }
    }

    fn arrived(flow: u64) -> Passage {
        Passage { flow, fate: Fate::Arrived }
    }

    #[test]
    fn both_copies_of_a_message_have_its_number_and_overtaking_confuses_nobody() {
        let mut flows = Flows::default();
        assert_eq!(flows.sent(&letter(1, "Push")), 1);
        assert_eq!(flows.sent(&letter(1, "Read")), 2);
        assert_eq!(flows.passed(arrived(2)), None);
        flows.passed(arrived(1));
        flows.passed(arrived(1));
        assert_eq!(flows.delivered(&letter(2, "Read")), Some(2));
        assert_eq!(flows.delivered(&letter(2, "Push")), Some(1));
        assert_eq!(flows.delivered(&letter(2, "Push")), Some(1));
        assert_eq!(flows.delivered(&letter(2, "Push")), None);
    }

    #[test]
    fn a_loss_is_told_where_it_can_be_seen() {
        let mut flows = Flows::default();
        flows.sent(&letter(1, "Push"));
        let told = |flows: &mut Flows, fate| flows.passed(Passage { flow: 1, fate }).unwrap();
        let lost = told(&mut flows, Fate::Lost);
        assert_eq!((lost.node, lost.what, lost.flow), (NodeId(1), "Lost", Some(1)));
        assert_eq!(told(&mut flows, Fate::Nobody).node, NodeId(2));
        assert_eq!(flows.passed(Passage { flow: 9, fate: Fate::Lost }), None, "never sent");
    }

    #[test]
    fn a_crash_empties_the_inbox() {
        let mut flows = Flows::default();
        flows.sent(&letter(1, "Push"));
        flows.passed(arrived(1));
        flows.forget(NodeId(2));
        assert_eq!(flows.delivered(&letter(2, "Push")), None);
    }
}
