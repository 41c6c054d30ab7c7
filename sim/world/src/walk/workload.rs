//! What the clients of a walk request: drawn from the grammar that the simulated clients share, with
//! contents that occur once. Some requests for data are file calls on handles that a client opened.

use super::dice::Dice;
use super::drawn::Drawn;
use super::first;
use crate::action::{Action, Wish};
use crate::cluster::Cluster;
use crate::observation::Observation;
use crate::payload::payload;
use leasehold_explore::{Data, DataKind, Draw, Grammar, Limits, Request, Shares};
use leasehold_proto::machine::Operation;
use leasehold_proto::metadata::{MetadataChange, MetadataQuery};
use leasehold_proto::{
    ClusterConstant, Cut, Extent, FileCall, FileHandle, FileId, FileOutcome, NodeId, Outcome,
    Payload, RequestId, Setting,
};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Handles that a client keeps, closed ones among them.
const HANDLES_MAX: usize = 6;
/// Files with larger chunks are not truncated.
const TRUNCATED_CHUNK_BYTES_MAX: u64 = 1 << 26;
/// Of ten thousand requests, how many change constants where any do.
const CHANGE_RATE: u64 = 500;

impl Draw for Dice {
    fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        Dice::within(self, range)
    }
}

/// What clients request, by the version of the grammar.
#[derive(Clone, Debug)]
pub(super) enum Workload {
    First(first::Workload),
    Grammar(Box<Requests>),
}

impl Workload {
    pub fn new(drawn: &Drawn) -> Self {
        match drawn.grammar {
            1 => Workload::First(first::Workload::new(drawn)),
            _ => Workload::Grammar(Box::new(Requests::new(drawn))),
        }
    }

    /// Requests made, and answered well.
    pub fn counts(&self) -> (u64, u64) {
        match self {
            Workload::First(first) => first.counts(),
            Workload::Grammar(requests) => (requests.last, requests.succeeded),
        }
    }

    pub fn shares(&self) -> Shares {
        match self {
            Workload::First(_) => Shares::default(),
            Workload::Grammar(requests) => requests.grammar.shares().clone(),
        }
    }

    pub fn next(&mut self, cluster: &Cluster, dice: &mut Dice) -> Option<Action> {
        match self {
            Workload::First(first) => first.next(cluster, dice),
            Workload::Grammar(requests) => requests.next(cluster),
        }
    }

    pub fn note(&mut self, happening: &Observation) {
        match self {
            Workload::First(first) => first.note(happening),
            Workload::Grammar(requests) => requests.note(happening),
        }
    }
}

#[derive(Clone, Debug)]
struct Handle {
    client: NodeId,
    handle: FileHandle,
    file: FileId,
    cut: Cut,
}

/// Requests of the grammar. They have dice of their own, so that what clients want depends on their
/// answers only.
#[derive(Clone, Debug)]
pub(super) struct Requests {
    dice: Dice,
    grammar: Grammar,
    clients: Vec<NodeId>,
    /// Of ten thousand steps, how many request something while there is room.
    rate: u64,
    outstanding_max: usize,
    handles: Vec<Handle>,
    open: BTreeMap<(NodeId, RequestId), Request>,
    last: u64,
    succeeded: u64,
    /// The lease at the beginning, if it is made longer and shorter.
    lease: Option<Duration>,
}

impl Requests {
    fn new(drawn: &Drawn) -> Self {
        let mut dice = Dice::new(drawn.seed, "grammar");
        let constants = &drawn.shape.constants;
        let limits = Limits {
            mutation_bytes_max: u64::from(constants.mutation_bytes_max),
            block_bytes: u64::from(constants.block_bytes),
            chunk_bytes: vec![2_048, 2_048, 1, 511, 512, 513, 1_000, 4_096],
            any_replicas: !drawn.rot && !drawn.destroys,
            // What counts is at most as many as there are servers.
            replicas: 3,
            replicas_max: 16,
            files_max: 3,
            chunks_max: 3,
        };
        let grammar = Grammar::new(limits, &mut dice);
        let rate = *dice.pick(&[100, 200, 300, 600]).expect("there are several");
        let outstanding_max = *dice.pick(&[2, 4, 16]).expect("there are several");
        Requests {
            dice,
            grammar,
            clients: drawn.shape.client_ids().collect(),
            rate,
            outstanding_max,
            handles: Vec::new(),
            open: BTreeMap::new(),
            last: 0,
            succeeded: 0,
            lease: drawn.changes.then_some(drawn.shape.constants.lease_duration),
        }
    }

    fn next(&mut self, cluster: &Cluster) -> Option<Action> {
        if !self.dice.chance(self.rate) {
            return None;
        }
        let client = *self.dice.pick(&self.clients)?;
        let outstanding = self.open.range((client, RequestId(0))..=(client, RequestId(u64::MAX)));
        if !cluster.node(client).runs() || outstanding.count() >= self.outstanding_max {
            return None;
        }
        self.last += 1;
        let id = RequestId(self.last);
        if let Some(lease) = self.lease.filter(|_| self.dice.chance(CHANGE_RATE)) {
            let change = lease_changed(lease, &mut self.dice);
            return Some(Action::Request(client, id, Box::default(), change));
        }
        let request = self.grammar.draw(&mut self.dice);
        // What a client's clock shows is true time, as wrong as clocks are.
        let now_ns = i64::try_from(cluster.now()).unwrap_or(i64::MAX);
        let clock_ns = now_ns.saturating_add_unsigned(self.dice.within(1..=1_000));
        let caller = self.grammar.who(&mut self.dice).caller(clock_ns);
        let wish = self.wish(client, id, &request);
        let action = wish.action(client, id, caller);
        self.open.insert((client, id), request);
        Some(action)
    }

    fn wish(&mut self, client: NodeId, id: RequestId, request: &Request) -> Wish {
        match request {
            Request::Change(MetadataChange::Create { path, spec, mode })
                if self.dice.permille(400) =>
            {
                let (path, spec, mode) = (path.clone(), *spec, *mode);
                Wish::File(FileCall::Create { path, spec, mode })
            }
            Request::Query(MetadataQuery::Stat { path }) if self.dice.permille(400) => {
                Wish::File(FileCall::Open { path: path.clone() })
            }
            Request::Change(change) => Wish::Operation(Operation::Change(change.clone())),
            Request::Query(query) => Wish::Operation(Operation::Query(query.clone())),
            Request::Data(data) if matches!(data.kind, DataKind::Truncate) => {
                // A chunk is as many bytes in memory as it is long.
                let fits = |handle: &&Handle| handle.cut.chunk_bytes <= TRUNCATED_CHUNK_BYTES_MAX;
                let own = self.handles.iter().rev().filter(fits).find(|on| on.client == client);
                match own.cloned() {
                    Some(on) => Wish::File(self.call(&on, id, data)),
                    // Nothing of its own is open: whatever exists is opened.
                    None => {
                        let query = MetadataQuery::StatFile { file: data.of.file };
                        Wish::Operation(Operation::Query(query))
                    }
                }
            }
            Request::Data(data) => match self.handle(client, data) {
                Some(handle) => Wish::File(self.call(&handle, id, data)),
                None => Wish::Operation(operation(id, data)),
            },
        }
    }

    fn handle(&mut self, client: NodeId, data: &Data) -> Option<Handle> {
        let own = |handle: &&Handle| handle.client == client && handle.file == data.of.file;
        let found = self.handles.iter().find(own).cloned()?;
        self.dice.permille(500).then_some(found)
    }

    /// The same as one operation, or over several chunks.
    fn call(&mut self, on: &Handle, id: RequestId, data: &Data) -> FileCall {
        let handle = on.handle;
        if let DataKind::Lock { owner, kind } = data.kind {
            let range = Extent::new(data.offset, data.length);
            return FileCall::Lock { handle, owner, range, kind, wait: false };
        }
        let chunk = on.cut.chunk_bytes;
        let offset = data.index.saturating_mul(chunk).saturating_add(data.offset);
        let times = if self.dice.permille(300) { 3 } else { 1 };
        let length = (data.length * times).min(4 * on.cut.piece_bytes).min(3 * chunk);
        match data.kind {
            _ if self.dice.permille(30) => FileCall::Close { handle },
            DataKind::Read(_) if length == 0 => FileCall::Length { handle },
            DataKind::Read(mode) => FileCall::Read { handle, offset, length, mode },
            DataKind::Append => FileCall::Append { handle, payload: unique(id, data.length) },
            DataKind::Truncate => FileCall::Truncate { handle, length: offset },
            DataKind::Lock { .. } => unreachable!("called above"),
            // Beyond what a file can hold there are no pieces.
            DataKind::Write if offset.checked_add(length).is_none() => {
                FileCall::Write { handle, offset, pieces: vec![unique(id, 1)] }
            }
            DataKind::Write => {
                let pieces = on.cut.pieces(offset, length);
                let pieces = pieces.map(|piece| unique(id, piece.length)).collect();
                FileCall::Write { handle, offset, pieces }
            }
        }
    }

    fn note(&mut self, happening: &Observation) {
        let Observation::Responded { node, id, result } = happening else { return };
        let Some(request) = self.open.remove(&(*node, *id)) else { return };
        self.succeeded += u64::from(result.is_ok());
        if let Ok(Outcome::File(FileOutcome::Opened { handle, info, cut })) = result {
            if self.handles.len() >= HANDLES_MAX {
                self.handles.remove(0);
            }
            let (client, handle, file, cut) = (*node, *handle, info.file, *cut);
            self.handles.push(Handle { client, handle, file, cut });
        }
        self.grammar.settle(&request, result);
    }
}

fn operation(id: RequestId, data: &Data) -> Operation {
    let (file, index, offset) = (data.of.file, data.index, data.offset);
    match data.kind {
        DataKind::Write => {
            Operation::Write { file, index, offset, payload: unique(id, data.length) }
        }
        DataKind::Lock { owner, kind } => {
            Operation::Lock { file, owner, range: Extent::new(offset, data.length), kind }
        }
        DataKind::Truncate => unreachable!("only an open file is truncated"),
        DataKind::Append => {
            let (chunk_bytes, payload) = (data.of.spec.chunk_bytes, unique(id, data.length));
            Operation::Append { file, chunk_bytes, payload }
        }
        DataKind::Read(mode) => {
            Operation::Read { file, index, extent: Extent::new(offset, data.length), mode }
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

/// Bytes that no other request writes, short ones only where few others do: the digits of its number,
/// the last of them first.
fn unique(id: RequestId, length: u64) -> Payload {
    let digits: Vec<u8> = format!(",{:07}", id.0).into_bytes().into_iter().rev().collect();
    let length = usize::try_from(length).expect("short");
    payload(digits.into_iter().cycle().take(length).collect::<Vec<u8>>())
}

/// What requests of the first version write: likewise, the first digit first.
pub(super) fn content(id: RequestId, length: u64) -> Payload {
    let words = (0..length.div_ceil(8)).flat_map(|_| {
        let digits = format!("{:07},", id.0);
        digits.into_bytes()
    });
    payload(words.take(usize::try_from(length).expect("short")).collect::<Vec<u8>>())
}
