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
            Operation::Read { .. } | Operation::Change(_) | Operation::Query(_) => {}
        }
    }

    /// Did a client request this mutation of this chunk of this file? Sealing one is not requested.
    pub fn knows(&self, place: (FileId, u64), mutation: &Mutation, data: &Bytes) -> bool {
        match mutation.kind {
            MutationKind::Seal => true,
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
