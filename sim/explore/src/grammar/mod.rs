//! The grammar of requests: one for every runner, over the whole surface.
//!
//! Names are few and shared, so that requests collide: a create meets a file, a rename replaces one or
//! moves a directory, a listing is continued while entries change. Files stay in use after their name
//! is gone. Sizes, offsets and lengths are drawn at the limits of what is allowed ([`Draw::near`]).
//!
//! The grammar keeps what it was answered (`names`, `files`), so that most requests can succeed; it
//! does not depend on being right. A seed draws a [`Style`]: which kinds of requests are frequent.

mod names;
mod files;
mod inodes;
mod style;
mod shares;
#[cfg(test)]
mod tests;

pub use files::{Data, DataKind, Known};
pub use inodes::Who;
pub use shares::Shares;
pub use style::{Style, Torture};

use crate::draw::Draw;
use files::Files;
use inodes::{EVERYBODY, mode};
use leasehold_proto::metadata::{
    FileInfo, FileKind, FileSpec, MetadataAnswer, MetadataChange, MetadataQuery,
};
use leasehold_proto::{
    ChunkHandle, FileId, FileOutcome, Name, OpError, Outcome, Refusal, SyncPolicy,
};
use names::Names;
use std::collections::VecDeque;

/// Listings that are continued later, at the most.
const PAGES_MAX: usize = 4;

/// What a client requests next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A change of the namespace.
    Change(MetadataChange),
    /// A question to the masters.
    Query(MetadataQuery),
    /// A write, an append or a read of a file.
    Data(Data),
}

/// What the grammar has to know of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A mutation or a read at the most, in bytes.
    pub mutation_bytes_max: u64,
    /// A checksum block, in bytes.
    pub block_bytes: u64,
    /// Chunk sizes of files, in bytes: the first is the usual one.
    pub chunk_bytes: Vec<u64>,
    /// Replicas of a file are drawn up to the largest number that is allowed, and below three. Not
    /// where a fault may take the only copy.
    pub any_replicas: bool,
    /// Replicas of most files.
    pub replicas: u8,
    /// ... and of any, at the most: more than there are servers would never be there.
    pub replicas_max: u8,
    /// Files at a time, about.
    pub files_max: usize,
    /// Chunks of a file, about.
    pub chunks_max: u64,
}

/// Draws requests, and learns from how they end.
#[derive(Clone, Debug)]
pub struct Grammar {
    style: Style,
    limits: Limits,
    names: Names,
    files: Files,
    /// Listings with more entries, each with the last name that was listed.
    pages: VecDeque<(String, String)>,
    shares: Shares,
}

impl Grammar {
    /// Nothing is known to exist.
    pub fn new(limits: Limits, draw: &mut impl Draw) -> Self {
        Grammar {
            style: Style::draw(draw),
            limits,
            names: Names::default(),
            files: Files::default(),
            pages: VecDeque::new(),
            shares: Shares::default(),
        }
    }

    /// The same, with one thing tried more than anything else.
    #[must_use]
    pub fn tortured(mut self, by: Torture) -> Self {
        self.style = self.style.tortured(by);
        self.names.tortured(by);
        if by != Torture::Locks {
            // Names are what it is about: files are made and removed without waiting for room.
            self.limits.files_max = self.limits.files_max.max(12);
        }
        self
    }

    /// How requests ended so far.
    #[must_use]
    pub fn shares(&self) -> &Shares {
        &self.shares
    }

    /// Who makes the next request: the superuser, unless the style wants others.
    pub fn who(&self, draw: &mut impl Draw) -> Who {
        let other = draw.permille(self.style.users_permille);
        let who = if other { draw.one_of(&EVERYBODY[1..]) } else { EVERYBODY.first() };
        *who.expect("there are several")
    }

    /// The next request.
    pub fn draw(&mut self, draw: &mut impl Draw) -> Request {
        if self.files.live() == 0 || (self.files.live() == 1 && draw.permille(100)) {
            return self.create(draw);
        }
        if draw.permille(self.style.inodes_permille) {
            return self.restore(draw).unwrap_or_else(|| self.names.inode_request(draw));
        }
        let locks = self.style.locks_permille;
        if locks > 0
            && draw.permille(locks)
            && let Some(data) = self.files.lock(&self.style, draw)
        {
            return Request::Data(data);
        }
        let full = self.files.live() > self.limits.files_max;
        match self.style.verb(draw) {
            Verb::Create if full => self.delete(draw),
            Verb::Create => self.create(draw),
            Verb::Mkdir => self.mkdir(draw),
            Verb::Rename => self.rename(draw),
            Verb::Delete => self.delete(draw),
            Verb::Stat => self.stat(draw),
            Verb::List => self.list(draw),
            Verb::Status => self.status(draw),
            Verb::Write => self.data(DataVerb::Write, draw),
            Verb::Append => self.data(DataVerb::Append, draw),
            Verb::Read => self.data(DataVerb::Read, draw),
            Verb::Truncate => self.data(DataVerb::Truncate, draw),
        }
    }

    fn create(&mut self, draw: &mut impl Draw) -> Request {
        let (path, spec) = (self.names.place(draw), self.spec(draw));
        let path = self.names.address(&path, draw);
        Request::Change(MetadataChange::Create { path, spec, mode: mode(draw) })
    }

    /// A file without a name gets one, sometimes.
    fn restore(&mut self, draw: &mut impl Draw) -> Option<Request> {
        let known = self.files.nameless(draw).filter(|_| draw.permille(100))?;
        let to = self.names.place(draw);
        let (to, no_replace) = (self.names.address(&to, draw), draw.permille(300));
        Some(Request::Change(MetadataChange::Restore { file: known.file, to, no_replace }))
    }

    fn spec(&self, draw: &mut impl Draw) -> FileSpec {
        let usual = self.limits.chunk_bytes.first().copied().unwrap_or(1);
        let other = |draw: &mut _| Draw::one_of(draw, &self.limits.chunk_bytes).copied();
        let chunk_bytes = if draw.permille(700) { usual } else { other(draw).unwrap_or(usual) };
        let replicas = match draw.within(0..=9) {
            0 if self.limits.any_replicas => 1,
            1 if self.limits.any_replicas => 2,
            2 => 4.min(self.limits.replicas_max),
            _ => self.limits.replicas,
        };
        let mut spec = FileSpec { chunk_bytes, replicas, sync: SyncPolicy::Durable };
        if draw.permille(40) {
            match draw.within(0..=4) {
                0 => spec.replicas = 0,
                1 => spec.replicas = 16.min(self.limits.replicas_max),
                2 => spec.replicas = 17,
                3 => spec.chunk_bytes = 0,
                // Nothing is written there: a chunk has so many bytes in memory.
                _ => spec.chunk_bytes = (1 << 40) + draw.within(0..=1),
            }
        }
        spec
    }

    fn mkdir(&mut self, draw: &mut impl Draw) -> Request {
        let path = self.names.place(draw);
        let path = self.names.address(&path, draw);
        Request::Change(MetadataChange::Mkdir { path, mode: mode(draw) })
    }

    fn rename(&mut self, draw: &mut impl Draw) -> Request {
        let (from, to) = self.names.rename(draw);
        let (this, no_replace) = (self.condition(draw), draw.permille(250));
        let (from, to) = (self.names.address(&from, draw), self.names.address(&to, draw));
        Request::Change(MetadataChange::Rename { from, to, this, no_replace })
    }

    fn delete(&mut self, draw: &mut impl Draw) -> Request {
        let (path, this) = (self.names.existing(draw), self.condition(draw));
        Request::Change(MetadataChange::Delete { path: self.names.address(&path, draw), this })
    }

    /// That it is still some file, which it may never have been.
    fn condition(&self, draw: &mut impl Draw) -> Option<FileId> {
        draw.permille(200).then(|| self.files.any(draw)).flatten().map(|known| known.file)
    }

    fn stat(&mut self, draw: &mut impl Draw) -> Request {
        let old = draw.permille(300).then(|| self.files.any(draw)).flatten();
        Request::Query(match old {
            Some(known) => MetadataQuery::StatFile { file: known.file },
            None => {
                let path = self.names.existing(draw);
                MetadataQuery::Stat { path: self.names.address(&path, draw) }
            }
        })
    }

    fn list(&mut self, draw: &mut impl Draw) -> Request {
        if draw.permille(600)
            && let Some((path, last)) = self.pages.pop_front()
        {
            return Request::Query(MetadataQuery::List {
                path: names::address(&path),
                after: Some(names::name_of(&last)),
            });
        }
        let path = self.names.listed(draw);
        let after = match draw.within(0..=5) {
            0 => Some(names::name_of(&names::name(draw))),
            1 => Some(Name::default()),
            _ => None,
        };
        Request::Query(MetadataQuery::List { path: self.names.address(&path, draw), after })
    }

    fn status(&mut self, draw: &mut impl Draw) -> Request {
        let file = self.files.any(draw);
        Request::Query(match (draw.within(0..=5), file) {
            (0, _) => MetadataQuery::Status,
            (1, _) => MetadataQuery::SafeMode,
            (2, _) => MetadataQuery::Chunks { from: ChunkHandle(draw.within(0..=8)) },
            (_, Some(known)) => {
                let index = draw.near(known.chunks);
                let primary = draw.permille(300);
                MetadataQuery::Locate { file: known.file, index, primary, stale: None }
            }
            (_, None) => MetadataQuery::Status,
        })
    }

    fn data(&mut self, verb: DataVerb, draw: &mut impl Draw) -> Request {
        match self.files.data(verb, &self.style, &self.limits, draw) {
            Some(data) => Request::Data(data),
            None => self.create(draw),
        }
    }

    /// Takes in how a request ended.
    pub fn settle(&mut self, request: &Request, result: &Result<Outcome, OpError>) {
        self.shares.count(request, result, &self.names, &self.files);
        match (request, result) {
            (Request::Change(change), Ok(outcome)) => self.changed(change, info(outcome)),
            (Request::Query(query), Ok(outcome)) => self.shown(query, outcome),
            // Of what the caller may not see, nothing is learnt.
            (
                Request::Query(MetadataQuery::Stat { path }),
                Err(OpError::Refused(Refusal::NotFound | Refusal::NotADirectory)),
            ) => {
                if let Some(path) = self.names.printed(path) {
                    self.names.forget(&path);
                }
            }
            (Request::Data(data), Ok(_)) => self.files.reached(data),
            (Request::Data(data), Err(OpError::Refused(refusal))) => {
                self.files.refused(data, refusal);
            }
            (_, Err(_)) => {}
        }
    }

    fn changed(&mut self, change: &MetadataChange, info: Option<&FileInfo>) {
        match change {
            MetadataChange::Create { path, .. }
            | MetadataChange::Mkdir { path, .. }
            | MetadataChange::MakeSpecial { path, .. }
            | MetadataChange::Link { to: path, .. } => {
                if let (Some(info), Some(path)) = (info, self.names.printed(path)) {
                    self.known(&path, info);
                }
            }
            MetadataChange::Rename { from, to, .. } => {
                if let (Some(from), Some(to)) = (self.names.printed(from), self.names.printed(to)) {
                    let replaced = self.names.moved(&from, &to);
                    self.files.unnamed(replaced);
                }
            }
            MetadataChange::Delete { path, .. } => {
                if let Some(path) = self.names.printed(path) {
                    let gone = self.names.forget(&path);
                    self.files.unnamed(gone);
                }
            }
            MetadataChange::Restore { file, to, .. } => {
                if let (Some(info), Some(to)) = (info, self.names.printed(to)) {
                    let replaced = self.names.forget(&to).filter(|replaced| replaced != file);
                    self.files.unnamed(replaced);
                    self.files.named(*file);
                    self.known(&to, info);
                }
            }
            MetadataChange::Exchange { from, to } => {
                if let (Some(from), Some(to)) = (self.names.printed(from), self.names.printed(to)) {
                    self.names.exchanged(&from, &to);
                }
            }
            MetadataChange::SetAttributes { .. }
            | MetadataChange::SetXattr { .. }
            | MetadataChange::RemoveXattr { .. }
            | MetadataChange::AddChunk { .. }
            | MetadataChange::Truncate { .. }
            // Locks are drawn as data is, and operators are not drawn here.
            | MetadataChange::BeginSession
            | MetadataChange::Lock { .. }
            | MetadataChange::Unlock { .. }
            | MetadataChange::EmptyTrash { .. }
            | MetadataChange::SetConstants { .. }
            | MetadataChange::ForgetServer { .. } => {}
        }
    }

    fn shown(&mut self, query: &MetadataQuery, outcome: &Outcome) {
        match (query, outcome) {
            (MetadataQuery::Stat { path }, outcome) => {
                if let (Some(info), Some(path)) = (info(outcome), self.names.printed(path)) {
                    self.known(&path, info);
                }
            }
            (
                MetadataQuery::List { path, .. },
                Outcome::Metadata(MetadataAnswer::List { entries, more }),
            ) => {
                let Some(path) = self.names.printed(path) else { return };
                for (name, info) in entries {
                    self.known(&names::join(&path, &name.to_string()), info);
                }
                let last = entries.last().filter(|_| *more);
                if let Some((last, _)) = last.filter(|_| self.pages.len() < PAGES_MAX) {
                    self.pages.push_back((path, last.to_string()));
                }
            }
            _ => {}
        }
    }

    fn known(&mut self, path: &str, info: &FileInfo) {
        if let FileKind::File(spec) = info.kind {
            self.files.known(info.file, spec, info.chunks);
        }
        self.names.known(path, info.file, &info.kind);
    }
}

/// The kinds of requests that a style weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Create,
    Mkdir,
    Rename,
    Delete,
    Stat,
    List,
    Status,
    Write,
    Append,
    Read,
    Truncate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DataVerb {
    Write,
    Append,
    Read,
    Truncate,
}

fn info(outcome: &Outcome) -> Option<&FileInfo> {
    match outcome {
        Outcome::Metadata(MetadataAnswer::File(info)) => Some(info),
        Outcome::File(FileOutcome::Opened { info, .. }) => Some(info),
        _ => None,
    }
}
