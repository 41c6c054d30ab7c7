//! A whole cluster as one value, and what each action does to it.

mod io;

use crate::action::Action;
use crate::clock::Clock;
use crate::disk::Disk;
use crate::log_device::LogDevice;
use crate::net::{MessageId, Net};
use crate::node::{Machine, Node, Own, PendingIo};
use crate::observation::{Observation, Seen};
use crate::shape::Shape;
use leasehold_proto::message::data;
use leasehold_proto::{
    Chunkserver, ChunkserverConfig, Client, ClientConfig, Effect, Effects, Envelope, Incarnation,
    Input, IoOp, Leadership, LogIndex, LogOp, Master, MasterConfig, MasterState, Message, NodeId,
    Rack, Session, StateMachine,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A cluster: every node's machine, clock and disk, the log, what is in flight.
///
/// A copy shares every node and the log with its original until one of them changes: a search
/// that keeps a million clusters keeps each node once per change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cluster {
    shape: Arc<Shape>,
    now: u64,
    nodes: BTreeMap<NodeId, Arc<Node>>,
    net: Net,
    log: Arc<LogDevice>,
    /// Up to here, what log entries did was told to observers; later replays of them are not.
    told: LogIndex,
}

/// An action that is not possible in a state, with the reason.
pub type Impossible = &'static str;

impl Cluster {
    /// Everybody but the spares starts; with one master, it leads.
    #[must_use]
    pub fn new(shape: Shape, seen: &mut Seen) -> Self {
        let ids = shape.master_ids().chain(shape.server_ids()).chain(shape.client_ids());
        let nodes = ids.map(|id| (id, Arc::new(blank(&shape)))).collect();
        let spares = shape.server_ids().skip(as_index(shape.chunkservers)).collect::<Vec<_>>();
        let mut cluster = Cluster {
            shape: Arc::new(shape),
            now: 0,
            nodes,
            net: Net::default(),
            log: Arc::default(),
            told: LogIndex(0),
        };
        let ids: Vec<NodeId> = cluster.nodes.keys().copied().collect();
        for id in ids.into_iter().filter(|id| !spares.contains(id)) {
            cluster.start(id, seen);
        }
        if cluster.shape.masters > 1 {
            let first = cluster.shape.master_ids().next().expect("there are several");
            cluster.lead(first, seen);
        }
        cluster
    }

    /// True time, in nanoseconds.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now
    }

    /// What it is made of.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Every node.
    #[must_use]
    pub fn nodes(&self) -> &BTreeMap<NodeId, Arc<Node>> {
        &self.nodes
    }

    /// A node.
    ///
    /// # Panics
    /// If there is none of that id.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        self.nodes.get(&id).expect("the caller names a node of this cluster")
    }

    /// What is in flight.
    #[must_use]
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// The masters' log.
    #[must_use]
    pub fn log(&self) -> &LogDevice {
        &self.log
    }

    /// The last log entry of which observers were told what it did.
    #[must_use]
    pub fn told(&self) -> LogIndex {
        self.told
    }

    /// The state that the committed log amounts to, as the most advanced master has applied it.
    #[must_use]
    pub fn namespace(&self) -> Option<&MasterState> {
        let masters = self.nodes.values().filter_map(|node| node.master());
        masters.map(Master::state).max_by_key(|state| state.applied())
    }

    /// From here on a message that was sent stays in flight, delivered or not, and a copy of one
    /// in flight adds nothing: whoever chooses may lose, repeat and reorder as it likes.
    pub fn keep_messages(&mut self) {
        self.net.keep();
    }

    /// From here on each copy of a message arrives once at the most.
    pub fn deliver_once(&mut self) {
        self.net.deliver_once();
    }

    /// Takes messages out that this chooser has no use for.
    pub fn forget_messages(&mut self, useless: impl FnMut(MessageId) -> bool) {
        self.net.forget(useless);
    }

    /// Puts a message in flight that its sender did not send.
    pub fn forge(&mut self, envelope: Envelope) {
        self.net.send(envelope);
    }

    /// Lets one thing happen.
    ///
    /// # Errors
    /// If it cannot happen in this state; nothing has changed then.
    pub fn apply(&mut self, action: Action, seen: &mut Seen) -> Result<(), Impossible> {
        match action {
            Action::Deliver(id) => self.deliver(id, seen),
            Action::Drop(id) => self.net.lose(id).ok_or("no such message is in flight"),
            Action::Duplicate(id) => {
                let copy = self.net.get(id).cloned().ok_or("no such message is in flight")?;
                self.net.send_again(copy);
                Ok(())
            }
            Action::Complete(node, io) => self.complete(node, io, seen),
            Action::Persist(node, io) => self.persist(node, io, seen),
            Action::Fail(node, io, failure) => self.fail(node, io, failure, seen),
            Action::Learn(node) => self.learn(node, seen),
            Action::Lead(node) => {
                self.running(node)?.master().ok_or("only a master leads")?;
                self.lead(node, seen);
                Ok(())
            }
            Action::Depose(node) => self.depose(node, seen),
            Action::Surface(place) => {
                if place >= self.log.limbo().len() {
                    return Err("no such proposal is open");
                }
                Arc::make_mut(&mut self.log).surface(place);
                Ok(())
            }
            Action::AdvanceTo(at) => {
                if at < self.now {
                    return Err("true time does not go back");
                }
                self.now = at;
                Ok(())
            }
            Action::Wake(node) => {
                self.running(node)?;
                self.step(node, Input::Wake, seen);
                Ok(())
            }
            Action::Crash(node) => self.crash(node, false, seen),
            Action::PowerFail(node) => self.crash(node, true, seen),
            Action::Restart(node) => self.restart(node, seen),
            Action::Destroy(node) => self.destroy(node, seen),
            Action::Pause(node) => {
                self.running(node)?;
                self.node_mut(node)?.paused = true;
                Ok(())
            }
            Action::Freeze(node) => {
                self.running(node)?;
                let now = self.now;
                let frozen = self.node_mut(node)?;
                frozen.paused = true;
                frozen.clock.stop(now);
                seen.push(Observation::ClockStopped { node });
                Ok(())
            }
            Action::Resume(node) => {
                let now = self.now;
                let resumed = self.node_mut(node)?;
                resumed.paused = false;
                resumed.clock.go_on(now);
                if resumed.disk.was_limited() {
                    self.measure(node, seen);
                }
                Ok(())
            }
            Action::Configure(node, own) => {
                self.node_mut(node)?.own = Some(own);
                Ok(())
            }
            Action::Jump(node, ahead) => {
                let now = self.now;
                self.node_mut(node)?.clock.jump(now, ahead);
                Ok(())
            }
            Action::Rate(node, ppm) => {
                let now = self.now;
                self.node_mut(node)?.clock.set_rate(now, ppm);
                Ok(())
            }
            Action::Cut(from, to) => {
                self.net.cut(from, to);
                Ok(())
            }
            Action::Mend(from, to) => {
                self.net.mend(from, to);
                Ok(())
            }
            Action::Heal => {
                self.net.heal();
                Ok(())
            }
            Action::Flip(node, chunk, offset) => {
                let disk = &mut self.node_mut(node)?.disk;
                if disk.flip(chunk, offset) { Ok(()) } else { Err("nothing was written there") }
            }
            Action::Fill(node, free) => self.fill(node, free, seen),
            Action::Request(node, id, caller, op) => {
                self.running(node)?;
                let (by, what) = (caller.clone(), op.clone());
                seen.push(Observation::Invoked { node, id, caller: by, op: what });
                self.step(node, Input::Request { caller, id, op }, seen);
                Ok(())
            }
            Action::Call(node, id, caller, call) => {
                self.running(node)?;
                self.step(node, Input::File { caller, id, call }, seen);
                Ok(())
            }
        }
    }

    fn node_mut(&mut self, id: NodeId) -> Result<&mut Node, Impossible> {
        self.nodes.get_mut(&id).map(Arc::make_mut).ok_or("no such node")
    }

    /// Of a node that the caller knows to be there.
    fn known(&mut self, id: NodeId) -> &mut Node {
        let node = self.nodes.get_mut(&id).expect("the caller names a node of this cluster");
        Arc::make_mut(node)
    }

    fn running(&self, id: NodeId) -> Result<&Node, Impossible> {
        let node = self.nodes.get(&id).ok_or("no such node")?;
        if node.machine.is_none() {
            return Err("the node is down");
        }
        if node.paused { Err("the node is paused") } else { Ok(node) }
    }

    // The network.

    fn deliver(&mut self, id: MessageId, seen: &mut Seen) -> Result<(), Impossible> {
        let to = self.net.get(id).ok_or("no such message is in flight")?.to;
        if self.nodes.get(&to).is_some_and(|node| node.paused) {
            return Err("the node is paused");
        }
        let envelope = self.net.take(id).expect("looked at above");
        if self.nodes.get(&to).is_some_and(|node| node.runs()) {
            self.step(to, Input::Deliver(Arc::unwrap_or_clone(envelope)), seen);
        }
        Ok(())
    }

    // The log.

    fn learn(&mut self, node: NodeId, seen: &mut Seen) -> Result<(), Impossible> {
        self.running(node)?.master().ok_or("only a master learns")?;
        let index = self.node(node).learned.next();
        let entry = self.log.entry(index).ok_or("it knows every entry")?.clone();
        self.node_mut(node)?.learned = index;
        let from = seen.len();
        self.step(node, Input::Committed { index, entry }, seen);
        // What an entry does is one fact, however many masters apply it, however often.
        if index <= self.told {
            let later = seen.split_off(from);
            seen.extend(later.into_iter().filter(|observation| !observation.is_of_the_log()));
        }
        self.told = self.told.max(index);
        Ok(())
    }

    fn lead(&mut self, node: NodeId, seen: &mut Seen) {
        Arc::make_mut(&mut self.log).lead(Some(node));
        for pending in self.known(node).io.values_mut() {
            pending.led = true;
        }
        while self.learn(node, seen).is_ok() {}
        self.step(node, Input::Leadership(Leadership::Leader), seen);
    }

    fn depose(&mut self, node: NodeId, seen: &mut Seen) -> Result<(), Impossible> {
        self.running(node)?.master().ok_or("only a master is deposed")?;
        let leader = self.log.leader();
        if leader == Some(node) {
            return Err("it leads");
        }
        self.step(node, Input::Leadership(Leadership::Follower { leader }), seen);
        Ok(())
    }

    // Lives.

    fn crash(&mut self, id: NodeId, power: bool, seen: &mut Seen) -> Result<(), Impossible> {
        let several = self.shape.masters > 1;
        let node = self.node_mut(id)?;
        if node.machine.take().is_none() {
            return Err("the node is down");
        }
        node.paused = false;
        if power {
            node.disk.lose_unsynced();
        }
        for (_, pending) in std::mem::take(&mut node.io) {
            // A replicated log may commit what a crashed leader had sent out.
            if let (IoOp::Log(LogOp::Propose { entry }), true, false) =
                (pending.op, several, pending.persisted)
            {
                Arc::make_mut(&mut self.log).forsake(entry);
            }
        }
        if self.log.leader() == Some(id) {
            Arc::make_mut(&mut self.log).lead(None);
        }
        if let Some(coverage) = &mut seen.coverage {
            coverage.crashed(id);
        }
        seen.push(Observation::Crashed { node: id });
        Ok(())
    }

    fn restart(&mut self, id: NodeId, seen: &mut Seen) -> Result<(), Impossible> {
        let node = self.node_mut(id)?;
        if node.machine.is_some() {
            return Err("the node is up");
        }
        if node.destroyed {
            return Err("its disk is destroyed: that server does not come back");
        }
        self.start(id, seen);
        Ok(())
    }

    fn destroy(&mut self, id: NodeId, seen: &mut Seen) -> Result<(), Impossible> {
        let fresh = Disk::new(&self.shape.constants);
        let is_master = id.0 <= self.shape.masters;
        let node = self.node_mut(id)?;
        if node.machine.is_some() {
            return Err("the node is up");
        }
        node.disk = fresh;
        if is_master {
            Arc::make_mut(&mut self.log).lose();
            self.told = LogIndex(0);
        } else {
            node.destroyed = true;
        }
        seen.push(Observation::Destroyed { node: id });
        Ok(())
    }

    fn start(&mut self, id: NodeId, seen: &mut Seen) {
        let (now, shape) = (self.now, Arc::clone(&self.shape));
        let mut out = Effects::new();
        let node = self.known(id);
        node.lives += 1;
        node.clock.reset(now, shape.clocks_begin_ns);
        node.learned = LogIndex(0);
        node.machine = Some(recover(&shape, id, node, now, &mut out));
        seen.push(Observation::Started { node: id });
        self.carry_out(id, out, seen);
        if id.0 <= self.shape.masters {
            while self.learn(id, seen).is_ok() {}
            if self.shape.masters == 1 {
                self.lead(id, seen);
            }
        }
    }

    // One step of one machine.

    fn step(&mut self, id: NodeId, input: Input, seen: &mut Seen) {
        let true_ns = self.now;
        let node = self.known(id);
        let now = node.clock.at(true_ns);
        let mut out = Effects::new();
        if let Some(coverage) = &mut seen.coverage {
            coverage.input(id, now, &input);
        }
        node.machine.as_mut().expect("the caller checked that it is up").step(now, input, &mut out);
        self.carry_out(id, out, seen);
    }

    fn carry_out(&mut self, id: NodeId, mut out: Effects, seen: &mut Seen) {
        let led = self.log.leader() == Some(id);
        if let Some(coverage) = &mut seen.coverage {
            let now = self.node(id).clock.at(self.now);
            out.0.iter().for_each(|effect| coverage.effect(id, now, effect));
        }
        for effect in out.drain() {
            match effect {
                Effect::Send(envelope) => {
                    if let Message::DataReply(data::Reply::Mutated(data::Mutated {
                        op,
                        chunk,
                        result: Ok(at),
                    })) = &envelope.message
                    {
                        let (chunk, op, extent) = (*chunk, *op, *at);
                        seen.push(Observation::Acknowledged { node: id, chunk, op, extent });
                    }
                    self.net.send(envelope);
                }
                Effect::Io { io, op } => {
                    let pending = PendingIo { op, persisted: false, index: None, led };
                    let before = self.known(id).io.insert(io, pending);
                    assert!(before.is_none(), "an I/O's id is used once in a life");
                }
                Effect::Respond { id: request, result } => {
                    seen.push(Observation::Responded { node: id, id: request, result });
                }
                Effect::Observe(event) => {
                    seen.extend(Observation::of_piece(id, &event));
                    seen.push(Observation::Event { node: id, event });
                }
            }
        }
    }
}

fn blank(shape: &Shape) -> Node {
    Node {
        machine: None,
        paused: false,
        clock: Clock::new(0, 0),
        io: BTreeMap::new(),
        disk: Disk::new(&shape.constants),
        destroyed: false,
        lives: 0,
        own: None,
        learned: LogIndex(0),
    }
}

fn recover(shape: &Shape, id: NodeId, node: &Node, now: u64, out: &mut Effects) -> Machine {
    let now = node.clock.at(now);
    let Own { constants, insists } = node
        .own
        .as_deref()
        .cloned()
        .unwrap_or_else(|| Own { constants: shape.given().clone(), insists: Vec::new() });
    let masters: Vec<NodeId> = shape.master_ids().collect();
    if masters.contains(&id) {
        let state = MasterState::new(constants.remembered_clients_max);
        let config = MasterConfig { node: id, salt: shape.salt, constants, insists };
        return Machine::Master(Box::new(Master::recover(&config, state, now, out)));
    }
    if shape.client_ids().any(|client| client == id) {
        let config = ClientConfig { node: id, masters, constants };
        return Machine::Client(Box::new(Client::recover(&config, (), now, out)));
    }
    let place = shape.server_ids().position(|server| server == id).unwrap_or(0);
    let rack = place as u64 % shape.racks.max(1);
    let config = ChunkserverConfig {
        node: id,
        incarnation: Incarnation(node.lives),
        session: Session(node.lives),
        rack: Rack(u32::try_from(rack).expect("racks are few")),
        room: node.disk.room(&shape.constants),
        masters,
        constants,
        insists,
    };
    let replicas = node.disk.replicas().clone();
    Machine::Chunkserver(Box::new(Chunkserver::recover(&config, replicas, now, out)))
}

fn as_index(n: u64) -> usize {
    usize::try_from(n).expect("a cluster fits memory")
}
