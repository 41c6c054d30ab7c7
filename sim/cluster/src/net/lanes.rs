//! What carries bytes at a limited rate: each node's network card, both ways, and each rack's
//! uplink, both ways. A message waits for every lane on its way; one that would wait too long is
//! dropped, as by a switch whose buffer is full.
//!
//! A lane hands a message on when all of it has passed, or frame by frame if [`Rates::frame_bytes`]
//! says so: then a large message is on several lanes at once, as behind a real switch.

use leasehold_proto::NodeId;
use std::collections::BTreeMap;

/// A message that would wait longer than this for one lane is dropped, unless a scenario says
/// otherwise.
const WAIT_NS_MAX: u64 = 500_000_000;

/// One thing that carries bytes one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// A node's card, sending.
    Out(NodeId),
    /// A node's card, receiving.
    In(NodeId),
    /// From a rack to the others.
    Up(u32),
    /// To a rack from the others.
    Down(u32),
}

/// Bytes a second of every lane that is not narrowed, and how lanes hand messages on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// A node's card, each way.
    pub card: u64,
    /// A rack's uplink, each way.
    pub uplink: u64,
    /// The next lane begins when this much of a message has passed; [`u64::MAX`]: all of it.
    pub frame_bytes: u64,
    /// A message that would wait longer than this for one lane is dropped, in nanoseconds.
    pub wait_ns_max: u64,
}

impl Default for Rates {
    /// 10 Gbit/s for a node, 40 for a rack.
    fn default() -> Self {
        Rates {
            card: 1_250_000_000,
            uplink: 5_000_000_000,
            frame_bytes: u64::MAX,
            wait_ns_max: WAIT_NS_MAX,
        }
    }
}

/// Every lane of a network.
#[derive(Clone, Debug, Default)]
pub struct Lanes {
    rates: Rates,
    racks: BTreeMap<NodeId, u32>,
    narrow: BTreeMap<Lane, u64>,
    free_at: BTreeMap<Lane, u64>,
}

impl Lanes {
    /// Lanes of these rates.
    #[must_use]
    pub fn new(rates: Rates) -> Self {
        Lanes { rates, ..Lanes::default() }
    }

    /// A node is in a rack. One that is in none shares no uplink with anybody.
    pub fn place(&mut self, node: NodeId, rack: u32) {
        self.racks.insert(node, rack);
    }

    /// Gives these lanes these rates, in bytes a second, and all others their ordinary one.
    pub fn narrow(&mut self, narrow: BTreeMap<Lane, u64>) {
        self.narrow = narrow;
    }

    /// Takes a message at `now_ns`; when its last byte has passed every lane, or nothing if it is
    /// dropped.
    pub fn pass(&mut self, now_ns: u64, from: NodeId, to: NodeId, bytes: u64) -> Option<u64> {
        let frame_bytes = bytes.min(self.rates.frame_bytes);
        // When the first frame has passed the lanes so far, and when the last byte has.
        let (mut head, mut tail) = (now_ns, now_ns);
        let way = self.way(from, to);
        for lane in way.iter().flatten() {
            let rate = self.rate(*lane).max(1);
            let takes = |bytes: u64| bytes * 1_000_000_000 / rate;
            let free_at = self.free_at.entry(*lane).or_default();
            if free_at.saturating_sub(head) > self.rates.wait_ns_max {
                return None;
            }
            let begins = head.max(*free_at);
            // A lane that is faster than the one before is free for others between two frames.
            *free_at = begins + takes(bytes);
            tail = (*free_at).max(tail + takes(frame_bytes));
            head = begins + takes(frame_bytes);
        }
        Some(tail)
    }

    fn way(&self, from: NodeId, to: NodeId) -> [Option<Lane>; 4] {
        let (ours, theirs) = (self.racks.get(&from), self.racks.get(&to));
        let leaves = ours != theirs;
        let up = ours.filter(|_| leaves).map(|rack| Lane::Up(*rack));
        let down = theirs.filter(|_| leaves).map(|rack| Lane::Down(*rack));
        [Some(Lane::Out(from)), up, down, Some(Lane::In(to))]
    }

    fn rate(&self, lane: Lane) -> u64 {
        let ordinary = match lane {
            Lane::Out(_) | Lane::In(_) => self.rates.card,
            Lane::Up(_) | Lane::Down(_) => self.rates.uplink,
        };
        self.narrow.get(&lane).copied().unwrap_or(ordinary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(1);
    const B: NodeId = NodeId(2);
    const C: NodeId = NodeId(3);
    const SECOND: u64 = 1_000_000_000;

    fn lanes() -> Lanes {
        lanes_of(Rates { card: 10_000, uplink: 5_000, ..Rates::default() })
    }

    fn lanes_of(rates: Rates) -> Lanes {
        let mut lanes = Lanes::new(rates);
        [(A, 0), (B, 0), (C, 1)].into_iter().for_each(|(node, rack)| lanes.place(node, rack));
        lanes
    }

    #[test]
    fn messages_wait_for_each_other() {
        let mut lanes = lanes();
        assert_eq!(lanes.pass(0, A, B, 1_000), Some(SECOND / 5), "a tenth out, a tenth in");
        assert_eq!(lanes.pass(0, A, B, 1_000), Some(SECOND * 3 / 10), "behind the first");
        assert_eq!(lanes.pass(SECOND, A, B, 1_000), Some(SECOND * 6 / 5), "nothing is on the way");
    }

    #[test]
    fn another_rack_is_behind_two_uplinks() {
        let mut lanes = lanes();
        let (card, uplink) = (SECOND / 10, SECOND / 5);
        assert_eq!(lanes.pass(0, A, C, 1_000), Some(2 * card + 2 * uplink));
        let back = lanes.pass(0, C, B, 1_000).unwrap();
        assert_eq!(back, 2 * card + 2 * uplink, "the other way is free");
        let nowhere = NodeId(9);
        assert_eq!(lanes.pass(0, nowhere, B, 1_000), Some(back + uplink), "behind the first");
    }

    #[test]
    fn frames_are_on_several_lanes_at_once() {
        let rates = Rates { card: 10_000, uplink: 20_000, ..Rates::default() };
        let mut lanes = lanes_of(Rates { frame_bytes: 100, ..rates });
        // A tenth of a second at the slowest lane, and a frame more on every other.
        let (frame, quick) = (SECOND / 100, SECOND / 200);
        assert_eq!(lanes.pass(0, A, C, 1_000), Some(SECOND / 10 + frame + 2 * quick));
        // The uplink carried twice as much meanwhile: it is free for another sender.
        assert_eq!(
            lanes.pass(0, B, NodeId(9), 1_000).unwrap(),
            SECOND / 10 + frame + SECOND / 20 + quick
        );
        // A message no longer than a frame is handed on as a whole.
        let mut lanes = lanes_of(Rates { frame_bytes: 100, ..rates });
        let mut whole = lanes_of(rates);
        assert_eq!(lanes.pass(7, A, C, 100), whole.pass(7, A, C, 100));
    }

    #[test]
    fn a_scenario_may_let_messages_wait_for_longer() {
        let rates = Rates { card: 1_000, wait_ns_max: 10 * SECOND, ..Rates::default() };
        let mut patient = lanes_of(rates);
        let mut usual = lanes_of(Rates { wait_ns_max: WAIT_NS_MAX, ..rates });
        assert_eq!(patient.pass(0, A, B, 1_000), usual.pass(0, A, B, 1_000));
        assert_eq!(patient.pass(0, A, B, 1_000), Some(3 * SECOND));
        assert_eq!(usual.pass(0, A, B, 1_000), None);
    }

    #[test]
    fn a_narrow_lane_fills_and_drops() {
        let mut lanes = lanes();
        lanes.narrow([(Lane::Up(0), 1_000)].into());
        assert_eq!(lanes.pass(0, A, C, 1_000).map(|at| at / SECOND), Some(1));
        assert_eq!(lanes.pass(0, B, C, 1_000), None, "a second of waiting is too much");
        assert!(lanes.pass(0, A, B, 1_000).is_some(), "within the rack all is well");
        lanes.narrow(BTreeMap::new());
        assert!(lanes.pass(SECOND, B, C, 1_000).is_some());
    }
}
