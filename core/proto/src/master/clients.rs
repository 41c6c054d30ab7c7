//! Clients: changes go into the log, questions wait for a confirmation of leadership.

use super::holders::Holders;
use super::leader::Leader;
use super::leases::Confirmable;
use super::proposals::Proposal;
use crate::attributes::Caller;
use crate::file::position;
use crate::ids::{ChunkHandle, ChunkVersion, FileId, NodeId, OpId};
use crate::locks::Lock;
use crate::log::Command;
use crate::message::MasterRequest;
use crate::message::call;
use crate::metadata::{
    FileInfo, FileKind, Location, MetadataAnswer, MetadataChange, MetadataQuery, TrashEntry,
};
use crate::path::{Name, Path};
use crate::refusal::Refusal;
use crate::tables::Trashed;
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

/// A client that waits for a chunk to have a configuration, or a primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Parked {
    pub op: OpId,
    pub primary: bool,
}

impl Leader<'_> {
    pub(super) fn on_call(&mut self, from: NodeId, call: call::Request) {
        let call::Request { op, acked_below, caller, request } = call;
        if from != op.client {
            return;
        }
        match request {
            MasterRequest::Change(MetadataChange::ForgetServer { node })
                if self.known().is_usable(node) =>
            {
                let why = format!("{node} is heard: stop it before it is forgotten");
                let answer = Err(Refusal::Invalid(why));
                self.cx.send(op.client, call::Reply { op, answer });
            }
            MasterRequest::Change(change) => {
                let twice = self.log.awaits(&Proposal::Change(op));
                if !twice {
                    let command = Command::Change { op, acked_below, caller, change };
                    self.propose(Proposal::Change(op), command);
                }
            }
            MasterRequest::Query(query) => self.confirm(Confirmable::Query { op, caller, query }),
        }
    }

    /// Answers a question under a leadership that was confirmed after it came in.
    pub(super) fn answer_query(&mut self, op: OpId, caller: &Caller, query: MetadataQuery) {
        let inodes = self.state.inodes();
        let answer = match query {
            MetadataQuery::Stat { path } => {
                inodes.stat(&path, caller).map(|info| MetadataAnswer::File(self.with_length(info)))
            }
            MetadataQuery::Resolve { path } => inodes
                .resolve(&path, caller)
                .map(|info| MetadataAnswer::File(self.with_length(info))),
            MetadataQuery::ReadLink { path } => {
                inodes.read_link(&path, caller).map(MetadataAnswer::Bytes)
            }
            MetadataQuery::Xattr { path, name } => {
                inodes.xattr(&path, caller, &name).map(MetadataAnswer::Bytes)
            }
            MetadataQuery::Xattrs { path } => {
                inodes.xattrs(&path, caller).map(MetadataAnswer::Xattrs)
            }
            MetadataQuery::StatFile { file } => self
                .state
                .inodes()
                .stat_file(file)
                .map(|info| MetadataAnswer::File(self.with_length(info))),
            MetadataQuery::List { path, after } => self.list(&path, caller, after.as_ref()),
            MetadataQuery::Locate { file, index, primary, stale } => {
                match self.locate(op, file, index, primary, stale) {
                    Some(answer) => answer,
                    None => return,
                }
            }
            MetadataQuery::RenewSession { session } => self.renew_session(session),
            MetadataQuery::Conflict { file, holder, range, kind, wait } => {
                match self.answer_conflict(op, file, Lock { holder, range, kind }, wait) {
                    Some(answer) => answer,
                    None => return,
                }
            }
            MetadataQuery::Trash { after } => Ok(self.trash_entries(caller, after)),
            MetadataQuery::Chunks { from } => Ok(self.known().chunk_statuses(from)),
            MetadataQuery::Status => {
                Ok(MetadataAnswer::Status(Box::new(self.known().cluster_status())))
            }
            MetadataQuery::Constants => {
                Ok(MetadataAnswer::Constants(Box::new(self.constants_status())))
            }
            MetadataQuery::SafeMode => {
                Ok(MetadataAnswer::SafeMode(self.safe_mode_status().map(Box::new)))
            }
            MetadataQuery::LeaveSafeMode => {
                Ok(MetadataAnswer::SafeMode(self.leave_safe_mode().map(Box::new)))
            }
        };
        self.cx.send(op.client, call::Reply { op, answer });
    }

    fn list(
        &self,
        path: &Path,
        caller: &Caller,
        after: Option<&Name>,
    ) -> Result<MetadataAnswer, Refusal> {
        let limit = self.cx.constants.list_entries_max as usize;
        let (entries, more) = self.state.inodes().list(path, caller, after, limit)?;
        let entries = entries.into_iter().map(|(name, info)| (name, self.with_length(info)));
        Ok(MetadataAnswer::List { entries: entries.collect(), more })
    }

    /// A caller sees what it may restore.
    fn trash_entries(&self, caller: &Caller, after: Option<FileId>) -> MetadataAnswer {
        let (now, limit) = (self.cx.now, self.cx.constants.list_entries_max as usize);
        let inodes = self.state.inodes();
        let seen = |(file, _): &(FileId, &Trashed)| inodes.may_restore(*file, caller);
        let mut rest = inodes.trash_after(after).filter(seen);
        let stays_for =
            |file: FileId| self.lead.trash.get(&file).map_or(Duration::ZERO, |due| due.since(now));
        let entry = |(file, trashed): (FileId, &Trashed)| {
            let info = inodes.get(file).expect("it is in the trash").info(file);
            let (path, stays_for) = (trashed.path.clone(), stays_for(file));
            TrashEntry { info: self.with_length(info), path, stays_for }
        };
        let entries = rest.by_ref().take(limit).map(entry).collect();
        MetadataAnswer::Trash { entries, more: rest.next().is_some() }
    }

    /// Adds what chunkservers reported of the last chunk's length, if any of them has.
    fn with_length(&self, mut info: FileInfo) -> FileInfo {
        if let FileKind::File(_) = info.kind {
            info.length_reported = self.length_reported(info.file);
        }
        info
    }

    fn length_reported(&self, file: FileId) -> Option<u64> {
        let layout = self.state.inodes().layout(file)?;
        let Some(last) = layout.refs().last() else { return Some(0) };
        let record = &self.state.chunks()[last.chunk];
        let holders = self.lead.holders.get(&last.chunk);
        let current = holders
            .into_iter()
            .flat_map(Holders::states)
            .filter(|state| state.applied_version == record.version() && !state.learner);
        // A chunk that never had a configuration holds no byte.
        let empty = record.config.is_none().then_some(0);
        let tail = current.map(|state| state.length).max().or(empty)?;
        Some(position(record.spec.chunk_bytes, last.index, tail))
    }

    /// Where a chunk is; `None` if the client has to wait for it to have a primary.
    fn locate(
        &mut self,
        op: OpId,
        file: FileId,
        index: u64,
        primary: bool,
        stale: Option<ChunkVersion>,
    ) -> Option<Result<MetadataAnswer, Refusal>> {
        let chunk = match self.state.inodes().chunk_at(file, index) {
            Ok(chunk) => chunk,
            Err(refusal) => return Some(Err(refusal)),
        };
        if let Some(location) = self.location(chunk, primary) {
            if stale == Some(location.version) && primary {
                // The client found no primary there: perhaps it was never told.
                self.notify_primary(chunk);
            }
            return Some(Ok(MetadataAnswer::Location(location)));
        }
        if !self.is_awaited(chunk) {
            let why = if primary { "a primary is wanted" } else { "a configuration is wanted" };
            self.start_change(chunk, why);
        }
        let lead = &mut *self.lead;
        let unplaced = lead.changes.get(&chunk).is_none_or(|change| change.targets.is_empty());
        if unplaced && self.state.chunks()[chunk].config.is_none() {
            let full = lead.shortage.as_ref().is_some_and(|shortage| shortage.chunk == chunk);
            return Some(Err(if full { Refusal::NoSpace } else { Refusal::NoServers }));
        }
        let parked_max = self.cx.constants.waiting_requests_max as usize;
        let parked = lead.parked.entry(chunk).or_default();
        if parked.len() >= parked_max {
            return Some(Err(Refusal::Busy));
        }
        parked.insert(Parked { op, primary });
        None
    }

    fn location(&self, chunk: ChunkHandle, primary: bool) -> Option<Location> {
        let config = self.state.chunks().config(chunk)?;
        let usable = self.known().usable_primary(chunk);
        if primary && usable.is_none() {
            return None;
        }
        let members = config.members.iter().map(|member| member.node).collect();
        let made_for = self.state.chunks()[chunk].made_for;
        let layout = self.state.inodes().layout(made_for.file);
        let last = layout.is_some_and(|layout| layout.slots() == made_for.index + 1);
        Some(Location { chunk, version: config.version, members, primary: usable, last })
    }

    /// A leader that just began has not heard the primary yet: it will register in a moment, and
    /// need not be replaced.
    fn is_awaited(&self, chunk: ChunkHandle) -> bool {
        let lead = &*self.lead;
        let primary = self.state.chunks().members(chunk).first();
        lead.safe_mode.is_some() && primary.is_some_and(|p| !lead.servers.contains_key(&p.node))
    }

    /// Looks again at every chunk that somebody waits for.
    pub(super) fn tick_parked(&mut self) {
        let lead = &*self.lead;
        for chunk in lead.parked.keys().copied().collect::<Vec<_>>() {
            self.answer_parked(chunk);
            let waiting = self.lead.parked.contains_key(&chunk);
            if waiting && !self.is_awaited(chunk) {
                self.start_change(chunk, "a primary is wanted");
            }
        }
    }

    /// Answers everybody who waited for this chunk and need not any more.
    pub(super) fn answer_parked(&mut self, chunk: ChunkHandle) {
        let lead = &mut *self.lead;
        let Some(parked) = lead.parked.remove(&chunk) else { return };
        for Parked { op, primary } in parked {
            let answer = match self.location(chunk, primary) {
                Some(location) => Ok(MetadataAnswer::Location(location)),
                None if self.state.chunks().contains(chunk) => {
                    let lead = &mut *self.lead;
                    lead.parked.entry(chunk).or_default().insert(Parked { op, primary });
                    continue;
                }
                None => Err(Refusal::NotFound),
            };
            self.cx.send(op.client, call::Reply { op, answer });
        }
    }
}
