//! Which calls of a history have to do with each other: they are judged together.
//!
//! What hangs below one name of the root is a tree of its own, unless a call has to do with several of
//! them: it renames or links from one to the other, makes a symbolic link that leads there, names the root
//! itself, or names an inode that calls elsewhere have shown.

use super::is_root;
use crate::history::{Call, Ending, Operated};
use leasehold_proto::metadata::{MetadataAnswer, MetadataChange, MetadataQuery, Special};
use leasehold_proto::{FileId, Path, Refusal};
use std::collections::{BTreeMap, BTreeSet};

/// Why calls of the namespace are not judged. There is no other reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Excluded {
    /// It had no effect, and its answer says nothing of names: the cluster could not serve it.
    NoAnswer,
    /// It shows or changes chunks, the trash, servers or constants, which have judges of their own.
    NotOfTheNamespace,
    /// It names an inode by an identity that no answer of the history shows, and was not refused for that:
    /// which inode it is, is not known. What it has to do with is left undecided.
    UnknownIdentity,
}

/// The calls that are judged, by tree.
#[derive(Clone, Debug, Default)]
pub struct Trees {
    /// Places of calls in the history, in order, by a name of the tree.
    pub calls: BTreeMap<String, Vec<usize>>,
    /// Names of trees that are left undecided.
    pub undecided: BTreeSet<String>,
    /// Do all calls belong to one tree?
    pub whole: bool,
}

impl Trees {
    /// Sorts a history. `known`: the identities that some answer shows.
    pub(crate) fn of(operations: &[Operated], known: &BTreeSet<FileId>) -> Trees {
        let mut groups = Groups::default();
        let mut calls = Vec::new();
        for (at, operated) in operations.iter().enumerate() {
            let excluded_for = excluded(operated, known);
            if matches!(excluded_for, Some(Excluded::NoAnswer | Excluded::NotOfTheNamespace)) {
                continue;
            }
            let touched = groups.touch(operated);
            calls.push((at, touched, excluded_for.is_some()));
        }
        let mut trees = Trees { whole: groups.one_for_all, ..Trees::default() };
        for (at, top, is_unknown) in calls {
            let name = groups.of(&top);
            if is_unknown {
                trees.undecided.insert(name.clone());
            }
            trees.calls.entry(name).or_default().push(at);
        }
        trees
    }
}

/// Why a call is not judged, if it is not.
pub(crate) fn excluded(operated: &Operated, known: &BTreeSet<FileId>) -> Option<Excluded> {
    if !is_of_the_namespace(&operated.call) {
        return Some(Excluded::NotOfTheNamespace);
    }
    let says_something = match &operated.answer {
        Some(Err(refusal)) => super::why::Errno::of(refusal).is_some(),
        Some(Ok(_)) => true,
        None => matches!(operated.call, Call::Change { .. }) && operated.ending == Ending::Open,
    };
    if !says_something {
        return Some(Excluded::NoAnswer);
    }
    let is_known = |file: &FileId| is_root(*file) || known.contains(file);
    let refused = matches!(operated.answer, Some(Err(Refusal::NotFound)));
    let unknown = !refused && !named(&operated.call).iter().all(is_known);
    unknown.then_some(Excluded::UnknownIdentity)
}

fn is_of_the_namespace(call: &Call) -> bool {
    match call {
        Call::Change { change } => !matches!(
            change,
            MetadataChange::EmptyTrash { .. }
                | MetadataChange::AddChunk { .. }
                | MetadataChange::Truncate { .. }
                | MetadataChange::SetConstants { .. }
                | MetadataChange::BeginSession
                | MetadataChange::Lock { .. }
                | MetadataChange::Unlock { .. }
                | MetadataChange::ForgetServer { .. }
        ),
        Call::Query { query } => match query {
            MetadataQuery::Stat { .. }
            | MetadataQuery::Resolve { .. }
            | MetadataQuery::ReadLink { .. }
            | MetadataQuery::Xattr { .. }
            | MetadataQuery::Xattrs { .. }
            | MetadataQuery::StatFile { .. }
            | MetadataQuery::List { .. } => true,
            MetadataQuery::Locate { .. }
            | MetadataQuery::Trash { .. }
            | MetadataQuery::Chunks { .. }
            | MetadataQuery::RenewSession { .. }
            | MetadataQuery::Conflict { .. }
            | MetadataQuery::Status
            | MetadataQuery::Constants
            | MetadataQuery::SafeMode
            | MetadataQuery::LeaveSafeMode => false,
        },
        Call::Write { .. }
        | Call::Append { .. }
        | Call::Read { .. }
        | Call::Lock { .. }
        | Call::Conflict { .. }
        | Call::Cut { .. }
        | Call::Retire { .. } => false,
    }
}

/// The addresses that a call names.
fn addresses(call: &Call) -> Vec<&Path> {
    match call {
        Call::Change { change } => match change {
            MetadataChange::Create { path, .. }
            | MetadataChange::Mkdir { path, .. }
            | MetadataChange::MakeSpecial { path, .. }
            | MetadataChange::SetAttributes { path, .. }
            | MetadataChange::SetXattr { path, .. }
            | MetadataChange::RemoveXattr { path, .. }
            | MetadataChange::Delete { path, .. } => vec![path],
            MetadataChange::Rename { from, to, .. }
            | MetadataChange::Link { from, to }
            | MetadataChange::Exchange { from, to } => vec![from, to],
            MetadataChange::Restore { to, .. } => vec![to],
            MetadataChange::EmptyTrash { .. }
            | MetadataChange::AddChunk { .. }
            | MetadataChange::Truncate { .. }
            | MetadataChange::SetConstants { .. }
            | MetadataChange::BeginSession
            | MetadataChange::Lock { .. }
            | MetadataChange::Unlock { .. }
            | MetadataChange::ForgetServer { .. } => vec![],
        },
        Call::Query { query } => match query {
            MetadataQuery::Stat { path }
            | MetadataQuery::Resolve { path }
            | MetadataQuery::ReadLink { path }
            | MetadataQuery::Xattr { path, .. }
            | MetadataQuery::Xattrs { path }
            | MetadataQuery::List { path, .. } => vec![path],
            MetadataQuery::StatFile { .. }
            | MetadataQuery::Locate { .. }
            | MetadataQuery::Trash { .. }
            | MetadataQuery::Chunks { .. }
            | MetadataQuery::RenewSession { .. }
            | MetadataQuery::Conflict { .. }
            | MetadataQuery::Status
            | MetadataQuery::Constants
            | MetadataQuery::SafeMode
            | MetadataQuery::LeaveSafeMode => vec![],
        },
        Call::Write { .. }
        | Call::Append { .. }
        | Call::Read { .. }
        | Call::Lock { .. }
        | Call::Conflict { .. }
        | Call::Cut { .. }
        | Call::Retire { .. } => vec![],
    }
}

/// The identities by which a call names inodes.
pub(crate) fn named(call: &Call) -> Vec<FileId> {
    let mut named: Vec<FileId> = addresses(call)
        .into_iter()
        .filter(|path| !path.is_absolute())
        .map(|path| path.at)
        .collect();
    match call {
        Call::Query { query: MetadataQuery::StatFile { file } }
        | Call::Change { change: MetadataChange::Restore { file, .. } } => named.push(*file),
        _ => {}
    }
    named
}

/// The identities that an answer shows.
pub(crate) fn shown(operated: &Operated) -> Vec<FileId> {
    match &operated.answer {
        Some(Ok(MetadataAnswer::File(info))) => vec![info.file],
        Some(Ok(MetadataAnswer::List { entries, .. })) => {
            entries.iter().map(|(_, info)| info.file).collect()
        }
        _ => vec![],
    }
}

/// Names of the root, and identities, that belong together.
#[derive(Default)]
struct Groups {
    /// Each name's elder; the eldest is its own.
    elders: BTreeMap<String, String>,
    one_for_all: bool,
}

impl Groups {
    /// Takes a call in; one of the names that it has to do with.
    fn touch(&mut self, operated: &Operated) -> String {
        let mut tops: Vec<String> = addresses(&operated.call).into_iter().map(top).collect();
        tops.extend(named(&operated.call).into_iter().filter(|file| !is_root(*file)).map(by_id));
        // Only inodes other than the root are named by an identity.
        tops.extend(shown(operated).into_iter().filter(|file| !is_root(*file)).map(by_id));
        match &operated.call {
            Call::Query { query: MetadataQuery::List { path, .. } } => {
                self.one_for_all |= top(path).is_empty();
            }
            Call::Change { change: MetadataChange::SetAttributes { path, .. } } => {
                self.one_for_all |= top(path).is_empty();
            }
            Call::Change {
                change: MetadataChange::MakeSpecial { what: Special::Symlink(target), .. },
            } => self.leads(target, &mut tops),
            _ => {}
        }
        for pair in tops.windows(2) {
            let (one, other) = (self.of(&pair[0]), self.of(&pair[1]));
            if one != other {
                self.elders.insert(one, other);
            }
        }
        tops.into_iter().next().unwrap_or_default()
    }

    /// A symbolic link leads to what its first component names, if it is, or comes to be, in the root; one
    /// that may lead to the root itself leads to everything.
    fn leads(&mut self, target: &[u8], tops: &mut Vec<String>) {
        let mut names = target.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        let to_root = |name: &[u8]| name == b"." || name == b"..";
        self.one_for_all |= names.clone().any(to_root) || names.clone().next().is_none();
        tops.extend(names.next().map(by_name));
    }

    fn of(&self, top: &str) -> String {
        if self.one_for_all {
            return String::new();
        }
        let mut at = top;
        while let Some(elder) = self.elders.get(at).filter(|elder| *elder != at) {
            at = elder;
        }
        at.to_owned()
    }
}

/// The name of the root that an address begins with, or the inode; the root itself has no name.
fn top(path: &Path) -> String {
    if !path.is_absolute() && !is_root(path.at) {
        return by_id(path.at);
    }
    let mut names = path.as_bytes().split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    names.next().map_or_else(String::new, by_name)
}

fn by_name(name: &[u8]) -> String {
    format!("/{}", leasehold_proto::Name::from(name))
}

fn by_id(file: FileId) -> String {
    file.to_string()
}
