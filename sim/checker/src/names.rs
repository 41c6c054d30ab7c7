//! The namespace as its clients may see it: what POSIX says of directories, one call at a time.
//!
//! This is a specification of its own, over whole paths; the master's tree of nodes is not used.

mod path;
mod rules;
#[cfg(test)]
mod tests;

pub use path::{Path, text_of};

use crate::cells::spread;
use crate::linearizability::Object;
use leasehold_proto::metadata::{
    FileInfo, FileKind, FileSpec, MetadataAnswer, MetadataChange, MetadataQuery,
};
use leasehold_proto::{FileId, Refusal};
use rules::{Effect, Why};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// The request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Create, Mkdir, Rename, Delete.
    Change(MetadataChange),
    /// Stat, List.
    Query(MetadataQuery),
}

/// A call and its answer; none if nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamesOp {
    /// The request.
    pub asked: Asked,
    /// What was answered.
    pub answer: Option<Result<MetadataAnswer, Refusal>>,
    /// The answer shows a file whose maker was never told its id.
    pub tells_news: bool,
}

/// A file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Node {
    kind: FileKind,
    /// Unknown until somebody is told.
    file: Option<FileId>,
}

/// Every path at which something stands; the root always does, and is not among them.
#[derive(Clone, Debug, Default)]
pub struct Names {
    nodes: BTreeMap<String, Node>,
    /// Ids of which a look was the first to tell: an id is never used again.
    told: BTreeSet<FileId>,
    key: u128,
}

/// What a call changed: paths with what stood there before, and ids that were news.
#[derive(Clone, Debug, Default)]
pub struct Undo {
    nodes: Vec<(String, Option<Node>)>,
    told: Vec<FileId>,
}

impl Object for Names {
    type Op = NamesOp;
    type Undo = Undo;
    /// 128 bits of what is where. As for cells: no two of the states of any run share a name.
    type Key = u128;

    fn apply(&mut self, op: &NamesOp) -> Option<Undo> {
        let effect = match &op.asked {
            Asked::Change(change) => self.effect(change),
            Asked::Query(query) => return self.looks_like(query, op.answer.as_ref()?),
        };
        match (&op.answer, effect) {
            (Some(Err(Refusal::NotFound)), _) if self.is_unsure(op) => Some(Undo::default()),
            (None, Ok(Effect::Restore { path })) => {
                // Of a file that nobody was told of since: how it is cut shows when somebody looks.
                let kind = FileKind::File(FileSpec::default());
                Some(self.perform(Effect::Make { path, kind }, None))
            }
            (None, Ok(effect)) => Some(self.perform(effect, None)),
            (None, Err(_)) => Some(Undo::default()),
            (Some(Ok(MetadataAnswer::File(info))), Ok(effect @ Effect::Make { .. })) => {
                let fits = matches!(&effect, Effect::Make { kind, .. } if *kind == info.kind);
                fits.then(|| self.perform(effect, Some(info.file)))
            }
            (Some(Ok(MetadataAnswer::File(info))), Ok(Effect::Restore { path })) => {
                let kind = info.kind;
                Some(self.perform(Effect::Make { path, kind }, Some(info.file)))
            }
            // It may be reclaimed.
            (Some(Err(refusal)), _) if is_restore(&op.asked) && *refusal == Refusal::NotFound => {
                Some(Undo::default())
            }
            (Some(Ok(MetadataAnswer::Done)), Ok(effect)) => {
                let fits = !matches!(effect, Effect::Make { .. } | Effect::Restore { .. });
                fits.then(|| self.perform(effect, None))
            }
            (Some(Err(refusal)), Err(why)) => why.is(refusal).then(Undo::default),
            (Some(_), _) => None,
        }
    }

    fn undo(&mut self, undo: Undo) {
        for (path, before) in undo.nodes.into_iter().rev() {
            self.set(path, before);
        }
        for file in undo.told {
            self.told.remove(&file);
            self.key ^= hashed(&file);
        }
    }

    fn changes(op: &NamesOp) -> bool {
        match op.asked {
            Asked::Change(_) => !matches!(op.answer, Some(Err(_))),
            Asked::Query(_) => op.tells_news,
        }
    }

    fn key(&self) -> u128 {
        self.key
    }
}

fn is_restore(asked: &Asked) -> bool {
    matches!(asked, Asked::Change(MetadataChange::Restore { .. }))
}

impl Names {
    fn is_unsure(&self, op: &NamesOp) -> bool {
        matches!(&op.asked, Asked::Change(change) if self.may_mean_another(change))
    }

    /// Puts a node at a path, or nothing; what stood there.
    fn set(&mut self, path: String, node: Option<Node>) -> Option<Node> {
        let entry = |node: Option<Node>| node.map_or(0, |node| hashed(&(path.as_str(), node)));
        let before = self.nodes.get(&path).copied();
        self.key ^= entry(before) ^ entry(node);
        match node {
            Some(node) => self.nodes.insert(path, node),
            None => self.nodes.remove(&path),
        }
    }

    fn perform(&mut self, effect: Effect, file: Option<FileId>) -> Undo {
        let mut undo = Undo::default();
        let mut put = |path: String, node| {
            let before = self.set(path.clone(), node);
            undo.nodes.push((path, before));
        };
        match effect {
            Effect::Nothing => {}
            Effect::Make { path, kind } => put(path, Some(Node { kind, file })),
            Effect::Remove { path } => put(path, None),
            Effect::Restore { .. } => unreachable!("it makes a node of a kind that is known"),
            Effect::Move { moved, to } => {
                let from = moved.first().map_or(0, |(path, _)| path.len());
                for (path, _) in &moved {
                    put(path.clone(), None);
                }
                for (path, node) in moved {
                    put(format!("{to}{}", &path[from..]), Some(node));
                }
            }
        }
        undo
    }

    /// Whether a question can have been answered like this; what the answer tells is kept.
    fn looks_like(
        &mut self,
        query: &MetadataQuery,
        answer: &Result<MetadataAnswer, Refusal>,
    ) -> Option<Undo> {
        let shown = match query {
            MetadataQuery::Stat { path } => self.stat(&text_of(path)),
            MetadataQuery::List { path, .. } => self.list(&text_of(path)),
            MetadataQuery::Resolve { .. }
            | MetadataQuery::ReadLink { .. }
            | MetadataQuery::Xattr { .. }
            | MetadataQuery::Xattrs { .. }
            | MetadataQuery::StatFile { .. }
            | MetadataQuery::Locate { .. }
            | MetadataQuery::Trash { .. }
            | MetadataQuery::Chunks { .. }
            | MetadataQuery::Status
            | MetadataQuery::Constants
            | MetadataQuery::SafeMode
            | MetadataQuery::LeaveSafeMode => return None,
        };
        match (shown, answer) {
            (Err(why), Err(refusal)) => why.is(refusal).then(Undo::default),
            (Ok(shown), Ok(MetadataAnswer::File(info))) => {
                let [path] = &shown[..] else { return None };
                self.see(&[(path.as_str(), info)])
            }
            (Ok(shown), Ok(MetadataAnswer::List { entries, more })) => {
                let MetadataQuery::List { path, after } = query else { return None };
                let path = text_of(path);
                let start = if path == "/" { "" } else { path.as_str() };
                let after = after.as_ref().map(|after| format!("{start}/{after}"));
                let mut rest = shown.iter().filter(|path| after.as_ref().is_none_or(|a| *path > a));
                let pairs: Option<Vec<(&str, &FileInfo)>> = entries
                    .iter()
                    .map(|(name, info)| {
                        let path = rest.next()?;
                        (path[start.len()..].strip_prefix('/') == Some(name.to_string().as_str()))
                            .then_some((path.as_str(), info))
                    })
                    .collect();
                let is_whole = rest.next().is_some() == *more && !(*more && entries.is_empty());
                if is_whole { self.see(&pairs?) } else { None }
            }
            (_, Ok(_)) | (Ok(_), Err(_)) => None,
        }
    }

    /// Compares nodes with what was shown of them.
    fn see(&mut self, shown: &[(&str, &FileInfo)]) -> Option<Undo> {
        let mut undo = Undo::default();
        for (path, info) in shown {
            let Some(node) = self.nodes.get(*path).copied() else {
                // Only the root is there without being a node.
                if info.kind == FileKind::Directory { continue } else { return None }
            };
            let is_news = node.file.is_none() && self.told.insert(info.file);
            if is_news {
                self.key ^= hashed(&info.file);
                undo.told.push(info.file);
                let known = Node { file: Some(info.file), ..node };
                undo.nodes.push(((*path).to_owned(), self.set((*path).to_owned(), Some(known))));
            }
            if node.kind != info.kind || !is_news && node.file != Some(info.file) {
                self.undo(undo);
                return None;
            }
        }
        Some(undo)
    }
}

/// 128 bits: two hashes of 64, whose seeds differ. Both are fixed, in every process.
pub(crate) fn hashed(thing: &impl Hash) -> u128 {
    let half = |seed: u64| {
        let mut hasher = DefaultHasher::new();
        (seed, thing).hash(&mut hasher);
        u128::from(spread(hasher.finish()))
    };
    half(1) << 64 | half(2)
}

impl Why {
    fn is(&self, refusal: &Refusal) -> bool {
        match self {
            Why::NotFound => *refusal == Refusal::NotFound,
            Why::AlreadyExists => *refusal == Refusal::AlreadyExists,
            Why::NotADirectory => *refusal == Refusal::NotADirectory,
            Why::IsADirectory => *refusal == Refusal::IsADirectory,
            Why::NameTooLong => *refusal == Refusal::NameTooLong,
            Why::DirectoryNotEmpty => *refusal == Refusal::DirectoryNotEmpty,
            // The words that go with it are for people.
            Why::Invalid => matches!(refusal, Refusal::Invalid(_)),
        }
    }
}
