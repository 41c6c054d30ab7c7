//! A master's disk under consensus: what is requested while it is busy is done together.

use super::types::Types;
use crate::gauge::Gauge;
use leasehold_proto::IoFault;
use leasehold_store::raft_log::{RaftChange, Snapshot};
use leasehold_store::{Disk, RaftLog, StoreError, Written};
use openraft::storage::IOFlushed;
use std::future::Future;
use std::io;
use tokio::sync::{mpsc, oneshot};

/// Something for the disk to do.
pub enum Work {
    /// Changes of the log, durable before anybody is told.
    Write(Vec<RaftChange>, Tell),
    /// A snapshot to keep; tells how far the log may be purged from here on.
    Save(Snapshot, oneshot::Sender<Result<Option<u64>, IoFault>>),
    /// The newest snapshot.
    Load(oneshot::Sender<Result<Option<Snapshot>, StoreError>>),
}

/// Who waits for a write.
pub enum Tell {
    /// The consensus library, for entries.
    Library(IOFlushed<Types>),
    /// A task, for a vote, a cut or a purge.
    Task(oneshot::Sender<Result<(), IoFault>>),
}

impl Tell {
    fn done(self, result: Result<(), IoFault>) {
        match self {
            Tell::Library(flushed) => flushed.io_completed(result.map_err(io::Error::other)),
            // The caller may be gone with its master.
            Tell::Task(task) => drop(task.send(result)),
        }
    }
}

/// Something done, to be told when the disk's time for it has passed.
pub struct Done(Box<dyn FnOnce() + Send>);

impl Done {
    /// Tells whoever waits.
    pub fn tell(self) {
        (self.0)();
    }
}

/// The way to a master's disk.
#[derive(Clone)]
pub struct LogDisk {
    queue: mpsc::UnboundedSender<Work>,
    written: Gauge<Written>,
    failed: Gauge<bool>,
}

impl LogDisk {
    /// A way to a disk, and where it ends: at a thread in real runs, at a task in simulated ones.
    ///
    /// The queue has no bound of its own: the library bounds what it has in flight.
    #[must_use]
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Work>) {
        let (queue, work) = mpsc::unbounded_channel();
        (LogDisk { queue, written: Gauge::default(), failed: Gauge::default() }, work)
    }

    /// How much was written so far.
    #[must_use]
    pub fn written(&self) -> Written {
        self.written.read()
    }

    pub(super) fn append(&self, changes: Vec<RaftChange>, flushed: IOFlushed<Types>) {
        // Without a disk nothing is ever flushed, and the node is about to end.
        let _ = self.queue.send(Work::Write(changes, Tell::Library(flushed)));
    }

    /// Begins a write at once; what is given back waits until it is durable.
    pub(super) fn write(
        &self,
        change: RaftChange,
    ) -> impl Future<Output = io::Result<()>> + Send + use<> {
        let (told, answer) = oneshot::channel();
        let _ = self.queue.send(Work::Write(vec![change], Tell::Task(told)));
        async move { answer.await.map_err(gone)?.map_err(io::Error::other) }
    }

    pub(super) async fn save(&self, snapshot: Snapshot) -> io::Result<Option<u64>> {
        let (told, answer) = oneshot::channel();
        let _ = self.queue.send(Work::Save(snapshot, told));
        answer.await.map_err(gone)?.map_err(io::Error::other)
    }

    pub(super) async fn load(&self) -> io::Result<Option<Snapshot>> {
        let (told, answer) = oneshot::channel();
        let _ = self.queue.send(Work::Load(told));
        answer.await.map_err(gone)?.map_err(io::Error::other)
    }
}

fn gone(_: oneshot::error::RecvError) -> io::Error {
    io::Error::other("the disk is gone")
}

/// Carries out work, without a thread or a task of its own.
pub struct LogWorker<D: Disk> {
    log: RaftLog<D>,
    written: Gauge<Written>,
    failed: Gauge<bool>,
}

impl<D: Disk> LogWorker<D> {
    /// A worker on an opened log, for those who ask `disk`.
    #[must_use]
    pub fn new(log: RaftLog<D>, disk: &LogDisk) -> Self {
        LogWorker { log, written: disk.written.clone(), failed: disk.failed.clone() }
    }

    /// Shows whether the disk is out of service.
    #[must_use]
    pub fn failed(&self) -> Gauge<bool> {
        self.failed.clone()
    }

    /// Carries out a batch in its order. Writes that follow each other share a sync.
    pub fn carry_out(&mut self, batch: Vec<Work>) -> Vec<Done> {
        let mut done = Vec::with_capacity(batch.len());
        let (mut changes, mut waiting) = (Vec::new(), Vec::new());
        for work in batch {
            match work {
                Work::Write(more, tell) => {
                    changes.extend(more);
                    waiting.push(tell);
                }
                Work::Save(snapshot, tell) => {
                    self.write(&mut changes, &mut waiting, &mut done);
                    let saved = self.log.save_snapshot(&snapshot).map(|()| self.log.purgeable());
                    self.note(&saved);
                    done.push(Done(Box::new(move || drop(tell.send(saved)))));
                }
                Work::Load(tell) => {
                    self.write(&mut changes, &mut waiting, &mut done);
                    let loaded = self.log.load_snapshot();
                    done.push(Done(Box::new(move || drop(tell.send(loaded)))));
                }
            }
        }
        self.write(&mut changes, &mut waiting, &mut done);
        self.written.set(self.log.written());
        done
    }

    fn note<T>(&self, result: &Result<T, IoFault>) {
        if matches!(result, Err(IoFault::DiskFailed)) {
            self.failed.set(true);
        }
    }

    fn write(
        &mut self,
        changes: &mut Vec<RaftChange>,
        waiting: &mut Vec<Tell>,
        done: &mut Vec<Done>,
    ) {
        if waiting.is_empty() {
            return;
        }
        let result = self.log.write(&std::mem::take(changes));
        self.note(&result);
        let told = std::mem::take(waiting).into_iter().map(|tell| {
            let result = result.clone();
            Done(Box::new(move || tell.done(result)))
        });
        done.extend(told);
    }
}
