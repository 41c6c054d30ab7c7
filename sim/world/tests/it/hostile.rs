//! Peers that send anything: no message makes a machine panic, or ask for an I/O that a disk cannot do.
//!
//! A cluster runs, and beside what its nodes send there are forged messages: real ones of this run
//! with damaged fields, other bytes beside them, another sender or another receiver. All of them can be
//! decoded, so only the machines stand between them and the state. What is promised to clients is not
//! judged: a forged message from a master or a primary may lie about everything.

use bytes::Bytes;
use leasehold_proto::metadata::{FileSpec, MetadataChange, MetadataQuery};
use leasehold_proto::{
    Cut, Envelope, Extent, FileCall, FileHandle, FileId, Message, NodeId, Operation, Outcome,
    Payload, ReadMode, RequestId,
};
use leasehold_world::fair::{self, Holds};
use leasehold_world::payload::payload;
use leasehold_world::{Action, Cluster, Observation, Seen, Shape};
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::mem::Discriminant;

/// Messages of each kind that are kept to be forged.
const KEPT_MAX: usize = 32;
const CHUNK_BYTES: u64 = 2_048;

struct Run {
    rng: ChaCha8Rng,
    cluster: Cluster,
    seen: Seen,
    kept: BTreeMap<u8, Vec<Envelope>>,
    kinds: Vec<Discriminant<Message>>,
    handles: Vec<(NodeId, FileHandle)>,
    open: BTreeMap<RequestId, NodeId>,
    requests: u64,
    forged: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        let shape = Shape { masters: 2, chunkservers: 4, clients: 2, ..Shape::default() };
        let mut seen = Seen::default();
        let cluster = Cluster::new(shape, &mut seen);
        let (rng, kept) = (ChaCha8Rng::seed_from_u64(seed), BTreeMap::new());
        let (kinds, handles, open) = (Vec::new(), Vec::new(), BTreeMap::new());
        Run { rng, cluster, seen, kept, kinds, handles, open, requests: 0, forged: 0 }
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() {
            None
        } else {
            Some(from[self.rng.random_range(0..from.len())].clone())
        }
    }

    fn step(&mut self) {
        self.keep();
        match self.rng.random_range(0..100) {
            0..30 => self.forge(),
            30..36 => self.request(),
            _ => self.act(),
        }
        self.note_all();
    }

    fn note_all(&mut self) {
        for observation in std::mem::take(&mut self.seen).iter() {
            self.note(observation);
        }
    }

    /// Everything that was requested ends, whatever peers said.
    fn end(&mut self) {
        let timeout = self.cluster.shape().constants.operation_timeout.as_nanos() as u64;
        let end = self.cluster.now() + 2 * timeout;
        while let Some(action) = fair::next(&self.cluster, &Holds::none(), end) {
            self.cluster.apply(action, &mut self.seen).expect("it is enabled");
            self.note_all();
        }
        assert!(self.open.is_empty(), "{:?}", self.open);
    }

    fn note(&mut self, observation: &Observation) {
        let Observation::Responded { node, id, result } = observation else { return };
        // A piece of a call is reported too.
        let own = id.0 <= self.requests;
        assert!(!own || self.open.remove(id) == Some(*node), "{id} ends once");
        if let Ok(Outcome::File(leasehold_proto::FileOutcome::Opened { handle, .. })) = result {
            self.handles.push((*node, *handle));
        }
    }

    /// Something that can happen, no fault among it but a restart.
    fn act(&mut self) {
        let mut enabled = Vec::new();
        self.cluster.enabled(&mut enabled);
        let restarts = self.rng.random_range(0..60) == 0;
        let fair = |action: &Action| match action {
            Action::Deliver(_) | Action::Complete(..) | Action::Learn(_) | Action::Wake(_) => true,
            Action::AdvanceTo(_) | Action::Restart(_) => true,
            Action::Crash(node) => restarts && node.0 > 2,
            _ => false,
        };
        enabled.retain(fair);
        if let Some(action) = self.pick(&enabled) {
            if let Action::Crash(node) = action {
                self.open.retain(|_, at| *at != node);
                self.handles.retain(|(at, _)| *at != node);
            }
            self.cluster.apply(action, &mut self.seen).expect("it is enabled");
        }
    }

    fn keep(&mut self) {
        let Some((_, newest)) = self.cluster.net().flying().next_back() else { return };
        let newest = newest.clone();
        let kind = std::mem::discriminant(&newest.message);
        let place = self.kinds.iter().position(|known| *known == kind).unwrap_or_else(|| {
            self.kinds.push(kind);
            self.kinds.len() - 1
        });
        let kept = self.kept.entry(place as u8).or_default();
        if kept.len() < KEPT_MAX {
            kept.push(newest);
        } else {
            let place = self.rng.random_range(0..KEPT_MAX);
            kept[place] = newest;
        }
    }

    fn forge(&mut self) {
        let kinds: Vec<u8> = self.kept.keys().copied().collect();
        let Some(kind) = self.pick(&kinds) else { return };
        let Some(real) = self.pick(&self.kept[&kind].clone()) else { return };
        let nodes: Vec<NodeId> = self.cluster.nodes().keys().copied().collect();
        let Some(message) = self.damaged(&real.message) else { return };
        let from =
            if self.rng.random_range(0..4) == 0 { self.pick(&nodes).unwrap() } else { real.from };
        let to =
            if self.rng.random_range(0..8) == 0 { self.pick(&nodes).unwrap() } else { real.to };
        self.cluster.forge(Envelope { from, to, message });
        self.forged += 1;
        let id = self.cluster.net().newest();
        // A receiver that is down loses it.
        let _ = self.cluster.apply(Action::Deliver(id), &mut self.seen);
    }

    /// A message that can be decoded, and differs from this one in some of its fields.
    fn damaged(&mut self, real: &Message) -> Option<Message> {
        let mut body = postcard::to_allocvec(real).unwrap();
        for _ in 0..self.rng.random_range(0..4) {
            self.damage(&mut body);
        }
        let (mut message, rest) = postcard::take_from_bytes::<Message>(&body).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let bytes = real.payload().cloned().unwrap_or_default();
        if let Some(place) = message.payload_mut() {
            *place = self.other_bytes(bytes);
        }
        Some(message)
    }

    /// Replaces a byte, or what may be a number by a very large one.
    fn damage(&mut self, body: &mut Vec<u8>) {
        let at = self.rng.random_range(0..body.len());
        match self.rng.random_range(0..4) {
            0 => body[at] = self.rng.random(),
            1 => body[at] = self.rng.random_range(0..4),
            2 => body[at] = body[at].wrapping_add(1),
            _ => {
                let large: &[u8] = match self.rng.random_range(0..3) {
                    0 => &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
                    1 => &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
                    _ => &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
                };
                body.splice(at..=at, large.iter().copied());
            }
        }
    }

    fn other_bytes(&mut self, real: Payload) -> Payload {
        let length = real.data.len();
        match self.rng.random_range(0..6) {
            0 => Payload::default(),
            1 => payload(real.data[..self.rng.random_range(0..=length)].to_vec()),
            2 => payload([&real.data[..], &[7; 600]].concat()),
            3 => Payload::new(Bytes::from(vec![1; length]), self.rng.next_u32()),
            _ => real,
        }
    }

    fn request(&mut self) {
        let client = NodeId(self.rng.random_range(0..2));
        let clients: Vec<NodeId> = self.cluster.shape().client_ids().collect();
        let client = clients[client.0 as usize];
        let outstanding = self.open.values().filter(|at| **at == client).count();
        if !self.cluster.node(client).runs() || outstanding >= 12 {
            return;
        }
        self.requests += 1;
        let id = RequestId(self.requests);
        let action = match self.pick(&self.handles.clone()) {
            Some((at, handle)) if at == client && self.rng.random_range(0..4) > 0 => {
                Action::Call(client, id, Box::default(), self.on_handle(handle))
            }
            _ => self.without_handle(client, id),
        };
        self.open.insert(id, client);
        self.cluster.apply(action, &mut self.seen).expect("the client runs");
    }

    fn on_handle(&mut self, handle: FileHandle) -> FileCall {
        let cut = Cut { chunk_bytes: CHUNK_BYTES, piece_bytes: 4_096 };
        let (offset, length) = (self.rng.random_range(0..5_000), self.rng.random_range(1..3_000));
        let mode = if self.rng.random() { ReadMode::Strong } else { ReadMode::Relaxed };
        match self.rng.random_range(0..8) {
            0..3 => FileCall::Read { handle, offset, length, mode },
            3..6 => {
                let bytes = |piece: leasehold_proto::Piece| payload(vec![3; piece.length as usize]);
                FileCall::Write {
                    handle,
                    offset,
                    pieces: cut.pieces(offset, length).map(bytes).collect(),
                }
            }
            6 => FileCall::Append { handle, payload: payload(vec![5; 100]) },
            _ => FileCall::Length { handle },
        }
    }

    fn without_handle(&mut self, client: NodeId, id: RequestId) -> Action {
        let path = format!("/{}", self.rng.random_range(0..4));
        let spec = FileSpec { chunk_bytes: CHUNK_BYTES, ..FileSpec::default() };
        let (file, index) = (FileId(self.rng.random_range(2..6)), self.rng.random_range(0..3));
        let mode = if self.rng.random() { ReadMode::Strong } else { ReadMode::Relaxed };
        let op = match self.rng.random_range(0..9) {
            0..2 => {
                return Action::Call(
                    client,
                    id,
                    Box::default(),
                    FileCall::Create { path: path.into(), spec, mode: 0o644 },
                );
            }
            2 => {
                let call = FileCall::Open { path: path.into() };
                return Action::Call(client, id, Box::default(), call);
            }
            3 => Operation::Change(MetadataChange::Delete { path: path.into(), this: None }),
            4 => Operation::Query(MetadataQuery::Status),
            5 => Operation::Query(MetadataQuery::List { path: "/".into(), after: None }),
            6 => Operation::Write { file, index, offset: 9, payload: payload(vec![9; 500]) },
            7 => {
                Operation::Append { file, chunk_bytes: CHUNK_BYTES, payload: payload(vec![8; 90]) }
            }
            _ => Operation::Read { file, index, extent: Extent::new(0, 1_000), mode },
        };
        Action::Request(client, id, Box::default(), op)
    }
}

#[test]
fn no_message_makes_a_machine_panic() {
    let (mut forged, mut opened, mut kinds) = (0, 0, 0);
    for seed in 180..240 {
        let mut run = Run::new(seed);
        for _ in 0..3_000 {
            run.step();
        }
        run.end();
        forged += run.forged;
        opened += run.handles.len();
        kinds += run.kinds.len();
    }
    assert!(kinds > 60 * 11, "most conversations take place: {kinds}");
    assert!(forged > 20_000, "what is damaged can be decoded: {forged}");
    assert!(opened > 100, "the cluster serves its clients all the same: {opened}");
}
