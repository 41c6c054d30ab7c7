//! What turns a machine's I/O into its `IoDone`s, without a thread: real runs call it from a
//! disk's own thread, simulated runs call it inline and add the latency themselves.

use crate::gauge::Gauge;
use leasehold_proto::{
    Input, IoFault, IoId, IoOp, IoOutput, IoResult, Leadership, LogEntry, LogIndex, LogOp,
    MasterState, ProposeOutcome, Replicas, Room,
};
use leasehold_store::{
    ChunkStore, Disk, MasterLog, MasterLogOptions, StoreError, StoreOptions, Written,
};
use std::time::Duration;
use tokio::sync::oneshot;

/// Carries out I/O. Each operation of a batch ends as one `IoDone`.
pub trait Executor {
    /// Carries out a batch, durable together where the operations request it, and returns what
    /// the machine is to be told, in an order in which it may be told.
    fn execute(&mut self, batch: Vec<(IoId, IoOp)>) -> Vec<Input>;

    /// What it means that the disk is out of service, and whether the process stays.
    fn out_of_service(&mut self) -> &'static str;

    /// Does what nobody waits for; called between two batches.
    fn idle(&mut self) {}

    /// What its disk has for replicas; none of a disk for a log.
    fn room(&mut self) -> Option<Room> {
        None
    }
}

/// A chunkserver's disk.
pub struct ChunkExecutor<D: Disk> {
    store: ChunkStore<D>,
    /// Bytes that may be used at the most.
    offered: Option<u64>,
}

impl<D: Disk> ChunkExecutor<D> {
    /// Opens the store; the replicas are the machine's `Durable`.
    ///
    /// # Errors
    /// Those of [`ChunkStore::open`].
    pub fn open(disk: D, options: StoreOptions) -> Result<(Self, Replicas), StoreError> {
        let (store, replicas) = ChunkStore::open(disk, options)?;
        Ok((ChunkExecutor { store, offered: None }, replicas))
    }

    /// Uses no more than this of its disk, if it is given.
    #[must_use]
    pub fn offering(self, offered: Option<u64>) -> Self {
        ChunkExecutor { offered, ..self }
    }

    /// The store, for what is not a machine's I/O: scrubbing, used bytes.
    pub fn store(&mut self) -> &mut ChunkStore<D> {
        &mut self.store
    }
}

impl<D: Disk> Executor for ChunkExecutor<D> {
    fn out_of_service(&mut self) -> &'static str {
        "the masters have its replicas copied elsewhere, and the process ends once they know"
    }

    fn room(&mut self) -> Option<Room> {
        self.store.room(self.offered)
    }

    fn execute(&mut self, batch: Vec<(IoId, IoOp)>) -> Vec<Input> {
        let done = self.store.execute(batch);
        done.into_iter().map(|(io, result)| Input::IoDone { io, result }).collect()
    }
}

/// A lone master's disk: the consensus device of a cluster with one master. What is durable here
/// is committed, and this master always leads.
pub struct MasterExecutor<D: Disk> {
    log: MasterLog<D>,
    /// The state after every entry in the log: checkpoints are written from here, so that the
    /// machine's own copy never waits for one.
    replayed: MasterState,
    /// Entries after the newest checkpoint.
    uncovered: u64,
    checkpoint_entries: u64,
    progress: Gauge<Progress>,
    /// Hears that the log is out of service.
    failure: Option<oneshot::Sender<()>>,
}

/// How far a lone master's log has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What its disk was given in this life.
    pub written: Written,
    /// The last entry.
    pub last: LogIndex,
    /// The last entry in the newest checkpoint.
    pub checkpoint: Option<u64>,
}

/// What a master starts from.
#[derive(Debug)]
pub struct MasterStart {
    /// The machine's `Durable`.
    pub checkpoint: MasterState,
    /// Its first inputs: the committed entries after the checkpoint, then its leadership.
    pub inputs: Vec<Input>,
}

impl<D: Disk> MasterExecutor<D> {
    /// Opens the log. A checkpoint is due whenever `checkpoint_entries` entries are after the
    /// last one, which bounds the replay at start.
    ///
    /// # Errors
    /// Those of [`MasterLog::open`].
    pub fn open(
        disk: D,
        options: MasterLogOptions,
        checkpoint_entries: u64,
    ) -> Result<(Self, MasterStart), StoreError> {
        let (log, checkpoint, entries) = MasterLog::open(disk, options)?;
        let mut replayed = checkpoint.clone();
        let uncovered = entries.len() as u64;
        let mut inputs = Vec::with_capacity(entries.len() + 1);
        for (index, entry) in entries {
            let _ = replayed.apply(index, &entry);
            inputs.push(Input::Committed { index, entry });
        }
        inputs.push(Input::Leadership(Leadership::Leader));
        let progress = Gauge::default();
        let failure = None;
        let executor =
            MasterExecutor { log, replayed, uncovered, checkpoint_entries, progress, failure };
        executor.show();
        Ok((executor, MasterStart { checkpoint, inputs }))
    }

    /// Shows from here on how far the log has come.
    #[must_use]
    pub fn progress(&self) -> Gauge<Progress> {
        self.progress.clone()
    }

    /// Ends when the log is out of service, or with this executor.
    pub fn failure(&mut self) -> oneshot::Receiver<()> {
        let (failure, heard) = oneshot::channel();
        self.failure = Some(failure);
        heard
    }

    fn show(&self) {
        let (written, last) = (self.log.written(), self.replayed.applied());
        let checkpoint = self.log.kept().0.last().copied();
        self.progress.set(Progress { written, last, checkpoint });
    }

    /// Appends what was proposed as one group, durable at one sync.
    fn append(&mut self, proposed: Vec<(IoId, LogEntry)>, out: &mut Vec<Input>) {
        if proposed.is_empty() {
            return;
        }
        let (ios, entries): (Vec<_>, Vec<_>) = proposed.into_iter().unzip();
        match self.log.append(&entries) {
            Ok(first) => self.commit(first, ios, entries, out),
            Err(fault) => out.extend(ios.into_iter().map(|io| done(io, Err(fault.clone())))),
        }
    }

    fn commit(
        &mut self,
        first: LogIndex,
        ios: Vec<IoId>,
        entries: Vec<LogEntry>,
        out: &mut Vec<Input>,
    ) {
        self.uncovered += entries.len() as u64;
        let mut index = first;
        for (io, entry) in ios.into_iter().zip(entries) {
            let _ = self.replayed.apply(index, &entry);
            out.push(Input::Committed { index, entry });
            let committed = ProposeOutcome::Committed(index);
            out.push(done(io, Ok(IoOutput::Proposed(committed))));
            index = index.next();
        }
    }
}

impl<D: Disk> Executor for MasterExecutor<D> {
    fn out_of_service(&mut self) -> &'static str {
        self.failure.take().map(|failure| failure.send(()));
        "nothing can be logged any more, and the process ends"
    }

    fn execute(&mut self, batch: Vec<(IoId, IoOp)>) -> Vec<Input> {
        let mut out = Vec::with_capacity(batch.len() * 2);
        let mut proposed = Vec::new();
        for (io, op) in batch {
            match op {
                IoOp::Log(LogOp::Propose { entry }) => proposed.push((io, entry)),
                // There is no other master, and so no moment at which another could lead.
                IoOp::Log(LogOp::Confirm) => out.push(done(io, Ok(IoOutput::Confirmed))),
                chunk_io => unreachable!("a master asks for no {chunk_io:?}"),
            }
        }
        self.append(proposed, &mut out);
        self.show();
        out
    }

    fn idle(&mut self) {
        if self.uncovered < self.checkpoint_entries {
            return;
        }
        // A checkpoint that fails costs nothing but a longer replay: the log still stands. The
        // next one is tried after as many entries again.
        self.uncovered = 0;
        if let Err(fault) = self.log.checkpoint(&self.replayed) {
            tracing::warn!(%fault, "no checkpoint was made");
        }
        self.show();
    }
}

fn done(io: IoId, result: IoResult) -> Input {
    Input::IoDone { io, result }
}

/// True if this says that the disk is out of service.
#[must_use]
pub fn says_disk_failed(input: &Input) -> bool {
    matches!(input, Input::IoDone { result: Err(IoFault::DiskFailed), .. })
}

/// True if this says that a change found no room.
#[must_use]
pub fn says_no_space(input: &Input) -> bool {
    matches!(input, Input::IoDone { result: Err(IoFault::NoSpace), .. })
}

/// A disk is measured at least so often, whatever its machine does: others fill it too.
pub const MEASURED_EVERY: Duration = Duration::from_millis(250);

/// Beside that a machine learns of its room when it changed by so much.
const ROOM_STEP_BYTES: u64 = 4 << 20;

/// Which measurements a machine is given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured(Option<Room>);

impl Measured {
    /// Measures; gives the input for the machine, if there is news. Small changes only when one is `due`,
    /// so that a busy disk does not cause an input for each write.
    pub fn measure(&mut self, executor: &mut impl Executor, due: bool) -> Option<Input> {
        let room = executor.room()?;
        let changed = match self.0 {
            Some(last) if due => last != room,
            Some(last) => last.free_bytes.abs_diff(room.free_bytes) >= ROOM_STEP_BYTES,
            None => true,
        };
        changed.then(|| {
            self.0 = Some(room);
            Input::Room(room)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehold_proto::metadata::MetadataChange;
    use leasehold_proto::{ClusterConstants, Command, Constants, Epoch, NodeId, OpId};
    use leasehold_store::mem::{MemDisk, Mishap};

    fn open(disk: &MemDisk, every: u64) -> (MasterExecutor<MemDisk>, MasterStart) {
        let options = MasterLogOptions { log_bytes: 64 << 10, ..MasterLogOptions::default() };
        MasterExecutor::open(disk.clone(), options, every).unwrap()
    }

    fn leader() -> LogEntry {
        let command = Command::NewLeader {
            node: NodeId(1),
            constants: Box::new(ClusterConstants::of(&Constants::default())),
        };
        LogEntry { epoch: Epoch(0), proposal: IoId(1), command }
    }

    fn mkdir(number: u64) -> LogEntry {
        let op = OpId { client: NodeId(9), number };
        let change = MetadataChange::Mkdir { path: format!("/d{number}").into(), mode: 0o755 };
        let command = Command::Change { caller: Box::default(), op, acked_below: number, change };
        LogEntry { epoch: Epoch(1), proposal: IoId(number), command }
    }

    fn propose(entries: &[LogEntry]) -> Vec<(IoId, IoOp)> {
        let proposals = entries.iter().cloned();
        proposals.map(|entry| (entry.proposal, IoOp::Log(LogOp::Propose { entry }))).collect()
    }

    #[test]
    fn a_group_is_committed_in_order_and_found_again() {
        let disk = MemDisk::new();
        let (mut executor, start) = open(&disk, 1_000);
        assert_eq!(start.inputs, [Input::Leadership(Leadership::Leader)]);
        let entries = [leader(), mkdir(2), mkdir(3)];
        let mut batch = propose(&entries);
        batch.push((IoId(4), IoOp::Log(LogOp::Confirm)));
        let inputs = executor.execute(batch);
        let committed: Vec<_> = (1..=3).map(LogIndex).zip(entries.clone()).collect();
        let mut expected = vec![done(IoId(4), Ok(IoOutput::Confirmed))];
        for (index, entry) in &committed {
            expected.push(Input::Committed { index: *index, entry: entry.clone() });
            let outcome = IoOutput::Proposed(ProposeOutcome::Committed(*index));
            expected.push(done(entry.proposal, Ok(outcome)));
        }
        assert_eq!(inputs, expected);
        let written = Written { entries: 3, syncs: 1 };
        let progress = Progress { written, last: LogIndex(3), checkpoint: None };
        assert_eq!(executor.progress().read(), progress, "three entries shared a sync");

        drop(executor);
        disk.power_cycle(7);
        let (_, start) = open(&disk, 1_000);
        let replayed =
            committed.into_iter().map(|(index, entry)| Input::Committed { index, entry });
        let leads = Input::Leadership(Leadership::Leader);
        assert_eq!(start.inputs, replayed.chain([leads]).collect::<Vec<_>>());
    }

    #[test]
    fn a_checkpoint_stands_for_the_entries_before_it() {
        let disk = MemDisk::new();
        let (mut executor, start) = open(&disk, 10);
        let mut state = start.checkpoint;
        let entries: Vec<_> = [leader()].into_iter().chain((2..=25).map(mkdir)).collect();
        for (index, entry) in (1..).map(LogIndex).zip(&entries) {
            let _ = state.apply(index, entry);
            executor.execute(propose(std::slice::from_ref(entry)));
            executor.idle();
        }
        drop(executor);
        disk.power_cycle(7);
        let (executor, start) = open(&disk, 10);
        assert_eq!(start.checkpoint.applied(), LogIndex(20));
        assert_eq!(start.inputs.len(), 5 + 1);
        let progress = executor.progress().read();
        assert_eq!((progress.last, progress.checkpoint), (LogIndex(25), Some(20)));
        assert_eq!(executor.replayed, state, "checkpoint and log give the state that was");
    }

    #[test]
    fn a_failed_log_commits_nothing_more() {
        let disk = MemDisk::new();
        let (mut executor, _) = open(&disk, 1_000);
        executor.execute(propose(&[leader()]));
        disk.arm(disk.operations() + 1, Mishap::Fails);
        let failed = executor.execute(propose(&[mkdir(2), mkdir(3)]));
        let fault = |io| done(IoId(io), Err(IoFault::DiskFailed));
        assert_eq!(failed, [fault(2), fault(3)]);
        assert!(failed.iter().all(says_disk_failed));
        let later = executor.execute(propose(&[mkdir(4)]));
        assert_eq!(later, [fault(4)], "an out-of-service disk stays so");
    }
}
