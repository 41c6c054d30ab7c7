//! The master: the namespace, the chunk table, leases and repair.

mod namespace;
mod query;
mod sessions;
pub mod state;

use crate::config::MasterConfig;
use crate::machine::{Effects, Input, StateMachine};
use crate::time::{Deadline, Time};
pub use query::Counts;
pub use state::MasterState;

/// A master.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Master {
    config: MasterConfig,
    state: MasterState,
}

impl Master {
    /// The replicated state as this master has applied it.
    #[must_use]
    pub fn state(&self) -> &MasterState {
        &self.state
    }
}

impl StateMachine for Master {
    type Config = MasterConfig;
    type Durable = MasterState;

    fn recover(config: &MasterConfig, durable: MasterState, _: Time, _: &mut Effects) -> Self {
        Master { config: config.clone(), state: durable }
    }
    fn step(&mut self, _now: Time, _input: Input, _out: &mut Effects) {}
    fn next_deadline(&self) -> Option<Deadline> {
        None
    }
    fn assert_invariants(&self) {}
}
