//! The loop that runs a machine; clock, transport and disk on tokio.

pub mod driver;
