//! I/O: what is asked of a disk or of the log, and how it ends.

use super::log_entry;
use crate::naming::Naming;
use crate::record::Record;
use leasehold_proto::{IoOp, IoOutput, IoResult, LogOp, ProposeOutcome, ReplicaChange, Sequence};

/// What an I/O is about.
pub(super) fn fill(record: &mut Record, naming: &dyn Naming, op: &IoOp) {
    record.chunk = op.chunk();
    record.text = match op {
        IoOp::Log(LogOp::Propose { entry }) => {
            let entry = log_entry(record, naming, entry);
            format!("proposes to the log: {entry}")
        }
        IoOp::Log(LogOp::Confirm) => "confirms its leadership at the log".into(),
        IoOp::Read { chunk, pieces } => format!("reads {pieces:?} of {chunk}"),
        IoOp::Replica(change, data) => replica_change(record, change, data.len()),
    };
}

fn replica_change(record: &mut Record, change: &ReplicaChange, bytes: u64) -> String {
    match change {
        ReplicaChange::Promise { chunk, version, .. } => {
            record.version = Some(*version);
            format!("writes its promise of {chunk} {version}")
        }
        ReplicaChange::Apply { chunk, version, first, mutations, .. } => {
            let last = Sequence(first.0 + mutations.len().saturating_sub(1) as u64);
            record.version = Some(*version);
            record.sequence = Some(last);
            record.op = mutations.last().map(|mutation| mutation.op);
            match mutations.len() {
                1 => format!("writes {chunk} {version} {last}"),
                _ => format!("writes {chunk} {version} {first} to {last}"),
            }
        }
        ReplicaChange::Adopt { chunk, version } => {
            record.version = Some(*version);
            format!("writes that {chunk} is at {version}")
        }
        ReplicaChange::Reconcile { chunk, version, image } => {
            record.version = Some(*version);
            record.sequence = Some(image.sequence);
            format!("writes the primary's state of {chunk} {version}: {bytes} B of it")
        }
        ReplicaChange::StartLearner { chunk, promised, .. } => {
            record.version = Some(*promised);
            format!("begins an empty copy of {chunk} under {promised}")
        }
        ReplicaChange::CopyIn { chunk } => format!("writes {bytes} B of its copy of {chunk}"),
        ReplicaChange::Install { chunk, version, image } => {
            record.version = Some(*version);
            record.sequence = Some(image.sequence);
            format!("completes its copy of {chunk} {version} at {}", image.sequence)
        }
        ReplicaChange::Delete { chunk } => format!("removes {chunk}"),
        ReplicaChange::Quarantine { chunk } => format!("quarantines {chunk}"),
    }
}

/// How an I/O ended.
pub(super) fn result(result: &IoResult) -> String {
    match result {
        Ok(IoOutput::Done) => "that is durable".into(),
        Ok(IoOutput::Read(payload)) => format!("has read {} B", payload.len()),
        Ok(IoOutput::Proposed(ProposeOutcome::Committed(index))) => {
            format!("its proposal is {index} of the log")
        }
        Ok(IoOutput::Proposed(ProposeOutcome::Rejected)) => "its proposal was rejected".into(),
        Ok(IoOutput::Proposed(ProposeOutcome::Unknown)) => {
            "nobody knows what became of its proposal".into()
        }
        Ok(IoOutput::Confirmed) => "it led when it asked".into(),
        Err(fault) => format!("the I/O failed: {fault}"),
    }
}
