//! What seeds try and what runs reach, for World's walks and the simulated cluster alike.
//!
//! [`grammar`] draws what clients request: every kind of request, on few shared names, with values at
//! the limits of what is allowed. [`coverage`] recognises the states that a run passed through. [`draw`] is
//! how both draw. The crate knows neither runner: a runner
//! sends a drawn request in its own way, and reports how it ended.

pub mod draw;
pub mod grammar;
pub mod coverage;

pub use coverage::{Coverage, Mark};
pub use draw::Draw;
pub use grammar::{Data, DataKind, Grammar, Limits, Request, Shares, Torture, Who};
