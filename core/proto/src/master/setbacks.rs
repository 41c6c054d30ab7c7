//! Servers that could not take a copy of a chunk. A full disk, or one that hangs, looks as good as any
//! from a master, and would be chosen again for ever beside one with room.

use crate::config::Constants;
use crate::ids::{ChunkHandle, NodeId};
use crate::time::Time;
use alloc::collections::BTreeMap;
use core::time::Duration;

/// The pause doubles from `retry_interval` up to so many times `repair_stalled_after`.
const PAUSE_MAX: u32 = 6;

/// By chunk and server; of chunks that wait for attention only, and gone with a server's life.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Setbacks {
    all: BTreeMap<(ChunkHandle, NodeId), Setback>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Setback {
    pause: Duration,
    over_at: Time,
}

impl Setbacks {
    /// This server could not take a copy of this chunk.
    pub fn note(&mut self, constants: &Constants, now: Time, chunk: ChunkHandle, node: NodeId) {
        let before = self.all.get(&(chunk, node)).map(|setback| setback.pause);
        let pause = before.unwrap_or(constants.retry_interval).saturating_mul(2);
        let pause = pause.min(constants.repair_stalled_after * PAUSE_MAX);
        self.all.insert((chunk, node), Setback { pause, over_at: now + pause });
    }

    /// Did it ever fail at this chunk?
    pub fn any(&self, chunk: ChunkHandle, node: NodeId) -> bool {
        self.all.contains_key(&(chunk, node))
    }

    /// May it be tried at this chunk?
    pub fn is_over(&self, now: Time, chunk: ChunkHandle, node: NodeId) -> bool {
        self.all.get(&(chunk, node)).is_none_or(|setback| setback.over_at <= now)
    }

    /// Forgets those of other chunks.
    pub fn keep(&mut self, waits: impl Fn(ChunkHandle) -> bool) {
        self.all.retain(|(chunk, _), _| waits(*chunk));
    }

    /// Another life of a server begins: its disk may be another.
    pub fn forget_server(&mut self, node: NodeId) {
        self.all.retain(|(_, at), _| *at != node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: ChunkHandle = ChunkHandle(3);

    #[test]
    fn a_pause_doubles_and_has_a_bound() {
        let constants = Constants::default();
        let mut setbacks = Setbacks::default();
        let mut pauses = alloc::vec::Vec::new();
        for _ in 0..10 {
            setbacks.note(&constants, Time(0), CHUNK, NodeId(1));
            pauses.push(setbacks.all[&(CHUNK, NodeId(1))].pause.as_millis());
        }
        assert_eq!(pauses[..4], [500, 1_000, 2_000, 4_000]);
        assert_eq!(pauses[7..], [60_000, 60_000, 60_000]);
    }

    #[test]
    fn they_concern_one_chunk_on_one_server() {
        let constants = Constants::default();
        let mut setbacks = Setbacks::default();
        setbacks.note(&constants, Time(0), CHUNK, NodeId(1));
        setbacks.note(&constants, Time(0), ChunkHandle(4), NodeId(2));
        assert!(setbacks.any(CHUNK, NodeId(1)) && !setbacks.any(CHUNK, NodeId(2)));
        let later = Time(0) + Duration::from_millis(500);
        assert!(!setbacks.is_over(Time(0), CHUNK, NodeId(1)));
        assert!(setbacks.is_over(later, CHUNK, NodeId(1)));
        assert!(setbacks.is_over(Time(0), CHUNK, NodeId(2)));
        setbacks.keep(|chunk| chunk == CHUNK);
        assert!(setbacks.any(CHUNK, NodeId(1)) && !setbacks.any(ChunkHandle(4), NodeId(2)));
        setbacks.forget_server(NodeId(1));
        assert!(!setbacks.any(CHUNK, NodeId(1)));
    }
}
