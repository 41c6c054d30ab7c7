//! What waits to be sent to one node, and the connections that may carry it.

use leasehold_proto::NodeId;
use leasehold_wire::Frame;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Notify;

/// Bytes that wait for one node, at the most; over it, a frame is lost as on a network. More than a
/// primary holds for one chunk, so that one stream alone loses nothing.
const QUEUE_BYTES_MAX: usize = 24 << 20;
/// Bytes that wait for all nodes together, at the most.
const QUEUES_BYTES_MAX: usize = 64 << 20;
/// Frames that wait for one node, at the most.
const QUEUE_FRAMES_MAX: usize = 16_384;
/// What a frame without payload counts: an upper bound of its usual size in memory.
const FRAME_BYTES: usize = 512;
/// What a writer takes at a time.
const BATCH_FRAMES_MAX: usize = 64;
/// Bytes after which a writer takes no further frame.
const BATCH_BYTES: usize = 2 << 20;

/// Names one connection of this process.
pub(super) type ConnectionId = u64;

/// One other node. Two nodes that dial each other at the same moment have two connections: both
/// are read, the newest is written.
#[derive(Debug)]
pub(super) struct Peer {
    pub node: NodeId,
    /// Bytes that wait for this node and all others.
    everywhere: Arc<AtomicUsize>,
    state: Mutex<PeerState>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct PeerState {
    queue: VecDeque<Frame>,
    queued_bytes: usize,
    /// Newest last.
    connections: Vec<ConnectionId>,
    dialling: bool,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It waits for a connection that is there or on its way.
    Queued,
    /// It waits, and the caller is to dial.
    Dial,
    /// There was no room.
    Lost,
}

impl Peer {
    /// `everywhere` is shared by all peers of a transport.
    pub fn new(node: NodeId, everywhere: Arc<AtomicUsize>) -> Self {
        Peer { node, everywhere, state: Mutex::default(), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, PeerState> {
        self.state.lock().expect("nothing panics while it holds the queue")
    }

    /// Queues a frame.
    pub fn push(&self, frame: Frame) -> Pushed {
        let bytes = weight(&frame);
        let mut state = self.state();
        let here = state.queued_bytes + bytes > QUEUE_BYTES_MAX && !state.queue.is_empty();
        let anywhere = self.everywhere.load(Ordering::Relaxed) + bytes > QUEUES_BYTES_MAX;
        // What has no payload always gets by: a node full of bytes still tells that it lives.
        let full = bytes > FRAME_BYTES && (here || anywhere);
        if full || state.queue.len() >= QUEUE_FRAMES_MAX {
            return Pushed::Lost;
        }
        self.everywhere.fetch_add(bytes, Ordering::Relaxed);
        state.queued_bytes += bytes;
        state.queue.push_back(frame);
        self.changed.notify_waiters();
        if state.wants_dial() { Pushed::Dial } else { Pushed::Queued }
    }

    /// Adds a connection; it is written from here on.
    pub fn attach(&self, connection: ConnectionId) {
        self.state().connections.push(connection);
        self.changed.notify_waiters();
    }

    /// Takes a connection away; true if the caller is to dial for what waits.
    pub fn detach(&self, connection: ConnectionId) -> bool {
        let mut state = self.state();
        state.connections.retain(|other| *other != connection);
        self.changed.notify_waiters();
        !state.queue.is_empty() && state.wants_dial()
    }

    /// True while somebody waits for a connection and there is none.
    pub fn needs_connection(&self) -> bool {
        let state = self.state();
        state.connections.is_empty() && !state.queue.is_empty()
    }

    /// The dialler ends; what waits and has no connection is lost.
    pub fn dialled(&self) {
        let mut state = self.state();
        state.dialling = false;
        if state.connections.is_empty() {
            state.queue.clear();
            self.everywhere.fetch_sub(state.queued_bytes, Ordering::Relaxed);
            state.queued_bytes = 0;
        }
    }

    /// True if nothing is known of it that is worth keeping.
    pub fn is_idle(&self) -> bool {
        let state = self.state();
        state.connections.is_empty() && state.queue.is_empty() && !state.dialling
    }

    /// Waits for frames that this connection is to write; `None` when it was taken away.
    pub async fn next_batch(&self, connection: ConnectionId) -> Option<Vec<Frame>> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.state().take(connection) {
                Take::Frames(frames, bytes) => {
                    self.everywhere.fetch_sub(bytes, Ordering::Relaxed);
                    return Some(frames);
                }
                Take::Gone => return None,
                Take::Wait => {}
            }
            changed.await;
            // Whoever woke this, or is to run before it, may have more to send: one call of the
            // system then carries it all.
            tokio::task::yield_now().await;
        }
    }
}

enum Take {
    /// And how many bytes they count.
    Frames(Vec<Frame>, usize),
    Wait,
    Gone,
}

impl PeerState {
    /// True once, when somebody has to dial.
    fn wants_dial(&mut self) -> bool {
        self.connections.is_empty() && !std::mem::replace(&mut self.dialling, true)
    }

    fn take(&mut self, connection: ConnectionId) -> Take {
        if !self.connections.contains(&connection) {
            return Take::Gone;
        }
        if self.queue.is_empty() || self.connections.last() != Some(&connection) {
            return Take::Wait;
        }
        let (mut frames, mut bytes) = (Vec::new(), 0);
        while frames.len() < BATCH_FRAMES_MAX
            && bytes < BATCH_BYTES
            && let Some(frame) = self.queue.pop_front()
        {
            bytes += weight(&frame);
            frames.push(frame);
        }
        self.queued_bytes -= bytes;
        Take::Frames(frames, bytes)
    }
}

fn weight(frame: &Frame) -> usize {
    let payload = match frame {
        Frame::Envelope(envelope) => envelope.message.payload().map(|payload| payload.data.len()),
        Frame::Packet(packet) => Some(packet.bytes.len()),
        Frame::Hello { .. }
        | Frame::WhoIs { .. }
        | Frame::HereIs { .. }
        | Frame::Masters { .. } => None,
    };
    FRAME_BYTES + payload.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehold_proto::message::data;
    use leasehold_proto::{ChunkHandle, Envelope, Message, OpId, Payload};

    fn frame(node: u64) -> Frame {
        Frame::WhoIs { node: NodeId(node) }
    }

    fn peer() -> Peer {
        Peer::new(NodeId(1), Arc::default())
    }

    fn reply(bytes: usize) -> Frame {
        let payload = Payload::new(vec![0; bytes].into(), 0);
        let (op, chunk) = (OpId { client: NodeId(1), number: 1 }, ChunkHandle(1));
        let message = Message::DataReply(data::Reply::Read(data::ReadReply {
            op,
            chunk,
            result: Ok(0),
            payload,
        }));
        Frame::Envelope(Envelope { from: NodeId(2), to: NodeId(1), message })
    }

    #[tokio::test]
    async fn nodes_share_one_bound_and_batches_are_small() {
        let everywhere = Arc::default();
        let peers: Vec<_> =
            (1..=6).map(|node| Peer::new(NodeId(node), Arc::clone(&everywhere))).collect();
        let piece = 4 << 20;
        let queued: Vec<usize> = peers
            .iter()
            .map(|peer| (0..10).filter(|_| peer.push(reply(piece)) != Pushed::Lost).count())
            .collect();
        // Of the bytes beside the payloads, there is no room for the last one.
        assert_eq!(queued, [5, 5, 5, 0, 0, 0]);
        peers[0].attach(1);
        assert_eq!(peers[0].next_batch(1).await.map(|frames| frames.len()), Some(1));
        assert_ne!(peers[5].push(reply(piece)), Pushed::Lost, "what is written makes room");
        peers.iter().for_each(Peer::dialled);
        assert_eq!(everywhere.load(Ordering::Relaxed), 4 * (piece + FRAME_BYTES));
    }

    #[tokio::test]
    async fn only_the_newest_connection_writes() {
        let peer = peer();
        assert_eq!(peer.push(frame(1)), Pushed::Dial);
        assert_eq!(peer.push(frame(2)), Pushed::Queued, "one dialler is enough");
        peer.attach(10);
        peer.attach(11);
        peer.dialled();
        assert_eq!(peer.next_batch(11).await, Some(vec![frame(1), frame(2)]));
        peer.push(frame(3));
        assert!(!peer.detach(11), "another connection is there");
        assert_eq!(peer.next_batch(11).await, None);
        assert_eq!(peer.next_batch(10).await, Some(vec![frame(3)]));
    }

    #[test]
    fn what_is_over_the_bound_is_lost() {
        let peer = peer();
        let lost =
            (0..QUEUE_FRAMES_MAX as u64 + 5).filter(|n| peer.push(frame(*n)) == Pushed::Lost);
        assert_eq!(lost.count(), 5);
        peer.dialled();
        assert!(peer.is_idle(), "a dialler that gives up leaves nothing behind");
        assert_eq!(peer.push(frame(1)), Pushed::Dial);
    }
}
