//! What a violation is about, read from what its checker saw.
//!
//! A checker tells in a sentence; the identities in it have one spelling each (`c1`, `v2`, `s3`,
//! `n4`, `n5#6`), so that they can be told apart from words.

use crate::recording::{Recording, Violation};
use leasehold_proto::{ChunkHandle, NodeId, OpId, Sequence};
use serde::Serialize;
use std::collections::BTreeMap;

/// What to look at first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Focus {
    /// The chunk.
    pub chunk: Option<ChunkHandle>,
    /// Those who are named.
    pub nodes: Vec<NodeId>,
    /// The operations that are named.
    pub ops: Vec<OpId>,
    /// The places in the chunk's order that are named.
    pub sequences: Vec<Sequence>,
}

impl Focus {
    /// What a violation is about. Where its sentence names no chunk, it is the one that was
    /// spoken of last before.
    #[must_use]
    pub fn of(violation: &Violation, recording: &Recording) -> Focus {
        let names = recording.nodes.iter().map(|node| (node.name.as_str(), node.id)).collect();
        let mut focus = Focus::default();
        for word in words(&violation.detail) {
            focus.take_in(word, &names);
        }
        if focus.chunk.is_none() {
            let until = recording.records.iter().rev();
            let until = until.skip_while(|record| record.event > violation.event);
            let named = |record: &&crate::Record| {
                focus.ops.is_empty() || record.op.is_some_and(|op| focus.ops.contains(&op))
            };
            focus.chunk = until.filter(named).find_map(|record| record.chunk);
        }
        focus
    }

    fn take_in(&mut self, word: &str, names: &BTreeMap<&str, NodeId>) {
        if let Some(number) = numbered(word, "c") {
            self.chunk.get_or_insert(ChunkHandle(number));
        } else if let Some(number) = numbered(word, "s") {
            push(&mut self.sequences, Sequence(number));
        } else if let Some(node) = names.get(word) {
            push(&mut self.nodes, *node);
        } else if let Some((client, number)) = word.split_once('#')
            && let (Some(client), Ok(number)) = (names.get(client), number.parse())
        {
            push(&mut self.ops, OpId { client: *client, number });
        }
    }
}

fn push<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

fn words(sentence: &str) -> impl Iterator<Item = &str> {
    sentence.split(|c: char| !c.is_ascii_alphanumeric() && c != '#').filter(|word| !word.is_empty())
}

fn numbered(word: &str, prefix: &str) -> Option<u64> {
    word.strip_prefix(prefix)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naming::Role;
    use crate::record::Record;
    use crate::recording::Node;

    fn recording(records: Vec<Record>) -> Recording {
        let node = |id, name: &str, role| Node { id: NodeId(id), name: name.into(), role };
        let nodes = vec![
            node(104, "n104", Role::Chunkserver),
            node(105, "n105", Role::Chunkserver),
            node(10_002, "n10002", Role::Client),
        ];
        Recording { nodes, records }
    }

    fn of(detail: &str, records: Vec<Record>) -> Focus {
        let violation = Violation { detail: detail.into(), event: 5, ..Violation::default() };
        Focus::of(&violation, &recording(records))
    }

    #[test]
    fn a_sentence_names_what_it_is_about() {
        let focus = of("n104 takes the lease of c21 at v2 while n105 has s7 of n10002#9.", vec![]);
        assert_eq!(focus.chunk, Some(ChunkHandle(21)));
        assert_eq!(focus.nodes, [NodeId(104), NodeId(105)]);
        assert_eq!(focus.sequences, [Sequence(7)]);
        assert_eq!(focus.ops, [OpId { client: NodeId(10_002), number: 9 }]);
    }

    #[test]
    fn without_a_chunk_it_is_the_last_one_before() {
        let at =
            |event, chunk| Record { event, chunk: Some(ChunkHandle(chunk)), ..Record::default() };
        let focus = of("something was lost", vec![at(3, 1), at(5, 2), at(6, 3)]);
        assert_eq!(focus.chunk, Some(ChunkHandle(2)));
    }
}
