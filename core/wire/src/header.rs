//! The fixed header, and the limits that it enforces.

use crate::crc::crc32c;
use crate::error::{FrameError, Part};
use std::fmt;

/// Bytes of a header.
pub const HEADER_LEN: usize = 28;
/// How every frame begins, in every format.
pub const MAGIC: [u8; 4] = *b"LSHD";
/// The format written and read here. Any change of header, body or meaning counts it up.
pub const FORMAT_VERSION: u16 = 8;
/// Bytes of the body of an Envelope, at the most: a full report of 400,000 replicas fits.
pub const BODY_BYTES_MAX: u32 = 16 << 20;
/// Bytes of the body of any other frame: a stranger cannot make a node allocate more.
pub const HANDSHAKE_BYTES_MAX: u32 = 256;
/// Bytes of the body of `Masters`, at the most: room for a hundred of them.
pub const MASTERS_BYTES_MAX: u32 = 4 << 10;
/// Bytes of a payload, at the most: a `Reconcile` carries up to 32 MiB, widened to whole blocks.
pub const PAYLOAD_BYTES_MAX: u32 = 40 << 20;
/// Bytes of a packet about the masters' log, at the most: entries and snapshots go in pieces of
/// about 1 MiB, and one entry is far below the rest.
pub const PACKET_BYTES_MAX: u32 = 8 << 20;

/// Offset of the header's own checksum: it covers everything before it.
const CRC_AT: usize = HEADER_LEN - 4;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// Who I am.
    Hello = 1,
    /// Where is this node?
    WhoIs = 2,
    /// It is here.
    HereIs = 3,
    /// A protocol message.
    Envelope = 4,
    /// Something about the masters' log.
    Packet = 5,
    /// The masters of this cluster.
    Masters = 6,
}

impl FrameKind {
    fn from_code(code: u8) -> Result<FrameKind, FrameError> {
        match code {
            1 => Ok(FrameKind::Hello),
            2 => Ok(FrameKind::WhoIs),
            3 => Ok(FrameKind::HereIs),
            4 => Ok(FrameKind::Envelope),
            5 => Ok(FrameKind::Packet),
            6 => Ok(FrameKind::Masters),
            found => Err(FrameError::UnknownKind { found }),
        }
    }

    /// Bytes that a body of this kind may have.
    #[must_use]
    pub fn body_bytes_max(self) -> u32 {
        match self {
            FrameKind::Hello | FrameKind::WhoIs | FrameKind::HereIs | FrameKind::Packet => {
                HANDSHAKE_BYTES_MAX
            }
            FrameKind::Masters => MASTERS_BYTES_MAX,
            FrameKind::Envelope => BODY_BYTES_MAX,
        }
    }

    /// Bytes that a payload beside this kind may have; none if there is no place for one.
    #[must_use]
    pub fn payload_bytes_max(self) -> Option<u32> {
        match self {
            FrameKind::Hello | FrameKind::WhoIs | FrameKind::HereIs | FrameKind::Masters => None,
            FrameKind::Envelope => Some(PAYLOAD_BYTES_MAX),
            FrameKind::Packet => Some(PACKET_BYTES_MAX),
        }
    }

    fn name(self) -> &'static str {
        match self {
            FrameKind::Hello => "Hello",
            FrameKind::WhoIs => "WhoIs",
            FrameKind::HereIs => "HereIs",
            FrameKind::Envelope => "Envelope",
            FrameKind::Packet => "Packet",
            FrameKind::Masters => "Masters",
        }
    }
}

impl fmt::Display for FrameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A header whose checksum was right and whose lengths are within the limits. Only
/// [`Header::decode`] and this crate's encoder build one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    kind: FrameKind,
    body_bytes: u32,
    payload_bytes: u32,
    body_crc: u32,
    payload_crc: u32,
}

impl Header {
    /// The header of a body and a payload.
    ///
    /// # Errors
    /// `TooLarge` if one of them is beyond its limit, `UnexpectedPayload` beside a frame
    /// that has no place for one.
    pub(crate) fn new(
        kind: FrameKind,
        body: &[u8],
        payload_bytes: usize,
        payload_crc: u32,
    ) -> Result<Header, FrameError> {
        check_limits(kind, body.len() as u64, payload_bytes as u64)?;
        let within = "a length within its limit fits 32 bits";
        Ok(Header {
            kind,
            body_bytes: u32::try_from(body.len()).expect(within),
            payload_bytes: u32::try_from(payload_bytes).expect(within),
            body_crc: crc32c(body),
            payload_crc,
        })
    }

    /// Reads a header, and refuses what no frame can be before anything is allocated for it.
    ///
    /// # Errors
    /// `BadMagic`, `WrongVersion`, `Corrupt`, `UnknownFlags`, `UnknownKind`, `TooLarge` and
    /// `UnexpectedPayload`, looked for in this order.
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Header, FrameError> {
        let magic: [u8; 4] = field(bytes, 0);
        if magic != MAGIC {
            return Err(FrameError::BadMagic { found: magic });
        }
        let version = u16::from_le_bytes(field(bytes, 4));
        if version != FORMAT_VERSION {
            return Err(FrameError::WrongVersion { found: version, expected: FORMAT_VERSION });
        }
        check_crc(Part::Header, crc32c(&bytes[..CRC_AT]), u32_at(bytes, CRC_AT))?;
        let [code, flags] = field(bytes, 6);
        if flags != 0 {
            return Err(FrameError::UnknownFlags { found: flags });
        }
        let header = Header {
            kind: FrameKind::from_code(code)?,
            body_bytes: u32_at(bytes, 8),
            payload_bytes: u32_at(bytes, 12),
            body_crc: u32_at(bytes, 16),
            payload_crc: u32_at(bytes, 20),
        };
        check_limits(header.kind, header.body_bytes.into(), header.payload_bytes.into())?;
        Ok(header)
    }

    /// The bytes that [`Header::decode`] reads.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..6].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[6] = self.kind as u8;
        bytes[8..12].copy_from_slice(&self.body_bytes.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.body_crc.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = crc32c(&bytes[..CRC_AT]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// What the frame is.
    #[must_use]
    pub fn kind(&self) -> FrameKind {
        self.kind
    }

    /// Bytes of the body that follows the header.
    #[must_use]
    pub fn body_len(&self) -> usize {
        self.body_bytes as usize
    }

    /// Bytes of the payload that follows the body.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        self.payload_bytes as usize
    }

    /// CRC-32C of the payload, as its sender has it.
    #[must_use]
    pub fn payload_crc(&self) -> u32 {
        self.payload_crc
    }

    /// Compares body and payload with the lengths and checksums stated here.
    pub(crate) fn check(&self, body: &[u8], payload: &[u8]) -> Result<(), FrameError> {
        check_length(Part::Body, body.len(), self.body_len())?;
        check_length(Part::Payload, payload.len(), self.payload_len())?;
        check_crc(Part::Body, crc32c(body), self.body_crc)?;
        check_crc(Part::Payload, crc32c(payload), self.payload_crc)
    }
}

fn check_limits(kind: FrameKind, body: u64, payload: u64) -> Result<(), FrameError> {
    let max = u64::from(kind.body_bytes_max());
    if body > max {
        return Err(FrameError::TooLarge { part: Part::Body, kind, found: body, max });
    }
    let max = match kind.payload_bytes_max() {
        Some(max) => u64::from(max),
        None if payload == 0 => return Ok(()),
        None => return Err(FrameError::UnexpectedPayload { what: kind.name(), found: payload }),
    };
    if payload > max {
        return Err(FrameError::TooLarge { part: Part::Payload, kind, found: payload, max });
    }
    Ok(())
}

/// Refuses a part that is shorter or longer than it should be.
pub(crate) fn check_length(part: Part, found: usize, expected: usize) -> Result<(), FrameError> {
    let (found, expected) = (found as u64, expected as u64);
    match found.cmp(&expected) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => Err(FrameError::Truncated { part, found, expected }),
        std::cmp::Ordering::Greater => Err(FrameError::Overlong { part, found, expected }),
    }
}

fn check_crc(part: Part, computed: u32, stated: u32) -> Result<(), FrameError> {
    if computed == stated {
        return Ok(());
    }
    Err(FrameError::Corrupt { part, computed, stated })
}

fn field<const N: usize>(bytes: &[u8; HEADER_LEN], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("a slice of N bytes is N bytes")
}

fn u32_at(bytes: &[u8; HEADER_LEN], at: usize) -> u32 {
    u32::from_le_bytes(field(bytes, at))
}
