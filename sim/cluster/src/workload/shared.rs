//! Requests of the grammar that World's walks draw from, in one directory that all clients share: names
//! collide, are replaced and moved, and files are used after their name is gone.
//!
//! What they are answered is judged with the whole history (I9, and the chunks' own): no answer is right
//! or wrong by itself here.

use crate::ledger::Author;
use crate::ledger::Ending;
use crate::seed::Stream;
use crate::tally::ending;
use leasehold_client::{Client, ClientError, File, FileSpec};
use leasehold_explore::{Data, DataKind, Draw, Grammar, Limits, Request, Shares};
use leasehold_proto::metadata::{
    FileInfo, FileKind, MetadataAnswer, MetadataChange, MetadataQuery,
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
    pub fn new(client: Client, index: u64, spec: FileSpec, mut stream: Stream) -> Self {
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
        let grammar = Grammar::new(limits, &mut stream);
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
        let (kind, result) = match &request {
            Request::Change(change) => self.change(change).await,
            Request::Query(query) => self.query(query).await,
            Request::Data(data) => self.data(data).await,
        };
        let ending = ending(&result);
        self.grammar.settle(&request, &result.map_err(|error| op_error(&error)));
        (kind, ending)
    }

    async fn change(
        &mut self,
        change: &MetadataChange,
    ) -> (&'static str, Result<Outcome, ClientError>) {
        match change {
            MetadataChange::Create { path, spec, .. } => {
                let made = self.client.create(within(path), *spec).await;
                ("shared create", made.map(|file| self.opened(file)))
            }
            MetadataChange::Mkdir { path, .. } => {
                let made = self.client.mkdir(within(path)).await;
                ("shared mkdir", made.map(|info| Outcome::Metadata(MetadataAnswer::File(info))))
            }
            MetadataChange::Rename { from, to, this, no_replace } => {
                let (from, to) = (within(from), within(to));
                let moved = self.client.rename_if(from, to, *this, *no_replace).await;
                ("shared rename", moved.map(|()| Outcome::Metadata(MetadataAnswer::Done)))
            }
            MetadataChange::Delete { path, this } => {
                let gone = self.client.delete_if(within(path), *this).await;
                ("shared delete", gone.map(|()| Outcome::Metadata(MetadataAnswer::Done)))
            }
            MetadataChange::AddChunk { .. } | MetadataChange::Truncate { .. } => {
                unreachable!("a client adds and drops chunks by itself")
            }
            MetadataChange::MakeSpecial { .. }
            | MetadataChange::Link { .. }
            | MetadataChange::Exchange { .. }
            | MetadataChange::SetAttributes { .. }
            | MetadataChange::SetXattr { .. }
            | MetadataChange::RemoveXattr { .. } => {
                unreachable!("links and attributes are not drawn from this grammar")
            }
            MetadataChange::SetConstants { .. }
            | MetadataChange::Restore { .. }
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
        query: &MetadataQuery,
    ) -> (&'static str, Result<Outcome, ClientError>) {
        match query {
            MetadataQuery::Stat { path } if self.stream.permille(500) => {
                let file = self.client.open(within(path)).await;
                ("shared open", file.map(|file| self.opened(file)))
            }
            MetadataQuery::Stat { path } => {
                let info = self.client.stat(within(path)).await;
                ("shared stat", info.map(|info| Outcome::Metadata(MetadataAnswer::File(info))))
            }
            MetadataQuery::List { path, .. } => {
                let listed = self.client.list(within(path)).await;
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

/// The path in the shared directory, which stands for the root.
fn within(path: &Path) -> Path {
    let text = path.as_bytes();
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
