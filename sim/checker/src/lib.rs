//! Judges runs: invariants, one per file; client histories; consistency checkers.
//!
//! A runner that knows true time tells [`Checkers`] what happens: each event of a machine
//! ([`Checkers::observe`]), each life and death of a node, and each request and answer of a client
//! ([`Checkers::client_invoked`], [`Checkers::client_returned`]). What can be judged at once is
//! judged at once. At the end it hands over what is on the disks ([`Finals`]) for the rest.
//!
//! Nothing here is shared with the code that it judges except the alphabet of `leasehold-proto`.

pub mod checkers;
pub mod contents;
pub mod finals;
mod entries;
pub mod history;
pub mod edn;
pub mod invariants;
pub mod linearizability;
pub mod witness;
pub mod cells;
pub mod zones;
pub mod posix;
pub mod order;
pub mod fleet;
mod chunk_history;
mod records;
mod in_force;
mod spans;
mod writes;
pub mod seen;
#[cfg(test)]
mod testing;
pub mod violation;

pub use checkers::Checkers;
pub use contents::Contents;
pub use finals::{ChunkFinal, Finals, ReplicaFinal, ServerFinal};
pub use history::{Call, Ending, History, Operated};
pub use invariants::invariants;
pub use linearizability::{Object, Timed, Verdict};
pub use seen::{Seen, TrueTime};
pub use violation::{Invariant, Violation};
