//! Operation log, checkpoint and chunk files over one byte-level disk.
//!
//! Everything here is synchronous and asks only for a [`disk::Disk`]: an operating system's
//! directory, a simulated disk, or [`mem::MemDisk`] with its power failures. `FORMAT.md` draws
//! every byte of every file.
//!
//! Suggested reading order is the order of the modules: the disk and its faults, the whole-file
//! and the appended formats, what stands in a chunkserver's journal, the chunk store, and the
//! master's log.

pub mod disk;
pub mod error;
pub mod identity;
pub mod options;

pub mod chunk_store;
pub mod master_log;

pub use chunk_store::ChunkStore;
pub use disk::{Disk, DiskError, Open};
pub use error::StoreError;
pub use identity::Identity;
pub use master_log::MasterLog;
pub use options::{MasterLogOptions, StoreOptions};
