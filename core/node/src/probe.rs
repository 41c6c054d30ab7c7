//! What a monitor sees of a server: what its loop counts, and a sample of its machine on request.
//!
//! A request wakes the loop and is answered after its next step, so that an answer shows as well that
//! the loop still runs. Nothing is computed for a monitor that does not ask.

use leasehold_proto::metadata::ClusterStatus;
use leasehold_proto::{Chunkserver, Effect, Epoch, Event, Input, IoId, LogIndex, Master, Time};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::{mpsc, oneshot};

/// Requests that wait for a sample at the most.
const REQUESTS_MAX: usize = 64;

/// I/O that is timed at a time; a machine has less in flight.
const IO_MAX: usize = 4_096;

/// The monitor's end. Copies show the same server.
#[derive(Clone, Debug)]
pub struct Probe {
    shared: Arc<Shared>,
    inbox: mpsc::Sender<Input>,
}

#[derive(Debug)]
struct Shared {
    counts: Counts,
    wanted: AtomicBool,
    requests: Mutex<Vec<oneshot::Sender<Sample>>>,
}

/// A server's machine at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sample {
    /// A master's.
    Master {
        /// The epoch in which it acts, if it does.
        acts: Option<Epoch>,
        /// The last entry that it applied.
        applied: LogIndex,
        /// The cluster, if it acts.
        cluster: Option<ClusterStatus>,
    },
    /// A chunkserver's.
    Chunkserver {
        /// Not stopped for good.
        serves: bool,
        /// A master has registered it.
        registered: bool,
        /// How many replicas it holds.
        replicas: u64,
        /// Chunks of which it is primary by a lease.
        leases: u64,
        /// Bytes of its replicas.
        used_bytes: u64,
        /// Bytes that they may still occupy.
        free_bytes: u64,
        /// Bytes that it could offer if it were empty.
        capacity_bytes: u64,
    },
}

/// A machine that a sample can be taken of.
pub trait Sampled {
    /// How it is at `now`.
    fn sample(&self, now: Time) -> Sample;
}

impl Sampled for Master {
    fn sample(&self, now: Time) -> Sample {
        let (acts, applied) = (self.acting(), self.state().applied());
        Sample::Master { acts, applied, cluster: self.status(now) }
    }
}

impl Sampled for Chunkserver {
    fn sample(&self, now: Time) -> Sample {
        let (live, room) = (&self.replicas().live, self.room());
        Sample::Chunkserver {
            serves: self.serves(),
            registered: self.master().is_some(),
            replicas: live.len() as u64,
            leases: self.believes_primary(now).len() as u64,
            used_bytes: room.used_bytes,
            free_bytes: room.free_bytes,
            capacity_bytes: room.size_bytes,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    event: &'static str,
}

/// What the loop counts.
#[derive(Debug)]
struct Counts {
    received: Counter,
    sent: Counter,
    events: Family<EventLabels, Counter>,
    io: Histogram,
}

impl Default for Counts {
    fn default() -> Self {
        // From 0.1 ms to 6.6 s.
        let io = Histogram::new(exponential_buckets(0.0001, 2.0, 17));
        let (received, sent, events) = Default::default();
        Counts { received, sent, events, io }
    }
}

impl Probe {
    /// Of the server with this inbox; the other end is its loop's.
    pub(crate) fn new(inbox: mpsc::Sender<Input>) -> (Self, Watched) {
        let (counts, wanted, requests) = Default::default();
        let shared = Arc::new(Shared { counts, wanted, requests });
        (Probe { shared: shared.clone(), inbox }, Watched { shared, io: BTreeMap::new() })
    }

    /// A sample that the loop takes after its next step; none if it does not answer any more, or too
    /// many wait already. Callers bound how long they wait.
    pub async fn sample(&self) -> Option<Sample> {
        let (request, sample) = oneshot::channel();
        {
            let mut requests = self.shared.requests();
            requests.retain(|request| !request.is_closed());
            if requests.len() >= REQUESTS_MAX {
                return None;
            }
            requests.push(request);
        }
        self.shared.wanted.store(true, Ordering::Release);
        self.inbox.send(Input::Wake).await.ok()?;
        sample.await.ok()
    }

    /// Registers what the loop counts.
    pub fn register(&self, registry: &mut Registry) {
        let Counts { received, sent, events, io } = &self.shared.counts;
        registry.register("received_messages", "Messages that the loop took", received.clone());
        registry.register("sent_messages", "Messages that the loop sent", sent.clone());
        registry.register("events", "Events of the protocol, by kind", events.clone());
        let help = "From a disk operation's request to its end, a sync included";
        registry.register_with_unit("io_duration", help, Unit::Seconds, io.clone());
    }
}

impl Shared {
    fn requests(&self) -> MutexGuard<'_, Vec<oneshot::Sender<Sample>>> {
        self.requests.lock().expect("nothing panics while it holds the requests")
    }
}

/// The loop's end.
#[derive(Debug)]
pub(crate) struct Watched {
    shared: Arc<Shared>,
    /// Since when each disk operation is under way.
    io: BTreeMap<IoId, Time>,
}

impl Watched {
    /// Counts an input.
    pub fn input(&mut self, now: Time, input: &Input) {
        match input {
            Input::Deliver(_) => drop(self.shared.counts.received.inc()),
            Input::IoDone { io, .. } => {
                if let Some(since) = self.io.remove(io) {
                    self.shared.counts.io.observe(now.since(since).as_secs_f64());
                }
            }
            Input::Wake
            | Input::Room(_)
            | Input::Request { .. }
            | Input::File { .. }
            | Input::Committed { .. }
            | Input::Leadership(_)
            | Input::Installed { .. } => {}
        }
    }

    /// Counts an effect.
    pub fn effect(&mut self, now: Time, effect: &Effect) {
        match effect {
            Effect::Send(_) => drop(self.shared.counts.sent.inc()),
            Effect::Io { io, .. } if self.io.len() < IO_MAX => drop(self.io.insert(*io, now)),
            Effect::Observe(event) => {
                if let Some(event) = counted(event) {
                    self.shared.counts.events.get_or_create(&EventLabels { event }).inc();
                }
            }
            Effect::Io { .. } | Effect::Respond { .. } => {}
        }
    }

    /// Answers the requests that wait.
    pub fn stepped(&self, now: Time, machine: &impl Sampled) {
        if !self.shared.wanted.swap(false, Ordering::Acquire) {
            return;
        }
        let requests = std::mem::take(&mut *self.shared.requests());
        let sample = machine.sample(now);
        for request in requests {
            // The connection may be closed by now.
            let _ = request.send(sample.clone());
        }
    }
}

/// The name under which an event is counted: those that an operator would plot or be alarmed by. Events
/// of single mutations are left out, since the histogram of I/O and the messages show those.
fn counted(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::LeaderBegan { .. } => "leader_began",
        Event::Configured { .. } => "configured",
        Event::ServerJoined { .. } => "server_joined",
        Event::ServerHeard { .. } => "server_heard",
        Event::ServerDead { .. } => "server_dead",
        Event::SafeModeEnded { .. } => "safe_mode_ended",
        Event::LogLost { .. } => "log_lost",
        Event::ConstantsChanged { .. } => "constants_changed",
        Event::RepairBegan { .. } => "repair_began",
        Event::RepairEnded { done: true, .. } => "repair_done",
        Event::RepairEnded { done: false, .. } => "repair_failed",
        Event::CorruptRead { .. } => "corrupt_read",
        Event::DiskFailed => "disk_failed",
        Event::Superseded => "superseded",
        Event::ProtocolError { .. } => "protocol_error",
        Event::ReplicaQuarantined { .. } => "replica_quarantined",
        Event::ReplicaDeleted { .. } => "replica_deleted",
        Event::LeaseTaken { .. } => "lease_taken",
        Event::LeaseEnded { .. } => "lease_ended",
        Event::LearnerComplete { .. } => "copy_complete",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehold_proto::IoOutput;

    struct Machine;

    impl Sampled for Machine {
        fn sample(&self, _: Time) -> Sample {
            Sample::Master { acts: None, applied: LogIndex(7), cluster: None }
        }
    }

    #[tokio::test]
    async fn a_sample_is_taken_after_a_step_that_the_request_causes() {
        let (inbox, mut inputs) = mpsc::channel(1);
        let (probe, watched) = Probe::new(inbox);
        let stepping = async {
            assert_eq!(inputs.recv().await, Some(Input::Wake));
            watched.stepped(Time(1), &Machine);
        };
        let (sample, ()) = tokio::join!(probe.sample(), stepping);
        assert!(matches!(sample, Some(Sample::Master { applied: LogIndex(7), .. })));
        drop(inputs);
        assert_eq!(probe.sample().await, None, "a loop that ended answers nothing");
    }

    #[test]
    fn messages_events_and_io_are_counted() {
        let (inbox, _inputs) = mpsc::channel(1);
        let (probe, mut watched) = Probe::new(inbox);
        let io = IoId(3);
        watched.effect(Time(0), &Effect::Io { io, op: confirm() });
        watched.effect(Time(0), &Effect::Observe(Event::DiskFailed));
        watched.input(Time(300_000), &Input::IoDone { io, result: Ok(IoOutput::Confirmed) });
        let mut registry = Registry::default();
        probe.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in ["events_total{event=\"disk_failed\"} 1", "io_duration_seconds_count 1"] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    fn confirm() -> leasehold_proto::IoOp {
        leasehold_proto::IoOp::Log(leasehold_proto::LogOp::Confirm)
    }
}
