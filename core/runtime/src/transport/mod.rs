//! Framed TCP: how nodes reach each other on real machines.
//!
//! One connection between two nodes carries frames both ways, whoever dialled; a client that does
//! not listen is answered over its own. Each side opens with `Hello`. Whoever must reach a node
//! whose address it does not know asks the masters, to whom every chunkserver says in its `Hello`
//! where it listens. Anything that cannot be sent is lost, as on any network; nothing here
//! acknowledges or repeats.
//!
//! A frame that is malformed, oversized, or from another format ends its own connection and
//! nothing else.

mod budget;
mod directory;
mod discovery;
mod peer;
mod stream;
#[cfg(test)]
mod tests;

pub use directory::Unreachable;
pub use discovery::{Found, ask_masters};
pub use stream::ConnectionError;

use budget::Budget;
use directory::{Directory, reason};
use leasehold_proto::{Envelope, Input, NodeId};
use leasehold_wire::{ClusterId, Frame, Packet, Role};
use peer::{ConnectionId, Peer, Pushed};
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stream::{Incoming, read_frame, write_frames};
use tokio::io::BufReader;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

/// A peer has this long to accept a connection, and as long again to say `Hello`.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);
/// A dialler's first pause; doubles up to `DIAL_PAUSE_MAX`.
const DIAL_PAUSE_MIN: Duration = Duration::from_millis(20);
/// A dialler's longest pause.
const DIAL_PAUSE_MAX: Duration = Duration::from_millis(640);
/// A dialler gives up after so many tries; the next message starts another.
const DIAL_TRIES_MAX: u32 = 8;
/// Connections accepted at a time; more wait in the operating system.
const ACCEPTED_MAX: usize = 1_024;
/// Sent data not acknowledged for this long ends a connection, in milliseconds.
const UNACKNOWLEDGED_MS_MAX: u32 = 10_000;
/// Small frames are read several at a time into so many bytes; payloads pass beside.
const READ_BUFFER_BYTES: usize = 64 << 10;

/// The configuration of a transport at start.
#[derive(Clone, Debug)]
pub struct TransportOptions {
    /// This node.
    pub node: NodeId,
    /// What it is.
    pub role: Role,
    /// Where others reach it, which need not be the address that it is bound to; none for a client.
    pub listen: Option<SocketAddr>,
    /// The masters and their addresses; one that has several stands there several times.
    pub masters: Vec<(NodeId, SocketAddr)>,
    /// Bytes of received payloads that this node holds at the most; none: no bound.
    pub payload_bytes_max: Option<usize>,
}

/// A node's connections. They end when it is closed or dropped.
#[derive(Debug)]
pub struct Transport(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: TransportOptions,
    directory: Directory,
    budget: Budget,
    inbox: mpsc::Sender<Input>,
    /// Where packets about the masters' log go.
    packets: Option<mpsc::Sender<Packet>>,
    peers: Mutex<BTreeMap<NodeId, Arc<Peer>>>,
    /// Bytes that wait for any of them.
    queued_bytes: Arc<AtomicUsize>,
    last_connection: AtomicU64,
    tasks: Mutex<Option<JoinSet<()>>>,
}

impl Transport {
    /// A transport that delivers to `inbox`. Call it inside a tokio runtime.
    #[must_use]
    pub fn new(options: TransportOptions, inbox: mpsc::Sender<Input>) -> Self {
        Self::with_packets(options, inbox, None)
    }

    /// As [`Transport::new`], for a node that has to do with the masters' log.
    #[must_use]
    pub fn with_packets(
        options: TransportOptions,
        inbox: mpsc::Sender<Input>,
        packets: Option<mpsc::Sender<Packet>>,
    ) -> Self {
        Transport(Arc::new(Shared {
            directory: Directory::new(&options.masters),
            budget: options.payload_bytes_max.map_or_else(Budget::unbounded, Budget::of),
            options,
            inbox,
            packets,
            peers: Mutex::default(),
            queued_bytes: Arc::default(),
            last_connection: AtomicU64::new(0),
            tasks: Mutex::new(Some(JoinSet::new())),
        }))
    }

    /// Accepts connections from here on.
    pub fn listen(&self, listener: TcpListener) {
        let shared = self.0.clone();
        self.0.spawn(accept(shared, listener));
    }

    /// A handle that sends.
    #[must_use]
    pub fn sender(&self) -> TcpSender {
        TcpSender(self.0.clone())
    }

    /// Ends every connection and waits until their tasks are gone.
    pub async fn close(self) {
        let tasks = self.0.tasks().take();
        if let Some(mut tasks) = tasks {
            tasks.shutdown().await;
        }
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        drop(self.0.tasks().take());
    }
}

/// Sends messages; never blocks.
#[derive(Clone, Debug)]
pub struct TcpSender(Arc<Shared>);

impl TcpSender {
    /// Sends a message, or loses it.
    pub fn send(&self, envelope: Envelope) {
        let to = envelope.to;
        if to == self.0.options.node {
            let _ = self.0.inbox.try_send(Input::Deliver(envelope));
            return;
        }
        self.0.push(to, Frame::Envelope(envelope));
    }

    /// Sends a packet, or loses it.
    pub fn send_packet(&self, packet: Packet) {
        self.0.push(packet.to, Frame::Packet(packet));
    }

    /// From here on this master is to be found at this address.
    pub fn learn(&self, node: NodeId, address: SocketAddr) {
        self.0.directory.learn_master(node, address);
        self.0.directory.learn(node, address, None);
    }

    /// The nodes that could not be reached when they were tried last, and why.
    #[must_use]
    pub fn unreachable(&self) -> Vec<Unreachable> {
        self.0.directory.unreachable()
    }
}

impl Shared {
    fn tasks(&self) -> std::sync::MutexGuard<'_, Option<JoinSet<()>>> {
        self.tasks.lock().expect("nothing panics while it holds the tasks")
    }

    fn peers(&self) -> std::sync::MutexGuard<'_, BTreeMap<NodeId, Arc<Peer>>> {
        self.peers.lock().expect("nothing panics while it holds the peers")
    }

    /// Starts a task, unless this transport was closed.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(tasks) = self.tasks().as_mut() {
            while tasks.try_join_next().is_some() {}
            tasks.spawn(task);
        }
    }

    fn peer(&self, node: NodeId) -> Arc<Peer> {
        let new = || Arc::new(Peer::new(node, self.queued_bytes.clone()));
        self.peers().entry(node).or_insert_with(new).clone()
    }

    fn push(self: &Arc<Self>, to: NodeId, frame: Frame) {
        let peer = self.peer(to);
        match peer.push(frame) {
            Pushed::Queued => {}
            Pushed::Dial => self.start_dialling(peer),
            Pushed::Lost => tracing::debug!(%to, "the queue is full: a message is lost"),
        }
    }

    /// Boxed: a dialler becomes a connection, whose end may start a dialler.
    fn start_dialling(self: &Arc<Self>, peer: Arc<Peer>) {
        let dialling: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(dial(self.clone(), peer));
        self.spawn(dialling);
    }

    fn hello(&self) -> Frame {
        Frame::Hello {
            node: self.options.node,
            role: self.options.role,
            listen: self.options.listen,
            cluster: ClusterId::UNKNOWN,
        }
    }

    /// Asks every master where a node is.
    fn ask_where(self: &Arc<Self>, node: NodeId) {
        for master in self.directory.masters() {
            if master != self.options.node && master != node {
                self.push(master, Frame::WhoIs { node });
            }
        }
    }

    /// A master says to a client or chunkserver that connects who the masters are: whoever knows
    /// one of them knows all.
    fn tell_masters(&self, peer: &Peer, role: Role) {
        match (self.options.role, role) {
            (Role::Master, Role::Client | Role::Chunkserver) => {
                // It waits for the connection that is there; a full queue loses it.
                let _ = peer.push(Frame::Masters { masters: self.directory.master_addresses() });
            }
            (Role::Master, Role::Master) | (Role::Chunkserver | Role::Client, _) => {}
        }
    }

    /// Drops what is kept of a node that has gone.
    fn tidy(&self, peer: &Arc<Peer>) {
        let mut peers = self.peers();
        // The map's reference and the caller's: nobody else is about to push.
        if peer.is_idle() && Arc::strong_count(peer) <= 2 {
            peers.remove(&peer.node);
        }
    }
}

/// A connection on which both sides have said `Hello`.
struct Connection {
    peer: NodeId,
    role: Role,
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    let room = Arc::new(Semaphore::new(ACCEPTED_MAX));
    loop {
        let permit = room.clone().acquire_owned().await.expect("nobody closes it");
        match listener.accept().await {
            Ok((stream, from)) => {
                let serving = shared.clone();
                shared.spawn(async move {
                    let _permit = permit;
                    serve_accepted(serving, stream, from).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(DIAL_PAUSE_MAX).await;
            }
        }
    }
}

async fn serve_accepted(shared: Arc<Shared>, stream: TcpStream, from: SocketAddr) {
    match handshake(&shared, stream, from).await {
        Ok(connection) => {
            let (peer, role) = (shared.peer(connection.peer), connection.role);
            let id = attach(&shared, &peer);
            shared.tell_masters(&peer, role);
            run_attached(shared, peer, id, connection, from).await;
        }
        Err(error) => tracing::warn!(%from, %error, "connection refused"),
    }
}

/// Dials until there is a connection, or it was tried often enough.
async fn dial(shared: Arc<Shared>, peer: Arc<Peer>) {
    let mut pause = DIAL_PAUSE_MIN;
    for _ in 0..DIAL_TRIES_MAX {
        if !peer.needs_connection() {
            break;
        }
        let addresses = shared.directory.addresses(peer.node);
        if addresses.is_empty() {
            let why = "no master says where it listens".to_owned();
            shared.directory.failed(peer.node, None, why);
            shared.ask_where(peer.node);
        }
        for address in addresses {
            match dial_once(&shared, peer.node, address).await {
                Ok(connection) => {
                    shared.directory.reached(peer.node, address);
                    let running = shared.clone();
                    // Attached before the dialler ends, so that nothing is lost between.
                    let id = attach(&shared, &peer);
                    peer.dialled();
                    running.spawn(run_attached(shared, peer, id, connection, address));
                    return;
                }
                Err(error) => {
                    tracing::debug!(node = %peer.node, %address, %error, "cannot connect");
                    shared.directory.failed(peer.node, Some(address), reason(&error));
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(DIAL_PAUSE_MAX);
    }
    peer.dialled();
    shared.tidy(&peer);
}

async fn dial_once(
    shared: &Arc<Shared>,
    node: NodeId,
    address: SocketAddr,
) -> Result<Connection, ConnectionError> {
    let connection = handshake(shared, connect(address).await?, address).await?;
    if connection.peer != node {
        return Err(ConnectionError::WrongNode { found: connection.peer, expected: node });
    }
    Ok(connection)
}

async fn connect(address: SocketAddr) -> Result<TcpStream, ConnectionError> {
    let connecting = tokio::time::timeout(HANDSHAKE_TIMEOUT, TcpStream::connect(address)).await;
    Ok(connecting.map_err(|_| ConnectionError::TimedOut)??)
}

async fn handshake(
    shared: &Arc<Shared>,
    stream: TcpStream,
    from: SocketAddr,
) -> Result<Connection, ConnectionError> {
    prepare(&stream)?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::with_capacity(READ_BUFFER_BYTES, reader);
    let hellos = async {
        write_frames(&mut writer, vec![shared.hello()]).await?;
        read_frame(&mut reader, &shared.budget).await
    };
    let slow = ConnectionError::Slow { what: "say Hello" };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, hellos).await.map_err(|_| slow)?? {
        Incoming::Frame(Frame::Hello { node, role, listen, .. }) => {
            if let Some(listen) = listen {
                shared.directory.learn(node, listen, Some(from));
            }
            Ok(Connection { peer: node, role, reader, writer })
        }
        Incoming::End => Err(ConnectionError::Cut),
        Incoming::Frame(_) | Incoming::Dropped => {
            Err(ConnectionError::Unexpected { what: "the first one must be Hello" })
        }
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // A peer whose machine vanished says nothing: the missing acknowledgements must.
    rustix::net::sockopt::set_tcp_user_timeout(stream, UNACKNOWLEDGED_MS_MAX)?;
    rustix::net::sockopt::set_socket_keepalive(stream, true)?;
    Ok(())
}

fn attach(shared: &Shared, peer: &Peer) -> ConnectionId {
    let id = shared.last_connection.fetch_add(1, Ordering::Relaxed) + 1;
    peer.attach(id);
    id
}

/// Carries frames both ways until the connection ends.
async fn run_attached(
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    id: ConnectionId,
    connection: Connection,
    address: SocketAddr,
) {
    let Connection { peer: node, reader, writer, .. } = connection;
    tracing::debug!(%node, %address, "connected");
    // A task of its own, so that checksums of what comes do not hold up what goes.
    let mut writing = JoinSet::new();
    writing.spawn(write_all(peer.clone(), id, writer));
    let ended = tokio::select! {
        biased;
        ended = read_all(&shared, node, reader) => ended,
        Some(ended) = writing.join_next() => ended.unwrap_or(Ok(())),
    };
    drop(writing);
    if peer.detach(id) {
        shared.start_dialling(peer.clone());
    }
    shared.tidy(&peer);
    match ended {
        Ok(()) => tracing::debug!(%node, %address, "disconnected"),
        Err(ConnectionError::Io(error)) => tracing::debug!(%node, %address, %error, "disconnected"),
        Err(error) => tracing::warn!(%node, %address, %error, "connection closed"),
    }
}

async fn write_all(
    peer: Arc<Peer>,
    id: ConnectionId,
    mut writer: OwnedWriteHalf,
) -> Result<(), ConnectionError> {
    while let Some(frames) = peer.next_batch(id).await {
        write_frames(&mut writer, frames).await?;
    }
    Ok(())
}

async fn read_all(
    shared: &Arc<Shared>,
    from: NodeId,
    mut reader: BufReader<OwnedReadHalf>,
) -> Result<(), ConnectionError> {
    loop {
        match read_frame(&mut reader, &shared.budget).await? {
            Incoming::End => return Ok(()),
            Incoming::Dropped => tracing::debug!(%from, "no room: a message is lost"),
            Incoming::Frame(frame) => on_frame(shared, from, frame).await?,
        }
    }
}

async fn on_frame(shared: &Arc<Shared>, from: NodeId, frame: Frame) -> Result<(), ConnectionError> {
    match frame {
        Frame::Envelope(envelope) if envelope.from != from => {
            Err(ConnectionError::Unexpected { what: "a message in another node's name" })
        }
        Frame::Envelope(envelope) if envelope.to != shared.options.node => {
            tracing::debug!(%from, to = %envelope.to, "a message for another node is lost");
            Ok(())
        }
        Frame::Envelope(envelope) => {
            // Waiting here is the back-pressure: TCP tells the sender. A node that stops has no
            // inbox, and takes its connections down itself.
            let _ = shared.inbox.send(Input::Deliver(envelope)).await;
            Ok(())
        }
        Frame::WhoIs { node } => {
            let addr = shared.directory.address(node);
            shared.push(from, Frame::HereIs { node, addr });
            Ok(())
        }
        Frame::HereIs { node, addr } => {
            if let Some(addr) = addr {
                shared.directory.learn(node, addr, None);
            }
            Ok(())
        }
        Frame::Masters { masters } => {
            for (node, address) in masters {
                shared.directory.learn_master(node, address);
            }
            Ok(())
        }
        Frame::Packet(packet) if packet.from != from => {
            Err(ConnectionError::Unexpected { what: "a packet in another node's name" })
        }
        Frame::Packet(packet) => {
            // A node without a replicated log has no use for one; a full queue loses it.
            let lost = shared.packets.as_ref().map(|packets| packets.try_send(packet).is_err());
            if lost != Some(false) {
                tracing::debug!(%from, "a packet about the log is lost");
            }
            Ok(())
        }
        Frame::Hello { .. } => Err(ConnectionError::Unexpected { what: "a second Hello" }),
    }
}
