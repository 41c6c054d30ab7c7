//! The network itself: frames in, frames out, and everything that can happen between.

use super::counts::NetCounts;
use super::lanes::Lanes;
use super::link::{Cuts, Fate, LinkConditions, LinkDraws};
use crate::coverage::{LinkPath, Matrix};
use crate::seed::Seed;
use crate::timeline::Timeline;
use bytes::Bytes;
use leasehold_node::replicated::Carrier;
use leasehold_proto::{Envelope, Input, NodeId, OpError, Outcome, RequestId};
use leasehold_runtime::driver::Outbox;
use leasehold_trace::{Fate as Passed, Passage};
use leasehold_wire::{Frame, FrameError, Packet};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::mpsc;

/// Told what becomes of each message. Called while the network is locked: it may not call back.
pub type Tap = Box<dyn Fn(Passage) + Send>;

/// A message that takes this long came late.
const LATE_NS: u64 = 10_000_000;

/// What the coverage of faults calls the way between masters.
const LOG_PATH: LinkPath = LinkPath("masters' log");

/// An encoded frame on its way.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Which message of the run, from 1, in the order in which they were handed over; zero for a
    /// packet about the masters' log.
    number: u64,
    head: Bytes,
    payload: Bytes,
}

/// Every link of one run.
pub struct Network {
    seed: Seed,
    timeline: Arc<Timeline<Delivery>>,
    state: Mutex<NetworkState>,
}

struct NetworkState {
    conditions: LinkConditions,
    cuts: Cuts,
    lanes: Lanes,
    /// Nodes whose messages take this many times as long.
    slow: BTreeMap<NodeId, u64>,
    links: BTreeMap<(NodeId, NodeId), LinkDraws>,
    inboxes: BTreeMap<NodeId, mpsc::Sender<Input>>,
    /// Where packets about the masters' log go.
    packets: BTreeMap<NodeId, mpsc::Sender<Packet>>,
    counts: NetCounts,
    matrix: Matrix,
    tap: Option<Tap>,
    /// Messages of machines so far.
    messages: u64,
}

impl Network {
    /// A network without nodes, on which everything arrives.
    #[must_use]
    pub fn new(
        seed: Seed,
        timeline: Arc<Timeline<Delivery>>,
        conditions: LinkConditions,
        lanes: Lanes,
    ) -> Arc<Self> {
        let state = NetworkState {
            conditions,
            cuts: Cuts::default(),
            lanes,
            slow: BTreeMap::new(),
            links: BTreeMap::new(),
            inboxes: BTreeMap::new(),
            packets: BTreeMap::new(),
            counts: NetCounts::default(),
            matrix: Matrix::default(),
            tap: None,
            messages: 0,
        };
        Arc::new(Network { seed, timeline, state: Mutex::new(state) })
    }

    /// Carries frames until the run ends.
    pub async fn carry(self: Arc<Self>) {
        let timeline = Arc::clone(&self.timeline);
        timeline.pump(move |delivery| self.arrive(delivery)).await;
    }

    /// From here on somebody is told what becomes of each message.
    pub fn tap(&self, tap: Tap) {
        self.lock().tap = Some(tap);
    }

    /// A node listens; an earlier life of it does so no more.
    pub fn attach(&self, node: NodeId, inbox: mpsc::Sender<Input>) {
        self.lock().inboxes.insert(node, inbox);
    }

    /// A node takes packets about the masters' log.
    pub fn attach_packets(&self, node: NodeId, packets: mpsc::Sender<Packet>) {
        self.lock().packets.insert(node, packets);
    }

    /// A node is down: what arrives for it is gone.
    pub fn detach(&self, node: NodeId) {
        let mut state = self.lock();
        state.inboxes.remove(&node);
        state.packets.remove(&node);
    }

    /// Nobody listens any more: an inbox holds the task that waits for it, and that the network.
    pub fn end(&self) {
        let inboxes = std::mem::take(&mut self.lock().inboxes);
        let packets = std::mem::take(&mut self.lock().packets);
        drop((inboxes, packets));
    }

    /// Changes which ways are cut.
    pub fn cuts<R>(&self, change: impl FnOnce(&mut Cuts) -> R) -> R {
        change(&mut self.lock().cuts)
    }

    /// Changes the conditions.
    pub fn conditions<R>(&self, change: impl FnOnce(&mut LinkConditions) -> R) -> R {
        change(&mut self.lock().conditions)
    }

    /// Changes what lanes carry.
    pub fn lanes<R>(&self, change: impl FnOnce(&mut Lanes) -> R) -> R {
        change(&mut self.lock().lanes)
    }

    /// Messages from and to these nodes take this many times as long; all others none longer.
    pub fn slow(&self, slow: BTreeMap<NodeId, u64>) {
        self.lock().slow = slow;
    }

    /// What it did so far.
    #[must_use]
    pub fn counts(&self) -> NetCounts {
        self.lock().counts
    }

    /// Which fault met which message so far.
    #[must_use]
    pub fn matrix(&self) -> Matrix {
        self.lock().matrix.clone()
    }

    /// Puts a message on its way.
    pub fn send(&self, envelope: Envelope) {
        let (from, to) = (envelope.from, envelope.to);
        let path = LinkPath::of(&envelope.message);
        self.carry_frame(from, to, path, Frame::Envelope(envelope));
    }

    /// Puts a packet about the masters' log on its way.
    pub fn send_packet(&self, packet: Packet) {
        self.carry_frame(packet.from, packet.to, LOG_PATH, Frame::Packet(packet));
    }

    fn carry_frame(&self, from: NodeId, to: NodeId, path: LinkPath, frame: Frame) {
        let mut state = self.lock();
        state.counts.sent += 1;
        // Records number the messages of machines, and know no packets.
        let number = match &frame {
            Frame::Envelope(_) => state.number(),
            _ => 0,
        };
        if state.cuts.blocks(from, to) {
            state.counts.cut += 1;
            state.matrix.note("cut", path);
            return state.tell(number, Passed::Cut);
        }
        let Ok(encoded) = leasehold_wire::encode(&frame) else {
            state.counts.oversized += 1;
            return state.tell(number, Passed::Oversized);
        };
        let delivery = Delivery { number, head: encoded.head.into(), payload: encoded.payload };
        let bytes = (delivery.head.len() + delivery.payload.len()) as u64;
        let now = self.timeline.now();
        let Some(passed) = state.lanes.pass(now, from, to, bytes) else {
            state.counts.crowded += 1;
            state.matrix.note("crowded out", path);
            return state.tell(number, Passed::Lost);
        };
        match state.draw(self.seed, from, to) {
            Fate::Lost => {
                state.counts.lost += 1;
                state.matrix.note("lost", path);
                state.tell(number, Passed::Lost);
            }
            Fate::Arrives { after_ns, again_ns, flip } => {
                if let Some(again_ns) = again_ns {
                    state.counts.duplicated += 1;
                    state.matrix.note("doubled", path);
                    state.tell(number, Passed::Doubled);
                    self.timeline.post(passed + again_ns, delivery.clone());
                }
                if flip.is_some() {
                    state.matrix.note("bit flipped", path);
                }
                if after_ns >= LATE_NS {
                    state.matrix.note("late", path);
                }
                let delivery = match flip {
                    Some(bit) => delivery.flipped(bit),
                    None => delivery,
                };
                self.timeline.post(passed + after_ns, delivery);
            }
        }
    }

    fn arrive(&self, delivery: Delivery) {
        let mut state = self.lock();
        let bytes = (delivery.head.len() + delivery.payload.len()) as u64;
        let number = delivery.number;
        let handed = match delivery.open() {
            Err(_) => {
                state.counts.corrupt += 1;
                return state.tell(number, Passed::Corrupt);
            }
            Ok(Frame::Envelope(envelope)) => {
                let inbox = state.inboxes.get(&envelope.to);
                inbox.map(|inbox| fate(inbox.try_send(Input::Deliver(envelope))))
            }
            Ok(Frame::Packet(packet)) => {
                let packets = state.packets.get(&packet.to);
                packets.map(|packets| fate(packets.try_send(packet)))
            }
            Ok(other) => unreachable!("nobody sends {other:?} here"),
        };
        let fate = handed.unwrap_or(Passed::Nobody);
        match fate {
            Passed::Arrived => {
                state.counts.delivered += 1;
                state.counts.delivered_bytes += bytes;
            }
            Passed::Overflowed => state.counts.overflowed += 1,
            _ => state.counts.nobody += 1,
        }
        state.tell(number, fate);
    }

    fn lock(&self) -> MutexGuard<'_, NetworkState> {
        self.state.lock().expect("nothing panics while it holds the network")
    }
}

fn fate<T>(handed: Result<(), mpsc::error::TrySendError<T>>) -> Passed {
    match handed {
        Ok(()) => Passed::Arrived,
        Err(mpsc::error::TrySendError::Full(_)) => Passed::Overflowed,
        Err(mpsc::error::TrySendError::Closed(_)) => Passed::Nobody,
    }
}

impl NetworkState {
    fn number(&mut self) -> u64 {
        self.messages += 1;
        self.messages
    }

    fn tell(&self, flow: u64, fate: Passed) {
        if let Some(tap) = self.tap.as_ref().filter(|_| flow > 0) {
            tap(Passage { flow, fate });
        }
    }

    fn draw(&mut self, seed: Seed, from: NodeId, to: NodeId) -> Fate {
        let factor = |node| self.slow.get(&node).copied().unwrap_or(1);
        let slowness = factor(from).max(factor(to));
        let link = self.links.entry((from, to));
        let draws = link.or_insert_with(|| LinkDraws::new(seed, from.0 << 32 | to.0));
        self.conditions.fate(draws, slowness)
    }
}

impl Delivery {
    fn open(self) -> Result<Frame, FrameError> {
        leasehold_wire::decode_parts(&self.head, self.payload)
    }

    fn flipped(self, bit: u64) -> Delivery {
        let bits = 8 * (self.head.len() + self.payload.len()) as u64;
        let (at, bit) = ((bit % bits / 8) as usize, 1_u8 << (bit % 8));
        let flip = |bytes: &Bytes, at: usize| {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= bit;
            Bytes::from(bytes)
        };
        match at.checked_sub(self.head.len()) {
            None => Delivery { head: flip(&self.head, at), ..self },
            Some(at) => Delivery { payload: flip(&self.payload, at), ..self },
        }
    }
}

/// One node's way out.
pub struct SimOutbox<R> {
    network: Arc<Network>,
    respond: R,
}

impl<R> SimOutbox<R> {
    /// A way out; answers to a client's owner go to `respond`.
    pub fn new(network: Arc<Network>, respond: R) -> Self {
        SimOutbox { network, respond }
    }
}

impl<R: FnMut(RequestId, Result<Outcome, OpError>)> Outbox for SimOutbox<R> {
    fn send(&mut self, envelope: Envelope) {
        self.network.send(envelope);
    }

    fn respond(&mut self, id: RequestId, result: Result<Outcome, OpError>) {
        (self.respond)(id, result);
    }
}

/// A master's way to the others, about their log.
pub struct PacketCarrier(pub Arc<Network>);

impl Carrier for PacketCarrier {
    fn send(&self, _: NodeId, packet: Packet) {
        self.0.send_packet(packet);
    }

    /// Nodes are found by their id here.
    fn learn(&self, _: NodeId, _: &str) {}
}
