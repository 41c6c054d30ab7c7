//! Safe mode: a leader that just began knows configurations, and not what the disks hold. Until
//! enough is reported it copies nothing and deletes nothing, or every restart of the masters would
//! copy what is about to be reported (HDFS: `dfs.namenode.safemode.*`). Members that failed are
//! still left out of configurations, and clients are served.
//!
//! It ends by the first of these:
//! 1. every chunkserver that the log knows has reported: no report is missing;
//! 2. a member reported each of `safe_mode_reported_permille` of the chunks that have a
//!    configuration;
//! 3. `safe_mode_max` has passed since this leader began, and no server that is heard owes its
//!    first report. A server may owe it for `safe_mode_max` since it first registered with this
//!    leader, over all its lives: one that restarts for ever delays the end once;
//! 4. an operator orders it (`MetadataQuery::LeaveSafeMode`).
//!
//! Without 3, one chunk whose every holder is gone would keep all others from being repaired.
//!
//! **Why 3 and 4 are safe.** Safe mode saves work; it carries no safety. A replica is deleted
//! only as excess, after every member of its chunk's committed configuration reported to this
//! leader that it has that version (`delete_excess`), and by a `Free`, after a member of that
//! configuration promised it: a chunk that nobody reported loses no replica by either. A copy has
//! a member of the committed configuration as its source, and a server outside it as its target.
//! A server that comes back after the end finds its chunk as it left it, or a configuration that
//! was committed without it.

use super::leader::Leader;
use crate::config::Constants;
use crate::event::{Event, SafeModeEnd};
use crate::ids::{ChunkHandle, NodeId};
use crate::metadata::{SafeModeStatus, UnreportedChunk};
use crate::tables::FileSlot;
use crate::time::Time;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

/// Chunks without a report that a status names at the most.
const UNREPORTED_NAMED_MAX: usize = 10;

/// What a leader in safe mode has been waiting for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SafeMode {
    /// Chunks of which a member of their configuration reported.
    reported: BTreeSet<ChunkHandle>,
    /// Until then it waits for servers that have not registered with this leader.
    waits_until: Time,
    /// Until when the first report of each server that registered is waited for.
    reports_due: BTreeMap<NodeId, Time>,
}

/// Chunks that have a configuration, those of which no member reported, and as many as may be left.
#[derive(Clone, Copy)]
struct Unreported {
    chunks: u64,
    unreported: u64,
    max: u64,
}

impl Unreported {
    fn are_few(self) -> bool {
        self.unreported <= self.max
    }
}

impl SafeMode {
    pub fn new(constants: &Constants, now: Time) -> Self {
        let waits_until = now + constants.safe_mode_max;
        SafeMode { reported: BTreeSet::new(), waits_until, reports_due: BTreeMap::new() }
    }

    pub fn reported(&self) -> usize {
        self.reported.len()
    }
}

impl Leader<'_> {
    /// A server registered in a new life: its first report is on its way.
    pub(super) fn expect_report(&mut self, node: NodeId) {
        let now = self.cx.now;
        let due = now + self.cx.constants.safe_mode_max;
        let lead = &mut *self.lead;
        if let Some(safe_mode) = &mut lead.safe_mode {
            safe_mode.reports_due.entry(node).or_insert(due);
        }
    }

    /// A server reported a replica. That of a server outside the configuration proves nothing.
    pub(super) fn count_reported(&mut self, chunk: ChunkHandle, from: NodeId) {
        let Some(safe_mode) = &mut self.lead.safe_mode else { return };
        let config = self.state.chunks().config(chunk);
        let mut members = config.into_iter().flat_map(|config| config.members.iter());
        if members.any(|member| member.node == from) {
            safe_mode.reported.insert(chunk);
        }
    }

    /// Ends safe mode if what is reported, or the time that passed, allows it.
    pub(super) fn end_safe_mode_if_enough(&mut self) {
        let lead = &*self.lead;
        let Some(safe_mode) = &lead.safe_mode else { return };
        let waits = self.cx.rules().safe_mode_waits;
        if !waits || self.have_all_reported() || self.unreported(safe_mode).are_few() {
            self.end_safe_mode(SafeModeEnd::Reported);
        } else {
            self.tick_safe_mode();
        }
    }

    /// Ends safe mode if it has lasted for long enough.
    pub(super) fn tick_safe_mode(&mut self) {
        let now = self.cx.now;
        if self.safe_mode_ends_at().is_some_and(|at| at <= now) {
            self.end_safe_mode(SafeModeEnd::Waited);
        }
    }

    /// An operator orders the end. Tells what was waited for, none if it had ended before.
    pub(super) fn leave_safe_mode(&mut self) -> Option<SafeModeStatus> {
        let waited_for = self.safe_mode_status()?;
        self.end_safe_mode(SafeModeEnd::Ordered);
        Some(waited_for)
    }

    fn end_safe_mode(&mut self, why: SafeModeEnd) {
        let lead = &mut *self.lead;
        lead.safe_mode = None;
        self.cx.observe(Event::SafeModeEnded { why });
        for chunk in self.state.chunks().handles().collect::<Vec<_>>() {
            self.lead.attention.add(chunk, self.cx.now);
        }
    }

    fn have_all_reported(&self) -> bool {
        let reported = |node| self.known().server(node).is_some_and(|server| server.reported > 0);
        self.state.servers().iter().all(|(node, _)| reported(node))
    }

    /// How many chunks are not reported; visits every chunk.
    fn unreported(&self, safe_mode: &SafeMode) -> Unreported {
        let permille = u64::from(self.cx.constants.safe_mode_reported_permille);
        let configured = self.state.chunks().iter().filter(|(_, record)| record.config.is_some());
        let chunks = configured.count() as u64;
        let unreported = chunks.saturating_sub(safe_mode.reported.len() as u64);
        Unreported { chunks, unreported, max: chunks - (chunks * permille).div_ceil(1_000) }
    }

    /// When safe mode ends by time, unless another server registers before.
    fn safe_mode_ends_at(&self) -> Option<Time> {
        let safe_mode = self.lead.safe_mode.as_ref()?;
        let due = safe_mode.reports_due.iter().filter(|(node, _)| self.owes_report(**node));
        due.map(|(_, due)| *due).chain([safe_mode.waits_until]).max()
    }

    /// Is this server heard, and has it not reported yet?
    fn owes_report(&self, node: NodeId) -> bool {
        self.known().server(node).is_some_and(|server| server.usable() && server.reported == 0)
    }

    /// What safe mode waits for; visits every chunk. None if it has ended.
    pub(super) fn safe_mode_status(&self) -> Option<SafeModeStatus> {
        let now = self.cx.now;
        let safe_mode = self.lead.safe_mode.as_ref()?;
        let silent = |node: &NodeId| self.known().server(*node).is_none_or(|server| !server.alive);
        let table = self.state.servers();
        let servers =
            || table.iter().map(|(node, _)| node).filter(|node| !table.is_forgotten(*node));
        let Unreported { chunks, unreported, max } = self.unreported(safe_mode);
        let first = self
            .state
            .chunks()
            .iter()
            .filter(|(chunk, _)| !safe_mode.reported.contains(chunk))
            .filter_map(|(chunk, record)| {
                let members = record.config.as_ref()?.members.iter().map(|member| member.node);
                let (chunk, FileSlot { file, index }) = (*chunk, record.made_for);
                Some(UnreportedChunk { chunk, file, index, members: members.collect() })
            });
        Some(SafeModeStatus {
            chunks,
            unreported,
            unreported_max: max,
            first_unreported: first.take(UNREPORTED_NAMED_MAX).collect(),
            silent_servers: servers().filter(silent).collect(),
            reporting_servers: servers().filter(|node| self.owes_report(*node)).collect(),
            ends_within: self.safe_mode_ends_at().map_or(Duration::ZERO, |at| at.since(now)),
        })
    }
}
