//! A session on real sockets.

use crate::{Answer, Client, ClientError, Reach, Settler, answers};
use leasehold_proto::{
    Client as Machine, ClientConfig, Constants, Effects, Envelope, Input, IoId, IoOp, NodeId,
    RequestId, StateMachine,
};
use leasehold_runtime::clock::BootClock;
use leasehold_runtime::driver::{Clock, Driver, INBOX_MAX, Outbox, Storage};
use leasehold_runtime::observe::Traced;
use leasehold_runtime::transport::{TcpSender, Transport, TransportOptions};
use leasehold_wire::Role;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use tokio::sync::{mpsc, oneshot};

/// The configuration of a session at start.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Names the session: drawn at random, never used before.
    pub node: NodeId,
    /// The masters, any of which may lead, and where they listen; one that has several addresses
    /// stands there several times. [`leasehold_runtime::transport::ask_masters`] learns all of
    /// them from one.
    pub masters: Vec<(NodeId, SocketAddr)>,
    /// The cluster's constants.
    pub constants: Constants,
}

impl ClientOptions {
    /// With the default constants.
    #[must_use]
    pub fn new(node: NodeId, masters: Vec<(NodeId, SocketAddr)>) -> Self {
        ClientOptions { node, masters, constants: Constants::default() }
    }
}

impl Client {
    /// Begins a session. Nothing is asked of the cluster yet: a master that is not there shows
    /// in the first call, after `operation_timeout`. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// `Setup` if the constants contradict each other or there is no master to ask.
    pub async fn connect(options: ClientOptions) -> Result<Client, ClientError> {
        let setup = |what: &str, why: String| ClientError::Setup { what: what.to_owned(), why };
        options.constants.check().map_err(|error| setup("configuration", error.to_string()))?;
        if options.masters.is_empty() {
            return Err(setup("masters", "at least one is needed".to_owned()));
        }
        let (inbox, inputs) = mpsc::channel(INBOX_MAX);
        let (answers, settler) = answers();
        let (alive, ended) = oneshot::channel();
        let transport = Transport::new(transport_options(&options), inbox.clone());
        let constants = options.constants.clone();
        let sender = transport.sender();
        let unreachable = move || {
            sender.unreachable().iter().map(|node| format!("cannot reach {node}")).collect()
        };
        tokio::spawn(run(options, inputs, transport, settler, ended));
        Ok(Client::new(inbox, answers, constants, Some(alive), Reach(Some(Box::new(unreachable)))))
    }
}

fn transport_options(options: &ClientOptions) -> TransportOptions {
    TransportOptions {
        node: options.node,
        role: Role::Client,
        listen: None,
        masters: options.masters.clone(),
        payload_bytes_max: None,
    }
}

/// The session's driver; ends when every `Client` is gone.
async fn run(
    options: ClientOptions,
    mut inputs: mpsc::Receiver<Input>,
    transport: Transport,
    settler: Settler,
    ended: oneshot::Receiver<()>,
) {
    let mut masters: Vec<_> = options.masters.iter().map(|(node, _)| *node).collect();
    let mut named = BTreeSet::new();
    masters.retain(|node| named.insert(*node));
    let config = ClientConfig { node: options.node, masters, constants: options.constants };
    let clock = BootClock::start();
    let mut recovered = Effects::new();
    let machine = Machine::recover(&config, (), clock.now(), &mut recovered);
    let outbox = ClientOutbox { sender: transport.sender(), settler };
    let mut driver = Driver { machine, clock, outbox, storage: NoDisk, observer: Traced };
    tokio::select! {
        biased;
        _ = ended => {}
        () = driver.run(recovered, &mut inputs) => {}
    }
    transport.close().await;
}

struct ClientOutbox {
    sender: TcpSender,
    settler: Settler,
}

impl Outbox for ClientOutbox {
    fn send(&mut self, envelope: Envelope) {
        self.sender.send(envelope);
    }

    fn respond(&mut self, id: RequestId, result: Answer) {
        self.settler.settle(id, result);
    }
}

struct NoDisk;

impl Storage for NoDisk {
    fn submit(&mut self, batch: Vec<(IoId, IoOp)>) {
        unreachable!("a client keeps nothing: {batch:?}");
    }
}
