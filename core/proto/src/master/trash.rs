//! The trash: deleted files wait in it, then they give their chunks up one by one. A chunk that other
//! files refer to stays as it is; the last owner frees it.
//!
//! A chunk is freed like a configuration is changed: only after a Prepare of all reachable
//! members and the end of leases, so that nobody writes to what is being removed. A member that does
//! not answer is waited for as long as its lease and the grace for answers last: its bytes are not
//! wanted, and it is ordered to delete them when it is heard. Since no `Time`
//! is durable, a new leader counts each file's retention from its own start: longer, never
//! shorter.
//!
//! When no server has room for a chunk of a file that has a name, the oldest file in the trash gives way:
//! it is reclaimed before its time. One at a time, since what it leaves is known only when its servers
//! report it.

use super::change::Change;
use super::leader::Leader;
use super::proposals::Proposal;
use crate::event::Event;
use crate::ids::{ChunkHandle, ChunkVersion, FileId, NodeId};
use crate::log::{Command, Member};
use crate::message::DeleteReason;
use crate::message::removal;
use crate::tables::Release;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

impl Leader<'_> {
    pub(super) fn begin_trash(&mut self) {
        let now = self.cx.now;
        let due = now + self.cx.constants.trash_retention;
        let trash = self.state.inodes().trash_after(None);
        let due = |emptied| if emptied { now } else { due };
        self.lead.trash = trash.map(|(file, trashed)| (file, due(trashed.emptied))).collect();
    }

    /// What is in the trash stays for as long as what comes into it now.
    pub(super) fn on_retention_changed(&mut self) {
        let retention = self.cx.constants.trash_retention;
        let now = self.cx.now;
        let before = core::mem::replace(&mut self.lead.trash_retention, retention);
        for due in self.lead.trash.values_mut().filter(|due| **due > now) {
            *due = (*due - before) + retention;
        }
    }

    pub(super) fn on_trashed(&mut self, file: FileId) {
        let now = self.cx.now;
        let due = now + self.cx.constants.trash_retention;
        self.lead.trash.insert(file, due);
    }

    /// It is looked after as any file: what it lacks is copied, and what was about to free its chunks
    /// makes configurations of them.
    pub(super) fn on_restored(&mut self, file: FileId) {
        let now = self.cx.now;
        self.lead.trash.remove(&file);
        for chunk in self.state.chunks_of(file) {
            if let Some(change) = self.lead.changes.get_mut(&chunk) {
                change.is_kept();
            }
            self.lead.attention.add(chunk, now);
        }
    }

    pub(super) fn on_trash_emptied(&mut self, file: FileId) {
        let now = self.cx.now;
        self.lead.trash.insert(file, now);
    }

    /// Frees what is due, as many chunks at a time as changes may be under way; in safe mode, and
    /// by a log that was lost, nothing.
    pub(super) fn tick_trash(&mut self) {
        let now = self.cx.now;
        let keeps = self.cx.rules().keep_deleted;
        let lead = &mut *self.lead;
        let state = &self.state;
        lead.trash.retain(|file, _| state.inodes().is_trashed(*file));
        if lead.safe_mode.is_some() || lead.log_lost {
            return;
        }
        // What a truncation took away cannot be had back: it goes at once.
        for chunk in self.state.chunks().given_up().collect::<Vec<_>>() {
            let file = self.state.chunks()[chunk].made_for.file;
            self.give_up(file, chunk);
        }
        self.let_oldest_give_way();
        let due = self.lead.trash.iter().filter(|(_, at)| **at <= now || !keeps);
        let due: Vec<FileId> = due.map(|(file, _)| *file).collect();
        for file in due {
            let chunks = self.state.chunks_of(file);
            if chunks.is_empty() && !self.log.awaits(&Proposal::Purge) {
                self.propose(Proposal::Purge, Command::Purge { file });
            }
            for chunk in chunks {
                self.give_up(file, chunk);
            }
        }
    }

    /// A due file gives a chunk up: it is prepared to be freed, or just released if others refer to it.
    fn give_up(&mut self, file: FileId, chunk: ChunkHandle) {
        match self.state.release(file, chunk) {
            Some(Release::LastOwner) => {
                if let Some(change) = self.start_change(chunk, "a freed chunk") {
                    change.turn_into_free(file);
                }
            }
            Some(Release::Kept) => {
                let (what, base) =
                    (Proposal::Release(file, chunk), self.state.chunks()[chunk].version());
                if !self.log.awaits(&what) {
                    self.propose(what, Command::Free { file, chunk, base });
                }
            }
            None => {}
        }
    }

    fn let_oldest_give_way(&mut self) {
        let now = self.cx.now;
        let lead = &*self.lead;
        // Found in this very step, or what was reported since may have ended it.
        let shortage = lead.shortage.as_ref().filter(|shortage| shortage.found_at == now);
        let Some(chunk) = shortage.map(|shortage| shortage.chunk) else { return };
        let under_way = lead.trash.values().any(|due| *due <= now);
        if under_way || now < lead.gives_way_from {
            return;
        }
        let occupies = |file: &FileId| {
            self.state.chunks_of(*file).into_iter().any(|c| self.known().stored_bytes(c) > 0)
        };
        let trash = lead.trash.iter().filter(|(file, _)| occupies(file));
        let oldest = trash.min_by_key(|(file, due)| (**due, **file));
        let Some(file) = oldest.map(|(file, _)| *file) else { return };
        let pause = self.cx.constants.heartbeat_interval * 2 + self.cx.constants.retry_interval;
        let lead = &mut *self.lead;
        lead.trash.insert(file, now);
        lead.gives_way_from = now + pause;
        self.cx.observe(Event::TrashGaveWay { file, chunk });
    }

    /// A chunk is no more: everybody who has it is told until it is gone, those who are away when they
    /// report it.
    pub(super) fn on_freed(&mut self, chunk: ChunkHandle, base: ChunkVersion, members: &[Member]) {
        let again = self.stray_told_again();
        let lead = &mut *self.lead;
        let promised = lead.changes.remove(&chunk).map_or(base, |change: Change| change.version);
        let holders = lead.holders.remove(&chunk).unwrap_or_default();
        lead.activations.remove(&chunk);
        lead.attention.remove(chunk);
        lead.repairs.under_way.remove(&chunk);
        lead.grants.forget(chunk);
        for server in lead.servers.values_mut() {
            if server.holds.remove(&chunk) {
                server.strays.insert(chunk, again);
            }
        }
        let everybody: BTreeSet<NodeId> =
            members.iter().map(|member| member.node).chain(holders.nodes()).collect();
        for node in everybody {
            let reason = DeleteReason::Freed(promised);
            self.cx.send(node, removal::DeleteReplica { chunk, reason });
        }
    }
}
