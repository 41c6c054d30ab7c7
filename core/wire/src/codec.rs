//! From a frame to bytes and back.

use crate::error::{FrameError, Part};
use crate::frame::{Frame, Packet};
use crate::header::{FrameKind, HEADER_LEN, Header, check_length};
use bytes::Bytes;
use leasehold_proto::{Envelope, Payload};
use serde::{Deserialize, Serialize};

/// A frame as it goes out: write `head`, then `payload`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Header and body.
    pub head: Vec<u8>,
    /// The message's own bytes, shared, not copied.
    pub payload: Bytes,
}

/// Encodes a frame.
///
/// # Errors
/// `TooLarge` for what every receiver would refuse.
pub fn encode(frame: &Frame) -> Result<Encoded, FrameError> {
    let mut head = Vec::with_capacity(HEADER_LEN + 128);
    let payload = encode_into(frame, &mut head)?;
    Ok(Encoded { head, payload })
}

/// Appends a frame's header and body to `head` and returns its payload, which follows them on
/// the wire. Frames without a payload can so be gathered in one buffer.
///
/// The checksum of the payload is taken from the message, not computed: a payload that was
/// damaged in this node's memory is found by the next.
///
/// # Errors
/// `TooLarge` for what every receiver would refuse; `head` is then as it was.
pub fn encode_into(frame: &Frame, head: &mut Vec<u8>) -> Result<Bytes, FrameError> {
    let start = head.len();
    head.extend_from_slice(&[0; HEADER_LEN]);
    append_body(frame, head);
    let body_at = start + HEADER_LEN;
    let payload = payload_of(frame);
    match Header::new(frame.kind(), &head[body_at..], payload.data.len(), payload.crc) {
        Ok(header) => {
            head[start..body_at].copy_from_slice(&header.encode());
            Ok(payload.data)
        }
        Err(error) => {
            head.truncate(start);
            Err(error)
        }
    }
}

fn payload_of(frame: &Frame) -> Payload {
    match frame {
        Frame::Envelope(envelope) => envelope.message.payload().cloned().unwrap_or_default(),
        Frame::Packet(packet) => {
            Payload::new(packet.bytes.clone(), crate::crc::crc32c(&packet.bytes))
        }
        Frame::Hello { .. }
        | Frame::WhoIs { .. }
        | Frame::HereIs { .. }
        | Frame::Masters { .. } => Payload::default(),
    }
}

fn append_body(frame: &Frame, head: &mut Vec<u8>) {
    match frame {
        Frame::Hello { node, role, listen, cluster } => {
            append(&(node, role, listen, cluster), head);
        }
        Frame::WhoIs { node } => append(node, head),
        Frame::HereIs { node, addr } => append(&(node, addr), head),
        Frame::Masters { masters } => append(masters, head),
        Frame::Envelope(Envelope { from, to, message }) => append(&(from, to, message), head),
        Frame::Packet(Packet { from, to, number, is_answer, .. }) => {
            append(&(from, to, number, is_answer), head);
        }
    }
}

fn append(fields: &impl Serialize, head: &mut Vec<u8>) {
    *head = postcard::to_extend(fields, std::mem::take(head))
        .expect("plain data of known length encodes into growing memory");
}

/// Decodes a frame from its three parts. The payload becomes the message's, without a copy, and
/// its checksum with it.
///
/// # Errors
/// `Truncated` or `Overlong` if a part is not as long as the header says, `Corrupt` if it does
/// not fit its checksum, `Malformed` if the body is not its kind's fields, `UnexpectedPayload` if
/// the message has no place for one.
pub fn decode(header: &Header, body: &[u8], payload: Bytes) -> Result<Frame, FrameError> {
    header.check(body, &payload)?;
    let kind = header.kind();
    Ok(match kind {
        FrameKind::Hello => {
            let (node, role, listen, cluster) = fields(kind, body)?;
            Frame::Hello { node, role, listen, cluster }
        }
        FrameKind::WhoIs => Frame::WhoIs { node: fields(kind, body)? },
        FrameKind::HereIs => {
            let (node, addr) = fields(kind, body)?;
            Frame::HereIs { node, addr }
        }
        FrameKind::Masters => Frame::Masters { masters: fields(kind, body)? },
        FrameKind::Envelope => {
            let (from, to, message) = fields(kind, body)?;
            let mut envelope = Envelope { from, to, message };
            attach(&mut envelope, Payload::new(payload, header.payload_crc()))?;
            Frame::Envelope(envelope)
        }
        FrameKind::Packet => {
            let (from, to, number, is_answer) = fields(kind, body)?;
            Frame::Packet(Packet { from, to, number, is_answer, bytes: payload })
        }
    })
}

/// Decodes what [`encode`] gave: header and body in one, the payload beside them.
///
/// # Errors
/// As [`Header::decode`] and [`decode`]; `Truncated` if there is not even a header.
pub fn decode_parts(head: &[u8], payload: Bytes) -> Result<Frame, FrameError> {
    let Some((header, body)) = head.split_first_chunk::<HEADER_LEN>() else {
        let (found, expected) = (head.len() as u64, HEADER_LEN as u64);
        return Err(FrameError::Truncated { part: Part::Header, found, expected });
    };
    decode(&Header::decode(header)?, body, payload)
}

fn fields<'a, T: Deserialize<'a>>(kind: FrameKind, body: &'a [u8]) -> Result<T, FrameError> {
    let (value, rest) =
        postcard::take_from_bytes(body).map_err(|source| FrameError::Malformed { kind, source })?;
    check_length(Part::Body, body.len(), body.len() - rest.len())?;
    Ok(value)
}

fn attach(envelope: &mut Envelope, payload: Payload) -> Result<(), FrameError> {
    match envelope.message.payload_mut() {
        Some(place) => *place = payload,
        None if payload.is_empty() => {}
        None => {
            let what = "message without bulk data";
            return Err(FrameError::UnexpectedPayload { what, found: payload.len() });
        }
    }
    Ok(())
}
