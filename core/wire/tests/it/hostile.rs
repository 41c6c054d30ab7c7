//! Bytes that no good peer sends: each is a typed error, none allocates what it requests.

use crate::samples;
use bytes::Bytes;
use leasehold_proto::message::ReplicaState;
use leasehold_proto::message::{configure, membership};
use leasehold_proto::{
    COUNTED_MAX, ChunkHandle, ChunkVersion, Envelope, Epoch, Incarnation, Message, NodeId, Payload,
    Sequence,
};
use leasehold_wire::{
    BODY_BYTES_MAX, FORMAT_VERSION, Frame, FrameError, FrameKind, HANDSHAKE_BYTES_MAX, HEADER_LEN,
    Header, MAGIC, MASTERS_BYTES_MAX, PACKET_BYTES_MAX, PAYLOAD_BYTES_MAX, Part, crc32c, decode,
    decode_parts, encode, encode_into,
};
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Reads one frame from a stream of bytes, as a connection does.
fn read(stream: &[u8]) -> Result<Frame, FrameError> {
    let Some((head, rest)) = stream.split_first_chunk::<HEADER_LEN>() else {
        return decode_parts(stream, Bytes::new());
    };
    let header = Header::decode(head)?;
    let (body, rest) = rest.split_at(header.body_len().min(rest.len()));
    let payload = &rest[..header.payload_len().min(rest.len())];
    decode(&header, body, Bytes::copy_from_slice(payload))
}

fn stream(frame: &Frame) -> Vec<u8> {
    let encoded = encode(frame).unwrap();
    [&encoded.head[..], &encoded.payload[..]].concat()
}

/// A header with a checksum that is right.
fn header(kind: u8, flags: u8, body_bytes: u32, payload_bytes: u32) -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4..6].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes[6] = kind;
    bytes[7] = flags;
    bytes[8..12].copy_from_slice(&body_bytes.to_le_bytes());
    bytes[12..16].copy_from_slice(&payload_bytes.to_le_bytes());
    let crc = crc32c(&bytes[..24]);
    bytes[24..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// A frame whose every checksum is right, around any body.
fn sealed(kind: u8, body: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut head = header(kind, 0, body.len() as u32, payload.len() as u32);
    head[16..20].copy_from_slice(&crc32c(body).to_le_bytes());
    head[20..24].copy_from_slice(&crc32c(payload).to_le_bytes());
    let crc = crc32c(&head[..24]);
    head[24..].copy_from_slice(&crc.to_le_bytes());
    [&head[..], body, payload].concat()
}

#[test]
fn what_was_not_damaged_arrives() {
    for (name, frame) in samples::frames() {
        assert_eq!(read(&stream(&frame)).unwrap(), frame, "{name}");
    }
}

#[test]
fn every_truncation_is_an_error() {
    for (name, frame) in samples::frames() {
        let stream = stream(&frame);
        for length in 0..stream.len() {
            let error = read(&stream[..length]).unwrap_err();
            let expected = match length {
                ..HEADER_LEN => HEADER_LEN,
                _ => expected_part(&stream, length),
            };
            assert!(
                matches!(error, FrameError::Truncated { expected: e, .. } if e == expected as u64),
                "{name} cut to {length}: {error}"
            );
        }
    }
}

/// Length of the part in which a cut at `length` falls.
fn expected_part(stream: &[u8], length: usize) -> usize {
    let header = Header::decode(stream.first_chunk().unwrap()).unwrap();
    if length < HEADER_LEN + header.body_len() { header.body_len() } else { header.payload_len() }
}

#[test]
fn every_flipped_bit_is_an_error() {
    for (name, frame) in samples::frames() {
        let good = stream(&frame);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let error = read(&bad).unwrap_err();
            let fits = match bit / 8 {
                0..4 => matches!(error, FrameError::BadMagic { .. }),
                4..6 => matches!(error, FrameError::WrongVersion { .. }),
                6..HEADER_LEN => matches!(error, FrameError::Corrupt { part: Part::Header, .. }),
                at if at >= good.len() - payload_len(&frame) => {
                    matches!(error, FrameError::Corrupt { part: Part::Payload, .. })
                }
                _ => matches!(error, FrameError::Corrupt { part: Part::Body, .. }),
            };
            assert!(fits, "{name}, bit {bit}: {error}");
        }
    }
}

fn payload_len(frame: &Frame) -> usize {
    encode(frame).unwrap().payload.len()
}

#[test]
fn random_streams_are_errors() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..20_000 {
        let mut bytes = vec![0; rng.random_range(0..200)];
        rng.fill_bytes(&mut bytes);
        read(&bytes).unwrap_err();
    }
}

// With checksums that are right, only the decoder stands between the bytes and the machines.
#[test]
fn random_bodies_decode_or_err_and_what_decodes_is_a_frame() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let (mut frames, mut errors) = (0, 0);
    for _ in 0..50_000 {
        let kind = rng.random_range(1..=4);
        let mut body = vec![0; rng.random_range(0..64)];
        rng.fill_bytes(&mut body);
        // Small numbers make variants and lengths that exist.
        body.iter_mut().for_each(|b| *b >>= rng.random_range(0..8));
        match read(&sealed(kind, &body, &[])) {
            Ok(frame) => {
                frames += 1;
                assert_eq!(read(&stream(&frame)).unwrap(), frame);
            }
            Err(FrameError::Malformed { .. } | FrameError::Overlong { part: Part::Body, .. }) => {
                errors += 1
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(frames > 100 && errors > 100, "{frames} frames, {errors} errors: one-sided dice");
}

#[test]
fn mutated_good_bodies_never_panic() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let samples = samples::frames();
    for _ in 0..50_000 {
        let (_, frame) = &samples[rng.random_range(0..samples.len())];
        let encoded = encode(frame).unwrap();
        let (kind, mut body) = (encoded.head[6], encoded.head[HEADER_LEN..].to_vec());
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..body.len());
            body[at] = rng.random();
        }
        if let Ok(frame) = read(&sealed(kind, &body, &encoded.payload)) {
            assert_eq!(read(&stream(&frame)).unwrap(), frame);
        }
    }
}

#[test]
fn four_gigabytes_are_refused_by_the_header_alone() {
    let (found, envelope) = (u64::from(u32::MAX), FrameKind::Envelope as u8);
    assert_eq!(
        Header::decode(&header(envelope, 0, u32::MAX, 0)),
        Err(FrameError::TooLarge {
            part: Part::Body,
            kind: FrameKind::Envelope,
            found,
            max: BODY_BYTES_MAX.into()
        })
    );
    assert_eq!(
        Header::decode(&header(envelope, 0, 0, u32::MAX)),
        Err(FrameError::TooLarge {
            part: Part::Payload,
            kind: FrameKind::Envelope,
            found,
            max: PAYLOAD_BYTES_MAX.into()
        })
    );
}

#[test]
fn limits_are_exact() {
    let envelope = FrameKind::Envelope as u8;
    let at = header(envelope, 0, BODY_BYTES_MAX, PAYLOAD_BYTES_MAX);
    assert_eq!(Header::decode(&at).unwrap().body_len(), BODY_BYTES_MAX as usize);
    Header::decode(&header(envelope, 0, BODY_BYTES_MAX + 1, 0)).unwrap_err();
    Header::decode(&header(envelope, 0, 0, PAYLOAD_BYTES_MAX + 1)).unwrap_err();
    let packet = FrameKind::Packet as u8;
    Header::decode(&header(packet, 0, HANDSHAKE_BYTES_MAX, PACKET_BYTES_MAX)).unwrap();
    Header::decode(&header(packet, 0, HANDSHAKE_BYTES_MAX + 1, 0)).unwrap_err();
    Header::decode(&header(packet, 0, 0, PACKET_BYTES_MAX + 1)).unwrap_err();
    let masters = FrameKind::Masters as u8;
    Header::decode(&header(masters, 0, MASTERS_BYTES_MAX, 0)).unwrap();
    Header::decode(&header(masters, 0, MASTERS_BYTES_MAX + 1, 0)).unwrap_err();
    for handshake in [FrameKind::Hello, FrameKind::WhoIs, FrameKind::HereIs] {
        Header::decode(&header(handshake as u8, 0, HANDSHAKE_BYTES_MAX, 0)).unwrap();
        Header::decode(&header(handshake as u8, 0, HANDSHAKE_BYTES_MAX + 1, 0)).unwrap_err();
        assert!(matches!(
            Header::decode(&header(handshake as u8, 0, 8, 1)),
            Err(FrameError::UnexpectedPayload { found: 1, .. })
        ));
    }
}

// Reports are not paged: the limit of a body is a limit on the chunks of one server.
#[test]
fn a_full_report_of_400_000_replicas_fits() {
    let state = ReplicaState {
        promised: ChunkVersion(1 << 20),
        applied_version: ChunkVersion(1 << 20),
        sequence: Sequence(1 << 34),
        committed: Sequence(1 << 34),
        length: 64 << 20,
        stored_bytes: 64 << 20,
        learner: false,
        corrupt: false,
    };
    let report = Message::Membership(membership::Request::Report(membership::Report {
        incarnation: Incarnation(1 << 20),
        epoch: Epoch(1 << 34),
        number: 1,
        full: true,
        replicas: (0..400_000).map(|n| (ChunkHandle((1 << 34) + n), state.clone())).collect(),
        gone: vec![],
    }));
    let frame =
        Frame::Envelope(Envelope { from: NodeId(u64::MAX), to: NodeId(1), message: report });
    assert_eq!(read(&stream(&frame)).unwrap(), frame);
}

// A Vec that claims 2^60 elements in a body of a few bytes must not be believed.
#[test]
fn a_length_inside_the_body_allocates_nothing() {
    let members_claimed = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
    let sample = Message::ConfigureReply(configure::Reply::MemberFailed(configure::MemberFailed {
        chunk: ChunkHandle(1),
        version: ChunkVersion(1),
        members: vec![],
    }));
    let mut body = postcard::to_allocvec(&(NodeId(1), NodeId(2), sample)).unwrap();
    assert_eq!(body.pop(), Some(0), "the empty list of members ends the body");
    body.extend(members_claimed);
    let error = read(&sealed(FrameKind::Envelope as u8, &body, &[])).unwrap_err();
    assert!(matches!(error, FrameError::Malformed { kind: FrameKind::Envelope, .. }), "{error}");
}

// Otherwise the next epoch, version, sequence or number of an operation would overflow.
#[test]
fn what_no_count_reaches_is_malformed() {
    let counted = |number| {
        let message = membership::RegisterAgain { epoch: Epoch(number) };
        Frame::Envelope(Envelope { from: NodeId(1), to: NodeId(2), message: message.into() })
    };
    let last = counted(COUNTED_MAX - 1);
    assert_eq!(read(&stream(&last)).unwrap(), last);
    let error = read(&stream(&counted(COUNTED_MAX))).unwrap_err();
    assert!(matches!(error, FrameError::Malformed { kind: FrameKind::Envelope, .. }), "{error}");
}

#[test]
fn another_format_version_says_both() {
    let mut bytes = stream(&Frame::WhoIs { node: NodeId(1) });
    bytes[4] = 9;
    let error = read(&bytes).unwrap_err();
    assert_eq!(error, FrameError::WrongVersion { found: 9, expected: FORMAT_VERSION });
    assert_eq!(error.to_string(), "frame of format version 9; this program speaks version 8");
}

#[test]
fn another_protocol_is_told_apart() {
    let error = read(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n").unwrap_err();
    assert_eq!(error, FrameError::BadMagic { found: *b"GET " });
}

#[test]
fn flags_and_kinds_of_the_future_are_refused() {
    assert_eq!(
        Header::decode(&header(4, 0x80, 0, 0)),
        Err(FrameError::UnknownFlags { found: 0x80 })
    );
    for kind in [0, 7, 255] {
        assert_eq!(
            Header::decode(&header(kind, 0, 0, 0)),
            Err(FrameError::UnknownKind { found: kind })
        );
    }
}

#[test]
fn a_body_that_goes_on_is_an_error() {
    let encoded = encode(&Frame::WhoIs { node: NodeId(7) }).unwrap();
    let body = [&encoded.head[HEADER_LEN..], &[0]].concat();
    let error = read(&sealed(FrameKind::WhoIs as u8, &body, &[])).unwrap_err();
    assert_eq!(error, FrameError::Overlong { part: Part::Body, found: 2, expected: 1 });
}

#[test]
fn a_payload_beside_a_message_without_one_is_an_error() {
    let message =
        Message::MembershipReply(membership::Reply::RegisterAgain(membership::RegisterAgain {
            epoch: Epoch(3),
        }));
    let body = postcard::to_allocvec(&(NodeId(1), NodeId(2), message)).unwrap();
    let error = read(&sealed(FrameKind::Envelope as u8, &body, b"stray")).unwrap_err();
    assert!(matches!(error, FrameError::UnexpectedPayload { found: 5, .. }), "{error}");
}

#[test]
fn what_a_receiver_would_refuse_is_not_sent() {
    let huge = Bytes::from(vec![0; PAYLOAD_BYTES_MAX as usize + 1]);
    let frame = carrying(Payload::new(huge, 0));
    let mut head = b"frames before".to_vec();
    let error = encode_into(&frame, &mut head).unwrap_err();
    assert!(matches!(error, FrameError::TooLarge { part: Part::Payload, .. }), "{error}");
    assert_eq!(head, b"frames before");
}

#[test]
fn a_payload_damaged_before_it_was_sent_is_found() {
    let good = Bytes::from_static(b"bytes as the client wrote them");
    let damaged = Bytes::from_static(b"bytes as the client wrote then");
    let encoded = encode(&carrying(Payload::new(damaged, crc32c(&good)))).unwrap();
    let error = decode_parts(&encoded.head, encoded.payload).unwrap_err();
    assert!(matches!(error, FrameError::Corrupt { part: Part::Payload, .. }), "{error}");
}

fn carrying(payload: Payload) -> Frame {
    let mut message = samples::tell_read();
    *message.payload_mut().unwrap() = payload;
    Frame::Envelope(Envelope { from: NodeId(1), to: NodeId(2), message })
}
