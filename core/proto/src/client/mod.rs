//! The client: finds the leader and the primaries, retries, and never runs an operation twice.

use crate::config::ClientConfig;
use crate::machine::{Effects, Input, StateMachine};
use crate::time::{Deadline, Time};

/// A client session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    config: ClientConfig,
}

impl StateMachine for Client {
    type Config = ClientConfig;
    /// A session does not outlive its process.
    type Durable = ();

    fn recover(config: &ClientConfig, (): (), _: Time, _: &mut Effects) -> Self {
        Client { config: config.clone() }
    }
    fn step(&mut self, _now: Time, _input: Input, _out: &mut Effects) {}
    fn next_deadline(&self) -> Option<Deadline> {
        None
    }
    fn assert_invariants(&self) {}
}
