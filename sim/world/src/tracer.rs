//! Records the trace of a World.
//!
//! A World reports events, not messages: those are found by comparing what is in flight before an
//! action and after it. That costs time, so it is for scripts; walks and models do without.

use crate::action::{Action, Failure};
use crate::cluster::Cluster;
use crate::names;
use crate::net::MessageId;
use crate::observation::Observation;
use crate::world::{TimedObservation, World};
use bytes::Bytes;
use leasehold_proto::{
    Effect, Envelope, Extent, Input, IoFault, IoId, IoOp, IoOutput, IoResult, Leadership, LogIndex,
    LogOp, NodeId, Payload, ProposeOutcome,
};
use leasehold_trace::{Fate, Fault, Finding, Life, Moment, Naming, Passage, Recorder, Role, Trace};
use std::collections::BTreeMap;

/// Names of a World with so many masters.
pub(crate) struct Names {
    pub masters: u64,
}

impl Naming for Names {
    fn name(&self, node: NodeId) -> String {
        names::name(node, self.masters)
    }

    fn role(&self, node: NodeId) -> Role {
        match node {
            node if names::is_server(node) => Role::Chunkserver,
            node if names::is_node(node) => Role::Master,
            _ => Role::Client,
        }
    }
}

/// What is in flight, to be compared with what is later.
pub struct Before {
    flying: BTreeMap<MessageId, Envelope>,
    io: BTreeMap<(NodeId, IoId), IoOp>,
    told: usize,
}

impl Before {
    /// The present state.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let cluster = world.cluster();
        Before { flying: flying(cluster), io: io(cluster), told: world.trace().len() }
    }
}

/// A record of everything that happened in a World.
pub struct Tracer {
    recorder: Recorder,
    events: u64,
    sent: u64,
    flows: BTreeMap<MessageId, u64>,
    cuts: Vec<(NodeId, NodeId)>,
    finding: Option<Finding>,
}

impl Tracer {
    /// Begins with a World that has just begun.
    #[must_use]
    pub fn begin(world: &World) -> Self {
        let masters = world.cluster().shape().masters;
        let mut tracer = Tracer {
            recorder: Recorder::new(Box::new(Names { masters })),
            events: 0,
            sent: 0,
            flows: BTreeMap::new(),
            cuts: Vec::new(),
            finding: None,
        };
        tracer
            .differences(world, &Before { flying: BTreeMap::new(), io: BTreeMap::new(), told: 0 });
        tracer
    }

    /// An action was applied to a World that was so before.
    pub fn after(&mut self, world: &World, action: &Action, before: &Before) {
        self.action(world.cluster(), action, before);
        self.differences(world, before);
        if self.finding.is_none() {
            self.finding = world.violation().map(|found| Finding {
                violation: found.clone(),
                event: self.events,
                expected: false,
            });
        }
    }

    /// All of it, and what was wrong first.
    #[must_use]
    pub fn finish(self) -> (Trace, Option<Finding>) {
        (self.recorder.finish(), self.finding)
    }

    /// What the action itself is: an input, or something from outside.
    fn action(&mut self, cluster: &Cluster, action: &Action, before: &Before) {
        match action {
            Action::Deliver(id) => self.delivered(cluster, *id, before),
            Action::Drop(id) => self.passed(cluster, *id, Fate::Lost),
            Action::Duplicate(id) => {
                self.passed(cluster, *id, Fate::Doubled);
                let flow = self.flows.get(id).copied().unwrap_or_default();
                let new =
                    cluster.net().flying().filter(|(new, _)| !before.flying.contains_key(new));
                self.flows.extend(new.map(|(new, _)| (new, flow)));
            }
            Action::Complete(node, io) => {
                let result = before.io.get(&(*node, *io)).map_or(Ok(IoOutput::Done), ended);
                self.input(cluster, *node, &Input::IoDone { io: *io, result });
            }
            Action::Fail(node, io, failure) => {
                let result = match failure {
                    Failure::NoSpace => Err(IoFault::NoSpace),
                    Failure::DiskFailed => Err(IoFault::DiskFailed),
                    Failure::Unknown => Ok(IoOutput::Proposed(ProposeOutcome::Unknown)),
                };
                self.input(cluster, *node, &Input::IoDone { io: *io, result });
            }
            Action::Learn(node) => {
                let index = cluster.node(*node).learned;
                if let Some(entry) = cluster.log().entry(index).cloned() {
                    self.input(cluster, *node, &Input::Committed { index, entry });
                }
            }
            Action::Lead(node) => {
                self.input(cluster, *node, &Input::Leadership(Leadership::Leader));
            }
            Action::Depose(node) => {
                let leader = cluster.log().leader();
                self.input(cluster, *node, &Input::Leadership(Leadership::Follower { leader }));
            }
            Action::Wake(node) => self.input(cluster, *node, &Input::Wake),
            Action::Request(node, id, caller, op) => {
                self.input(
                    cluster,
                    *node,
                    &Input::Request { caller: caller.clone(), id: *id, op: op.clone() },
                );
            }
            Action::Call(node, id, caller, call) => {
                self.input(
                    cluster,
                    *node,
                    &Input::File { caller: caller.clone(), id: *id, call: call.clone() },
                );
            }
            Action::Pause(node) => self.pause(cluster, *node, "pause", false),
            Action::Freeze(node) => self.pause(cluster, *node, "frozen", false),
            Action::Resume(node) => self.pause(cluster, *node, "pause", true),
            Action::Cut(from, to) => self.cut(cluster, *from, *to),
            Action::Mend(from, to) => self.mend(cluster, *from, *to),
            Action::Heal => {
                for (from, to) in self.cuts.clone() {
                    self.mend(cluster, from, to);
                }
            }
            Action::Persist(node, _) => {
                self.outside(cluster, *node, "has it durable, and does not know")
            }
            Action::Jump(node, ahead) => {
                self.outside(cluster, *node, &format!("has its clock jump ahead by {ahead} ns"));
            }
            Action::Rate(node, ppm) => {
                self.outside(cluster, *node, &format!("has a clock that gains {ppm} ppm"));
            }
            Action::Configure(node, _) => {
                self.outside(cluster, *node, "is configured with constants of its own");
            }
            Action::Flip(node, chunk, offset) => {
                self.outside(cluster, *node, &format!("has a byte of {chunk} flip at {offset}"));
            }
            Action::Fill(node, free) => {
                let free = free.map_or("all of its room".into(), |free| format!("{free} B free"));
                self.outside(cluster, *node, &format!("has a disk on which others leave {free}"));
            }
            // What these do is told by the World, or by what follows.
            Action::Crash(_)
            | Action::PowerFail(_)
            | Action::Restart(_)
            | Action::Destroy(_)
            | Action::Surface(_)
            | Action::AdvanceTo(_) => {}
        }
    }

    /// What the World told, and what is in flight that was not, or is not that was.
    fn differences(&mut self, world: &World, before: &Before) {
        let cluster = world.cluster();
        for TimedObservation { observation, .. } in &world.trace()[before.told..] {
            self.observation(cluster, observation);
        }
        for (id, envelope) in cluster.net().flying() {
            if !before.flying.contains_key(&id) && !self.flows.contains_key(&id) {
                self.sent += 1;
                self.flows.insert(id, self.sent);
                let envelope = Envelope::clone(envelope);
                self.effect(cluster, envelope.from, &Effect::Send(envelope));
            }
        }
        let flying = flying(cluster);
        let gone: Vec<MessageId> =
            self.flows.keys().filter(|id| !flying.contains_key(id)).copied().collect();
        for id in gone {
            // Who took it has taken it out: what is left was on a link that was cut.
            self.passed(cluster, id, Fate::Cut);
            self.flows.remove(&id);
        }
        for ((node, io), op) in io(cluster) {
            if !before.io.contains_key(&(node, io)) {
                self.effect(cluster, node, &Effect::Io { io, op });
            }
        }
    }

    fn observation(&mut self, cluster: &Cluster, observation: &Observation) {
        match observation {
            // As the client reports them, in the events before.
            Observation::Responded { id, .. } if id.is_piece() => {}
            Observation::Event { node, event } => {
                self.effect(cluster, *node, &Effect::Observe(event.clone()));
            }
            Observation::Responded { node, id, result } => {
                let effect = Effect::Respond { id: *id, result: result.clone() };
                self.effect(cluster, *node, &effect);
            }
            Observation::Started { node } => self.life(cluster, *node, Life::Starts),
            Observation::Crashed { node } => self.life(cluster, *node, Life::Ends),
            Observation::Destroyed { node } => self.life(cluster, *node, Life::LosesDisk),
            Observation::Invoked { .. }
            | Observation::Acknowledged { .. }
            | Observation::ClockStopped { .. }
            | Observation::Durable { .. } => {}
        }
    }

    fn delivered(&mut self, cluster: &Cluster, id: MessageId, before: &Before) {
        let Some(envelope) = before.flying.get(&id) else { return };
        let runs = cluster.nodes().get(&envelope.to).is_some_and(|node| node.runs());
        self.passed(cluster, id, if runs { Fate::Arrived } else { Fate::Nobody });
        self.flows.remove(&id);
        if runs {
            self.input(cluster, envelope.to, &Input::Deliver(envelope.clone()));
        }
    }

    fn passed(&mut self, cluster: &Cluster, id: MessageId, fate: Fate) {
        if let Some(flow) = self.flows.get(&id).copied() {
            self.recorder.network(self.events, cluster.now(), Passage { flow, fate });
        }
        if fate == Fate::Lost {
            self.flows.remove(&id);
        }
    }

    fn input(&mut self, cluster: &Cluster, node: NodeId, input: &Input) {
        let at = self.moment(cluster, node);
        self.recorder.input(at, input);
    }

    fn effect(&mut self, cluster: &Cluster, node: NodeId, effect: &Effect) {
        let at = self.moment(cluster, node);
        let clock = &cluster.node(node).clock;
        self.recorder.effect(at, effect, &|local| clock.true_ns(local));
    }

    fn life(&mut self, cluster: &Cluster, node: NodeId, life: Life) {
        let at = self.moment(cluster, node);
        self.recorder.life(at, life);
    }

    fn outside(&mut self, cluster: &Cluster, node: NodeId, words: &str) {
        let at = self.moment(cluster, node);
        self.recorder.outside(at, words);
    }

    fn pause(&mut self, cluster: &Cluster, node: NodeId, name: &'static str, ends: bool) {
        let at = self.moment(cluster, node);
        let (number, nodes) = (node.0, vec![node]);
        self.recorder.fault(at, &Fault { number, name, ends, nodes, ..Fault::default() });
    }

    fn cut(&mut self, cluster: &Cluster, from: NodeId, to: NodeId) {
        if !self.cuts.contains(&(from, to)) {
            self.cuts.push((from, to));
            self.link(cluster, from, to, false);
        }
    }

    fn mend(&mut self, cluster: &Cluster, from: NodeId, to: NodeId) {
        if self.cuts.contains(&(from, to)) {
            self.cuts.retain(|cut| *cut != (from, to));
            self.link(cluster, from, to, true);
        }
    }

    fn link(&mut self, cluster: &Cluster, from: NodeId, to: NodeId, ends: bool) {
        let at = self.moment(cluster, from);
        let fault = Fault {
            number: from.0 << 32 | to.0,
            name: "cut",
            ends,
            nodes: vec![from],
            others: vec![to],
            text: "one way".to_owned(),
        };
        self.recorder.fault(at, &fault);
    }

    fn moment(&mut self, cluster: &Cluster, node: NodeId) -> Moment {
        self.events += 1;
        let true_ns = cluster.now();
        let known = cluster.nodes().get(&node);
        let local_ns = known.map(|node| node.clock.at(true_ns).0);
        Moment { event: self.events, true_ns, local_ns, node }
    }
}

fn flying(cluster: &Cluster) -> BTreeMap<MessageId, Envelope> {
    cluster.net().flying().map(|(id, envelope)| (id, Envelope::clone(envelope))).collect()
}

fn io(cluster: &Cluster) -> BTreeMap<(NodeId, IoId), IoOp> {
    let of_node = cluster.nodes().iter().flat_map(|(id, node)| {
        node.io.iter().map(move |(io, pending)| ((*id, *io), pending.op.clone()))
    });
    of_node.collect()
}

/// How an I/O ends that nobody made fail. What was read is not known here, only how much.
fn ended(op: &IoOp) -> IoResult {
    match op {
        IoOp::Log(LogOp::Confirm) => Ok(IoOutput::Confirmed),
        IoOp::Log(LogOp::Propose { .. }) => {
            Ok(IoOutput::Proposed(ProposeOutcome::Committed(LogIndex(0))))
        }
        IoOp::Read { pieces, .. } => {
            let bytes: u64 = pieces.iter().map(|piece: &Extent| piece.length).sum();
            let zeros = vec![0; usize::try_from(bytes).unwrap_or(0)];
            Ok(IoOutput::Read(Payload::new(Bytes::from(zeros), 0)))
        }
        _ => Ok(IoOutput::Done),
    }
}
