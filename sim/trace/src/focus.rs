//! What a violation is about, read from what its checker saw.
//!
//! A checker reports in a sentence; the identities in it have one spelling each (`c1`, `v2`, `s3`,
//! `n4`, `n5#6`), so that they can be recognised.

use crate::record::Record;
use crate::trace::{Finding, Trace};
use leasehold_proto::{ChunkHandle, NodeId, OpId, RequestId, Sequence};
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
    /// Of a violation that is found when the run is over: when the operation that it names ended,
    /// in nanoseconds of true time. That is the place to look at.
    pub at_ns: Option<u64>,
    #[serde(skip)]
    requests: Vec<RequestId>,
}

impl Focus {
    /// What a violation is about. Where its sentence names no chunk, it is the one that was
    /// spoken of last before.
    #[must_use]
    pub fn of(finding: &Finding, trace: &Trace) -> Focus {
        let names = trace.nodes.iter().map(|node| (node.name.as_str(), node.id)).collect();
        let mut focus = Focus::default();
        for word in words(&finding.violation.detail) {
            focus.take_in(word, &names);
        }
        let until = trace.records.iter().rev();
        let until = until.skip_while(|record| record.event > finding.event);
        focus.find_operations(until.clone());
        let named = |record: &&Record| {
            focus.ops.is_empty() || record.op.is_some_and(|op| focus.ops.contains(&op))
        };
        if focus.chunk.is_none() {
            focus.chunk = until.clone().filter(named).find_map(|record| record.chunk);
        }
        let last = until.filter(named).find(|_| !focus.ops.is_empty()).map(|r| r.true_ns);
        let at_the_end = trace.over_ns.is_some_and(|over_ns| over_ns <= finding.violation.true_ns);
        focus.at_ns = last.filter(|_| at_the_end);
        focus
    }

    /// A request of a client that is named is an operation.
    fn find_operations<'a>(&mut self, records: impl Iterator<Item = &'a Record>) {
        if self.requests.is_empty() {
            return;
        }
        let is_named = |record: &&Record| {
            self.nodes.contains(&record.node)
                && record.request.is_some_and(|request| self.requests.contains(&request))
        };
        let ops: Vec<OpId> = records.filter(is_named).filter_map(|record| record.op).collect();
        ops.into_iter().for_each(|op| push(&mut self.ops, op));
    }

    fn take_in(&mut self, word: &str, names: &BTreeMap<&str, NodeId>) {
        if let Some(number) = numbered(word, "c") {
            self.chunk.get_or_insert(ChunkHandle(number));
        } else if let Some(number) = numbered(word, "s") {
            push(&mut self.sequences, Sequence(number));
        } else if let Some(number) = numbered(word, "r") {
            push(&mut self.requests, RequestId(number));
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
    use crate::trace::Node;
    use leasehold_checker::Violation;

    fn trace(records: Vec<Record>) -> Trace {
        let node = |id, name: &str, role| Node { id: NodeId(id), name: name.into(), role };
        let nodes = vec![
            node(104, "n104", Role::Chunkserver),
            node(105, "n105", Role::Chunkserver),
            node(10_002, "n10002", Role::Client),
        ];
        Trace { nodes, records, over_ns: None }
    }

    fn of(detail: &str, records: Vec<Record>) -> Focus {
        let violation = Violation { detail: detail.into(), ..Violation::default() };
        let finding = Finding { violation, event: 5, ..Finding::default() };
        Focus::of(&finding, &trace(records))
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
    fn a_request_leads_to_its_operation_and_to_when_it_ended() {
        let op = OpId { client: NodeId(10_002), number: 31 };
        let answered = Record {
            event: 2,
            true_ns: 7,
            node: op.client,
            request: Some(RequestId(8)),
            op: Some(op),
            ..Record::default()
        };
        let read = Record { op: Some(op), chunk: Some(ChunkHandle(4)), ..Record::default() };
        let other = Record { event: 3, chunk: Some(ChunkHandle(5)), ..Record::default() };
        let mut trace = trace(vec![read, answered, other]);
        trace.over_ns = Some(8_000_000_000);
        let violation = Violation {
            detail: "no order explains the read of n10002, r8".into(),
            true_ns: 9_000_000_000,
            ..Violation::default()
        };
        let finding = Finding { violation, event: 9, ..Finding::default() };
        let focus = Focus::of(&finding, &trace);
        assert_eq!(focus.ops, [op]);
        assert_eq!(focus.chunk, Some(ChunkHandle(4)));
        assert_eq!(focus.at_ns, Some(7));
        trace.over_ns = None;
        assert_eq!(Focus::of(&finding, &trace).at_ns, None, "found when it happened");
    }

    #[test]
    fn without_a_chunk_it_is_the_last_one_before() {
        let at =
            |event, chunk| Record { event, chunk: Some(ChunkHandle(chunk)), ..Record::default() };
        let focus = of("something was lost", vec![at(3, 1), at(5, 2), at(6, 3)]);
        assert_eq!(focus.chunk, Some(ChunkHandle(2)));
    }
}
