//! Operation log, checkpoint and chunk files over one byte-level disk.
//!
//! Everything here is synchronous and asks only for a [`disk::Disk`]: an operating system's
//! directory, a simulated disk, or [`mem::MemDisk`] with its power failures. `FORMAT.md` draws
//! every byte of every file.
//!
//! Suggested reading order is the order of the modules: the disk and its faults, files written
//! whole, files appended to, what one chunk is, what a change of it does, the chunk store, the
//! master's log, and a look at its files from outside.

pub mod buffers;
pub mod disk;
pub mod error;
pub mod mem;
pub mod options;

mod sealed;
mod series;

pub mod identity;

mod frame;
mod journal;

mod chunk;
mod data_files;
mod sums;

mod blocks;
mod plan;
mod cut;

mod record;
mod state;

pub mod chunk_store;

mod checkpoint;
mod group;
mod recover;

pub mod master_log;
pub mod raft_log;

pub mod inspect;

pub use buffers::Buffers;
pub use chunk_store::ChunkStore;
pub use disk::{Disk, DiskError, Open, Space};
pub use error::StoreError;
pub use identity::Identity;
pub use master_log::{MasterLog, Written};
pub use mem::MemDisk;
pub use options::{MasterLogOptions, RaftLogOptions, StoreOptions};
pub use raft_log::RaftLog;
