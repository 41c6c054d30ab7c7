//! The replicated log as the master machine's device: `Propose`, `ConfirmLeadership`, and the
//! stream of what was committed.

use super::disk::LogDisk;
use super::leadership::{AnnouncedTerm, Watcher};
use super::link::{Carrier, Link};
use super::log_store::LogStore;
use super::options::ReplicatedOptions;
use super::peers::Peers;
use super::runtime::{Pace, Runtime, Tasks, scope};
use super::server::Server;
use super::state_machine::StateMachine;
use super::types::{Proposal, Types};
use futures_util::StreamExt;
use leasehold_proto::{
    Input, IoFault, IoId, IoOp, IoOutput, IoResult, LogEntry, LogOp, MasterState, ProposeOutcome,
};
use leasehold_runtime::driver::Storage;
use leasehold_store::StoreError;
use leasehold_store::raft_log::Recovered;
use leasehold_wire::Packet;
use openraft::error::{InitializeError, RaftError};
use openraft::rt::AsyncRuntime;
use openraft::{Raft, ReadPolicy};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// The library's handle.
pub(super) type LogHandle = Raft<Types, StateMachine>;

/// The log operations of one step of the machine.
pub type Asked = Vec<(IoId, IoOp)>;

/// A replicated log that was read and does not run yet.
pub struct ReplicatedLog {
    options: ReplicatedOptions,
    birth: u64,
    store: LogStore,
    machine: StateMachine,
    disk: LogDisk,
    inbox: mpsc::Sender<Input>,
}

/// Why a log ended by itself: its disk failed, or this program is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the replicated log ended: {0}")]
pub struct LogEnded(pub String);

impl ReplicatedLog {
    /// Reads what was recovered; gives the machine's `Durable`. Committed entries will go to
    /// `inbox`. `purgeable` is the opened log's.
    ///
    /// # Errors
    /// `Corrupt` if what was recovered is not the consensus library's.
    pub fn new(
        options: ReplicatedOptions,
        recovered: &Recovered,
        purgeable: Option<u64>,
        disk: LogDisk,
        inbox: mpsc::Sender<Input>,
    ) -> Result<(Self, MasterState), StoreError> {
        let rules = options.constants.rules;
        let store = LogStore::new(disk.clone(), recovered, purgeable, rules)?;
        let (snapshot, constants) = (recovered.snapshot.as_ref(), &options.constants);
        let (machine, state) =
            StateMachine::new(snapshot, constants, disk.clone(), store.clone(), inbox.clone())?;
        let birth = recovered.birth;
        Ok((ReplicatedLog { options, birth, store, machine, disk, inbox }, state))
    }

    /// Takes part in the masters' cluster until `stop`, or until the node is gone.
    ///
    /// # Errors
    /// `LogEnded` if the log ended by itself.
    pub async fn run(
        self,
        carrier: impl Carrier,
        packets: mpsc::Receiver<Packet>,
        asked: mpsc::UnboundedReceiver<Asked>,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), LogEnded> {
        let (seed, pace) = (self.options.seed, Pace::of(self.options.drift_ppm));
        scope(seed, pace, self.serve(carrier, packets, asked, stop)).await
    }

    async fn serve(
        self,
        carrier: impl Carrier,
        packets: mpsc::Receiver<Packet>,
        asked: mpsc::UnboundedReceiver<Asked>,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), LogEnded> {
        let ReplicatedLog { options, birth, store, machine, disk, inbox } = self;
        let link = Link::new(options.node, carrier, options.seed);
        let config = options.library().validate().map_err(ended)?;
        let peers = Peers::new(link.clone());
        let raft = Raft::new(options.node.0, Arc::new(config), peers, store, machine)
            .await
            .map_err(ended)?;
        let serving = Runtime::spawn(Server::new(raft.clone(), link, birth, disk).serve(packets));
        let begun = begin_cluster(&raft, &options).await;
        let announced = AnnouncedTerm::default();
        let device =
            Device { raft: raft.clone(), announced: announced.clone(), inbox: inbox.clone() };
        let patience = options.timing.election_max * 2;
        drop(Runtime::spawn(device.serve(asked, patience)));
        let timing = options.timing;
        let watched = raft.clone();
        let watcher =
            Watcher { raft: watched, inbox, timing, announced, leader: None, pending: None };
        let ran = match begun {
            Ok(()) => tokio::select! {
                biased;
                why = watcher.watch() => why.map_or(Ok(()), |why| Err(LogEnded(why))),
                () = stop => Ok(()),
            },
            failed => failed,
        };
        // However it ended: as long as the library runs it has work for the disk's thread.
        let shut = raft.shutdown().await.map_err(ended);
        // Its way out may hold the way in: it would wait for itself.
        serving.abort();
        ran.and(shut)
    }
}

/// The first masters agree on their membership because all are configured with the same.
async fn begin_cluster(raft: &LogHandle, options: &ReplicatedOptions) -> Result<(), LogEnded> {
    let Some(first) = &options.bootstrap else { return Ok(()) };
    if raft.is_initialized().await.map_err(ended)? {
        return Ok(());
    }
    let members: std::collections::BTreeMap<u64, super::Peer> =
        first.iter().map(|(node, peer)| (node.0, peer.clone())).collect();
    match raft.initialize(members).await {
        // Another of them was faster, and this one follows it already.
        Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
        Err(error) => Err(ended(error)),
    }
}

fn ended(error: impl ToString) -> LogEnded {
    LogEnded(error.to_string())
}

/// The machine's end of the device.
#[derive(Clone, Debug)]
pub struct LogStorage(mpsc::UnboundedSender<Asked>);

impl LogStorage {
    /// Both ends of the way from the machine to its log.
    #[must_use]
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Asked>) {
        let (queue, asked) = mpsc::unbounded_channel();
        (LogStorage(queue), asked)
    }
}

impl Storage for LogStorage {
    fn submit(&mut self, batch: Vec<(IoId, IoOp)>) {
        // A log that ended takes its node down: requests made meanwhile are not answered.
        let _ = self.0.send(batch);
    }
}

/// Carries out the machine's log operations.
#[derive(Clone)]
struct Device {
    raft: LogHandle,
    announced: AnnouncedTerm,
    inbox: mpsc::Sender<Input>,
}

impl Device {
    async fn serve(self, mut asked: mpsc::UnboundedReceiver<Asked>, patience: Duration) {
        while let Some(mut batch) = asked.recv().await {
            while let Ok(more) = asked.try_recv() {
                batch.extend(more);
            }
            let mut proposed = Vec::new();
            for (io, op) in batch {
                match op {
                    IoOp::Log(LogOp::Propose { entry }) => proposed.push((io, entry)),
                    IoOp::Log(LogOp::Confirm) => {
                        drop(Runtime::spawn(Box::pin(self.clone().confirm(io, patience))));
                    }
                    chunk_io => unreachable!("a master asks for no {chunk_io:?}"),
                }
            }
            if !proposed.is_empty() {
                self.propose(proposed).await;
            }
        }
    }

    /// Sends proposals on their way, in their order; a task reports their outcomes.
    async fn propose(&self, proposed: Vec<(IoId, LogEntry)>) {
        let (ios, entries): (Vec<_>, Vec<_>) = proposed.into_iter().unzip();
        if !self.announced.leads() {
            return self.tell_all(ios, ProposeOutcome::Rejected).await;
        }
        let Ok(results) = self.raft.client_write_many(entries.into_iter().map(Proposal)).await
        else {
            return self.tell_all(ios, ProposeOutcome::Unknown).await;
        };
        // The library's stream ends with the first proposal whose fate is not known, and panics if
        // it is requested again; the others' is as little known.
        let mut results = results.fuse();
        let device = self.clone();
        drop(Runtime::spawn(Box::pin(async move {
            for io in ios {
                let outcome = match results.next().await {
                    Some(Ok(Ok(written))) => {
                        let index = written.response.expect("a proposal has an index");
                        ProposeOutcome::Committed(index)
                    }
                    // A leader that is deposed gives the same error for what it never sent and for
                    // what it did: the next leader may commit that.
                    Some(Ok(Err(_)) | Err(_)) | None => ProposeOutcome::Unknown,
                };
                device.tell(io, Ok(IoOutput::Proposed(outcome))).await;
            }
        })));
    }

    /// A read-index round: the leader's lease would trust clocks, and is not used.
    async fn confirm(self, io: IoId, patience: Duration) {
        let round = self.raft.get_read_linearizer(ReadPolicy::ReadIndex);
        let result = match Tasks::timeout(patience, round).await {
            Ok(Ok(_)) => Ok(IoOutput::Confirmed),
            Ok(Err(_)) | Err(_) => Err(IoFault::NotLeader),
        };
        self.tell(io, result).await;
    }

    async fn tell_all(&self, ios: Vec<IoId>, outcome: ProposeOutcome) {
        for io in ios {
            self.tell(io, Ok(IoOutput::Proposed(outcome))).await;
        }
    }

    async fn tell(&self, io: IoId, result: IoResult) {
        // A node that stops leaves its inbox.
        let _ = self.inbox.send(Input::IoDone { io, result }).await;
    }
}
