//! Peers that answer anything to anything: the client ends everything and holds its invariants.

use super::*;
use crate::file::{CHUNK_BYTES_MAX, FileCall, FileOutcome, Part};
use crate::ids::FileHandle;
use crate::metadata::{ClusterStatus, ConstantsStatus};
use crate::tables::ChunkRef;
use alloc::boxed::Box;

/// A stream of draws.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        (self.0 >> 33) % sides
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len() as u64) as usize].clone()
    }

    /// A number at any edge.
    fn any(&mut self) -> u64 {
        let edges = [0, 1, 3, 4, 64, 1 << 26, CHUNK_BYTES_MAX, crate::ids::COUNTED_MAX, u64::MAX];
        self.pick(&edges)
    }
}

/// An answer of each kind, with the values of `dice`.
fn answers(dice: &mut Dice) -> Vec<MetadataAnswer> {
    let spec = FileSpec { chunk_bytes: dice.any(), ..FileSpec::default() };
    let info = FileInfo::new(FILE, FileKind::File(spec), dice.roll(3));
    let many = FileInfo::new(FILE, FileKind::File(FileSpec::default()), dice.any() >> 2);
    let directory = FileInfo::new(FILE, FileKind::Directory, 0);
    let unplaced = Location { members: vec![], primary: None, ..location(0, dice.any(), S1) };
    let constants = ConstantsStatus {
        version: crate::ids::ConstantsVersion(1),
        values: crate::agreed::ClusterConstants::of(&Constants::default()),
        changes_from: None,
        leases_end_within: None,
        behind: vec![],
        silent: vec![],
    };
    vec![
        MetadataAnswer::Done,
        MetadataAnswer::File(info.clone()),
        MetadataAnswer::File(many),
        MetadataAnswer::File(directory),
        MetadataAnswer::List { entries: vec![("a".to_string().into(), info)], more: true },
        MetadataAnswer::Chunk(ChunkHandle(dice.any())),
        MetadataAnswer::Location(location(dice.roll(3), dice.roll(6), S1)),
        MetadataAnswer::Location(unplaced),
        MetadataAnswer::Chunks { chunks: vec![], next: None },
        MetadataAnswer::Status(Box::default()),
        MetadataAnswer::Constants(Box::new(constants)),
        MetadataAnswer::SafeMode(None),
        MetadataAnswer::Bytes(Box::default()),
        MetadataAnswer::Xattrs(vec![]),
        MetadataAnswer::Truncated {
            chunks: dice.roll(4),
            epoch: dice.any(),
            behind: (0..dice.roll(3))
                .map(|n| ChunkRef { index: n + dice.roll(9), chunk: ChunkHandle(dice.roll(200)) })
                .collect(),
        },
    ]
}

fn refusals(dice: &mut Dice) -> Vec<Refusal> {
    let number = dice.roll(200);
    vec![
        Refusal::NotFound,
        Refusal::NotLeader { leader: Some(M2) },
        Refusal::NotLeader { leader: Some(NodeId(dice.any())) },
        Refusal::Sealed,
        Refusal::Retired,
        Refusal::Overtaken,
        Refusal::Busy,
        Refusal::NotNextChunk { chunks: dice.roll(4) },
        Refusal::NoSpace,
        Refusal::Forgotten,
        Refusal::Lost,
        Refusal::NotPrimary,
        Refusal::IsADirectory,
        Refusal::TooLarge { bytes_max: dice.any() },
        Refusal::PerhapsForgotten { below: number },
        Refusal::Stale { promised: ChunkVersion(dice.any()) },
    ]
}

/// What an honest peer would say, as far as the test knows.
fn right(request: &MasterRequest, dice: &mut Dice) -> MetadataAnswer {
    match request {
        MasterRequest::Query(MetadataQuery::Locate { index, .. }) => {
            MetadataAnswer::Location(location(*index, dice.roll(6), S1))
        }
        MasterRequest::Query(MetadataQuery::Status) => {
            MetadataAnswer::Status(Box::<ClusterStatus>::default())
        }
        MasterRequest::Change(MetadataChange::AddChunk { .. }) => {
            MetadataAnswer::Chunk(ChunkHandle(100))
        }
        MasterRequest::Query(_) | MasterRequest::Change(_) => {
            let spec = FileSpec { chunk_bytes: 64, ..FileSpec::default() };
            MetadataAnswer::File(FileInfo::new(FILE, FileKind::File(spec), dice.roll(3)))
        }
    }
}

const BYTES: &[u8] = &[7; 200];

fn answer(message: &Message, dice: &mut Dice) -> Message {
    let (honest, good) = (dice.roll(3) > 0, dice.roll(2) == 0);
    let refusals = refusals(dice);
    let refusal = dice.pick(&refusals);
    match message {
        Message::Call(call::Request { op, request, .. }) => {
            let any = answers(dice);
            let answer = if honest { right(request, dice) } else { dice.pick(&any) };
            let answer = if good { Ok(answer) } else { Err(refusal) };
            Message::CallReply(call::Reply { op: *op, answer })
        }
        Message::Data(data::Request::Mutate(m)) => {
            let honest = Extent::new(m.offset, m.payload.len());
            let place = if good { honest } else { Extent::new(dice.any(), dice.any()) };
            let result = if dice.roll(3) > 0 { Ok(place) } else { Err(refusal) };
            let (op, chunk) = (m.op, m.chunk);
            // Also of another kind than what was requested.
            if dice.roll(8) == 0 {
                let (result, payload) = (Ok(4), payload(b"data"));
                return data::ReadReply { op, chunk, result, payload }.into();
            }
            data::Mutated { op, chunk, result }.into()
        }
        Message::Data(data::Request::Read(m)) => {
            let length = if honest { m.extent.length.min(200) } else { dice.roll(201) };
            let bytes = Bytes::from_static(&BYTES[..length as usize]);
            let length = if honest { 64 } else { dice.any() };
            let result = if good { Ok(length) } else { Err(refusal) };
            let (op, chunk, payload) = (m.op, m.chunk, Payload::new(bytes, 7));
            if dice.roll(8) == 0 {
                return data::Mutated { op, chunk, result: Ok(EXTENT) }.into();
            }
            data::ReadReply { op, chunk, result, payload }.into()
        }
        other => panic!("a client says nothing else: {other:?}"),
    }
}

enum Wanted {
    Operation(Operation),
    Call(FileCall),
}

fn wanted(dice: &mut Dice, handles: &[FileHandle]) -> Wanted {
    let index = dice.roll(3);
    let path = "/f".to_string();
    let mode = dice.pick(&[ReadMode::Strong, ReadMode::Relaxed]);
    let (offset, length) = (dice.roll(150), 1 + dice.roll(150));
    let handle = if handles.is_empty() { FileHandle(1) } else { dice.pick(handles) };
    // Cut as files of 64 bytes in a chunk are.
    let cut = crate::file::Cut { chunk_bytes: 64, piece_bytes: 64 };
    let piece = |p: crate::file::Piece| payload(&BYTES[..p.length as usize]);
    let spec = FileSpec::default();
    match dice.roll(16) {
        0 => Wanted::Operation(Operation::Change(delete())),
        1 => Wanted::Operation(write(index)),
        2 => Wanted::Operation(append()),
        3 => Wanted::Operation(read(mode)),
        4 => Wanted::Operation(Operation::Query(MetadataQuery::Status)),
        5 => Wanted::Operation(Operation::Query(MetadataQuery::Stat { path: path.into() })),
        6 => Wanted::Operation(Operation::Query(MetadataQuery::SafeMode)),
        7 => Wanted::Call(FileCall::Open { path: path.into() }),
        8 => Wanted::Call(FileCall::Create { path: path.into(), spec, mode: 0o644 }),
        9 | 10 => Wanted::Call(FileCall::Read { handle, offset, length, mode }),
        11 => {
            let pieces = cut.pieces(offset, length).map(piece).collect();
            Wanted::Call(FileCall::Write { handle, offset, pieces })
        }
        12 => Wanted::Call(FileCall::Append { handle, payload: payload(b"abc") }),
        13 | 14 => Wanted::Call(FileCall::Truncate { handle, length: offset }),
        _ => Wanted::Call(FileCall::Length { handle }),
    }
}

#[test]
fn survives_peers_that_answer_anything() {
    let mut ended_well = 0;
    for seed in 0..400_u64 {
        let (mut bench, mut dice) = (Bench::new(), Dice(seed));
        let (mut open, mut handles) = (Vec::new(), Vec::new());
        for _ in 0..400 {
            match dice.roll(8) {
                0 if bench.requests < 40 => {
                    match wanted(&mut dice, &handles) {
                        Wanted::Operation(op) => bench.request(op),
                        Wanted::Call(call) => bench.call(call),
                    };
                }
                1 if bench.client.next_deadline().is_some() => bench.wake(),
                _ => {}
            }
            handles.extend(bench.answers.iter().filter_map(|(_, result)| match result {
                Ok(Outcome::File(FileOutcome::Opened { handle, .. })) => Some(*handle),
                _ => None,
            }));
            open.extend(bench.sent.drain(..));
            if open.is_empty() {
                continue;
            }
            // Any earlier message, so that answers come late and more than once.
            let (to, message) = dice.pick(&open);
            let answer = answer(&message, &mut dice);
            bench.deliver(to, answer);
        }
        while bench.client.next_deadline().is_some() {
            bench.wake();
            bench.sent.clear();
        }
        assert_eq!(bench.answers.len() as u64, bench.requests, "seed {seed}: each ends once");
        let ids: BTreeSet<RequestId> = bench.answers.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids.len(), bench.answers.len(), "seed {seed}");
        ended_well += bench.answers.iter().filter(|(_, result)| is_sound(result)).count();
        bench.answers.clear();
        bench.assert_idle();
    }
    assert!(ended_well > 1_000, "peers also say what is right: {ended_well}");
}

/// It ended well, and what it gives is no more than what was requested.
fn is_sound(result: &Result<Outcome, OpError>) -> bool {
    if let Ok(Outcome::File(FileOutcome::Read(parts))) = result {
        assert!(parts.iter().map(Part::len).sum::<u64>() <= 150);
    }
    result.is_ok()
}

/// Every kind of answer to every kind of request: only those that fit end it.
#[test]
fn an_answer_of_another_kind_is_dropped() {
    let path = || "/f".to_string();
    let requests = [
        (Operation::Change(MetadataChange::Mkdir { path: path().into(), mode: 0o755 }), "File"),
        (Operation::Change(MetadataChange::Delete { path: path().into(), this: None }), "Done"),
        (Operation::Change(MetadataChange::ForgetServer { node: S1 }), "Done"),
        (Operation::Change(MetadataChange::SetConstants { settings: vec![] }), "Done"),
        (Operation::Change(add_chunk(0, 0)), "Chunk"),
        (Operation::Query(MetadataQuery::Stat { path: path().into() }), "File"),
        (Operation::Change(MetadataChange::Link { from: path().into(), to: "/g".into() }), "File"),
        (
            Operation::Change(MetadataChange::Exchange { from: path().into(), to: "/g".into() }),
            "Done",
        ),
        (
            Operation::Change(MetadataChange::Truncate {
                file: FILE,
                length: 0,
                retired: Vec::new(),
            }),
            "Truncated",
        ),
        (Operation::Query(MetadataQuery::Resolve { path: path().into() }), "File"),
        (Operation::Query(MetadataQuery::ReadLink { path: path().into() }), "Bytes"),
        (Operation::Query(MetadataQuery::Xattrs { path: path().into() }), "Xattrs"),
        (Operation::Query(MetadataQuery::StatFile { file: FILE }), "File"),
        (Operation::Query(MetadataQuery::List { path: path().into(), after: None }), "List"),
        (Operation::Query(locate(0, false, None)), "Location"),
        (Operation::Query(MetadataQuery::Chunks { from: ChunkHandle(0) }), "Chunks"),
        (Operation::Query(MetadataQuery::Status), "Status"),
        (Operation::Query(MetadataQuery::Constants), "Constants"),
        (Operation::Query(MetadataQuery::SafeMode), "SafeMode"),
        (Operation::Query(MetadataQuery::LeaveSafeMode), "SafeMode"),
    ];
    for (op, kind) in requests {
        for answer in (0..20).flat_map(|seed| answers(&mut Dice(seed))) {
            let mut bench = Bench::new();
            bench.request(op.clone());
            let (_, asked, ..) = bench.asked();
            bench.tell(asked, Ok(answer.clone()));
            let name = alloc::format!("{answer:?}");
            let name = name.split(|c: char| !c.is_alphanumeric()).next().unwrap();
            let sound = match &answer {
                MetadataAnswer::File(info) => is_possible(info.kind),
                MetadataAnswer::List { entries, .. } => is_possible(entries[0].1.kind),
                _ => true,
            };
            assert_eq!(bench.answers.len(), usize::from(name == kind && sound), "{op:?}: {name}");
        }
    }
}

/// Can a master have made it?
fn is_possible(kind: FileKind) -> bool {
    match kind {
        FileKind::File(spec) => (1..=CHUNK_BYTES_MAX).contains(&spec.chunk_bytes),
        _ => true,
    }
}
