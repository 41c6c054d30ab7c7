//! Whoever runs the masters: one that lost its disk forgot its votes, and is taken out of their
//! number and added again as another.

use super::host::Surroundings;
use super::watch::Watch;
use crate::net::PacketCarrier;
use leasehold_node::replicated::message::{Answer, Ask, MembershipChange};
use leasehold_node::replicated::status::Role;
use leasehold_node::replicated::{Link, Peer, Standing};
use leasehold_proto::NodeId;
use madsim::runtime::{Handle, NodeHandle};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

/// The node that asks.
const NODE: NodeId = NodeId(9_999);
/// A master that does not say how it stands within this time is given up.
const PATIENCE: Duration = Duration::from_millis(500);
/// A change whose outcome is not known by then is looked after again.
const CHANGE_PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);
/// Answers that wait to be read at the most.
const ANSWERS_MAX: usize = 64;

/// Puts masters back that lost their disks.
#[derive(Clone)]
pub struct Operator {
    link: Link,
    masters: Vec<NodeId>,
    machine: NodeHandle,
    watch: Watch,
    /// Masters that are not back yet.
    away: Arc<Mutex<BTreeSet<NodeId>>>,
}

impl Operator {
    /// Begins on a machine of its own, which no fault reaches.
    pub fn begin(madsim: &Handle, around: &Surroundings) -> Self {
        let machine = madsim.create_node().name("operator").build();
        let link = Link::new(NODE, PacketCarrier(Arc::clone(&around.network)), 0);
        let (packets, mut answers) = mpsc::channel(ANSWERS_MAX);
        around.network.attach_packets(NODE, packets);
        let taking = link.clone();
        machine.spawn(async move {
            while let Some(packet) = answers.recv().await {
                if packet.is_answer {
                    taking.on_answer(&packet);
                }
            }
        });
        let (masters, watch) = (around.masters.clone(), around.watch.clone());
        Operator { link, masters, machine, watch, away: Arc::default() }
    }

    /// Its machine, to be killed at the end.
    pub fn machine(&self) -> madsim::task::NodeId {
        self.machine.id()
    }

    /// Masters that are not back yet.
    #[must_use]
    pub fn away(&self) -> Vec<NodeId> {
        self.away.lock().expect("nothing panics while it holds the set").iter().copied().collect()
    }

    /// Has a master that lost its disk taken out, and added again on its new one.
    pub fn replace(&self, master: NodeId, birth: u64) {
        self.away.lock().expect("nothing panics while it holds the set").insert(master);
        let operator = self.clone();
        self.machine.spawn(async move {
            while !operator.has_replaced(master, birth).await {
                madsim::time::sleep(PAUSE).await;
            }
            operator.watch.state().coverage.master_replaced();
            operator.away.lock().expect("nothing panics while it holds the set").remove(&master);
        });
    }

    /// Does what comes next; true if nothing is left to do. What became of a change is seen when
    /// the masters are looked at again.
    async fn has_replaced(&self, master: NodeId, birth: u64) -> bool {
        let standings = self.standings().await;
        // The one that was replaced may lead by now, on its new disk.
        let leads = |standing: &&Standing| {
            standing.role == Role::Leader && (standing.node != master || standing.birth == birth)
        };
        let leader = standings.iter().filter(leads).max_by_key(|standing| standing.term);
        let Some(leader) = leader else { return false };
        let is_back = |standing: &Standing| {
            let member = standing.members.get(&master);
            member.is_some_and(|member| member.peer.birth == birth && member.votes)
        };
        let itself = standings.iter().find(|standing| standing.node == master);
        if is_back(leader) && itself.is_some_and(|it| it.birth == birth && is_back(it)) {
            return true;
        }
        let change = match leader.members.get(&master) {
            Some(member) if member.peer.birth != birth => MembershipChange::Remove { node: master },
            Some(_) | None => {
                MembershipChange::Add { node: master, peer: Peer { birth, ..Peer::default() } }
            }
        };
        let _ = self.link.ask(leader.node, None, Ask::Change(change), CHANGE_PATIENCE).await;
        false
    }

    /// How those masters stand that answer, one asked after the other.
    async fn standings(&self) -> Vec<Standing> {
        let mut standings = Vec::new();
        for master in &self.masters {
            let answer = self.link.ask(*master, None, Ask::Standing, PATIENCE).await;
            if let Ok(Answer::Standing(standing)) = answer {
                standings.push(standing);
            }
        }
        standings
    }
}
