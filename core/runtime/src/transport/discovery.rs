//! Finding the masters: whoever knows the address of one learns from it who it is, and who the
//! others are.

use super::budget::Budget;
use super::directory::reason;
use super::stream::{ConnectionError, Incoming, read_frame, write_frames};
use super::{HANDSHAKE_TIMEOUT, connect, prepare};
use leasehold_proto::NodeId;
use leasehold_wire::{ClusterId, Frame, Role};
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A master that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub node: NodeId,
    /// Where it answered.
    pub address: SocketAddr,
    /// Every master that it knows of, itself included.
    pub masters: Vec<(NodeId, SocketAddr)>,
}

/// Asks whoever listens at an address which masters there are, as a client of this number.
///
/// # Errors
/// A sentence: refused, unreachable, timed out, or not a master.
pub async fn ask_masters(own: NodeId, address: SocketAddr) -> Result<Found, String> {
    ask(own, address).await.map_err(|error| reason(&error))
}

async fn ask(own: NodeId, address: SocketAddr) -> Result<Found, ConnectionError> {
    let stream = connect(address).await?;
    prepare(&stream)?;
    let slow = ConnectionError::Slow { what: "say Hello" };
    timeout(HANDSHAKE_TIMEOUT, converse(own, address, stream)).await.map_err(|_| slow)?
}

async fn converse(
    own: NodeId,
    address: SocketAddr,
    mut stream: TcpStream,
) -> Result<Found, ConnectionError> {
    let (listen, cluster) = (None, ClusterId::UNKNOWN);
    let hello = Frame::Hello { node: own, role: Role::Client, listen, cluster };
    write_frames(&mut stream, vec![hello]).await?;
    let mut found = None;
    loop {
        let incoming = read_frame(&mut stream, &Budget::of(0)).await?;
        match (incoming, found) {
            (Incoming::Frame(Frame::Hello { node, role: Role::Master, .. }), None) => {
                found = Some(node);
            }
            (Incoming::Frame(Frame::Hello { role: Role::Chunkserver, .. }), None) => {
                return Err(ConnectionError::NotAMaster { what: "chunkserver" });
            }
            (Incoming::Frame(Frame::Hello { role: Role::Client, .. }), None) => {
                return Err(ConnectionError::NotAMaster { what: "client" });
            }
            (Incoming::Frame(Frame::Masters { masters }), Some(node)) => {
                return Ok(Found { node, address, masters });
            }
            (Incoming::End, _) => return Err(ConnectionError::Cut),
            (Incoming::Frame(_) | Incoming::Dropped, _) => {
                return Err(ConnectionError::Unexpected { what: "not what a master says first" });
            }
        }
    }
}
