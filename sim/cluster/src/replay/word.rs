//! An entry of a tape as it stands in a file. The types of the boundary have no encoding of their
//! own: bulk data and points in time never cross a wire inside of them.

use super::tape::{Beginning, Entry, Wanted, What, digest};
use bytes::Bytes;
use leasehold_proto::metadata::{FileSpec, MetadataChange, MetadataQuery};
use leasehold_proto::{
    ChunkserverConfig, ClientConfig, Constants, Extent, FileCall, FileHandle, FileId, Incarnation,
    Input, IoFault, IoId, IoOutput, IoResult, Leadership, LogEntry, LogIndex, MasterConfig,
    MasterState, NodeId, Operation, Payload, ProposeOutcome, Rack, ReadMode, Replicas, RequestId,
    Rules, Session, Time,
};
use leasehold_wire::{Frame, decode_parts, encode};
use serde::{Deserialize, Serialize};

/// An entry.
#[derive(Serialize, Deserialize)]
pub(super) struct Word {
    node: NodeId,
    now: u64,
    what: WhatWord,
}

#[derive(Serialize, Deserialize)]
enum WhatWord {
    Master { node: NodeId, salt: u64, constants: Known, state: MasterState },
    Chunkserver { config: Server, constants: Known, replicas: Replicas },
    Client { node: NodeId, masters: Vec<NodeId>, constants: Known },
    Takes(InputWord),
    Wants { digest: u64, text: String },
}

/// Constants with the rules that are in force, which a configuration file cannot name.
#[derive(Serialize, Deserialize)]
struct Known(Constants, Rules);

#[derive(Serialize, Deserialize)]
struct Server {
    node: NodeId,
    incarnation: Incarnation,
    session: Session,
    rack: Rack,
    capacity_bytes: u64,
    masters: Vec<NodeId>,
}

#[derive(Serialize, Deserialize)]
enum InputWord {
    /// A frame of the wire: head and payload.
    Deliver(Vec<u8>, Vec<u8>),
    Wake,
    IoDone(IoId, Result<OutputWord, FaultWord>),
    Request(RequestId, OperationWord),
    Committed(LogIndex, LogEntry),
    Leads,
    Follows(Option<NodeId>),
    Installed(Box<MasterState>),
    File(RequestId, FileWord),
}

#[derive(Serialize, Deserialize)]
enum OutputWord {
    Done,
    Read(Bulk),
    Committed(LogIndex),
    Rejected,
    Unknown,
    Confirmed,
}

#[derive(Serialize, Deserialize)]
enum FaultWord {
    Corrupt(Vec<Extent>),
    DiskFailed,
    NoSpace,
    NotLeader,
}

#[derive(Serialize, Deserialize)]
enum OperationWord {
    Change(MetadataChange),
    Query(MetadataQuery),
    Write(FileId, u64, u64, Bulk),
    Append(FileId, u64, Bulk),
    Read(FileId, u64, Extent, ReadMode),
}

#[derive(Serialize, Deserialize)]
enum FileWord {
    Open(String),
    Create(String, FileSpec, u64),
    Read(FileHandle, u64, u64, ReadMode),
    Write(FileHandle, u64, Vec<Bulk>),
    Append(FileHandle, Bulk),
    Length(FileHandle),
    Close(FileHandle),
}

/// Bulk data and the checksum that came with it.
#[derive(Serialize, Deserialize)]
struct Bulk(Vec<u8>, u32);

impl Word {
    /// Of an entry.
    pub fn of(entry: &Entry) -> Self {
        let what = match &entry.what {
            What::Begins(beginning) => begins(beginning),
            What::Takes(input) => WhatWord::Takes(InputWord::of(input)),
            What::Wants(Wanted::Live(effect)) => {
                WhatWord::Wants { digest: digest(effect), text: format!("{effect:?}") }
            }
            What::Wants(Wanted::Told { digest, text }) => {
                WhatWord::Wants { digest: *digest, text: text.clone() }
            }
        };
        Word { node: entry.node, now: entry.now.0, what }
    }

    /// The entry; none if a message in it does not decode.
    pub fn entry(self) -> Option<Entry> {
        let what = match self.what {
            WhatWord::Master { node, salt, constants, state } => {
                let config = MasterConfig { node, salt, constants: constants.constants() };
                What::Begins(Beginning::Master(config, state).into())
            }
            WhatWord::Chunkserver { config, constants, replicas } => {
                let config = config.config(constants.constants());
                What::Begins(Beginning::Chunkserver(config, replicas).into())
            }
            WhatWord::Client { node, masters, constants } => {
                let config = ClientConfig { node, masters, constants: constants.constants() };
                What::Begins(Beginning::Client(config).into())
            }
            WhatWord::Takes(input) => What::Takes(input.input()?),
            WhatWord::Wants { digest, text } => What::Wants(Wanted::Told { digest, text }),
        };
        Some(Entry { node: self.node, now: Time(self.now), what })
    }
}

fn begins(beginning: &Beginning) -> WhatWord {
    match beginning {
        Beginning::Master(MasterConfig { node, salt, constants }, state) => WhatWord::Master {
            node: *node,
            salt: *salt,
            constants: Known::of(constants),
            state: state.clone(),
        },
        Beginning::Chunkserver(config, replicas) => WhatWord::Chunkserver {
            config: Server::of(config),
            constants: Known::of(&config.constants),
            replicas: replicas.clone(),
        },
        Beginning::Client(ClientConfig { node, masters, constants }) => WhatWord::Client {
            node: *node,
            masters: masters.clone(),
            constants: Known::of(constants),
        },
    }
}

impl Known {
    fn of(constants: &Constants) -> Self {
        Known(constants.clone(), constants.rules)
    }

    fn constants(self) -> Constants {
        Constants { rules: self.1, ..self.0 }
    }
}

impl Server {
    fn of(config: &ChunkserverConfig) -> Self {
        let ChunkserverConfig { node, incarnation, session, rack, capacity_bytes, .. } = *config;
        let masters = config.masters.clone();
        Server { node, incarnation, session, rack, capacity_bytes, masters }
    }

    fn config(self, constants: Constants) -> ChunkserverConfig {
        let Server { node, incarnation, session, rack, capacity_bytes, masters } = self;
        ChunkserverConfig { node, incarnation, session, rack, capacity_bytes, masters, constants }
    }
}

impl InputWord {
    fn of(input: &Input) -> Self {
        match input {
            Input::Deliver(envelope) => {
                let frame = encode(&Frame::Envelope(envelope.clone()));
                let frame = frame.expect("it came in a frame");
                InputWord::Deliver(frame.head, frame.payload.to_vec())
            }
            Input::Wake => InputWord::Wake,
            Input::IoDone { io, result } => InputWord::IoDone(*io, ended(result)),
            Input::Request { id, op } => InputWord::Request(*id, OperationWord::of(op)),
            Input::File { id, call } => InputWord::File(*id, FileWord::of(call)),
            Input::Committed { index, entry } => InputWord::Committed(*index, entry.clone()),
            Input::Installed { state } => InputWord::Installed(state.clone()),
            Input::Leadership(Leadership::Leader) => InputWord::Leads,
            Input::Leadership(Leadership::Follower { leader }) => InputWord::Follows(*leader),
        }
    }

    fn input(self) -> Option<Input> {
        Some(match self {
            InputWord::Deliver(head, payload) => {
                match decode_parts(&head, Bytes::from(payload)).ok()? {
                    Frame::Envelope(envelope) => Input::Deliver(envelope),
                    Frame::Hello { .. }
                    | Frame::WhoIs { .. }
                    | Frame::HereIs { .. }
                    | Frame::Packet(_) => return None,
                }
            }
            InputWord::Wake => Input::Wake,
            InputWord::IoDone(io, result) => Input::IoDone { io, result: unended(result) },
            InputWord::Request(id, op) => Input::Request { id, op: op.operation() },
            InputWord::File(id, call) => Input::File { id, call: call.call() },
            InputWord::Committed(index, entry) => Input::Committed { index, entry },
            InputWord::Installed(state) => Input::Installed { state },
            InputWord::Leads => Input::Leadership(Leadership::Leader),
            InputWord::Follows(leader) => Input::Leadership(Leadership::Follower { leader }),
        })
    }
}

fn ended(result: &IoResult) -> Result<OutputWord, FaultWord> {
    match result {
        Ok(IoOutput::Done) => Ok(OutputWord::Done),
        Ok(IoOutput::Read(payload)) => Ok(OutputWord::Read(Bulk::of(payload))),
        Ok(IoOutput::Proposed(ProposeOutcome::Committed(at))) => Ok(OutputWord::Committed(*at)),
        Ok(IoOutput::Proposed(ProposeOutcome::Rejected)) => Ok(OutputWord::Rejected),
        Ok(IoOutput::Proposed(ProposeOutcome::Unknown)) => Ok(OutputWord::Unknown),
        Ok(IoOutput::Confirmed) => Ok(OutputWord::Confirmed),
        Err(IoFault::Corrupt { blocks }) => Err(FaultWord::Corrupt(blocks.clone())),
        Err(IoFault::DiskFailed) => Err(FaultWord::DiskFailed),
        Err(IoFault::NoSpace) => Err(FaultWord::NoSpace),
        Err(IoFault::NotLeader) => Err(FaultWord::NotLeader),
    }
}

fn unended(result: Result<OutputWord, FaultWord>) -> IoResult {
    match result {
        Ok(OutputWord::Done) => Ok(IoOutput::Done),
        Ok(OutputWord::Read(bulk)) => Ok(IoOutput::Read(bulk.payload())),
        Ok(OutputWord::Committed(at)) => Ok(IoOutput::Proposed(ProposeOutcome::Committed(at))),
        Ok(OutputWord::Rejected) => Ok(IoOutput::Proposed(ProposeOutcome::Rejected)),
        Ok(OutputWord::Unknown) => Ok(IoOutput::Proposed(ProposeOutcome::Unknown)),
        Ok(OutputWord::Confirmed) => Ok(IoOutput::Confirmed),
        Err(FaultWord::Corrupt(blocks)) => Err(IoFault::Corrupt { blocks }),
        Err(FaultWord::DiskFailed) => Err(IoFault::DiskFailed),
        Err(FaultWord::NoSpace) => Err(IoFault::NoSpace),
        Err(FaultWord::NotLeader) => Err(IoFault::NotLeader),
    }
}

impl OperationWord {
    fn of(op: &Operation) -> Self {
        match op {
            Operation::Change(change) => OperationWord::Change(change.clone()),
            Operation::Query(query) => OperationWord::Query(query.clone()),
            Operation::Write { file, index, offset, payload } => {
                OperationWord::Write(*file, *index, *offset, Bulk::of(payload))
            }
            Operation::Append { file, chunk_bytes, payload } => {
                OperationWord::Append(*file, *chunk_bytes, Bulk::of(payload))
            }
            Operation::Read { file, index, extent, mode } => {
                OperationWord::Read(*file, *index, *extent, *mode)
            }
        }
    }

    fn operation(self) -> Operation {
        match self {
            OperationWord::Change(change) => Operation::Change(change),
            OperationWord::Query(query) => Operation::Query(query),
            OperationWord::Write(file, index, offset, bulk) => {
                Operation::Write { file, index, offset, payload: bulk.payload() }
            }
            OperationWord::Append(file, chunk_bytes, bulk) => {
                Operation::Append { file, chunk_bytes, payload: bulk.payload() }
            }
            OperationWord::Read(file, index, extent, mode) => {
                Operation::Read { file, index, extent, mode }
            }
        }
    }
}

impl FileWord {
    fn of(call: &FileCall) -> Self {
        match call {
            FileCall::Open { path } => FileWord::Open(path.clone()),
            FileCall::Create { path, spec, mtime_ms } => {
                FileWord::Create(path.clone(), *spec, *mtime_ms)
            }
            FileCall::Read { handle, offset, length, mode } => {
                FileWord::Read(*handle, *offset, *length, *mode)
            }
            FileCall::Write { handle, offset, pieces } => {
                FileWord::Write(*handle, *offset, pieces.iter().map(Bulk::of).collect())
            }
            FileCall::Append { handle, payload } => FileWord::Append(*handle, Bulk::of(payload)),
            FileCall::Length { handle } => FileWord::Length(*handle),
            FileCall::Close { handle } => FileWord::Close(*handle),
        }
    }

    fn call(self) -> FileCall {
        match self {
            FileWord::Open(path) => FileCall::Open { path },
            FileWord::Create(path, spec, mtime_ms) => FileCall::Create { path, spec, mtime_ms },
            FileWord::Read(handle, offset, length, mode) => {
                FileCall::Read { handle, offset, length, mode }
            }
            FileWord::Write(handle, offset, pieces) => {
                let pieces = pieces.into_iter().map(Bulk::payload).collect();
                FileCall::Write { handle, offset, pieces }
            }
            FileWord::Append(handle, bulk) => FileCall::Append { handle, payload: bulk.payload() },
            FileWord::Length(handle) => FileCall::Length { handle },
            FileWord::Close(handle) => FileCall::Close { handle },
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
