//! What lasts: leases, configurations, promises, copies, operations, lives, faults.

use crate::record::{Record, RecordKind};
use leasehold_proto::{ChunkVersion, NodeId};
use std::collections::BTreeMap;

/// What sort of thing lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// A node believes that it is a chunk's primary.
    Lease,
    /// A configuration is the committed one.
    Configuration,
    /// A version is promised and not adopted.
    Promise,
    /// A copy of a chunk is being made.
    Copy,
    /// A client's owner waits.
    Operation,
    /// A process is down.
    Down,
    /// A fault is on.
    Fault,
}

impl Family {
    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Family::Lease => "lease",
            Family::Configuration => "configuration",
            Family::Promise => "promise",
            Family::Copy => "copy",
            Family::Operation => "operation",
            Family::Down => "down",
            Family::Fault => "fault",
        }
    }
}

/// Something that lasted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// What sort of thing.
    pub family: Family,
    /// Where.
    pub node: NodeId,
    /// What people call it.
    pub name: String,
    /// True time of its beginning, in nanoseconds.
    pub from_ns: u64,
    /// Of its end; a lease's may be after the last record.
    pub to_ns: u64,
    /// The record that began it.
    pub event: u64,
    version: Option<ChunkVersion>,
}

/// Names what is open: the family, the node (not of a configuration: a restarted master continues it),
/// the chunk, request or fault.
type Key = (Family, NodeId, u64);

#[derive(Default)]
struct Open {
    open: BTreeMap<Key, Span>,
    closed: Vec<Span>,
}

/// Everything that lasted, in the order of its end; what was still on ends with the last record.
#[must_use]
pub fn spans<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<Span> {
    let mut open = Open::default();
    let mut last_ns = 0;
    for record in records {
        last_ns = record.true_ns;
        match record.kind {
            RecordKind::Event => open.event(record),
            RecordKind::Fault | RecordKind::Outside => open.outside(record),
            RecordKind::Input | RecordKind::Effect => open.operation(record),
            RecordKind::Network => {}
        }
    }
    let keys: Vec<Key> = open.open.keys().copied().collect();
    keys.into_iter().for_each(|key| open.close(key, last_ns));
    open.closed
}

impl Open {
    fn event(&mut self, record: &Record) {
        let chunk = record.chunk.map_or(0, |chunk| chunk.0);
        let (node, nobody) = (record.node, NodeId(0));
        let versioned = || match (record.chunk, record.version) {
            (Some(chunk), Some(version)) => format!("{chunk} {version}"),
            _ => record.text.clone(),
        };
        match record.what {
            "LeaseTaken" => self.lease((Family::Lease, node, chunk), record, versioned()),
            "LeaseEnded" => self.close((Family::Lease, node, chunk), record.true_ns),
            "Configured" => {
                let key = (Family::Configuration, nobody, chunk);
                // A restarted master applies its log again.
                if self.open.get(&key).is_none_or(|known| known.version < record.version) {
                    self.begin(key, record, record.text.replacen("configured ", "", 1));
                }
            }
            "Freed" => self.close((Family::Configuration, nobody, chunk), record.true_ns),
            "Promised" => self.begin((Family::Promise, node, chunk), record, versioned()),
            "Adopted" => self.close((Family::Promise, node, chunk), record.true_ns),
            "RepairBegan" => {
                self.begin((Family::Copy, copied_to(record), chunk), record, versioned())
            }
            "RepairEnded" => self.close((Family::Copy, copied_to(record), chunk), record.true_ns),
            _ => {}
        }
    }

    fn outside(&mut self, record: &Record) {
        let down = (Family::Down, record.node, 0);
        match (record.kind, record.what) {
            (RecordKind::Fault, _) => {
                let key = (Family::Fault, NodeId(0), record.fault.unwrap_or_default());
                if record.ends {
                    self.close(key, record.true_ns);
                } else {
                    self.begin(key, record, record.text.replacen(" begins", "", 1));
                }
            }
            (_, "Starts") => self.close(down, record.true_ns),
            (_, "Ends") => {
                let lost = [Family::Lease, Family::Promise, Family::Operation];
                let here = |key: &&Key| key.1 == record.node && lost.contains(&key.0);
                let keys: Vec<Key> = self.open.keys().filter(here).copied().collect();
                keys.into_iter().for_each(|key| self.close(key, record.true_ns));
                self.begin(down, record, "down".into());
            }
            _ => {}
        }
    }

    fn operation(&mut self, record: &Record) {
        let Some(request) = record.request else { return };
        let key = (Family::Operation, record.node, request.0);
        match record.what {
            "Request" => self.begin(key, record, record.text.replacen("is asked to ", "", 1)),
            "Respond" => self.close(key, record.true_ns),
            _ => {}
        }
    }

    fn lease(&mut self, key: Key, record: &Record, name: String) {
        let until_ns = record.until_ns.unwrap_or(record.true_ns);
        let renewed = self
            .open
            .get_mut(&key)
            .filter(|known| known.version == record.version && known.to_ns >= record.true_ns);
        match renewed {
            Some(known) => known.to_ns = until_ns,
            None => {
                self.begin(key, record, name);
                self.open.entry(key).and_modify(|span| span.to_ns = until_ns);
            }
        }
    }

    /// Begins one, and ends the one before it.
    fn begin(&mut self, key: Key, record: &Record, name: String) {
        self.close(key, record.true_ns);
        let span = Span {
            family: key.0,
            node: record.node,
            name,
            from_ns: record.true_ns,
            to_ns: u64::MAX,
            event: record.event,
            version: record.version,
        };
        self.open.insert(key, span);
    }

    /// A lease that ran out before has ended then.
    fn close(&mut self, key: Key, at_ns: u64) {
        if let Some(mut span) = self.open.remove(&key) {
            span.to_ns = span.to_ns.min(at_ns.max(span.from_ns));
            self.closed.push(span);
        }
    }
}

fn copied_to(record: &Record) -> NodeId {
    record.nodes.first().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehold_proto::ChunkHandle;

    fn event(true_ns: u64, what: &'static str, version: u64) -> Record {
        Record {
            true_ns,
            what,
            kind: RecordKind::Event,
            node: NodeId(7),
            chunk: Some(ChunkHandle(1)),
            version: Some(ChunkVersion(version)),
            ..Record::default()
        }
    }

    fn lease(true_ns: u64, version: u64, until_ns: u64) -> Record {
        Record { until_ns: Some(until_ns), ..event(true_ns, "LeaseTaken", version) }
    }

    fn life(true_ns: u64, what: &'static str) -> Record {
        Record { true_ns, what, node: NodeId(7), ..Record::default() }
    }

    fn of(records: &[Record], family: Family) -> Vec<(u64, u64)> {
        let spans = spans(records).into_iter().filter(|span| span.family == family);
        spans.map(|span| (span.from_ns, span.to_ns)).collect()
    }

    #[test]
    fn a_renewed_lease_is_one_and_ends_with_its_holder() {
        let records = [
            lease(10, 1, 50),
            lease(30, 1, 70),
            lease(90, 1, 130),
            life(100, "Ends"),
            life(120, "Starts"),
        ];
        assert_eq!(of(&records, Family::Lease), [(10, 70), (90, 100)]);
        assert_eq!(of(&records, Family::Down), [(100, 120)]);
    }

    #[test]
    fn a_configuration_lasts_until_the_next_and_is_not_told_twice() {
        let records = [
            event(10, "Configured", 1),
            event(20, "Configured", 2),
            event(25, "Configured", 1),
            event(40, "Freed", 2),
        ];
        assert_eq!(of(&records, Family::Configuration), [(10, 20), (20, 40)]);
    }

    #[test]
    fn a_promise_lasts_until_it_is_adopted() {
        let records = [
            event(10, "Promised", 2),
            event(15, "Adopted", 2),
            event(20, "Promised", 3),
            life(30, "Wake"),
        ];
        assert_eq!(of(&records, Family::Promise), [(10, 15), (20, 30)]);
    }
}
