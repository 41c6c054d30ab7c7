//! The door: everything that happens goes in, and the first violation comes out.

use crate::entries::Entries;
use crate::finals::Finals;
use crate::fleet::Fleet;
use crate::history::History;
use crate::in_force::InForce;
use crate::invariants::{
    i01_lease_exclusivity as i01, i02_configuration_order as i02, i03_no_divergence as i03,
    i04_durability as i04, i05_agreement as i05, i06_strong_reads as i06,
    i07_no_last_copy_deletion as i07, i08_exactly_once as i08, i09_namespace as i09,
    i10_convergence as i10, i11_no_silent_corruption as i11, i12_conflicting_locks as i12,
    i14_ended_sessions as i14, i17_spread_over_racks as i17, i18_repair_in_order_of_danger as i18,
    i19_retention as i19, i20_lease_terms as i20, i21_safe_mode as i21, i22_bounds as i22,
    i23_alarm as i23, invariants,
};
use crate::order::Order;
use crate::seen::Seen;
use crate::violation::Violation;
use leasehold_proto::metadata::MetadataQuery;
use leasehold_proto::{
    Caller, Constants, Event, NodeId, OpError, Operation, Outcome, Rack, RequestId,
};
use std::collections::{BTreeMap, BTreeSet};

/// All invariants, over one run. Calls come in the order of true time.
#[derive(Clone, Debug)]
pub struct Checkers {
    constants: Constants,
    in_force: InForce,
    entries: Entries,
    leases: i01::LeaseExclusivity,
    configurations: i02::ConfigurationOrder,
    reported: i04::Reported,
    agreement: i05::Agreement,
    deletions: i07::NoLastCopyDeletion,
    corruption: i11::NoSilentCorruption,
    locks: i12::ConflictingLocks,
    sessions: i14::EndedSessions,
    fleet: Fleet,
    spread: i17::SpreadOverRacks,
    repairs: i18::RepairInOrderOfDanger,
    retention: i19::Retention,
    terms: i20::LeaseTerms,
    safe_mode: i21::SafeMode,
    bounds: i22::Bounds,
    alarm: i23::Alarm,
    order: Order,
    history: History,
    destroyed: BTreeSet<NodeId>,
    counts: BTreeMap<&'static str, u64>,
    undecided: u64,
}

impl Checkers {
    /// Judges a run with these constants.
    #[must_use]
    pub fn new(constants: Constants) -> Self {
        Checkers {
            in_force: InForce::new(&constants),
            constants,
            entries: Entries::default(),
            leases: i01::LeaseExclusivity::default(),
            configurations: i02::ConfigurationOrder::default(),
            reported: i04::Reported::default(),
            agreement: i05::Agreement::default(),
            deletions: i07::NoLastCopyDeletion::default(),
            corruption: i11::NoSilentCorruption::default(),
            locks: i12::ConflictingLocks::default(),
            sessions: i14::EndedSessions::default(),
            fleet: Fleet::default(),
            spread: i17::SpreadOverRacks::default(),
            repairs: i18::RepairInOrderOfDanger::default(),
            retention: i19::Retention::default(),
            terms: i20::LeaseTerms::default(),
            safe_mode: i21::SafeMode::default(),
            bounds: i22::Bounds::default(),
            alarm: i23::Alarm::default(),
            order: Order::default(),
            history: History::default(),
            destroyed: BTreeSet::new(),
            counts: invariants().iter().map(|invariant| (invariant.id, 0)).collect(),
            undecided: 0,
        }
    }

    /// The constants of the run.
    #[must_use]
    pub fn constants(&self) -> &Constants {
        &self.constants
    }

    /// What the clients did.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// How often each invariant, by its number, was put to the test. A run that tested nothing
    /// has shown nothing.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }

    /// Chunks and trees of names whose linearizability was given up undecided, as of the last
    /// [`Self::finish`].
    #[must_use]
    pub fn undecided(&self) -> u64 {
        self.undecided
    }

    /// A machine reported an event.
    pub fn observe(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        self.in_force.observe(seen.event);
        self.entries.observe(seen);
        let (least, repeats) = (self.in_force.least(), self.entries.repeats(seen));
        let judged = [
            ("I1", self.leases.observe(seen)?),
            ("I2", self.configurations.observe(seen)?),
            ("I3", i03::observe(&self.order, seen)?),
            ("I4", self.reported.observe(&self.fleet, &self.constants.rules, seen)?),
            ("I5", self.agreement.observe(seen)?),
            ("I6", i06::served(&self.leases, seen)?),
            ("I7", self.deletions.observe(seen)?),
            ("I12", self.locks.observe(seen)?),
            ("I14", self.sessions.observe(&self.leases, &self.locks, seen)?),
            ("I17", self.spread.observe(&self.fleet, least, seen)?),
            ("I18", self.repairs.observe(&self.fleet, seen)?),
            ("I19", self.retention.observe(&self.fleet, least, repeats, seen)?),
            ("I20", self.terms.observe(self.in_force.lease(), seen)?),
            ("I21", self.safe_mode.observe(&self.fleet, least, seen)?),
            ("I22", self.bounds.observe(&self.fleet, self.in_force.most(), seen)?),
            ("I23", self.alarm.observe(seen)?),
        ];
        for (id, _) in judged.iter().filter(|(_, judged)| *judged) {
            self.count(id, 1);
        }
        // Only now: they were compared with what happens.
        self.order.observe(seen.node, seen.event);
        self.fleet.observe(seen.node, seen.event, repeats);
        if let Event::Freed { chunk, .. } = seen.event {
            self.agreement.freed(*chunk);
        }
        Ok(())
    }

    /// A process ended, orderly or not. Its disk stays. To be told before its next life begins.
    pub fn node_crashed(&mut self, node: NodeId) {
        self.leases.node_crashed(node);
        self.locks.node_crashed(node);
        self.terms.node_crashed(node);
        self.fleet.node_crashed(node);
        self.safe_mode.node_crashed(node);
        self.bounds.node_crashed(node);
        self.history.client_gone(node);
    }

    /// A node's clock stood still for a while, as that of a virtual machine that is stopped: until its
    /// process ends, nothing is concluded from what it counts by it.
    pub fn clock_stopped(&mut self, node: NodeId) {
        self.leases.clock_stopped(node);
        self.locks.clock_stopped(node);
        self.terms.clock_stopped(node);
    }

    /// A disk is gone for good with all that was promised on it.
    pub fn disk_destroyed(&mut self, node: NodeId) {
        self.configurations.disk_destroyed(node);
        self.retention.disk_destroyed(node);
        self.alarm.disk_destroyed(node);
        self.destroyed.insert(node);
    }

    /// A client machine takes a file call (`Input::File`). Its answer is a request's; its pieces
    /// (`Event::PieceBegan`, `Event::PieceEnded`) are invoked and returned as requests are.
    pub fn client_called(&mut self, client: NodeId, true_ns: u64, request: RequestId) {
        self.history.called(client, true_ns, request);
    }

    /// A client machine takes a request (`Input::Request`).
    pub fn client_invoked(
        &mut self,
        client: NodeId,
        true_ns: u64,
        request: RequestId,
        caller: &Caller,
        operation: &Operation,
    ) {
        if let Operation::Query(MetadataQuery::LeaveSafeMode) = operation {
            self.safe_mode.ordered();
        }
        let at = self.history.invoked(client, true_ns, request, caller, operation);
        self.corruption.invoked(&self.history.operations()[at]);
    }

    /// ... and answers it (`Effect::Respond`).
    pub fn client_returned(
        &mut self,
        client: NodeId,
        true_ns: u64,
        request: RequestId,
        result: &Result<Outcome, OpError>,
    ) -> Result<(), Violation> {
        if i22::Bounds::answered(&self.constants, true_ns, client, result)? {
            self.count("I22", 1);
        }
        if let Some(at) = self.history.returned(client, true_ns, request, result)
            && self.corruption.returned(&self.history, at)?
        {
            self.count("I11", 1);
        }
        Ok(())
    }

    /// Judges what is there when a run is stopped, wherever that is. May be called more than once.
    pub fn finish(&mut self, finals: &Finals) -> Result<(), Violation> {
        let judged = i06::finish(&self.history, &self.order, finals)?;
        self.undecided = judged.undecided;
        self.count("I6", judged.held);
        let judged = i04::finish(&self.order, &self.history, &self.destroyed, finals)?;
        self.count("I4", judged);
        let judged = i05::finish(finals)?;
        self.count("I5", judged);
        let judged = i08::finish(&self.order, &self.history, finals)?;
        self.count("I8", judged);
        self.finish_names(finals.true_ns)
    }

    /// Judges what clients learnt of the namespace: the part of [`Self::finish`] that needs no
    /// disks.
    pub fn finish_names(&mut self, true_ns: u64) -> Result<(), Violation> {
        let judged = i09::finish(&self.history, true_ns)?;
        self.undecided += judged.undecided;
        self.count("I9", judged.held);
        Ok(())
    }

    /// Judges whether a run has come to rest, after faults ended and the runner's bound passed.
    pub fn converged(&mut self, finals: &Finals) -> Result<(), Violation> {
        let judged = i10::converged(&self.history, finals)?;
        self.count("I10", judged);
        let judged = self.retention.emptied(self.in_force.most(), finals)?;
        self.count("I19", judged);
        self.spread_at_rest(finals.true_ns)?;
        self.safe_mode_is_over(finals.true_ns)
    }

    /// A server is in this rack, whatever masters report of it.
    pub fn is_in(&mut self, server: NodeId, rack: Rack) {
        self.fleet.is_in(server, rack);
    }

    /// Judges on which racks chunks are at the end of a run: the part of [`Self::converged`] that needs no
    /// disks.
    pub fn spread_at_rest(&mut self, true_ns: u64) -> Result<(), Violation> {
        let judged = self.spread.at_rest(&self.fleet, true_ns)?;
        self.count("I17", judged);
        Ok(())
    }

    /// Judges safe mode at the end of a run: the part of [`Self::converged`] that needs no disks.
    pub fn safe_mode_is_over(&mut self, true_ns: u64) -> Result<(), Violation> {
        let judged = self.safe_mode.over(self.in_force.most(), true_ns)?;
        self.count("I21", u64::from(judged));
        Ok(())
    }

    fn count(&mut self, id: &'static str, times: u64) {
        *self.counts.entry(id).or_default() += times;
    }
}
