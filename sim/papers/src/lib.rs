//! Published tables beside a formula and a simulation, one folder a paper.
//!
//! `scenarios/papers/NAME/` holds what a paper published (`published.csv`), what is claimed about it
//! and was written before the run (`claim.toml`), what is simulated (`scenario.toml`, where a cluster
//! is), and how to read the result (`notes.md`). A run fills in two more columns, the formula's and the
//! simulation's, and judges the claim. The simulation against the formula tests this testbed; the
//! formula against the paper tests the paper.
//!
//! Suggested reading order: [`published`], [`claim`], [`paper`] (all that is special to a paper: its
//! formula, and how its simulation is read), [`papers`] (the papers), [`table`] (the three columns),
//! [`verdict`], [`page`], [`draw`].

pub mod published;
pub mod claim;
pub mod paper;
pub mod papers;
pub mod table;
pub mod spread;
pub mod verdict;
pub mod page;
pub mod draw;
pub mod folder;
