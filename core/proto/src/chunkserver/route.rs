//! What crosses the concerns of one replica: what follows when one of them has an outcome.

use super::fence::Prepare;
use super::live::Role;
use super::read::{ReadEnd, ReadFor};
use super::replica::Replica;
use crate::ids::{ChunkVersion, NodeId, Sequence};
use crate::io::ReplicaData;
use crate::message::{DeleteReason, configure, copy, data};
use crate::refusal::Refusal;
use crate::replica::{Mutation, ReplicaChange};
use crate::time::Deadline;

impl Replica<'_> {
    /// Starts whatever I/O and answers the replica's state allows; called after every change.
    pub fn make_progress(&mut self) {
        self.promise();
        self.admit_waiting();
        for job in self.take_ready_reads() {
            if let Some(end) = self.start_read(job) {
                self.deliver(end);
            }
        }
        self.start_apply();
    }

    /// Repeats, gives up or goes on with what the replica waits for.
    pub fn on_timer(&mut self) {
        match self.live.role {
            Role::Primary(_) => self.on_primary_timer(),
            Role::Learner(_) => self.on_learner_timer(),
            Role::Member => {}
        }
        self.make_progress();
    }

    /// When the replica next wants attention, and why.
    pub fn deadline(&self) -> Option<Deadline> {
        match &self.live.role {
            Role::Primary(_) => self.primary_deadline(),
            Role::Learner(learner) => learner.deadline(self.cx.constants),
            Role::Member => None,
        }
    }

    pub fn on_prepare_order(&mut self, master: NodeId, message: configure::Prepare) {
        match self.on_prepare(master, message) {
            Prepare::Refused => return,
            Prepare::Raised => self.stop_older_version(),
            Prepare::Repeated => {}
        }
        self.promise();
    }

    /// Stops everything that the older version allowed. The lease ends first, before the promise
    /// is written: a primary that will continue asks anew.
    fn stop_older_version(&mut self) {
        self.end_lease_by_prepare();
        self.live.queue.clear();
        self.live.queue.forget_primary();
        let chunk = self.chunk;
        // Of a full disk a client hears, and not only that this is no primary any more.
        let refusal =
            if self.live.health.is_full() { Refusal::NoSpace } else { Refusal::NotPrimary };
        if let Role::Primary(primary) = &mut self.live.role {
            for (client, op) in primary.retire() {
                let result = Err(refusal.clone());
                self.cx.send(client, data::Mutated { op, chunk, result });
            }
        }
        self.refuse_strong_reads();
    }

    /// Writes or answers the promise, if it is time.
    pub fn promise(&mut self) {
        if let Some(answered) = self.advance_promise() {
            self.on_prepare_answered(&answered);
        }
    }

    pub fn on_become_learner(&mut self, from: NodeId, order: copy::Order) {
        let (chunk, promised, spec) = (order.chunk, order.version, order.spec);
        if self.on_copy_order(from, order) {
            self.end_lease();
            self.refuse_strong_reads();
            self.write(ReplicaChange::StartLearner { chunk, promised, spec });
        }
    }

    pub fn on_delete(&mut self, reason: DeleteReason) {
        if self.may_delete(reason) {
            self.withdraw();
            self.live.deleting = Some(reason);
            self.write(ReplicaChange::Delete { chunk: self.chunk });
        }
    }

    pub fn on_quarantine(&mut self) {
        if self.may_remove() {
            self.withdraw();
            self.write(ReplicaChange::Quarantine { chunk: self.chunk });
        }
    }

    fn withdraw(&mut self) {
        self.end_lease();
        self.refuse_strong_reads();
        self.give_up_role();
    }

    /// A read ended, or had nothing to read.
    pub fn deliver(&mut self, end: ReadEnd) {
        let ReadEnd { reader, result } = end;
        match reader {
            ReadFor::Client(read) => self.answer_client(read, result),
            ReadFor::Reconcile { member, version } => self.send_reconcile(member, version, result),
            ReadFor::Copy { learner, copy, step } => {
                self.send_copy(learner, copy, step, result);
            }
        }
    }

    /// A group of mutations is durable here.
    pub fn on_group_applied(
        &mut self,
        version: ChunkVersion,
        first: Sequence,
        mutations: &[Mutation],
    ) {
        self.observe_applied(version, first, mutations);
        match self.live.role {
            Role::Primary(_) => self.advance_committed(),
            Role::Member | Role::Learner(_) => self.on_applied(version),
        }
    }

    /// Nothing was changed: mutations go back into the queue, and the master is asked for another
    /// configuration. What a master or a learner waits for, they ask for again.
    pub fn on_disk_full(&mut self, change: ReplicaChange, data: ReplicaData) {
        self.touch();
        match (change, data) {
            (
                ReplicaChange::Apply { version, first, mutations, .. },
                ReplicaData::Mutations(payloads),
            ) => {
                self.live.health.note_full();
                // A promise made meanwhile fences them off for good.
                if self.fence() <= version {
                    let group = mutations.into_iter().zip(payloads);
                    self.live.queue.put_back(version, first, group);
                    self.report_full(version);
                }
            }
            (change, _) => {
                // It refuses what is below the promise that it could not write, and reports that.
                self.link.note_change(self.chunk);
                self.refuse_to_be_made();
                self.live.fence.drop_promise();
                if matches!(change, ReplicaChange::Adopt { .. }) {
                    self.live.role = Role::Member;
                }
                self.give_up_copy(true);
            }
        }
    }
}
