//! The replicated operation log: the consensus device of a cluster with several masters, over the
//! consensus library openraft.
//!
//! The master machine proposes entries and requests confirmations of its leadership
//! ([`device`]); on every master it is given each committed entry in order (`state_machine`),
//! and told whether it leads (`leadership`). Entries, votes and snapshots are on a disk of ours
//! ([`disk`], `log_store`); what masters say to each other ([`message`]) goes over a carrier of
//! packets ([`link`], `peers`, `server`): framed TCP in real runs, the simulated network
//! otherwise. The library runs on [`runtime`], deterministically.
//!
//! Three rules are ours and not the library's. A master machine learns that it leads only once
//! everything is applied that its log held before. An outcome that the library cannot know is
//! *unknown*, never *rejected*. What is meant for one disk is not answered by another.

pub mod types;
pub mod options;
pub mod device;
mod leadership;
pub mod disk;
mod log_store;
mod state_machine;
pub mod message;
pub mod link;
mod peers;
mod server;
pub mod status;
pub mod offline;
#[cfg(not(madsim))]
pub mod admin;
pub mod runtime;

pub use device::{LogEnded, LogStorage, ReplicatedLog};
pub use disk::{LogDisk, LogWorker};
pub use link::{Carrier, Link};
pub use options::{ReplicatedOptions, Timing};
pub use status::Standing;
pub use types::Peer;
