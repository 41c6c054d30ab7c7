//! The constants of one cluster: every duration, bound and batch has its name here. Which of them the
//! nodes of a cluster must agree on is in [`agreed`](crate::agreed).

use crate::agreed::{ClusterConstants, Setting};
use crate::ids::{Incarnation, NodeId, Rack, Session};
use crate::room::Room;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// The constants that a process goes by. A new one is put into a list of [`agreed`](crate::agreed).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Constants {
    /// Term T of a lease (GFS §3.1: 60 s).
    pub lease_duration: Duration,
    /// ρ: rates of two clocks differ by at most this many parts in a million.
    pub clock_drift_ppm_max: u32,
    /// What a holder gives up on top of drift.
    pub lease_margin: Duration,
    /// A holder requests its lease again this long after its last request, while the chunk is in use.
    pub lease_renew_interval: Duration,
    /// A chunk that served nothing for this long lets its lease run out.
    pub lease_idle_after: Duration,
    /// A strong read is answered only after a grant that was requested since it arrived. A lease alone
    /// assumes that its holder's clock goes on: that of a virtual machine may stand still while the
    /// machine is stopped or moved, and its holder would serve what was overwritten meanwhile. Costs a
    /// round to the master; no strong read is served while there is no leader.
    pub confirm_reads: bool,
    /// How often a chunkserver is heard.
    pub heartbeat_interval: Duration,
    /// The master counts a chunkserver as dead after this silence.
    pub server_dead_after: Duration,
    /// A request to a peer is repeated after this long.
    pub retry_interval: Duration,
    /// How long the master waits for the remaining answers to a Prepare once it could proceed; with
    /// none but bad replicas, as long as `repair_stalled_after`.
    pub prepare_grace: Duration,
    /// The primary reports a member that was silent for this long with work outstanding.
    pub member_silent_after: Duration,
    /// The primary reports a member that answers but made no progress for this long.
    pub member_stalled_after: Duration,
    /// A client operation ends after this long, with what is known of its outcome.
    pub operation_timeout: Duration,
    /// First pause before a client repeats itself; doubles up to `backoff_max`.
    pub backoff_min: Duration,
    /// Longest pause before a client repeats itself.
    pub backoff_max: Duration,
    /// A missing replica is replaced after this long, at once if only one good one is left.
    pub repair_delay: Duration,
    /// A copy that made no progress for this long is given up; so is the hope for a better replica
    /// than a bad one.
    pub repair_stalled_after: Duration,
    /// Copies under way in the whole cluster at the most.
    pub repairs_max: u32,
    /// Copies to or from one chunkserver at the most.
    pub repairs_per_server_max: u32,
    /// Bytes a second of copying that the master admits, over the whole cluster.
    pub repair_bytes_per_second: u64,
    /// One step of a copy.
    pub copy_step_bytes_max: u32,
    /// A deleted file stays in the trash for this long.
    pub trash_retention: Duration,
    /// A quarantined replica stays on its disk for this long.
    pub quarantine_retention: Duration,
    /// Chunks of which one member reported, in thousandths, before safe mode ends.
    pub safe_mode_reported_permille: u32,
    /// Safe mode ends this long after a master began to lead, whatever is not reported by then; a
    /// server that registered later has as long for its first report. A shorter time costs copies
    /// of replicas whose servers start more slowly than this, and never a replica (HDFS:
    /// `dfs.namenode.safemode.extension`, 30 s).
    pub safe_mode_max: Duration,
    /// Checksum block (GFS §5.2: 64 KiB). Tests use less.
    pub block_bytes: u32,
    /// One mutation or read at the most.
    pub mutation_bytes_max: u32,
    /// Unacknowledged bytes that a primary holds for one chunk at the most.
    pub inflight_bytes_max: u32,
    /// Unacknowledged mutations that a primary holds for one chunk at the most.
    pub inflight_mutations_max: u32,
    /// Requests that wait at a chunk for its lease or for an overlapping mutation, at the most.
    pub waiting_requests_max: u32,
    /// Clients whose finished operations one chunk or the master remembers at the most. If more of
    /// them take turns within an `operation_timeout`, a retry may end with its outcome unknown
    /// (see `OpTable`).
    pub remembered_clients_max: u32,
    /// Configuration changes under way at the master at the most.
    pub changes_max: u32,
    /// Names one answer to List holds at the most.
    pub list_entries_max: u32,
    /// Which rules of the protocol are in force. All of them, except in an ablation.
    #[serde(skip)]
    pub rules: Rules,
}

impl Default for Constants {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Constants {
            lease_duration: ms(12_000),
            clock_drift_ppm_max: 1_000,
            lease_margin: ms(100),
            lease_renew_interval: ms(3_000),
            lease_idle_after: ms(10_000),
            confirm_reads: true,
            heartbeat_interval: ms(500),
            server_dead_after: ms(5_000),
            retry_interval: ms(250),
            prepare_grace: ms(500),
            member_silent_after: ms(2_000),
            member_stalled_after: ms(15_000),
            operation_timeout: ms(60_000),
            backoff_min: ms(10),
            backoff_max: ms(1_000),
            repair_delay: ms(3_000),
            repair_stalled_after: ms(10_000),
            repairs_max: 8,
            repairs_per_server_max: 2,
            repair_bytes_per_second: 256 << 20,
            copy_step_bytes_max: 4 << 20,
            trash_retention: ms(3_600_000),
            quarantine_retention: ms(3_600_000),
            safe_mode_reported_permille: 999,
            safe_mode_max: ms(30_000),
            block_bytes: 64 << 10,
            mutation_bytes_max: 1 << 20,
            inflight_bytes_max: 16 << 20,
            inflight_mutations_max: 64,
            waiting_requests_max: 64,
            remembered_clients_max: 16_384,
            changes_max: 256,
            list_entries_max: 1_000,
            rules: Rules::default(),
        }
    }
}

impl Constants {
    /// Refuses constants that contradict each other, naming the key and what would be right.
    pub fn check(&self) -> Result<(), ConfigError> {
        let fail = |key, why| Err(ConfigError { key, why });
        self.check_lease()?;
        if self.server_dead_after < self.heartbeat_interval * 2 {
            return fail("server_dead_after", "must be at least two heartbeat_interval");
        }
        if self.retry_interval.is_zero() || self.heartbeat_interval.is_zero() {
            return fail("retry_interval", "and heartbeat_interval must be above zero");
        }
        if self.backoff_min.is_zero() || self.backoff_min > self.backoff_max {
            return fail("backoff_min", "must be above zero and at most backoff_max");
        }
        if self.block_bytes == 0 || !self.block_bytes.is_power_of_two() {
            return fail("block_bytes", "must be a power of two");
        }
        if self.mutation_bytes_max == 0 || self.mutation_bytes_max > 16 << 20 {
            return fail("mutation_bytes_max", "must be between 1 byte and 16 MiB");
        }
        if self.copy_step_bytes_max == 0 || self.copy_step_bytes_max > 16 << 20 {
            return fail("copy_step_bytes_max", "must be between 1 byte and 16 MiB");
        }
        if self.inflight_bytes_max < self.mutation_bytes_max || self.inflight_bytes_max > 16 << 20 {
            return fail("inflight_bytes_max", "must be between mutation_bytes_max and 16 MiB");
        }
        if self.operation_timeout.is_zero() {
            return fail("operation_timeout", "must be above zero");
        }
        if self.list_entries_max == 0 || self.list_entries_max > 100_000 {
            return fail("list_entries_max", "must be between 1 and 100000");
        }
        if self.remembered_clients_max == 0 {
            return fail("remembered_clients_max", "must be at least 1");
        }
        if self.block_bytes > 16 << 20 {
            return fail("block_bytes", "must be at most 16 MiB");
        }
        if self.repair_bytes_per_second == 0 {
            return fail("repair_bytes_per_second", "must be above zero: no copy would ever begin");
        }
        if self.inflight_mutations_max == 0 || self.waiting_requests_max == 0 {
            return fail("inflight_mutations_max", "and waiting_requests_max must be at least 1");
        }
        if self.safe_mode_reported_permille > 1_000 {
            return fail("safe_mode_reported_permille", "must be at most 1000");
        }
        if self.safe_mode_max < self.server_dead_after {
            return fail("safe_mode_max", "must be at least server_dead_after");
        }
        if self.repairs_max == 0 || self.repairs_per_server_max == 0 || self.changes_max == 0 {
            return fail(
                "repairs_max",
                "repairs_per_server_max and changes_max must be at least 1",
            );
        }
        Ok(())
    }
}

/// A constant that contradicts another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The key as it stands in the configuration.
    pub key: &'static str,
    /// What would be right.
    pub why: &'static str,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.why)
    }
}

impl core::error::Error for ConfigError {}

/// Ablation switches: each names one rule of the protocol that a study can leave out, to see the
/// run that the rule prevents. Everything is on by default, and no binary that serves real data
/// offers a way to switch one off.
///
/// Each rule is consulted at exactly one place, the place that states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // each field's comment is its sentence
pub struct Rules {
    /// The master proposes a configuration only after the old lease has ended by its own count.
    pub wait_out_old_lease: bool,
    /// A leader renews leases and answers requests only after a confirmation of its leadership
    /// that began after the request came.
    pub confirm_leadership: bool,
    /// A new leader counts every chunk's lease as granted when it began.
    pub new_leader_waits: bool,
    /// The granter counts T·(1+2ρ), not T.
    pub granter_allows_for_drift: bool,
    /// The holder counts from its request, not from when the answer came.
    pub lease_counts_from_question: bool,
    /// The holder counts T·(1−2ρ) less the margin, not T.
    pub holder_allows_for_drift: bool,
    /// A chunkserver ends its lease on receiving a Prepare, before the promise is written.
    pub prepare_ends_lease: bool,
    /// A promise is durable before it is answered.
    pub promise_is_durable: bool,
    /// A Prepare is answered only when the chunk's mutation I/O has drained.
    pub drain_before_prepared: bool,
    /// A mutation below the promise is refused.
    pub fence_by_promise: bool,
    /// The primary acknowledges only what every member has durable.
    pub acknowledge_after_all: bool,
    /// A member says that it has a mutation only when it is durable.
    pub durable_before_ack: bool,
    /// A restarted primary requests a new version.
    pub restart_needs_new_version: bool,
    /// The source of a configuration is a member of the last committed one.
    pub source_is_current: bool,
    /// A learner is configured only when its copy is complete.
    pub learner_is_complete: bool,
    /// Ranges touched by the new primary are re-copied too, not only the member's own.
    pub reconcile_both_sides: bool,
    /// A retry is recognised by the operation table.
    pub operation_table: bool,
    /// An operation that may have been forgotten is refused.
    pub refuse_forgotten: bool,
    /// A change of the namespace that a client repeats is answered from memory.
    pub change_table: bool,
    /// A snapshot of a replicated log holds what the master remembers of its clients' changes.
    pub snapshot_keeps_changes: bool,
    /// A vote for a leader of the masters is durable before it is answered.
    pub vote_is_durable: bool,
    /// A strong read checks version and lease again after its I/O.
    pub read_rechecks_lease: bool,
    /// A strong read waits for overlapping mutations that are not committed yet.
    pub read_waits_for_overlap: bool,
    /// Checksums are verified on every read.
    pub verify_checksums: bool,
    /// A delete order is refused by a member of a version at or above the one that it names.
    pub delete_names_version: bool,
    /// Missing replicas are replaced.
    pub repair: bool,
    /// Of the chunks that wait for a copy, those with fewest good replicas come first.
    pub repair_by_danger: bool,
    /// Copies begin only within `repairs_max`, `repairs_per_server_max` and
    /// `repair_bytes_per_second`.
    pub repair_within_budget: bool,
    /// A replica goes to a rack that has fewest of its chunk's.
    pub spread_over_racks: bool,
    /// A deleted file stays in the trash for `trash_retention`.
    pub keep_deleted: bool,
    /// A holder counts the term that its grant carries, not the one that it knows itself.
    pub grant_carries_term: bool,
    /// A change of constants is finished when every lease of the old term is over, not before.
    pub constants_wait_out_leases: bool,
    /// Safe mode lasts until enough is reported, or for `safe_mode_max`.
    pub safe_mode_waits: bool,
    /// A client's session ends only when its client has stopped to believe in it, by the master's count.
    pub sessions_last: bool,
    /// The locks of a session that ends are free only when nothing that it sent can be accepted any more.
    pub fence_ended_sessions: bool,
    /// A leader says that its log is lost only after a confirmation of its leadership that began
    /// when it suspected so.
    pub confirm_suspicion: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            wait_out_old_lease: true,
            confirm_leadership: true,
            new_leader_waits: true,
            granter_allows_for_drift: true,
            lease_counts_from_question: true,
            holder_allows_for_drift: true,
            prepare_ends_lease: true,
            promise_is_durable: true,
            drain_before_prepared: true,
            fence_by_promise: true,
            acknowledge_after_all: true,
            durable_before_ack: true,
            restart_needs_new_version: true,
            source_is_current: true,
            learner_is_complete: true,
            reconcile_both_sides: true,
            operation_table: true,
            refuse_forgotten: true,
            change_table: true,
            snapshot_keeps_changes: true,
            vote_is_durable: true,
            read_rechecks_lease: true,
            read_waits_for_overlap: true,
            verify_checksums: true,
            delete_names_version: true,
            repair: true,
            repair_by_danger: true,
            repair_within_budget: true,
            spread_over_racks: true,
            keep_deleted: true,
            grant_carries_term: true,
            constants_wait_out_leases: true,
            safe_mode_waits: true,
            sessions_last: true,
            fence_ended_sessions: true,
            confirm_suspicion: true,
        }
    }
}

/// What a master is told at start.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MasterConfig {
    /// This master.
    pub node: NodeId,
    /// Spreads placement; any number.
    pub salt: u64,
    /// Those of the first leader of a fresh log become the cluster's. After that the log has the
    /// cluster's, and these are used until it is read.
    pub constants: Constants,
    /// Constants of the cluster that were set on purpose: this process serves with no others.
    pub insists: Vec<Setting>,
}

/// What a chunkserver is told at start.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChunkserverConfig {
    /// The uuid on the disk.
    pub node: NodeId,
    /// Higher than in any earlier life; made durable by whoever starts the machine.
    pub incarnation: Incarnation,
    /// Drawn at random for this process.
    pub session: Session,
    /// Failure domain.
    pub rack: Rack,
    /// What its disk has at start.
    pub room: Room,
    /// The masters, any of which may lead.
    pub masters: Vec<NodeId>,
    /// The cluster's among them are used until the server is registered.
    pub constants: Constants,
    /// Constants of the cluster that were set on purpose: this process serves with no others.
    pub insists: Vec<Setting>,
}

impl ChunkserverConfig {
    /// What it cannot take from the cluster: what was set on purpose, and what its disk depends on.
    #[must_use]
    pub fn insisted(&self) -> Vec<Setting> {
        let on_disk = ClusterConstants::of(&self.constants).on_disk();
        self.insists.iter().copied().chain(on_disk).collect()
    }
}

/// What a client is told at start.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientConfig {
    /// Drawn at random for this session.
    pub node: NodeId,
    /// The masters, any of which may lead.
    pub masters: Vec<NodeId>,
    /// The cluster's among them are those that the masters gave.
    pub constants: Constants,
}
