//! Where replicas go: spread over racks, then over load, then by a fixed function of the chunk. A pure
//! function of what it is given: `sim/papers` replays it for clusters that no run could hold.

use crate::ids::{NodeId, Rack};
use crate::log::Member;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// A chunkserver that could take a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Candidate {
    /// Which.
    pub node: NodeId,
    /// Its failure domain.
    pub rack: Rack,
    /// Replicas that it has or is about to have.
    pub load: u64,
}

/// Mixes two numbers into one that looks like neither (SplitMix64's finaliser).
pub(super) fn mix(a: u64, b: u64) -> u64 {
    crate::mix::finalise(a ^ b.wrapping_mul(crate::mix::GAMMA))
}

/// Completes `kept` to `count` servers: each from the rack that holds fewest so far (if they are to
/// be `spread`), and among those the one with least load.
///
/// GFS §4.2: a whole rack fails at once, so replicas are spread across racks, and not only across
/// machines.
#[must_use]
pub fn choose(
    count: usize,
    kept: &[NodeId],
    candidates: &[Candidate],
    spread: bool,
    salt: u64,
) -> Vec<NodeId> {
    let mut chosen = kept.to_vec();
    let mut racks: BTreeMap<Rack, usize> = BTreeMap::new();
    for candidate in candidates.iter().filter(|c| kept.contains(&c.node)) {
        *racks.entry(candidate.rack).or_default() += 1;
    }
    while chosen.len() < count {
        let free = candidates.iter().filter(|c| !chosen.contains(&c.node));
        let best = free.min_by_key(|c| {
            let same_rack = racks.get(&c.rack).copied().filter(|_| spread).unwrap_or(0);
            // Load in coarse steps, so that a server that just came is not given everything.
            (same_rack, c.load / 4, mix(salt, c.node.0))
        });
        let Some(best) = best else { break };
        chosen.push(best.node);
        *racks.entry(best.rack).or_default() += 1;
    }
    chosen
}

/// Cuts a configuration down to `count`, never the primary: first members whose rack another
/// member shares, from the end.
pub(super) fn trim(members: &mut Vec<Member>, count: usize, rack: impl Fn(NodeId) -> Option<Rack>) {
    while members.len() > count.max(1) {
        let shares = |at: usize| {
            let own = rack(members[at].node);
            members.iter().enumerate().any(|(i, m)| i != at && rack(m.node) == own)
        };
        let last = members.len() - 1;
        let victim = (1..members.len()).rev().find(|at| shares(*at)).unwrap_or(last);
        members.remove(victim);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Incarnation;

    fn candidate(node: u64, rack: u32, load: u64) -> Candidate {
        Candidate { node: NodeId(node), rack: Rack(rack), load }
    }

    #[test]
    fn three_replicas_go_to_three_racks() {
        let candidates: Vec<_> = (0..9).map(|n| candidate(n, (n / 3) as u32, 0)).collect();
        for salt in 0..50 {
            let chosen = choose(3, &[], &candidates, true, salt);
            let mut racks: Vec<u64> = chosen.iter().map(|node| node.0 / 3).collect();
            racks.sort_unstable();
            assert_eq!(racks, [0, 1, 2]);
        }
    }

    #[test]
    fn the_least_loaded_of_a_rack_is_taken() {
        let candidates = [candidate(1, 0, 40), candidate(2, 0, 4), candidate(3, 0, 80)];
        assert_eq!(choose(1, &[], &candidates, true, 7), [NodeId(2)]);
    }

    #[test]
    fn what_is_kept_counts_for_its_rack() {
        let candidates = [candidate(1, 0, 0), candidate(2, 0, 0), candidate(3, 1, 90)];
        assert_eq!(choose(2, &[NodeId(1)], &candidates, true, 7), [NodeId(1), NodeId(3)]);
    }

    #[test]
    fn trimming_spares_the_primary_and_lone_racks() {
        let member = |node| Member { node: NodeId(node), incarnation: Incarnation(1) };
        let mut members: Vec<_> = [1, 2, 3, 4].map(member).into();
        let rack = |node: NodeId| Some(Rack([9, 0, 0, 1, 2][node.0 as usize]));
        trim(&mut members, 3, rack);
        assert_eq!(members, [1, 3, 4].map(member));
    }
}
