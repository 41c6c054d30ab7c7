//! Events: the facts that machines tell.

use super::client;
use crate::naming::Naming;
use crate::record::Record;
use leasehold_proto::message::DeleteReason;
use leasehold_proto::{
    ClusterConstant, ConstantsVersion, Event, LockKind, LostLog, Member, NodeId, SafeModeEnd, Sides,
};

/// What an event is about, in typed fields.
pub(super) fn fill(record: &mut Record, event: &Event) {
    record.what = name(event);
    match event {
        Event::NoRoom { chunk, .. } | Event::DiskFull { chunk, .. } => {
            (record.chunk, record.bad) = (Some(*chunk), true);
        }
        Event::TrashGaveWay { chunk, .. } => record.chunk = Some(*chunk),
        Event::LeaderBegan { .. }
        | Event::EntryApplied { .. }
        | Event::SafeModeEnded { .. }
        | Event::ConstantsChanged { .. }
        | Event::Trashed { .. }
        | Event::GivenUp { .. }
        | Event::Restored { .. }
        | Event::TrashEmptied { .. }
        | Event::Purged { .. } => {}
        Event::ChunkMade { chunk, .. } => record.chunk = Some(*chunk),
        Event::Placed { chunk, servers } => {
            (record.chunk, record.nodes) = (Some(*chunk), servers.clone());
        }
        Event::Configured { chunk, version, members, .. } => {
            record.chunk = Some(*chunk);
            record.version = Some(*version);
            record.nodes = nodes(members);
        }
        Event::Freed { chunk, base: version } => {
            (record.chunk, record.version) = (Some(*chunk), Some(*version));
        }
        Event::LeaseGranted { chunk, version, to, .. }
        | Event::RepairBegan { chunk, version, to } => {
            (record.chunk, record.version) = (Some(*chunk), Some(*version));
            record.nodes = vec![*to];
        }
        Event::RepairEnded { chunk, to, done } => {
            record.chunk = Some(*chunk);
            record.nodes = vec![*to];
            (record.ends, record.bad) = (true, !done);
        }
        Event::ServerJoined { node, .. }
        | Event::ServerHeard { node }
        | Event::ServerRoom { node, .. } => {
            record.nodes = vec![*node];
        }
        Event::ConstantsRefused { .. } => record.bad = true,
        Event::ServerDead { node } => (record.nodes, record.bad) = (vec![*node], true),
        Event::Recovered { chunk, applied_version: version, sequence, .. }
        | Event::Adopted { chunk, version, sequence, .. }
        | Event::Committed { chunk, version, sequence }
        | Event::LearnerComplete { chunk, version, sequence } => {
            (record.chunk, record.version) = (Some(*chunk), Some(*version));
            record.sequence = Some(*sequence);
        }
        Event::ChangeBegan { chunk, version, .. }
        | Event::Promised { chunk, version }
        | Event::LeaseTaken { chunk, version, .. } => {
            (record.chunk, record.version) = (Some(*chunk), Some(*version));
        }
        Event::LeaseEnded { chunk, version } => {
            (record.chunk, record.version) = (Some(*chunk), Some(*version));
            record.ends = true;
        }
        Event::Applied { chunk, version, sequence, op, .. }
        | Event::Acknowledged { chunk, version, sequence, op, .. } => {
            (record.chunk, record.version) = (Some(*chunk), Some(*version));
            (record.sequence, record.op) = (Some(*sequence), Some(*op));
        }
        Event::ReadServed { chunk, version, op, .. } => {
            (record.chunk, record.version) = (Some(*chunk), Some(*version));
            record.op = Some(*op);
        }
        Event::ReplicaDeleted { chunk, .. } | Event::QuarantineEnded { chunk } => {
            record.chunk = Some(*chunk);
        }
        Event::ReplicaQuarantined { chunk }
        | Event::CorruptRead { chunk }
        | Event::LogLost { proof: LostLog::Chunk(chunk) } => {
            (record.chunk, record.bad) = (Some(*chunk), true);
        }
        Event::LogLost { proof: LostLog::Epoch(_) } => record.bad = true,
        Event::DiskFailed | Event::Superseded => record.bad = true,
        Event::ProtocolError { chunk, sequence } => {
            (record.chunk, record.sequence) = (Some(*chunk), Some(*sequence));
            record.bad = true;
        }
        Event::Retried { op, .. } => record.op = Some(*op),
        Event::PieceBegan { piece, .. } => record.request = Some(*piece),
        Event::PieceEnded { piece, result } => {
            record.request = Some(*piece);
            (record.ends, record.bad) = (true, result.is_err());
        }
        Event::Unsolicited { from } => record.nodes = vec![*from],
        Event::SentUnderLock { op, chunk, version, .. } => {
            (record.chunk, record.version) = (Some(*chunk), Some(*version));
            record.op = Some(*op);
        }
        Event::SessionLost { .. } => (record.ends, record.bad) = (true, true),
        Event::SessionEnded { .. } | Event::LockGivenUp { .. } => record.ends = true,
        Event::SessionHeld { .. } | Event::LockTaken { .. } => {}
    }
}

fn nodes(members: &[Member]) -> Vec<NodeId> {
    members.iter().map(|member| member.node).collect()
}

fn name(event: &Event) -> &'static str {
    match event {
        Event::LeaderBegan { .. } => "LeaderBegan",
        Event::EntryApplied { .. } => "EntryApplied",
        Event::ChunkMade { .. } => "ChunkMade",
        Event::Trashed { .. } => "Trashed",
        Event::GivenUp { .. } => "GivenUp",
        Event::Restored { .. } => "Restored",
        Event::TrashEmptied { .. } => "TrashEmptied",
        Event::Purged { .. } => "Purged",
        Event::Configured { .. } => "Configured",
        Event::Freed { .. } => "Freed",
        Event::LeaseGranted { .. } => "LeaseGranted",
        Event::ChangeBegan { .. } => "ChangeBegan",
        Event::Placed { .. } => "Placed",
        Event::RepairBegan { .. } => "RepairBegan",
        Event::RepairEnded { .. } => "RepairEnded",
        Event::ServerJoined { .. } => "ServerJoined",
        Event::ServerHeard { .. } => "ServerHeard",
        Event::ServerDead { .. } => "ServerDead",
        Event::ServerRoom { .. } => "ServerRoom",
        Event::NoRoom { .. } => "NoRoom",
        Event::TrashGaveWay { .. } => "TrashGaveWay",
        Event::SafeModeEnded { .. } => "SafeModeEnded",
        Event::LogLost { .. } => "LogLost",
        Event::ConstantsChanged { .. } => "ConstantsChanged",
        Event::ConstantsRefused { .. } => "ConstantsRefused",
        Event::Recovered { .. } => "Recovered",
        Event::Promised { .. } => "Promised",
        Event::LeaseTaken { .. } => "LeaseTaken",
        Event::LeaseEnded { .. } => "LeaseEnded",
        Event::Adopted { .. } => "Adopted",
        Event::Applied { .. } => "Applied",
        Event::Committed { .. } => "Committed",
        Event::Acknowledged { .. } => "Acknowledged",
        Event::ReadServed { .. } => "ReadServed",
        Event::LearnerComplete { .. } => "LearnerComplete",
        Event::ReplicaDeleted { .. } => "ReplicaDeleted",
        Event::ReplicaQuarantined { .. } => "ReplicaQuarantined",
        Event::QuarantineEnded { .. } => "QuarantineEnded",
        Event::CorruptRead { .. } => "CorruptRead",
        Event::DiskFull { .. } => "DiskFull",
        Event::DiskFailed => "DiskFailed",
        Event::Superseded => "Superseded",
        Event::ProtocolError { .. } => "ProtocolError",
        Event::Retried { .. } => "Retried",
        Event::PieceBegan { .. } => "PieceBegan",
        Event::PieceEnded { .. } => "PieceEnded",
        Event::Unsolicited { .. } => "Unsolicited",
        Event::SessionEnded { .. } => "SessionEnded",
        Event::SessionHeld { .. } => "SessionHeld",
        Event::SessionLost { .. } => "SessionLost",
        Event::LockTaken { .. } => "LockTaken",
        Event::LockGivenUp { .. } => "LockGivenUp",
        Event::SentUnderLock { .. } => "SentUnderLock",
    }
}

/// The constants in which the sides differ, or that none do.
fn constants(version: &ConstantsVersion, sides: &Sides) -> String {
    let differ = |constant: &&ClusterConstant| {
        sides.masters.number(**constant) != sides.servers.number(**constant)
    };
    let differences: Vec<String> = ClusterConstant::ALL
        .iter()
        .filter(differ)
        .map(|constant| {
            let (masters, servers) =
                (sides.masters.setting(*constant), sides.servers.setting(*constant));
            format!("{constant} {servers} at chunkservers and {masters} at masters")
        })
        .collect();
    if differences.is_empty() {
        return format!("has constants {version}, the same for all");
    }
    format!("has constants {version}: {}", differences.join(", "))
}

/// An event as the end of a sentence that begins with the node's name.
#[must_use]
pub fn sentence(naming: &dyn Naming, event: &Event) -> String {
    let who = |node: &NodeId| naming.name(*node);
    match event {
        Event::LeaderBegan { epoch } => format!("leads in epoch {epoch}"),
        Event::EntryApplied { index, took_effect } => {
            format!("applied {index}{}", if *took_effect { "" } else { " (no effect)" })
        }
        Event::ChunkMade { chunk, file, index, replicas: _, chunk_bytes: _ } => {
            format!("made {chunk}, chunk {index} of {file}")
        }
        Event::Trashed { file } => format!("moved {file} to the trash"),
        Event::GivenUp { chunk } => format!("gave up {chunk}, behind a cut of its file"),
        Event::Restored { file } => format!("took {file} out of the trash"),
        Event::TrashEmptied { file } => format!("empties the trash of {file}"),
        Event::Purged { file } => format!("purged {file}"),
        Event::Configured { chunk, base, version, members } => {
            let base = if base.0 == 0 { String::new() } else { format!(" after {base}") };
            format!("configured {chunk} {version}{base}: {}", naming.names(&nodes(members)))
        }
        Event::Freed { chunk, base } => format!("freed {chunk} at {base}"),
        Event::LeaseGranted { chunk, version, to, until: _ } => {
            format!("granted {chunk} {version} to {}", who(to))
        }
        Event::ChangeBegan { chunk, version, why } => format!("begins {chunk} {version}: {why}"),
        Event::Placed { chunk, servers } => {
            format!("places {chunk} on {}", naming.names(servers))
        }
        Event::RepairBegan { chunk, version, to } => {
            format!("orders a copy of {chunk} {version} to {}", who(to))
        }
        Event::RepairEnded { chunk, to, done } => {
            let how = if *done { "ended" } else { "was given up" };
            format!("copy of {chunk} to {} {how}", who(to))
        }
        Event::ServerJoined { node, incarnation, rack: _, rejoined } => {
            let joined = if *rejoined { "rejoined" } else { "joined" };
            let life = if incarnation.0 > 1 { format!(" {incarnation}") } else { String::new() };
            format!("{joined} {}{life}", who(node))
        }
        Event::ServerHeard { node } => format!("hears {} again", who(node)),
        Event::ServerDead { node } => format!("counts {} as dead", who(node)),
        Event::ServerRoom { node, free_bytes } => {
            format!("knows of room for {free_bytes} B at {}", who(node))
        }
        Event::NoRoom { chunk, bytes } => {
            format!("has no server with room for another replica of {chunk}, {bytes} B")
        }
        Event::TrashGaveWay { file, chunk } => {
            format!("reclaims {file} before its time: there is no room for {chunk}")
        }
        Event::SafeModeEnded { why } => match why {
            SafeModeEnd::Reported => "ended safe mode".into(),
            SafeModeEnd::Waited => "ended safe mode: what is missing did not come in time".into(),
            SafeModeEnd::Ordered => "ended safe mode: an operator ordered it".into(),
        },
        Event::ConstantsChanged { version, sides } => constants(version, sides),
        Event::ConstantsRefused { own, cluster } => format!(
            "serves no more: it is configured with {} = {own}, and the cluster has {cluster}",
            own.constant
        ),
        Event::LogLost { proof } => match proof {
            LostLog::Chunk(chunk) => format!("has lost its log: {chunk} was never made here"),
            LostLog::Epoch(epoch) => format!("has lost its log: {epoch} never began here"),
        },
        Event::Recovered { .. }
        | Event::Promised { .. }
        | Event::LeaseTaken { .. }
        | Event::LeaseEnded { .. }
        | Event::Adopted { .. }
        | Event::Applied { .. }
        | Event::Committed { .. }
        | Event::Acknowledged { .. }
        | Event::ReadServed { .. }
        | Event::LearnerComplete { .. }
        | Event::ReplicaDeleted { .. }
        | Event::ReplicaQuarantined { .. }
        | Event::QuarantineEnded { .. }
        | Event::CorruptRead { .. }
        | Event::DiskFull { .. }
        | Event::DiskFailed
        | Event::Superseded
        | Event::ProtocolError { .. } => of_a_replica(naming, event),
        Event::Retried { op, why } => format!("retries {}: {why}", naming.op(*op)),
        Event::PieceBegan { call, piece, op, .. } => {
            format!("begins {piece} of {call}: {}", client::operation(op))
        }
        Event::PieceEnded { piece, result } => format!("ends {piece}: {}", client::answer(result)),
        Event::SessionEnded { .. }
        | Event::SessionHeld { .. }
        | Event::SessionLost { .. }
        | Event::LockTaken { .. }
        | Event::LockGivenUp { .. }
        | Event::SentUnderLock { .. } => of_a_session(naming, event),
        Event::Unsolicited { from } => {
            format!("ignores a message of {}, which answers nothing", who(from))
        }
    }
}

fn of_a_session(naming: &dyn Naming, event: &Event) -> String {
    match event {
        Event::SessionEnded { session } => format!("ended {session}, and frees its locks"),
        Event::SessionHeld { session, until: _ } => format!("has {session}"),
        Event::SessionLost { session } => format!("does not have {session} any more"),
        Event::LockTaken { file, holder, range, kind } => {
            let how = match kind {
                LockKind::Shared => "shared",
                LockKind::Exclusive => "exclusively",
            };
            let (range, holder) = (client::bytes_of(range), client::holder(holder));
            format!("has {range} of {file} locked {how} for {holder}")
        }
        Event::LockGivenUp { file, holder, range } => {
            let (range, holder) = (client::bytes_of(range), client::holder(holder));
            format!("gives up its lock on {range} of {file} for {holder}")
        }
        Event::SentUnderLock { op, session, file: _, chunk, version } => {
            format!("sends {} to {chunk} {version} under {session}", naming.op(*op))
        }
        other => unreachable!("{other:?} is not about a session"),
    }
}

fn of_a_replica(naming: &dyn Naming, event: &Event) -> String {
    match event {
        Event::Recovered { chunk, promised, applied_version, sequence } => {
            format!("found {chunk}: promised {promised}, applied {applied_version} {sequence}")
        }
        Event::Promised { chunk, version } => format!("promised {chunk} {version}"),
        Event::LeaseTaken { chunk, version, until: _ } => {
            format!("is primary of {chunk} {version}")
        }
        Event::LeaseEnded { chunk, version } => {
            format!("is not primary of {chunk} {version} any more")
        }
        Event::Adopted { chunk, version, sequence, length, stored_bytes: _, ops: _, primary } => {
            let role = if *primary { " as primary" } else { "" };
            format!("adopted {chunk} {version}{role} at {sequence}, {length} B")
        }
        Event::Applied { chunk, version, sequence, op, kind, extent, crc: _ } => {
            let (kind, op) = (format!("{kind:?}").to_lowercase(), naming.op(*op));
            format!("applied {chunk} {version} {sequence}: {op} {kind} {extent:?}")
        }
        Event::Committed { chunk, version, sequence } => {
            format!("committed {chunk} {version} up to {sequence}")
        }
        Event::Acknowledged { chunk, version: _, sequence, op, extent } => {
            format!("acknowledged {} at {chunk} {sequence} {extent:?}", naming.op(*op))
        }
        Event::ReadServed { chunk, version, op, extent, mode } => {
            let (mode, op) = (format!("{mode:?}").to_lowercase(), naming.op(*op));
            format!("served {op} {mode} {chunk} {version} {extent:?}")
        }
        Event::LearnerComplete { chunk, version, sequence } => {
            format!("has the whole of {chunk} {version} at {sequence}")
        }
        Event::ReplicaDeleted { chunk, reason: DeleteReason::Excluded(version) } => {
            format!("deleted {chunk}: not in {version}")
        }
        Event::ReplicaDeleted { chunk, reason: DeleteReason::Freed(version) } => {
            format!("deleted {chunk}: freed at {version}")
        }
        Event::ReplicaQuarantined { chunk } => format!("set {chunk} aside"),
        Event::QuarantineEnded { chunk } => format!("removed {chunk}, which was set aside"),
        Event::CorruptRead { chunk } => format!("met rot in {chunk}"),
        Event::DiskFull { chunk, free_bytes } => {
            let free = match *free_bytes {
                u64::MAX => String::new(),
                free => format!(": {free} B were free when it was measured"),
            };
            format!("has no room for a change of {chunk}{free}")
        }
        Event::DiskFailed => "has a failed disk".into(),
        Event::Superseded => "stops: a later process of its disk is registered".into(),
        Event::ProtocolError { chunk, sequence } => {
            format!("met another content for {chunk} {sequence}")
        }
        other => unreachable!("{other:?} is not about a replica"),
    }
}
