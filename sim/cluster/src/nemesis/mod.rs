//! Who makes things go wrong, as planned, and undoes it.

mod aimed;
mod begin;
mod budget;
mod effect;
mod network;

use crate::cluster::{Cluster, Loss};
use crate::drawn::{Draw, Drawn, Episode};
use crate::net::LinkConditions;
use crate::scenario::{FaultKind, Scenario};
use budget::Budget;
use effect::Effect;
use std::collections::{BTreeMap, VecDeque};

/// A fault that the budget does not allow waits this long at the most.
const PATIENCE_NS: u64 = 10_000_000_000;
/// What a fault has held up is told and acted upon for this long after its end.
const AFTERMATH_NS: u64 = 1_000_000_000;
/// How often it is asked whether the budget allows a fault that waits.
const RETRY_NS: u64 = 50 * MS;
const MS: u64 = 1_000_000;

/// A fault that is on.
#[derive(Clone, Debug)]
struct On {
    episode: Episode,
    effect: Effect,
    ends_ns: u64,
    /// Its place in the schedule.
    place: usize,
}

/// A fault that the budget does not allow yet.
#[derive(Clone, Debug)]
struct Waiting {
    episode: Episode,
    since_ns: u64,
    next_ns: u64,
}

/// Carries out a plan.
pub struct Nemesis {
    plan: VecDeque<Episode>,
    /// What the budget does not allow yet.
    waiting: Vec<Waiting>,
    on: Vec<On>,
    /// What has ended, and until when it counts for the budget.
    ended: Vec<(Effect, u64)>,
    fair: LinkConditions,
    /// The plan's time zero, and where in it this part ends.
    zero_ns: u64,
    until_ms: u64,
    part_ms: u64,
    /// Every last copy may be destroyed: for scenarios that are to break something.
    reckless: bool,
    servers_max: usize,
    /// Faults that took place, by kind.
    pub counts: BTreeMap<FaultKind, u64>,
    /// Faults that the budget did not allow, by kind.
    pub withheld: BTreeMap<FaultKind, u64>,
    /// Those of them that the scenario directs: without them a run is not what it is to be.
    pub missed: Vec<String>,
}

impl Nemesis {
    /// A nemesis that has not begun.
    #[must_use]
    pub fn new(scenario: &Scenario, drawn: &Drawn) -> Self {
        Nemesis {
            plan: drawn.plan.iter().cloned().collect(),
            waiting: Vec::new(),
            on: Vec::new(),
            ended: Vec::new(),
            fair: drawn.conditions.clone(),
            zero_ns: 0,
            until_ms: 0,
            part_ms: scenario.acts.faults_ms,
            reckless: scenario.faults.reckless,
            servers_max: drawn.chunkservers as usize + begin::ADDED_MAX,
            counts: BTreeMap::new(),
            withheld: BTreeMap::new(),
            missed: Vec::new(),
        }
    }

    /// The part of the plan that begins at `from_ms` begins now.
    pub fn begin_part(&mut self, now_ns: u64, from_ms: u64) {
        self.zero_ns = now_ns.saturating_sub(from_ms * MS);
        self.until_ms = from_ms + self.part_ms;
    }

    /// Ends and begins what is due.
    pub fn tick(&mut self, cluster: &mut Cluster) {
        let now = cluster.around.timeline.now();
        self.ended.retain(|(_, until_ns)| *until_ns > now);
        while let Some(at) = self.on.iter().position(|on| on.ends_ns <= now) {
            let on = self.on.remove(at);
            self.end(cluster, &on);
            self.ended.push((on.effect, now + AFTERMATH_NS));
        }
        while let Some(next) = self.plan.front().cloned() {
            // What belongs to the next part waits for it; after the last one nothing begins.
            if next.begins_ms >= self.until_ms || self.zero_ns + next.begins_ms * MS > now {
                break;
            }
            self.plan.pop_front();
            self.waiting.push(Waiting { episode: next, since_ns: now, next_ns: now });
        }
        for waiting in std::mem::take(&mut self.waiting) {
            if waiting.next_ns > now {
                self.waiting.push(waiting);
            } else if !self.begin(cluster, &waiting.episode) {
                self.wait_or_withhold(waiting, now);
            }
        }
        self.go_on(cluster, now);
        self.revive(cluster);
    }

    /// Ends everything; nothing begins until the next part does.
    pub fn end_all(&mut self, cluster: &mut Cluster) {
        while self.plan.front().is_some_and(|next| next.begins_ms < self.until_ms) {
            self.plan.pop_front();
        }
        for waiting in std::mem::take(&mut self.waiting) {
            self.withhold(&waiting.episode);
        }
        for on in std::mem::take(&mut self.on) {
            self.end(cluster, &on);
        }
        let calm = LinkConditions { loss_ppm: 0, duplicate_ppm: 0, ..self.fair.clone() };
        network::apply(cluster, &calm, &[]);
        self.revive(cluster);
    }

    fn wait_or_withhold(&mut self, waiting: Waiting, now: u64) {
        if now - waiting.since_ns < PATIENCE_NS {
            self.waiting.push(Waiting { next_ns: now + RETRY_NS, ..waiting });
        } else {
            self.withhold(&waiting.episode);
        }
    }

    fn withhold(&mut self, episode: &Episode) {
        *self.withheld.entry(episode.kind).or_default() += 1;
        if episode.aim.is_some() {
            self.missed.push(format!("{} at {} ms", episode.kind.name(), episode.begins_ms));
        }
    }

    /// Begins a fault, if the budget allows that.
    fn begin(&mut self, cluster: &mut Cluster, episode: &Episode) -> bool {
        let ended = self.ended.iter().map(|(effect, _)| effect);
        let felt = self.on.iter().map(|on| &on.effect).chain(ended);
        let budget = Budget::new(cluster, felt, self.reckless);
        let Some(effects) = begin::begin(cluster, episode, &budget, self.servers_max) else {
            return false;
        };
        *self.counts.entry(episode.kind).or_default() += 1;
        for (number, effect) in (0..).zip(effects) {
            // A fault that is done to several nodes has an end of its own for each.
            let draw = Draw(episode.draw.0.wrapping_add(number));
            self.begun(cluster, Episode { draw, ..episode.clone() }, effect);
        }
        network::apply(cluster, &self.fair, &self.on);
        true
    }

    /// Notes that a fault has begun.
    fn begun(&mut self, cluster: &mut Cluster, episode: Episode, effect: Effect) {
        let now = cluster.around.timeline.now();
        let what = format!("{} begins: {effect:?}", episode.kind.name());
        let fault = effect.told(cluster, &episode, false);
        cluster.around.watch.fault(cluster.node(effect.about()), &what, &fault);
        let ends_ns = now + (episode.ends_ms - episode.begins_ms) * MS;
        let happened = effect.happened(cluster, episode.kind, self.plan_ms(now));
        let place = {
            let schedule = &mut cluster.around.watch.state().schedule;
            schedule.push(happened);
            schedule.len() - 1
        };
        self.on.push(On { episode, effect, ends_ns, place });
    }

    /// A moment in the plan's time, in which the breaks between two parts do not count.
    fn plan_ms(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.zero_ns) / MS
    }

    fn end(&mut self, cluster: &mut Cluster, on: &On) {
        let until_ms = self.plan_ms(cluster.around.timeline.now());
        cluster.around.watch.state().schedule[on.place].until_ms = Some(until_ms);
        match &on.effect {
            Effect::Still(host) => cluster.pause(*host, false),
            Effect::Frozen(host) => cluster.freeze(*host, false),
            Effect::Fuse(host) => cluster.disk(*host).keep_power(),
            Effect::Slow(host) => cluster.disk(*host).slow_down(1),
            Effect::Stalled(host) => cluster.disk(*host).stall(false),
            Effect::Full(host) => cluster.disk(*host).fill(None),
            Effect::NoSync(host) => end_sync_failure(cluster, *host),
            // Those that are down are revived; cuts and conditions are those of what is still on.
            Effect::Down(_) | Effect::Rolling { .. } | Effect::Cut { .. } => {}
            Effect::Degraded(_) | Effect::SlowNode(..) | Effect::Narrow(..) | Effect::Done(_) => {}
        }
        let what = format!("{} ends", on.episode.kind.name());
        let fault = on.effect.told(cluster, &on.episode, true);
        cluster.around.watch.fault(cluster.node(on.effect.about()), &what, &fault);
        network::apply(cluster, &self.fair, &self.on);
    }

    /// What changes while a fault is on: links flap, and the next server is restarted.
    fn go_on(&mut self, cluster: &mut Cluster, now: u64) {
        let mut flapped = false;
        for on in &mut self.on {
            match &mut on.effect {
                Effect::Cut { flap: Some(flap), .. } => flapped |= flap.turn(now),
                Effect::Rolling { hosts, next_ns, every_ns } if *next_ns <= now => {
                    *next_ns = now + *every_ns;
                    if let Some(host) = hosts.pop_front() {
                        cluster.stop(host, Loss::Process);
                    }
                }
                _ => {}
            }
        }
        if flapped {
            network::apply(cluster, &self.fair, &self.on);
        }
    }

    /// Starts every host that no fault keeps down.
    fn revive(&self, cluster: &mut Cluster) {
        for host in 0..cluster.hosts() {
            let held = self.on.iter().any(|on| match &on.effect {
                Effect::Down(hosts) => hosts.contains(&host),
                Effect::Fuse(fused) => *fused == host,
                Effect::Full(full) => *full == host && cluster.lacks_room(host),
                // A master whose disk failed has ended itself.
                Effect::NoSync(failed) => *failed == host && cluster.is_master(host),
                _ => false,
            });
            if !cluster.is_up(host) && !held {
                cluster.start(host);
            }
        }
    }
}

/// Whoever runs the node sees that its disk is out of service, and starts the machine again.
fn end_sync_failure(cluster: &mut Cluster, host: usize) {
    if cluster.disk(host).sync_failed() {
        cluster.stop(host, Loss::Power);
    }
    cluster.disk(host).fail_next_sync(false);
}
