//! How each kind of fault begins: its victims and its strength, drawn from its own episode.

use super::budget::{Budget, chunk_of};
use super::effect::{Degradation, Effect, Flap};
use super::{MS, aimed};
use crate::cluster::{Cluster, Loss, MASTER_HOST};
use crate::disk::Harm;
use crate::drawn::Episode;
use crate::net::Lane;
use crate::scenario::FaultKind;
use crate::seed::{Seed, Stream};
use leasehold_proto::NodeId;
use std::collections::BTreeMap;

/// Servers that may join in a run.
pub(super) const ADDED_MAX: usize = 3;
/// A full disk has room for less than this.
const ROOM_BYTES_MAX: u64 = 64 << 10;
/// Wall time jumps by up to a week.
const JUMP_MS_MAX: u64 = 7 * 24 * 3_600_000;

/// Begins a fault; nothing if the budget does not allow it, or there is no occasion for it.
pub(super) fn begin(
    cluster: &mut Cluster,
    episode: &Episode,
    budget: &Budget,
    servers_max: usize,
) -> Option<Vec<Effect>> {
    if episode.kind.needs_masters() && cluster.masters() == 1 {
        return None;
    }
    let mut stream = Seed(episode.draw.0).fork("fault", 0);
    let servers = cluster.masters() as u64..=cluster.hosts() as u64 - 1;
    let server = stream.within(servers) as usize;
    let master = master(cluster, episode);
    let anyone = if stream.permille(250) { master } else { server };
    let victims = match &episode.aim {
        Some(aim) if aim.names_nodes() => aimed::victims(cluster, episode.kind, aim)?,
        _ => Victims::Drawn { server, master, anyone },
    };
    if let Some(harm) = harm_of(episode.kind) {
        let hosts = victims.hosts(cluster, server);
        let harmed = hosts.into_iter().filter_map(|host| {
            harmed(cluster, harm, host, budget, &mut stream).then_some(Effect::Done(host))
        });
        return Some(harmed.collect::<Vec<_>>()).filter(|effects| !effects.is_empty());
    }
    let effects = match &victims {
        Victims::Drawn { .. } => vec![drawn(cluster, episode, &victims, &mut stream)],
        Victims::Named(nodes) => aimed::effects(cluster, episode, nodes, &mut stream)?,
    };
    if !is_allowed(cluster, episode.kind, &effects, budget) {
        return None;
    }
    if episode.kind == FaultKind::AddServer {
        let servers = cluster.hosts() - cluster.masters();
        return (servers < servers_max).then(|| vec![Effect::Done(cluster.add_host())]);
    }
    for effect in &effects {
        act(cluster, episode, effect, &mut stream);
    }
    Some(effects)
}

/// Whom a fault is done to.
pub(super) enum Victims {
    /// Whom the seed drew: a server, a master, one of both.
    Drawn { server: usize, master: usize, anyone: usize },
    /// Those that the scenario names.
    Named(Vec<NodeId>),
}

impl Victims {
    /// The hosts that a fault of servers is done to.
    fn hosts(&self, cluster: &Cluster, server: usize) -> Vec<usize> {
        match self {
            Victims::Drawn { .. } => vec![server],
            Victims::Named(nodes) => {
                nodes.iter().filter_map(|node| cluster.host_of(*node)).collect()
            }
        }
    }
}

/// The budget, what is down already, and disks of which one has to stay.
fn is_allowed(cluster: &Cluster, kind: FaultKind, effects: &[Effect], budget: &Budget) -> bool {
    let may_hinder = |effect: &Effect| budget.may_hinder(&effect.reach(cluster));
    if !effects.iter().all(|effect| may_hinder(effect) && is_possible(cluster, effect)) {
        return false;
    }
    let hosts: Vec<usize> = effects.iter().flat_map(Effect::hosts).collect();
    let loses_disk = matches!(kind, FaultKind::Wipe | FaultKind::FsyncFails);
    if loses_disk && !budget.may_lose(&hosts) {
        return false;
    }
    // Whoever has lost its disk holds nothing that was committed, until it is back.
    let one = cluster.masters_away().is_empty() && hosts.len() == 1;
    kind != FaultKind::MasterWipe || one
}

/// What a fault does to those that the seed drew.
fn drawn(cluster: &Cluster, episode: &Episode, victims: &Victims, stream: &mut Stream) -> Effect {
    let (server, master, anyone) = match victims {
        Victims::Drawn { server, master, anyone } => (*server, *master, *anyone),
        Victims::Named(_) => unreachable!("a fault that is aimed is not drawn"),
    };
    match episode.kind {
        FaultKind::Crash | FaultKind::Restart | FaultKind::Wipe => Effect::Down(vec![server]),
        FaultKind::MasterCrash | FaultKind::MasterWipe => Effect::Down(vec![master]),
        FaultKind::RackPower => Effect::Down(rack(cluster, server)),
        FaultKind::ClusterPower => Effect::Down((0..cluster.hosts()).collect()),
        FaultKind::RollingRestart => rolling((0..cluster.hosts()).collect(), episode, stream),
        FaultKind::AddServer => Effect::Done(cluster.hosts()),
        FaultKind::CrashAtIo => Effect::Fuse(anyone),
        FaultKind::Pause | FaultKind::LongPause => Effect::Still(anyone),
        FaultKind::Frozen => Effect::Frozen(server),
        FaultKind::Partition
        | FaultKind::OneWay
        | FaultKind::Isolate
        | FaultKind::Partial
        | FaultKind::Flapping => cut(cluster, episode.kind, cluster.node(anyone), stream),
        FaultKind::Loss
        | FaultKind::Duplicate
        | FaultKind::Reorder
        | FaultKind::Delay
        | FaultKind::CorruptFrames => Effect::Degraded(degradation(episode, stream)),
        FaultKind::SlowLink => Effect::SlowNode(cluster.node(anyone), slower(episode, stream)),
        FaultKind::Narrow => narrow(cluster, episode, anyone, stream),
        FaultKind::SlowDisk => Effect::Slow(anyone),
        FaultKind::Stall => Effect::Stalled(anyone),
        FaultKind::DiskFull => Effect::Full(server),
        FaultKind::FsyncFails => Effect::NoSync(server),
        FaultKind::WallJump => Effect::Done(MASTER_HOST),
        FaultKind::MasterCut => cut_master(cluster, master),
        FaultKind::MasterFsyncFails => Effect::NoSync(master),
        FaultKind::MasterDiskFull => Effect::Full(master),
        FaultKind::Rot
        | FaultKind::PhantomWrite
        | FaultKind::Misdirected
        | FaultKind::LatentError => unreachable!("a replica is harmed at once"),
    }
}

/// The master that a fault is about, if it is about one: as likely the one that leads as any.
fn master(cluster: &Cluster, episode: &Episode) -> usize {
    if cluster.masters() == 1 {
        return MASTER_HOST;
    }
    let mut own = Seed(episode.draw.0).fork("master", 0);
    let any = own.within(0..=cluster.masters() as u64 - 1) as usize;
    let leader = cluster.around.watch.state().leader.and_then(|leader| cluster.host_of(leader));
    if own.permille(500) { leader.unwrap_or(any) } else { any }
}

/// Some things cannot be done to who is down already.
fn is_possible(cluster: &Cluster, effect: &Effect) -> bool {
    match effect {
        Effect::Still(host) | Effect::Frozen(host) | Effect::NoSync(host) => cluster.is_up(*host),
        _ => true,
    }
}

/// What is done at once; the rest is done by whoever asks what is on.
fn act(cluster: &mut Cluster, episode: &Episode, effect: &Effect, stream: &mut Stream) {
    let aim = episode.aim.as_ref();
    match effect {
        Effect::Down(hosts) => {
            let loss = match episode.kind {
                FaultKind::Restart => Loss::Process,
                FaultKind::Wipe | FaultKind::MasterWipe => Loss::Disk,
                _ => Loss::Power,
            };
            hosts.iter().for_each(|host| cluster.stop(*host, loss));
        }
        Effect::Still(host) => cluster.pause(*host, true),
        Effect::Frozen(host) => cluster.freeze(*host, true),
        Effect::Fuse(host) => cluster.disk(*host).fail_power_after(stream.within(1..=60)),
        Effect::Slow(host) => {
            let drawn = stream.within(5..=50);
            let factor = aim.and_then(|aim| aim.factor).unwrap_or(drawn);
            cluster.disk(*host).slow_down(factor);
        }
        Effect::Stalled(host) => cluster.disk(*host).stall(true),
        Effect::Full(host) => {
            let drawn = stream.within(0..=ROOM_BYTES_MAX);
            let room = aim.and_then(|aim| aim.room_bytes).unwrap_or(drawn);
            cluster.disk(*host).fill(Some(room));
        }
        Effect::NoSync(host) => cluster.disk(*host).fail_next_sync(true),
        // A server that joins, or a replica that is harmed, is done where it is drawn.
        Effect::Done(_) => {
            let jump = stream.log_within(1..=JUMP_MS_MAX) as i64;
            let jump = if stream.permille(500) { jump } else { -jump };
            leasehold_runtime::clock::jump_wall_clock_ms(jump);
        }
        Effect::Rolling { .. } | Effect::Cut { .. } | Effect::Degraded(_) => {}
        Effect::SlowNode(..) | Effect::Narrow(_) => {}
    }
}

/// The servers of a rack; the master too, if it is there.
pub(super) fn rack(cluster: &Cluster, server: usize) -> Vec<usize> {
    (0..cluster.hosts()).filter(|host| cluster.rack(*host) == cluster.rack(server)).collect()
}

pub(super) fn rolling(mut hosts: Vec<usize>, episode: &Episode, stream: &mut Stream) -> Effect {
    stream.shuffle(&mut hosts);
    let every_ns = (episode.ends_ms - episode.begins_ms) * MS / hosts.len() as u64;
    Effect::Rolling { hosts: hosts.into(), next_ns: 0, every_ns }
}

fn cut(cluster: &Cluster, kind: FaultKind, one: NodeId, stream: &mut Stream) -> Effect {
    let nodes = cluster.nodes();
    let (some, others) = split(nodes.clone(), stream);
    let both = |a: Vec<NodeId>, b: Vec<NodeId>| vec![(a.clone(), b.clone()), (b, a)];
    let pairs = match kind {
        FaultKind::OneWay => vec![(some, others)],
        FaultKind::Isolate => both(vec![one], nodes),
        FaultKind::Partial => {
            let others: Vec<NodeId> = nodes.into_iter().filter(|node| *node != one).collect();
            both(vec![one], vec![*stream.pick(&others)])
        }
        _ => both(some, others),
    };
    let period_ns = stream.log_within(50..=1_000) * MS;
    let flap = Flap { period_ns, next_ns: 0, cut: false };
    Effect::Cut { pairs, flap: (kind == FaultKind::Flapping).then_some(flap) }
}

/// It may still think that it leads, and be asked by everybody who hears it.
pub(super) fn cut_master(cluster: &Cluster, master: usize) -> Effect {
    let masters = (MASTER_HOST..cluster.masters()).filter(|host| *host != master);
    let others: Vec<NodeId> = masters.map(|host| cluster.node(host)).collect();
    let one = vec![cluster.node(master)];
    let pairs = vec![(one.clone(), others.clone()), (others.clone(), one)];
    Effect::Cut { pairs, flap: None }
}

/// Two groups, neither empty.
fn split(mut nodes: Vec<NodeId>, stream: &mut Stream) -> (Vec<NodeId>, Vec<NodeId>) {
    stream.shuffle(&mut nodes);
    let other = nodes.split_off(stream.within(1..=nodes.len() as u64 - 1) as usize);
    (nodes, other)
}

fn degradation(episode: &Episode, stream: &mut Stream) -> Degradation {
    let drawn = drawn_degradation(episode.kind, stream);
    let Some(aim) = &episode.aim else { return drawn };
    drawn.of_strength(aim.ppm, aim.factor)
}

fn drawn_degradation(kind: FaultKind, stream: &mut Stream) -> Degradation {
    match kind {
        FaultKind::Loss => Degradation::Loss { ppm: stream.log_within(10_000..=400_000) as u32 },
        FaultKind::Duplicate => {
            Degradation::Duplicate { ppm: stream.log_within(1_000..=300_000) as u32 }
        }
        FaultKind::Reorder => Degradation::Reorder {
            ppm: stream.log_within(20_000..=500_000) as u32,
            most_ns: stream.log_within(10..=2_000) * MS,
        },
        FaultKind::Delay => Degradation::Delay { factor: stream.log_within(5..=500) },
        _ => Degradation::Corrupt { ppm: stream.log_within(1_000..=50_000) as u32 },
    }
}

/// How many times as long messages of one node take.
pub(super) fn slower(episode: &Episode, stream: &mut Stream) -> u64 {
    let drawn = stream.log_within(5..=2_000);
    episode.aim.as_ref().and_then(|aim| aim.factor).unwrap_or(drawn)
}

/// What a narrow lane carries.
pub(super) fn carried(episode: &Episode, stream: &mut Stream) -> u64 {
    let drawn = stream.log_within(20_000..=2_000_000);
    episode.aim.as_ref().and_then(|aim| aim.bytes_per_second).unwrap_or(drawn)
}

fn narrow(cluster: &Cluster, episode: &Episode, host: usize, stream: &mut Stream) -> Effect {
    let rate = carried(episode, stream);
    let (node, rack) = (cluster.node(host), cluster.rack(host));
    let lanes = match stream.permille(500) {
        true => [Lane::Out(node), Lane::In(node)],
        false => [Lane::Up(rack), Lane::Down(rack)],
    };
    Effect::Narrow(BTreeMap::from(lanes.map(|lane| (lane, rate))))
}

/// How a replica is harmed by this kind of fault, if one is.
fn harm_of(kind: FaultKind) -> Option<Harm> {
    match kind {
        FaultKind::Rot => Some(Harm::Rot),
        FaultKind::PhantomWrite => Some(Harm::PhantomWrite),
        FaultKind::Misdirected => Some(Harm::Misdirected),
        FaultKind::LatentError => Some(Harm::LatentError),
        _ => None,
    }
}

/// Harms a replica on a host, if there is one that the budget allows to.
fn harmed(
    cluster: &Cluster,
    harm: Harm,
    host: usize,
    budget: &Budget,
    stream: &mut Stream,
) -> bool {
    let may = |name: &String| chunk_of(name).is_some_and(|chunk| budget.may_harm(host, chunk));
    let disk = cluster.disk(host);
    let files: Vec<String> = disk.files("chunks/").into_iter().filter(may).collect();
    !disk.harm(harm, &files, stream).is_empty()
}
