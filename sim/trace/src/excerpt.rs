//! The last events before a violation, for a terminal: those that it is about first, in the order
//! of true time.

use crate::focus::Focus;
use crate::page::Story;
use crate::record::{Record, RecordKind};
use crate::trace::Finding;
use leasehold_proto::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Lines of one node at the most.
const PER_NODE_MAX: usize = 10;
/// Lines at the most.
const LINES_MAX: usize = 44;
/// Until then the nodes start.
const BEGINNING_NS: u64 = 200_000_000;
/// Characters of a line at the most.
const COLUMNS_MAX: usize = 140;

/// How relevant a record is to a violation; the smaller, the more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    /// Of the chunk or the operation that it is about: what changed.
    Fact,
    /// A fault, or the start or end of a process.
    Fault,
    /// Of the chunk: messages and requests.
    Talk,
}

impl Story<'_> {
    /// What led to the violation, one line an event: true time, seconds before the violation,
    /// node, sentence. At most ten events of a node and 44 lines.
    #[must_use]
    pub fn excerpt(&self) -> String {
        let Some(finding) = self.finding else { return String::new() };
        let chosen = self.chosen(finding);
        let who = |record: &Record| match record.kind {
            RecordKind::Fault => "fault".to_owned(),
            _ => self.trace.name(record.node),
        };
        let width = chosen.iter().map(|record| who(record).len()).max().unwrap_or(0);
        let mut out = String::new();
        for record in chosen {
            let before = finding.violation.true_ns.saturating_sub(record.true_ns);
            let who = who(record);
            let line = format!(
                "{:>13.6}  {:>10}  {who:<width$}  {}",
                record.true_ns as f64 / 1e9,
                format!("-{:.6}", before as f64 / 1e9),
                record.text
            );
            let cut = line.char_indices().nth(COLUMNS_MAX).map_or(line.len(), |(at, _)| at);
            let more = if cut < line.len() { "..." } else { "" };
            // Writing to a string does not fail.
            let _ = writeln!(out, "{}{more}", &line[..cut]);
        }
        out
    }

    /// The worthiest last ones of each node, then of all, in order.
    fn chosen(&self, finding: &Finding) -> Vec<&Record> {
        let focus = self.focus();
        let mut of_node: BTreeMap<NodeId, Vec<(Worth, usize)>> = BTreeMap::new();
        for (at, record) in self.unrepeated(finding) {
            if let Some(worth) = worth(&focus, record) {
                of_node.entry(record.node).or_default().push((worth, at));
            }
        }
        let mut chosen: Vec<(Worth, usize)> = Vec::new();
        for candidates in of_node.values_mut() {
            candidates.sort_by_key(|(worth, at)| (*worth, std::cmp::Reverse(*at)));
            candidates.truncate(PER_NODE_MAX);
            chosen.append(candidates);
        }
        chosen.sort_by_key(|(worth, at)| (*worth, std::cmp::Reverse(*at)));
        chosen.truncate(LINES_MAX);
        let mut places: Vec<usize> = chosen.into_iter().map(|(_, at)| at).collect();
        places.sort_unstable();
        places.into_iter().map(|at| &self.trace.records[at]).collect()
    }

    /// Everything up to the violation, but of a lease's renewals only the first.
    fn unrepeated(&self, finding: &Finding) -> impl Iterator<Item = (usize, &Record)> {
        let (mut held, mut configured) = (BTreeSet::new(), BTreeSet::new());
        let records = self.trace.records.iter().enumerate();
        // What came long after the named operations is not what led to it.
        let last_ns = self.focus().at_ns.unwrap_or(finding.violation.true_ns);
        let until = records.take_while(move |(_, record)| {
            record.event <= finding.event && record.true_ns <= last_ns
        });
        until.filter(move |(_, record)| match record.what {
            // A master that restarts applies its log again.
            "Configured" if record.kind == RecordKind::Event => {
                configured.insert((record.chunk, record.version))
            }
            "LeaseTaken" => held.insert((record.node, record.chunk, record.version)),
            "LeaseEnded" => {
                held.remove(&(record.node, record.chunk, record.version));
                true
            }
            "Ends" => {
                held.retain(|(node, ..)| *node != record.node);
                true
            }
            _ => true,
        })
    }
}

fn worth(focus: &Focus, record: &Record) -> Option<Worth> {
    match record.kind {
        RecordKind::Fault => return Some(Worth::Fault),
        // The first start of each node is left out.
        RecordKind::Outside => return (record.true_ns > BEGINNING_NS).then_some(Worth::Fault),
        RecordKind::Input | RecordKind::Effect | RecordKind::Event | RecordKind::Network => {}
    }
    let of_chunk = focus.chunk.is_none_or(|chunk| record.concerns(chunk));
    let of_op = record.op.is_some_and(|op| focus.ops.contains(&op));
    if !of_chunk && !of_op {
        return None;
    }
    let named = |record: &Record| record.sequence.is_some_and(|s| focus.sequences.contains(&s));
    match (record.kind, record.what) {
        // A busy chunk has hundreds of these: only those of what was named are news.
        (
            RecordKind::Event,
            "Applied" | "Committed" | "Acknowledged" | "ReadServed" | "Retried",
        ) => {
            let asked = !focus.ops.is_empty() || !focus.sequences.is_empty();
            let news = of_op || (asked && of_chunk && named(record));
            Some(if news { Worth::Fact } else { Worth::Talk })
        }
        (RecordKind::Event, _) => Some(Worth::Fact),
        (RecordKind::Input, "Deliver") => Some(Worth::Talk),
        (RecordKind::Input, "Request") | (RecordKind::Effect, "Respond") => Some(Worth::Fact),
        (RecordKind::Network, _) => Some(Worth::Talk),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naming::Role;
    use crate::trace::{Node, Title, Trace};
    use leasehold_checker::Violation;
    use leasehold_proto::{ChunkHandle, ChunkVersion};

    fn event(event: u64, node: u64, chunk: u64, what: &'static str) -> Record {
        Record {
            event,
            true_ns: event * 1_000_000,
            node: NodeId(node),
            kind: RecordKind::Event,
            what,
            chunk: Some(ChunkHandle(chunk)),
            version: Some(ChunkVersion(1)),
            text: format!("does {what} to c{chunk} in {event}"),
            ..Record::default()
        }
    }

    fn excerpt(records: Vec<Record>, detail: &str) -> String {
        let node = |id| Node { id: NodeId(id), name: format!("n{id}"), role: Role::Chunkserver };
        let trace = Trace { nodes: (1..=9).map(node).collect(), records, over_ns: None };
        let detail = detail.to_owned();
        let violation = Violation { detail, true_ns: 500_000_000, ..Violation::default() };
        let finding = Finding { violation, event: 500, ..Finding::default() };
        let title = Title::default();
        let finding = Some(&finding);
        Story { title: &title, trace: &trace, finding, window: None }.excerpt()
    }

    #[test]
    fn it_keeps_to_the_chunk_and_to_its_length() {
        let records = (1..=600).map(|n| event(n, n % 9 + 1, n / 9 % 2, "Promised")).collect();
        let told = excerpt(records, "c1 is wrong");
        assert_eq!(told.lines().count(), LINES_MAX);
        assert!(told.lines().all(|line| line.contains(" c1 ")), "{told}");
        assert!(!told.contains("in 501"), "nothing from after it");
        let times: Vec<&str> = told.lines().map(|line| &line[..13]).collect();
        assert!(times.is_sorted(), "{told}");
    }

    #[test]
    fn a_renewal_says_nothing_new() {
        let mut records: Vec<Record> = (1..=50).map(|n| event(n, 1, 1, "LeaseTaken")).collect();
        records.push(event(51, 1, 1, "LeaseEnded"));
        records.push(event(52, 1, 1, "LeaseTaken"));
        let told = excerpt(records, "c1 is wrong");
        let ends: Vec<&str> = told.lines().filter_map(|line| line.rsplit(' ').next()).collect();
        assert_eq!(ends, ["1", "51", "52"]);
    }
}
