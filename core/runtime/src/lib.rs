//! The loop around a machine, its clock and its transport, on tokio: what servers and clients have
//! in common.
//!
//! This crate is compiled twice. Under `--cfg madsim` only what needs no operating system
//! remains: the [`driver`] and the observer, which the simulated cluster runs over clocks, disks
//! and a network of its own. Otherwise the real clock and the real transport join them.

pub mod driver;
pub mod clock;
pub mod observe;
#[cfg(not(madsim))]
pub mod transport;
