//! Payload bytes are handed on, never copied; frames can be gathered in one buffer.

use crate::samples;
use bytes::Bytes;
use leasehold_proto::{Envelope, NodeId, Payload};
use leasehold_wire::{Frame, HEADER_LEN, Header, crc32c, decode, encode, encode_into};

#[test]
fn the_payload_is_the_same_memory_on_both_sides() {
    let data = Bytes::from(vec![7; 1 << 20]);
    let mut message = samples::tell_read();
    *message.payload_mut().unwrap() = Payload::new(data.clone(), crc32c(&data));
    let frame = Frame::Envelope(Envelope { from: NodeId(1), to: NodeId(2), message });

    let encoded = encode(&frame).unwrap();
    assert_eq!(encoded.payload.as_ptr(), data.as_ptr());
    assert!(encoded.head.len() < 128, "the head holds no payload");

    let header = Header::decode(encoded.head.first_chunk().unwrap()).unwrap();
    assert_eq!(header.payload_crc(), crc32c(&data));
    let frame = decode(&header, &encoded.head[HEADER_LEN..], encoded.payload).unwrap();
    let Frame::Envelope(envelope) = frame else { panic!("an envelope went in") };
    let payload = envelope.message.payload().unwrap();
    assert_eq!(payload.data.as_ptr(), data.as_ptr());
    assert_eq!(payload.crc, crc32c(&data));
}

#[test]
fn frames_in_one_buffer_come_out_in_order() {
    let frames: Vec<Frame> = (0..5).map(|n| Frame::WhoIs { node: NodeId(n * 1000) }).collect();
    let mut buffer = Vec::new();
    for frame in &frames {
        assert!(encode_into(frame, &mut buffer).unwrap().is_empty());
    }
    let mut rest = &buffer[..];
    for frame in frames {
        let (head, after) = rest.split_first_chunk().unwrap();
        let header = Header::decode(head).unwrap();
        let (body, after) = after.split_at(header.body_len());
        assert_eq!(decode(&header, body, Bytes::new()).unwrap(), frame);
        rest = after;
    }
    assert!(rest.is_empty());
}
