//! I17: where the master puts replicas, and where they are when everything has come to rest.

use crate::fleet::Fleet;
use crate::seen::Seen;
use crate::violation::{Invariant, Violation};
use leasehold_proto::{ChunkHandle, Constants, Event, NodeId, Rack};
use std::collections::{BTreeMap, BTreeSet};

/// I17.
pub const INVARIANT: Invariant = Invariant {
    id: "I17",
    name: "spread over racks",
    sentence: "whenever the master chooses a server for a replica, of a new chunk or for a copy, no \
               rack with a server that could have been chosen has fewer of the chunk's replicas; at rest, \
               a chunk at its target is on two racks, unless a choice left only one of them",
    source: "GFS §4.2 (creation) and §4.3 (re-replication): replicas of a chunk are spread across \
             racks",
};

/// Whom each leader has asked so far to be the first members of a chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpreadOverRacks {
    placed: BTreeMap<(NodeId, ChunkHandle), BTreeSet<NodeId>>,
    /// Replicas wanted of each chunk.
    targets: BTreeMap<ChunkHandle, usize>,
    /// Servers that were chosen while only one rack had any that could be: what is on them may stay there,
    /// since no replica moves.
    forced: BTreeSet<(ChunkHandle, NodeId)>,
}

impl SpreadOverRacks {
    /// Takes in what happened, `fleet` being as it was before; true if there was something to judge.
    ///
    /// It is judged when servers are chosen. A configuration may hold fewer than were chosen, and
    /// racks may go and come later: no replica moves for that.
    pub fn observe(
        &mut self,
        fleet: &Fleet,
        constants: &Constants,
        seen: &Seen<'_>,
    ) -> Result<bool, Violation> {
        let chosen = match seen.event {
            Event::Placed { chunk, servers } => {
                let all: BTreeSet<NodeId> = servers.iter().copied().collect();
                let asked = self.placed.entry((seen.node, *chunk)).or_default();
                let new: Vec<NodeId> = all.difference(asked).copied().collect();
                let dropped = asked.difference(&all).copied().collect();
                asked.extend(&all);
                Choice { chunk: *chunk, all, new, dropped }
            }
            Event::RepairBegan { chunk, version, to } => {
                let Some(members) = fleet.members(*chunk, *version) else {
                    self.forced.insert((*chunk, *to));
                    return Ok(false);
                };
                let members = members.iter().copied();
                let all = members.chain([*to]).collect();
                Choice { chunk: *chunk, all, new: vec![*to], dropped: BTreeSet::new() }
            }
            Event::ChunkMade { chunk, replicas, .. } => {
                self.targets.insert(*chunk, usize::from(*replicas));
                return Ok(false);
            }
            Event::Freed { chunk, .. } => {
                self.targets.remove(chunk);
                self.forced.retain(|(of, _)| of != chunk);
                return Ok(false);
            }
            Event::LeaderBegan { .. } => {
                self.placed.retain(|(leader, _), _| *leader != seen.node);
                return Ok(false);
            }
            Event::Configured { chunk, .. } => {
                self.placed.retain(|(_, placed), _| placed != chunk);
                return Ok(false);
            }
            _ => return Ok(false),
        };
        let eligible: Vec<NodeId> = fleet.eligible(seen.node, chosen.chunk, constants).collect();
        let broken = |detail| INVARIANT.broken(seen.true_ns, detail);
        chosen.judge(fleet, &eligible).map_err(broken)?;
        // It was judged: no other rack had a server that could have been chosen.
        if chosen.all.len() > 1 && racks_of(fleet, chosen.all.iter()).len() < 2 {
            self.forced.extend(chosen.all.iter().map(|node| (chosen.chunk, *node)));
        }
        Ok(true)
    }

    /// Judges where replicas are when everything has come to rest: a choice is carried out, and what is
    /// removed leaves two racks if two are there. How many chunks were judged.
    pub fn at_rest(&self, fleet: &Fleet, true_ns: u64) -> Result<u64, Violation> {
        let mut judged = 0;
        for (chunk, target) in self.targets.iter().filter(|(_, target)| **target > 1) {
            let Some((version, members)) = fleet.last_configuration(*chunk) else { continue };
            let is_forced = |node: &NodeId| self.forced.contains(&(*chunk, *node));
            if members.len() < *target || members.iter().any(is_forced) {
                continue;
            }
            judged += 1;
            let racks = racks_of(fleet, members.iter());
            if let [rack] = racks.iter().collect::<Vec<_>>()[..] {
                return Err(INVARIANT.broken(
                    true_ns,
                    format!(
                        "all {} replicas of {chunk} under {version} are in {rack}, and each of them was chosen \
                         while another rack had one of the chunk's, or could have been chosen",
                        members.len()
                    ),
                ));
            }
        }
        Ok(judged)
    }
}

fn racks_of<'a>(fleet: &Fleet, nodes: impl Iterator<Item = &'a NodeId>) -> BTreeSet<Rack> {
    nodes.filter_map(|node| fleet.rack(*node)).collect()
}

/// Servers chosen for a chunk.
struct Choice {
    chunk: ChunkHandle,
    /// With those that it has already.
    all: BTreeSet<NodeId>,
    new: Vec<NodeId>,
    /// Asked before by this leader, and not any more: they did not answer.
    dropped: BTreeSet<NodeId>,
}

impl Choice {
    /// In whichever order they were chosen: the last one of a rack was chosen when that rack had one
    /// less than now, and no other rack more than now.
    fn judge(&self, fleet: &Fleet, eligible: &[NodeId]) -> Result<(), String> {
        let mut racks: BTreeMap<Rack, usize> = BTreeMap::new();
        for rack in self.all.iter().filter_map(|node| fleet.rack(*node)) {
            *racks.entry(rack).or_default() += 1;
        }
        let count = |rack: Rack| racks.get(&rack).copied().unwrap_or(0);
        let free: Vec<(NodeId, Rack)> = eligible
            .iter()
            .filter(|node| !self.all.contains(node) && !self.dropped.contains(node))
            .filter_map(|node| Some((*node, fleet.rack(*node)?)))
            .collect();
        for new in &self.new {
            let Some(own) = fleet.rack(*new) else { continue };
            if let Some((better, rack)) = free.iter().find(|(_, r)| count(*r) + 1 < count(own)) {
                let (chunk, have, has) = (self.chunk, count(own), count(*rack));
                return Err(format!(
                    "{new} is chosen for {chunk}, {have} of whose replicas are in its {own}; \
                     {better} in {rack}, which has {has} of them, could have been"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::*;
    use leasehold_proto::{ChunkHandle, Epoch, Event, Rack, SafeModeEnd};

    /// Four servers, the first two in one rack.
    fn four() -> Run {
        let mut run = Run::new();
        run.good(MASTER, Event::LeaderBegan { epoch: Epoch(1) });
        for (server, rack) in [(S1, 1), (S2, 1), (S3, 2), (S4, 3)] {
            run.good(MASTER, joined_in(server, 1, rack));
        }
        run.good(MASTER, Event::SafeModeEnded { why: SafeModeEnd::Reported });
        run
    }

    #[test]
    fn two_of_one_rack_are_found_while_another_has_room() {
        four().good(MASTER, placed(&[S1, S3, S4]));
        four().good(MASTER, placed(&[S1, S2, S3, S4]));
        assert_eq!(four().bad(MASTER, placed(&[S1, S2, S3])).invariant, "I17");
        assert_eq!(four().bad(MASTER, placed(&[S1, S2])).invariant, "I17");
    }

    #[test]
    fn what_cannot_be_chosen_is_not_missed() {
        let mut dead = four();
        dead.good(MASTER, Event::ServerDead { node: S4 });
        let mut heard = dead.clone();
        dead.good(MASTER, placed(&[S1, S2, S3]));
        heard.good(MASTER, Event::ServerHeard { node: S4 });
        assert_eq!(heard.bad(MASTER, placed(&[S1, S2, S3])).invariant, "I17");
        let mut failed = four();
        failed.good(S4, Event::DiskFailed);
        failed.good(MASTER, placed(&[S1, S2, S3]));
        let mut gave_up = four();
        gave_up.good(MASTER, configured(0, 1, &[S1, S3]));
        gave_up.good(MASTER, repair_began(1, S4));
        gave_up.good(MASTER, repair_ended(S4, false));
        gave_up.good(MASTER, repair_began(1, S2));
        // ... not even in another life: a change that waited for its copy may find that later.
        let mut lived_again = four();
        lived_again.good(MASTER, configured(0, 1, &[S1, S3]));
        lived_again.good(MASTER, repair_began(1, S4));
        lived_again.good(MASTER, repair_ended(S4, false));
        lived_again.good(MASTER, joined_in(S4, 2, 3));
        let mut another_chunk = lived_again.clone();
        lived_again.good(MASTER, repair_began(1, S2));
        // Of another chunk it is judged as any.
        let other = ChunkHandle(6);
        let servers = vec![S1, S2, S3];
        let wrong = another_chunk.bad(MASTER, Event::Placed { chunk: other, servers });
        assert_eq!(wrong.invariant, "I17");
        let mut did_not_answer = four();
        did_not_answer.good(MASTER, placed(&[S1, S3, S4]));
        did_not_answer.good(MASTER, configured(0, 1, &[S1, S3]));
        did_not_answer.good(MASTER, repair_began(1, S2));
        let mut other = four();
        other.good(MASTER, Event::LeaderBegan { epoch: Epoch(9) });
        other.good(MASTER, placed(&[S1, S2]));
    }

    #[test]
    fn a_server_that_is_asked_later_is_judged_by_those_that_stay() {
        let mut run = four();
        run.good(MASTER, Event::ServerDead { node: S4 });
        run.good(MASTER, placed(&[S1, S3]));
        run.good(MASTER, Event::ServerHeard { node: S4 });
        assert_eq!(run.bad(MASTER, placed(&[S1, S2, S3])).invariant, "I17");
    }

    #[test]
    fn a_server_that_was_asked_and_is_left_out_did_not_answer() {
        let mut run = four();
        run.good(MASTER, placed(&[S1, S4]));
        run.good(MASTER, placed(&[S1, S3]));
        run.good(MASTER, placed(&[S1, S2, S3]));
        let mut anew = four();
        anew.good(MASTER, placed(&[S1, S3]));
        assert_eq!(anew.bad(MASTER, placed(&[S1, S2, S3])).invariant, "I17");
    }

    /// The target is 2.
    fn made() -> Run {
        let mut run = four();
        run.good(MASTER, chunk_made());
        run
    }

    #[test]
    fn at_rest_a_chunk_is_on_two_racks_unless_a_choice_left_one() {
        let mut spread = made();
        spread.good(MASTER, placed(&[S1, S3]));
        spread.good(MASTER, configured(0, 1, &[S1, S3]));
        spread.checkers.spread_at_rest(9).unwrap();
        // A copy within the rack, of which no choice was reported.
        spread.good(MASTER, configured(1, 2, &[S1, S2]));
        assert_eq!(spread.checkers.spread_at_rest(9).unwrap_err().invariant, "I17");
        // Below its target a chunk waits for another copy, which is judged when it is chosen.
        spread.good(MASTER, configured(2, 3, &[S1]));
        spread.checkers.spread_at_rest(9).unwrap();
    }

    #[test]
    fn a_master_that_has_the_racks_wrong_is_found() {
        let mut run = Run::new();
        run.good(MASTER, Event::LeaderBegan { epoch: Epoch(1) });
        for (server, rack) in [(S1, 1), (S2, 1), (S3, 2)] {
            run.checkers.is_in(server, Rack(rack));
            run.good(MASTER, joined_in(server, 1, 7));
        }
        run.good(MASTER, Event::SafeModeEnded { why: SafeModeEnd::Reported });
        run.clone().good(MASTER, placed(&[S1, S3]));
        assert_eq!(run.bad(MASTER, placed(&[S1, S2])).invariant, "I17");
    }

    #[test]
    fn a_chunk_that_had_one_rack_to_go_to_may_stay_there() {
        let mut alone = made();
        for other in [S3, S4] {
            alone.good(MASTER, Event::ServerDead { node: other });
        }
        alone.good(MASTER, placed(&[S1, S2]));
        alone.good(MASTER, configured(0, 1, &[S1, S2]));
        for other in [S3, S4] {
            alone.good(MASTER, Event::ServerHeard { node: other });
        }
        alone.checkers.spread_at_rest(9).unwrap();
    }

    #[test]
    fn a_copy_goes_to_the_rack_that_has_fewest() {
        let mut run = four();
        run.good(MASTER, configured(0, 1, &[S1, S3]));
        run.clone().good(MASTER, repair_began(1, S4));
        assert_eq!(run.bad(MASTER, repair_began(1, S2)).invariant, "I17");
    }
}
