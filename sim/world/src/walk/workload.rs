//! What the clients of a walk request: two files, cells written at aligned places and records
//! appended, all with contents that occur once, and reads of both kinds.

use super::dice::Dice;
use super::drawn::Drawn;
use crate::action::Action;
use crate::cluster::Cluster;
use crate::observation::Observation;
use crate::payload::payload;
use leasehold_proto::machine::Operation;
use leasehold_proto::message::ReadMode;
use leasehold_proto::metadata::{FileKind, FileSpec, MetadataAnswer, MetadataChange};
use leasehold_proto::{
    ClusterConstant, Extent, FileId, NodeId, Outcome, Payload, RequestId, Setting, SyncPolicy,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const CHUNK_BYTES: u64 = 2_048;
const CELL_BYTES: u64 = 128;
/// A chunk's append limit is a quarter of it.
const RECORD_BYTES: u64 = 100;
/// Of ten thousand steps, how many request something while there is room.
const REQUEST_RATE: u64 = 300;
/// Of ten thousand requests, how many change constants where any do.
const CHANGE_RATE: u64 = 500;
const OUTSTANDING_MAX: usize = 4;

#[derive(Clone, Debug)]
pub(super) struct Workload {
    clients: Vec<NodeId>,
    /// Files that can be used, with the path of each.
    files: BTreeMap<FileId, String>,
    creating: BTreeMap<RequestId, String>,
    open: BTreeMap<NodeId, BTreeSet<RequestId>>,
    last: u64,
    succeeded: u64,
    /// The lease at the beginning, if it is made longer and shorter.
    lease: Option<Duration>,
}

impl Workload {
    pub fn new(drawn: &Drawn) -> Self {
        Workload {
            clients: drawn.shape.client_ids().collect(),
            files: BTreeMap::new(),
            creating: BTreeMap::new(),
            open: BTreeMap::new(),
            last: 0,
            succeeded: 0,
            lease: drawn.changes.then_some(drawn.shape.constants.lease_duration),
        }
    }

    /// Requests made, and answered well.
    pub fn counts(&self) -> (u64, u64) {
        (self.last, self.succeeded)
    }

    pub fn next(&mut self, cluster: &Cluster, dice: &mut Dice) -> Option<Action> {
        if !dice.chance(REQUEST_RATE) {
            return None;
        }
        let client = *dice.pick(&self.clients)?;
        let outstanding = self.open.get(&client).map_or(0, BTreeSet::len);
        if !cluster.node(client).runs() || outstanding >= OUTSTANDING_MAX {
            return None;
        }
        let id = RequestId(self.last + 1);
        let op = match self.lease.filter(|_| dice.chance(CHANGE_RATE)) {
            Some(lease) => lease_changed(lease, dice),
            None => self.operation(id, dice)?,
        };
        self.last += 1;
        self.open.entry(client).or_default().insert(id);
        Some(Action::Request(client, id, op))
    }

    fn operation(&mut self, id: RequestId, dice: &mut Dice) -> Option<Operation> {
        let files: Vec<FileId> = self.files.keys().copied().collect();
        let file = dice.pick(&files).copied();
        let (Some(file), false) = (file, self.files.len() < 2) else {
            return self.create(id);
        };
        let index = dice.within(0..=1);
        let extent = Extent::new(dice.within(0..=15) * CELL_BYTES, CELL_BYTES);
        Some(match dice.within(0..=99) {
            0..=34 => {
                let (offset, payload) = (extent.offset, content(id, CELL_BYTES));
                Operation::Write { file, index, offset, payload }
            }
            35..=64 => {
                let payload = content(id, RECORD_BYTES);
                Operation::Append { file, chunk_bytes: CHUNK_BYTES, payload }
            }
            65..=89 => Operation::Read { file, index, extent, mode: ReadMode::Strong },
            90..=97 => Operation::Read { file, index, extent, mode: ReadMode::Relaxed },
            _ => {
                let path = self.files.remove(&file)?;
                Operation::Change(MetadataChange::Delete { path })
            }
        })
    }

    fn create(&mut self, id: RequestId) -> Option<Operation> {
        if self.creating.len() + self.files.len() >= 2 {
            return None;
        }
        let path = format!("/f{}", id.0);
        self.creating.insert(id, path.clone());
        let spec = FileSpec { chunk_bytes: CHUNK_BYTES, replicas: 3, sync: SyncPolicy::Durable };
        Some(Operation::Change(MetadataChange::Create { path, spec, mtime_ms: id.0 }))
    }

    pub fn note(&mut self, observation: &Observation) {
        let Observation::Responded { node, id, result } = observation else { return };
        self.open.entry(*node).or_default().remove(id);
        self.succeeded += u64::from(result.is_ok());
        let Some(path) = self.creating.remove(id) else { return };
        if let Ok(Outcome::Metadata(MetadataAnswer::File(info))) = result
            && matches!(info.kind, FileKind::File(_))
        {
            self.files.insert(info.file, path);
        }
    }
}

/// A lease of half the first one's length to one and a half of it.
fn lease_changed(first: Duration, dice: &mut Dice) -> Operation {
    let lease = first / 4 * u32::try_from(dice.within(2..=6)).unwrap_or(2);
    let number = u64::try_from(lease.as_nanos()).unwrap_or(u64::MAX);
    let settings = vec![Setting { constant: ClusterConstant::LeaseDuration, number }];
    Operation::Change(MetadataChange::SetConstants { settings })
}

/// Bytes that no other request writes: its number in every eight of them, none of them zero.
fn content(id: RequestId, length: u64) -> Payload {
    let words = (0..length.div_ceil(8)).flat_map(|_| {
        let digits = format!("{:07},", id.0);
        digits.into_bytes()
    });
    payload(words.take(usize::try_from(length).expect("short")).collect::<Vec<u8>>())
}
