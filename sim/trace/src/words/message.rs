//! Messages: what nodes say to each other.

use super::client;
use crate::naming::Naming;
use crate::record::Record;
use leasehold_proto::message::{DeleteReason, MasterRequest, ReplicaState};
use leasehold_proto::message::{
    call, configure, copy, data, membership, pipeline, reconcile, removal,
};
use leasehold_proto::{ChunkHandle, ChunkVersion, Envelope, Message, Refusal};

/// Chunks named in a sentence at the most.
const NAMED_MAX: usize = 3;

/// What a message is about: its ends, its verb, its typed fields, its sentence.
pub(super) fn fill(record: &mut Record, naming: &dyn Naming, envelope: &Envelope) {
    (record.from, record.to) = (Some(envelope.from), Some(envelope.to));
    record.message = Some(name(&envelope.message));
    record.text = match &envelope.message {
        Message::Call(m) => call_request(record, naming, m),
        Message::CallReply(m) => call_reply(record, naming, m),
        Message::Data(m) => data_request(record, naming, m),
        Message::DataReply(m) => data_reply(record, naming, m),
        Message::Membership(m) => membership_request(record, m),
        Message::MembershipReply(m) => membership_reply(m),
        Message::Lease(m) => format!("requests leases for {}", versions(record, &m.chunks)),
        Message::LeaseGrant(m) => {
            let chunks = versions(record, &m.chunks);
            format!("grants leases for {chunks} for {} ms", m.term.duration.as_millis())
        }
        Message::Removal(m) => removal_order(record, m),
        Message::Configure(m) => configure_order(record, naming, m),
        Message::ConfigureReply(m) => configure_reply(record, naming, m),
        Message::Reconcile(m) => reconcile_request(record, m),
        Message::ReconcileReply(m) => reconcile_reply(record, m),
        Message::Pipeline(m) => pipeline_order(record, naming, m),
        Message::PipelineReply(m) => pipeline_reply(record, m),
        Message::CopyOrder(m) => {
            at(record, m.chunk, m.version);
            format!("copy {} {} from {}", m.chunk, m.version, naming.name(m.source))
        }
        Message::Copy(m) => {
            at(record, m.chunk, m.version);
            format!("requests step {} of the copy of {} {}", m.step, m.chunk, m.version)
        }
        Message::CopyReply(m) => copy_reply(record, m),
        Message::CopyReport(m) => copy_report(record, m),
    };
}

fn call_request(record: &mut Record, naming: &dyn Naming, request: &call::Request) -> String {
    record.op = Some(request.op);
    let what = match &request.request {
        MasterRequest::Change(change) => client::change(change),
        MasterRequest::Query(query) => client::query(query),
    };
    format!("{}, {what}", naming.op(request.op))
}

fn call_reply(record: &mut Record, naming: &dyn Naming, reply: &call::Reply) -> String {
    record.op = Some(reply.op);
    let answer = match &reply.answer {
        Ok(answer) => client::metadata(answer),
        Err(refusal) => refused(record, refusal),
    };
    format!("{}: {answer}", naming.op(reply.op))
}

fn data_request(record: &mut Record, naming: &dyn Naming, request: &data::Request) -> String {
    match request {
        data::Request::Mutate(data::Mutate {
            op,
            chunk,
            version,
            exactly,
            kind,
            offset,
            payload,
            ..
        }) => {
            at(record, *chunk, *version);
            record.op = Some(*op);
            let (kind, op) = (format!("{kind:?}").to_lowercase(), naming.op(*op));
            let only = if *exactly { " only" } else { "" };
            format!("{op}, {kind} {} B to {chunk} {version}{only} at {offset}", payload.len())
        }
        data::Request::Read(data::Read { op, chunk, version, extent, mode }) => {
            at(record, *chunk, *version);
            record.op = Some(*op);
            let (mode, op) = (client::mode_name(*mode), naming.op(*op));
            format!("{op}, {mode} read of {chunk} {version} {extent:?}")
        }
    }
}

fn data_reply(record: &mut Record, naming: &dyn Naming, reply: &data::Reply) -> String {
    match reply {
        data::Reply::Mutated(data::Mutated { op, chunk, result }) => {
            (record.op, record.chunk) = (Some(*op), Some(*chunk));
            let how = match result {
                Ok(extent) => format!("done at {extent:?}"),
                Err(refusal) => refused(record, refusal),
            };
            format!("{} at {chunk}: {how}", naming.op(*op))
        }
        data::Reply::Read(data::ReadReply { op, chunk, result, payload }) => {
            (record.op, record.chunk) = (Some(*op), Some(*chunk));
            let how = match result {
                Ok(length) => format!("{} B of {length}", payload.len()),
                Err(refusal) => refused(record, refusal),
            };
            format!("{} of {chunk}: {how}", naming.op(*op))
        }
    }
}

fn membership_request(record: &mut Record, request: &membership::Request) -> String {
    match request {
        membership::Request::Register(m) => format!("registers, incarnation {}", m.incarnation.0),
        membership::Request::Heartbeat(m) if m.disk_failed => "heartbeat, disk failed".into(),
        membership::Request::Heartbeat(_) => "heartbeat".into(),
        membership::Request::Report(m) => {
            let known = m.replicas.iter().map(|(chunk, _)| *chunk);
            record.about(known.chain(m.gone.iter().copied()).collect());
            let what = if m.full { "full" } else { "incremental" };
            let few = m.replicas.len() <= NAMED_MAX;
            let states = m.replicas.iter().filter(|_| few);
            let states = states.map(|(chunk, state)| format!("; {chunk} {}", held(state)));
            let states: String = states.collect();
            format!("report {}, {what}: {} replicas{states}", m.number, m.replicas.len())
        }
    }
}

fn membership_reply(reply: &membership::Reply) -> String {
    match reply {
        membership::Reply::Registered(m) => format!("registered in {}, report", m.epoch),
        membership::Reply::Refused(m) => {
            format!("refused: incarnation {} is superseded", m.incarnation.0)
        }
        membership::Reply::RegisterAgain(_) => "not registered, register again".into(),
        membership::Reply::ConstantsChanged(m) => {
            format!("the constants are those of {}", m.agreed.version)
        }
        membership::Reply::ReportAck(m) => format!("report {} acknowledged", m.number),
    }
}

fn removal_order(record: &mut Record, order: &removal::Order) -> String {
    match order {
        removal::Order::Delete(removal::DeleteReplica { chunk, reason }) => {
            let (DeleteReason::Excluded(version) | DeleteReason::Freed(version)) = reason;
            at(record, *chunk, *version);
            match reason {
                DeleteReason::Excluded(version) => format!("delete {chunk}: not in {version}"),
                DeleteReason::Freed(version) => format!("delete {chunk}: freed at {version}"),
            }
        }
        removal::Order::Quarantine(m) => {
            record.chunk = Some(m.chunk);
            format!("quarantine {}", m.chunk)
        }
    }
}

fn configure_order(record: &mut Record, naming: &dyn Naming, order: &configure::Order) -> String {
    match order {
        configure::Order::Prepare(configure::Prepare { chunk, version, .. }) => {
            at(record, *chunk, *version);
            format!("promise {chunk} {version}")
        }
        configure::Order::Activate(configure::Activate { chunk, version, members, .. }) => {
            at(record, *chunk, *version);
            record.nodes = members.clone();
            let members = naming.names(members);
            format!("{chunk} {version} is committed, the recipient is primary of {members}")
        }
    }
}

fn configure_reply(record: &mut Record, naming: &dyn Naming, reply: &configure::Reply) -> String {
    match reply {
        configure::Reply::Prepared(configure::Prepared { chunk, version, state, .. }) => {
            at(record, *chunk, *version);
            record.sequence = Some(state.sequence);
            format!("{chunk} {version} is promised, {}", held(state))
        }
        configure::Reply::Refused(m) => {
            at(record, m.chunk, m.version);
            record.bad = true;
            match m.promised {
                Some(higher) => format!("refused {} {}: promised {higher}", m.chunk, m.version),
                None => format!("refused {} {}: no replica", m.chunk, m.version),
            }
        }
        configure::Reply::MemberFailed(configure::MemberFailed { chunk, version, members }) => {
            at(record, *chunk, *version);
            (record.nodes, record.bad) = (members.clone(), true);
            format!("{chunk} {version} is blocked by {}", naming.names(members))
        }
    }
}

fn reconcile_request(record: &mut Record, request: &reconcile::Request) -> String {
    match request {
        reconcile::Request::Ranges(reconcile::RangesRequest { chunk, version }) => {
            at(record, *chunk, *version);
            format!("requests the ranges to reconcile of {chunk} {version}")
        }
        reconcile::Request::Install(m) => {
            let reconcile::Install { chunk, version, image, payload, .. } = m;
            at(record, *chunk, *version);
            record.sequence = Some(image.sequence);
            let bytes = payload.len();
            format!("reconcile {chunk} {version} to {}, {bytes} B", image.sequence)
        }
    }
}

fn reconcile_reply(record: &mut Record, reply: &reconcile::Reply) -> String {
    match reply {
        reconcile::Reply::Ranges(m) => {
            let reconcile::RangesReply { chunk, version, committed, touched } = m;
            at(record, *chunk, *version);
            record.sequence = Some(*committed);
            format!("{chunk} {version} is committed to {committed}, touched {touched:?}")
        }
        reconcile::Reply::Installed(reconcile::Installed { chunk, version, sequence }) => {
            at(record, *chunk, *version);
            record.sequence = Some(*sequence);
            format!("{chunk} {version} is reconciled, up to {sequence}")
        }
    }
}

fn pipeline_order(record: &mut Record, naming: &dyn Naming, order: &pipeline::Order) -> String {
    match order {
        pipeline::Order::Push(pipeline::Push { chunk, version, sequence, mutation, .. }) => {
            at(record, *chunk, *version);
            (record.sequence, record.op) = (Some(*sequence), Some(mutation.op));
            format!("{chunk} {version} {sequence} is {}", naming.op(mutation.op))
        }
        pipeline::Order::Progress(pipeline::ProgressRequest { chunk, version, committed }) => {
            at(record, *chunk, *version);
            record.sequence = Some(*committed);
            format!("requests the progress of {chunk} {version}, committed {committed}")
        }
    }
}

fn pipeline_reply(record: &mut Record, reply: &pipeline::Reply) -> String {
    match reply {
        pipeline::Reply::Progress(m) => {
            let pipeline::Progress { chunk, version, applied, received } = m;
            at(record, *chunk, *version);
            record.sequence = Some(*applied);
            format!("{chunk} {version} is durable up to {applied}, received up to {received}")
        }
        pipeline::Reply::Refused(pipeline::PushRefused { chunk, version, refusal }) => {
            at(record, *chunk, *version);
            format!("{chunk} {version}: {}", refused(record, refusal))
        }
    }
}

fn copy_reply(record: &mut Record, reply: &copy::Reply) -> String {
    match reply {
        copy::Reply::Step(copy::Step { chunk, step, left_bytes, end, payload, .. }) => {
            record.chunk = Some(*chunk);
            let end = if end.is_some() { ", the end" } else { "" };
            let bytes = payload.len();
            format!("step {step} of the copy of {chunk}: {bytes} B, {left_bytes} left{end}")
        }
        copy::Reply::Void(m) => {
            (record.chunk, record.bad) = (Some(m.chunk), true);
            format!("no such copy of {}", m.chunk)
        }
    }
}

fn copy_report(record: &mut Record, report: &copy::Report) -> String {
    match report {
        copy::Report::CaughtUp(copy::CaughtUp { chunk, version, .. }) => {
            at(record, *chunk, *version);
            format!("the copy of {chunk} {version} has caught up, configure")
        }
        copy::Report::Ready(copy::Ready { chunk, version, state, .. }) => {
            at(record, *chunk, *version);
            record.sequence = Some(state.sequence);
            format!("the copy of {chunk} is complete, {version} is promised")
        }
        copy::Report::Failed(copy::Failed { chunk, version, .. }) => {
            at(record, *chunk, *version);
            record.bad = true;
            format!("the copy of {chunk} {version} was given up")
        }
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
        Message::Call(_) => "Call",
        Message::CallReply(_) => "CallReply",
        Message::Membership(membership::Request::Register(_)) => "Register",
        Message::Membership(membership::Request::Heartbeat(_)) => "Heartbeat",
        Message::Membership(membership::Request::Report(_)) => "Report",
        Message::MembershipReply(membership::Reply::Registered(_)) => "Registered",
        Message::MembershipReply(membership::Reply::Refused(_)) => "RegisterRefused",
        Message::MembershipReply(membership::Reply::RegisterAgain(_)) => "RegisterAgain",
        Message::MembershipReply(membership::Reply::ConstantsChanged(_)) => "ConstantsChanged",
        Message::MembershipReply(membership::Reply::ReportAck(_)) => "ReportAck",
        Message::Removal(removal::Order::Delete(_)) => "DeleteReplica",
        Message::Removal(removal::Order::Quarantine(_)) => "QuarantineReplica",
        Message::Lease(_) => "LeaseRequest",
        Message::LeaseGrant(_) => "LeaseGrant",
        Message::Configure(configure::Order::Prepare(_)) => "Prepare",
        Message::Configure(configure::Order::Activate(_)) => "Activate",
        Message::ConfigureReply(configure::Reply::Prepared(_)) => "Prepared",
        Message::ConfigureReply(configure::Reply::Refused(_)) => "PrepareRefused",
        Message::ConfigureReply(configure::Reply::MemberFailed(_)) => "MemberFailed",
        Message::Reconcile(reconcile::Request::Ranges(_)) => "RangesRequest",
        Message::Reconcile(reconcile::Request::Install(_)) => "Reconcile",
        Message::ReconcileReply(reconcile::Reply::Ranges(_)) => "RangesReply",
        Message::ReconcileReply(reconcile::Reply::Installed(_)) => "Reconciled",
        Message::CopyOrder(_) => "CopyOrder",
        Message::Copy(_) => "CopyRequest",
        Message::CopyReply(copy::Reply::Step(_)) => "CopyStep",
        Message::CopyReply(copy::Reply::Void(_)) => "CopyVoid",
        Message::CopyReport(copy::Report::CaughtUp(_)) => "LearnerCaughtUp",
        Message::CopyReport(copy::Report::Ready(_)) => "LearnerReady",
        Message::CopyReport(copy::Report::Failed(_)) => "LearnerFailed",
        Message::Data(data::Request::Mutate(_)) => "Mutate",
        Message::Data(data::Request::Read(_)) => "Read",
        Message::DataReply(data::Reply::Mutated(_)) => "Mutated",
        Message::DataReply(data::Reply::Read(_)) => "ReadReply",
        Message::Pipeline(pipeline::Order::Push(_)) => "Push",
        Message::Pipeline(pipeline::Order::Progress(_)) => "ProgressRequest",
        Message::PipelineReply(pipeline::Reply::Progress(_)) => "Progress",
        Message::PipelineReply(pipeline::Reply::Refused(_)) => "PushRefused",
    }
}
