//! One queue of everything that is due later, and one task that lets it happen.
//!
//! madsim's own `sleep` takes at least a millisecond, and each poll of one leaves a timer behind
//! until it fires; with one queue beside it, a node's many short-lived sleeps cost one entry.

use madsim::time::{TimeHandle, sleep};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// True time of one run, in nanoseconds from its start, and what is due when. `P` is what arrives
/// by itself: the network's deliveries.
pub struct Timeline<P> {
    time: TimeHandle,
    queue: Mutex<Queue<P>>,
}

struct Queue<P> {
    due: BinaryHeap<Reverse<Scheduled<P>>>,
    pushed: u64,
    timers: Vec<Slot>,
    /// When madsim will wake the pump.
    armed: Option<u64>,
    pump: Option<Waker>,
}

struct Scheduled<P> {
    at: u64,
    number: u64,
    what: What<P>,
}

enum What<P> {
    Timer(usize),
    Delivery(P),
}

#[derive(Default)]
struct Slot {
    wanted: u64,
    waker: Option<Waker>,
    queued: Option<u64>,
}

impl<P> Scheduled<P> {
    fn key(&self) -> (u64, u64) {
        (self.at, self.number)
    }
}

impl<P> PartialEq for Scheduled<P> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<P> Eq for Scheduled<P> {}

impl<P> PartialOrd for Scheduled<P> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<P> Ord for Scheduled<P> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl<P: Send + 'static> Timeline<P> {
    /// The timeline of the madsim runtime that is running.
    #[must_use]
    pub fn current() -> Arc<Self> {
        let queue = Queue {
            due: BinaryHeap::new(),
            pushed: 0,
            timers: Vec::new(),
            armed: None,
            pump: None,
        };
        Arc::new(Timeline { time: TimeHandle::current(), queue: Mutex::new(queue) })
    }

    /// True time, in nanoseconds from the start of the run.
    #[must_use]
    pub fn now(&self) -> u64 {
        u64::try_from(self.time.elapsed().as_nanos()).expect("a run is shorter than 500 years")
    }

    /// A timer for one task.
    #[must_use]
    pub fn timer(self: &Arc<Self>) -> Timer<P> {
        let mut queue = self.lock();
        queue.timers.push(Slot::default());
        Timer { timeline: Arc::clone(self), slot: queue.timers.len() - 1 }
    }

    /// Has a delivery arrive at `at`.
    pub fn post(&self, at: u64, delivery: P) {
        self.lock().push(at, What::Delivery(delivery));
    }

    /// Lets everything happen in its time; never ends by itself.
    pub async fn pump(self: Arc<Self>, mut deliver: impl FnMut(P)) {
        poll_fn(move |cx| {
            loop {
                let arrived = self.settle();
                if arrived.is_empty() {
                    break;
                }
                arrived.into_iter().for_each(&mut deliver);
            }
            self.arm(cx);
            Poll::<()>::Pending
        })
        .await;
    }

    /// Nothing happens any more. Who waited is dropped, and with it what it held of this run: a
    /// task waits by a waker in here, and holds the timeline itself.
    pub fn end(&self) {
        let mut queue = self.lock();
        let timers = queue.timers.iter_mut().filter_map(|timer| timer.waker.take());
        let wakers: Vec<Waker> = timers.collect();
        let (due, pump) = (std::mem::take(&mut queue.due), queue.pump.take());
        drop(queue);
        drop((wakers, due, pump));
    }

    /// Wakes the timers that are due and takes the deliveries.
    fn settle(&self) -> Vec<P> {
        let now = self.now();
        let mut arrived = Vec::new();
        let mut queue = self.lock();
        while queue.due.peek().is_some_and(|Reverse(entry)| entry.at <= now) {
            let Some(Reverse(entry)) = queue.due.pop() else { break };
            match entry.what {
                What::Delivery(delivery) => arrived.push(delivery),
                What::Timer(slot) => queue.fire(slot, entry.at, now),
            }
        }
        arrived
    }

    fn arm(&self, cx: &mut Context<'_>) {
        let now = self.now();
        let mut queue = self.lock();
        queue.pump = Some(cx.waker().clone());
        let Some(next) = queue.due.peek().map(|Reverse(entry)| entry.at) else {
            // The wake-up requested of madsim has passed: the next push is to wake the pump.
            queue.armed = None;
            return;
        };
        if queue.armed.is_some_and(|armed| now < armed && armed <= next) {
            return;
        }
        queue.armed = Some(next);
        drop(queue);
        // `reset` is exact where `sleep` rounds up to a millisecond. Polling it once leaves the
        // wake-up with madsim, so it need not be kept.
        let mut sleep = pin!(sleep(Duration::ZERO));
        let wait = Duration::from_nanos(next.saturating_sub(now));
        sleep.as_mut().reset(self.time.now_instant() + wait);
        if sleep.poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<P>> {
        self.queue.lock().expect("nothing panics while it holds the queue")
    }
}

impl<P> Queue<P> {
    fn push(&mut self, at: u64, what: What<P>) {
        self.pushed += 1;
        self.due.push(Reverse(Scheduled { at, number: self.pushed, what }));
        if self.armed.is_none_or(|armed| at < armed)
            && let Some(pump) = self.pump.take()
        {
            pump.wake();
        }
    }

    fn fire(&mut self, slot: usize, at: u64, now: u64) {
        let timer = &mut self.timers[slot];
        if timer.queued == Some(at) {
            timer.queued = None;
        }
        if timer.wanted <= now {
            if let Some(waker) = timer.waker.take() {
                waker.wake();
            }
        } else if timer.waker.is_some() && timer.queued.is_none() {
            let wanted = timer.wanted;
            timer.queued = Some(wanted);
            self.push(wanted, What::Timer(slot));
        }
    }

    fn want(&mut self, slot: usize, at: u64, waker: &Waker) {
        let timer = &mut self.timers[slot];
        timer.wanted = at;
        timer.waker = Some(waker.clone());
        if timer.queued.is_none_or(|queued| at < queued) {
            timer.queued = Some(at);
            self.push(at, What::Timer(slot));
        }
    }
}

/// One task's timer. Of its sleeps only the latest counts.
pub struct Timer<P> {
    timeline: Arc<Timeline<P>>,
    slot: usize,
}

impl<P: Send + 'static> Timer<P> {
    /// Returns at the true time `at`, or at once if that has passed.
    pub fn until(&self, at: u64) -> Until<P> {
        Until { timeline: Arc::clone(&self.timeline), slot: self.slot, at }
    }

    /// Returns after this many nanoseconds of true time.
    pub fn after(&self, span_ns: u64) -> Until<P> {
        self.until(self.timeline.now() + span_ns)
    }
}

/// A wait for a true time.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Until<P> {
    timeline: Arc<Timeline<P>>,
    slot: usize,
    at: u64,
}

impl<P: Send + 'static> Future for Until<P> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.timeline.now() >= self.at {
            return Poll::Ready(());
        }
        self.timeline.lock().want(self.slot, self.at, cx.waker());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use madsim::runtime::Runtime;

    fn run<F: Future>(body: impl FnOnce(Arc<Timeline<u32>>) -> F) -> F::Output {
        Runtime::new().block_on(async move { body(Timeline::current()).await })
    }

    #[test]
    fn parcels_arrive_in_order_of_time_and_sleeps_are_exact() {
        let seen = run(|timeline| async move {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let (log, line) = (Arc::clone(&seen), Arc::clone(&timeline));
            madsim::task::spawn(Arc::clone(&timeline).pump(move |delivery| {
                log.lock().unwrap().push((delivery, line.now() / 1_000));
            }));
            let timer = timeline.timer();
            timer.after(10_000).await;
            timeline.post(300_000, 3);
            timeline.post(100_000, 1);
            timeline.post(200_000, 2);
            timer.until(250_000).await;
            assert!(timeline.now() - 250_000 < 1_000, "exact to a microsecond");
            timeline.post(260_000, 9);
            timer.until(400_000).await;
            seen.lock().unwrap().clone()
        });
        let order: Vec<_> = seen.iter().map(|(delivery, _)| *delivery).collect();
        assert_eq!(order, [1, 2, 9, 3]);
        assert_eq!(seen[0].1, 100, "microseconds");
    }

    #[test]
    fn a_sleep_that_was_dropped_does_not_delay_the_next() {
        run(|timeline| async move {
            madsim::task::spawn(Arc::clone(&timeline).pump(|_| {}));
            let timer = timeline.timer();
            tokio::select! {
                biased;
                () = timer.until(5_000_000_000) => unreachable!("the other is shorter"),
                () = tokio::time::sleep(Duration::from_millis(2)) => {}
            }
            timer.until(3_000_000).await;
            assert!(timeline.now() < 3_001_000);
        });
    }
}
