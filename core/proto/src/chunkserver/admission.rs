//! What a primary does with a client's mutation before it has a place in the order: checks it at
//! the door, lets it wait, and recognises a retry.

use super::live::{Live, Role};
use super::order::{Order, Place, Waiter};
use super::primary::Primary;
use super::queue::{Queue, Queued};
use super::replica::{Replica, Then};
use crate::config::Rules;
use crate::cx::Cx;
use crate::event::Event;
use crate::ids::{ChunkHandle, ChunkVersion, NodeId, OpId, Sequence};
use crate::message::data;
use crate::payload::{Extent, Payload};
use crate::refusal::Refusal;
use crate::replica::{Done, Lookup, Mutation, MutationKind, ReplicaRecord};

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

impl Wanted {
    /// Waits for a mutation: its own, or one because of which it is answered or refused.
    fn waiter(&self, refusal: Option<Refusal>) -> Waiter {
        Waiter { client: self.client, op: self.op, asked: self.kind, refusal }
    }
}

impl Replica<'_> {
    pub fn on_mutate(&mut self, from: NodeId, message: data::Mutate) -> Then {
        let data::Mutate { op, acked_below, chunk, version, exactly, kind, offset, payload } =
            message;
        let wanted = Wanted { client: from, op, acked_below, kind, offset, payload };
        let waiting_max = self.cx.constants.waiting_requests_max as usize;
        let now = self.cx.now;
        if let Err(refusal) = self.check_mutation((version, exactly), &wanted) {
            self.cx.send(from, data::Mutated { op, chunk, result: Err(refusal) });
            return Then::Nothing;
        }
        self.touch();
        let Some(primary) = self.live.primary_mut() else { return Then::Nothing };
        primary.use_at(now);
        if primary.waiting.len() < waiting_max {
            primary.waiting.push_back(wanted);
        } else {
            self.cx.send(from, data::Mutated { op, chunk, result: Err(Refusal::Busy) });
        }
        Then::Progress
    }

    fn check_mutation(
        &self,
        (version, exactly): (ChunkVersion, bool),
        wanted: &Wanted,
    ) -> Result<(), Refusal> {
        let chunk_bytes = self.check_primary(version)?;
        let current = self.live.primary().map(Primary::version);
        if exactly && current.is_some_and(|current| current != version) {
            return Err(Refusal::Stale { promised: self.fence() });
        }
        if self.live.health.is_full() {
            return Err(Refusal::NoSpace);
        }
        let bytes_max = chunk_bytes.min(u64::from(self.cx.constants.mutation_bytes_max));
        let length = wanted.payload.len();
        if length > bytes_max {
            return Err(Refusal::TooLarge { bytes_max });
        }
        match wanted.kind {
            MutationKind::Seal | MutationKind::Cut { .. } | MutationKind::Retire => Ok(()),
            MutationKind::Write | MutationKind::Append if length == 0 => {
                Err(Refusal::Invalid("an empty mutation".into()))
            }
            MutationKind::Write if wanted.offset.saturating_add(length) > chunk_bytes => {
                Err(Refusal::Invalid("a write past the end of its chunk".into()))
            }
            MutationKind::Write | MutationKind::Append => Ok(()),
        }
    }

    /// Takes waiting requests into the order, while there is a lease and room.
    pub fn admit_waiting(&mut self) {
        if !self.is_active() {
            return;
        }
        self.touch();
        let Replica { chunk, record: Some(record), live, cx, .. } = self else { return };
        let Live { role: Role::Primary(primary), queue, .. } = &mut **live else { return };
        let mut door = Door { chunk: *chunk, record, primary, queue, cx };
        while let Some(wanted) = door.next() {
            door.admit(wanted);
        }
    }
}

/// The way from the waiting requests into the order of an active primary.
struct Door<'a, 'cx> {
    chunk: ChunkHandle,
    record: &'a ReplicaRecord,
    primary: &'a mut Primary,
    queue: &'a mut Queue,
    cx: &'a mut Cx<'cx>,
}

impl Door<'_, '_> {
    /// The next request that can be decided.
    fn next(&mut self) -> Option<Wanted> {
        let next = self.primary.waiting.front()?;
        let room = self.primary.order.has_room(next.payload.len(), self.cx.constants);
        if !room || self.answer_is_open(next.op) {
            return None;
        }
        self.primary.waiting.pop_front()
    }

    /// It would be refused for what is not committed: that could be lost, and with it the
    /// certainty that this operation never takes effect.
    fn answer_is_open(&self, op: OpId) -> bool {
        let committed = self.primary.order.committed();
        matches!(self.known(op), Known::PerhapsForgotten { since, .. } if since > committed)
    }

    fn known(&self, op: OpId) -> Known {
        Known::of(op, &self.primary.order, self.record, self.cx.rules())
    }

    /// Answers a retry from what is known, or gives a mutation its place in the order.
    fn admit(&mut self, wanted: Wanted) {
        let (chunk, client, op, kind) = (self.chunk, wanted.client, wanted.op, wanted.kind);
        let table = self.cx.rules().operation_table;
        let known = if table { self.known(op) } else { Known::New };
        let result = match known {
            Known::Forgotten => Err(Refusal::Forgotten),
            Known::PerhapsForgotten { below, .. } => Err(Refusal::PerhapsForgotten { below }),
            Known::Committed(done) => {
                let (sequence, extent) = (done.sequence, done.extent);
                let version = self.primary.version();
                let answer = answer_to(kind, &done);
                if answer.is_ok() {
                    self.cx.observe(Event::Acknowledged { chunk, version, sequence, op, extent });
                }
                answer
            }
            Known::Ordered(sequence) => {
                let inflight = self.primary.order.get_mut(sequence).expect("ordered is in flight");
                return inflight.waiters.push(wanted.waiter(None));
            }
            Known::New => match self.primary.order.place(&wanted, self.chunk_bytes()) {
                Place::At(kind, extent) => return self.order(wanted, kind, extent),
                Place::SealedBy(by) => match self.primary.order.get_mut(by) {
                    Some(seal) => return seal.waiters.push(wanted.waiter(None)),
                    None => Ok(Extent::default()),
                },
                Place::RefusedBy(by, refusal) => match self.primary.order.get_mut(by) {
                    Some(cause) => return cause.waiters.push(wanted.waiter(Some(refusal))),
                    None => Err(refusal),
                },
            },
        };
        self.cx.send(client, data::Mutated { op, chunk, result });
    }

    fn chunk_bytes(&self) -> u64 {
        self.record.spec.chunk_bytes
    }

    /// Gives a mutation its sequence number, queues it here and pushes it down the chain.
    fn order(&mut self, wanted: Wanted, kind: MutationKind, extent: Extent) {
        let (now, chunk_bytes, waiter) = (self.cx.now, self.chunk_bytes(), wanted.waiter(None));
        let Wanted { op, acked_below, payload, .. } = wanted;
        let payload = match kind {
            MutationKind::Write | MutationKind::Append => payload,
            MutationKind::Seal | MutationKind::Cut { .. } | MutationKind::Retire => {
                Payload::default()
            }
        };
        let mutation = Mutation { op, acked_below, kind, extent, crc: payload.crc };
        let primary = &mut *self.primary;
        if primary.order.is_settled() {
            // While there was nothing to say, silence meant nothing.
            primary.peers.restart_clocks(now);
        }
        let (m, p) = (mutation.clone(), payload.clone());
        let sequence = primary.order.add(m, p, waiter, chunk_bytes, now);
        let version = primary.version();
        self.queue.insert(sequence, Queued { version, mutation, payload });
        primary.push(self.chunk, sequence, primary.peers.chain(), self.cx);
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

impl Known {
    /// What the order and the operation table say.
    fn of(op: OpId, order: &Order, record: &ReplicaRecord, rules: &Rules) -> Known {
        if let Some(sequence) = order.place_of(op) {
            return Known::Ordered(sequence);
        }
        match record.image.ops.lookup(op) {
            Lookup::New => Known::New,
            Lookup::BelowWatermark => Known::Forgotten,
            Lookup::PerhapsForgotten { .. } if !rules.refuse_forgotten => Known::New,
            Lookup::PerhapsForgotten { below, since } => Known::PerhapsForgotten { below, since },
            Lookup::Done(done) => Known::Committed(done),
        }
    }
}

/// The answer to a retry of a committed mutation.
fn answer_to(asked: MutationKind, done: &Done) -> Result<Extent, Refusal> {
    match (asked, done.kind) {
        (MutationKind::Append, MutationKind::Seal | MutationKind::Cut { .. }) => {
            Err(Refusal::Sealed)
        }
        _ => Ok(done.extent),
    }
}
