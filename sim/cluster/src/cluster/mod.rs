//! The cluster: hosts with their disks, the processes on them, and what a nemesis can do to both.

mod host;
mod session;
mod storage;
mod watch;

pub use host::{End, Surroundings};
pub use session::Session;
pub use watch::{Found, Watch};

use crate::disk::SimDisk;
use crate::drawn::Drawn;
use crate::log::LogOptions;
use crate::net::{Network, Parcel};
use crate::scenario::Scenario;
use crate::timeline::Timeline;
use host::Life;
use leasehold_proto::{NodeId, Rack};
use madsim::runtime::Handle;
use madsim::task::NodeId as Machine;
use tokio::sync::mpsc;

/// The only master.
pub const MASTER: NodeId = NodeId(1);
/// The host that the master is on; chunkservers are on those after it.
pub const MASTER_HOST: usize = 0;

/// One machine: what stays when its process ends.
struct Host {
    machine: Machine,
    node: NodeId,
    rack: Rack,
    disk: SimDisk,
    lives: u64,
    up: bool,
    wipes: u64,
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Only the process: its operating system keeps what it has.
    Process,
    /// Power: unsynced bytes are kept, lost or torn.
    Power,
    /// The disk too.
    Disk,
}

/// A whole cluster under madsim.
pub struct Cluster {
    /// What every process needs.
    pub around: Surroundings,
    madsim: Handle,
    hosts: Vec<Host>,
    /// The machines of client sessions.
    sessions: Vec<Machine>,
    ends: mpsc::UnboundedReceiver<(usize, End)>,
}

impl Cluster {
    /// A cluster whose processes have not begun. To be called within a madsim runtime.
    #[must_use]
    pub fn new(scenario: &Scenario, drawn: &Drawn, log: LogOptions) -> Self {
        let timeline = Timeline::<Parcel>::current();
        let network =
            Network::new(drawn.seed, std::sync::Arc::clone(&timeline), drawn.weather.clone());
        madsim::task::spawn(std::sync::Arc::clone(&network).carry());
        let (sender, ends) = mpsc::unbounded_channel();
        let recorded = log.record;
        let watch = Watch::new(&timeline, &drawn.constants, log);
        if recorded {
            let watch = watch.clone();
            network.tap(Box::new(move |passage| watch.passed(passage)));
        }
        let around = Surroundings {
            seed: drawn.seed,
            watch,
            timeline,
            network,
            constants: drawn.constants.clone(),
            drift_ppm: drawn.drift_ppm,
            journal_bytes: scenario.disks.journal_bytes,
            ends: sender,
        };
        let madsim = Handle::current();
        let host = |index: u64| Host {
            machine: madsim.create_node().name(format!("host-{index}")).build().id(),
            node: if index == 0 { MASTER } else { NodeId(100 + index) },
            rack: Rack((index % drawn.racks) as u32),
            disk: SimDisk::new(
                drawn.seed,
                index,
                scenario.disks.latency(),
                scenario.disks.capacity_bytes,
            ),
            lives: 0,
            up: false,
            wipes: 0,
        };
        let hosts = (0..=drawn.chunkservers).map(host).collect();
        Cluster { around, madsim, hosts, sessions: Vec::new(), ends }
    }

    /// Begins every process.
    pub fn start_all(&mut self) {
        (0..self.hosts.len()).for_each(|host| self.start(host));
    }

    /// How many hosts there are, the master's included.
    #[must_use]
    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// Whether a process runs there.
    #[must_use]
    pub fn is_up(&self, host: usize) -> bool {
        self.hosts[host].up
    }

    /// The node on a host.
    #[must_use]
    pub fn node(&self, host: usize) -> NodeId {
        self.hosts[host].node
    }

    /// The disk of a host, in its present life.
    #[must_use]
    pub fn disk(&self, host: usize) -> &SimDisk {
        &self.hosts[host].disk
    }

    /// Every node that messages go between: hosts and sessions.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeId> {
        let sessions = (0..self.sessions.len() as u64).map(session::node);
        self.hosts.iter().map(|host| host.node).chain(sessions).collect()
    }

    /// Begins the next life of a process, if none runs there.
    pub fn start(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        if host.up {
            return;
        }
        host.up = true;
        host.lives += 1;
        if host.lives > 1 {
            // A kill came before: madsim resets a node only then.
            self.madsim.restart(host.machine);
        }
        let life = Life { host: index, number: host.lives, disk: host.disk.clone() };
        let (around, node, rack) = (self.around.clone(), host.node, host.rack);
        let machine = self.madsim.get_node(host.machine).expect("hosts are never removed");
        if index == MASTER_HOST {
            machine.spawn(life.master(around));
        } else {
            machine.spawn(life.chunkserver(around, node, rack));
        }
    }

    /// Ends a process, if one runs there, with everything that is lost with it.
    pub fn stop(&mut self, index: usize, loss: Loss) {
        let host = &mut self.hosts[index];
        if host.up {
            host.up = false;
            self.madsim.kill(host.machine);
            self.around.network.detach(host.node);
            self.around.watch.crashed(host.node);
        }
        host.disk = match loss {
            Loss::Process => host.disk.reopen(),
            Loss::Power => host.disk.crash(),
            Loss::Disk => host.disk.wipe(),
        };
        if loss == Loss::Disk {
            self.around.watch.disk_destroyed(host.node);
            host.wipes += 1;
            host.node = NodeId(100 + index as u64 + 1_000 * host.wipes);
        }
    }

    /// Has a process stand still, or go on.
    pub fn pause(&self, host: usize, still: bool) {
        let machine = self.hosts[host].machine;
        if still { self.madsim.pause(machine) } else { self.madsim.resume(machine) }
    }

    /// Kills the processes that ended by themselves since this was last called; whose store did
    /// not open, and why.
    pub fn settle_ends(&mut self) -> Option<(NodeId, String)> {
        while let Ok((host, end)) = self.ends.try_recv() {
            match end {
                End::PowerFailed => self.stop(host, Loss::Power),
                End::DoesNotOpen(why) => return Some((self.hosts[host].node, why)),
            }
        }
        None
    }

    /// A new client session, on a machine of its own.
    pub async fn session(&mut self) -> Session {
        let index = self.sessions.len() as u64;
        let machine = self.madsim.create_node().name(format!("client-{index}")).build();
        self.sessions.push(machine.id());
        session::begin(machine, &self.around, index).await
    }

    /// Kills everything, so that no task outlives the run.
    pub fn end(&mut self) {
        for index in 0..self.hosts.len() {
            self.stop(index, Loss::Process);
        }
        for machine in self.sessions.drain(..) {
            self.madsim.kill(machine);
        }
        self.around.network.end();
        self.around.timeline.end();
    }
}
