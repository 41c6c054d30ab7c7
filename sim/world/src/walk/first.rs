//! The first version of what the clients of a walk request, which the seeds kept in tests were found
//! with: two files, cells written at aligned places and records
//! appended, all with contents that occur once, and reads of both kinds.

use super::dice::Dice;
use super::drawn::Drawn;
use super::workload::content;
use crate::action::Action;
use crate::cluster::Cluster;
use crate::observation::Observation;
use leasehold_proto::machine::Operation;
use leasehold_proto::message::ReadMode;
use leasehold_proto::metadata::{FileKind, FileSpec, MetadataAnswer, MetadataChange};
use leasehold_proto::{Extent, FileId, NodeId, Outcome, RequestId, SyncPolicy};
use std::collections::{BTreeMap, BTreeSet};

const CHUNK_BYTES: u64 = 2_048;
const CELL_BYTES: u64 = 128;
/// A chunk's append limit is a quarter of it.
const RECORD_BYTES: u64 = 100;
/// Of ten thousand steps, how many ask for something while there is room.
const REQUEST_RATE: u64 = 300;
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
        let op = self.operation(id, dice)?;
        self.last += 1;
        self.open.entry(client).or_default().insert(id);
        Some(Action::Request(client, id, Box::default(), op))
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
                Operation::Change(MetadataChange::Delete { path: path.into(), this: None })
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
        Some(Operation::Change(MetadataChange::Create { path: path.into(), spec, mode: 0o644 }))
    }

    pub fn note(&mut self, happening: &Observation) {
        let Observation::Responded { node, id, result } = happening else { return };
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
