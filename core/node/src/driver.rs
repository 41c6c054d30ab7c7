//! One node: one inbox and one short loop around one machine, generic over clock, outbox, storage
//! and observer. Real runs and simulated runs share this file.

use leasehold_proto::{
    Deadline, Effect, Effects, Envelope, Input, IoId, IoOp, OpError, Outcome, RequestId,
    StateMachine, Time,
};
use std::future::Future;
use tokio::sync::mpsc;

/// A node's own monotonic clock.
pub trait Clock {
    /// Its time now.
    fn now(&self) -> Time;
    /// Returns when it shows `at` or later.
    fn sleep_until(&self, at: Time) -> impl Future<Output = ()> + Send;
}

/// Where messages and answers go. Never blocks: what cannot be sent is lost, as on a network.
pub trait Outbox {
    /// Sends a message.
    fn send(&mut self, envelope: Envelope);
    /// Hands a client's answer to its owner.
    fn respond(&mut self, id: RequestId, result: Result<Outcome, OpError>);
}

/// The disk, or the log. Each I/O ends as an `IoDone` in the inbox.
pub trait Storage {
    /// Begins everything that one step asked for. Never blocks.
    fn submit(&mut self, batch: Vec<(IoId, IoOp)>);
}

/// Sees everything, changes nothing.
pub trait Observer<M> {
    /// Before a step.
    fn input(&mut self, now: Time, input: &Input);
    /// After it, each effect.
    fn effect(&mut self, now: Time, effect: &Effect);
    /// After the effects.
    fn stepped(&mut self, now: Time, machine: &M);
}

/// An observer that looks away.
#[derive(Debug, Default)]
pub struct Unobserved;

impl<M> Observer<M> for Unobserved {
    fn input(&mut self, _: Time, _: &Input) {}
    fn effect(&mut self, _: Time, _: &Effect) {}
    fn stepped(&mut self, _: Time, _: &M) {}
}

/// A machine with everything around it.
#[derive(Debug)]
pub struct Driver<M, C, O, S, B> {
    /// The machine.
    pub machine: M,
    /// Its clock.
    pub clock: C,
    /// Its way out.
    pub outbox: O,
    /// Its disk.
    pub storage: S,
    /// Who watches.
    pub observer: B,
}

impl<M, C, O, S, B> Driver<M, C, O, S, B>
where
    M: StateMachine,
    C: Clock,
    O: Outbox,
    S: Storage,
    B: Observer<M>,
{
    /// Carries out what `recover` asked for.
    pub fn begin(&mut self, recovered: Effects) {
        let now = self.clock.now();
        self.carry_out(now, recovered);
    }

    /// Carries out what `recover` asked for, then runs until every sender of the inbox is gone.
    pub async fn run(&mut self, recovered: Effects, inbox: &mut mpsc::Receiver<Input>) {
        self.begin(recovered);
        loop {
            let deadline = self.machine.next_deadline();
            let Some(input) = self.next_input(deadline, inbox).await else { return };
            self.step(input);
        }
    }

    /// Takes one input and carries out its effects.
    pub fn step(&mut self, input: Input) {
        let now = self.clock.now();
        self.observer.input(now, &input);
        let mut out = Effects::new();
        self.machine.step(now, input, &mut out);
        self.machine.assert_invariants();
        self.carry_out(now, out);
    }

    async fn next_input(
        &self,
        deadline: Option<Deadline>,
        inbox: &mut mpsc::Receiver<Input>,
    ) -> Option<Input> {
        let Some(deadline) = deadline else { return inbox.recv().await };
        if deadline.at <= self.clock.now() {
            return Some(inbox.try_recv().unwrap_or(Input::Wake));
        }
        tokio::select! {
            biased;
            input = inbox.recv() => input,
            () = self.clock.sleep_until(deadline.at) => Some(Input::Wake),
        }
    }

    fn carry_out(&mut self, now: Time, mut out: Effects) {
        let mut batch = Vec::new();
        for effect in out.drain() {
            self.observer.effect(now, &effect);
            match effect {
                Effect::Send(envelope) => self.outbox.send(envelope),
                Effect::Io { io, op } => batch.push((io, op)),
                Effect::Respond { id, result } => self.outbox.respond(id, result),
                Effect::Observe(_) => {}
            }
        }
        if !batch.is_empty() {
            self.storage.submit(batch);
        }
        self.observer.stepped(now, &self.machine);
    }
}
