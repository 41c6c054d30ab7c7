//! The loop that runs a machine; clock, transport and disk on tokio.
//!
//! This crate is compiled twice. Under `--cfg madsim` only what needs no operating system
//! remains: the [`driver`], the [`executor`], the observer and the [`client`] library, which the
//! simulated cluster runs over clocks, disks and a network of its own. Otherwise the real ones
//! join them, and `master`, `chunkserver` and `Client::connect` assemble them.

pub mod driver;
pub mod clock;
pub mod executor;
pub mod gauge;
pub mod observe;
pub mod replicated;
#[cfg(not(madsim))]
pub mod os_disk;
#[cfg(not(madsim))]
pub mod read_disk;
#[cfg(not(madsim))]
pub mod storage;
#[cfg(not(madsim))]
pub mod transport;
pub mod client;
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
