//! One node: one inbox and one short loop around one machine, generic over clock, outbox, storage
//! and observer. Real runs and simulated runs share this file.

use leasehold_proto::{
    Deadline, Effect, Effects, Envelope, Input, IoId, IoOp, OpError, Outcome, RequestId,
    StateMachine, Time,
};
use std::future::Future;
use tokio::sync::mpsc;

/// Inputs that wait for the loop; beyond, connections and the disk wait. Payloads have a bound
/// of their own.
pub const INBOX_MAX: usize = 1_024;

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
    /// Begins every I/O of one step. Never blocks.
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
    /// Carries out the effects of `recover`.
    pub fn begin(&mut self, mut recovered: Effects) {
        let now = self.clock.now();
        self.carry_out(now, &mut recovered);
    }

    /// Carries out the effects of `recover`, then runs until every sender of the inbox is gone.
    pub async fn run(&mut self, recovered: Effects, inbox: &mut mpsc::Receiver<Input>) {
        self.begin(recovered);
        // One buffer for the effects of every step.
        let mut out = Effects::new();
        loop {
            let deadline = self.machine.next_deadline();
            let Some(input) = self.next_input(deadline, inbox).await else { return };
            self.step_into(input, &mut out);
        }
    }

    /// Takes one input and carries out its effects.
    pub fn step(&mut self, input: Input) {
        self.step_into(input, &mut Effects::new());
    }

    fn step_into(&mut self, input: Input, out: &mut Effects) {
        let now = self.clock.now();
        self.observer.input(now, &input);
        self.machine.step(now, input, out);
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

    fn carry_out(&mut self, now: Time, out: &mut Effects) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

    /// Wants a `Wake` at a fixed time, and two I/Os when it has come.
    struct Alarm {
        at: Option<Time>,
        seen: Vec<(Time, Input)>,
    }

    impl StateMachine for Alarm {
        type Config = ();
        type Durable = ();
        fn recover((): &(), (): (), _: Time, _: &mut Effects) -> Self {
            Alarm { at: None, seen: Vec::new() }
        }
        fn step(&mut self, now: Time, input: Input, out: &mut Effects) {
            if self.at.is_some_and(|at| at <= now) {
                self.at = None;
                out.push(Effect::Io {
                    io: IoId(1),
                    op: IoOp::Log(leasehold_proto::LogOp::Confirm),
                });
                out.push(Effect::Io {
                    io: IoId(2),
                    op: IoOp::Log(leasehold_proto::LogOp::Confirm),
                });
            }
            self.seen.push((now, input));
        }
        fn next_deadline(&self) -> Option<Deadline> {
            self.at.map(|at| Deadline { at, why: "alarm" })
        }
        fn assert_invariants(&self) {}
    }

    /// A clock that moves only while a task sleeps.
    struct Sleeping(Arc<AtomicU64>);

    impl Clock for Sleeping {
        fn now(&self) -> Time {
            Time(self.0.load(SeqCst))
        }
        async fn sleep_until(&self, at: Time) {
            tokio::task::yield_now().await;
            self.0.store(at.0, SeqCst);
        }
    }

    struct Nobody;

    impl Outbox for Nobody {
        fn send(&mut self, _: Envelope) {}
        fn respond(&mut self, _: RequestId, _: Result<Outcome, OpError>) {}
    }

    #[derive(Clone, Default)]
    struct Batches(Rc<RefCell<Vec<usize>>>);

    impl Storage for Batches {
        fn submit(&mut self, batch: Vec<(IoId, IoOp)>) {
            self.0.borrow_mut().push(batch.len());
        }
    }

    #[tokio::test]
    async fn inputs_come_before_a_deadline_and_a_step_is_one_batch() {
        let batches = Batches::default();
        let mut driver = Driver {
            machine: Alarm { at: Some(Time(50)), seen: Vec::new() },
            clock: Sleeping(Arc::default()),
            outbox: Nobody,
            storage: batches.clone(),
            observer: Unobserved,
        };
        let (sender, mut inbox) = mpsc::channel(4);
        let lead = Input::Leadership(leasehold_proto::Leadership::Leader);
        sender.send(lead.clone()).await.unwrap();
        let later = lead.clone();
        let sending = async move {
            // The loop sleeps by its clock first, and then waits for this.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            sender.send(later).await.unwrap();
        };
        tokio::join!(driver.run(Effects::new(), &mut inbox), sending);
        let expected = [(Time(0), lead.clone()), (Time(50), Input::Wake), (Time(50), lead)];
        assert_eq!(driver.machine.seen, expected);
        assert_eq!(*batches.0.borrow(), [2]);
    }
}
