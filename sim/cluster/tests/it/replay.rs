//! A run's recording, through machines once more.

use leasehold_proto::{Effect, Event, NodeId};
use leasehold_sim::replay::{Beginning, Recording, RecordingError, Wanted, What, conform};
use leasehold_sim::run::{Asked, run};
use leasehold_sim::scenario::Scenario;
use leasehold_sim::seed::Seed;

const SHORT: &str = "about = \"short\"\n[acts]\nfaults_ms = 3000\n[demands]\nacknowledged = 0\n\
                     crashes = 0\npartitions = 0\nmembership_changes = 0\njudged_reads = 0\n";

fn recorded() -> (Recording, String) {
    let scenario = Scenario::parse("short", SHORT).expect("a scenario");
    let mut asked = Asked::default();
    asked.log.recording = true;
    let outcome = run(&scenario, Seed(4), asked);
    assert!(outcome.found.is_none(), "{:?}", outcome.found);
    (outcome.recording.expect("it was asked for"), outcome.summary.fingerprint)
}

fn written(recording: &Recording) -> Vec<u8> {
    let mut bytes = Vec::new();
    recording.write(&mut bytes).expect("memory takes it");
    bytes
}

/// The place of an effect of this kind somewhere in the middle.
fn place(recording: &Recording, is: impl Fn(&Effect) -> bool) -> usize {
    let wants = recording.0.iter().enumerate().filter_map(|(at, entry)| match &entry.what {
        What::Wants(Wanted::Live(effect)) if is(effect) => Some(at),
        _ => None,
    });
    let places: Vec<usize> = wants.collect();
    places[places.len() / 2]
}

#[test]
fn machines_want_the_same_again_and_a_file_holds_all_that_it_takes() {
    let (recording, fingerprint) = recorded();
    let scenario = Scenario::parse("short", SHORT).unwrap();
    let plain = run(&scenario, Seed(4), Asked::default());
    assert_eq!(plain.summary.fingerprint, fingerprint, "a recording changes nothing");
    let same = conform(&recording).unwrap();
    assert!(same.lives > 5 && same.inputs > 2_000 && same.effects > same.inputs, "{same:?}");
    let roles = |is: fn(&Beginning) -> bool| {
        recording.0.iter().any(|entry| matches!(&entry.what, What::Begins(b) if is(b)))
    };
    assert!(roles(|b| matches!(b, Beginning::Master(..))));
    assert!(roles(|b| matches!(b, Beginning::Chunkserver(..))));
    assert!(roles(|b| matches!(b, Beginning::Client(..))));
    let read = Recording::read(&mut &written(&recording)[..]).unwrap();
    assert_eq!(conform(&read).unwrap(), same);
    assert_eq!(written(&read), written(&recording), "what is read and written again is the same");
}

#[test]
fn one_effect_that_is_another_is_found_with_its_node_and_input() {
    let (mut recording, _) = recorded();
    let at = place(&recording, |effect| matches!(effect, Effect::Send(_)));
    let What::Wants(Wanted::Live(Effect::Send(envelope))) = &mut recording.0[at].what else {
        unreachable!("looked for above")
    };
    envelope.to = NodeId(envelope.to.0 ^ 1);
    for recording in [recording.clone(), Recording::read(&mut &written(&recording)[..]).unwrap()] {
        let difference = conform(&recording).unwrap_err();
        assert_eq!((difference.number, difference.node), (at + 1, recording.0[at].node));
        assert_eq!(difference.now, recording.0[at].now);
        let (expected, got) =
            (difference.expected.clone().unwrap(), difference.got.clone().unwrap());
        assert_ne!(expected, got);
        assert!(got.starts_with("Send(") && difference.to_string().contains(&got), "{difference}");
    }
}

#[test]
fn effects_that_are_missing_or_too_many_are_found() {
    let (recording, _) = recorded();
    let at = place(&recording, |effect| matches!(effect, Effect::Observe(Event::Applied { .. })));
    let mut missing = recording.clone();
    missing.0.remove(at);
    assert!(conform(&missing).unwrap_err().got.unwrap().contains("Applied"));
    let mut doubled = recording.clone();
    doubled.0.insert(at, recording.0[at].clone());
    assert!(conform(&doubled).unwrap_err().expected.unwrap().contains("Applied"));
    let mut unasked = recording;
    let first = unasked.0.iter().position(|entry| matches!(entry.what, What::Takes(_))).unwrap();
    let node = unasked.0[first].node;
    unasked.0.retain(|entry| entry.node != node || !matches!(entry.what, What::Begins(_)));
    let difference = conform(&unasked).unwrap_err();
    assert_eq!((difference.node, difference.expected.as_deref()), (node, Some("a beginning")));
}

#[test]
fn a_file_that_is_damaged_or_something_else_is_refused() {
    let (recording, _) = recorded();
    let bytes = written(&Recording(recording.0[..20].to_vec()));
    let read = |bytes: &[u8]| Recording::read(&mut &bytes[..]);
    assert_eq!(read(&bytes).unwrap().0.len(), 20);
    for old in ["leasehold tape 1\n", "leasehold recording 1\n"] {
        let old = [old.as_bytes(), &bytes["leasehold recording 3\n".len()..]].concat();
        assert!(matches!(read(&old), Err(RecordingError::OtherLayout)));
    }
    let before = [b"leasehold recording 2\n", &bytes["leasehold recording 3\n\n".len()..]].concat();
    assert_eq!(read(&before).unwrap().0.len(), 20, "the layout before said nothing of its build");
    assert!(matches!(read(b"something else, and long enough"), Err(RecordingError::NotARecording)));
    let mut damaged = bytes.clone();
    let end = bytes.len() - 16;
    damaged[end - 1] ^= 1;
    assert!(matches!(read(&damaged), Err(RecordingError::Damaged { number: 20 })));
    // Wherever it is cut, also between two entries, it is not whole.
    for cut in (22..bytes.len()).step_by(7).chain([end - 1, end, end + 1, bytes.len() - 1]) {
        let is_short = matches!(read(&bytes[..cut]), Err(RecordingError::CutShort { .. }));
        assert!(is_short, "cut to {cut} of {} bytes", bytes.len());
    }
    assert!(matches!(read(&bytes[..end]), Err(RecordingError::CutShort { entries: 20 })));
    let longer = [&bytes[..], b"more"].concat();
    assert!(matches!(read(&longer), Err(RecordingError::TooLong)));
    let other = written(&Recording(recording.0[..19].to_vec()));
    let spliced = [&other[..other.len() - 16], &bytes[end..]].concat();
    assert!(matches!(read(&spliced), Err(RecordingError::Damaged { number: 20 })));
}
