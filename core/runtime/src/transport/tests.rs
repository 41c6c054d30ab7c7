//! Two nodes and a stranger on real sockets.

use super::*;
use bytes::Bytes;
use leasehold_proto::message::{data, pipeline};
use leasehold_proto::{ChunkHandle, ChunkVersion, Message, OpId, Payload, Sequence};
use leasehold_wire::{FORMAT_VERSION, FrameError, HEADER_LEN, crc32c, encode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

struct Node {
    transport: Transport,
    inbox: mpsc::Receiver<Input>,
    address: SocketAddr,
    id: NodeId,
}

impl Node {
    /// A node at a port of its own; `masters` are those that it knows.
    async fn start(id: u64, role: Role, masters: &[&Node]) -> Node {
        Node::start_at("127.0.0.1:0".parse().unwrap(), id, role, masters).await
    }

    async fn start_at(at: SocketAddr, id: u64, role: Role, masters: &[&Node]) -> Node {
        let listener = TcpListener::bind(at).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, inbox) = mpsc::channel(64);
        let options = TransportOptions {
            node: NodeId(id),
            role,
            listen: (role != Role::Client).then_some(address),
            masters: masters.iter().map(|master| (master.id, master.address)).collect(),
            payload_bytes_max: Some(16 << 20),
        };
        let transport = Transport::new(options, sender);
        if role != Role::Client {
            transport.listen(listener);
        }
        Node { transport, inbox, address, id: NodeId(id) }
    }

    fn send(&self, to: NodeId, message: Message) {
        self.transport.sender().send(Envelope { from: self.id, to, message });
    }

    async fn next(&mut self) -> Envelope {
        let input = tokio::time::timeout(Duration::from_secs(10), self.inbox.recv()).await;
        match input.expect("a message in time") {
            Some(Input::Deliver(envelope)) => envelope,
            other => panic!("a message, not {other:?}"),
        }
    }
}

fn small(sequence: u64) -> Message {
    let (chunk, version) = (ChunkHandle(1), ChunkVersion(1));
    let applied = Sequence(sequence);
    Message::PipelineReply(pipeline::Reply::Progress(pipeline::Progress {
        chunk,
        version,
        applied,
        received: applied,
    }))
}

fn big(length: usize) -> Message {
    let data: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
    let crc = crc32c(&data);
    let op = OpId { client: NodeId(1), number: 1 };
    let payload = Payload::new(Bytes::from(data), crc);
    Message::DataReply(data::Reply::Read(data::ReadReply {
        op,
        chunk: ChunkHandle(1),
        result: Ok(length as u64),
        payload,
    }))
}

#[tokio::test]
async fn a_client_is_answered_over_its_own_connection() {
    let mut master = Node::start(1, Role::Master, &[]).await;
    let mut client = Node::start(100, Role::Client, &[&master]).await;
    client.send(master.id, small(1));
    assert_eq!(master.next().await, Envelope { from: client.id, to: master.id, message: small(1) });
    master.send(client.id, big(3_000_000));
    assert_eq!(client.next().await.message, big(3_000_000));
    for sequence in 0..500 {
        master.send(client.id, small(sequence));
    }
    for sequence in 0..500 {
        assert_eq!(client.next().await.message, small(sequence));
    }
}

#[tokio::test]
async fn an_unknown_node_is_found_by_asking_a_master() {
    let mut master = Node::start(1, Role::Master, &[]).await;
    let mut server = Node::start(7, Role::Chunkserver, &[&master]).await;
    let client = Node::start(100, Role::Client, &[&master]).await;
    server.send(master.id, small(1));
    master.next().await;
    client.send(server.id, small(2));
    assert_eq!(server.next().await, Envelope { from: client.id, to: server.id, message: small(2) });
}

#[tokio::test]
async fn a_server_that_moved_to_another_port_is_found_again() {
    let mut master = Node::start(1, Role::Master, &[]).await;
    let mut old = Node::start(7, Role::Chunkserver, &[&master]).await;
    let client = Node::start(100, Role::Client, &[&master]).await;
    old.send(master.id, small(1));
    master.next().await;
    client.send(old.id, small(2));
    old.next().await;
    old.transport.close().await;
    let mut new = Node::start(7, Role::Chunkserver, &[&master]).await;
    assert_ne!(new.address, old.address);
    new.send(master.id, small(3));
    master.next().await;
    // What is sent while the old connection is dying is lost, as on any network.
    for _ in 0..50 {
        client.send(new.id, small(4));
        if tokio::time::timeout(Duration::from_millis(200), new.inbox.recv()).await.is_ok() {
            return;
        }
    }
    panic!("never found again");
}

#[tokio::test]
async fn a_node_at_anothers_address_is_not_taken_for_it() {
    let mut master = Node::start(1, Role::Master, &[]).await;
    let mut other = Node::start(8, Role::Chunkserver, &[&master]).await;
    let client = Node::start(100, Role::Client, &[&master]).await;
    client.transport.0.directory.learn(NodeId(7), other.address, None);
    client.send(NodeId(7), small(1));
    client.send(master.id, small(2));
    assert_eq!(master.next().await.message, small(2));
    let nothing = tokio::time::timeout(Duration::from_millis(300), other.inbox.recv()).await;
    assert!(nothing.is_err(), "{nothing:?}");
}

#[tokio::test]
async fn messages_to_nobody_are_lost_and_leave_nothing_behind() {
    let master = Node::start(1, Role::Master, &[]).await;
    master.send(NodeId(55), small(1));
    for _ in 0..200 {
        if master.transport.0.peers().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the dialler never gave up");
}

/// Sends raw bytes to a server and returns when the server has closed the connection.
async fn send_raw(server: &Node, bytes: &[u8], end: bool) {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // The server may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    if end {
        let _ = stream.shutdown().await;
    }
    let mut answer = Vec::new();
    let closed = stream.read_to_end(&mut answer);
    let closed = tokio::time::timeout(Duration::from_secs(10), closed).await;
    let _ = closed.expect("the server closes this connection");
}

fn hello() -> Vec<u8> {
    let (node, role) = (NodeId(66), Role::Client);
    let frame = Frame::Hello { node, role, listen: None, cluster: ClusterId::UNKNOWN };
    encode(&frame).unwrap().head
}

fn framed(message: Message) -> Vec<u8> {
    let envelope = Envelope { from: NodeId(66), to: NodeId(1), message };
    let encoded = encode(&Frame::Envelope(envelope)).unwrap();
    [&encoded.head[..], &encoded.payload[..]].concat()
}

#[tokio::test]
async fn bad_bytes_end_their_own_connection_and_nothing_else() {
    let mut server = Node::start(1, Role::Master, &[]).await;
    let client = Node::start(100, Role::Client, &[&server]).await;
    client.send(server.id, small(1));
    server.next().await;

    let noise: Vec<u8> =
        (0..4_096u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    send_raw(&server, &noise, false).await;
    send_raw(&server, &hello()[..HEADER_LEN + 1], true).await;
    let mut long = hello();
    long[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
    let crc = crc32c(&long[..HEADER_LEN - 4]);
    long[HEADER_LEN - 4..HEADER_LEN].copy_from_slice(&crc.to_le_bytes());
    send_raw(&server, &long, false).await;
    let mut other_format = hello();
    other_format[4..6].copy_from_slice(&(FORMAT_VERSION + 1).to_le_bytes());
    send_raw(&server, &other_format, false).await;
    // After a good Hello: a payload with one bit turned, a second Hello, another node's name.
    let mut turned = [hello(), framed(big(10_000))].concat();
    *turned.last_mut().unwrap() ^= 1;
    send_raw(&server, &turned, false).await;
    send_raw(&server, &[hello(), hello()].concat(), false).await;
    let foreign = Envelope { from: NodeId(100), to: NodeId(1), message: small(9) };
    let foreign = encode(&Frame::Envelope(foreign)).unwrap().head;
    send_raw(&server, &[hello(), foreign].concat(), false).await;

    client.send(server.id, small(2));
    assert_eq!(server.next().await.message, small(2), "the first connection goes on");
    assert!(server.inbox.try_recv().is_err(), "nothing of the strangers came through");
}

#[tokio::test]
async fn a_four_gibibyte_length_is_refused_by_name() {
    let mut long = hello();
    long[6] = 4; // an Envelope
    long[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
    let crc = crc32c(&long[..HEADER_LEN - 4]);
    long[HEADER_LEN - 4..HEADER_LEN].copy_from_slice(&crc.to_le_bytes());
    let error = read_frame(&mut &long[..], &Budget::of(1 << 20)).await.unwrap_err();
    assert!(matches!(error, ConnectionError::Frame(FrameError::TooLarge { .. })), "{error}");
}

#[tokio::test]
async fn a_payload_without_room_is_lost_and_the_next_frame_comes() {
    let budget = Budget::of(4 << 10);
    let bytes = [framed(big(8 << 10)), framed(small(5))].concat();
    let mut stream = &bytes[..];
    let first = read_frame(&mut stream, &budget).await.unwrap();
    assert!(matches!(first, Incoming::Dropped), "{first:?}");
    let Incoming::Frame(Frame::Envelope(next)) = read_frame(&mut stream, &budget).await.unwrap()
    else {
        panic!("the next frame");
    };
    assert_eq!(next.message, small(5));
    let end = read_frame(&mut stream, &budget).await.unwrap();
    assert!(matches!(end, Incoming::End), "{end:?}");
}

#[tokio::test]
async fn a_stream_cut_anywhere_is_an_error_or_an_end() {
    let bytes = framed(big(100));
    for length in 0..bytes.len() {
        let outcome = read_frame(&mut &bytes[..length], &Budget::unbounded()).await;
        match outcome {
            Ok(Incoming::End) => assert_eq!(length, 0),
            Err(ConnectionError::Cut) => assert!(length > 0),
            other => panic!("{length}: {other:?}"),
        }
    }
}
