//! The store against a naive model, without faults and with each fault at each disk operation.
// All of this is a test; clippy knows that only of `#[test]` functions.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod crash;
mod full_disk;
mod goldens;
mod master_log;
mod mishaps;
mod model;
mod raft_log;
mod workload;
