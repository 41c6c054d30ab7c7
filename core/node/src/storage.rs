//! A disk with a thread of its own: the loop never waits for a sync.

use crate::executor::{Executor, MEASURED_EVERY, Measured, says_disk_failed, says_no_space};
use crate::gauge::Gauge;
use crate::replicated::LogWorker;
use crate::replicated::disk::{Done, Work};
use leasehold_proto::{Input, IoId, IoOp};
use leasehold_runtime::driver::Storage;
use leasehold_store::Disk;
use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use tokio::sync::mpsc::UnboundedReceiver;

/// What one batch reads at the most, or one operation: the bytes wait together in memory until
/// the loop sends them away.
const READ_BYTES_MAX: u64 = 16 << 20;

/// Hands I/O to a disk's thread. What queued while the disk was busy is carried out as one batch,
/// which is where several operations come to share a sync; much that is to be read is several.
///
/// The queue has no bound of its own: a machine bounds what it has in flight.
#[derive(Debug)]
pub struct DiskThread {
    queue: mpsc::Sender<Batch>,
}

/// Waits for the thread's end.
#[derive(Debug)]
pub struct DiskThreadEnd {
    thread: JoinHandle<()>,
    failed: Gauge<bool>,
}

type Batch = Vec<(IoId, IoOp)>;

impl DiskThread {
    /// Starts the thread. It ends when the `DiskThread` is dropped, after carrying out all that
    /// was submitted.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    #[allow(
        clippy::disallowed_methods,
        reason = "a real disk blocks; simulated nodes call the executor inline"
    )]
    pub fn start(
        name: &str,
        executor: impl Executor + Send + 'static,
        inbox: tokio::sync::mpsc::Sender<Input>,
    ) -> io::Result<(Self, DiskThreadEnd)> {
        let (queue, batches) = mpsc::channel();
        let builder = std::thread::Builder::new().name(name.to_owned());
        let failed = Gauge::default();
        let shown = failed.clone();
        let thread = builder.spawn(move || serve(executor, &batches, &inbox, &shown))?;
        Ok((DiskThread { queue }, DiskThreadEnd { thread, failed }))
    }
}

impl Storage for DiskThread {
    fn submit(&mut self, batch: Batch) {
        // The thread ends before its queue only by a panic, and then the node is to end too: its
        // I/O would never be answered.
        self.queue.send(batch).expect("the disk's thread panicked, see above");
    }
}

impl DiskThreadEnd {
    /// Shows whether the disk is out of service.
    #[must_use]
    pub fn failed(&self) -> Gauge<bool> {
        self.failed.clone()
    }

    /// Waits until everything that was submitted is done. Blocks.
    ///
    /// # Panics
    /// If the thread did.
    pub fn join(self) {
        self.thread.join().expect("the disk's thread panicked, see above");
    }
}

/// Starts a thread for a master's part of the replicated log. It ends when nobody can ask it for
/// anything any more.
///
/// # Errors
/// If the operating system gives no thread.
#[allow(clippy::disallowed_methods, reason = "a real disk blocks; simulated nodes use a task")]
pub fn start_log(
    mut worker: LogWorker<impl Disk<File: Send> + Send + 'static>,
    mut queue: UnboundedReceiver<Work>,
) -> io::Result<DiskThreadEnd> {
    let failed = worker.failed();
    let work = move || {
        while let Some(first) = queue.blocking_recv() {
            let mut batch = vec![first];
            while let Ok(more) = queue.try_recv() {
                batch.push(more);
            }
            worker.carry_out(batch).into_iter().for_each(Done::tell);
        }
    };
    let builder = std::thread::Builder::new().name("log".to_owned());
    builder.spawn(work).map(|thread| DiskThreadEnd { thread, failed })
}

fn serve(
    mut executor: impl Executor,
    batches: &mpsc::Receiver<Batch>,
    inbox: &tokio::sync::mpsc::Sender<Input>,
    failed: &Gauge<bool>,
) {
    let mut waiting = VecDeque::new();
    let mut measured = Measured::default();
    while let Some(batch) = next_batch(batches, &mut waiting) {
        let Some(batch) = batch else {
            if let Some(room) = measured.measure(&mut executor, true) {
                let _ = inbox.blocking_send(room);
            }
            continue;
        };
        let operations = batch.len();
        let mut inputs = executor.execute(batch);
        let full = inputs.iter().any(says_no_space);
        inputs.extend(measured.measure(&mut executor, full));
        tracing::trace!(operations, "executed a batch");
        for input in inputs {
            if says_disk_failed(&input) && !failed.read() {
                failed.set(true);
                let is = executor.out_of_service();
                tracing::error!(
                    "the disk is out of service until this server is started again: {is}"
                );
            }
            // A node that stops leaves its inbox; what is queued is finished all the same.
            let _ = inbox.blocking_send(input);
        }
        executor.idle();
    }
}

/// What waits, as far as one batch may go; no batch if nothing does for a while, and `None` after the
/// last.
fn next_batch(
    batches: &mpsc::Receiver<Batch>,
    waiting: &mut VecDeque<(IoId, IoOp)>,
) -> Option<Option<Batch>> {
    if waiting.is_empty() {
        match batches.recv_timeout(MEASURED_EVERY) {
            Ok(batch) => waiting.extend(batch),
            Err(RecvTimeoutError::Timeout) => return Some(None),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    waiting.extend(batches.try_iter().flatten());
    let mut to_read = 0;
    let fits = waiting.iter().enumerate().take_while(|(at, (_, op))| {
        let bytes = bytes_read(op);
        to_read += bytes;
        *at == 0 || bytes == 0 || to_read <= READ_BYTES_MAX
    });
    let length = fits.count();
    Some(Some(waiting.drain(..length).collect()))
}

fn bytes_read(op: &IoOp) -> u64 {
    match op {
        IoOp::Read { pieces, .. } => pieces.iter().map(|piece| piece.length).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehold_proto::{ChunkHandle, Extent, IoOutput};
    use std::sync::{Arc, Mutex};

    struct Slow {
        sizes: Arc<Mutex<Vec<usize>>>,
        gate: mpsc::Receiver<()>,
    }

    impl Executor for Slow {
        fn out_of_service(&mut self) -> &'static str {
            "it is slow"
        }

        fn execute(&mut self, batch: Batch) -> Vec<Input> {
            self.sizes.lock().unwrap().push(batch.len());
            self.gate.recv().unwrap();
            let done = |(io, _)| Input::IoDone { io, result: Ok(IoOutput::Done) };
            batch.into_iter().map(done).collect()
        }
    }

    fn confirm(io: u64) -> Batch {
        vec![(IoId(io), IoOp::Log(leasehold_proto::LogOp::Confirm))]
    }

    #[tokio::test]
    async fn what_queues_behind_a_slow_sync_is_one_batch() {
        let (inbox, mut inputs) = tokio::sync::mpsc::channel(16);
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let (open, gate) = mpsc::channel();
        let slow = Slow { sizes: sizes.clone(), gate };
        let (mut disk, end) = DiskThread::start("disk", slow, inbox).unwrap();
        disk.submit(confirm(1));
        while sizes.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        for io in 2..=5 {
            disk.submit(confirm(io));
        }
        drop(disk);
        open.send(()).unwrap();
        open.send(()).unwrap();
        let mut done = Vec::new();
        while let Some(Input::IoDone { io, .. }) = inputs.recv().await {
            done.push(io.0);
        }
        assert_eq!(done, [1, 2, 3, 4, 5]);
        end.join();
        assert_eq!(*sizes.lock().unwrap(), [1, 4]);
    }
    #[test]
    fn a_batch_reads_no_more_than_its_share() {
        let read = |io, mib: u64| {
            let pieces = vec![Extent::new(0, mib << 20)];
            (IoId(io), IoOp::Read { chunk: ChunkHandle(1), pieces })
        };
        let (queue, batches) = mpsc::channel();
        queue.send(vec![read(1, 4), read(2, 12), read(3, 1)]).unwrap();
        queue.send([confirm(4), vec![read(5, 40)]].concat()).unwrap();
        queue.send(confirm(6)).unwrap();
        drop(queue);
        let mut waiting = VecDeque::new();
        let taken = std::iter::from_fn(|| next_batch(&batches, &mut waiting)).flatten();
        let ids: Vec<Vec<u64>> =
            taken.map(|batch| batch.into_iter().map(|(io, _)| io.0).collect()).collect();
        assert_eq!(ids, [vec![1, 2], vec![3, 4], vec![5, 6]]);
    }
}
