//! Frames, codec and limits: what two nodes send each other over a stream of bytes.
//!
//! A frame is a fixed header, a body and a payload, one after another. All integers of the header
//! are little-endian.
//!
//! ```text
//! offset  bytes
//!      0      4  magic "LSHD"
//!      4      2  format version
//!      6      1  kind: 1 Hello, 2 WhoIs, 3 HereIs, 4 Envelope, 5 Packet, 6 Masters
//!      7      1  flags, zero
//!      8      4  length of the body
//!     12      4  length of the payload
//!     16      4  CRC-32C of the body
//!     20      4  CRC-32C of the payload
//!     24      4  CRC-32C of the 24 bytes before
//!     28         body: postcard of the kind's fields
//!                payload: bulk data as it is
//! ```
//!
//! Magic and format version keep their places in every format, so that a peer of another format
//! is distinguished from noise. The payload is beside the body: neither side copies it, and its
//! CRC is the one that the message carries, so a relay hands on what the first sender computed.
//!
//! A receiver reads [`HEADER_LEN`] bytes, asks [`Header::decode`] how much follows (this is where
//! lengths beyond the limits are refused, before anything is allocated), reads that, and calls
//! [`decode`]. An error says that this connection carries nothing more that can be trusted; it
//! says nothing about any other.

mod frame;
mod header;
mod codec;
mod crc;
mod error;

pub use codec::{Encoded, decode, decode_parts, encode, encode_into};
pub use crc::{Crc32c, crc32c};
pub use error::{FrameError, Part};
pub use frame::{ClusterId, Frame, Packet, Role};
pub use header::{
    BODY_BYTES_MAX, FORMAT_VERSION, FrameKind, HANDSHAKE_BYTES_MAX, HEADER_LEN, Header, MAGIC,
    MASTERS_BYTES_MAX, PACKET_BYTES_MAX, PAYLOAD_BYTES_MAX,
};
