//! I/O: what is asked of a disk or of the log, and how it ends.

use super::log_entry;
use crate::naming::Naming;
use crate::record::Record;
use leasehold_proto::{IoOp, IoOutput, IoResult, ProposeOutcome, Sequence};

/// What an I/O is about.
pub(super) fn fill(record: &mut Record, naming: &dyn Naming, op: &IoOp) {
    record.chunk = op.chunk();
    record.text = match op {
        IoOp::Propose { entry } => {
            let entry = log_entry(record, naming, entry);
            format!("proposes to the log: {entry}")
        }
        IoOp::ConfirmLeadership => "asks the log whether it leads".into(),
        IoOp::Promise { chunk, version, .. } => {
            record.version = Some(*version);
            format!("writes its promise of {chunk} {version}")
        }
        IoOp::Apply { chunk, version, first, mutations, .. } => {
            let last = Sequence(first.0 + mutations.len().saturating_sub(1) as u64);
            record.version = Some(*version);
            record.sequence = Some(last);
            record.op = mutations.last().map(|(mutation, _)| mutation.op);
            match mutations.len() {
                1 => format!("writes {chunk} {version} {last}"),
                _ => format!("writes {chunk} {version} {first} to {last}"),
            }
        }
        IoOp::Adopt { chunk, version } => {
            record.version = Some(*version);
            format!("writes that {chunk} is at {version}")
        }
        IoOp::Reconcile { chunk, version, image, payload, .. } => {
            record.version = Some(*version);
            record.sequence = Some(image.sequence);
            let bytes = payload.len();
            format!("writes the primary's state of {chunk} {version}: {bytes} B of it")
        }
        IoOp::StartLearner { chunk, promised, .. } => {
            record.version = Some(*promised);
            format!("begins an empty copy of {chunk} under {promised}")
        }
        IoOp::CopyIn { chunk, payload, .. } => {
            format!("writes {} B of its copy of {chunk}", payload.len())
        }
        IoOp::Install { chunk, version, image } => {
            record.version = Some(*version);
            record.sequence = Some(image.sequence);
            format!("completes its copy of {chunk} {version} at {}", image.sequence)
        }
        IoOp::Read { chunk, pieces } => format!("reads {pieces:?} of {chunk}"),
        IoOp::Delete { chunk } => format!("removes {chunk}"),
        IoOp::Quarantine { chunk } => format!("sets {chunk} aside"),
    };
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
