//! The configuration of a store at start.

use leasehold_proto::{Constants, Rules};

/// Options of a [`crate::ChunkStore`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// Checksum block in bytes, a power of two; fixed when the store is made.
    pub block_bytes: u32,
    /// Bound of every chunk's operation table, in clients.
    pub remembered_clients_max: u32,
    /// All of them, except in an ablation.
    pub rules: Rules,
    /// Size of one journal generation in bytes, written with zeros in advance.
    pub journal_bytes: u64,
    /// Data files held open at the most.
    pub open_files_max: usize,
    /// Chunks whose metadata one `execute` writes at the most, beside its own work.
    pub checkpoint_chunks_max: usize,
    /// Bytes of buffers kept for the next read at the most.
    pub idle_buffer_bytes_max: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions::of(&Constants::default())
    }
}

impl StoreOptions {
    /// As the cluster's constants say, with this crate's defaults for the rest.
    #[must_use]
    pub fn of(constants: &Constants) -> Self {
        StoreOptions {
            block_bytes: constants.block_bytes,
            remembered_clients_max: constants.remembered_clients_max,
            rules: constants.rules,
            journal_bytes: 16 << 20,
            open_files_max: 256,
            checkpoint_chunks_max: 8,
            idle_buffer_bytes_max: 16 << 20,
        }
    }
}

/// Options of a [`crate::MasterLog`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterLogOptions {
    /// Bound of the sessions in a fresh [`leasehold_proto::MasterState`].
    pub sessions_max: u32,
    /// Size of one log generation in bytes, written with zeros in advance.
    pub log_bytes: u64,
    /// All of them, except in an ablation.
    pub rules: Rules,
}

impl Default for MasterLogOptions {
    fn default() -> Self {
        MasterLogOptions::of(&Constants::default())
    }
}

impl MasterLogOptions {
    /// As the cluster's constants say, with this crate's defaults for the rest.
    #[must_use]
    pub fn of(constants: &Constants) -> Self {
        MasterLogOptions {
            sessions_max: constants.remembered_clients_max,
            log_bytes: 16 << 20,
            rules: constants.rules,
        }
    }
}

/// Options of a [`crate::RaftLog`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaftLogOptions {
    /// Size of one log generation in bytes, written with zeros in advance.
    pub log_bytes: u64,
    /// Names a disk that holds no log yet (see [`crate::raft_log::Recovered::birth`]).
    pub birth: u64,
}

impl Default for RaftLogOptions {
    fn default() -> Self {
        RaftLogOptions { log_bytes: 16 << 20, birth: 0 }
    }
}
