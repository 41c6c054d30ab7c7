//! The full stack under madsim: simulated disks, clocks and network.

pub mod disk;
pub mod fingerprint;
pub mod seed;
