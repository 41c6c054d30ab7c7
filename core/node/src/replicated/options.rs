//! The configuration of a replicated log at start.

use super::types::Peer;
use leasehold_proto::{Constants, NodeId};
use std::collections::BTreeMap;
use std::time::Duration;

/// A new master that lacks no more than so many entries has caught up, and may vote.
const CAUGHT_UP_ENTRIES: u64 = 100;

/// Options of a [`super::ReplicatedLog`].
#[derive(Clone, Debug)]
pub struct ReplicatedOptions {
    /// This master.
    pub node: NodeId,
    /// The first masters of a new cluster, this one among them: given to each of them when the
    /// cluster is made, and to nobody ever after. A master without it that has an empty disk waits
    /// until it is added.
    pub bootstrap: Option<BTreeMap<NodeId, Peer>>,
    /// When to request votes, and how often a leader is heard.
    pub timing: Timing,
    /// Entries after which a snapshot is due.
    pub snapshot_entries: u64,
    /// The protocol's constants: what a new state is made by.
    pub constants: Constants,
    /// Seeds every draw of this life.
    pub seed: u64,
    /// How much faster than the machine's this master's clock runs, in millionths: zero, except in
    /// a simulation.
    pub drift_ppm: i64,
}

/// The pace of elections. Safety does not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// A leader is heard this often.
    pub heartbeat: Duration,
    /// A follower that heard none requests votes after a time drawn between these two.
    pub election_min: Duration,
    /// See `election_min`.
    pub election_max: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Timing { heartbeat: ms(100), election_min: ms(400), election_max: ms(800) }
    }
}

impl ReplicatedOptions {
    pub(super) fn library(&self) -> openraft::Config {
        let ms = |span: Duration| u64::try_from(span.as_millis()).expect("spans are short");
        openraft::Config {
            cluster_name: "leasehold".to_owned(),
            heartbeat_interval: ms(self.timing.heartbeat),
            election_timeout_min: ms(self.timing.election_min),
            election_timeout_max: ms(self.timing.election_max),
            // An isolated master that comes back asks first, and a leader that others hear stays.
            enable_pre_vote: Some(true),
            // A restarted leader knows less of what was committed than it knew before.
            enable_leader_restore: Some(false),
            // It is sent in pieces, each with a limit of its own.
            install_snapshot_timeout: ms(Duration::from_secs(600)),
            snapshot_policy: openraft::SnapshotPolicy::LogsSinceLast(self.snapshot_entries),
            max_in_snapshot_log_to_keep: self.snapshot_entries,
            replication_lag_threshold: CAUGHT_UP_ENTRIES,
            ..openraft::Config::default()
        }
    }
}
