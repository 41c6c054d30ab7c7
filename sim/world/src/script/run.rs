//! Runs the commands of a script on a World.

use super::command::{Command, Fate, IoFate, Topic};
use super::report;
use super::setup::with;
use super::verb::{Ask, LockWords, Verb};
use super::words::Wrong;
use crate::action::{Action, Wish};
use crate::fair::{self, Holds, STEPS_IN_AN_INSTANT_MAX};
use crate::node::Own;
use crate::observation::Observation;
use crate::payload::payload;
use crate::show::{self, Detail};
use crate::tracer::{Before, Tracer};
use crate::world::{TimedObservation, World};
use leasehold_checker::violation::decimal_seconds;
use leasehold_proto::machine::Operation;
use leasehold_proto::metadata::{FileSpec, MetadataChange};
use leasehold_proto::{
    Caller, ChunkHandle, ChunkVersion, Cut, Envelope, Event, FileCall, FileHandle, FileOutcome,
    NodeId, Outcome, Payload, RequestId, Setting,
};
use std::collections::{BTreeMap, BTreeSet};

/// `run` without a time gives up after this long: every operation ends before.
const SETTLE_NS_MAX: u64 = 120_000_000_000;

/// A file as a client opened it.
#[derive(Clone, Copy, Debug)]
struct Handle {
    handle: FileHandle,
    cut: Cut,
}

/// A script under way.
pub(super) struct Runner {
    world: Option<World>,
    spec: FileSpec,
    holds: Holds,
    detail: Detail,
    handles: BTreeMap<(NodeId, String), Handle>,
    /// Requests without an answer: the line that made each, and the path that it opens.
    open: BTreeMap<RequestId, (String, Option<String>)>,
    last_request: u64,
    /// Leases that were printed, so that renewals are not.
    leases: BTreeSet<(NodeId, ChunkHandle, ChunkVersion)>,
    violated: bool,
    out: Vec<String>,
    /// Of a script that somebody wants to look at.
    tracer: Option<Tracer>,
    traced: bool,
    /// It is counted which states it reaches.
    covered: bool,
}

impl Runner {
    pub fn new() -> Self {
        Runner {
            world: None,
            spec: FileSpec::default(),
            holds: Holds::none(),
            detail: Detail::Main,
            handles: BTreeMap::new(),
            open: BTreeMap::new(),
            last_request: 0,
            leases: BTreeSet::new(),
            violated: false,
            out: Vec::new(),
            tracer: None,
            traced: false,
            covered: false,
        }
    }

    /// From its beginning on, everything is recorded.
    pub fn traced(self) -> Self {
        Runner { traced: true, ..self }
    }

    /// From its beginning on, it is counted which states are reached.
    pub fn covered(self) -> Self {
        Runner { covered: true, ..self }
    }

    /// What was recorded, if the script had a cluster.
    pub fn take_tracer(&mut self) -> Option<Tracer> {
        self.tracer.take()
    }

    /// The world, once there is one.
    pub fn began(&self) -> Option<&World> {
        self.world.as_ref()
    }

    pub fn last_request(&self) -> u64 {
        self.last_request
    }

    /// What a client's line requests, without asking.
    pub fn as_request(&self, line: &str) -> Result<(NodeId, Wish), Wrong> {
        let Command::Client { node, verb, .. } = Command::parse(line, self.spec)? else {
            return Err(format!("`{line}` is no client's request"));
        };
        Ok((node, self.resolve(node, verb)?.0))
    }

    /// Runs one command, and returns what it prints.
    pub fn command(&mut self, line: &str) -> Result<Vec<String>, Wrong> {
        let command = Command::parse(line, self.spec)?;
        if let Command::Cluster(setup) = command {
            if self.world.is_some() {
                return Err("a script has one cluster".into());
            }
            self.spec = setup.spec;
            let begin = if self.covered { World::covered } else { World::new };
            let world = begin(setup.shape);
            self.tracer = self.traced.then(|| Tracer::begin(&world));
            self.world = Some(world);
        } else {
            self.go(command)?;
        }
        self.report();
        Ok(std::mem::take(&mut self.out))
    }

    fn world(&mut self) -> Result<&mut World, Wrong> {
        self.world.as_mut().ok_or_else(|| "a script begins with `cluster`".into())
    }

    fn act(&mut self, action: Action) -> Result<(), Wrong> {
        let Some(mut tracer) = self.tracer.take() else {
            return self.world()?.try_apply(action).map_err(str::to_string);
        };
        let world = self.world()?;
        let before = Before::of(world);
        let applied = world.try_apply(action.clone()).map_err(str::to_string);
        if applied.is_ok() {
            tracer.after(world, &action, &before);
        }
        self.tracer = Some(tracer);
        applied
    }

    fn go(&mut self, command: Command) -> Result<(), Wrong> {
        match command {
            Command::Cluster(_) => unreachable!("taken by the caller"),
            Command::Detail(detail) => self.detail = detail,
            Command::Client { node, label, caller, verb } => {
                self.request(node, label, caller, verb)?;
            }
            Command::Run(span) => {
                let now = self.world()?.cluster().now();
                let nanos = u64::try_from(span.as_nanos()).map_err(|_| "too long")?;
                self.fair(now + nanos, |_| false)?;
            }
            Command::Settle => self.settle()?,
            Command::RunUntil { event, node } => self.run_until(&event, node)?,
            Command::Advance(span) => {
                let now = self.world()?.cluster().now();
                let nanos = u64::try_from(span.as_nanos()).map_err(|_| "too long")?;
                self.act(Action::AdvanceTo(now + nanos))?;
            }
            Command::Message { fate, all, link, kind, place } => {
                self.message(fate, all, link, (&kind, place))?;
            }
            Command::Hold { link: (from, to), kind } => self.holds.messages.push((from, to, kind)),
            Command::HoldIo { node, kind } => self.holds.io.push((node, kind)),
            Command::ReleaseLink { link } => {
                self.holds.messages.retain(|(from, to, _)| (*from, *to) != link);
            }
            Command::ReleaseIo { node } => self.holds.io.retain(|(at, _)| *at != node),
            Command::ReleaseAll => self.holds = Holds::none(),
            Command::Io { fate, node, kind, place } => self.io(fate, node, &kind, place)?,
            Command::Act(actions) => {
                for action in actions {
                    self.act(action)?;
                }
            }
            Command::Own { node, settings, insists } => self.own(node, &settings, insists)?,
            Command::Isolate { node, cut } => self.isolate(node, cut)?,
            Command::Show(topic) => self.show(topic)?,
            Command::Check => self.check()?,
        }
        Ok(())
    }

    // The fair schedule.

    /// Goes on until `end`, or until a observation pleases.
    fn fair(&mut self, end: u64, enough: impl Fn(&Runner) -> bool) -> Result<(), Wrong> {
        let (mut instant, mut steps) = (0, 0);
        while !enough(self) && !self.violated {
            let holds = std::mem::take(&mut self.holds);
            let next = fair::next(self.world()?.cluster(), &holds, end);
            self.holds = holds;
            let Some(action) = next else { break };
            self.act(action)?;
            self.report();
            let now = self.world()?.cluster().now();
            steps = if now == instant { steps + 1 } else { 0 };
            instant = now;
            if steps > STEPS_IN_AN_INSTANT_MAX {
                return Err("time stands still: somebody asks and is answered for ever".into());
            }
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), Wrong> {
        let end = self.world()?.cluster().now() + SETTLE_NS_MAX;
        self.fair(end, |runner| runner.open.is_empty())?;
        if self.open.is_empty() || self.violated {
            return Ok(());
        }
        Err("a request has no answer after two minutes".into())
    }

    fn run_until(&mut self, event: &str, node: Option<NodeId>) -> Result<(), Wrong> {
        let end = self.world()?.cluster().now() + SETTLE_NS_MAX;
        let seen = self.count(event, node)?;
        let mut told = false;
        // The events of the step at hand are in the trace until they are reported.
        while !told && !self.violated {
            let holds = std::mem::take(&mut self.holds);
            let next = fair::next(self.world()?.cluster(), &holds, end);
            self.holds = holds;
            let Some(action) = next else {
                return Err(format!("no {event} within two minutes"));
            };
            self.act(action)?;
            told = self.count(event, node)? > seen;
            self.report();
        }
        Ok(())
    }

    fn count(&mut self, event: &str, node: Option<NodeId>) -> Result<usize, Wrong> {
        let is_it = |moment: &&TimedObservation| match &moment.observation {
            Observation::Event { node: at, event: told } => {
                node.is_none_or(|node| node == *at) && show::kind(told) == event
            }
            _ => false,
        };
        Ok(self.world()?.trace().iter().filter(is_it).count())
    }

    // Clients.

    fn request(
        &mut self,
        node: NodeId,
        label: String,
        caller: Box<Caller>,
        verb: Verb,
    ) -> Result<(), Wrong> {
        self.last_request += 1;
        let id = RequestId(self.last_request);
        let (wish, opens) = self.resolve(node, verb)?;
        self.open.insert(id, (label, opens));
        self.act(wish.action(node, id, caller))
    }

    fn resolve(&self, node: NodeId, verb: Verb) -> Result<(Wish, Option<String>), Wrong> {
        let call = match verb {
            Verb::Handle { path, call } => return Ok((Wish::File(call), Some(path))),
            Verb::Plain(what) => return Ok((Wish::Operation(ask(what)), None)),
            Verb::Set(words) => {
                let settings = self.settings(&words)?;
                let change = MetadataChange::SetConstants { settings };
                return Ok((Wish::Operation(Operation::Change(change)), None));
            }
            Verb::Write { path, offset, data } => {
                let Handle { handle, cut } = self.handle(node, &path)?;
                FileCall::Write { handle, offset, pieces: pieces(cut, offset, &data) }
            }
            Verb::Append { path, data } => {
                let Handle { handle, .. } = self.handle(node, &path)?;
                FileCall::Append { handle, payload: payload(data) }
            }
            Verb::Truncate { path, length } => {
                let Handle { handle, .. } = self.handle(node, &path)?;
                FileCall::Truncate { handle, length }
            }
            Verb::Lock { path, lock: LockWords { range, owner, wait }, kind } => {
                let Handle { handle, .. } = self.handle(node, &path)?;
                FileCall::Lock { handle, owner, range, kind, wait }
            }
            Verb::Conflict { path, lock: LockWords { range, owner, .. }, kind } => {
                let Handle { handle, .. } = self.handle(node, &path)?;
                FileCall::Conflict { handle, owner, range, kind }
            }
            Verb::Read { path, offset, length, mode } => {
                let Handle { handle, .. } = self.handle(node, &path)?;
                FileCall::Read { handle, offset, length, mode }
            }
        };
        Ok((Wish::File(call), None))
    }

    /// What is another value than the cluster's.
    fn settings(&self, words: &[(String, String)]) -> Result<Vec<Setting>, Wrong> {
        let cluster = self.world.as_ref().ok_or("a script begins with `cluster`")?.cluster();
        let mut constants = cluster.shape().constants.clone();
        if let Some(logged) = cluster.namespace().and_then(|state| state.constants().target()) {
            logged.install(&mut constants);
        }
        Ok(with(constants, words)?.1)
    }

    fn handle(&self, node: NodeId, path: &str) -> Result<Handle, Wrong> {
        let handle = self.handles.get(&(node, path.to_string())).copied();
        handle.ok_or_else(|| format!("the client has not opened {path}: `open {path}`, `run`"))
    }

    // What a script does by hand.

    fn message(
        &mut self,
        fate: Fate,
        all: bool,
        (from, to): (NodeId, NodeId),
        (kind, place): (&str, usize),
    ) -> Result<(), Wrong> {
        let mut found = false;
        loop {
            let is_one = |envelope: &Envelope| {
                (envelope.from, envelope.to) == (from, to)
                    && (kind.is_empty() || show::message_name(&envelope.message) == kind)
            };
            let flying = self.world()?.cluster().net().flying();
            let those = flying.filter(|(_, envelope)| is_one(envelope)).map(|(id, _)| id);
            let id = those.skip(place - 1).min();
            let Some(id) = id else { break };
            found = true;
            self.act(match fate {
                Fate::Deliver => Action::Deliver(id),
                Fate::Drop => Action::Drop(id),
                Fate::Duplicate => Action::Duplicate(id),
            })?;
            if !all || fate == Fate::Duplicate {
                break;
            }
        }
        if found { Ok(()) } else { Err("no such message is in flight: `show messages`".into()) }
    }

    fn io(&mut self, fate: IoFate, node: NodeId, kind: &str, place: usize) -> Result<(), Wrong> {
        let cluster = self.world()?.cluster();
        let pending = cluster.nodes().get(&node).ok_or("no such node")?.io.iter();
        let io = pending.filter(|(_, p)| !p.persisted || fate == IoFate::Complete);
        let io = io.map(|(id, p)| (*id, p.op.name()));
        let mut those = io.filter(|(_, op)| kind.is_empty() || *op == kind);
        let found = those.nth(place - 1);
        let (io, _) = found.ok_or("no such I/O is in flight: `show io`")?;
        self.act(match fate {
            IoFate::Complete => Action::Complete(node, io),
            IoFate::Persist => Action::Persist(node, io),
            IoFate::Fail(failure) => Action::Fail(node, io, failure),
        })
    }

    fn isolate(&mut self, node: NodeId, cut: bool) -> Result<(), Wrong> {
        let others: Vec<NodeId> = self.world()?.cluster().nodes().keys().copied().collect();
        let make = if cut { Action::Cut } else { Action::Mend };
        for other in others.into_iter().filter(|other| *other != node) {
            self.act(make(node, other))?;
            self.act(make(other, node))?;
        }
        Ok(())
    }

    fn own(
        &mut self,
        node: NodeId,
        words: &[(String, String)],
        insists: bool,
    ) -> Result<(), Wrong> {
        let shape = self.world()?.cluster().shape();
        let (constants, settings) = with(shape.given().clone(), words)?;
        let insists = if insists { settings } else { Vec::new() };
        self.act(Action::Configure(node, Box::new(Own { constants, insists })))
    }

    fn show(&mut self, topic: Topic) -> Result<(), Wrong> {
        let cluster = self.world()?.cluster();
        let lines = match topic {
            Topic::Chunks => report::chunks(cluster),
            Topic::Leases => report::leases(cluster),
            Topic::Messages => report::messages(cluster),
            Topic::Io => report::io(cluster),
        };
        self.out.extend(lines);
        Ok(())
    }

    fn check(&mut self) -> Result<(), Wrong> {
        let world = self.world()?;
        world.finish();
        world.converged();
        let fine = world.violation().is_none();
        self.report();
        if fine {
            self.out.push("every invariant holds".into());
        }
        Ok(())
    }

    // What is printed.

    /// Takes what happened, notes what the script needs of it, and prints.
    fn report(&mut self) {
        let Some(mut world) = self.world.take() else { return };
        for moment in world.take_trace() {
            if self.is_renewal(&moment.observation) {
                continue;
            }
            let line = match &moment.observation {
                Observation::Responded { id, .. } if id.is_piece() => None,
                Observation::Responded { node, id, result } => {
                    let (label, opens) = self.open.remove(id).unwrap_or_default();
                    if let (Ok(outcome), Some(path)) = (result, opens) {
                        self.remember(*node, path, outcome);
                    }
                    Some(format!("{label} = {}", show::answer(world.cluster(), result)))
                }
                observation => show::line(world.cluster(), observation, self.detail),
            };
            self.out
                .extend(line.map(|line| format!("{} {line}", decimal_seconds(moment.true_ns, 3))));
        }
        if let Some(violation) = world.violation().filter(|_| !self.violated) {
            self.violated = true;
            self.out.push(format!("violation: {}", violation.brief()));
        }
        self.world = Some(world);
    }

    fn is_renewal(&mut self, observation: &Observation) -> bool {
        match observation {
            Observation::Event { node, event: Event::LeaseTaken { chunk, version, .. } } => {
                !self.leases.insert((*node, *chunk, *version))
            }
            Observation::Event { node, event: Event::LeaseEnded { chunk, version } } => {
                self.leases.remove(&(*node, *chunk, *version));
                false
            }
            Observation::Crashed { node } => {
                self.leases.retain(|(at, ..)| at != node);
                false
            }
            _ => false,
        }
    }

    fn remember(&mut self, node: NodeId, path: String, outcome: &Outcome) {
        if let Outcome::File(FileOutcome::Opened { handle, cut, .. }) = outcome {
            self.handles.insert((node, path), Handle { handle: *handle, cut: *cut });
        }
    }
}

/// The bytes as a client machine takes them: cut as the file is, each piece with its checksum.
fn pieces(cut: Cut, offset: u64, data: &[u8]) -> Vec<Payload> {
    let mut rest = data;
    let pieces = cut.pieces(offset, data.len() as u64).map(|piece| {
        let length = usize::try_from(piece.length).expect("a part of a slice");
        let (first, others) = rest.split_at(length);
        rest = others;
        payload(first.to_vec())
    });
    pieces.collect()
}

fn ask(what: Ask) -> Operation {
    match what {
        Ask::Change(change) => Operation::Change(change),
        Ask::Query(query) => Operation::Query(query),
    }
}
