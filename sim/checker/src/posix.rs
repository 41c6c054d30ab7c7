//! The namespace as its clients may see it: inodes, names and permissions, one call at a time.
//!
//! Written from POSIX.1-2017 (XBD 4.5 to 4.13, XSH 2.3 and the pages of the calls), from the manual pages of
//! Linux where POSIX leaves a choice, and from DESIGN-2 §2 where the product makes one. Nothing of the
//! master's tables is used; `tests` compares the two on random calls.
//!
//! POSIX does not say which of several errors is returned (XSH 2.3). So a call has a *set* of reasons for
//! which it may be refused (`Why`): it has to succeed if there is none, and to be refused for one of them
//! otherwise.
//!
//! An inode is named here by the call that made it ([`Ino`]). The identity that the masters gave it is known
//! if that call was answered; otherwise the first answer that shows it binds it.

mod why;
mod state;
mod paths;
mod changes;
mod rename;
mod attributes;
mod looks;
mod trees;
#[cfg(test)]
mod tests;

pub use state::Posix;
pub(crate) use state::hashed;
pub(crate) use trees::shown;
pub use trees::{Excluded, Trees};

use crate::linearizability::Object;
use leasehold_proto::metadata::{MetadataAnswer, MetadataChange, MetadataQuery};
use leasehold_proto::{Caller, FileId, Refusal};
use state::Undo;
use why::Why;

/// An inode, by the place of the call that made it, counted from 1. The root directory is 0.
pub type Ino = u32;

/// The root directory.
const ROOT: Ino = 0;

/// The request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Anything that changes names or inodes.
    Change(MetadataChange),
    /// Anything that shows them.
    Query(MetadataQuery),
}

/// A call and its answer; none if it is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PosixOp {
    /// Of all calls of the history, which one; not 0.
    pub place: Ino,
    /// The credentials and the clock of the caller.
    pub caller: Caller,
    /// The request.
    pub asked: Asked,
    /// What was answered.
    pub answer: Option<Result<MetadataAnswer, Refusal>>,
    /// It shows, or names by its identity, an inode whose creating call was not answered.
    pub binds: bool,
}

impl Object for Posix {
    type Op = PosixOp;
    type Undo = Undo;
    /// 128 bits of what is where. As for cells: no two of the states of any run share a name.
    type Key = u128;

    fn apply(&mut self, op: &PosixOp) -> Option<Undo> {
        let before = self.mark();
        let fits = match &op.asked {
            Asked::Query(query) => self.looks_like(query, &op.caller, op.answer.as_ref()?),
            Asked::Change(change) => match &op.answer {
                Some(Err(refusal)) => self.why_not(change, op).allows(refusal),
                // The call may have been refused, or may never have come to a master.
                None => {
                    let made = self.perform(change, op, None);
                    if made.is_err() {
                        self.back_to(before);
                    }
                    true
                }
                Some(Ok(answer)) => self.perform(change, op, Some(answer)).is_ok(),
            },
        };
        if fits {
            return Some(self.since(before));
        }
        self.back_to(before);
        None
    }

    fn undo(&mut self, undo: Undo) {
        self.take_back(undo);
    }

    fn changes(op: &PosixOp) -> bool {
        match op.asked {
            Asked::Change(_) => !matches!(op.answer, Some(Err(_))),
            Asked::Query(_) => op.binds,
        }
    }

    fn key(&self) -> u128 {
        self.name_of_state()
    }
}

impl Posix {
    /// For which reasons a change may be refused in this state, which stays as it is.
    fn why_not(&mut self, change: &MetadataChange, op: &PosixOp) -> Why {
        let before = self.mark();
        let made = self.perform(change, op, None);
        self.back_to(before);
        match made {
            Ok(why) | Err(why) => why,
        }
    }

    /// Carries a change out, as far as nothing forbids it, and compares what it was answered. The error
    /// holds the reasons that forbid it; none of them if only the answer does not fit. After an error the
    /// state is to be taken back.
    fn perform(
        &mut self,
        change: &MetadataChange,
        op: &PosixOp,
        answer: Option<&MetadataAnswer>,
    ) -> Result<Why, Why> {
        let done = match change {
            MetadataChange::Create { .. }
            | MetadataChange::Mkdir { .. }
            | MetadataChange::MakeSpecial { .. } => self.make(change, op, answer)?,
            MetadataChange::Link { from, to } => self.link(&op.caller, from, to)?,
            MetadataChange::Delete { path, this } => self.delete(&op.caller, path, *this)?,
            MetadataChange::Restore { file, to, no_replace } => {
                self.restore(&op.caller, *file, to, *no_replace)?
            }
            MetadataChange::Rename { from, to, this, no_replace } => {
                self.rename(&op.caller, (from, to), *this, *no_replace)?
            }
            MetadataChange::Exchange { from, to } => self.exchange(&op.caller, from, to)?,
            MetadataChange::SetAttributes { path, set } => {
                self.set_attributes(&op.caller, path, set)?
            }
            MetadataChange::SetXattr { path, name, value, condition } => {
                self.set_xattr(&op.caller, path, name, Some((value, *condition)))?
            }
            MetadataChange::RemoveXattr { path, name } => {
                self.set_xattr(&op.caller, path, name, None)?
            }
            MetadataChange::EmptyTrash { .. }
            | MetadataChange::AddChunk { .. }
            | MetadataChange::Truncate { .. }
            | MetadataChange::SetConstants { .. }
            | MetadataChange::BeginSession
            | MetadataChange::Lock { .. }
            | MetadataChange::Unlock { .. }
            | MetadataChange::ForgetServer { .. } => {
                unreachable!("chunks, locks, servers and constants are not in the namespace")
            }
        };
        let fits = match (answer, done.shown) {
            (None, _) | (Some(MetadataAnswer::Done), None) => true,
            (Some(MetadataAnswer::File(info)), Some(ino)) => self.sees(ino, info),
            (Some(_), _) => false,
        };
        if fits { Ok(done.why) } else { Err(Why::default()) }
    }
}

/// What a change came to.
struct Done {
    /// The inode that its answer shows, if it shows one.
    shown: Option<Ino>,
    /// Reasons for which it might have been refused as well.
    why: Why,
}

impl Done {
    fn nothing_shown(why: Why) -> Result<Done, Why> {
        Ok(Done { shown: None, why })
    }

    fn shows(ino: Ino, why: Why) -> Result<Done, Why> {
        Ok(Done { shown: Some(ino), why })
    }
}

/// Does this identity name the root directory?
pub(crate) fn is_root(file: FileId) -> bool {
    file == leasehold_proto::Path::ROOT
}
