//! The fault budget: what may be destroyed without taking the last good copy of anything.
//!
//! A copy is good if its node is a member of the committed configuration, has reconciled itself
//! to it, and its bytes are what was written. Counted are the machines' own words and the disks'
//! own state; nothing is assumed.

use super::effect::{Effect, Reach};
use crate::cluster::{Cluster, Copies};
use leasehold_proto::{ChunkHandle, ChunkVersion, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// One look at who holds what.
pub(super) struct Budget {
    chunks: Vec<Holding>,
    /// Hosts that some fault that is on may keep from doing their work.
    troubled: Vec<Reach>,
    reckless: bool,
}

/// Who holds one chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Holding {
    chunk: ChunkHandle,
    /// No other configuration is under way.
    settled: bool,
    /// Hosts with a good copy.
    good: BTreeSet<usize>,
    /// Hosts of members whose bytes are not what was written.
    harmed: BTreeSet<usize>,
    /// Hosts of all members.
    members: BTreeSet<usize>,
}

impl Budget {
    /// Counts the good copies of every chunk. A reckless one allows everything.
    pub fn new<'a>(
        cluster: &Cluster,
        on: impl Iterator<Item = &'a Effect>,
        reckless: bool,
    ) -> Self {
        let harmed = harmed(cluster);
        let state = cluster.around.watch.state();
        let of = |(chunk, (version, members)): (&ChunkHandle, &(ChunkVersion, Vec<_>))| {
            let nodes = members.iter().map(|member: &leasehold_proto::Member| member.node);
            holding(cluster, &state.copies, &harmed, *chunk, *version, nodes)
        };
        // What a first member is asked to promise may be committed after its disk is gone.
        let placed = state.placed.iter().map(|(chunk, servers)| {
            let members = servers.iter().filter_map(|node| cluster.host_of(*node)).collect();
            Holding { chunk: *chunk, members, ..Holding::default() }
        });
        let chunks = state.configurations.iter().map(of).chain(placed).collect();
        let troubled = on.map(|effect| effect.reach(cluster)).collect();
        Budget { chunks, troubled, reckless }
    }

    /// Whether the disks of these hosts may be lost, for a while or for good: every chunk on them keeps a
    /// good copy elsewhere.
    pub fn may_lose(&self, hosts: &[usize]) -> bool {
        let keeps = |held: &Holding| {
            !hosts.iter().any(|host| held.members.contains(host))
                || held.settled && held.good.iter().any(|good| !hosts.contains(good))
        };
        self.reckless || self.chunks.iter().all(keeps)
    }

    /// Whether a host's replica of a chunk may be harmed without anybody being told. What finds
    /// out is the protocol, so a good copy must be where nothing hinders it.
    pub fn may_harm(&self, host: usize, chunk: ChunkHandle) -> bool {
        let Some(held) = self.chunks.iter().find(|held| held.chunk == chunk) else { return true };
        let keeps = || held.settled && self.has_steady_copy(held, &Reach::of([host]));
        self.reckless || !held.members.contains(&host) || keeps()
    }

    /// Whether these hosts may be hindered: wherever a harmed copy has not been found out, no
    /// change is under way, and a good copy stays where nothing hinders it. Otherwise the harmed
    /// one could outlive all others.
    pub fn may_hinder(&self, reach: &Reach) -> bool {
        let at_risk = |held: &Holding| !held.harmed.is_empty();
        let keeps = |held: &Holding| held.settled && self.has_steady_copy(held, reach);
        self.reckless || self.chunks.iter().filter(|held| at_risk(held)).all(keeps)
    }

    fn has_steady_copy(&self, held: &Holding, besides: &Reach) -> bool {
        let hindered =
            |host: usize| besides.includes(host) || self.troubled.iter().any(|r| r.includes(host));
        held.good.iter().any(|host| !hindered(*host))
    }
}

fn holding(
    cluster: &Cluster,
    copies: &Copies,
    harmed: &BTreeMap<usize, BTreeSet<ChunkHandle>>,
    chunk: ChunkHandle,
    version: ChunkVersion,
    nodes: impl Iterator<Item = NodeId>,
) -> Holding {
    let mut held =
        Holding { chunk, settled: copies.is_settled(chunk, version), ..Holding::default() };
    for (node, host) in nodes.filter_map(|node| Some((node, cluster.host_of(node)?))) {
        held.members.insert(host);
        if harmed.get(&host).is_some_and(|chunks| chunks.contains(&chunk)) {
            held.harmed.insert(host);
        } else if copies.is_current(chunk, node, version) {
            held.good.insert(host);
        }
    }
    held
}

fn harmed(cluster: &Cluster) -> BTreeMap<usize, BTreeSet<ChunkHandle>> {
    let of = |host| {
        let files = cluster.disk(host).harmed();
        (host, files.iter().filter_map(|name| chunk_of(name)).collect())
    };
    (0..cluster.hosts()).map(of).collect()
}

/// The chunk that a data file belongs to: `chunks/<16 hex digits>-<born>.data`.
pub(super) fn chunk_of(name: &str) -> Option<ChunkHandle> {
    let digits = name.strip_prefix("chunks/")?.get(..16)?;
    u64::from_str_radix(digits, 16).ok().map(ChunkHandle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: ChunkHandle = ChunkHandle(5);

    fn budget(good: &[usize], harmed: &[usize], troubled: Vec<Reach>) -> Budget {
        let (good, harmed) = (set(good), set(harmed));
        let members = good.union(&harmed).copied().collect();
        let held = Holding { chunk: CHUNK, settled: true, good, harmed, members };
        Budget { chunks: vec![held], troubled, reckless: false }
    }

    fn set(hosts: &[usize]) -> BTreeSet<usize> {
        hosts.iter().copied().collect()
    }

    #[test]
    fn the_last_good_copy_is_not_lost() {
        let two = budget(&[1, 2], &[3], Vec::new());
        assert!(two.may_lose(&[1]) && two.may_lose(&[2]) && two.may_lose(&[9]));
        let one = budget(&[1], &[2, 3], Vec::new());
        assert!(!one.may_lose(&[1]), "all others are harmed");
        assert!(one.may_lose(&[2]));
        assert!(Budget { reckless: true, ..one }.may_lose(&[1]));
        assert!(!two.may_lose(&[1, 2]) && two.may_lose(&[1, 9]));
    }

    #[test]
    fn nothing_is_lost_while_a_configuration_is_under_way() {
        let mut moving = budget(&[1, 2, 3], &[], Vec::new());
        moving.chunks[0].settled = false;
        assert!(!moving.may_lose(&[1]) && !moving.may_harm(1, CHUNK));
        assert!(moving.may_lose(&[4]), "who holds nothing of it has nothing to lose");
    }

    #[test]
    fn who_is_asked_to_be_a_first_member_is_not_lost() {
        let members = set(&[1]);
        let placed = Holding { chunk: CHUNK, members, ..Holding::default() };
        let budget = Budget { chunks: vec![placed], troubled: Vec::new(), reckless: false };
        assert!(!budget.may_lose(&[1]) && budget.may_lose(&[2]));
    }

    #[test]
    fn the_last_good_copy_that_is_not_hindered_is_not_harmed() {
        assert!(budget(&[1, 2], &[], Vec::new()).may_harm(1, CHUNK));
        assert!(!budget(&[1], &[2], Vec::new()).may_harm(1, CHUNK));
        let down = budget(&[1, 2], &[], vec![Reach::of([2])]);
        assert!(!down.may_harm(1, CHUNK), "who is down finds out nothing");
        assert!(!budget(&[1, 2], &[], vec![Reach::Everybody]).may_harm(1, CHUNK));
        assert!(budget(&[1], &[], Vec::new()).may_harm(1, ChunkHandle(6)), "nobody's file");
    }

    #[test]
    fn where_harm_was_not_found_out_a_good_copy_stays_unhindered() {
        let sound = budget(&[1, 2], &[], Vec::new());
        assert!(sound.may_hinder(&Reach::Everybody), "nothing is harmed");
        let harmed = budget(&[1, 2], &[3], Vec::new());
        assert!(harmed.may_hinder(&Reach::of([1, 3])));
        assert!(!harmed.may_hinder(&Reach::of([1, 2])) && !harmed.may_hinder(&Reach::Everybody));
        assert!(!budget(&[1, 2], &[3], vec![Reach::of([2])]).may_hinder(&Reach::of([1])));
        let mut moving = harmed;
        moving.chunks[0].settled = false;
        assert!(!moving.may_hinder(&Reach::of([4])), "the good ones may be left out already");
    }

    #[test]
    fn a_data_file_names_its_chunk() {
        assert_eq!(chunk_of("chunks/00000000000000ff-0000000000000001.data").unwrap().0, 255);
        assert_eq!(chunk_of("meta/00000000000000ff.meta"), None);
        assert_eq!(chunk_of("chunks/x"), None);
    }
}
