//! Who makes things go wrong, as planned, and undoes it.

use crate::cluster::{Cluster, Loss, MASTER_HOST};
use crate::drawn::{Drawn, Episode};
use crate::net::Weather;
use crate::scenario::Kind;
use crate::seed::{Seed, Stream};
use leasehold_proto::NodeId;
use leasehold_trace::Fault;
use std::collections::{BTreeMap, VecDeque};

/// A wipe waits this long at the most for a cluster that has every replica.
const WIPE_PATIENCE_NS: u64 = 20_000_000_000;
const MS: u64 = 1_000_000;

/// What a fault does while it is on.
#[derive(Clone, Debug)]
enum Effect {
    Down(usize),
    Still(usize),
    Fuse(usize),
    Slow(usize),
    Cut(Vec<NodeId>, Vec<NodeId>, bool),
    Weather(Weather),
    Nothing,
}

/// Carries out a plan.
pub struct Nemesis {
    plan: VecDeque<Episode>,
    on: Vec<(Episode, Effect)>,
    fair: Weather,
    replicas: usize,
    /// The plan's time zero, moved on while a wipe waits.
    zero_ns: u64,
    wipe_waits_since: Option<u64>,
    /// Faults that took place, by kind.
    pub counts: BTreeMap<Kind, u64>,
    /// Wipes that the fault budget did not allow.
    pub withheld: u64,
}

impl Nemesis {
    /// A nemesis that begins at `now_ns`.
    #[must_use]
    pub fn new(drawn: &Drawn, now_ns: u64) -> Self {
        Nemesis {
            plan: drawn.plan.iter().copied().collect(),
            on: Vec::new(),
            fair: drawn.weather.clone(),
            replicas: usize::from(drawn.replicas),
            zero_ns: now_ns,
            wipe_waits_since: None,
            counts: BTreeMap::new(),
            withheld: 0,
        }
    }

    /// Ends and begins what is due.
    pub fn tick(&mut self, cluster: &mut Cluster) {
        let now = cluster.around.timeline.now();
        let over = |(episode, _): &(Episode, Effect), zero| zero + episode.ends_ms * MS <= now;
        while let Some(at) = self.on.iter().position(|fault| over(fault, self.zero_ns)) {
            let (episode, effect) = self.on.remove(at);
            self.end(cluster, episode, &effect);
        }
        while let Some(next) = self.plan.front().copied() {
            if self.zero_ns + next.begins_ms * MS > now || !self.may_begin(cluster, next, now) {
                break;
            }
            self.plan.pop_front();
            self.begin(cluster, next);
        }
        self.revive(cluster);
    }

    /// Ends everything, and nothing begins any more.
    pub fn end_all(&mut self, cluster: &mut Cluster) {
        self.plan.clear();
        for (episode, effect) in std::mem::take(&mut self.on) {
            self.end(cluster, episode, &effect);
        }
        cluster.around.network.cuts(|cuts| cuts.heal_all());
        self.fair.loss_ppm = 0;
        self.fair.duplicate_ppm = 0;
        self.apply_network(cluster);
        self.revive(cluster);
    }

    /// The fault budget: a disk is destroyed only while nothing else is wrong and every chunk has
    /// all of its replicas, so that each keeps one. It waits for that for a while.
    fn may_begin(&mut self, cluster: &Cluster, next: Episode, now: u64) -> bool {
        if next.kind != Kind::Wipe || (self.on.is_empty() && self.is_whole(cluster)) {
            self.wipe_waits_since = None;
            return true;
        }
        let since = *self.wipe_waits_since.get_or_insert(now);
        if now - since > WIPE_PATIENCE_NS {
            self.plan.pop_front();
            self.withheld += 1;
            self.wipe_waits_since = None;
            // What was planned after it was planned from its own time on.
            self.zero_ns += now - since;
        }
        false
    }

    fn is_whole(&self, cluster: &Cluster) -> bool {
        let up: Vec<NodeId> = (0..cluster.hosts())
            .filter(|host| cluster.is_up(*host))
            .map(|host| cluster.node(host))
            .collect();
        let state = cluster.around.watch.state();
        state.configurations.values().all(|(_, members)| {
            members.len() >= self.replicas && members.iter().all(|m| up.contains(&m.node))
        })
    }

    fn begin(&mut self, cluster: &mut Cluster, episode: Episode) {
        let mut stream = Seed(episode.draw).fork("fault", 0);
        let server = stream.within(1..=cluster.hosts() as u64 - 1) as usize;
        let effect = match episode.kind {
            Kind::Crash => down(cluster, server, Loss::Power),
            Kind::Restart => down(cluster, server, Loss::Process),
            Kind::MasterCrash => down(cluster, MASTER_HOST, Loss::Power),
            Kind::Wipe => down(cluster, server, Loss::Disk),
            Kind::CrashAtIo => {
                let host = if stream.permille(250) { MASTER_HOST } else { server };
                cluster.disk(host).fail_power_after(stream.within(1..=60));
                Effect::Fuse(host)
            }
            Kind::Pause => {
                let host = if stream.permille(250) { MASTER_HOST } else { server };
                cluster.pause(host, true);
                Effect::Still(host)
            }
            Kind::SlowDisk => {
                cluster.disk(server).slow_down(stream.within(5..=50));
                Effect::Slow(server)
            }
            Kind::Partition | Kind::OneWay => {
                let (one, other) = split(cluster.nodes(), &mut stream);
                Effect::Cut(one, other, episode.kind == Kind::Partition)
            }
            Kind::Isolate => {
                let host = if stream.permille(250) { MASTER_HOST } else { server };
                Effect::Cut(vec![cluster.node(host)], cluster.nodes(), true)
            }
            Kind::Loss | Kind::Delay | Kind::CorruptFrames => {
                Effect::Weather(self.bad_weather(episode.kind, &mut stream))
            }
            Kind::Rot => {
                // Only where no other replica of anything is at risk is this within the budget.
                let rotten = self.on.is_empty() && cluster.disk(server).rot("chunks/", &mut stream);
                if !rotten {
                    self.withheld += 1;
                }
                Effect::Nothing
            }
        };
        let what = format!("{} begins: {effect:?}", episode.kind.name());
        let fault = self.told(cluster, episode, &effect, false);
        cluster.around.watch.fault(cluster.node(server), &what, &fault);
        *self.counts.entry(episode.kind).or_default() += 1;
        self.on.push((episode, effect));
        self.apply_network(cluster);
    }

    fn end(&mut self, cluster: &mut Cluster, episode: Episode, effect: &Effect) {
        match effect {
            Effect::Down(_) => {}
            Effect::Still(host) => cluster.pause(*host, false),
            Effect::Fuse(host) => cluster.disk(*host).keep_power(),
            Effect::Slow(host) => cluster.disk(*host).slow_down(1),
            Effect::Cut(..) | Effect::Weather(_) | Effect::Nothing => {}
        }
        let what = format!("{} ends", episode.kind.name());
        let fault = self.told(cluster, episode, effect, true);
        cluster.around.watch.fault(cluster.node(MASTER_HOST), &what, &fault);
        self.apply_network(cluster);
    }

    /// A fault as a record has it. An episode's draw is as good as its name: no two have the same.
    fn told(&self, cluster: &Cluster, episode: Episode, effect: &Effect, ends: bool) -> Fault {
        let (nodes, others, text) = match effect {
            Effect::Down(host) | Effect::Still(host) | Effect::Fuse(host) | Effect::Slow(host) => {
                (vec![cluster.node(*host)], Vec::new(), String::new())
            }
            Effect::Cut(one, other, both) => {
                let text = if *both { "" } else { "one way" };
                (one.clone(), other.clone(), text.to_owned())
            }
            Effect::Weather(weather) => (Vec::new(), Vec::new(), format!("{weather:?}")),
            Effect::Nothing => (Vec::new(), Vec::new(), String::new()),
        };
        Fault { number: episode.draw, name: episode.kind.name(), ends, nodes, others, text }
    }

    /// Starts every host that no fault keeps down.
    fn revive(&self, cluster: &mut Cluster) {
        for host in 0..cluster.hosts() {
            let held = |effect: &Effect| match effect {
                Effect::Down(down) | Effect::Fuse(down) => *down == host,
                _ => false,
            };
            if !cluster.is_up(host) && !self.on.iter().any(|(_, effect)| held(effect)) {
                cluster.start(host);
            }
        }
    }

    /// Cuts and weather are those of all faults that are on: ending one leaves the others.
    fn apply_network(&self, cluster: &Cluster) {
        let network = &cluster.around.network;
        network.cuts(|cuts| {
            cuts.heal_all();
            for (_, effect) in &self.on {
                if let Effect::Cut(one, other, both) = effect {
                    cuts.cut(one, other);
                    if *both {
                        cuts.cut(other, one);
                    }
                }
            }
        });
        let bad = self.on.iter().rev().find_map(|(_, effect)| match effect {
            Effect::Weather(weather) => Some(weather.clone()),
            _ => None,
        });
        network.weather(|weather| *weather = bad.unwrap_or_else(|| self.fair.clone()));
    }

    fn bad_weather(&self, kind: Kind, stream: &mut Stream) -> Weather {
        let fair = self.fair.clone();
        match kind {
            Kind::Loss => Weather {
                loss_ppm: stream.log_within(10_000..=400_000) as u32,
                duplicate_ppm: stream.log_within(1_000..=200_000) as u32,
                ..fair
            },
            Kind::Delay => {
                let slow = stream.log_within(5..=500);
                Weather { latency_ns: (fair.latency_ns.0 * slow, fair.latency_ns.1 * slow), ..fair }
            }
            _ => Weather { corrupt_ppm: stream.log_within(1_000..=50_000) as u32, ..fair },
        }
    }
}

fn down(cluster: &mut Cluster, host: usize, loss: Loss) -> Effect {
    cluster.stop(host, loss);
    Effect::Down(host)
}

/// Two groups, neither empty.
fn split(mut nodes: Vec<NodeId>, stream: &mut Stream) -> (Vec<NodeId>, Vec<NodeId>) {
    stream.shuffle(&mut nodes);
    let other = nodes.split_off(stream.within(1..=nodes.len() as u64 - 1) as usize);
    (nodes, other)
}
