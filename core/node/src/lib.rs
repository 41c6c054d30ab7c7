//! Servers: disks and the masters' log around the loop of a machine.
//!
//! This crate is compiled twice. Under `--cfg madsim` only what needs no operating system
//! remains: the [`executor`] and the masters' log ([`replicated`]), which the simulated cluster runs
//! over clocks, disks and a network of its own. Otherwise real disks join them, and `master` and
//! `chunkserver` assemble them.

pub mod executor;
pub mod gauge;
pub mod replicated;
#[cfg(not(madsim))]
pub mod data_dir;
#[cfg(not(madsim))]
pub mod os_disk;
#[cfg(not(madsim))]
pub mod read_disk;
#[cfg(not(madsim))]
pub mod storage;
#[cfg(not(madsim))]
pub mod probe;
#[cfg(not(madsim))]
mod running;
#[cfg(not(madsim))]
mod alone;
#[cfg(not(madsim))]
pub mod master;
#[cfg(not(madsim))]
pub mod chunkserver;
#[cfg(not(madsim))]
pub mod offline;

#[cfg(not(madsim))]
pub use running::{Running, ServeError};
