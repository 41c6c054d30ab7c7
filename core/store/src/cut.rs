//! What a group of mutations amounts to if some of them cut their chunk: first one cut of what was
//! there, then writes.

use crate::plan::Piece;
use leasehold_proto::{Mutation, MutationKind, Payload};

/// A group of mutations as a cut and writes.
#[derive(Debug)]
pub(crate) struct Amount {
    /// Everything at or beyond this goes, of what was there before.
    pub cut: Option<u64>,
    /// What is then written, in order.
    pub pieces: Vec<Piece>,
    /// The chunk's length at the end, if it was so long before.
    pub length: u64,
}

impl Amount {
    /// Of mutations and their bytes, for a chunk that is `length` bytes long.
    pub fn of(mutations: &[Mutation], payloads: &[Payload], length: u64, full: u64) -> Self {
        let cut = lowest_cut(mutations).filter(|&cut| cut < length);
        let mut amount = Amount { cut, pieces: Vec::new(), length };
        for (mutation, payload) in mutations.iter().zip(payloads) {
            amount.add(mutation, payload, full);
        }
        amount
    }

    fn add(&mut self, mutation: &Mutation, payload: &Payload, full: u64) {
        match (mutation.kind, cut_by(mutation)) {
            (_, Some(length)) => {
                self.pieces.iter_mut().for_each(|piece| piece.end_at(length));
                self.pieces.retain(|piece| !piece.data.is_empty());
                self.length = length;
            }
            (MutationKind::Seal, None) => self.length = full,
            (_, None) => {
                let (offset, data) = (mutation.extent.offset, payload.data.clone());
                self.length = self.length.max(mutation.extent.end());
                self.pieces.push(Piece { offset, data });
            }
        }
    }
}

/// Up to where the chunk keeps what it had, whatever else these mutations do; none if none cuts it.
pub(crate) fn lowest_cut(mutations: &[Mutation]) -> Option<u64> {
    mutations.iter().filter_map(cut_by).min()
}

fn cut_by(mutation: &Mutation) -> Option<u64> {
    match mutation.kind {
        MutationKind::Cut { .. } => Some(mutation.extent.offset),
        MutationKind::Retire => Some(0),
        MutationKind::Write | MutationKind::Append | MutationKind::Seal => None,
    }
}
