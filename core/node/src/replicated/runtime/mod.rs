//! What the consensus library runs on: tokio's tasks and time in real runs, the simulator's under
//! `cfg(madsim)`, from one source.
//!
//! Deterministic by construction: channels wake in the order in which they were asked, no select
//! draws, and random numbers come from a seed that the node is given ([`scope`]), forked with every
//! task that the library spawns. So is the [`Pace`] of its clock.

mod channel;
mod pace;
mod watch;

pub use channel::{Channels, Lock, Oneshots};
pub use pace::{Moment, Pace};
pub use watch::Watches;

use openraft::rt::deterministic_rng::DeterministicRng;
use openraft::rt::{AsyncRuntime, Instant, OptionalSend};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// The runtime, with the seeded random numbers on top.
pub type Runtime = DeterministicRng<Tasks>;

/// Runs a future with a seed and a clock of its own: what it spawns on [`Runtime`] draws from forks
/// of the seed, and goes by the same clock.
pub fn scope<F: Future>(seed: u64, pace: Pace, future: F) -> impl Future<Output = F::Output> {
    Runtime::scope(seed, pace.scope(future))
}

/// Tasks and time.
#[derive(Debug)]
pub struct Tasks;

/// A task's end. Dropping it lets the task continue.
#[derive(Debug)]
pub struct Joining<T>(tokio::task::JoinHandle<T>);

impl<T> Joining<T> {
    /// Ends the task where it waits.
    pub fn abort(&self) {
        self.0.abort();
    }
}

impl<T> Future for Joining<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// It took too long.
#[derive(Debug, thiserror::Error)]
#[error("it took too long")]
pub struct Late;

/// A future that is given up when its time is over.
pub struct Timed<F> {
    over: Sleep,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Timed<F> {
    type Output = Result<F::Output, Late>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(output) = self.future.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        self.over.as_mut().poll(context).map(|()| Err(Late))
    }
}

impl AsyncRuntime for Tasks {
    type JoinError = tokio::task::JoinError;
    type JoinHandle<T: OptionalSend + 'static> = Joining<T>;
    type Sleep = Sleep;
    type Instant = Moment;
    type TimeoutError = Late;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = Timed<T>;
    type ThreadLocalRng = <DeterministicRng<Tasks> as AsyncRuntime>::ThreadLocalRng;
    type Mpsc = Channels;
    type Watch = Watches;
    type Oneshot = Oneshots;
    type Mutex<T: OptionalSend + 'static> = Lock<T>;

    fn spawn<T>(future: T) -> Joining<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        Joining(match Pace::here() {
            Some(pace) => tokio::spawn(pace.scope(future)),
            None => tokio::spawn(future),
        })
    }

    fn sleep(duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(pace::waited(duration)))
    }

    fn sleep_until(deadline: Moment) -> Sleep {
        Self::sleep(deadline.saturating_duration_since(Moment::now()))
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(duration: Duration, future: F) -> Timed<F> {
        Timed { over: Self::sleep(duration), future: Box::pin(future) }
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(
        deadline: Moment,
        future: F,
    ) -> Timed<F> {
        Timed { over: Self::sleep_until(deadline), future: Box::pin(future) }
    }

    fn is_panic(error: &tokio::task::JoinError) -> bool {
        error.is_panic()
    }

    fn thread_rng() -> Self::ThreadLocalRng {
        unreachable!("the seeded runtime around this one draws")
    }

    fn new(_: usize) -> Self {
        Tasks
    }

    fn block_on<F, T>(&mut self, _: F) -> T
    where
        F: Future<Output = T>,
    {
        unreachable!("a node runs in a runtime of its binary's")
    }
}
