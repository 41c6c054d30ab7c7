use super::*;
use crate::agreed::ClusterConstants;
use crate::attributes::Attributes;
use crate::config::Constants;
use crate::ids::{Incarnation, IoId, Rack, Session};
use crate::log::Member;
use crate::metadata::{FileKind, FileSpec};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;

mod owners;
mod paths;

const CLIENT: NodeId = NodeId(900);

/// A state with its log, one client and a leader.
struct Log {
    state: MasterState,
    number: u64,
}

fn new_leader(node: NodeId) -> Command {
    let mut constants = ClusterConstants::of(&Constants::default());
    constants.remembered_clients_max = 4;
    Command::NewLeader { node, constants: Box::new(constants) }
}

impl Log {
    fn new() -> Self {
        let mut log = Log { state: MasterState::new(4), number: 0 };
        log.entry(Epoch(0), new_leader(NodeId(1)));
        log
    }

    fn entry(&mut self, epoch: Epoch, command: Command) -> Vec<Consequence> {
        let entry = LogEntry { epoch, proposal: IoId(0), command };
        let consequences = self.state.apply(self.state.applied.next(), &entry);
        self.state.assert_invariants();
        consequences
    }

    fn apply(&mut self, command: Command) -> Vec<Consequence> {
        self.entry(self.state.epoch, command)
    }

    fn change_as(
        &mut self,
        number: u64,
        acked_below: u64,
        change: MetadataChange,
    ) -> Vec<Consequence> {
        let op = OpId { client: CLIENT, number };
        self.apply(Command::Change { caller: Caller::root(5).into(), op, acked_below, change })
    }

    fn change(&mut self, change: MetadataChange) -> Result<MetadataAnswer, Refusal> {
        self.number += 1;
        answer_of(self.change_as(self.number, self.number, change))
    }

    fn create(&mut self, path: &str) -> Result<FileId, Refusal> {
        self.change(create(path)).map(|answer| file_of(&answer))
    }

    fn mkdir(&mut self, path: &str) -> Result<FileId, Refusal> {
        let path = path.to_string();
        self.change(MetadataChange::Mkdir { path: path.into(), mode: 0o755 })
            .map(|answer| file_of(&answer))
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<MetadataAnswer, Refusal> {
        self.rename_if(from, to, None, false)
    }

    fn rename_if(
        &mut self,
        from: &str,
        to: &str,
        this: Option<FileId>,
        no_replace: bool,
    ) -> Result<MetadataAnswer, Refusal> {
        let (from, to) = (from.to_string(), to.to_string());
        self.change(MetadataChange::Rename { from: from.into(), to: to.into(), this, no_replace })
    }

    fn delete(&mut self, path: &str) -> Result<MetadataAnswer, Refusal> {
        self.change(MetadataChange::Delete { path: path.into(), this: None })
    }

    fn add_chunk(&mut self, file: FileId, index: u64) -> Result<ChunkHandle, Refusal> {
        let answer =
            self.change(MetadataChange::AddChunk { file, index, slots: index, epoch: 0 })?;
        let MetadataAnswer::Chunk(chunk) = answer else { panic!("a chunk: {answer:?}") };
        Ok(chunk)
    }

    fn configure(
        &mut self,
        chunk: ChunkHandle,
        base: u64,
        version: u64,
        on: &[u64],
    ) -> Vec<Consequence> {
        let (base, version) = (ChunkVersion(base), ChunkVersion(version));
        self.apply(Command::Configure { chunk, base, version, members: members(on) })
    }
}

fn members(on: &[u64]) -> Vec<Member> {
    on.iter().map(|node| Member { node: NodeId(*node), incarnation: Incarnation(1) }).collect()
}

fn configured(chunk: ChunkHandle, base: u64, version: u64, on: &[u64]) -> [Consequence; 1] {
    let (base, version) = (ChunkVersion(base), ChunkVersion(version));
    [Consequence::Configured { chunk, base, version, members: members(on) }]
}

fn create(path: &str) -> MetadataChange {
    MetadataChange::Create { path: path.into(), spec: FileSpec::default(), mode: 0o644 }
}

/// The answer comes last.
fn answer_of(mut consequences: Vec<Consequence>) -> Result<MetadataAnswer, Refusal> {
    match consequences.pop() {
        Some(Consequence::Answered { answer, .. }) => answer,
        other => panic!("a change ends with an answer: {other:?}"),
    }
}

const IGNORED: [Consequence; 1] = [Consequence::Ignored];

fn file_of(answer: &MetadataAnswer) -> FileId {
    match answer {
        MetadataAnswer::File(info) => info.file,
        other => panic!("a file: {other:?}"),
    }
}

#[test]
fn entries_of_another_epoch_are_ignored() {
    let mut log = Log::new();
    assert_eq!(log.state.epoch, Epoch(1));
    let change = Command::Change {
        caller: Caller::root(5).into(),
        op: OpId { client: CLIENT, number: 1 },
        acked_below: 1,
        change: create("/a"),
    };
    assert_eq!(log.entry(Epoch(0), change.clone()), IGNORED);
    let (epoch, node, proposal) = (Epoch(3), NodeId(2), IoId(0));
    let begun = [Consequence::LeaderBegan { epoch, node, proposal }];
    assert_eq!(log.apply(new_leader(node)), begun);
    assert_eq!(log.entry(Epoch(1), change.clone()), IGNORED);
    assert_eq!(log.state.stat("/a"), Err(Refusal::NotFound));
    // An ignored entry leaves no answer behind: the retry under the new epoch runs.
    assert!(answer_of(log.entry(Epoch(3), change)).is_ok());
}

#[test]
#[should_panic(expected = "in order")]
fn a_gap_in_the_log_is_our_fault() {
    let entry = LogEntry {
        epoch: Epoch(0),
        proposal: IoId(0),
        command: Command::Purge { file: FileId(9) },
    };
    let _ = MasterState::new(4).apply(LogIndex(2), &entry);
}

#[test]
fn a_life_joins_once() {
    let mut log = Log::new();
    let node = NodeId(10);
    let mut join = |incarnation, session| {
        let (incarnation, session) = (Incarnation(incarnation), Session(session));
        log.apply(Command::Join { node, incarnation, session, rack: Rack(0) })
    };
    let joined = |incarnation, rejoined| {
        let (incarnation, rack) = (Incarnation(incarnation), Rack(0));
        [Consequence::Joined { node, incarnation, rack, rejoined }]
    };
    let refused =
        |incarnation| [Consequence::JoinRefused { node, incarnation: Incarnation(incarnation) }];
    assert_eq!(join(3, 77), joined(3, false));
    assert_eq!(join(3, 77), joined(3, true));
    assert_eq!(join(3, 78), refused(3), "a second process on a cloned disk");
    assert_eq!(join(2, 77), refused(2), "a life that ended");
    assert_eq!(join(4, 79), joined(4, false));
    assert_eq!(join(3, 77), refused(3));
    assert_eq!(log.state.servers.get(node).unwrap().session, Session(79));
}

#[test]
fn a_retry_gets_the_first_answer() {
    let mut log = Log::new();
    let answer = answer_of(log.change_as(1, 1, create("/a"))).unwrap();
    assert_eq!(log.change_as(2, 1, create("/a")), changed(2, Err(Refusal::AlreadyExists)));
    log.delete_as(3, "/a");
    assert_eq!(log.change_as(1, 1, create("/a")), changed(1, Ok(answer)));
    assert_eq!(log.state.stat("/a"), Err(Refusal::NotFound), "the retry made nothing");
    assert_eq!(
        log.change_as(2, 1, create("/a")),
        changed(2, Err(Refusal::AlreadyExists)),
        "a refusal is an answer too"
    );
    // The watermark moves above 1 and 2: their answers go, and so does the chance to repeat them.
    log.change_as(4, 3, create("/b"));
    assert_eq!(log.state.sessions.remembered(CLIENT).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(log.change_as(1, 1, create("/a")), changed(1, Err(Refusal::Forgotten)));
    assert_eq!(log.state.stat("/a"), Err(Refusal::NotFound));
}

impl Log {
    fn delete_as(&mut self, number: u64, path: &str) {
        self.change_as(number, 1, MetadataChange::Delete { path: path.into(), this: None });
    }
}

fn changed(number: u64, answer: Result<MetadataAnswer, Refusal>) -> [Consequence; 1] {
    let op = OpId { client: CLIENT, number };
    [Consequence::Answered { op, answer }]
}

#[test]
fn the_client_silent_for_longest_is_forgotten() {
    let mut log = Log::new();
    let mut mkdir = |client: u64, number: u64, path: &str| {
        let op = OpId { client: NodeId(client), number };
        let change = MetadataChange::Mkdir { path: path.into(), mode: 0o755 };
        log.apply(Command::Change { caller: Caller::root(5).into(), op, acked_below: 1, change });
        log.state.sessions.clients().map(|client| client.0).collect::<Vec<_>>()
    };
    for client in [1, 2, 3, 4] {
        mkdir(client, 1, &format!("/{client}"));
    }
    // A retry counts as a sign of life.
    mkdir(1, 1, "/1");
    assert_eq!(mkdir(5, 2, "/5"), [1, 3, 4, 5]);
    assert_eq!(mkdir(6, 2, "/6"), [1, 4, 5, 6]);
}

#[test]
fn what_may_be_forgotten_is_refused_and_what_cannot_be_runs() {
    let mut log = Log::new();
    let mut make = |client: u64, number: u64| {
        let op = OpId { client: NodeId(client), number };
        let change = create(&format!("/{client}-{number}"));
        answer_of(log.apply(Command::Change {
            caller: Caller::root(5).into(),
            op,
            acked_below: number,
            change,
        }))
    };
    for client in 1..=4 {
        assert!(make(client, 10 + client).is_ok());
    }
    // The fifth forgets the first: what that did below 12 nobody knows any more.
    assert!(make(5, 1).is_ok(), "nothing was forgotten before it came");
    let below = 12;
    let refused = Err(Refusal::PerhapsForgotten { below });
    assert_eq!(make(1, 11), refused, "the retry of what was applied");
    assert_eq!(make(6, 7), refused, "a stranger may be an old acquaintance");
    assert_eq!(make(5, 2), refused, "one who is known may have been forgotten in between");
    assert!(make(6, below).is_ok());
    assert!(log.state.stat("/6-7").is_err(), "what is refused is not done");
}

#[test]
fn paths_are_checked() {
    let mut log = Log::new();
    for path in ["//", "/a/", "/a//b", "/.", "/a/..", "/a\0"] {
        assert!(matches!(log.create(path), Err(Refusal::Invalid(_))), "{path:?}");
        assert!(matches!(log.state.stat(path), Err(Refusal::Invalid(_))), "{path:?}");
    }
    for path in [&format!("/{}", "n".repeat(256)), &"/abc".repeat(1_025)] {
        assert_eq!(log.create(path), Err(Refusal::NameTooLong));
        assert_eq!(log.state.stat(path).unwrap_err(), Refusal::NameTooLong);
    }
    assert!(log.create(&format!("/{}", "n".repeat(255))).is_ok());
    assert!(log.create("/...").is_ok(), "three dots are a name");
    assert_eq!(log.state.counts().files, 2);
}

#[test]
fn create_and_mkdir() {
    let mut log = Log::new();
    assert_eq!(log.create("/d/f"), Err(Refusal::NotFound));
    let directory = log.mkdir("/d").unwrap();
    let file = log.create("/d/f").unwrap();
    assert_ne!(directory, file);
    assert_eq!(log.create("/d/f"), Err(Refusal::AlreadyExists));
    assert_eq!(log.mkdir("/d/f"), Err(Refusal::AlreadyExists));
    assert_eq!(log.mkdir("/"), Err(Refusal::AlreadyExists));
    assert_eq!(log.create("/d/f/g"), Err(Refusal::NotADirectory));
    let attributes = Attributes::new(&Caller::root(5), 0o644, 1);
    let info =
        FileInfo { attributes, ..FileInfo::new(file, FileKind::File(FileSpec::default()), 0) };
    assert_eq!(log.state.stat("/d/f"), Ok(info.clone()));
    assert_eq!(log.state.inodes.stat_file(file), Ok(info));
    assert_eq!(log.state.stat("/").unwrap().kind, FileKind::Directory);
    let counts = log.state.counts();
    assert_eq!((counts.files, counts.directories, counts.trashed), (1, 2, 0));
}

#[test]
fn a_spec_has_bounds() {
    let mut log = Log::new();
    let mut with = |replicas, chunk_bytes| {
        let spec = FileSpec { replicas, chunk_bytes, ..FileSpec::default() };
        let path = format!("/{replicas}-{chunk_bytes}");
        log.change(MetadataChange::Create { path: path.into(), spec, mode: 0o644 })
    };
    for (replicas, chunk_bytes) in [(0, 1), (17, 1), (1, 0), (1, (1 << 40) + 1)] {
        assert!(matches!(with(replicas, chunk_bytes), Err(Refusal::Invalid(_))));
    }
    for (replicas, chunk_bytes) in [(1, 1), (16, 1 << 40), (3, 100)] {
        assert!(with(replicas, chunk_bytes).is_ok());
    }
}

#[test]
fn renames_as_posix_has_them() {
    // /f and /g are files, /d holds x, /e is empty.
    let tree = || {
        let mut log = Log::new();
        log.create("/f").unwrap();
        log.create("/g").unwrap();
        log.mkdir("/d").unwrap();
        log.create("/d/x").unwrap();
        log.mkdir("/e").unwrap();
        log
    };
    let invalid =
        |answer: &Result<MetadataAnswer, Refusal>| matches!(answer, Err(Refusal::Invalid(_)));
    let refused = [
        ("/nothing", "/h", Refusal::NotFound),
        ("/f", "/nothing/h", Refusal::NotFound),
        ("/f", "/g/h", Refusal::NotADirectory),
        ("/f", "/f/h", Refusal::NotADirectory),
        ("/d", "/d/x/y", Refusal::NotADirectory),
        ("/f", "/d", Refusal::IsADirectory),
        ("/d/x", "/d", Refusal::IsADirectory),
        ("/e", "/f", Refusal::NotADirectory),
        ("/e", "/d", Refusal::DirectoryNotEmpty),
    ];
    for (from, to, refusal) in refused {
        let mut log = tree();
        let before = log.state.inodes.clone();
        assert_eq!(log.rename(from, to), Err(refusal), "{from} {to}");
        assert_eq!(log.state.inodes, before, "a refused change changes nothing");
    }
    for (from, to) in [("/d", "/d/y"), ("/", "/h"), ("/f", "/")] {
        assert!(invalid(&tree().rename(from, to)), "{from} {to}");
    }
    for (from, to) in [("/f", "/h"), ("/d", "/h"), ("/d", "/e"), ("/f", "/d/y"), ("/d", "/e/y")] {
        let mut log = tree();
        let file = log.state.stat(from).unwrap().file;
        assert_eq!(log.rename(from, to), Ok(MetadataAnswer::Done), "{from} {to}");
        assert_eq!(log.state.stat(from), Err(Refusal::NotFound));
        assert_eq!(log.state.stat(to).unwrap().file, file, "the file keeps its id");
        assert!(log.state.inodes.trash().len() == 0);
    }
    for same in ["/f", "/d"] {
        let mut log = tree();
        let before = log.state.inodes.clone();
        assert_eq!(log.rename(same, same), Ok(MetadataAnswer::Done));
        assert_eq!(log.state.inodes, before);
    }
}

#[test]
fn a_replaced_file_goes_to_the_trash() {
    let mut log = Log::new();
    let old = log.create("/old").unwrap();
    let new = log.create("/new").unwrap();
    let change = MetadataChange::Rename {
        from: "/new".into(),
        to: "/old".into(),
        this: None,
        no_replace: false,
    };
    let op = OpId { client: CLIENT, number: 9 };
    let answered = Consequence::Answered { op, answer: Ok(MetadataAnswer::Done) };
    assert_eq!(log.change_as(9, 9, change), [Consequence::Trashed(old), answered]);
    assert_eq!(log.state.stat("/old").unwrap().file, new);
    assert!(log.state.inodes.is_trashed(old));
    assert_eq!((log.state.counts().files, log.state.counts().trashed), (1, 1));
}

#[test]
fn deletes() {
    let mut log = Log::new();
    log.mkdir("/d").unwrap();
    let file = log.create("/d/x").unwrap();
    assert_eq!(log.delete("/d"), Err(Refusal::DirectoryNotEmpty));
    assert_eq!(log.delete("/d/y"), Err(Refusal::NotFound));
    assert_eq!(log.delete("/d/x/y"), Err(Refusal::NotADirectory));
    assert!(matches!(log.delete("/"), Err(Refusal::Invalid(_))));
    assert_eq!(log.delete("/d/x"), Ok(MetadataAnswer::Done));
    assert!(log.state.inodes.is_trashed(file));
    assert_eq!(log.delete("/d/x"), Err(Refusal::NotFound));
    assert_eq!(log.delete("/d"), Ok(MetadataAnswer::Done));
    assert_eq!(log.state.counts().directories, 1, "an empty directory goes at once");
}

#[test]
fn chunks_are_added_at_the_end() {
    let mut log = Log::new();
    let file = log.create("/f").unwrap();
    let directory = log.mkdir("/d").unwrap();
    assert_eq!(log.add_chunk(file, 1), Err(Refusal::NotNextChunk { chunks: 0 }));
    let first = log.add_chunk(file, 0).unwrap();
    assert_eq!(log.add_chunk(file, 0), Ok(first), "idempotent, also for another client");
    let second = log.add_chunk(file, 1).unwrap();
    assert_ne!(first, second);
    assert_eq!(log.add_chunk(file, 7), Err(Refusal::NotNextChunk { chunks: 2 }));
    assert_eq!(log.add_chunk(directory, 0), Err(Refusal::IsADirectory));
    assert_eq!(log.add_chunk(FileId(99), 0), Err(Refusal::NotFound));
    assert_eq!(log.state.inodes.chunk_at(file, 1), Ok(second));
    assert_eq!(log.state.inodes.chunk_at(file, 2), Err(Refusal::NotFound));
    assert_eq!(log.state.inodes.chunk_at(file, u64::MAX), Err(Refusal::NotFound));
    assert_eq!(log.state.inodes.chunk_at(directory, 0), Err(Refusal::IsADirectory));
    let record = &log.state.chunks[second];
    assert_eq!((record.made_for, record.spec.replicas), (FileSlot { file, index: 1 }, 3));
    assert_eq!(record.owners, Owners { named: 1, trashed: 0 });
    assert_eq!(log.state.inodes.stat_file(file).unwrap().attributes.mtime_ns, 5);
}

#[test]
fn a_configuration_follows_the_current_one() {
    let mut log = Log::new();
    let file = log.create("/f").unwrap();
    let chunk = log.add_chunk(file, 0).unwrap();
    for (base, version, on) in
        [(1, 2, &[10][..]), (0, 0, &[10]), (0, 1, &[]), (0, 1, &[10, 11, 10])]
    {
        assert_eq!(log.configure(chunk, base, version, on), IGNORED);
    }
    assert_eq!(log.configure(ChunkHandle(99), 0, 1, &[10]), IGNORED);
    assert_eq!(log.configure(chunk, 0, 1, &[10, 11]), configured(chunk, 0, 1, &[10, 11]));
    assert_eq!(log.configure(chunk, 0, 2, &[12]), IGNORED, "its base is not current");
    assert_eq!(log.configure(chunk, 1, 1, &[12]), IGNORED);
    assert_eq!(
        log.configure(chunk, 1, 5, &[11]),
        configured(chunk, 1, 5, &[11]),
        "a promise was met"
    );
    let config = log.state.chunks[chunk].config.clone().unwrap();
    assert_eq!((config.version, config.members[0].node), (ChunkVersion(5), NodeId(11)));
}

#[test]
fn only_trash_is_freed() {
    let mut log = Log::new();
    let file = log.create("/f").unwrap();
    let first = log.add_chunk(file, 0).unwrap();
    let second = log.add_chunk(file, 1).unwrap();
    log.configure(first, 0, 3, &[10, 11]);
    let free = |chunk, base| Command::Free { file, chunk, base: ChunkVersion(base) };
    assert_eq!(log.apply(free(first, 3)), IGNORED, "the file has a name");
    assert_eq!(log.apply(Command::Purge { file }), IGNORED);
    log.delete("/f").unwrap();
    assert_eq!(log.state.chunks[first].owners, Owners { named: 0, trashed: 1 });
    assert_eq!(log.add_chunk(file, 2), Ok(ChunkHandle(3)), "trash still grows by handle");
    assert!(log.state.chunks[ChunkHandle(3)].is_trashed());
    let other = log.create("/g").unwrap();
    let by_other = Command::Free { file: other, chunk: first, base: ChunkVersion(3) };
    assert_eq!(log.apply(by_other), IGNORED, "that file does not refer to it");
    assert_eq!(log.apply(Command::Purge { file }), IGNORED, "it has chunks");
    assert_eq!(log.apply(free(first, 2)), IGNORED, "the base is not current");
    let freed = |chunk, base, on: &[u64]| {
        [Consequence::Freed { chunk, base: ChunkVersion(base), members: members(on) }]
    };
    assert_eq!(log.apply(free(first, 3)), freed(first, 3, &[10, 11]));
    assert_eq!(log.apply(free(first, 3)), IGNORED, "once");
    // What is left is not what it was: handles of the file get nothing any more.
    assert_eq!(log.state.inodes.chunk_at(file, 0), Err(Refusal::NotFound));
    assert_eq!(log.state.inodes.stat_file(file), Err(Refusal::NotFound));
    assert_eq!(log.add_chunk(file, 2), Err(Refusal::NotFound));
    assert_eq!(log.state.chunks_of(file), [second, ChunkHandle(3)]);
    let layout = log.state.inodes.layout(file).unwrap();
    assert_eq!((layout.chunk_at(0), layout.chunk_at(1)), (None, Some(second)), "no slot moves");
    assert_eq!(log.apply(free(ChunkHandle(3), 0)), freed(ChunkHandle(3), 0, &[]));
    let mut last = freed(second, 0, &[]).to_vec();
    last.push(Consequence::Purged(file));
    assert_eq!(log.apply(free(second, 0)), last);
    assert!(log.state.inodes.get(file).is_none(), "the file goes with its last chunk");
    assert_eq!(log.state.ids.next_chunk(), ChunkHandle(4), "handles are never reused");
}
