//! A client session: the client library over the simulated clock and network.

use super::host::Surroundings;
use crate::replay::Beginning;
use leasehold_client::{Client, answers};
use leasehold_proto::{ClientConfig, Effects, IoId, IoOp, NodeId, StateMachine};
use leasehold_runtime::driver::{Clock, Storage};
use madsim::runtime::NodeHandle;

/// Hosts come first in the numbering of clocks and draws.
const FIRST: usize = 1_000;

/// The node of a session.
#[must_use]
pub fn node(index: u64) -> NodeId {
    NodeId(10_001 + index)
}

/// A session and where it runs.
#[derive(Clone)]
pub struct Session {
    /// Its node.
    pub node: NodeId,
    /// The machine that its owner's tasks belong on.
    pub machine: NodeHandle,
    /// The library.
    pub client: Client,
}

/// A client has no disk.
struct NoStorage;

impl Storage for NoStorage {
    fn submit(&mut self, batch: Vec<(IoId, IoOp)>) {
        unreachable!("a client asks for no I/O, not {batch:?}");
    }
}

/// Begins a session on its own machine.
pub async fn begin(machine: NodeHandle, around: &Surroundings, index: u64) -> Session {
    let (node, around) = (node(index), around.clone());
    let constants = around.constants.clone();
    let began = machine.spawn(async move {
        let (masters, constants) = (around.masters.clone(), around.constants.clone());
        let config = ClientConfig { node, masters, constants };
        let clock = around.clock(node, FIRST + index as usize, 1);
        let mut out = Effects::new();
        let now = clock.now();
        around.watch.begins(node, now, || Beginning::Client(config.clone()));
        let machine = leasehold_proto::Client::recover(&config, (), now, &mut out);
        let (answers, settler) = answers();
        let respond = move |id, answer| settler.settle(id, answer);
        let inbox = around.begin(node, machine, out, clock, NoStorage, respond);
        (inbox, answers)
    });
    let (inbox, answers) = began.await.expect("a client's machine is never killed");
    Session { node, machine, client: Client::over(inbox, answers, constants) }
}
