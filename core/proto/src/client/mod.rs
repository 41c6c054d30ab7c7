//! The client: finds the leader and the primaries, retries, and never runs an operation twice.
//!
//! Every request becomes a `Job`. What several jobs need (a location, a file's number
//! of chunks, one more chunk) is an *errand*: a job of its own that runs once, for all of them.
//! A job that can go on is *ready*; everything else waits for an answer, an errand or a time.

mod backoff;
mod errand;
mod job;
mod mutate;
mod namespace;
mod read;
mod routes;
mod session;

use crate::config::ClientConfig;
use crate::event::Event;
use crate::ids::{NodeId, OpId, RequestId};
use crate::machine::{Effect, Effects, Input, OpError, Operation, Outcome, StateMachine};
use crate::message::{Envelope, Message};
use crate::message::{call, data};
use crate::refusal::Refusal;
use crate::time::{Deadline, Time};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use errand::Errand;
use job::{Goal, Job, JobId, Stage};
use routes::{Masters, Routes};
use session::Session;

/// A client session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    config: ClientConfig,
    session: Session,
    masters: Masters,
    routes: Routes,
    jobs: BTreeMap<JobId, Job>,
    next_job: JobId,
    /// The errands among the jobs.
    errands: BTreeMap<Errand, JobId>,
    /// Whose answer carries this operation number.
    awaited: BTreeMap<u64, JobId>,
    /// When each job wants to be looked at; a job has one entry at the most.
    timers: BTreeSet<(Time, JobId)>,
    ready: VecDeque<JobId>,
}

impl StateMachine for Client {
    type Config = ClientConfig;
    /// A session does not outlive its process.
    type Durable = ();

    fn recover(config: &ClientConfig, (): (), _: Time, _: &mut Effects) -> Self {
        Client {
            config: config.clone(),
            session: Session::new(),
            masters: Masters::new(config.masters.clone()),
            routes: Routes::default(),
            jobs: BTreeMap::new(),
            next_job: JobId(1),
            errands: BTreeMap::new(),
            awaited: BTreeMap::new(),
            timers: BTreeSet::new(),
            ready: VecDeque::new(),
        }
    }

    fn step(&mut self, now: Time, input: Input, out: &mut Effects) {
        self.settle_due(now, out);
        match input {
            Input::Request { id, op } => self.on_request(now, id, op, out),
            Input::Deliver(envelope) => self.on_message(now, envelope, out),
            Input::Wake => {}
            Input::IoDone { .. } => unreachable!("a client asks for no I/O"),
            Input::Committed { .. } | Input::Leadership(_) | Input::Installed { .. } => {
                unreachable!("for masters only")
            }
        }
        self.run_ready(now, out);
        self.assert_invariants();
    }

    fn next_deadline(&self) -> Option<Deadline> {
        let (at, id) = self.timers.first()?;
        Some(Deadline { at: *at, why: self.jobs[id].waits_for() })
    }

    fn assert_invariants(&self) {
        assert!(self.ready.is_empty(), "whatever can go on has gone on");
        assert!(self.jobs.len() >= self.errands.len(), "an errand is a job");
        assert_eq!(self.jobs.len(), self.awaited.len(), "every job has its number");
        if cfg!(debug_assertions) {
            self.assert_jobs();
        }
    }
}

impl Client {
    /// Operations under way, for owners that bound them.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.jobs.len() - self.errands.len()
    }

    fn op_id(&self, number: u64) -> OpId {
        OpId { client: self.config.node, number }
    }

    fn job(&mut self, id: JobId) -> &mut Job {
        self.jobs.get_mut(&id).expect("the caller has just looked it up")
    }

    fn send(&self, to: NodeId, message: impl Into<Message>, out: &mut Effects) {
        let message = message.into();
        out.push(Effect::Send(Envelope { from: self.config.node, to, message }));
    }

    // Inputs.

    fn on_request(&mut self, now: Time, id: RequestId, op: Operation, out: &mut Effects) {
        if let Err(refusal) = self.check(&op) {
            return out.push(Effect::Respond { id, result: Err(OpError::Refused(refusal)) });
        }
        let ends_at = now + self.config.constants.operation_timeout;
        let job = self.start(Goal::Request { id, op }, ends_at);
        self.make_ready(job);
    }

    fn on_message(&mut self, now: Time, envelope: Envelope, out: &mut Effects) {
        let Envelope { from, to, message } = envelope;
        if to != self.config.node {
            return;
        }
        match message {
            Message::CallReply(call::Reply { op, answer }) => {
                if let Some(id) = self.whose(op) {
                    self.on_answer(now, id, from, answer, out);
                }
            }
            Message::DataReply(data::Reply::Mutated(data::Mutated { op, chunk, result })) => {
                if let Some(id) = self.whose(op) {
                    self.on_mutated(now, id, from, chunk, result, out);
                }
            }
            Message::DataReply(data::Reply::Read(data::ReadReply {
                op,
                chunk,
                result,
                payload,
            })) => {
                if let Some(id) = self.whose(op) {
                    self.on_read(now, id, from, chunk, result.map(|length| (length, payload)), out);
                }
            }
            // Nothing else is said to a client; whoever says it anyway is not answered.
            _ => {}
        }
    }

    /// The job that still waits for an answer to this operation.
    fn whose(&self, op: OpId) -> Option<JobId> {
        if op.client != self.config.node {
            return None;
        }
        self.awaited.get(&op.number).copied()
    }

    // The life of a job.

    /// Makes a job with a fresh number. One that may change something holds the watermark.
    fn start(&mut self, goal: Goal, ends_at: Time) -> JobId {
        let id = self.next_job;
        self.next_job = JobId(id.0 + 1);
        let number =
            if goal.changes_something() { self.session.begin() } else { self.session.number() };
        self.awaited.insert(number, id);
        self.jobs.insert(id, Job::new(goal, number, ends_at));
        id
    }

    /// What it did under its number is over, or never was: it goes on as another operation.
    fn renumber(&mut self, id: JobId) {
        let old = self.jobs[&id].number;
        self.awaited.remove(&old);
        self.session.settle(old);
        let number = self.session.begin();
        self.awaited.insert(number, id);
        let job = self.job(id);
        job.number = number;
        job.copies = 0;
    }

    /// The only copy of a change that was refused so never takes effect. Of several copies, one
    /// may have; an errand can be run twice.
    fn on_perhaps_forgotten(&mut self, id: JobId, below: u64, out: &mut Effects) {
        self.session.skip_to(below);
        let job = &self.jobs[&id];
        if job.copies > 1 && matches!(job.goal, Goal::Request { .. }) {
            let last = Some(Refusal::PerhapsForgotten { below });
            return self.respond(id, Err(OpError::TimedOut { maybe: true, last }), out);
        }
        out.observe(Event::Retried { op: self.op_id(job.number), why: "its number is too low" });
        self.stop_waiting(id);
        self.renumber(id);
        self.make_ready(id);
    }

    fn make_ready(&mut self, id: JobId) {
        self.job(id).stage = Stage::Ready;
        self.arm(id, Time::NEVER);
        self.ready.push_back(id);
    }

    fn run_ready(&mut self, now: Time, out: &mut Effects) {
        while let Some(id) = self.ready.pop_front() {
            let still = self.jobs.get(&id).is_some_and(|job| job.stage == Stage::Ready);
            if still {
                self.advance(now, id, out);
            }
        }
    }

    /// Does what the job needs next.
    fn advance(&mut self, now: Time, id: JobId, out: &mut Effects) {
        match &self.jobs[&id].goal {
            Goal::Request { op: Operation::Change(_) | Operation::Query(_), .. } => {
                self.ask(now, id, out);
            }
            Goal::Request { op: Operation::Write { file, index, .. }, .. } => {
                let (file, index) = (*file, *index);
                self.advance_write(now, id, file, index, out);
            }
            Goal::Request { op: Operation::Append { file, .. }, .. } => {
                let file = *file;
                self.advance_append(now, id, file, out);
            }
            Goal::Request { op: Operation::Read { file, index, mode, .. }, .. } => {
                let (file, index, mode) = (*file, *index, *mode);
                self.advance_read(now, id, file, index, mode, out);
            }
            Goal::Errand(errand) => {
                let errand = *errand;
                self.advance_errand(now, id, errand, out);
            }
        }
    }

    /// Lets the job be looked at again at `at`, or at its end if that comes before.
    fn arm(&mut self, id: JobId, at: Time) {
        let job = self.jobs.get_mut(&id).expect("the caller has just looked it up");
        let at = at.min(job.ends_at);
        if job.armed != Time::NEVER {
            self.timers.remove(&(job.armed, id));
        }
        job.armed = at;
        if at != Time::NEVER {
            self.timers.insert((at, id));
        }
    }

    fn settle_due(&mut self, now: Time, out: &mut Effects) {
        while let Some(&(at, id)) = self.timers.first()
            && at <= now
        {
            self.timers.pop_first();
            self.job(id).armed = Time::NEVER;
            self.on_due(now, id, out);
        }
        self.run_ready(now, out);
    }

    fn on_due(&mut self, now: Time, id: JobId, out: &mut Effects) {
        let job = &self.jobs[&id];
        if now >= job.ends_at {
            let maybe = job.reached();
            let last = self.why(id);
            return self.respond(id, Err(OpError::TimedOut { maybe, last }), out);
        }
        match job.stage {
            Stage::Pausing => self.make_ready(id),
            Stage::Asking { .. } => self.on_master_silence(now, id, out),
            Stage::Mutating { .. } => self.on_primary_silence(now, id, out),
            Stage::Reading { .. } => self.on_reader_silence(now, id, out),
            Stage::Ready | Stage::Waiting(_) => unreachable!("armed for its end only"),
        }
    }

    /// Tries again later, because of `refusal`, if somebody refused.
    fn pause(
        &mut self,
        now: Time,
        id: JobId,
        refusal: Option<Refusal>,
        why: &'static str,
        out: &mut Effects,
    ) {
        let node = self.config.node;
        let job = self.jobs.get_mut(&id).expect("the caller has just looked it up");
        job.attempt = job.attempt.saturating_add(1);
        job.stage = Stage::Pausing;
        job.note(refusal);
        let (number, attempt) = (job.number, job.attempt);
        let span = backoff::span(&self.config.constants, node, number, attempt);
        self.arm(id, now + span);
        out.observe(Event::Retried { op: self.op_id(number), why });
    }

    /// What stood in the way last, of the job or of the errand that it waits for.
    fn why(&self, id: JobId) -> Option<Refusal> {
        let job = &self.jobs[&id];
        let errand = match job.stage {
            Stage::Waiting(errand) => self.errands.get(&errand).copied(),
            _ => None,
        };
        errand.and_then(|errand| self.why(errand)).or_else(|| job.last.clone())
    }

    /// Ends a job with a refusal that no retry would change.
    fn refuse(&mut self, id: JobId, refusal: Refusal, out: &mut Effects) {
        match self.jobs[&id].goal {
            Goal::Errand(_) => self.end_errand(id, Err(refusal)),
            Goal::Request { .. } => {
                // "Refused" promises that there was no effect. What was lost has none; of anything
                // else that was sent and not answered for good nobody knows.
                let error = if self.jobs[&id].reached() && refusal != Refusal::Lost {
                    OpError::TimedOut { maybe: true, last: Some(refusal) }
                } else {
                    OpError::Refused(refusal)
                };
                self.respond(id, Err(error), out);
            }
        }
    }

    fn respond(&mut self, id: JobId, result: Result<Outcome, OpError>, out: &mut Effects) {
        let job = self.remove(id);
        let Goal::Request { id: request, .. } = job.goal else {
            unreachable!("only requests are answered")
        };
        out.push(Effect::Respond { id: request, result });
        if let Stage::Waiting(errand) = job.stage {
            self.leave_errand(id, errand);
        }
    }

    /// Its number passes below the watermark: it is never sent again.
    fn remove(&mut self, id: JobId) -> Job {
        let job = self.jobs.remove(&id).expect("the caller has just looked it up");
        self.timers.remove(&(job.armed, id));
        self.awaited.remove(&job.number);
        self.session.settle(job.number);
        job
    }

    fn assert_jobs(&self) {
        let mut armed = 0;
        for (id, job) in &self.jobs {
            assert_eq!(self.awaited.get(&job.number), Some(id), "an answer finds its job");
            assert!(job.number < self.session.next(), "numbers come from the session");
            if job.goal.changes_something() {
                assert!(self.session.acked_below() <= job.number, "the watermark waits for it");
            }
            let timer = job.armed != Time::NEVER && self.timers.contains(&(job.armed, *id));
            assert_eq!(timer, job.armed != Time::NEVER, "an armed job has its timer");
            armed += usize::from(timer);
            match &job.goal {
                Goal::Request { .. } => assert!(timer, "every request ends"),
                Goal::Errand(errand) => {
                    assert_eq!(self.errands.get(errand), Some(id), "one job for one errand");
                    assert!(!job.waiters.is_empty(), "an errand is for somebody");
                }
            }
            if let Stage::Waiting(errand) = job.stage {
                let other = &self.jobs[&self.errands[&errand]];
                assert!(other.waiters.contains(id), "an errand knows who waits for it");
            }
        }
        assert_eq!(armed, self.timers.len(), "no timer without its job");
    }
}

#[cfg(test)]
mod tests;
