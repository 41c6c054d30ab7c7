//! Messages: what nodes say to each other.

use super::client;
use crate::naming::Naming;
use crate::record::Record;
use leasehold_proto::message::{DeleteReason, MasterRequest, ReplicaState};
use leasehold_proto::{ChunkHandle, ChunkVersion, Envelope, Message, Refusal};

/// Chunks named in a sentence at the most.
const NAMED_MAX: usize = 3;

/// What a message is about: its ends, its verb, its typed fields, its sentence.
pub(super) fn fill(record: &mut Record, naming: &dyn Naming, envelope: &Envelope) {
    (record.from, record.to) = (Some(envelope.from), Some(envelope.to));
    record.message = Some(name(&envelope.message));
    record.text = match &envelope.message {
        Message::AskMaster { .. }
        | Message::TellClient { .. }
        | Message::Mutate { .. }
        | Message::Mutated { .. }
        | Message::Read { .. }
        | Message::TellRead { .. } => of_a_client(record, naming, &envelope.message),
        Message::Register { .. }
        | Message::Registered { .. }
        | Message::RegisterRefused { .. }
        | Message::Heartbeat { .. }
        | Message::RegisterAgain { .. }
        | Message::Report { .. }
        | Message::ReportTaken { .. }
        | Message::AskLease { .. }
        | Message::GrantLease { .. } => of_a_server(record, &envelope.message),
        Message::DeleteReplica { .. }
        | Message::QuarantineReplica { .. }
        | Message::Prepare { .. }
        | Message::Prepared { .. }
        | Message::PrepareRefused { .. }
        | Message::Configured { .. }
        | Message::MemberFailed { .. } => of_a_configuration(record, naming, &envelope.message),
        Message::AskReconcile { .. }
        | Message::NeedReconcile { .. }
        | Message::Reconcile { .. }
        | Message::Reconciled { .. }
        | Message::Push { .. }
        | Message::AskProgress { .. }
        | Message::Progress { .. }
        | Message::PushRefused { .. } => of_a_member(record, naming, &envelope.message),
        Message::BecomeLearner { .. }
        | Message::AskCopy { .. }
        | Message::TellCopy { .. }
        | Message::CopyVoid { .. }
        | Message::LearnerCaughtUp { .. }
        | Message::LearnerReady { .. }
        | Message::LearnerFailed { .. } => of_a_learner(record, naming, &envelope.message),
    };
}

fn of_a_client(record: &mut Record, naming: &dyn Naming, message: &Message) -> String {
    match message {
        Message::AskMaster { op, request, .. } => {
            record.op = Some(*op);
            let what = match request {
                MasterRequest::Change(change) => client::change(change),
                MasterRequest::Query(query) => client::query(query),
            };
            format!("{}, {what}", naming.op(*op))
        }
        Message::TellClient { op, answer } => {
            record.op = Some(*op);
            let answer = match answer {
                Ok(answer) => client::metadata(answer),
                Err(refusal) => refused(record, refusal),
            };
            format!("{}: {answer}", naming.op(*op))
        }
        Message::Mutate { op, chunk, version, kind, offset, payload, .. } => {
            at(record, *chunk, *version);
            record.op = Some(*op);
            let (kind, op) = (format!("{kind:?}").to_lowercase(), naming.op(*op));
            format!("{op}, {kind} {} B to {chunk} {version} at {offset}", payload.len())
        }
        Message::Mutated { op, chunk, result } => {
            (record.op, record.chunk) = (Some(*op), Some(*chunk));
            let how = match result {
                Ok(extent) => format!("done at {extent:?}"),
                Err(refusal) => refused(record, refusal),
            };
            format!("{} at {chunk}: {how}", naming.op(*op))
        }
        Message::Read { op, chunk, version, extent, mode } => {
            at(record, *chunk, *version);
            record.op = Some(*op);
            let (mode, op) = (client::mode_name(*mode), naming.op(*op));
            format!("{op}, {mode} read of {chunk} {version} {extent:?}")
        }
        Message::TellRead { op, chunk, result, payload } => {
            (record.op, record.chunk) = (Some(*op), Some(*chunk));
            let how = match result {
                Ok(length) => format!("{} B of {length}", payload.len()),
                Err(refusal) => refused(record, refusal),
            };
            format!("{} of {chunk}: {how}", naming.op(*op))
        }
        other => unreachable!("{other:?} is not between a client and a server"),
    }
}

fn of_a_server(record: &mut Record, message: &Message) -> String {
    match message {
        Message::Register { incarnation, .. } => format!("here I am, in life {}", incarnation.0),
        Message::Registered { epoch, .. } => format!("you are known in {epoch}, report"),
        Message::RegisterRefused { incarnation } => format!("life {} is over", incarnation.0),
        Message::Heartbeat { disk_failed: false, .. } => "I am alive".into(),
        Message::Heartbeat { .. } => "I am alive, my disk is not".into(),
        Message::RegisterAgain { .. } => "I do not know you, register".into(),
        Message::Report { number, full, replicas, gone, .. } => {
            let known = replicas.iter().map(|(chunk, _)| *chunk);
            record.about(known.chain(gone.iter().copied()).collect());
            let what = if *full { "everything" } else { "news" };
            let few = replicas.len() <= NAMED_MAX;
            let states = replicas.iter().filter(|_| few);
            let states = states.map(|(chunk, state)| format!("; {chunk} {}", held(state)));
            let states: String = states.collect();
            format!("report {number}, {what}: {} replicas{states}", replicas.len())
        }
        Message::ReportTaken { number, .. } => format!("report {number} is taken in"),
        Message::AskLease { chunks, .. } => {
            format!("may I be primary of {}?", versions(record, chunks))
        }
        Message::GrantLease { chunks, duration, .. } => {
            let chunks = versions(record, chunks);
            format!("be primary of {chunks} for {} ms", duration.as_millis())
        }
        other => unreachable!("{other:?} is not between a chunkserver and the master"),
    }
}

fn of_a_configuration(record: &mut Record, naming: &dyn Naming, message: &Message) -> String {
    match message {
        Message::DeleteReplica { chunk, reason } => {
            let (DeleteReason::Excluded(version) | DeleteReason::Freed(version)) = reason;
            at(record, *chunk, *version);
            match reason {
                DeleteReason::Excluded(version) => format!("delete {chunk}: not in {version}"),
                DeleteReason::Freed(version) => format!("delete {chunk}: freed at {version}"),
            }
        }
        Message::QuarantineReplica { chunk } => {
            record.chunk = Some(*chunk);
            format!("set {chunk} aside")
        }
        Message::Prepare { chunk, version, .. } => {
            at(record, *chunk, *version);
            format!("promise {chunk} {version}")
        }
        Message::Prepared { chunk, version, state, .. } => {
            at(record, *chunk, *version);
            record.sequence = Some(state.sequence);
            format!("{chunk} {version} is promised, {}", held(state))
        }
        Message::PrepareRefused { chunk, version, promised, .. } => {
            at(record, *chunk, *version);
            record.bad = true;
            match promised {
                Some(higher) => format!("no {chunk} {version}: promised {higher}"),
                None => format!("no {chunk} {version}: nothing is here"),
            }
        }
        Message::Configured { chunk, version, members, .. } => {
            at(record, *chunk, *version);
            record.nodes = members.clone();
            let members = naming.names(members);
            format!("{chunk} {version} is committed, you are primary of {members}")
        }
        Message::MemberFailed { chunk, version, members } => {
            at(record, *chunk, *version);
            (record.nodes, record.bad) = (members.clone(), true);
            format!("{chunk} {version} is held up by {}", naming.names(members))
        }
        other => unreachable!("{other:?} is not about a configuration"),
    }
}

fn of_a_member(record: &mut Record, naming: &dyn Naming, message: &Message) -> String {
    match message {
        Message::AskReconcile { chunk, version } => {
            at(record, *chunk, *version);
            format!("what must you have of my {chunk} {version}?")
        }
        Message::NeedReconcile { chunk, version, committed, touched } => {
            at(record, *chunk, *version);
            record.sequence = Some(*committed);
            format!("of {chunk} {version} I know {committed} committed, touched {touched:?}")
        }
        Message::Reconcile { chunk, version, image, payload, .. } => {
            at(record, *chunk, *version);
            record.sequence = Some(image.sequence);
            let bytes = payload.len();
            format!("take my {chunk} {version} at {}, {bytes} B", image.sequence)
        }
        Message::Reconciled { chunk, version, sequence } => {
            at(record, *chunk, *version);
            record.sequence = Some(*sequence);
            format!("{chunk} {version} is as yours, up to {sequence}")
        }
        Message::Push { chunk, version, sequence, mutation, .. } => {
            at(record, *chunk, *version);
            (record.sequence, record.op) = (Some(*sequence), Some(mutation.op));
            format!("{chunk} {version} {sequence} is {}", naming.op(mutation.op))
        }
        Message::AskProgress { chunk, version, committed } => {
            at(record, *chunk, *version);
            record.sequence = Some(*committed);
            format!("how far is {chunk} {version}? Committed is {committed}")
        }
        Message::Progress { chunk, version, applied, received } => {
            at(record, *chunk, *version);
            record.sequence = Some(*applied);
            format!("{chunk} {version} is durable up to {applied}, received up to {received}")
        }
        Message::PushRefused { chunk, version, refusal } => {
            at(record, *chunk, *version);
            format!("{chunk} {version}: {}", refused(record, refusal))
        }
        other => unreachable!("{other:?} is not between members"),
    }
}

fn of_a_learner(record: &mut Record, naming: &dyn Naming, message: &Message) -> String {
    match message {
        Message::BecomeLearner { chunk, version, source, .. } => {
            at(record, *chunk, *version);
            format!("copy {chunk} {version} from {}", naming.name(*source))
        }
        Message::AskCopy { chunk, version, step, .. } => {
            at(record, *chunk, *version);
            format!("step {step} of the copy of {chunk} {version}?")
        }
        Message::TellCopy { chunk, step, left_bytes, end, payload, .. } => {
            record.chunk = Some(*chunk);
            let end = if end.is_some() { ", the end" } else { "" };
            let bytes = payload.len();
            format!("step {step} of the copy of {chunk}: {bytes} B, {left_bytes} left{end}")
        }
        Message::CopyVoid { chunk, .. } => {
            (record.chunk, record.bad) = (Some(*chunk), true);
            format!("there is no such copy of {chunk}")
        }
        Message::LearnerCaughtUp { chunk, version, .. } => {
            at(record, *chunk, *version);
            format!("little is left of {chunk} {version}, configure me")
        }
        Message::LearnerReady { chunk, version, state, .. } => {
            at(record, *chunk, *version);
            record.sequence = Some(state.sequence);
            format!("I have the whole of {chunk}, and promised {version}")
        }
        Message::LearnerFailed { chunk, version, .. } => {
            at(record, *chunk, *version);
            record.bad = true;
            format!("I gave up the copy of {chunk} {version}")
        }
        other => unreachable!("{other:?} is not about a copy"),
    }
}

fn at(record: &mut Record, chunk: ChunkHandle, version: ChunkVersion) {
    (record.chunk, record.version) = (Some(chunk), Some(version));
}

fn refused(record: &mut Record, refusal: &Refusal) -> String {
    record.bad = true;
    format!("refused, {refusal}")
}

fn held(state: &ReplicaState) -> String {
    let ReplicaState { promised, applied_version, sequence, committed, .. } = state;
    format!("promised {promised} applied {applied_version} {sequence} committed {committed}")
}

fn versions(record: &mut Record, chunks: &[(ChunkHandle, ChunkVersion)]) -> String {
    record.about(chunks.iter().map(|(chunk, _)| *chunk).collect());
    if let [(_, version)] = chunks {
        record.version = Some(*version);
    }
    let named = chunks.iter().take(NAMED_MAX).map(|(chunk, version)| format!("{chunk} {version}"));
    let named = named.collect::<Vec<_>>().join(", ");
    match chunks.len().saturating_sub(NAMED_MAX) {
        0 if chunks.is_empty() => "nothing".into(),
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// The name of a message's kind.
#[must_use]
pub fn name(message: &Message) -> &'static str {
    match message {
        Message::AskMaster { .. } => "AskMaster",
        Message::TellClient { .. } => "TellClient",
        Message::Register { .. } => "Register",
        Message::Registered { .. } => "Registered",
        Message::RegisterRefused { .. } => "RegisterRefused",
        Message::Heartbeat { .. } => "Heartbeat",
        Message::RegisterAgain { .. } => "RegisterAgain",
        Message::Report { .. } => "Report",
        Message::ReportTaken { .. } => "ReportTaken",
        Message::DeleteReplica { .. } => "DeleteReplica",
        Message::QuarantineReplica { .. } => "QuarantineReplica",
        Message::AskLease { .. } => "AskLease",
        Message::GrantLease { .. } => "GrantLease",
        Message::Prepare { .. } => "Prepare",
        Message::Prepared { .. } => "Prepared",
        Message::PrepareRefused { .. } => "PrepareRefused",
        Message::Configured { .. } => "Configured",
        Message::MemberFailed { .. } => "MemberFailed",
        Message::AskReconcile { .. } => "AskReconcile",
        Message::NeedReconcile { .. } => "NeedReconcile",
        Message::Reconcile { .. } => "Reconcile",
        Message::Reconciled { .. } => "Reconciled",
        Message::BecomeLearner { .. } => "BecomeLearner",
        Message::AskCopy { .. } => "AskCopy",
        Message::TellCopy { .. } => "TellCopy",
        Message::CopyVoid { .. } => "CopyVoid",
        Message::LearnerCaughtUp { .. } => "LearnerCaughtUp",
        Message::LearnerReady { .. } => "LearnerReady",
        Message::LearnerFailed { .. } => "LearnerFailed",
        Message::Mutate { .. } => "Mutate",
        Message::Mutated { .. } => "Mutated",
        Message::Push { .. } => "Push",
        Message::AskProgress { .. } => "AskProgress",
        Message::Progress { .. } => "Progress",
        Message::PushRefused { .. } => "PushRefused",
        Message::Read { .. } => "Read",
        Message::TellRead { .. } => "TellRead",
    }
}
