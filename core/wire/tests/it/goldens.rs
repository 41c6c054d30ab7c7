//! The format, pinned: one frame per line of `tests/goldens.txt`, as `name head payload` in hex.
//! `UPDATE=1` rewrites the file; a change of an old line is a change of format and counts up
//! `FORMAT_VERSION`.

use crate::samples;
use bytes::Bytes;
use leasehold_proto::message::{configure, copy, data, membership, pipeline, reconcile, removal};
use leasehold_proto::metadata::{MetadataAnswer, MetadataChange, MetadataQuery};
use leasehold_proto::{Message, Refusal};
use leasehold_wire::{Frame, Role, decode_parts, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::LazyLock;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens.txt");

/// The file; under `UPDATE=1` rewritten before any test reads it.
static GOLDEN: LazyLock<String> = LazyLock::new(|| {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(PATH, written()).unwrap();
    }
    std::fs::read_to_string(PATH).unwrap()
});

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

fn written() -> String {
    samples::frames().iter().fold(String::new(), |mut text, (name, frame)| {
        let encoded = encode(frame).unwrap();
        let payload = if encoded.payload.is_empty() { "-".into() } else { hex(&encoded.payload) };
        writeln!(text, "{name} {} {payload}", hex(&encoded.head)).unwrap();
        text
    })
}

#[test]
fn frames_are_encoded_as_ever() {
    let (written, golden) = (written(), &*GOLDEN);
    for (written, golden) in written.lines().zip(golden.lines()) {
        assert_eq!(written, golden, "the format changed: see the head of goldens.rs");
    }
    assert_eq!(
        written.lines().count(),
        golden.lines().count(),
        "a frame has no golden: UPDATE=1 writes it"
    );
}

#[test]
fn goldens_are_decoded_to_the_samples() {
    let samples = samples::frames();
    assert_eq!(GOLDEN.lines().count(), samples.len());
    for (line, (name, frame)) in GOLDEN.lines().zip(samples) {
        let [golden_name, head, payload] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}: three words are expected");
        };
        assert_eq!(golden_name, name);
        let payload = if payload == "-" { Bytes::new() } else { unhex(payload).into() };
        assert_eq!(decode_parts(&unhex(head), payload).unwrap(), frame, "{name}");
    }
}

/// Fails if an enum has a variant that no sample shows. Variants are numbered from zero on the
/// wire, so the samples must hold 0, 1, 2.. and the number after the last must mean nothing.
fn assert_every_variant<T: Serialize + DeserializeOwned>(what: &str, samples: &[T]) {
    let number = |sample: &T| postcard::to_allocvec(sample).unwrap()[0];
    let numbers: BTreeSet<u8> = samples.iter().map(number).collect();
    let count = u8::try_from(numbers.len()).unwrap();
    assert!(count < 0x80, "a variant's number takes one byte");
    assert_eq!(numbers, (0..count).collect(), "{what}: the samples leave out a variant");
    // A variant that exists requests its fields (or has none); only one that does not is refused.
    let beyond = postcard::from_bytes::<T>(&[count]).err();
    assert_eq!(
        beyond,
        Some(postcard::Error::SerdeDeCustom),
        "{what}: variant {count} has no sample in tests/it/samples.rs"
    );
}

/// The same of what each direction of a conversation holds.
fn assert_every_content(messages: &[Message]) {
    macro_rules! contents {
        ($($direction:ident: $content:ty;)*) => {$(
            let contents: Vec<$content> = messages.iter().filter_map(|message| match message {
                Message::$direction(content) => Some(content.clone()),
                _ => None,
            }).collect();
            assert_every_variant::<$content>(stringify!($content), &contents);
        )*};
    }
    contents! {
        Membership: membership::Request;
        MembershipReply: membership::Reply;
        Removal: removal::Order;
        Configure: configure::Order;
        ConfigureReply: configure::Reply;
        Reconcile: reconcile::Request;
        ReconcileReply: reconcile::Reply;
        CopyReply: copy::Reply;
        CopyReport: copy::Report;
        Data: data::Request;
        DataReply: data::Reply;
        Pipeline: pipeline::Order;
        PipelineReply: pipeline::Reply;
    }
}

#[test]
fn every_variant_has_a_golden() {
    let messages = samples::messages();
    assert_every_variant::<Message>("Message", &messages);
    assert_every_content(&messages);
    assert_every_variant::<MetadataChange>("MetadataChange", &samples::changes());
    assert_every_variant::<MetadataQuery>("MetadataQuery", &samples::queries());
    assert_every_variant::<MetadataAnswer>("MetadataAnswer", &samples::answers());
    assert_every_variant::<Refusal>("Refusal", &samples::refusals());
    assert_every_variant::<Role>("Role", &[Role::Master, Role::Chunkserver, Role::Client]);
}

#[test]
#[should_panic(expected = "Role: variant 2 has no sample")]
fn a_variant_without_a_sample_is_noticed() {
    assert_every_variant::<Role>("Role", &[Role::Master, Role::Chunkserver]);
}

#[test]
#[should_panic(expected = "MetadataQuery: variant 3 has no sample")]
fn a_variant_with_fields_and_without_a_sample_is_noticed() {
    assert_every_variant::<MetadataQuery>("MetadataQuery", &samples::queries()[..3]);
}

#[test]
fn names_of_goldens_are_unique() {
    let samples = samples::frames();
    let names: BTreeSet<&str> = samples.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), samples.len());
    assert!(samples.iter().all(|(name, frame)| !name.contains(' ') && is_named(name, frame)));
}

fn is_named(name: &str, frame: &Frame) -> bool {
    name.starts_with(&frame.kind().to_string())
}
