//! What waits to be sent to one node, and the connections that may carry it.

use leasehold_proto::NodeId;
use leasehold_wire::Frame;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use tokio::sync::Notify;

/// Bytes that wait for one node, at the most; over it, a frame is lost as on a network.
const QUEUE_BYTES_MAX: usize = 48 << 20;
/// Frames that wait for one node, at the most.
const QUEUE_FRAMES_MAX: usize = 16_384;
/// What a frame without payload counts: an upper bound of its usual size in memory.
const FRAME_BYTES: usize = 512;
/// What a writer takes at a time.
const BATCH_FRAMES_MAX: usize = 64;

/// Names one connection of this process.
pub(super) type ConnectionId = u64;

/// One other node. Two nodes that dial each other at the same moment have two connections: both
/// are read, the newest is written.
#[derive(Debug)]
pub(super) struct Peer {
    pub node: NodeId,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
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
    pub fn new(node: NodeId) -> Self {
        Peer { node, state: Mutex::default(), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the queue")
    }

    /// Queues a frame.
    pub fn push(&self, frame: Frame) -> Pushed {
        let bytes = weight(&frame);
        let mut state = self.state();
        let full = state.queue.len() >= QUEUE_FRAMES_MAX
            || (state.queued_bytes + bytes > QUEUE_BYTES_MAX && !state.queue.is_empty());
        if full {
            return Pushed::Lost;
        }
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
                Take::Frames(frames) => return Some(frames),
                Take::Gone => return None,
                Take::Wait => {}
            }
            changed.await;
        }
    }
}

enum Take {
    Frames(Vec<Frame>),
    Wait,
    Gone,
}

impl State {
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
        let count = self.queue.len().min(BATCH_FRAMES_MAX);
        let frames: Vec<_> = self.queue.drain(..count).collect();
        self.queued_bytes -= frames.iter().map(weight).sum::<usize>();
        Take::Frames(frames)
    }
}

fn weight(frame: &Frame) -> usize {
    let payload = match frame {
        Frame::Envelope(envelope) => envelope.message.payload(),
        Frame::Hello { .. } | Frame::WhoIs { .. } | Frame::HereIs { .. } => None,
    };
    FRAME_BYTES + payload.map_or(0, |payload| payload.data.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(node: u64) -> Frame {
        Frame::WhoIs { node: NodeId(node) }
    }

    #[tokio::test]
    async fn only_the_newest_connection_writes() {
        let peer = Peer::new(NodeId(1));
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
        let peer = Peer::new(NodeId(1));
        let lost =
            (0..QUEUE_FRAMES_MAX as u64 + 5).filter(|n| peer.push(frame(*n)) == Pushed::Lost);
        assert_eq!(lost.count(), 5);
        peer.dialled();
        assert!(peer.is_idle(), "a dialler that gives up leaves nothing behind");
        assert_eq!(peer.push(frame(1)), Pushed::Dial);
    }
}
