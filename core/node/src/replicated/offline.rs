//! What a master's disk amounts to, without a cluster: for whoever looks at disks from outside.

use super::log_store::decode;
use super::state_machine::Held;
use super::types::{LogId, RaftLogEntry};
use leasehold_proto::{Constants, MasterState};
use leasehold_store::StoreError;
use leasehold_store::raft_log::Recovered;
use openraft::entry::RaftEntry;

/// A master's part of the log, replayed to its end.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The last entry. Among the masters of one cluster, the log with the greatest holds all that
    /// was committed.
    pub last: Option<LogId>,
    /// The state after it. What is at the end may not have been committed.
    pub state: MasterState,
}

/// Replays what was recovered from a disk.
///
/// # Errors
/// `Corrupt` if a snapshot or an entry is not the consensus library's.
pub fn replay(recovered: &Recovered, constants: &Constants) -> Result<Replayed, StoreError> {
    let mut held = Held::begin(recovered.snapshot.as_ref(), constants)?;
    for bytes in recovered.entries.values() {
        let entry: RaftLogEntry = decode(bytes, "an entry")?;
        if Some(entry.log_id()) > held.last {
            held.apply(entry);
        }
    }
    Ok(Replayed { last: held.last, state: held.state })
}
