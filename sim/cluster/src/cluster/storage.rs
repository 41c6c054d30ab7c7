//! A node's disk as its driver sees it: what was requested together is done together, takes its
//! time, and is answered then.

use crate::disk::SimDisk;
use crate::net::Delivery;
use crate::timeline::Timer;
use leasehold_node::executor::{Executor, MEASURED_EVERY, Measured, says_no_space};
use leasehold_node::replicated::LogWorker;
use leasehold_node::replicated::disk::{Done, Work};
use leasehold_proto::{Input, IoId, IoOp};
use leasehold_runtime::driver::Storage;
use tokio::sync::mpsc;

/// How often a stalled disk is looked at.
const STALL_NS: u64 = 10_000_000;

/// The driver's end.
pub struct SimStorage {
    queue: mpsc::UnboundedSender<Vec<(IoId, IoOp)>>,
}

impl Storage for SimStorage {
    fn submit(&mut self, batch: Vec<(IoId, IoOp)>) {
        // The other end is dropped only when the whole node is.
        let _ = self.queue.send(batch);
    }
}

/// Carries out batches; ends with whoever holds the [`SimStorage`], or with the power, which is
/// what it returns then.
pub async fn serve(
    disk: SimDisk,
    mut executor: impl Executor,
    mut queue: mpsc::UnboundedReceiver<Vec<(IoId, IoOp)>>,
    inbox: mpsc::Sender<Input>,
    timer: Timer<Delivery>,
) -> Ended {
    let mut measured = Measured::default();
    let measured_every_ns = u64::try_from(MEASURED_EVERY.as_nanos()).expect("a short time");
    loop {
        let began = tokio::select! {
            biased;
            batch = queue.recv() => match batch {
                Some(batch) => Some(batch),
                None => break,
            },
            () = timer.after(measured_every_ns) => None,
        };
        let Some(mut batch) = began else {
            if let Some(room) = measured.measure(&mut executor, true)
                && inbox.send(room).await.is_err()
            {
                return Ended::NodeGone;
            }
            continue;
        };
        while let Ok(more) = queue.try_recv() {
            batch.extend(more);
        }
        let mut inputs = executor.execute(batch);
        let full = inputs.iter().any(says_no_space);
        inputs.extend(measured.measure(&mut executor, full));
        if !disk.powered() {
            return Ended::PowerFailed;
        }
        timer.after(disk.take_busy_ns()).await;
        while disk.is_stalled() {
            timer.after(STALL_NS).await;
        }
        if queue.is_empty() {
            executor.idle();
            if !disk.powered() {
                return Ended::PowerFailed;
            }
        }
        for input in inputs {
            if inbox.send(input).await.is_err() {
                return Ended::NodeGone;
            }
        }
    }
    Ended::NodeGone
}

/// As [`serve`], for a master's part of the replicated log.
pub async fn serve_log(
    disk: SimDisk,
    mut worker: LogWorker<SimDisk>,
    mut queue: mpsc::UnboundedReceiver<Work>,
    timer: Timer<Delivery>,
) -> Ended {
    while let Some(work) = queue.recv().await {
        let mut batch = vec![work];
        while let Ok(more) = queue.try_recv() {
            batch.push(more);
        }
        let done = worker.carry_out(batch);
        if !disk.powered() {
            return Ended::PowerFailed;
        }
        timer.after(disk.take_busy_ns()).await;
        while disk.is_stalled() {
            timer.after(STALL_NS).await;
        }
        done.into_iter().for_each(Done::tell);
    }
    Ended::NodeGone
}

/// Why a storage task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The disk's power failed within an operation: the node is to be killed.
    PowerFailed,
    /// The node's life is over.
    NodeGone,
}

/// Both ends of a queue to a storage task.
#[must_use]
pub fn queue() -> (SimStorage, mpsc::UnboundedReceiver<Vec<(IoId, IoOp)>>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (SimStorage { queue: sender }, receiver)
}
