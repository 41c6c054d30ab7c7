//! Faults that a scenario aims: at the nodes that it names, as strong as it says.

use super::MS;
use super::begin::{Victims, carried, cut_master, rack, rolling, slower};
use super::effect::{Effect, Flap};
use crate::cluster::Cluster;
use crate::drawn::Episode;
use crate::net::Lane;
use crate::scenario::{self, Aim, FaultKind};
use crate::seed::Stream;
use leasehold_proto::NodeId;

/// The nodes that an aim names; none while there is none of them: a chunk that has no primary yet.
pub(super) fn victims(cluster: &Cluster, kind: FaultKind, aim: &Aim) -> Option<Victims> {
    let servers_only = kind.victims() == scenario::Victims::Servers;
    let nodes = match (&aim.nodes, aim.rack, &aim.primary_of) {
        (Some(names), ..) => {
            names.iter().map(|name| named(cluster, name)).collect::<Option<Vec<NodeId>>>()?
        }
        (None, Some(rack), _) => {
            let hosts = (0..cluster.hosts()).filter(|host| u64::from(cluster.rack(*host)) == rack);
            let hosts = hosts.filter(|host| !servers_only || !cluster.is_master(*host));
            hosts.map(|host| cluster.node(host)).collect()
        }
        (None, None, path) => {
            let chunk = aim.chunk.unwrap_or(0);
            let primary = cluster.around.watch.state().primary_of(path.as_deref()?, chunk)?;
            match kind {
                FaultKind::RackPower => {
                    let hosts = rack(cluster, cluster.host_of(primary)?);
                    hosts.into_iter().map(|host| cluster.node(host)).collect()
                }
                _ => vec![primary],
            }
        }
    };
    (!nodes.is_empty()).then_some(Victims::Named(nodes))
}

/// The node of a name such as `chunkserver-1`.
fn named(cluster: &Cluster, name: &str) -> Option<NodeId> {
    if name == "leader" {
        return cluster.around.watch.state().leader;
    }
    let (role, number) = name.rsplit_once('-')?;
    let number = number.parse::<usize>().ok().filter(|number| *number > 0)?;
    let masters = cluster.masters();
    match role {
        "master" => (number <= masters).then(|| cluster.node(number - 1)),
        "chunkserver" => {
            let host = masters + number - 1;
            (host < cluster.hosts()).then(|| cluster.node(host))
        }
        _ => cluster.client(number),
    }
}

/// What a fault does to these nodes; none if it cannot be done to them.
pub(super) fn effects(
    cluster: &Cluster,
    episode: &Episode,
    nodes: &[NodeId],
    stream: &mut Stream,
) -> Option<Vec<Effect>> {
    let hosts: Vec<usize> = nodes.iter().filter_map(|node| cluster.host_of(*node)).collect();
    let each = |effect: fn(usize) -> Effect| hosts.iter().map(|host| effect(*host)).collect();
    let aim = episode.aim.as_ref()?;
    let effects: Vec<Effect> = match episode.kind {
        FaultKind::Crash
        | FaultKind::Restart
        | FaultKind::Wipe
        | FaultKind::MasterCrash
        | FaultKind::MasterWipe
        | FaultKind::RackPower => vec![Effect::Down(hosts)],
        FaultKind::RollingRestart => vec![rolling(hosts, episode, stream)],
        FaultKind::CrashAtIo => each(Effect::Fuse),
        FaultKind::Pause | FaultKind::LongPause => each(Effect::Still),
        FaultKind::Frozen => each(Effect::Frozen),
        FaultKind::SlowDisk => each(Effect::Slow),
        FaultKind::Stall => each(Effect::Stalled),
        FaultKind::DiskFull | FaultKind::MasterDiskFull => each(Effect::Full),
        FaultKind::FsyncFails | FaultKind::MasterFsyncFails => each(Effect::NoSync),
        FaultKind::MasterCut => hosts.iter().map(|host| cut_master(cluster, *host)).collect(),
        FaultKind::SlowLink => {
            let factor = slower(episode, stream);
            nodes.iter().map(|node| Effect::SlowNode(*node, factor)).collect()
        }
        FaultKind::Narrow => vec![narrow(aim, nodes, carried(episode, stream))],
        FaultKind::Partition
        | FaultKind::OneWay
        | FaultKind::Isolate
        | FaultKind::Partial
        | FaultKind::Flapping => vec![cut(cluster, episode, nodes, stream)?],
        // They are about the whole cluster, or done at once; a scenario that aims them is refused.
        FaultKind::ClusterPower
        | FaultKind::AddServer
        | FaultKind::Loss
        | FaultKind::Duplicate
        | FaultKind::Reorder
        | FaultKind::Delay
        | FaultKind::CorruptFrames
        | FaultKind::WallJump
        | FaultKind::Rot
        | FaultKind::PhantomWrite
        | FaultKind::Misdirected
        | FaultKind::LatentError => return None,
    };
    Some(effects).filter(|effects| !effects.is_empty())
}

/// A rack's uplink, or the cards of nodes.
fn narrow(aim: &Aim, nodes: &[NodeId], rate: u64) -> Effect {
    let rack = aim.rack.and_then(|rack| u32::try_from(rack).ok());
    let uplink = rack.into_iter().flat_map(|rack| [Lane::Up(rack), Lane::Down(rack)]);
    let cards = nodes.iter().flat_map(|node| [Lane::Out(*node), Lane::In(*node)]);
    let cards = cards.filter(|_| rack.is_none());
    Effect::Narrow(uplink.chain(cards).map(|lane| (lane, rate)).collect())
}

/// Between these nodes and the others: those that are named, or all that are left.
fn cut(
    cluster: &Cluster,
    episode: &Episode,
    nodes: &[NodeId],
    stream: &mut Stream,
) -> Option<Effect> {
    let named = episode.aim.as_ref().and_then(|aim| aim.others.as_ref());
    let left = cluster.nodes().into_iter().filter(|node| !nodes.contains(node)).collect();
    let mut others: Vec<NodeId> = match named {
        Some(names) => {
            names.iter().map(|name| self::named(cluster, name)).collect::<Option<_>>()?
        }
        None => left,
    };
    let one_way = vec![(nodes.to_vec(), others.clone())];
    let pairs = match episode.kind {
        FaultKind::OneWay => one_way,
        FaultKind::Isolate => nodes.iter().flat_map(|node| isolated(cluster, *node)).collect(),
        FaultKind::Partial if named.is_none() => {
            others = vec![*stream.pick(&others)];
            vec![(nodes.to_vec(), others.clone()), (others, nodes.to_vec())]
        }
        _ => vec![(nodes.to_vec(), others.clone()), (others, nodes.to_vec())],
    };
    let period_ns = stream.log_within(50..=1_000) * MS;
    let flap = Flap { period_ns, next_ns: 0, cut: false };
    Some(Effect::Cut { pairs, flap: (episode.kind == FaultKind::Flapping).then_some(flap) })
}

/// A node, and all others, both ways.
fn isolated(cluster: &Cluster, node: NodeId) -> [(Vec<NodeId>, Vec<NodeId>); 2] {
    let others: Vec<NodeId> = cluster.nodes().into_iter().filter(|other| *other != node).collect();
    [(vec![node], others.clone()), (others, vec![node])]
}
