//! stateright over World: every run of bounded length from a state on the way.
//!
//! The machines explored are those that ship. What is bounded is how far from the start a run goes
//! and how often nodes crash; each file under `models` states its bound. Symmetry, relative time
//! and the larger models are not here yet: within its bound, this is exhaustive and plain.

pub mod bounded;
pub mod models;

pub use bounded::{Bounded, Explored, State};
