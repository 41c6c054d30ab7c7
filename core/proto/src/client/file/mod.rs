//! File calls: open handles, and the calls that are under way in pieces.
//!
//! A *piece* is an operation on one chunk, or a question about the file: a task like any request,
//! whose result comes back here. This says which pieces begin and how a call ends; it starts none.
//! How many chunks a file has, `routes` remembers.

mod read;
mod write;
mod truncate;
mod single;
mod lock;

use crate::attributes::Caller;
use crate::config::Constants;
use crate::file::{Cut, FileCall, FileOutcome};
use crate::ids::{ClientSession, FileHandle, FileId, RequestId};
use crate::machine::{OpError, Operation, Outcome};
use crate::metadata::{
    FileInfo, FileKind, FileSpec, MetadataAnswer, MetadataChange, MetadataQuery,
};
use crate::refusal::Refusal;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use lock::{FindConflict, SetLock, Target};
use read::Read;
use single::{Append, Length, Open};
use truncate::Truncate;
use write::Write;

/// Handles open at a time, at the most.
const OPEN_MAX: usize = 65_536;

pub(super) type Ending = Result<Outcome, OpError>;

/// A file as calls see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct OpenFile {
    file: FileId,
    spec: FileSpec,
}

/// All open handles and all file calls of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Files {
    open: BTreeMap<FileHandle, OpenFile>,
    last: FileHandle,
    calls: BTreeMap<RequestId, Call>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Call {
    caller: Box<Caller>,
    /// Pieces that were begun.
    begun: u64,
    /// The session under whose lock it began, and with which its pieces end.
    session: Option<ClientSession>,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    Open(Open),
    Read(Read),
    Write(Write),
    Append(Append),
    Length(Length),
    Truncate(Truncate),
    Lock(SetLock),
    Conflict(FindConflict),
    Close,
}

impl Files {
    /// Calls that have not ended.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Begins a call, unless it can never be done.
    pub fn begin(
        &mut self,
        id: RequestId,
        caller: Box<Caller>,
        call: FileCall,
        constants: &Constants,
    ) -> Result<(), Refusal> {
        let what = match call {
            FileCall::Open { path } => {
                self.check_room()?;
                What::Open(Open::new(Operation::Query(MetadataQuery::Resolve { path })))
            }
            FileCall::Create { path, spec, mode } => {
                self.check_room()?;
                let change = MetadataChange::Create { path, spec, mode };
                What::Open(Open::new(Operation::Change(change)))
            }
            FileCall::Read { handle, offset, length, mode } => {
                let at = self.place(handle, offset, constants)?;
                What::Read(Read::new(at, length, mode, constants))
            }
            FileCall::Write { handle, offset, pieces } => {
                let at = self.place(handle, offset, constants)?;
                What::Write(Write::new(at, pieces, constants)?)
            }
            FileCall::Append { handle, payload } => {
                let Place { file, cut, .. } = self.place(handle, 0, constants)?;
                What::Append(Append::new(file, cut, payload))
            }
            FileCall::Length { handle } => {
                let Place { file, cut, .. } = self.place(handle, 0, constants)?;
                What::Length(Length::new(file, cut))
            }
            FileCall::Truncate { handle, length } => {
                let Place { file, cut, .. } = self.place(handle, 0, constants)?;
                What::Truncate(Truncate::new(file, cut, length))
            }
            FileCall::Lock { handle, owner, range, kind, wait } => {
                let Place { file, .. } = self.place(handle, 0, constants)?;
                What::Lock(SetLock::new(Target { file, owner, range, kind }, wait))
            }
            FileCall::Conflict { handle, owner, range, kind } => {
                let Place { file, .. } = self.place(handle, 0, constants)?;
                let kind = Some(kind);
                What::Conflict(FindConflict::new(Target { file, owner, range, kind }))
            }
            FileCall::Close { handle } => {
                self.open.remove(&handle);
                What::Close
            }
        };
        self.calls.insert(id, Call { caller, begun: 0, session: None, what });
        Ok(())
    }

    /// The file that a call changes through an open handle.
    pub fn changed_by(&self, call: &FileCall) -> Option<FileId> {
        let handle = match call {
            FileCall::Write { handle, .. }
            | FileCall::Append { handle, .. }
            | FileCall::Truncate { handle, .. } => handle,
            FileCall::Open { .. }
            | FileCall::Create { .. }
            | FileCall::Read { .. }
            | FileCall::Length { .. }
            | FileCall::Lock { .. }
            | FileCall::Conflict { .. }
            | FileCall::Close { .. } => return None,
        };
        self.open.get(handle).map(|open| open.file)
    }

    /// Pieces of this call are done under a session only.
    pub fn depends_on(&mut self, id: RequestId, session: ClientSession) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.session = Some(session);
        }
    }

    fn check_room(&self) -> Result<(), Refusal> {
        if self.open.len() < OPEN_MAX {
            return Ok(());
        }
        Err(Refusal::Invalid("too many files are open".to_owned()))
    }

    fn place(
        &self,
        handle: FileHandle,
        offset: u64,
        constants: &Constants,
    ) -> Result<Place, Refusal> {
        let open = self.open.get(&handle);
        let OpenFile { file, spec } =
            *open.ok_or_else(|| Refusal::Invalid("the file is not open".to_owned()))?;
        Ok(Place { file, cut: Cut::new(&spec, constants), offset })
    }

    /// The next piece of a call that can begin, with its number in the call.
    pub fn next_piece(&mut self, id: RequestId) -> Option<NextPiece> {
        let call = self.calls.get_mut(&id)?;
        let number = call.begun;
        let op = match &mut call.what {
            What::Open(open) => open.next(),
            What::Read(read) => read.next(number),
            What::Write(write) => write.next(number),
            What::Append(append) => append.next(),
            What::Length(length) => length.next(),
            What::Truncate(truncate) => truncate.next(number),
            What::Lock(lock) => lock.next(),
            What::Conflict(conflict) => conflict.next(),
            What::Close => None,
        }?;
        call.begun += 1;
        let (caller, session) = (call.caller.clone(), call.session);
        Some(NextPiece { number, caller, op, session })
    }

    /// A piece ended. It may have outlived its call, if that only read.
    pub fn on_piece(&mut self, id: RequestId, number: u64, result: Ending) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        match &mut call.what {
            What::Open(open) => open.on_piece(result),
            What::Read(read) => read.on_piece(number, result),
            What::Write(write) => write.on_piece(number, result),
            What::Append(append) => append.on_piece(result),
            What::Length(length) => length.on_piece(result),
            What::Truncate(truncate) => truncate.on_piece(number, result),
            What::Lock(lock) => lock.on_piece(result),
            What::Conflict(conflict) => conflict.on_piece(result),
            What::Close => {}
        }
    }

    /// Takes the result of a call, once it has one.
    pub fn take_result(&mut self, id: RequestId, constants: &Constants) -> Option<Ending> {
        let result = match &mut self.calls.get_mut(&id)?.what {
            What::Open(open) => open.take_result()?.and_then(|info| self.opened(info, constants)),
            What::Read(read) => read.take_result()?,
            What::Write(write) => write.take_result()?,
            What::Append(append) => append.take_result()?,
            What::Length(length) => length.take_result()?,
            What::Truncate(truncate) => truncate.take_result()?,
            What::Lock(lock) => lock.take_result()?,
            What::Conflict(conflict) => conflict.take_result()?,
            What::Close => Ok(FileOutcome::Closed),
        };
        self.calls.remove(&id);
        Some(result.map(Outcome::File))
    }

    fn opened(&mut self, info: FileInfo, constants: &Constants) -> Result<FileOutcome, OpError> {
        let FileKind::File(spec) = info.kind else {
            return Err(OpError::Refused(Refusal::IsADirectory));
        };
        let handle = self.last.next();
        self.last = handle;
        self.open.insert(handle, OpenFile { file: info.file, spec });
        Ok(FileOutcome::Opened { handle, info, cut: Cut::new(&spec, constants) })
    }
}

/// A piece that is to begin.
#[derive(Debug)]
pub(super) struct NextPiece {
    pub number: u64,
    pub caller: Box<Caller>,
    pub op: Operation,
    /// The session under whose lock its call began.
    pub session: Option<ClientSession>,
}

/// A place in a file that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Place {
    file: FileId,
    cut: Cut,
    offset: u64,
}

/// What a master said of a file.
fn info_of(result: Ending) -> Result<FileInfo, OpError> {
    match result {
        Ok(Outcome::Metadata(MetadataAnswer::File(info))) => Ok(info),
        Ok(other) => unreachable!("a question about a file is answered with one, not {other:?}"),
        Err(error) => Err(error),
    }
}
