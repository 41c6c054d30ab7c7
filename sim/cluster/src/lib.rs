//! The full stack under madsim: simulated disks, clocks and network.
