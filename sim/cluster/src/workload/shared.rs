//! Requests of the grammar that World's walks draw from, in one directory that all clients share: names
//! collide, are replaced and moved, and files are used after their name is gone.
//!
//! What they are answered is judged with the whole history (I9, and the chunks' own): no answer is right
//! or wrong by itself here.

use crate::ledger::Author;
use crate::ledger::Ending;
use crate::scenario::Torture;
use crate::seed::Stream;
use crate::tally::ending;
use leasehold_client::{Client, ClientError, File, FileSpec, Identity};
use leasehold_explore::{Data, DataKind, Draw, Grammar, Limits, Request, Shares, Who};
use leasehold_proto::metadata::{
    FileInfo, FileKind, MetadataAnswer, MetadataChange, MetadataQuery, Special,
};
use leasehold_proto::{Extent, FileId, OpError, Outcome, Path, ReadMode, Refusal};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// What all clients share.
pub const FOLDER: &str = "/shared";

/// Authors of these contents are numbered from here, apart from those of the ledger.
const AUTHORS: u64 = 1_000_000;
/// Shorter contents do not say who wrote them.
const CONTENTS_BYTES_MIN: u64 = 28;

impl Draw for Stream {
    fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        Stream::within(self, range)
    }
}

/// One client's share of the requests.
pub struct SharedNames {
    client: Client,
    author: Author,
    grammar: Grammar,
    stream: Stream,
    /// Files that this client opened, by identity; those without a name too.
    open: BTreeMap<FileId, File>,
}

impl SharedNames {
    /// Nothing is known of the directory. `index` numbers the client.
    pub fn new(
        client: Client,
        index: u64,
        spec: FileSpec,
        torture: Option<Torture>,
        mut stream: Stream,
    ) -> Self {
        let constants = client.constants();
        let limits = Limits {
            mutation_bytes_max: u64::from(constants.mutation_bytes_max),
            block_bytes: u64::from(constants.block_bytes),
            chunk_bytes: vec![spec.chunk_bytes, spec.chunk_bytes / 2 + 1, 4_096, 1_000],
            // Faults of the scenario may take the only copy: as many as its other files have.
            any_replicas: false,
            replicas: spec.replicas,
            replicas_max: spec.replicas,
            files_max: 4,
            chunks_max: 3,
        };
        let mut grammar = Grammar::new(limits, &mut stream);
        if let Some(by) = torture {
            grammar = grammar.tortured(by.into());
        }
        let author = Author { client: AUTHORS + index, number: 0 };
        SharedNames { client, author, grammar, stream, open: BTreeMap::new() }
    }

    /// How requests ended, by what they were.
    pub fn shares(&self) -> &Shares {
        self.grammar.shares()
    }

    /// Makes one request.
    pub async fn one(&mut self) -> (&'static str, Ending) {
        let request = self.grammar.draw(&mut self.stream);
        let Who { uid, gid, groups } = self.grammar.who(&mut self.stream);
        let identity = Identity { uid, gid, groups: groups.into(), umask: 0 };
        let client = self.client.as_caller(identity);
        let (kind, result) = match &request {
            Request::Change(change) => self.change(&client, change).await,
            Request::Query(query) => self.query(&client, query).await,
            Request::Data(data) => self.data(data).await,
        };
        let ending = ending(&result);
        self.grammar.settle(&request, &result.map_err(|error| op_error(&error)));
        (kind, ending)
    }

    async fn change(
        &mut self,
        client: &Client,
        change: &MetadataChange,
    ) -> (&'static str, Result<Outcome, ClientError>) {
        match change {
            MetadataChange::Create { path, spec, mode } => {
                let made = client.create_with(within(path), *spec, *mode).await;
                ("shared create", made.map(|file| self.opened(file)))
            }
            MetadataChange::Mkdir { path, mode } => {
                ("shared mkdir", client.mkdir_with(within(path), *mode).await.map(shown))
            }
            MetadataChange::Rename { from, to, this, no_replace } => {
                let (from, to) = (within(from), within(to));
                ("shared rename", client.rename_if(from, to, *this, *no_replace).await.map(done))
            }
            MetadataChange::Delete { path, this } => {
                ("shared delete", client.delete_if(within(path), *this).await.map(done))
            }
            MetadataChange::MakeSpecial { path, what, mode } => {
                let made = client.make_special(within(path), inside(what), *mode).await;
                ("shared special", made.map(shown))
            }
            MetadataChange::Link { from, to } => {
                ("shared link", client.link(within(from), within(to)).await.map(shown))
            }
            MetadataChange::Exchange { from, to } => {
                ("shared exchange", client.exchange(within(from), within(to)).await.map(done))
            }
            MetadataChange::SetAttributes { path, set } => {
                ("shared attributes", client.set_attributes(within(path), **set).await.map(shown))
            }
            MetadataChange::SetXattr { path, name, value, condition } => {
                let set = client.set_xattr(within(path), name.clone(), value, *condition).await;
                ("shared xattr", set.map(done))
            }
            MetadataChange::RemoveXattr { path, name } => {
                let removed = client.remove_xattr(within(path), name.clone()).await;
                ("shared xattr", removed.map(done))
            }
            MetadataChange::AddChunk { .. } | MetadataChange::Truncate { .. } => {
                unreachable!("a client adds and drops chunks by itself")
            }
            MetadataChange::Restore { file, to, no_replace } => {
                let back = client.restore(*file, within(to), *no_replace).await;
                ("shared restore", back.map(shown))
            }
            MetadataChange::BeginSession
            | MetadataChange::Lock { .. }
            | MetadataChange::Unlock { .. } => unreachable!("a client does so by itself"),
            MetadataChange::SetConstants { .. }
            | MetadataChange::EmptyTrash { .. }
            | MetadataChange::ForgetServer { .. } => {
                unreachable!("operators are not drawn from this grammar")
            }
        }
    }

    fn opened(&mut self, file: File) -> Outcome {
        let (id, kind) = (file.id(), FileKind::File(*file.spec()));
        self.open.insert(id, file);
        if self.open.len() > 12 {
            self.open.pop_first();
        }
        let info = FileInfo::new(id, kind, 0);
        Outcome::Metadata(MetadataAnswer::File(info))
    }

    async fn query(
        &mut self,
        client: &Client,
        query: &MetadataQuery,
    ) -> (&'static str, Result<Outcome, ClientError>) {
        match query {
            MetadataQuery::Stat { path } if self.stream.permille(500) => {
                let file = client.open(within(path)).await;
                ("shared open", file.map(|file| self.opened(file)))
            }
            MetadataQuery::Stat { path } => {
                ("shared stat", client.stat(within(path)).await.map(shown))
            }
            MetadataQuery::Resolve { path } => {
                ("shared resolve", client.resolve(within(path)).await.map(shown))
            }
            MetadataQuery::ReadLink { path } => {
                ("shared look", client.read_link(within(path)).await.map(bytes))
            }
            MetadataQuery::Xattr { path, name } => {
                ("shared look", client.xattr(within(path), name.clone()).await.map(bytes))
            }
            MetadataQuery::Xattrs { path } => {
                let names = client.xattrs(within(path)).await;
                let answer = |names| Outcome::Metadata(MetadataAnswer::Xattrs(names));
                ("shared look", names.map(answer))
            }
            MetadataQuery::List { path, .. } => {
                let listed = client.list(within(path)).await;
                let answer = |entries| MetadataAnswer::List { entries, more: false };
                ("shared list", listed.map(|entries| Outcome::Metadata(answer(entries))))
            }
            _ => {
                let status = self.client.status().await;
                let answer = |status| MetadataAnswer::Status(Box::new(status));
                ("shared status", status.map(|status| Outcome::Metadata(answer(status))))
            }
        }
    }

    async fn data(&mut self, data: &Data) -> (&'static str, Result<Outcome, ClientError>) {
        // A file that another client made is opened by its name first.
        let Some(file) = self.open.get(&data.of.file).cloned() else {
            let listed = self.client.list(FOLDER).await;
            let answer = |entries| MetadataAnswer::List { entries, more: false };
            return ("shared list", listed.map(|entries| Outcome::Metadata(answer(entries))));
        };
        let at = data.index.saturating_mul(data.of.spec.chunk_bytes).saturating_add(data.offset);
        let extent = Extent::new(data.offset, data.length);
        let written = Outcome::Written { index: data.index, extent };
        // The history's I11 knows records that are whole or cut at the ends of a read, and none that a
        // write covers in part: a file takes the one or the other. World's walks mix them.
        let of_records = data.of.file.0 % 2 == 1;
        let kind = match data.kind {
            DataKind::Write if of_records => DataKind::Append,
            DataKind::Append if !of_records => DataKind::Write,
            kind => kind,
        };
        match kind {
            DataKind::Lock { owner, kind } => {
                let range = Extent::new(data.offset, data.length);
                let ended = match kind {
                    Some(kind) => file.try_lock(owner, range, kind).await.map(|_| written),
                    None => file.unlock(owner, range).await.map(|()| written),
                };
                ("shared lock", ended)
            }
            DataKind::Write => {
                let result = file.write(at, self.contents(data.length)).await;
                ("shared write", result.map(|()| written))
            }
            DataKind::Append => {
                let result = file.append(self.contents(data.length)).await;
                ("shared append", result.map(|_| written))
            }
            // A cut through a record would leave a part of it.
            DataKind::Truncate if of_records => {
                let boundary = at - data.offset % data.of.spec.chunk_bytes;
                ("shared truncate", file.truncate(boundary).await.map(|()| written))
            }
            DataKind::Truncate => ("shared truncate", file.truncate(at).await.map(|()| written)),
            DataKind::Read(_) if data.length == 0 => {
                ("shared length", file.len().await.map(|_| written))
            }
            DataKind::Read(ReadMode::Strong) => {
                ("shared read", file.read(at, data.length).await.map(|_| written))
            }
            DataKind::Read(ReadMode::Relaxed) => {
                ("shared read", file.read_relaxed(at, data.length).await.map(|_| written))
            }
        }
    }

    fn contents(&mut self, length: u64) -> bytes::Bytes {
        self.author.number += 1;
        let length = length.max(CONTENTS_BYTES_MIN);
        self.author.write(usize::try_from(length).expect("a mutation fits memory"))
    }
}

fn shown(info: FileInfo) -> Outcome {
    Outcome::Metadata(MetadataAnswer::File(info))
}

fn done((): ()) -> Outcome {
    Outcome::Metadata(MetadataAnswer::Done)
}

fn bytes(bytes: Box<[u8]>) -> Outcome {
    Outcome::Metadata(MetadataAnswer::Bytes(bytes))
}

/// The same, with a symbolic link that does not lead out of the shared directory: what other parts of the
/// workload do has one right result.
fn inside(what: &Special) -> Special {
    let Special::Symlink(target) = what else { return what.clone() };
    let parts = target.split(|byte| *byte == b'/');
    let names: Vec<&[u8]> =
        parts.map(|name| if matches!(name, b"." | b"..") { &b"d"[..] } else { name }).collect();
    let target = names.join(&b'/');
    let first = if target.first() == Some(&b'/') { FOLDER.as_bytes() } else { &b""[..] };
    Special::Symlink([first, &target].concat().into())
}

/// The path in the shared directory, which stands for the root. What is named by its identity is there
/// already.
fn within(path: &Path) -> Path {
    let text = path.as_bytes();
    if !path.is_absolute() && path.at != Path::ROOT {
        return path.clone();
    }
    match (text, path.is_absolute()) {
        (b"" | b"/", _) => FOLDER.into(),
        (_, true) => [FOLDER.as_bytes(), text].concat().into(),
        (_, false) => [FOLDER.as_bytes(), b"/", text].concat().into(),
    }
}

fn op_error(error: &ClientError) -> OpError {
    match error.refusal() {
        Some(refusal) => OpError::Refused(refusal.clone()),
        None => OpError::TimedOut { maybe: error.maybe_took_effect(), last: None::<Refusal> },
    }
}
