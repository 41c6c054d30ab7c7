//! Frames on a stream of bytes.

use super::budget::Budget;
use bytes::{Buf, Bytes};
use leasehold_proto::NodeId;
use leasehold_wire::{Frame, FrameError, HEADER_LEN, Header, decode, encode_into};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Once a frame has begun, its sender has this long to finish it.
const FRAME_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a connection ends. It concerns that connection and nothing else.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// What came is not a frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The stream broke.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The stream ended inside a frame.
    #[error("the connection ended in the middle of a frame")]
    Cut,
    /// Nothing answered at the address.
    #[error("Connection timed out")]
    TimedOut,
    /// The peer did not continue in time.
    #[error("the peer did not {what} in time")]
    Slow {
        /// What was waited for.
        what: &'static str,
    },
    /// Something else than a master listens there.
    #[error("a {what} listens there, not a master")]
    NotAMaster {
        /// What it is.
        what: &'static str,
    },
    /// Another node listens there.
    #[error("{found} answered where {expected} was expected")]
    WrongNode {
        /// Who answered.
        found: NodeId,
        /// Who was dialled.
        expected: NodeId,
    },
    /// The peer broke the order of frames, or speaks for another node.
    #[error("unexpected frame: {what}")]
    Unexpected {
        /// What is wrong with it.
        what: &'static str,
    },
}

/// What a stream gave.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one at a time, and nearly always a frame")]
pub(super) enum Incoming {
    /// A frame.
    Frame(Frame),
    /// A frame for whose payload there was no room: lost.
    Dropped,
    /// The end, between two frames.
    End,
}

/// Reads one frame. Nothing is allocated before the header's limits are checked.
pub(super) async fn read_frame(
    stream: &mut (impl AsyncRead + Unpin),
    budget: &Budget,
) -> Result<Incoming, ConnectionError> {
    let mut head = [0; HEADER_LEN];
    let first = stream.read(&mut head).await?;
    if first == 0 {
        return Ok(Incoming::End);
    }
    let rest = read_rest(stream, budget, head, first);
    let slow = ConnectionError::Slow { what: "finish a frame" };
    tokio::time::timeout(FRAME_TIMEOUT, rest).await.map_err(|_| slow)?
}

async fn read_rest(
    stream: &mut (impl AsyncRead + Unpin),
    budget: &Budget,
    mut head: [u8; HEADER_LEN],
    first: usize,
) -> Result<Incoming, ConnectionError> {
    stream.read_exact(&mut head[first..]).await.map_err(cut)?;
    let header = Header::decode(&head)?;
    let mut body = vec![0; header.body_len()];
    stream.read_exact(&mut body).await.map_err(cut)?;
    let Some(mut room) = budget.room(header.payload_len()).await else {
        discard(stream, header.payload_len()).await?;
        return Ok(Incoming::Dropped);
    };
    stream.read_exact(&mut room.buffer).await.map_err(cut)?;
    Ok(Incoming::Frame(decode(&header, &body, room.hold())?))
}

async fn discard(
    stream: &mut (impl AsyncRead + Unpin),
    length: usize,
) -> Result<(), ConnectionError> {
    let length = length as u64;
    let discarded = tokio::io::copy(&mut stream.take(length), &mut tokio::io::sink()).await?;
    if discarded < length { Err(ConnectionError::Cut) } else { Ok(()) }
}

fn cut(error: io::Error) -> ConnectionError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ConnectionError::Cut,
        _ => ConnectionError::Io(error),
    }
}

/// Writes frames: small ones are gathered, a payload goes out beside its head without a copy.
pub(super) async fn write_frames(
    stream: &mut (impl AsyncWrite + Unpin),
    frames: Vec<Frame>,
) -> Result<(), ConnectionError> {
    let mut heads = Vec::new();
    for frame in &frames {
        let payload = encode_into(frame, &mut heads)?;
        if !payload.is_empty() {
            write_both(stream, &heads, payload).await?;
            heads.clear();
        }
    }
    write_both(stream, &heads, Bytes::new()).await?;
    Ok(())
}

async fn write_both(
    stream: &mut (impl AsyncWrite + Unpin),
    heads: &[u8],
    payload: Bytes,
) -> io::Result<()> {
    stream.write_all_buf(&mut Buf::chain(heads, payload)).await
}
