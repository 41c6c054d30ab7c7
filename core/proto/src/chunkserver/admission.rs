//! What a primary does with a client's mutation before it has a place in the order: checks it at
//! the door, lets it wait, and recognises a retry.

use super::Chunkserver;
use super::live::Live;
use super::primary::Primary;
use crate::event::Event;
use crate::ids::{ChunkHandle, ChunkVersion, NodeId, OpId, Sequence};
use crate::machine::Effects;
use crate::message::data;
use crate::payload::{Extent, Payload};
use crate::refusal::Refusal;
use crate::replica::{Done, Lookup, MutationKind};
use crate::time::Time;

/// A client's request for a mutation, checked at the door.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    pub client: NodeId,
    pub op: OpId,
    pub acked_below: u64,
    pub kind: MutationKind,
    pub offset: u64,
    pub payload: Payload,
}

impl Chunkserver {
    pub(super) fn on_mutate(
        &mut self,
        now: Time,
        from: NodeId,
        message: data::Mutate,
        out: &mut Effects,
    ) {
        let data::Mutate { op, acked_below, chunk, version, kind, offset, payload } = message;
        let wanted = Wanted { client: from, op, acked_below, kind, offset, payload };
        if let Err(refusal) = self.check_mutation(chunk, version, &wanted) {
            return self.send(from, data::Mutated { op, chunk, result: Err(refusal) }, out);
        }
        let waiting_max = self.constants().waiting_requests_max as usize;
        let primary = self.live(chunk).primary_mut().expect("checked at the door");
        primary.used_at = now;
        primary.waiting.push_back(wanted);
        if primary.waiting.len() > waiting_max {
            let result = Err(Refusal::Busy);
            primary.waiting.pop_back();
            self.send(from, data::Mutated { op, chunk, result }, out);
        }
        self.go_on(chunk, now, out);
    }

    fn check_mutation(
        &self,
        chunk: ChunkHandle,
        version: ChunkVersion,
        wanted: &Wanted,
    ) -> Result<(), Refusal> {
        let chunk_bytes = self.check_primary(chunk, version)?;
        if self.live[&chunk].full {
            return Err(Refusal::NoSpace);
        }
        let bytes_max = chunk_bytes.min(u64::from(self.constants().mutation_bytes_max));
        let length = wanted.payload.len();
        if length > bytes_max {
            return Err(Refusal::TooLarge { bytes_max });
        }
        match wanted.kind {
            MutationKind::Seal => Ok(()),
            MutationKind::Write | MutationKind::Append if length == 0 => {
                Err(Refusal::Invalid("an empty mutation".into()))
            }
            MutationKind::Write if wanted.offset.saturating_add(length) > chunk_bytes => {
                Err(Refusal::Invalid("a write past the end of its chunk".into()))
            }
            MutationKind::Write | MutationKind::Append => Ok(()),
        }
    }

    /// Refuses what is not for this node as the primary of `chunk`; gives the chunk's size.
    pub(super) fn check_primary(
        &self,
        chunk: ChunkHandle,
        version: ChunkVersion,
    ) -> Result<u64, Refusal> {
        if self.disk_failed {
            return Err(Refusal::DiskFailed);
        }
        let promised = self.fence(chunk);
        let record = self.record(chunk).ok_or(Refusal::Stale { promised })?;
        let primary = self.live.get(&chunk).and_then(Live::primary);
        match primary.filter(|primary| !primary.retired) {
            Some(primary) if version > primary.version => Err(Refusal::NotPrimary),
            Some(_) => Ok(record.spec.chunk_bytes),
            None if version < promised => Err(Refusal::Stale { promised }),
            None => Err(Refusal::NotPrimary),
        }
    }

    /// Takes waiting requests into the order, while there is a lease and room.
    pub(super) fn admit_waiting(&mut self, chunk: ChunkHandle, now: Time, out: &mut Effects) {
        while self.is_active(chunk, now) {
            let constants = self.config.constants.clone();
            let Some(primary) = self.live(chunk).primary_mut() else { return };
            let Some(next) = primary.waiting.front() else { return };
            let (op, bytes) = (next.op, next.payload.len());
            if !primary.has_room(bytes, &constants) || self.answer_is_open(chunk, op) {
                return;
            }
            let Some(primary) = self.live(chunk).primary_mut() else { return };
            let wanted = primary.waiting.pop_front().expect("looked at above");
            self.admit(now, chunk, wanted, out);
        }
    }

    /// It would be refused for what is not committed: that could be lost, and with it the
    /// certainty that this operation never takes effect.
    fn answer_is_open(&self, chunk: ChunkHandle, op: OpId) -> bool {
        let committed = self.live[&chunk].primary().expect("an active primary").committed;
        matches!(self.known(chunk, op), Known::PerhapsForgotten { since, .. } if since > committed)
    }

    /// Answers a retry from what is known, or gives a mutation its place in the order.
    fn admit(&mut self, now: Time, chunk: ChunkHandle, wanted: Wanted, out: &mut Effects) {
        let (client, op, kind) = (wanted.client, wanted.op, wanted.kind);
        let known = if self.rules().operation_table { self.known(chunk, op) } else { Known::New };
        let chunk_bytes = self.chunk_bytes_of(chunk);
        let primary = self.live(chunk).primary_mut().expect("an active primary");
        let answer = match known {
            Known::Forgotten => Err(Refusal::Forgotten),
            Known::PerhapsForgotten { below, .. } => Err(Refusal::PerhapsForgotten { below }),
            Known::Committed(done) => {
                let (version, sequence, extent) = (primary.version, done.sequence, done.extent);
                let answer = answer_to(kind, &done);
                if answer.is_ok() {
                    out.observe(Event::Acknowledged { chunk, version, sequence, op, extent });
                }
                answer
            }
            Known::Ordered(sequence) => {
                let inflight = primary.inflight.get_mut(&sequence).expect("ordered is in flight");
                return inflight.waiters.push((client, op, kind));
            }
            Known::New => match place(primary, &wanted, chunk_bytes) {
                Place::At(kind, extent) => {
                    return self.order(now, chunk, wanted, kind, extent, out);
                }
                Place::SealedBy(sequence) => match primary.inflight.get_mut(&sequence) {
                    // Not committed, the seal could be lost, and with it the certainty that this
                    // record is not in the chunk and never will be.
                    Some(seal) => return seal.waiters.push((client, op, kind)),
                    None if kind == MutationKind::Seal => Ok(Extent::default()),
                    None => Err(Refusal::Sealed),
                },
            },
        };
        self.send(client, data::Mutated { op, chunk, result: answer }, out);
    }

    pub(super) fn chunk_bytes_of(&self, chunk: ChunkHandle) -> u64 {
        self.record(chunk).expect("a primary has its replica").spec.chunk_bytes
    }

    /// What the operation table and the order say of an operation.
    fn known(&self, chunk: ChunkHandle, op: OpId) -> Known {
        let primary = self.live[&chunk].primary().expect("an active primary");
        if let Some(sequence) = primary.ordered.get(&op) {
            return Known::Ordered(*sequence);
        }
        match self.record(chunk).expect("a primary has its replica").image.ops.lookup(op) {
            Lookup::New => Known::New,
            Lookup::BelowWatermark => Known::Forgotten,
            Lookup::PerhapsForgotten { .. } if !self.rules().refuse_forgotten => Known::New,
            Lookup::PerhapsForgotten { below, since } => Known::PerhapsForgotten { below, since },
            Lookup::Done(done) => Known::Committed(done),
        }
    }
}

/// What a primary knows of an operation.
enum Known {
    New,
    Ordered(Sequence),
    Committed(Done),
    Forgotten,
    PerhapsForgotten { below: u64, since: Sequence },
}

/// Where a mutation goes.
enum Place {
    At(MutationKind, Extent),
    SealedBy(Sequence),
}

/// GFS §3.3: a record that does not fit pads the chunk, and is to be tried on the next one.
fn place(primary: &Primary, wanted: &Wanted, chunk_bytes: u64) -> Place {
    let length = wanted.payload.len();
    match (wanted.kind, primary.sealed_by) {
        (MutationKind::Write, _) => {
            Place::At(MutationKind::Write, Extent::new(wanted.offset, length))
        }
        (MutationKind::Append | MutationKind::Seal, Some(sequence)) => Place::SealedBy(sequence),
        (MutationKind::Append, None) if primary.tail + length <= chunk_bytes => {
            Place::At(MutationKind::Append, Extent::new(primary.tail, length))
        }
        (MutationKind::Append | MutationKind::Seal, None) => {
            Place::At(MutationKind::Seal, Extent::default())
        }
    }
}

/// The answer to a retry of a committed mutation.
fn answer_to(asked: MutationKind, done: &Done) -> Result<Extent, Refusal> {
    match (asked, done.kind) {
        (MutationKind::Append, MutationKind::Seal) => Err(Refusal::Sealed),
        _ => Ok(done.extent),
    }
}
