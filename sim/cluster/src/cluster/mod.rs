//! The cluster: hosts with their disks, the processes on them, and what a nemesis can do to both.

mod copies;
mod host;
mod operator;
pub(crate) mod session;
mod storage;
mod watch;

pub use copies::Copies;
pub use host::{End, Surroundings};
pub use session::Session;
pub use watch::{Found, Watch};

use crate::disk::SimDisk;
use crate::drawn::Drawn;
use crate::log::LogOptions;
use crate::net::{Delivery, Lanes, Network};
use crate::scenario::{DiskBounds, Scenario};
use crate::timeline::Timeline;
use host::Life;
use leasehold_proto::{NodeId, Rack};
use madsim::runtime::Handle;
use madsim::task::{JoinHandle, NodeId as Machine};
use operator::Operator;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The first master, or the only one; the others are numbered from it.
pub const MASTER: NodeId = NodeId(1);
/// The host that the first master is on; the others follow it, and chunkservers are on the hosts
/// after them.
pub const MASTER_HOST: usize = 0;

/// One machine: what stays when its process ends.
struct Host {
    machine: Machine,
    node: NodeId,
    rack: Rack,
    disk: SimDisk,
    lives: u64,
    up: bool,
    /// Its last life did not begin for want of room.
    lacks_room: bool,
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
    racks: u64,
    disks: DiskBounds,
    /// The client sessions, with their machines.
    sessions: Vec<(NodeId, Machine)>,
    sessions_begun: u64,
    /// Begins with the first master that loses its disk.
    operator: Option<Operator>,
    /// Carries what is sent. It holds the network, and the network's timeline holds it.
    carrier: JoinHandle<()>,
    ends: mpsc::UnboundedReceiver<(usize, End)>,
}

impl Cluster {
    /// A cluster whose processes have not begun. To be called within a madsim runtime.
    #[must_use]
    pub fn new(scenario: &Scenario, drawn: &Drawn, log: LogOptions) -> Self {
        let timeline = Timeline::<Delivery>::current();
        let network = Network::new(
            drawn.seed,
            Arc::clone(&timeline),
            drawn.conditions.clone(),
            Lanes::new(scenario.network.rates()),
        );
        let carrier = madsim::task::spawn(Arc::clone(&network).carry());
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
            masters: (0..drawn.masters).map(|number| NodeId(MASTER.0 + number)).collect(),
            journal_bytes: scenario.disks.journal_bytes,
            checkpoint_entries: scenario.disks.checkpoint_entries,
            ends: sender,
        };
        let mut cluster = Cluster {
            around,
            madsim: Handle::current(),
            hosts: Vec::new(),
            racks: drawn.racks,
            disks: scenario.disks.clone(),
            sessions: Vec::new(),
            sessions_begun: 0,
            operator: None,
            carrier,
            ends,
        };
        for _ in 0..drawn.masters + drawn.chunkservers {
            cluster.add_host();
        }
        cluster
    }

    /// A machine with an empty disk, on which no process has begun; its index.
    pub fn add_host(&mut self) -> usize {
        let index = self.hosts.len();
        let number = index as u64;
        let seed = self.around.seed;
        let latency = self.disks.latency(&mut seed.fork("disk kind", number));
        let host = Host {
            machine: self.madsim.create_node().name(format!("host-{index}")).build().id(),
            node: self.around.masters.get(index).copied().unwrap_or(NodeId(100 + number)),
            rack: Rack((number % self.racks) as u32),
            disk: SimDisk::new(seed, number, latency, self.disks.capacity_bytes),
            lives: 0,
            up: false,
            lacks_room: false,
            wipes: 0,
        };
        self.around.network.lanes(|lanes| lanes.place(host.node, host.rack.0));
        self.around.watch.state().checkers.is_in(host.node, host.rack);
        self.hosts.push(host);
        index
    }

    /// Begins every process.
    pub fn start_all(&mut self) {
        (0..self.hosts.len()).for_each(|host| self.start(host));
    }

    /// How many of the hosts are masters', from [`MASTER_HOST`] on.
    #[must_use]
    pub fn masters(&self) -> usize {
        self.around.masters.len()
    }

    /// Whether a master is on a host.
    #[must_use]
    pub fn is_master(&self, host: usize) -> bool {
        host < self.masters()
    }

    /// How many hosts there are, the masters' included.
    #[must_use]
    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// Whether a process runs there.
    #[must_use]
    pub fn is_up(&self, host: usize) -> bool {
        self.hosts[host].up
    }

    /// Whether a host is down for want of room on its disk.
    #[must_use]
    pub fn lacks_room(&self, host: usize) -> bool {
        self.hosts[host].lacks_room
    }

    /// The node on a host.
    #[must_use]
    pub fn node(&self, host: usize) -> NodeId {
        self.hosts[host].node
    }

    /// The rack that a host stands in.
    #[must_use]
    pub fn rack(&self, host: usize) -> u32 {
        self.hosts[host].rack.0
    }

    /// The host that a node is on, if it is on one.
    #[must_use]
    pub fn host_of(&self, node: NodeId) -> Option<usize> {
        self.hosts.iter().position(|host| host.node == node)
    }

    /// The disk of a host, in its present life.
    #[must_use]
    pub fn disk(&self, host: usize) -> &SimDisk {
        &self.hosts[host].disk
    }

    /// Every node that messages go between: hosts and sessions.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeId> {
        let sessions = self.sessions.iter().map(|(node, _)| *node);
        self.hosts.iter().map(|host| host.node).chain(sessions).collect()
    }

    /// The session of a client that works, numbered from 1; the one before them all only looks.
    #[must_use]
    pub fn client(&self, number: usize) -> Option<NodeId> {
        self.sessions.get(number).map(|(node, _)| *node).filter(|_| number > 0)
    }

    /// Begins the next life of a process, if none runs there.
    pub fn start(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        if host.up {
            return;
        }
        host.up = true;
        host.lacks_room = false;
        host.lives += 1;
        if host.lives > 1 {
            // A kill came before: madsim resets a node only then.
            self.madsim.restart(host.machine);
        }
        let life = Life { host: index, number: host.lives, disk: host.disk.clone() };
        let (around, node, rack, wipes) = (self.around.clone(), host.node, host.rack, host.wipes);
        let machine = self.madsim.get_node(host.machine).expect("hosts are never removed");
        if self.is_master(index) {
            machine.spawn(life.master(around, node, wipes));
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
            if index < self.around.masters.len() {
                let (node, birth) = (host.node, host.wipes);
                return self.operator().replace(node, birth);
            }
            host.node = NodeId(100 + index as u64 + 1_000 * host.wipes);
            let (node, rack) = (host.node, host.rack);
            self.around.network.lanes(|lanes| lanes.place(node, rack.0));
            self.around.watch.state().checkers.is_in(node, rack);
        }
    }

    fn operator(&mut self) -> &Operator {
        let (madsim, around) = (&self.madsim, &self.around);
        self.operator.get_or_insert_with(|| Operator::begin(madsim, around))
    }

    /// Masters that lost their disks and are not among the others again.
    #[must_use]
    pub fn masters_away(&self) -> Vec<NodeId> {
        self.operator.as_ref().map(Operator::away).unwrap_or_default()
    }

    /// Has a process stand still, or continue.
    pub fn pause(&self, host: usize, still: bool) {
        let machine = self.hosts[host].machine;
        if still {
            self.madsim.pause(machine);
        } else {
            // Another fault may have stopped its clock meanwhile.
            self.around.watch.frozen(self.hosts[host].node, false);
            self.madsim.resume(machine);
        }
    }

    /// The same to a virtual machine: its clock stands still with it.
    pub fn freeze(&self, host: usize, still: bool) {
        if still {
            self.around.watch.frozen(self.hosts[host].node, true);
        }
        self.pause(host, still);
    }

    /// Kills the processes that ended by themselves since this was last called; whose store did
    /// not open, and why.
    pub fn settle_ends(&mut self) -> Option<(NodeId, String)> {
        while let Ok((host, end)) = self.ends.try_recv() {
            if self.is_master(host) && matches!(end, End::DiskFailed | End::NoRoom) {
                self.around.watch.state().coverage.master_ended_by_its_disk();
            }
            match end {
                End::PowerFailed | End::DiskFailed => self.stop(host, Loss::Power),
                End::NoRoom => {
                    self.stop(host, Loss::Process);
                    self.hosts[host].lacks_room = true;
                }
                End::DoesNotOpen(why) => return Some((self.hosts[host].node, why)),
            }
        }
        None
    }

    /// A new client session, on a machine of its own.
    pub async fn session(&mut self) -> Session {
        let index = self.sessions_begun;
        self.sessions_begun += 1;
        let machine = self.madsim.create_node().name(format!("client-{index}")).build();
        let id = machine.id();
        let session = session::begin(machine, &self.around, index).await;
        self.sessions.push((session.node, id));
        session
    }

    /// Everything ends at once: what clients were about stays unknown.
    pub fn stop_all(&mut self, loss: Loss) {
        for (node, machine) in std::mem::take(&mut self.sessions) {
            self.madsim.kill(machine);
            self.around.network.detach(node);
            self.around.watch.crashed(node);
        }
        (0..self.hosts.len()).for_each(|host| self.stop(host, loss));
    }

    /// Kills everything, so that no task outlives the run.
    pub fn end(&mut self) {
        for index in 0..self.hosts.len() {
            self.stop(index, Loss::Process);
        }
        for (_, machine) in self.sessions.drain(..) {
            self.madsim.kill(machine);
        }
        if let Some(operator) = self.operator.take() {
            self.madsim.kill(operator.machine());
        }
        self.carrier.abort();
        self.around.network.end();
        self.around.timeline.end();
    }
}
