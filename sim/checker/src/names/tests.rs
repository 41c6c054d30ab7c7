//! The specification, call by call, beside the master's own state: two that were written apart
//! agree on random calls.

use super::*;
use crate::linearizability::Object;
use leasehold_proto::metadata::FileSpec;
use leasehold_proto::{Caller, Command, Epoch, IoId, LogEntry, MasterState, NodeId, OpId};

fn change(change: MetadataChange, answer: Option<Result<MetadataAnswer, Refusal>>) -> NamesOp {
    NamesOp { asked: Asked::Change(change), answer, tells_news: false }
}

fn mkdir(path: &str) -> MetadataChange {
    MetadataChange::Mkdir { path: path.into(), mode: 0o755 }
}

#[test]
fn a_move_takes_everything_along_and_is_undone() {
    let mut names = Names::default();
    for path in ["/a", "/a/b", "/a/b/c", "/ab"] {
        assert!(names.apply(&change(mkdir(path), None)).is_some());
    }
    let before = (names.nodes.clone(), names.key());
    let rename = MetadataChange::Rename {
        from: "/a".into(),
        to: "/z".into(),
        this: None,
        no_replace: false,
    };
    let undo = names.apply(&change(rename, Some(Ok(MetadataAnswer::Done)))).unwrap();
    assert_eq!(names.nodes.keys().collect::<Vec<_>>(), ["/ab", "/z", "/z/b", "/z/b/c"]);
    names.undo(undo);
    assert_eq!((names.nodes.clone(), names.key()), before);
}

/// A create without an answer may have made any file: a change that means one by its identity may find it
/// there, and may not.
#[test]
fn a_node_of_unknown_identity_may_be_another() {
    let create = |path: &str| {
        let (path, spec) = (path.into(), FileSpec::default());
        MetadataChange::Create { path, spec, mode: 0o644 }
    };
    let delete = |answer| {
        let this = Some(FileId(7));
        change(MetadataChange::Delete { path: "/a".into(), this }, Some(answer))
    };
    let mut names = Names::default();
    assert!(names.apply(&change(create("/a"), None)).is_some());
    let before = names.key();
    assert!(names.apply(&delete(Err(Refusal::NotFound))).is_some());
    assert_eq!(names.key(), before);
    let undo = names.apply(&delete(Ok(MetadataAnswer::Done))).unwrap();
    names.undo(undo);
    assert!(names.apply(&delete(Err(Refusal::IsADirectory))).is_none());
    let plain = MetadataChange::Delete { path: "/a".into(), this: None };
    assert!(names.apply(&change(plain, Some(Err(Refusal::NotFound)))).is_none());
}

#[test]
fn an_id_that_was_news_stays() {
    let mut names = Names::default();
    assert!(names.apply(&change(mkdir("/a"), None)).is_some());
    let stat = |file: u64| {
        let kind = FileKind::Directory;
        let info = FileInfo::new(FileId(file), kind, 0);
        let asked = Asked::Query(MetadataQuery::Stat { path: "/a".into() });
        NamesOp { asked, answer: Some(Ok(MetadataAnswer::File(info))), tells_news: true }
    };
    let key = names.key();
    let undo = names.apply(&stat(7)).unwrap();
    assert!(names.apply(&stat(8)).is_none());
    assert!(names.apply(&stat(7)).is_some());
    names.undo(undo);
    assert_eq!(names.key(), key);
    assert!(names.apply(&stat(8)).is_some());
}

/// Random calls on few names, each answered by the master's state and judged by this one.
#[test]
fn the_master_answers_as_specified() {
    let mut seed = 42;
    let mut dice = |sides: u64| {
        seed = spread(seed);
        seed % sides
    };
    let mut state = MasterState::new(100);
    let mut names = Names::default();
    let mut refused = 0;
    for number in 1..=30_000_u64 {
        let mut path = || {
            let parts = 1 + dice(3);
            let text: String = (0..parts)
                .map(|_| format!("/{}", ["a", "b", "c", "ab"][dice(4) as usize]))
                .collect();
            match dice(40) {
                0 => "/".to_owned(),
                1 => "/a//b".to_owned(),
                _ => text,
            }
        };
        let (path, to) = (path(), path());
        let asked = match dice(10) {
            0..=2 => Asked::Change(MetadataChange::Create {
                path: path.into(),
                spec: FileSpec::default(),
                mode: 0o644,
            }),
            3..=4 => Asked::Change(mkdir(&path)),
            5 => Asked::Change(MetadataChange::Rename {
                from: path.into(),
                to: to.into(),
                this: None,
                no_replace: false,
            }),
            6..=7 => Asked::Change(MetadataChange::Delete { path: path.into(), this: None }),
            8 => Asked::Query(MetadataQuery::Stat { path: path.into() }),
            _ => Asked::Query(MetadataQuery::List {
                path: path.into(),
                after: (dice(2) == 0).then(|| "ab".into()),
            }),
        };
        let answer = answered(&mut state, number, &asked);
        refused += u64::from(answer.is_err());
        let op = NamesOp { asked, answer: Some(answer), tells_news: false };
        assert!(names.apply(&op).is_some(), "{number}: {op:?} in {:?}", names.nodes);
    }
    assert!((5_000..25_000).contains(&refused), "{refused} refused");
}

fn answered(
    state: &mut MasterState,
    number: u64,
    asked: &Asked,
) -> Result<MetadataAnswer, Refusal> {
    use leasehold_proto::tables::Consequence;
    match asked {
        Asked::Query(MetadataQuery::Stat { path }) => {
            state.inodes().stat(path, &Caller::default()).map(MetadataAnswer::File)
        }
        Asked::Query(MetadataQuery::List { path, after }) => {
            let (entries, more) =
                state.inodes().list(path, &Caller::default(), after.as_ref(), 3)?;
            Ok(MetadataAnswer::List { entries, more })
        }
        Asked::Query(other) => panic!("not asked here: {other:?}"),
        Asked::Change(change) => {
            let op = OpId { client: NodeId(9), number };
            let command = Command::Change {
                caller: Box::default(),
                op,
                acked_below: number,
                change: change.clone(),
            };
            let entry = LogEntry { epoch: Epoch(0), proposal: IoId(0), command };
            match state.apply(state.applied().next(), &entry).pop() {
                Some(Consequence::Answered { answer, .. }) => answer,
                other => panic!("a change ended with {other:?}"),
            }
        }
    }
}
