//! The full stack under madsim: simulated disks, clocks and network.
//!
//! A *scenario* says what a run is made of; a *seed* draws the rest. Everything that ships runs as
//! it is: the machines, their drivers, the stores, the codec, the client library. What lies under
//! them is simulated here: a disk that loses what was not synced, a network that loses, doubles,
//! delays and cuts, and a clock of its own for every node.
//!
//! Suggested reading order: [`scenario`], [`drawn`], [`disk`], [`net`], [`ledger`] (what clients
//! know and how reads are judged), then, under `cfg(madsim)`, the `timeline` that everything waits
//! on, the `clock`s, the `cluster`, its `workload` and its `nemesis`, and the `run`. What many runs
//! are good for: [`coverage`], [`sweep`], [`figures`], `shrink`. That a run is one of the machines and of nothing
//! else: [`replay`].

pub mod seed;

pub mod bound;
pub mod needs;
pub mod drawn;
pub mod plan;
pub mod scenario;

pub mod disk;
pub mod net;

#[cfg(madsim)]
pub mod clock;
#[cfg(madsim)]
pub mod timeline;

pub mod coverage;
pub mod fingerprint;
pub mod facts;
pub mod fnv;
pub mod ledger;
pub mod log;
pub mod measure;
pub mod nouns;
pub mod provenance;
pub mod replay;
pub mod schedule;
pub mod summary;
pub mod tally;
pub mod trace;

#[cfg(madsim)]
pub mod final_state;
#[cfg(madsim)]
pub mod cluster;
pub mod failover;
pub mod figures;
#[cfg(madsim)]
pub mod nemesis;
#[cfg(madsim)]
pub mod run;
#[cfg(madsim)]
pub mod shrink;
pub mod sweep;
#[cfg(madsim)]
pub mod workload;
