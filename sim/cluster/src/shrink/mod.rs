//! Shrinking: a failing run made small while it continues violating the same invariant.
//!
//! Everything that a run is made of is data: the faults that were drawn, the cluster's shape, the
//! workload, the constants. A [`Case`] pins all of it. [`shrink`] then looks for smaller cases by
//! delta debugging (Zeller and Hildebrandt, 2002): over the clients and the faults, over when they
//! come, the workload, the cluster and what else the network does by itself.
//!
//! A change of any of these reshuffles the order of what is left: a smaller case may be able to
//! fail and not do so under this seed. So each candidate is tried under a few seeds, as many as
//! cost about the same; the shorter the run has become, the more there are.

mod case;
mod ddmin;
mod passes;
mod search;

pub use case::{Case, Size};
pub use search::{Found, Hit, Progress, Shrunk, Spent, shrink};
