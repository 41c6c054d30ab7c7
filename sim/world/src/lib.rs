//! A whole cluster as one value: scripts and random walks.
//!
//! [`Cluster`] is the value: every node's machine, messages in flight, pending I/O, disks, clocks,
//! the log. [`Cluster::enabled`] says what can happen and [`Cluster::apply`] lets it happen;
//! whoever chooses (a script, dice, a model checker) needs nothing else. [`World`] adds those who
//! watch: the judge and the trace.

pub mod names;
pub mod clock;
pub mod payload;
pub mod disk;
pub mod log_device;
pub mod net;
pub mod shape;
pub mod node;
pub mod action;
mod observation;
pub mod cluster;
mod enabled;
pub mod judge;
pub mod world;
pub mod fair;
pub mod show;
pub mod tracer;
pub mod script;
pub mod walk;
pub mod boundary;

pub use action::{Action, Failure, Wish};
pub use cluster::Cluster;
pub use judge::Violation;
pub use leasehold_trace::renamed;
pub use leasehold_trace::{note, say};
pub use observation::{Observation, Seen};
pub use shape::Shape;
pub use tracer::Tracer;
pub use world::{TimedObservation, World};
