//! The grammar reaches what it is for.

use super::*;
use crate::draw::testing::Steps;
use leasehold_proto::{FileId, Refusal};
use std::collections::BTreeSet;

fn limits() -> Limits {
    Limits {
        mutation_bytes_max: 1_024,
        block_bytes: 512,
        chunk_bytes: vec![2_048, 1, 513, 1_000],
        any_replicas: true,
        replicas: 3,
        replicas_max: 16,
        files_max: 6,
        chunks_max: 4,
    }
}

/// Draws against a cluster that carries everything out that it is able to.
fn requests(seed: u64, count: u64) -> (Vec<Request>, Grammar) {
    let mut steps = Steps(seed);
    let mut grammar = Grammar::new(limits(), &mut steps);
    let requests = (0..count).map(|number| {
        let request = grammar.draw(&mut steps);
        let result = match &request {
            Request::Change(MetadataChange::Create { spec, .. })
                if spec.chunk_bytes == 0 || spec.replicas == 0 =>
            {
                Err(OpError::Refused(Refusal::Invalid(String::new())))
            }
            Request::Change(MetadataChange::Create { spec, .. }) => {
                let kind = FileKind::File(*spec);
                let file = FileId(number + 2);
                let info = FileInfo::new(file, kind, 0);
                Ok(Outcome::Metadata(MetadataAnswer::File(info)))
            }
            Request::Change(MetadataChange::Mkdir { .. }) => {
                let (file, kind) = (FileId(number + 2), FileKind::Directory);
                let info = FileInfo::new(file, kind, 0);
                Ok(Outcome::Metadata(MetadataAnswer::File(info)))
            }
            Request::Change(_) => Ok(Outcome::Metadata(MetadataAnswer::Done)),
            Request::Query(_) => Err(OpError::Refused(Refusal::NotFound)),
            Request::Data(data) => Ok(Outcome::Written {
                index: data.index,
                extent: leasehold_proto::Extent::new(data.offset, data.length),
            }),
        };
        grammar.settle(&request, &result);
        request
    });
    let requests = requests.collect();
    (requests, grammar)
}

#[test]
fn seeds_draw_every_kind_and_every_share() {
    let mut shares = Shares::default();
    let mut kinds = BTreeSet::new();
    for seed in 1..=60 {
        let (requests, grammar) = requests(seed, 200);
        shares.add(grammar.shares());
        kinds.extend(requests.iter().map(|request| match request {
            Request::Change(MetadataChange::Create { .. }) => "create",
            Request::Change(MetadataChange::Mkdir { .. }) => "mkdir",
            Request::Change(MetadataChange::Rename { .. }) => "rename",
            Request::Change(MetadataChange::Delete { .. }) => "delete",
            Request::Change(MetadataChange::MakeSpecial { .. }) => "special",
            Request::Change(MetadataChange::Link { .. }) => "link",
            Request::Change(MetadataChange::Exchange { .. }) => "exchange",
            Request::Change(MetadataChange::SetAttributes { .. }) => "attributes",
            Request::Change(MetadataChange::SetXattr { .. }) => "set xattr",
            Request::Change(MetadataChange::RemoveXattr { .. }) => "remove xattr",
            Request::Query(MetadataQuery::Resolve { .. }) => "resolve",
            Request::Query(MetadataQuery::ReadLink { .. }) => "read link",
            Request::Query(MetadataQuery::Xattr { .. } | MetadataQuery::Xattrs { .. }) => "xattr",
            Request::Change(MetadataChange::AddChunk { .. }) => "add chunk",
            Request::Change(MetadataChange::Truncate { .. }) => "truncate step",
            Request::Change(MetadataChange::SetConstants { .. }) => "set constants",
            Request::Change(MetadataChange::Restore { .. }) => "restore",
            Request::Change(MetadataChange::EmptyTrash { .. }) => "empty trash",
            Request::Change(MetadataChange::ForgetServer { .. }) => "forget server",
            Request::Query(MetadataQuery::List { .. }) => "list",
            Request::Query(MetadataQuery::Stat { .. }) => "stat",
            Request::Query(MetadataQuery::StatFile { .. }) => "stat file",
            Request::Query(_) => "status",
            Request::Data(Data { kind: DataKind::Write, .. }) => "write",
            Request::Data(Data { kind: DataKind::Append, .. }) => "append",
            Request::Data(Data { kind: DataKind::Read(_), .. }) => "read",
            Request::Data(Data { kind: DataKind::Truncate, .. }) => "truncate",
            Request::Data(Data { kind: DataKind::Lock { kind: Some(_), .. }, .. }) => "lock",
            Request::Data(Data { kind: DataKind::Lock { kind: None, .. }, .. }) => "unlock",
            Request::Change(
                MetadataChange::BeginSession
                | MetadataChange::Lock { .. }
                | MetadataChange::Unlock { .. },
            ) => "by the client itself",
        }));
    }
    assert_eq!(kinds.len(), 24, "{kinds:?}");
    for name in
        ["refused", "replaced", "nested", "directories moved", "of inodes", "of unnamed files"]
    {
        assert!(shares.counts().get(name).is_some_and(|count| *count > 20), "{name}: {shares}");
    }
}

#[test]
fn writes_end_at_and_beyond_the_end_of_a_chunk() {
    let (mut at, mut beyond, mut longest) = (0, 0, 0);
    for seed in 1..=60 {
        for request in requests(seed, 200).0 {
            let Request::Data(data) = request else { continue };
            let end = data.offset + data.length;
            let chunk = data.of.spec.chunk_bytes;
            match data.kind {
                DataKind::Write if end == chunk && data.length > 0 => at += 1,
                DataKind::Write if end == chunk + 1 => beyond += 1,
                DataKind::Append if data.length == chunk / 4 + 1 => longest += 1,
                _ => {}
            }
        }
    }
    assert!(at > 50 && beyond > 20 && longest > 20, "{at} {beyond} {longest}");
}

/// Names that are no text are requested as the bytes that they are printed for.
#[test]
fn a_printed_name_is_read_back() {
    use super::names::name_of;
    for bytes in [&b"a\xff\xfe"[..], b"a\\x5c", "é".as_bytes(), b"a b", b"..."] {
        let name = Name::from(bytes);
        assert_eq!(name_of(&name.to_string()), name);
    }
}

#[test]
fn data_is_requested_about_as_often_as_without_inodes() {
    let (mut data, mut all) = (0, 0);
    for seed in 1..=200 {
        let requests = requests(seed, 100).0;
        all += requests.len();
        data += requests.iter().filter(|request| matches!(request, Request::Data(_))).count();
    }
    // Without: 61 of a hundred.
    assert!(data * 100 > all * 45, "{data} of {all}");
}
