//! The full stack under madsim: simulated disks, clocks and network.

pub mod drawn;
pub mod fingerprint;
pub mod log;
pub mod scenario;
pub mod seed;

pub mod disk;
pub mod net;
