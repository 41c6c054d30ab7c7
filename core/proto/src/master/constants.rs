//! The cluster's constants: what servers are given, and when a change is over. The order in which each
//! side takes a new value is in [`crate::agreed`].
//!
//! A leader grants by a new term from the entry that begins the change on. Every grant of the old term,
//! its own or an earlier leader's, is over one term of the granter later; only then may a later leader
//! count the new term for leases that it does not know.

use super::leader::Leader;
use super::proposals::Proposal;
use crate::agreed::Agreed;
use crate::ids::NodeId;
use crate::log::Command;
use crate::metadata::ConstantsStatus;
use crate::time::Time;
use alloc::boxed::Box;

impl Leader<'_> {
    /// What a chunkserver is to go by.
    pub(super) fn agreed(&self) -> Box<Agreed> {
        Box::new(
            self.state.constants().at_servers().expect("a leader's own entry has brought some"),
        )
    }

    /// A change began or is finished, or this leader found one under way.
    pub(super) fn on_constants_changed(&mut self) {
        let changes = self.state.constants().changes_from().is_some();
        self.lead.constants_change = changes.then_some(self.cx.now);
        self.on_retention_changed();
    }

    /// Finishes the change under way when nothing depends on the old values any more.
    pub(super) fn tick_constants(&mut self) {
        let Some(end) = self.old_leases_end() else { return };
        let waits = self.cx.rules().constants_wait_out_leases && self.cx.now < end;
        if waits || self.behind().next().is_some() || self.log.awaits(&Proposal::Constants) {
            return;
        }
        let version = self.state.constants().version();
        self.propose(Proposal::Constants, Command::FinishConstants { version });
    }

    /// While constants change: when every lease of the old term is over.
    fn old_leases_end(&self) -> Option<Time> {
        Some(self.lead.constants_change? + self.cx.constants.lease_at_granter())
    }

    /// The servers that are heard and may go by older constants.
    fn behind(&self) -> impl Iterator<Item = NodeId> + '_ {
        let version = self.state.constants().version();
        let servers = self.lead.servers.iter();
        servers.filter(move |(_, s)| s.alive && s.constants < version).map(|(node, _)| *node)
    }

    pub(super) fn constants_status(&self) -> ConstantsStatus {
        let (table, now) = (self.state.constants(), self.cx.now);
        let silent = |node: &NodeId| self.known().server(*node).is_none_or(|server| !server.alive);
        ConstantsStatus {
            version: table.version(),
            values: table.target().expect("a leader's own entry has brought some").clone(),
            changes_from: table.changes_from().cloned(),
            leases_end_within: self.old_leases_end().map(|end| end.since(now)),
            behind: self.behind().collect(),
            silent: self.state.servers().iter().map(|(node, _)| node).filter(silent).collect(),
        }
    }
}
