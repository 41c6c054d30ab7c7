//! An entry of a recording as it is in a file. The types of the boundary have no encoding of their
//! own: bulk data and points in time never cross a wire inside of them.

use super::recording::{Beginning, RecordedEntry, Wanted, What, digest};
use bytes::Bytes;
use leasehold_proto::metadata::{FileSpec, MetadataChange, MetadataQuery};
use leasehold_proto::{
    Caller, ChunkHandle, ChunkserverConfig, ClientConfig, Constants, Extent, FileCall, FileHandle,
    FileId, Incarnation, Input, IoFault, IoId, IoOutput, IoResult, Leadership, LockKind, LockOwner,
    LogEntry, LogIndex, MasterConfig, MasterState, NodeId, Operation, Path, Payload,
    ProposeOutcome, Rack, ReadMode, Replicas, RequestId, Room, Rules, Session, Time,
};
use leasehold_wire::{Frame, decode_parts, encode};
use serde::{Deserialize, Serialize};

/// An entry.
#[derive(Serialize, Deserialize)]
pub(super) struct EncodedEntry {
    node: NodeId,
    now: u64,
    what: EncodedWhat,
}

#[derive(Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "each is encoded and dropped")]
enum EncodedWhat {
    Master { node: NodeId, salt: u64, constants: EncodedConstants, state: MasterState },
    Chunkserver { config: EncodedServer, constants: EncodedConstants, replicas: Replicas },
    Client { node: NodeId, masters: Vec<NodeId>, constants: EncodedConstants },
    Takes(EncodedInput),
    Wants { digest: u64, text: String },
}

/// Constants with the rules that are in force, which a configuration file cannot name.
#[derive(Serialize, Deserialize)]
struct EncodedConstants(Constants, Rules);

#[derive(Serialize, Deserialize)]
struct EncodedServer {
    node: NodeId,
    incarnation: Incarnation,
    session: Session,
    rack: Rack,
    room: Room,
    masters: Vec<NodeId>,
}

#[derive(Serialize, Deserialize)]
enum EncodedInput {
    /// A frame of the wire: head and payload.
    Deliver(Vec<u8>, Vec<u8>),
    Wake,
    IoDone(IoId, Result<EncodedOutput, EncodedFault>),
    Request(RequestId, Box<Caller>, EncodedOperation),
    Committed(LogIndex, LogEntry),
    Leads,
    Follows(Option<NodeId>),
    Installed(Box<MasterState>),
    File(RequestId, Box<Caller>, EncodedFile),
    Room(Room),
}

#[derive(Serialize, Deserialize)]
enum EncodedOutput {
    Done,
    Read(Bulk),
    Committed(LogIndex),
    Rejected,
    Unknown,
    Confirmed,
}

#[derive(Serialize, Deserialize)]
enum EncodedFault {
    Corrupt(Vec<Extent>),
    DiskFailed,
    NoSpace,
    NotLeader,
}

#[derive(Serialize, Deserialize)]
enum EncodedOperation {
    Change(MetadataChange),
    Query(MetadataQuery),
    Write(FileId, u64, u64, Bulk),
    Append(FileId, u64, Bulk),
    Read(FileId, u64, Extent, ReadMode),
    Cut(FileId, u64, u64, u64),
    Retire(FileId, u64, ChunkHandle),
    Lock(FileId, LockOwner, Extent, Option<LockKind>),
    Conflict(FileId, LockOwner, Extent, LockKind, bool),
}

#[derive(Serialize, Deserialize)]
enum EncodedFile {
    Open(Path),
    Create(Path, FileSpec, u16),
    Read(FileHandle, u64, u64, ReadMode),
    Write(FileHandle, u64, Vec<Bulk>),
    Append(FileHandle, Bulk),
    Length(FileHandle),
    Close(FileHandle),
    Truncate(FileHandle, u64),
    Lock(FileHandle, LockOwner, Extent, Option<LockKind>, bool),
    Conflict(FileHandle, LockOwner, Extent, LockKind),
}

/// Bulk data and the checksum that came with it.
#[derive(Serialize, Deserialize)]
struct Bulk(Vec<u8>, u32);

impl EncodedEntry {
    /// Of an entry.
    pub fn of(entry: &RecordedEntry) -> Self {
        let what = match &entry.what {
            What::Begins(beginning) => begins(beginning),
            What::Takes(input) => EncodedWhat::Takes(EncodedInput::of(input)),
            What::Wants(Wanted::Live(effect)) => {
                EncodedWhat::Wants { digest: digest(effect), text: format!("{effect:?}") }
            }
            What::Wants(Wanted::Recorded { digest, text }) => {
                EncodedWhat::Wants { digest: *digest, text: text.clone() }
            }
        };
        EncodedEntry { node: entry.node, now: entry.now.0, what }
    }

    /// The entry; none if a message in it does not decode.
    pub fn entry(self) -> Option<RecordedEntry> {
        let what = match self.what {
            EncodedWhat::Master { node, salt, constants, state } => {
                let config = MasterConfig {
                    node,
                    salt,
                    constants: constants.constants(),
                    insists: Vec::new(),
                };
                What::Begins(Beginning::Master(config, state).into())
            }
            EncodedWhat::Chunkserver { config, constants, replicas } => {
                let config = config.config(constants.constants());
                What::Begins(Beginning::Chunkserver(config, replicas).into())
            }
            EncodedWhat::Client { node, masters, constants } => {
                let config = ClientConfig { node, masters, constants: constants.constants() };
                What::Begins(Beginning::Client(config).into())
            }
            EncodedWhat::Takes(input) => What::Takes(input.input()?),
            EncodedWhat::Wants { digest, text } => What::Wants(Wanted::Recorded { digest, text }),
        };
        Some(RecordedEntry { node: self.node, now: Time(self.now), what })
    }
}

fn begins(beginning: &Beginning) -> EncodedWhat {
    match beginning {
        Beginning::Master(MasterConfig { node, salt, constants, .. }, state) => {
            EncodedWhat::Master {
                node: *node,
                salt: *salt,
                constants: EncodedConstants::of(constants),
                state: state.clone(),
            }
        }
        Beginning::Chunkserver(config, replicas) => EncodedWhat::Chunkserver {
            config: EncodedServer::of(config),
            constants: EncodedConstants::of(&config.constants),
            replicas: replicas.clone(),
        },
        Beginning::Client(ClientConfig { node, masters, constants }) => EncodedWhat::Client {
            node: *node,
            masters: masters.clone(),
            constants: EncodedConstants::of(constants),
        },
    }
}

impl EncodedConstants {
    fn of(constants: &Constants) -> Self {
        EncodedConstants(constants.clone(), constants.rules)
    }

    fn constants(self) -> Constants {
        Constants { rules: self.1, ..self.0 }
    }
}

impl EncodedServer {
    fn of(config: &ChunkserverConfig) -> Self {
        let ChunkserverConfig { node, incarnation, session, rack, room, .. } = *config;
        let masters = config.masters.clone();
        EncodedServer { node, incarnation, session, rack, room, masters }
    }

    fn config(self, constants: Constants) -> ChunkserverConfig {
        let EncodedServer { node, incarnation, session, rack, room, masters } = self;
        let insists = Vec::new();
        ChunkserverConfig { node, incarnation, session, rack, room, masters, constants, insists }
    }
}

impl EncodedInput {
    fn of(input: &Input) -> Self {
        match input {
            Input::Deliver(envelope) => {
                let frame = encode(&Frame::Envelope(envelope.clone()));
                let frame = frame.expect("it came in a frame");
                EncodedInput::Deliver(frame.head, frame.payload.to_vec())
            }
            Input::Wake => EncodedInput::Wake,
            Input::Room(room) => EncodedInput::Room(*room),
            Input::IoDone { io, result } => EncodedInput::IoDone(*io, ended(result)),
            Input::Request { id, caller, op } => {
                EncodedInput::Request(*id, caller.clone(), EncodedOperation::of(op))
            }
            Input::File { id, caller, call } => {
                EncodedInput::File(*id, caller.clone(), EncodedFile::of(call))
            }
            Input::Committed { index, entry } => EncodedInput::Committed(*index, entry.clone()),
            Input::Installed { state } => EncodedInput::Installed(state.clone()),
            Input::Leadership(Leadership::Leader) => EncodedInput::Leads,
            Input::Leadership(Leadership::Follower { leader }) => EncodedInput::Follows(*leader),
        }
    }

    fn input(self) -> Option<Input> {
        Some(match self {
            EncodedInput::Deliver(head, payload) => {
                match decode_parts(&head, Bytes::from(payload)).ok()? {
                    Frame::Envelope(envelope) => Input::Deliver(envelope),
                    Frame::Hello { .. }
                    | Frame::WhoIs { .. }
                    | Frame::HereIs { .. }
                    | Frame::Masters { .. }
                    | Frame::Packet(_) => return None,
                }
            }
            EncodedInput::Wake => Input::Wake,
            EncodedInput::Room(room) => Input::Room(room),
            EncodedInput::IoDone(io, result) => Input::IoDone { io, result: unended(result) },
            EncodedInput::Request(id, caller, op) => {
                Input::Request { id, caller, op: op.operation() }
            }
            EncodedInput::File(id, caller, call) => Input::File { id, caller, call: call.call() },
            EncodedInput::Committed(index, entry) => Input::Committed { index, entry },
            EncodedInput::Installed(state) => Input::Installed { state },
            EncodedInput::Leads => Input::Leadership(Leadership::Leader),
            EncodedInput::Follows(leader) => Input::Leadership(Leadership::Follower { leader }),
        })
    }
}

fn ended(result: &IoResult) -> Result<EncodedOutput, EncodedFault> {
    match result {
        Ok(IoOutput::Done) => Ok(EncodedOutput::Done),
        Ok(IoOutput::Read(payload)) => Ok(EncodedOutput::Read(Bulk::of(payload))),
        Ok(IoOutput::Proposed(ProposeOutcome::Committed(at))) => Ok(EncodedOutput::Committed(*at)),
        Ok(IoOutput::Proposed(ProposeOutcome::Rejected)) => Ok(EncodedOutput::Rejected),
        Ok(IoOutput::Proposed(ProposeOutcome::Unknown)) => Ok(EncodedOutput::Unknown),
        Ok(IoOutput::Confirmed) => Ok(EncodedOutput::Confirmed),
        Err(IoFault::Corrupt { blocks }) => Err(EncodedFault::Corrupt(blocks.clone())),
        Err(IoFault::DiskFailed) => Err(EncodedFault::DiskFailed),
        Err(IoFault::NoSpace) => Err(EncodedFault::NoSpace),
        Err(IoFault::NotLeader) => Err(EncodedFault::NotLeader),
    }
}

fn unended(result: Result<EncodedOutput, EncodedFault>) -> IoResult {
    match result {
        Ok(EncodedOutput::Done) => Ok(IoOutput::Done),
        Ok(EncodedOutput::Read(bulk)) => Ok(IoOutput::Read(bulk.payload())),
        Ok(EncodedOutput::Committed(at)) => Ok(IoOutput::Proposed(ProposeOutcome::Committed(at))),
        Ok(EncodedOutput::Rejected) => Ok(IoOutput::Proposed(ProposeOutcome::Rejected)),
        Ok(EncodedOutput::Unknown) => Ok(IoOutput::Proposed(ProposeOutcome::Unknown)),
        Ok(EncodedOutput::Confirmed) => Ok(IoOutput::Confirmed),
        Err(EncodedFault::Corrupt(blocks)) => Err(IoFault::Corrupt { blocks }),
        Err(EncodedFault::DiskFailed) => Err(IoFault::DiskFailed),
        Err(EncodedFault::NoSpace) => Err(IoFault::NoSpace),
        Err(EncodedFault::NotLeader) => Err(IoFault::NotLeader),
    }
}

impl EncodedOperation {
    fn of(op: &Operation) -> Self {
        match op {
            Operation::Change(change) => EncodedOperation::Change(change.clone()),
            Operation::Query(query) => EncodedOperation::Query(query.clone()),
            Operation::Write { file, index, offset, payload } => {
                EncodedOperation::Write(*file, *index, *offset, Bulk::of(payload))
            }
            Operation::Append { file, chunk_bytes, payload } => {
                EncodedOperation::Append(*file, *chunk_bytes, Bulk::of(payload))
            }
            Operation::Cut { file, index, length, epoch } => {
                EncodedOperation::Cut(*file, *index, *length, *epoch)
            }
            Operation::Retire { file, index, chunk } => {
                EncodedOperation::Retire(*file, *index, *chunk)
            }
            Operation::Read { file, index, extent, mode } => {
                EncodedOperation::Read(*file, *index, *extent, *mode)
            }
            Operation::Lock { file, owner, range, kind } => {
                EncodedOperation::Lock(*file, *owner, *range, *kind)
            }
            Operation::Conflict { file, owner, range, kind, wait } => {
                EncodedOperation::Conflict(*file, *owner, *range, *kind, *wait)
            }
        }
    }

    fn operation(self) -> Operation {
        match self {
            EncodedOperation::Change(change) => Operation::Change(change),
            EncodedOperation::Query(query) => Operation::Query(query),
            EncodedOperation::Write(file, index, offset, bulk) => {
                Operation::Write { file, index, offset, payload: bulk.payload() }
            }
            EncodedOperation::Append(file, chunk_bytes, bulk) => {
                Operation::Append { file, chunk_bytes, payload: bulk.payload() }
            }
            EncodedOperation::Cut(file, index, length, epoch) => {
                Operation::Cut { file, index, length, epoch }
            }
            EncodedOperation::Retire(file, index, chunk) => {
                Operation::Retire { file, index, chunk }
            }
            EncodedOperation::Read(file, index, extent, mode) => {
                Operation::Read { file, index, extent, mode }
            }
            EncodedOperation::Lock(file, owner, range, kind) => {
                Operation::Lock { file, owner, range, kind }
            }
            EncodedOperation::Conflict(file, owner, range, kind, wait) => {
                Operation::Conflict { file, owner, range, kind, wait }
            }
        }
    }
}

impl EncodedFile {
    fn of(call: &FileCall) -> Self {
        match call {
            FileCall::Open { path } => EncodedFile::Open(path.clone()),
            FileCall::Create { path, spec, mode } => {
                EncodedFile::Create(path.clone(), *spec, *mode)
            }
            FileCall::Read { handle, offset, length, mode } => {
                EncodedFile::Read(*handle, *offset, *length, *mode)
            }
            FileCall::Write { handle, offset, pieces } => {
                EncodedFile::Write(*handle, *offset, pieces.iter().map(Bulk::of).collect())
            }
            FileCall::Append { handle, payload } => EncodedFile::Append(*handle, Bulk::of(payload)),
            FileCall::Length { handle } => EncodedFile::Length(*handle),
            FileCall::Truncate { handle, length } => EncodedFile::Truncate(*handle, *length),
            FileCall::Lock { handle, owner, range, kind, wait } => {
                EncodedFile::Lock(*handle, *owner, *range, *kind, *wait)
            }
            FileCall::Conflict { handle, owner, range, kind } => {
                EncodedFile::Conflict(*handle, *owner, *range, *kind)
            }
            FileCall::Close { handle } => EncodedFile::Close(*handle),
        }
    }

    fn call(self) -> FileCall {
        match self {
            EncodedFile::Open(path) => FileCall::Open { path },
            EncodedFile::Create(path, spec, mode) => FileCall::Create { path, spec, mode },
            EncodedFile::Read(handle, offset, length, mode) => {
                FileCall::Read { handle, offset, length, mode }
            }
            EncodedFile::Write(handle, offset, pieces) => {
                let pieces = pieces.into_iter().map(Bulk::payload).collect();
                FileCall::Write { handle, offset, pieces }
            }
            EncodedFile::Append(handle, bulk) => {
                FileCall::Append { handle, payload: bulk.payload() }
            }
            EncodedFile::Length(handle) => FileCall::Length { handle },
            EncodedFile::Truncate(handle, length) => FileCall::Truncate { handle, length },
            EncodedFile::Lock(handle, owner, range, kind, wait) => {
                FileCall::Lock { handle, owner, range, kind, wait }
            }
            EncodedFile::Conflict(handle, owner, range, kind) => {
                FileCall::Conflict { handle, owner, range, kind }
            }
            EncodedFile::Close(handle) => FileCall::Close { handle },
        }
    }
}

impl Bulk {
    fn of(payload: &Payload) -> Self {
        Bulk(payload.data.to_vec(), payload.crc)
    }

    fn payload(self) -> Payload {
        Payload::new(Bytes::from(self.0), self.1)
    }
}
