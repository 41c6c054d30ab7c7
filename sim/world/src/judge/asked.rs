//! I11: what clients asked to be written, and where. A chunk holds nothing else.
//!
//! A disk shows a mutation to be the client's own, and not where the client wanted it. That is known
//! only from what was asked.

use bytes::Bytes;
use leasehold_proto::machine::Operation;
use leasehold_proto::{FileId, Mutation, MutationKind};
use std::collections::{BTreeMap, BTreeSet};

/// Every write and every record that a client ever requested.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    /// By file and index: offset and bytes.
    writes: BTreeMap<(FileId, u64), BTreeSet<(u64, Bytes)>>,
    /// By file. In which chunk a record goes the cluster decides.
    records: BTreeMap<FileId, BTreeSet<Bytes>>,
    /// By file and index: the lengths to which the chunk was to be cut.
    cuts: BTreeMap<(FileId, u64), BTreeSet<u64>>,
    /// The places of which the chunk was to be retired.
    retired: BTreeSet<(FileId, u64)>,
}

impl Asked {
    /// A client asks.
    pub fn invoked(&mut self, op: &Operation) {
        match op {
            Operation::Write { file, index, offset, payload } => {
                let write = (*offset, payload.data.clone());
                self.writes.entry((*file, *index)).or_default().insert(write);
            }
            Operation::Append { file, payload, .. } => {
                self.records.entry(*file).or_default().insert(payload.data.clone());
            }
            Operation::Cut { file, index, length, .. } => {
                self.cuts.entry((*file, *index)).or_default().insert(*length);
            }
            Operation::Retire { file, index, .. } => {
                self.retired.insert((*file, *index));
            }
            Operation::Read { .. }
            | Operation::Lock { .. }
            | Operation::Conflict { .. }
            | Operation::Change(_)
            | Operation::Query(_) => {}
        }
    }

    /// Did a client request this mutation of this chunk of this file, which has `full` bytes when it is
    /// full? Sealing one is not requested, nor filling it up, which seals it as well.
    pub fn knows(
        &self,
        place: (FileId, u64),
        mutation: &Mutation,
        data: &Bytes,
        full: Option<u64>,
    ) -> bool {
        let to = mutation.extent.offset;
        match mutation.kind {
            MutationKind::Seal => true,
            MutationKind::Cut { .. } if Some(to) == full => true,
            MutationKind::Cut { .. } => {
                self.cuts.get(&place).is_some_and(|asked| asked.contains(&to))
            }
            MutationKind::Retire => self.retired.contains(&place),
            MutationKind::Write => self
                .writes
                .get(&place)
                .is_some_and(|asked| asked.contains(&(mutation.extent.offset, data.clone()))),
            MutationKind::Append => {
                self.records.get(&place.0).is_some_and(|asked| asked.contains(data))
            }
        }
    }
}
