//! Who sees everything: the log, the clocks by true time, and the checkers that judge.

use super::copies::Copies;
use crate::clock::{Clocks, Rate, Stood};
use crate::coverage::Coverage;
use crate::ledger::{Ledger, Wrong};
use crate::log::{LogOptions, RunEvent, RunLog};
use crate::net::Delivery;
use crate::replay::{Beginning, Recorded, Wanted, What};
use crate::schedule::Happened;
use crate::timeline::Timeline;
use crate::trace::Names;
use leasehold_checker::{Checkers, Seen, TrueTime, Violation};
use leasehold_proto::{
    ChunkHandle, ChunkVersion, Constants, Effect, Event, FileId, Input, LogIndex, MasterState,
    Member, NodeId, Time,
};
use leasehold_runtime::driver::Observer;
use leasehold_trace::{Fault, Life, Moment, Passage, Recorder};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shared by every node of a run. A panic elsewhere must not hide what was seen until then, so a
/// poisoned lock is taken as it is.
#[derive(Clone)]
pub struct Watch {
    timeline: Arc<Timeline<Delivery>>,
    seen: Arc<Mutex<RunState>>,
}

/// What was seen so far.
pub struct RunState {
    /// Everything that happened.
    pub log: RunLog,
    /// Every node's clock.
    pub clocks: Clocks,
    /// The checkers, which judge by events.
    pub checkers: Checkers,
    /// Reads and writes of files, judged from outside.
    pub ledger: Ledger,
    /// What went wrong so far.
    pub schedule: Vec<Happened>,
    /// The recorder of the trace, if one is requested.
    pub recorder: Option<Recorder>,
    /// The inputs and effects of every node, if requested.
    pub recording: Recorded,
    /// What the run showed to be wrong, first come.
    pub violation: Option<Found>,
    /// Which interesting states were reached.
    pub coverage: Coverage,
    /// Counters of protocol facts, by name.
    pub facts: BTreeMap<&'static str, u64>,
    /// The version of each replica.
    pub copies: Copies,
    /// The committed configuration of every chunk.
    pub configurations: BTreeMap<ChunkHandle, (ChunkVersion, Vec<Member>)>,
    /// Of chunks without one yet: who is asked to be their first members.
    pub placed: BTreeMap<ChunkHandle, Vec<NodeId>>,
    /// The master that began to lead last.
    pub leader: Option<NodeId>,
    /// The files that clients share, by path.
    pub files: BTreeMap<String, FileId>,
    /// The chunks of files.
    pub chunks: BTreeMap<(FileId, u64), ChunkHandle>,
    freed: BTreeSet<ChunkHandle>,
    applied: LogIndex,
}

/// Something wrong, and when it was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// What.
    pub wrong: Wrong,
    /// True time.
    pub true_ns: u64,
    /// The number of the event that showed it.
    pub number: u64,
}

impl Watch {
    /// Sees a run with these constants.
    #[must_use]
    pub fn new(
        timeline: &Arc<Timeline<Delivery>>,
        constants: &Constants,
        mut options: LogOptions,
    ) -> Self {
        let stream = options.stream.take();
        let recorder = match stream {
            Some(stream) => Some(Recorder::streaming(Box::new(Names), stream)),
            None => options.record.then(|| Recorder::new(Box::new(Names))),
        };
        let state = RunState {
            schedule: Vec::new(),
            recorder,
            recording: Recorded::new(options.recording, options.recording_to.take()),
            log: RunLog::new(options),
            clocks: Clocks::default(),
            checkers: Checkers::new(constants.clone()),
            ledger: Ledger::default(),
            violation: None,
            coverage: Coverage::default(),
            facts: BTreeMap::new(),
            copies: Copies::default(),
            configurations: BTreeMap::new(),
            placed: BTreeMap::new(),
            leader: None,
            files: BTreeMap::new(),
            chunks: BTreeMap::new(),
            freed: BTreeSet::new(),
            applied: LogIndex(0),
        };
        Watch { timeline: Arc::clone(timeline), seen: Arc::new(Mutex::new(state)) }
    }

    /// True time.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.timeline.now()
    }

    /// What was seen so far.
    pub fn state(&self) -> MutexGuard<'_, RunState> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something is known to be wrong.
    #[must_use]
    pub fn violated(&self) -> bool {
        self.state().violation.is_some()
    }

    /// A node begins a life.
    pub fn started(&self, node: NodeId, rate: Rate, stood: Stood) {
        let mut state = self.state();
        state.clocks.set(node, rate, stood);
        state.note(rate.began_ns, node, &RunEvent::Outside("starts"));
        state.record(rate.began_ns, node, |recorder, at| recorder.life(at, Life::Starts));
    }

    /// A node's clock stands still with it, or goes on.
    pub fn frozen(&self, node: NodeId, still: bool) {
        let (now, mut state) = (self.now(), self.state());
        if still {
            state.clocks.stop(node, now);
            state.checkers.clock_stopped(node);
        } else {
            state.clocks.go_on(node, now);
        }
    }

    /// A machine begins a life with this, at `now` of its clock.
    pub fn begins(&self, node: NodeId, now: Time, beginning: impl FnOnce() -> Beginning) {
        let mut state = self.state();
        // What it holds it tells at once; its end may have kept it from telling what it removed.
        state.copies.forget(node);
        state.recording.add(node, now, || What::Begins(Box::new(beginning())));
    }

    /// A node's life ends.
    pub fn crashed(&self, node: NodeId) {
        let now = self.timeline.now();
        let mut state = self.state();
        state.checkers.node_crashed(node);
        state.note(now, node, &RunEvent::Outside("ends"));
        state.record(now, node, |recorder, at| recorder.life(at, Life::Ends));
        state.coverage.crashed(node);
    }

    /// A disk is gone with all that was on it.
    pub fn disk_destroyed(&self, node: NodeId) {
        let now = self.timeline.now();
        let mut state = self.state();
        state.checkers.disk_destroyed(node);
        state.copies.forget(node);
        state.note(now, node, &RunEvent::Outside("lost its disk"));
        state.record(now, node, |recorder, at| recorder.life(at, Life::LosesDisk));
    }

    /// A master begins with a checkpoint. It may hold entries that became durable just before the
    /// power failed, which were not reported: the machine will not report them either.
    pub fn recovered(&self, master: NodeId, checkpoint: &MasterState) {
        let now = self.timeline.now();
        let mut state = self.state();
        state.jumped(now, master, checkpoint);
    }

    /// Somebody makes something go wrong, or right again; `what` says it for the log.
    pub fn fault(&self, node: NodeId, what: &str, fault: &Fault) {
        let now = self.timeline.now();
        let mut state = self.state();
        state.note(now, node, &RunEvent::Outside(what));
        state.record(now, node, |recorder, at| recorder.fault(at, fault));
    }

    /// The network reports the fate of a message.
    pub fn passed(&self, passage: Passage) {
        let now = self.timeline.now();
        let mut state = self.state();
        let number = state.log.events();
        if let Some(recorder) = &mut state.recorder {
            recorder.network(number, now, passage);
        }
    }

    /// The run is over: from here on it is only taken down.
    pub fn over(&self) {
        let now = self.timeline.now();
        if let Some(recorder) = &mut self.state().recorder {
            recorder.over(now);
        }
    }

    /// Writes into the ledger, or has it judge; true time is given.
    pub fn ledger<R>(&self, ask: impl FnOnce(&mut Ledger, u64) -> R) -> R {
        let now = self.timeline.now();
        ask(&mut self.state().ledger, now)
    }

    /// Records what is wrong, if something is.
    pub fn judge(&self, judged: Result<(), Wrong>) {
        if let Err(wrong) = judged {
            let now = self.timeline.now();
            self.state().found(wrong, now);
        }
    }

    /// A driver's observer for one node.
    #[must_use]
    pub fn observer(&self, node: NodeId) -> NodeObserver {
        NodeObserver { watch: self.clone(), node }
    }
}

impl RunState {
    /// The node that leads the replicas of a chunk of a file that clients share, by the last committed
    /// configuration.
    #[must_use]
    pub fn primary_of(&self, path: &str, index: u64) -> Option<NodeId> {
        let chunk = self.chunks.get(&(*self.files.get(path)?, index))?;
        let (_, members) = self.configurations.get(chunk)?;
        members.first().map(|member| member.node)
    }

    /// Records what is wrong; what was found first stays.
    pub fn found(&mut self, wrong: Wrong, true_ns: u64) {
        let number = self.log.events();
        self.violation.get_or_insert(Found { wrong, true_ns, number });
    }

    /// Records what a checker found, if it found something.
    pub fn judge(&mut self, judged: Result<(), Violation>, true_ns: u64) {
        if let Err(violation) = judged {
            self.found(violation.into(), true_ns);
        }
    }

    /// Numbers and fingerprints what happened. What is recorded beside it changes nothing here.
    fn note(&mut self, true_ns: u64, node: NodeId, what: &RunEvent<'_>) {
        self.log.note(true_ns, node, what);
        match what {
            RunEvent::Input(input) => {
                self.record(true_ns, node, |recorder, at| recorder.input(at, input));
            }
            RunEvent::Effect(effect) => {
                let RunState { recorder, clocks, log, .. } = self;
                if let Some(recorder) = recorder {
                    let at = moment(log, clocks, true_ns, node);
                    recorder.effect(at, effect, &|local| clocks.true_ns(node, local));
                }
            }
            RunEvent::Outside(_) => {}
        }
    }

    fn record(&mut self, true_ns: u64, node: NodeId, tell: impl FnOnce(&mut Recorder, Moment)) {
        if let Some(recorder) = &mut self.recorder {
            tell(recorder, moment(&self.log, &self.clocks, true_ns, node));
        }
    }

    fn event(&mut self, true_ns: u64, node: NodeId, event: &Event) {
        let seen = Seen { true_ns, node, clock: &self.clocks, event };
        let judged = self.checkers.observe(&seen);
        self.judge(judged, true_ns);
        self.copies.observe(node, event);
        if matches!(event, Event::LeaderBegan { .. }) {
            self.leader = Some(node);
        }
        if let Event::ChunkMade { chunk, file, index, .. } = event {
            self.chunks.insert((*file, *index), *chunk);
        }
        if self.is_news(event) {
            *self.facts.entry(fact(event)).or_default() += 1;
        }
    }
}

impl RunState {
    /// A master's state is a checkpoint's from here on.
    fn jumped(&mut self, true_ns: u64, master: NodeId, checkpoint: &MasterState) {
        let untold = self.untold(checkpoint);
        if !untold.is_empty() {
            self.coverage.recovered_untold();
        }
        for event in untold {
            self.event(true_ns, master, &event);
        }
        self.applied = self.applied.max(checkpoint.applied());
    }

    /// What a checkpoint tells that no event told. Between two events that were told, a chunk has
    /// one change at the most: the next begins when the master knows the fate of the last.
    fn untold(&self, checkpoint: &MasterState) -> Vec<Event> {
        if checkpoint.applied() <= self.applied {
            return Vec::new();
        }
        let known = |chunk| self.configurations.get(chunk).map_or(ChunkVersion(0), |known| known.0);
        let configured = checkpoint.chunks().iter().filter_map(|(chunk, record)| {
            let config = record.config.as_ref().filter(|config| config.version > known(chunk))?;
            let (version, members) = (config.version, config.members.to_vec());
            Some(Event::Configured { chunk: *chunk, base: known(chunk), version, members })
        });
        let gone = self.configurations.iter().filter(|(c, _)| !checkpoint.chunks().contains(**c));
        let freed = gone.map(|(chunk, known)| Event::Freed { chunk: *chunk, base: known.0 });
        configured.chain(freed).collect()
    }

    /// A master that restarts applies its log again: these events are not counted again.
    fn is_news(&mut self, event: &Event) -> bool {
        match event {
            Event::Configured { chunk, version, members, .. } => {
                let known = self.configurations.get(chunk).map_or(ChunkVersion(0), |known| known.0);
                let is_new = *version > known && !self.freed.contains(chunk);
                self.placed.remove(chunk);
                if is_new {
                    self.configurations.insert(*chunk, (*version, members.clone()));
                }
                is_new
            }
            Event::Placed { chunk, servers } => {
                self.placed.insert(*chunk, servers.clone());
                true
            }
            Event::Freed { chunk, .. } => {
                self.placed.remove(chunk);
                self.configurations.remove(chunk);
                self.freed.insert(*chunk)
            }
            Event::EntryApplied { index, .. } => {
                let is_new = *index > self.applied;
                self.applied = self.applied.max(*index);
                is_new
            }
            _ => true,
        }
    }
}

/// What happened last, and where.
fn moment(log: &RunLog, clocks: &Clocks, true_ns: u64, node: NodeId) -> Moment {
    let local_ns = clocks.shown(node, true_ns).map(|time| time.0);
    Moment { event: log.events(), true_ns, local_ns, node }
}

/// What an event counts as.
fn fact(event: &Event) -> &'static str {
    match event {
        Event::LeaderBegan { .. } => "leaders",
        Event::EntryApplied { .. } => "log entries",
        Event::ChunkMade { .. } => "chunks made",
        Event::Trashed { .. } => "files trashed",
        Event::GivenUp { .. } => "chunks given up",
        Event::Restored { .. } => "files restored",
        Event::TrashEmptied { .. } => "files emptied out of the trash",
        Event::Purged { .. } => "files purged",
        Event::Configured { base: ChunkVersion(0), .. } => "first configurations",
        Event::Configured { .. } => "membership changes",
        Event::Freed { .. } => "chunks freed",
        Event::LeaseGranted { .. } => "leases granted",
        Event::ChangeBegan { .. } => "changes begun",
        Event::Placed { .. } => "placements",
        Event::RepairBegan { .. } => "repairs begun",
        Event::RepairEnded { done: true, .. } => "repairs done",
        Event::RepairEnded { done: false, .. } => "repairs given up",
        Event::ServerJoined { .. } => "servers joined",
        Event::ServerHeard { .. } => "servers heard again",
        Event::ServerDead { .. } => "servers dead",
        Event::ServerRoom { .. } => "rooms that halved or doubled",
        Event::NoRoom { .. } => "chunks without room",
        Event::TrashGaveWay { .. } => "trash that gave way",
        Event::SafeModeEnded { .. } => "safe modes ended",
        Event::LogLost { .. } => "logs lost",
        Event::ConstantsChanged { .. } => "steps of constants",
        Event::ConstantsRefused { .. } => "configurations refused",
        Event::Recovered { .. } => "replicas recovered",
        Event::Promised { .. } => "promises",
        Event::LeaseTaken { .. } => "leases taken",
        Event::LeaseEnded { .. } => "leases ended",
        Event::Adopted { .. } => "versions adopted",
        Event::Applied { .. } => "mutations applied",
        Event::Committed { .. } => "commits learnt",
        Event::Acknowledged { .. } => "mutations acknowledged",
        Event::ReadServed { .. } => "reads served",
        Event::LearnerComplete { .. } => "learners complete",
        Event::ReplicaDeleted { .. } => "replicas deleted",
        Event::ReplicaQuarantined { .. } => "replicas quarantined",
        Event::QuarantineEnded { .. } => "quarantines ended",
        Event::CorruptRead { .. } => "corrupt reads",
        Event::DiskFull { .. } => "disks full",
        Event::DiskFailed => "disks failed",
        Event::Superseded => "servers superseded",
        Event::ProtocolError { .. } => "protocol errors",
        Event::Retried { .. } => "client retries",
        Event::PieceBegan { .. } => "pieces begun",
        Event::PieceEnded { .. } => "pieces ended",
        Event::SessionEnded { .. } => "sessions ended",
        Event::SessionHeld { .. } => "sessions held",
        Event::SessionLost { .. } => "sessions lost",
        Event::LockTaken { .. } => "locks taken",
        Event::LockGivenUp { .. } => "locks given up",
        Event::SentUnderLock { .. } => "mutations sent under locks",
        Event::Unsolicited { .. } => "messages that answered nothing",
    }
}

/// One node's observer.
#[derive(Clone)]
pub struct NodeObserver {
    watch: Watch,
    node: NodeId,
}

impl<M> Observer<M> for NodeObserver {
    fn input(&mut self, clock: Time, input: &Input) {
        let now = self.watch.timeline.now();
        let mut state = self.watch.state();
        // Whatever a machine does by the time, it is the time at which it does it.
        let shown = state.clocks.local(self.node, now);
        assert!(
            clock == shown,
            "{} takes an input at {clock}, and its clock shows {shown}",
            self.node
        );
        state.note(now, self.node, &RunEvent::Input(input));
        state.recording.add(self.node, clock, || What::Takes(input.clone()));
        state.coverage.input(self.node, clock, input);
        if let Input::Request { id, caller, op } = input {
            state.checkers.client_invoked(self.node, now, *id, caller, op);
        }
        if let Input::File { id, .. } = input {
            state.checkers.client_called(self.node, now, *id);
        }
        if let Input::Installed { state: installed } = input {
            state.jumped(now, self.node, installed);
        }
    }

    fn effect(&mut self, clock: Time, effect: &Effect) {
        let now = self.watch.timeline.now();
        let mut state = self.watch.state();
        state.note(now, self.node, &RunEvent::Effect(effect));
        state.recording.add(self.node, clock, || What::Wants(Wanted::Live(effect.clone())));
        state.coverage.effect(self.node, clock, effect);
        match effect {
            Effect::Observe(event) => {
                if let Event::PieceBegan { piece, caller, op, .. } = event {
                    state.checkers.client_invoked(self.node, now, *piece, caller, op);
                }
                if let Event::PieceEnded { piece, result } = event {
                    let judged = state.checkers.client_returned(self.node, now, *piece, result);
                    state.judge(judged, now);
                }
                state.event(now, self.node, event);
            }
            Effect::Respond { id, result } => {
                let judged = state.checkers.client_returned(self.node, now, *id, result);
                state.judge(judged, now);
            }
            Effect::Send(_) | Effect::Io { .. } => {}
        }
    }

    fn stepped(&mut self, _: Time, _: &M) {}
}
