//! The model by itself, and beside the master's own state: two that were written apart agree on random
//! calls.

mod against_the_master;
mod concurrent;
mod rules;

use super::*;
use leasehold_proto::metadata::{FileInfo, FileKind, FileSpec, Special};
use leasehold_proto::{
    Command, Epoch, IoId, LogEntry, MasterState, Name, NodeId, OpId, Path, SetAttributes, SetTime,
    XattrCondition,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The superuser and two others, who have one group in common.
pub(super) fn caller(uid: u32, clock_ns: i64) -> Caller {
    let groups: &[u32] = match uid {
        1 => &[100, 7],
        2 => &[100],
        _ => &[],
    };
    Caller { uid, gid: uid, groups: groups.into(), clock_ns }
}

pub(super) fn create(path: &str, mode: u16) -> MetadataChange {
    MetadataChange::Create { path: path.into(), spec: FileSpec::default(), mode }
}

pub(super) fn mkdir(path: &str, mode: u16) -> MetadataChange {
    MetadataChange::Mkdir { path: path.into(), mode }
}

pub(super) fn symlink(target: &str, path: &str) -> MetadataChange {
    let what = Special::Symlink(target.as_bytes().into());
    MetadataChange::MakeSpecial { path: path.into(), what, mode: 0 }
}

pub(super) fn link(from: &str, to: &str) -> MetadataChange {
    MetadataChange::Link { from: from.into(), to: to.into() }
}

pub(super) fn delete(path: &str) -> MetadataChange {
    MetadataChange::Delete { path: path.into(), this: None }
}

pub(super) fn rename(from: &str, to: &str) -> MetadataChange {
    MetadataChange::Rename { from: from.into(), to: to.into(), this: None, no_replace: false }
}

pub(super) fn exchange(from: &str, to: &str) -> MetadataChange {
    MetadataChange::Exchange { from: from.into(), to: to.into() }
}

pub(super) fn set(path: &str, set: SetAttributes) -> MetadataChange {
    MetadataChange::SetAttributes { path: path.into(), set: Box::new(set) }
}

pub(super) fn chmod(path: &str, mode: u16) -> MetadataChange {
    set(path, SetAttributes { mode: Some(mode), ..SetAttributes::default() })
}

pub(super) fn chown(path: &str, uid: Option<u32>, gid: Option<u32>) -> MetadataChange {
    set(path, SetAttributes { uid, gid, ..SetAttributes::default() })
}

pub(super) fn set_xattr(
    path: &str,
    name: &str,
    value: &[u8],
    condition: XattrCondition,
) -> MetadataChange {
    let (path, name, value) = (path.into(), name.into(), value.into());
    MetadataChange::SetXattr { path, name, value, condition }
}

pub(super) fn stat(path: &str) -> MetadataQuery {
    MetadataQuery::Stat { path: path.into() }
}

/// A master's state that answers calls one after another, as the log does.
pub(super) struct Log {
    pub state: MasterState,
    number: u64,
}

impl Log {
    pub fn new() -> Log {
        Log { state: MasterState::new(100), number: 0 }
    }

    pub fn answer(&mut self, caller: &Caller, asked: &Asked) -> Result<MetadataAnswer, Refusal> {
        match asked {
            Asked::Query(query) => self.shows(caller, query),
            Asked::Change(change) => self.change(caller, change),
        }
    }

    fn shows(&self, caller: &Caller, query: &MetadataQuery) -> Result<MetadataAnswer, Refusal> {
        let inodes = self.state.inodes();
        match query {
            MetadataQuery::Stat { path } => inodes.stat(path, caller).map(MetadataAnswer::File),
            MetadataQuery::Resolve { path } => {
                inodes.resolve(path, caller).map(MetadataAnswer::File)
            }
            MetadataQuery::StatFile { file } => inodes.stat_file(*file).map(MetadataAnswer::File),
            MetadataQuery::ReadLink { path } => {
                inodes.read_link(path, caller).map(MetadataAnswer::Bytes)
            }
            MetadataQuery::Xattr { path, name } => {
                inodes.xattr(path, caller, name).map(MetadataAnswer::Bytes)
            }
            MetadataQuery::Xattrs { path } => {
                inodes.xattrs(path, caller).map(MetadataAnswer::Xattrs)
            }
            MetadataQuery::List { path, after } => {
                let (entries, more) = inodes.list(path, caller, after.as_ref(), 3)?;
                Ok(MetadataAnswer::List { entries, more })
            }
            other => panic!("not asked here: {other:?}"),
        }
    }

    fn change(
        &mut self,
        caller: &Caller,
        change: &MetadataChange,
    ) -> Result<MetadataAnswer, Refusal> {
        use leasehold_proto::tables::Consequence;
        self.number += 1;
        let op = OpId { client: NodeId(9), number: self.number };
        let (caller, acked_below) = (Box::new(caller.clone()), self.number);
        let command = Command::Change { caller, op, acked_below, change: change.clone() };
        let entry = LogEntry { epoch: Epoch(0), proposal: IoId(0), command };
        let mut answers = self.state.apply(self.state.applied().next(), &entry);
        let answered = answers.drain(..).find_map(|consequence| match consequence {
            Consequence::Answered { answer, .. } => Some(answer),
            _ => None,
        });
        answered.expect("a change is answered")
    }
}

/// The identities that a series of calls returned.
pub(super) fn returned(ops: &[PosixOp]) -> Arc<BTreeSet<FileId>> {
    let returned = ops.iter().filter_map(|op| match (&op.asked, &op.answer) {
        (
            Asked::Change(
                MetadataChange::Create { .. }
                | MetadataChange::Mkdir { .. }
                | MetadataChange::MakeSpecial { .. },
            ),
            Some(Ok(MetadataAnswer::File(info))),
        ) => Some(info.file),
        _ => None,
    });
    Arc::new(returned.collect())
}
