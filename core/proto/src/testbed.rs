//! A cluster in miniature for unit tests: one master, some chunkservers, a fair network, disks
//! that never fail, one clock. Faults belong to `sim/world`.

use crate::chunkserver::Chunkserver;
use crate::config::{ChunkserverConfig, Constants, MasterConfig};
use crate::event::Event;
use crate::ids::*;
use crate::io::{IoOp, IoOutput, LogOp, ProposeOutcome};
use crate::log::LogEntry;
use crate::machine::{Effect, Effects, Input, Leadership, StateMachine};
use crate::master::Master;
use crate::message::{Envelope, MasterRequest, Message, ReadMode};
use crate::message::{call, data};
use crate::metadata::{FileSpec, MetadataAnswer, MetadataChange, MetadataQuery};
use crate::payload::{Extent, Payload};
use crate::refusal::Refusal;
use crate::replica::{MutationKind, ReplicaChange, Replicas};
use crate::tables::MasterState;
use crate::time::Time;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

pub const MASTER: NodeId = NodeId(1);
pub const CLIENT: NodeId = NodeId(9_000);

struct ServerNode {
    machine: Chunkserver,
    disk: Replicas,
    bytes: BTreeMap<ChunkHandle, Vec<u8>>,
    incarnation: Incarnation,
}

pub struct Testbed {
    pub now: Time,
    constants: Constants,
    master: Master,
    log: Vec<LogEntry>,
    servers: BTreeMap<NodeId, ServerNode>,
    pub down: BTreeSet<NodeId>,
    queue: VecDeque<(NodeId, Input)>,
    pub events: Vec<(NodeId, Event)>,
    pub inbox: Vec<Message>,
    next_op: u64,
}

impl Testbed {
    pub fn new(servers: u64, constants: Constants) -> Self {
        let config = MasterConfig {
            node: MASTER,
            salt: 7,
            constants: constants.clone(),
            insists: Vec::new(),
        };
        let state = MasterState::new(constants.remembered_clients_max);
        let mut out = Effects::new();
        let mut bed = Testbed {
            now: Time(0),
            master: Master::recover(&config, state, Time(0), &mut out),
            constants,
            log: Vec::new(),
            servers: BTreeMap::new(),
            down: BTreeSet::new(),
            queue: VecDeque::new(),
            events: Vec::new(),
            inbox: Vec::new(),
            next_op: 0,
        };
        bed.queue.push_back((MASTER, Input::Leadership(Leadership::Leader)));
        for n in 1..=servers {
            bed.start(NodeId(100 + n), Replicas::new(64), BTreeMap::new(), Incarnation(1));
        }
        bed.run(Duration::from_secs(2));
        bed
    }

    fn start(
        &mut self,
        node: NodeId,
        disk: Replicas,
        bytes: BTreeMap<ChunkHandle, Vec<u8>>,
        incarnation: Incarnation,
    ) {
        let config = ChunkserverConfig {
            node,
            incarnation,
            session: Session(incarnation.0),
            rack: Rack(node.0 as u32),
            room: crate::room::Room::UNBOUNDED,
            masters: [MASTER].into(),
            constants: self.constants.clone(),
            insists: Vec::new(),
        };
        let mut out = Effects::new();
        let machine = Chunkserver::recover(&config, disk.clone(), self.now, &mut out);
        self.servers.insert(node, ServerNode { machine, disk, bytes, incarnation });
        self.carry_out(node, out);
    }

    pub fn crash(&mut self, node: NodeId) {
        self.down.insert(node);
        self.queue.retain(|(to, input)| *to != node || matches!(input, Input::Deliver(_)));
    }

    pub fn restart(&mut self, node: NodeId) {
        self.down.remove(&node);
        self.queue.retain(|(to, _)| *to != node);
        let old = self.servers.remove(&node).unwrap();
        self.start(node, old.disk, old.bytes, old.incarnation.next());
    }

    /// Delivers everything, then lets time pass in small steps.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            while let Some((node, input)) = self.queue.pop_front() {
                self.step(node, input);
            }
            if self.now >= end {
                return;
            }
            let servers = self.servers.iter().filter(|(node, _)| !self.down.contains(node));
            let next = servers.filter_map(|(_, s)| s.machine.next_deadline()).map(|d| d.at);
            let next = next.chain(self.master.next_deadline().map(|d| d.at)).min();
            self.now = next.unwrap_or(end).max(self.now + Duration::from_millis(1)).min(end);
            let nodes: Vec<NodeId> = self.servers.keys().copied().chain([MASTER]).collect();
            for node in nodes {
                self.step(node, Input::Wake);
            }
        }
    }

    fn step(&mut self, node: NodeId, input: Input) {
        let mut out = Effects::new();
        if node == CLIENT {
            if let Input::Deliver(Envelope { message, .. }) = input {
                self.inbox.push(message);
            }
            return;
        }
        if self.down.contains(&node) {
            return;
        }
        if node == MASTER {
            self.master.step(self.now, input, &mut out);
            self.master.assert_invariants();
            self.master.state().assert_invariants();
        } else {
            let server = self.servers.get_mut(&node).unwrap();
            server.machine.step(self.now, input, &mut out);
            server.machine.assert_invariants();
        }
        self.carry_out(node, out);
    }

    fn carry_out(&mut self, node: NodeId, mut out: Effects) {
        for effect in out.drain() {
            match effect {
                Effect::Send(envelope) => {
                    self.queue.push_back((envelope.to, Input::Deliver(envelope)));
                }
                Effect::Io { io, op: IoOp::Log(LogOp::Propose { entry }) } => {
                    self.log.push(entry.clone());
                    let index = LogIndex(self.log.len() as u64);
                    self.queue.push_back((node, Input::Committed { index, entry }));
                    let result = Ok(IoOutput::Proposed(ProposeOutcome::Committed(index)));
                    self.queue.push_back((node, Input::IoDone { io, result }));
                }
                Effect::Io { io, op: IoOp::Log(LogOp::Confirm) } => {
                    let result = Ok(IoOutput::Confirmed);
                    self.queue.push_back((node, Input::IoDone { io, result }));
                }
                Effect::Io { io, op } => {
                    let result = Ok(self.servers.get_mut(&node).unwrap().execute(&op));
                    self.queue.push_back((node, Input::IoDone { io, result }));
                }
                Effect::Observe(event) => self.events.push((node, event)),
                Effect::Respond { .. } => unreachable!("no client machine here"),
            }
        }
    }

    // The hand-made client.

    pub fn op(&mut self) -> OpId {
        self.next_op += 1;
        OpId { client: CLIENT, number: self.next_op }
    }

    pub fn say(&mut self, to: NodeId, message: Message) {
        let envelope = Envelope { from: CLIENT, to, message };
        self.queue.push_back((to, Input::Deliver(envelope)));
    }

    pub fn ask(&mut self, request: MasterRequest) -> Result<MetadataAnswer, Refusal> {
        let op = self.op();
        self.say(
            MASTER,
            Message::Call(call::Request { caller: Box::default(), op, acked_below: 0, request }),
        );
        for _ in 0..200 {
            self.run(Duration::from_millis(100));
            let answer = self.inbox.iter().find_map(|message| match message {
                Message::CallReply(call::Reply { op: this, answer }) if *this == op => {
                    Some(answer.clone())
                }
                _ => None,
            });
            if let Some(answer) = answer {
                return answer;
            }
        }
        panic!("the master did not answer in 20 s");
    }

    pub fn change(&mut self, change: MetadataChange) -> MetadataAnswer {
        self.ask(MasterRequest::Change(change)).unwrap()
    }

    /// Makes a file with one chunk.
    pub fn file(&mut self, path: &str, chunk_bytes: u64) -> (FileId, ChunkHandle) {
        let spec = FileSpec { chunk_bytes, ..FileSpec::default() };
        let create = MetadataChange::Create { path: path.into(), spec, mode: 0o644 };
        let MetadataAnswer::File(info) = self.change(create) else { panic!() };
        let add = MetadataChange::AddChunk { file: info.file, index: 0, slots: 0, epoch: 0 };
        let MetadataAnswer::Chunk(chunk) = self.change(add) else { panic!() };
        (info.file, chunk)
    }

    pub fn locate(&mut self, file: FileId) -> crate::metadata::Location {
        let query = MetadataQuery::Locate { file, index: 0, primary: true, stale: None };
        match self.ask(MasterRequest::Query(query)).unwrap() {
            MetadataAnswer::Location(location) => location,
            other => panic!("{other:?}"),
        }
    }

    /// Retries one mutation, as a client does, until it is acknowledged or refused for good.
    pub fn mutate(
        &mut self,
        file: FileId,
        op: OpId,
        kind: MutationKind,
        offset: u64,
        data: &[u8],
    ) -> Result<Extent, Refusal> {
        for _ in 0..100 {
            let at = self.locate(file);
            let payload = Payload::new(Bytes::copy_from_slice(data), crc(data));
            let (chunk, version) = (at.chunk, at.version);
            let message = Message::Data(data::Request::Mutate(data::Mutate {
                op,
                acked_below: 0,
                chunk,
                version,
                exactly: false,
                kind,
                offset,
                payload,
            }));
            self.say(at.primary.unwrap(), message);
            self.run(Duration::from_millis(500));
            let answer = self.inbox.iter().rev().find_map(|message| match message {
                Message::DataReply(data::Reply::Mutated(data::Mutated {
                    op: this,
                    result,
                    ..
                })) if *this == op => Some(result.clone()),
                _ => None,
            });
            match answer {
                Some(Err(Refusal::Stale { .. } | Refusal::NotPrimary | Refusal::Busy)) | None => {}
                Some(result) => return result,
            }
        }
        panic!("no answer to {op}");
    }

    pub fn read(&mut self, file: FileId, extent: Extent) -> Vec<u8> {
        for _ in 0..100 {
            let op = self.op();
            let at = self.locate(file);
            let (chunk, version, mode) = (at.chunk, at.version, ReadMode::Strong);
            self.say(
                at.primary.unwrap(),
                Message::Data(data::Request::Read(data::Read { op, chunk, version, extent, mode })),
            );
            self.run(Duration::from_millis(500));
            let answer = self.inbox.iter().find_map(|message| match message {
                Message::DataReply(data::Reply::Read(data::ReadReply {
                    op: this,
                    result: Ok(_),
                    payload,
                    ..
                })) if *this == op => Some(payload.data.to_vec()),
                _ => None,
            });
            if let Some(data) = answer {
                return data;
            }
        }
        panic!("no strong read");
    }

    pub fn master(&self) -> &Master {
        &self.master
    }

    pub fn server(&self, node: NodeId) -> &Chunkserver {
        &self.servers[&node].machine
    }

    /// Every member of the committed configuration holds its version and the same bytes.
    pub fn assert_agreement(&self, chunk: ChunkHandle) {
        let config = self.master.state().chunks().config(chunk).cloned().unwrap();
        let first = &self.servers[&config.members[0].node];
        for member in &config.members {
            let server = &self.servers[&member.node];
            let record = &server.disk.live[&chunk];
            assert_eq!(record.applied_version, config.version, "{}", member.node);
            assert_eq!(record.image.sequence, first.disk.live[&chunk].image.sequence);
            let bytes = |server: &ServerNode| {
                let mut bytes = server.bytes.get(&chunk).cloned().unwrap_or_default();
                bytes.resize(record.image.length as usize, 0);
                bytes
            };
            assert!(bytes(server) == bytes(first), "{} has other bytes", member.node);
        }
    }
}

impl ServerNode {
    fn execute(&mut self, op: &IoOp) -> IoOutput {
        if let IoOp::Read { chunk, pieces } = op {
            let mut data = Vec::new();
            let bytes = self.bytes.entry(*chunk).or_default();
            for piece in pieces {
                let end = (piece.end() as usize).max(bytes.len());
                bytes.resize(end, 0);
                data.extend_from_slice(&bytes[piece.offset as usize..piece.end() as usize]);
            }
            let crc = crc(&data);
            return IoOutput::Read(Payload::new(data.into(), crc));
        }
        let IoOp::Replica(change, data) = op else { panic!("{op:?} is not a chunkserver's") };
        let chunk = change.chunk();
        self.disk.apply(change);
        for (extents, payload) in data.writes(change) {
            self.put(chunk, extents, &payload.data);
        }
        match change {
            ReplicaChange::Reconcile { image, .. } => {
                self.bytes.entry(chunk).or_default().truncate(image.length as usize);
            }
            ReplicaChange::StartLearner { .. } | ReplicaChange::Delete { .. } => {
                self.bytes.remove(&chunk);
            }
            _ => {}
        }
        IoOutput::Done
    }

    fn put(&mut self, chunk: ChunkHandle, pieces: &[Extent], data: &[u8]) {
        let bytes = self.bytes.entry(chunk).or_default();
        let mut at = 0;
        for piece in pieces {
            let end = piece.end() as usize;
            bytes.resize(bytes.len().max(end), 0);
            let length = piece.length as usize;
            bytes[piece.offset as usize..end].copy_from_slice(&data[at..at + length]);
            at += length;
        }
    }
}

/// Not CRC-32C, but as good for telling contents apart here.
pub fn crc(data: &[u8]) -> u32 {
    data.iter().fold(7, |sum, byte| sum.rotate_left(5) ^ u32::from(*byte).wrapping_mul(31))
}

pub fn small() -> Constants {
    Constants { block_bytes: 512, mutation_bytes_max: 4_096, ..Constants::default() }
}
