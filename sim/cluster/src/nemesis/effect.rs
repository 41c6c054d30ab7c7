//! What a fault does while it is on, and whom it touches.

use super::MS;
use crate::cluster::session;
use crate::cluster::{Cluster, MASTER_HOST};
use crate::drawn::Episode;
use crate::net::{Lane, LinkConditions};
use crate::scenario::FaultKind;
use crate::schedule::{Happened, role};
use leasehold_proto::NodeId;
use leasehold_trace::Fault;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a fault does while it is on. Hosts are given by their index.
#[derive(Clone, Debug)]
pub(super) enum Effect {
    /// They stay down.
    Down(Vec<usize>),
    /// It stands still.
    Still(usize),
    /// It stands still with its clock.
    Frozen(usize),
    /// Its power fails within an operation, and it stays down then.
    Fuse(usize),
    /// Its disk is slow.
    Slow(usize),
    /// Its disk answers nothing.
    Stalled(usize),
    /// Somebody else fills its disk.
    Full(usize),
    /// Its disk fails a sync.
    NoSync(usize),
    /// These are restarted, one after the other.
    Rolling { hosts: VecDeque<usize>, next_ns: u64, every_ns: u64 },
    /// Nothing goes from the first of a pair to the second.
    Cut { pairs: Vec<(Vec<NodeId>, Vec<NodeId>)>, flap: Option<Flap> },
    /// What differs from a good day.
    Degraded(Degradation),
    /// Everything from and to a node takes this many times as long.
    SlowNode(NodeId, u64),
    /// Lanes carry this many bytes a second.
    Narrow(BTreeMap<Lane, u64>),
    /// It is done and leaves nothing on; the host that it was done to.
    Done(usize),
}

/// A cut that comes and goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flap {
    pub period_ns: u64,
    pub next_ns: u64,
    pub cut: bool,
}

impl Flap {
    /// Cuts or heals, if it is time; whether it did.
    pub fn turn(&mut self, now: u64) -> bool {
        let due = self.next_ns <= now;
        if due {
            self.cut = !self.cut;
            self.next_ns = now + self.period_ns;
        }
        due
    }
}

/// How link conditions are worse than without faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Degradation {
    Loss { ppm: u32 },
    Duplicate { ppm: u32 },
    Corrupt { ppm: u32 },
    Reorder { ppm: u32, most_ns: u64 },
    Delay { factor: u64 },
}

impl Degradation {
    /// The same with the strength that is said, where its kind has such a one.
    pub fn of_strength(self, said: Option<u32>, times: Option<u64>) -> Self {
        let or = |drawn: u32| said.unwrap_or(drawn);
        match self {
            Degradation::Loss { ppm } => Degradation::Loss { ppm: or(ppm) },
            Degradation::Duplicate { ppm } => Degradation::Duplicate { ppm: or(ppm) },
            Degradation::Corrupt { ppm } => Degradation::Corrupt { ppm: or(ppm) },
            Degradation::Reorder { ppm, most_ns } => Degradation::Reorder { ppm: or(ppm), most_ns },
            Degradation::Delay { factor } => Degradation::Delay { factor: times.unwrap_or(factor) },
        }
    }

    pub fn apply(self, conditions: &mut LinkConditions) {
        match self {
            Degradation::Loss { ppm } => conditions.loss_ppm = conditions.loss_ppm.max(ppm),
            Degradation::Duplicate { ppm } => {
                conditions.duplicate_ppm = conditions.duplicate_ppm.max(ppm)
            }
            Degradation::Corrupt { ppm } => {
                conditions.corrupt_ppm = conditions.corrupt_ppm.max(ppm)
            }
            Degradation::Reorder { ppm, most_ns } => {
                conditions.spike_ppm = conditions.spike_ppm.max(ppm);
                conditions.spike_ns = (conditions.spike_ns.0, conditions.spike_ns.1.max(most_ns));
            }
            Degradation::Delay { factor } => {
                let (least, most) = conditions.latency_ns;
                conditions.latency_ns = (least * factor, most * factor);
            }
        }
    }
}

/// Whom a fault may keep from doing its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Hosts(BTreeSet<usize>),
    Everybody,
}

impl Reach {
    pub fn of(hosts: impl IntoIterator<Item = usize>) -> Self {
        Reach::Hosts(hosts.into_iter().collect())
    }

    pub fn includes(&self, host: usize) -> bool {
        match self {
            Reach::Hosts(hosts) => hosts.contains(&host),
            Reach::Everybody => true,
        }
    }
}

impl Effect {
    /// The one host that it is about, if it is about one.
    fn host(&self) -> Option<usize> {
        match self {
            Effect::Still(host)
            | Effect::Frozen(host)
            | Effect::Fuse(host)
            | Effect::Slow(host)
            | Effect::Stalled(host)
            | Effect::Full(host)
            | Effect::NoSync(host)
            | Effect::Done(host) => Some(*host),
            Effect::Down(hosts) => hosts.first().copied(),
            Effect::Rolling { .. } | Effect::Cut { .. } | Effect::Degraded(_) => None,
            Effect::SlowNode(..) | Effect::Narrow(_) => None,
        }
    }

    /// The hosts that it is about.
    pub fn hosts(&self) -> Vec<usize> {
        match self {
            Effect::Down(hosts) => hosts.clone(),
            other => other.host().into_iter().collect(),
        }
    }

    /// The host that a log entry of it belongs to.
    pub fn about(&self) -> usize {
        self.host().unwrap_or(MASTER_HOST)
    }

    /// Whom it may keep from doing its work.
    pub fn reach(&self, cluster: &Cluster) -> Reach {
        match self {
            Effect::Down(hosts) => Reach::of(hosts.iter().copied()),
            Effect::SlowNode(node, _) => Reach::of(cluster.host_of(*node)),
            Effect::Done(_) => Reach::of([]),
            other => other.host().map_or(Reach::Everybody, |host| Reach::of([host])),
        }
    }

    /// The fault as a schedule has it.
    pub fn happened(&self, cluster: &Cluster, kind: FaultKind, at_ms: u64) -> Happened {
        let node = |node: &NodeId| {
            let client = node.0.wrapping_sub(session::node(0).0) + 1;
            role(cluster.host_of(*node), cluster.masters(), client)
        };
        let nodes = |of: &[NodeId]| of.iter().map(node).collect::<Vec<_>>();
        let hosts = |of: &mut dyn Iterator<Item = usize>| {
            of.map(|host| role(Some(host), cluster.masters(), 0)).collect::<Vec<_>>()
        };
        let mut happened = Happened::begins(at_ms, kind, Vec::new());
        match self {
            Effect::Down(all) => happened.victims = hosts(&mut all.iter().copied()),
            Effect::Rolling { hosts: all, every_ns, .. } => {
                happened.victims = hosts(&mut all.iter().copied());
                happened.every_ms = Some(every_ns / MS);
            }
            Effect::Cut { pairs, flap } => {
                let (one, other) = pairs.first().cloned().unwrap_or_default();
                (happened.victims, happened.others) = (nodes(&one), nodes(&other));
                happened.one_way = pairs.len() == 1;
                happened.flap_ms = flap.map(|flap| flap.period_ns / MS);
            }
            Effect::Degraded(degradation) => match *degradation {
                Degradation::Loss { ppm }
                | Degradation::Duplicate { ppm }
                | Degradation::Corrupt { ppm }
                | Degradation::Reorder { ppm, .. } => happened.ppm = Some(ppm),
                Degradation::Delay { factor } => happened.factor = Some(factor),
            },
            Effect::SlowNode(one, factor) => {
                happened.victims = vec![node(one)];
                happened.factor = Some(*factor);
            }
            Effect::Narrow(lanes) => {
                let of = |lane: &Lane| match lane {
                    Lane::Out(one) | Lane::In(one) => vec![node(one)],
                    Lane::Up(rack) | Lane::Down(rack) => {
                        let all = (0..cluster.hosts()).filter(|host| cluster.rack(*host) == *rack);
                        hosts(&mut { all })
                    }
                };
                happened.victims = lanes.keys().next().map(of).unwrap_or_default();
                happened.bytes_per_second = lanes.values().next().copied();
            }
            one => happened.victims = hosts(&mut one.host().into_iter()),
        }
        happened
    }

    /// The fault as a record has it. An episode's draw is as good as its name: no two of a run
    /// have the same.
    pub fn told(&self, cluster: &Cluster, episode: &Episode, ends: bool) -> Fault {
        let of = |host: &usize| cluster.node(*host);
        let (nodes, others, text) = match self {
            Effect::Down(hosts) => (hosts.iter().map(of).collect(), Vec::new(), String::new()),
            Effect::Rolling { hosts, .. } => {
                (hosts.iter().map(of).collect(), Vec::new(), "one after the other".to_owned())
            }
            Effect::Cut { pairs, flap } => {
                let (one, other) = pairs.first().cloned().unwrap_or_default();
                let way = if pairs.len() == 1 { "one way" } else { "" };
                (one, other, if flap.is_some() { "flapping" } else { way }.to_owned())
            }
            Effect::SlowNode(node, factor) => (vec![*node], Vec::new(), format!("{factor} times")),
            Effect::Degraded(degradation) => (Vec::new(), Vec::new(), format!("{degradation:?}")),
            Effect::Narrow(lanes) => (Vec::new(), Vec::new(), format!("{lanes:?}")),
            one => (one.host().iter().map(of).collect(), Vec::new(), String::new()),
        };
        Fault { number: episode.draw.0, name: episode.kind.name(), ends, nodes, others, text }
    }
}
