//! The client: finds the leader and the primaries, retries, and never runs an operation twice.
//!
//! Every request becomes a *task* (`task`). What several tasks need (a location, a file's number
//! of chunks, one more chunk) is a *shared lookup*: a task of its own that runs once, for all of
//! them. A task that can continue is *ready*; every other one waits for a reply, a lookup or a time.
//!
//! A call on an open file is carried out in *pieces*, each a request like the owner's (`file`).
//!
//! `tasks` is the table; `rights` is the session at the masters, with the locks that depend on it, and
//! `sessions` what a step does about it; `fit` says which answers can be answers; `call`, `mutate` and `read` each handle one task with what they
//! borrow of the client, and return what it needs `next`; `file` says which pieces a file call
//! begins, and how it ended. This file alone acts on that.

mod backoff;
mod lookup;
mod task;
mod session;
mod rights;
mod sessions;
mod tasks;
mod routes;
mod next;
mod fit;
mod call;
mod mutate;
mod read;
mod file;

use crate::attributes::Caller;
use crate::config::ClientConfig;
use crate::cx::Cx;
use crate::event::Event;
use crate::file::FileCall;
use crate::ids::{ClientSession, FileId, NodeId, OpId, RequestId};
use crate::locks::Lock;
use crate::machine::{Effect, Effects, Input, OpError, Operation, Outcome, StateMachine};
use crate::message::{Envelope, Message, data};
use crate::refusal::Refusal;
use crate::tables::Holder;
use crate::time::{Deadline, Time};
use alloc::boxed::Box;
use call::MasterCall;
use file::{Files, NextPiece};
use fit::check;
use lookup::Lookup;
use mutate::Mutator;
use next::Next;
use read::{Range, Reader};
use rights::Rights;
use routes::{Masters, Routes};
use sessions::changed_file;
use task::{Origin, Stage, TaskId, TaskKind};
use tasks::Tasks;

/// A client session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    config: ClientConfig,
    masters: Masters,
    routes: Routes,
    tasks: Tasks,
    files: Files,
    rights: Rights,
}

impl StateMachine for Client {
    type Config = ClientConfig;
    /// A session does not outlive its process.
    type Durable = ();

    fn recover(config: &ClientConfig, (): (), _: Time, _: &mut Effects) -> Self {
        Client {
            config: config.clone(),
            masters: Masters::new(config.masters.clone()),
            routes: Routes::default(),
            tasks: Tasks::new(),
            files: Files::default(),
            rights: Rights::default(),
        }
    }

    fn step(&mut self, now: Time, input: Input, out: &mut Effects) {
        let mut step = self.begin(now, out);
        step.on_timers();
        match input {
            Input::Request { id, caller, op } => {
                step.on_request(id, caller, op);
            }
            Input::File { id, caller, call } => step.on_file_call(id, caller, call),
            Input::Deliver(envelope) => step.on_message(envelope),
            Input::Wake => {}
            Input::IoDone { .. } | Input::Room(_) => unreachable!("a client has no I/O"),
            Input::Committed { .. } | Input::Leadership(_) | Input::Installed { .. } => {
                unreachable!("for masters only")
            }
        }
        step.run_ready();
        step.end_lost();
        step.renew_session();
        self.assert_invariants();
    }

    fn next_deadline(&self) -> Option<Deadline> {
        let session = self.rights.next_deadline(&self.config.constants);
        self.tasks.next_deadline().into_iter().chain(session).min_by_key(|next| next.at)
    }

    fn assert_invariants(&self) {
        self.tasks.assert_invariants();
        let pieces = self.tasks.requests();
        assert!(self.files.calls() <= pieces, "a file call under way has a piece under way");
    }
}

impl Client {
    /// Operations under way, pieces among them, for owners that bound them.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.tasks.requests()
    }

    /// The locks that this client believes to have, by file.
    pub fn believed_locks(&self, now: Time) -> impl Iterator<Item = (FileId, Lock<Holder>)> {
        self.rights.believed_locks(now)
    }

    fn begin<'a>(&'a mut self, now: Time, out: &'a mut Effects) -> Step<'a> {
        let (node, constants) = (self.config.node, &self.config.constants);
        Step {
            cx: Cx { now, out, node, constants },
            masters: &mut self.masters,
            routes: &mut self.routes,
            tasks: &mut self.tasks,
            files: &mut self.files,
            rights: &mut self.rights,
        }
    }
}

/// One step of a client.
struct Step<'a> {
    cx: Cx<'a>,
    masters: &'a mut Masters,
    routes: &'a mut Routes,
    tasks: &'a mut Tasks,
    files: &'a mut Files,
    rights: &'a mut Rights,
}

impl Step<'_> {
    // Inputs.

    fn on_request(&mut self, id: RequestId, caller: Box<Caller>, op: Operation) {
        match self.session_for(changed_file(&op)) {
            Ok(session) => self.begin_operation(Origin::Owner(id), caller, op, session),
            Err(refusal) => self.end_operation(Origin::Owner(id), Err(OpError::Refused(refusal))),
        }
    }

    fn begin_operation(
        &mut self,
        origin: Origin,
        caller: Box<Caller>,
        op: Operation,
        session: Option<ClientSession>,
    ) {
        if let Err(refusal) = check(self.cx.constants, &op) {
            return self.end_operation(origin, Err(OpError::Refused(refusal)));
        }
        let ends_at = self.cx.now + self.cx.constants.operation_timeout;
        let id = self.tasks.start(TaskKind::Request { origin, caller, op }, ends_at);
        self.tasks.get_mut(id).session = session;
    }

    fn on_file_call(&mut self, id: RequestId, caller: Box<Caller>, call: FileCall) {
        let constants = self.cx.constants;
        let session = self.session_for(self.files.changed_by(&call));
        let begun = session
            .and_then(|session| self.files.begin(id, caller, call, constants).map(|()| session));
        match begun {
            Ok(session) => {
                session.into_iter().for_each(|session| self.files.depends_on(id, session));
                self.advance(id);
            }
            Err(refusal) => self.end_operation(Origin::Owner(id), Err(OpError::Refused(refusal))),
        }
    }

    /// Begins the pieces of a file call that can begin, and ends the call if it is done.
    fn advance(&mut self, id: RequestId) {
        while let Some(NextPiece { number, caller, op, session }) = self.files.next_piece(id) {
            let (piece, op_begun) = (id.piece(number), Box::new(op.clone()));
            let credentials = caller.clone();
            self.cx.observe(Event::PieceBegan {
                call: id,
                piece,
                caller: credentials,
                op: op_begun,
            });
            self.begin_operation(Origin::Call { id, number }, caller, op, session);
        }
        if let Some(result) = self.files.take_result(id, self.cx.constants) {
            self.end_operation(Origin::Owner(id), result);
        }
    }

    /// The one place where a client's messages arrive. A reply names the operation that it answers
    /// and goes to its task.
    fn on_message(&mut self, envelope: Envelope) {
        let Envelope { from, to, message } = envelope;
        if to != self.cx.node {
            return;
        }
        match message {
            Message::CallReply(reply) => {
                let Some(id) = self.task_of(reply.op) else { return };
                let next = self.caller(id).on_reply(from, reply.answer);
                self.conclude(id, next);
            }
            Message::DataReply(data::Reply::Mutated(reply)) => {
                let Some(id) = self.task_of(reply.op) else { return };
                let next = self.mutator(id).on_reply(from, reply);
                self.conclude(id, next);
            }
            Message::DataReply(data::Reply::Read(reply)) => {
                let Some(id) = self.task_of(reply.op) else { return };
                let Some(range) = range(&self.tasks.get(id).kind) else { return };
                let next = self.reader(id, range).on_reply(from, reply);
                self.conclude(id, next);
            }
            Message::Call(_)
            | Message::Membership(_)
            | Message::MembershipReply(_)
            | Message::Removal(_)
            | Message::Lease(_)
            | Message::LeaseGrant(_)
            | Message::Configure(_)
            | Message::ConfigureReply(_)
            | Message::Reconcile(_)
            | Message::ReconcileReply(_)
            | Message::CopyOrder(_)
            | Message::Copy(_)
            | Message::CopyReply(_)
            | Message::CopyReport(_)
            | Message::Data(_)
            | Message::Pipeline(_)
            | Message::PipelineReply(_) => self.on_unsolicited(from),
        }
    }

    /// Takes a message that is no reply. A callback (a cached range is no longer valid, an open file
    /// changed) would have its arm in `on_message` and its handler here; the protocol has none yet.
    /// Any other message is for another role: it changes nothing, and an event reports it.
    fn on_unsolicited(&mut self, from: NodeId) {
        self.cx.observe(Event::Unsolicited { from });
    }

    /// The task that still waits for a reply to this operation.
    fn task_of(&self, op: OpId) -> Option<TaskId> {
        if op.client != self.cx.node {
            return None;
        }
        self.tasks.by_number(op.number)
    }

    fn on_timers(&mut self) {
        self.rights.expire(&mut self.cx);
        while let Some(id) = self.tasks.pop_due(self.cx.now) {
            self.on_timer(id);
        }
        self.run_ready();
    }

    fn on_timer(&mut self, id: TaskId) {
        let task = self.tasks.get(id);
        if self.cx.now >= task.ends_at {
            let (maybe, last) = (self.tasks.may_have_effect(id), self.tasks.last_refusal(id));
            return self.respond(id, Err(OpError::TimedOut { maybe, last }));
        }
        let next = match task.stage {
            Stage::BackingOff => Next::Continue,
            Stage::Calling { to, sent } => self.caller(id).on_silence(to, sent),
            Stage::Mutating { to, version, sent } => self.mutator(id).on_silence(to, version, sent),
            Stage::Reading { to, version, sent } => {
                let range = range(&task.kind).expect("a task in this stage reads");
                self.reader(id, range).on_silence(to, version, sent)
            }
            Stage::Ready | Stage::Waiting(_) => unreachable!("armed for its end only"),
        };
        self.conclude(id, next);
    }

    // The turns of a task.

    fn run_ready(&mut self) {
        while let Some(id) = self.tasks.pop_ready() {
            let next = self.take_turn(id);
            self.conclude(id, next);
        }
    }

    /// Does what the task needs next.
    fn take_turn(&mut self, id: TaskId) -> Next {
        match &self.tasks.get(id).kind {
            TaskKind::Request { op: Operation::Change(_) | Operation::Query(_), .. } => {
                self.caller(id).call()
            }
            TaskKind::Request { op: Operation::Conflict { .. }, .. } => self.caller(id).call(),
            TaskKind::Request { op: Operation::Lock { file, owner, range, kind }, .. } => {
                let (file, owner, range, kind) = (*file, *owner, *range, *kind);
                self.lock(id, file, owner, (range, kind))
            }
            TaskKind::Request { op: Operation::Write { file, index, .. }, .. } => {
                let (file, index) = (*file, *index);
                self.mutator(id).write(file, index)
            }
            TaskKind::Request { op: Operation::Append { file, .. }, .. } => {
                let file = *file;
                self.mutator(id).append(file)
            }
            TaskKind::Request { op: Operation::Cut { file, index, .. }, .. } => {
                let (file, index) = (*file, *index);
                self.mutator(id).write(file, index)
            }
            TaskKind::Request { op: Operation::Retire { file, index, chunk }, .. } => {
                let (file, index, chunk) = (*file, *index, *chunk);
                self.mutator(id).retire(file, index, chunk)
            }
            TaskKind::Request { op: Operation::Read { file, index, extent, mode }, .. } => {
                let range = Range { file: *file, index: *index, extent: *extent, mode: *mode };
                self.reader(id, range).read()
            }
            TaskKind::Lookup(lookup) => {
                let lookup = *lookup;
                self.look_up(id, lookup)
            }
        }
    }

    fn look_up(&mut self, id: TaskId, lookup: Lookup) -> Next {
        if let Some((_, refusal)) = self.tasks.get_mut(id).failed.take() {
            return Next::Refused(refusal);
        }
        match lookup {
            Lookup::Locate { .. } | Lookup::Tail { .. } | Lookup::Drop { .. } | Lookup::Session => {
                self.caller(id).call()
            }
            Lookup::Renew => self.renew_for(id),
            Lookup::Extend { file, index } => self.caller(id).extend(file, index),
            Lookup::Seal { file, index, .. } => self.mutator(id).mutate(file, index),
        }
    }

    fn caller(&mut self, id: TaskId) -> MasterCall<'_> {
        let acked_below = self.tasks.acked_below();
        MasterCall {
            cx: self.cx.reborrow(),
            task: self.tasks.get_mut(id),
            acked_below,
            masters: self.masters,
            routes: self.routes,
            rights: self.rights,
        }
    }

    fn mutator(&mut self, id: TaskId) -> Mutator<'_> {
        let acked_below = self.tasks.acked_below();
        let (cx, task) = (self.cx.reborrow(), self.tasks.get_mut(id));
        Mutator { cx, task, acked_below, routes: self.routes, rights: self.rights }
    }

    fn reader(&mut self, id: TaskId, range: Range) -> Reader<'_> {
        let (cx, task) = (self.cx.reborrow(), self.tasks.get_mut(id));
        Reader { cx, task, routes: self.routes, range }
    }

    // How a turn ends.

    fn conclude(&mut self, id: TaskId, next: Next) {
        match next {
            Next::Unchanged => {}
            Next::ReplyWithin(patience) => self.tasks.arm(id, self.cx.now + patience),
            Next::Need(lookup) => self.tasks.wait_for(id, lookup),
            Next::Continue => self.tasks.make_ready(id),
            Next::ContinueRenumbered => {
                self.tasks.renumber(id);
                self.tasks.make_ready(id);
            }
            Next::BackOff { refusal, why } => self.back_off(id, refusal, why),
            Next::NumberTooLow { below } => self.on_number_too_low(id, below),
            Next::Found => self.end_lookup(id, &Ok(())),
            Next::Refused(refusal) => self.refuse(id, refusal),
            Next::Ended(result) => self.respond(id, result),
        }
    }

    fn back_off(&mut self, id: TaskId, refusal: Option<Refusal>, why: &'static str) {
        self.tasks.stop_waiting(id);
        let task = self.tasks.get_mut(id);
        task.attempt = task.attempt.saturating_add(1);
        task.stage = Stage::BackingOff;
        task.note(refusal);
        let (op, attempt) = (task.op(self.cx.node), task.attempt);
        let span = backoff::span(self.cx.constants, self.cx.node, op.number, attempt);
        self.tasks.arm(id, self.cx.now + span);
        self.cx.observe(Event::Retried { op, why });
    }

    /// The only copy of a change that was refused so never takes effect. Of several copies, one
    /// may have; a lookup can be run twice.
    fn on_number_too_low(&mut self, id: TaskId, below: u64) {
        self.tasks.skip_to(below);
        let task = self.tasks.get(id);
        if task.copies > 1 && task.kind.is_request() {
            return self.conclude(id, Next::unknown(Refusal::PerhapsForgotten { below }));
        }
        let extends = matches!(task.kind, TaskKind::Lookup(Lookup::Extend { .. }));
        let (op, perhaps_done) = (task.op(self.cx.node), extends && task.copies > 1);
        self.tasks.get_mut(id).extended += u64::from(perhaps_done);
        self.cx.observe(Event::Retried { op, why: "its number is too low" });
        self.tasks.renumber(id);
        self.tasks.make_ready(id);
    }

    /// Ends a task with a refusal that no retry would change.
    fn refuse(&mut self, id: TaskId, refusal: Refusal) {
        let task = self.tasks.get(id);
        if !task.kind.is_request() {
            return self.end_lookup(id, &Err(refusal));
        }
        // "Refused" promises that there was no effect. What was lost has none; anything else that
        // was sent, and got no definitive reply, may have had one, and a chunk added behind a hole is one.
        // A single added chunk is its own: it is empty and left to the next write.
        let sent = task.reached() && refusal != Refusal::Lost;
        if sent || task.extended > 1 {
            return self.conclude(id, Next::unknown(refusal));
        }
        self.respond(id, Err(OpError::Refused(refusal)));
    }

    fn end_lookup(&mut self, id: TaskId, result: &Result<(), Refusal>) {
        let TaskKind::Lookup(lookup) = self.tasks.get(id).kind else {
            unreachable!("only a lookup ends so")
        };
        self.tasks.end_lookup(lookup, result);
    }

    fn respond(&mut self, id: TaskId, result: Result<Outcome, OpError>) {
        let task = self.tasks.remove(id);
        let TaskKind::Request { origin, .. } = task.kind else {
            unreachable!("only requests are answered")
        };
        // What became of it cannot be learned any more: the end of the session settles it.
        if let (Some(session), Err(error)) = (task.session, &result)
            && error.may_have_effect()
        {
            self.rights.end_this(&mut self.cx, session);
        }
        self.end_operation(origin, result);
    }

    fn end_operation(&mut self, origin: Origin, result: Result<Outcome, OpError>) {
        match origin {
            Origin::Session => self.rights.renewal_ended(self.cx.now, self.cx.constants),
            Origin::Owner(id) => self.cx.out.push(Effect::Respond { id, result }),
            Origin::Call { id, number } => {
                let (piece, ended) = (id.piece(number), Box::new(result.clone()));
                self.cx.observe(Event::PieceEnded { piece, result: ended });
                self.files.on_piece(id, number, result);
                self.advance(id);
            }
        }
    }
}

fn range(kind: &TaskKind) -> Option<Range> {
    match kind {
        TaskKind::Request { op: Operation::Read { file, index, extent, mode }, .. } => {
            Some(Range { file: *file, index: *index, extent: *extent, mode: *mode })
        }
        TaskKind::Request { .. } | TaskKind::Lookup(_) => None,
    }
}

#[cfg(test)]
mod tests;
