//! The judge of a run: an observer that sees every disk and every clock at once.
//!
//! The invariants' sentences are in `leasehold-checker`; this module says how each is seen from
//! above. `leasehold-checker` judges the same runs from events alone, as it must where nobody sees
//! everything (`events`); the two share no code, so that an error in one does not hide in the
//! other.

mod past;
mod asked;
mod reads;
pub(crate) mod ending;
mod retention;
mod events;
mod copies;
mod instant;
#[cfg(test)]
mod tests;

use crate::cluster::Cluster;
use crate::fair::name;
use crate::observation::Observation;
use crate::show::op_name;
use asked::Asked;
pub(crate) use copies::Copies;
use events::Events;
use instant::{agreement, is_primary, no_conflicting_locks, one_primary};
pub use leasehold_checker::Violation;
use leasehold_checker::invariants::invariant;
pub use leasehold_checker::violation::ASSERTION;
use leasehold_proto::file::record_bytes_max;
use leasehold_proto::machine::Operation;
use leasehold_proto::{
    ChunkHandle, ChunkVersion, Constants, Event, Extent, FileId, Incarnation, IoOp, Mutation,
    MutationKind, NodeId, OpId, Outcome, Payload, ReadMode, ReplicaChange, RequestId, Sequence,
};
use past::Past;
use reads::OpenRead;
use retention::Retention;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

/// A violation of one of the checker's invariants; [`World`](crate::World) adds the time.
///
/// # Panics
/// If the checker has no invariant of that number.
#[must_use]
pub fn violation(id: &'static str, detail: String) -> Violation {
    let invariant = invariant(id).expect("what the judge names is in the checker's list");
    invariant.broken(0, detail)
}

/// The judge. Two judges are equal, and hash alike, if they saw the same from above; how often
/// they looked does not matter.
#[derive(Clone, Debug)]
pub struct Judge {
    /// None where only the content of a state's hash counts.
    events: Option<Events>,
    /// Likewise: it knows true times.
    retention: Option<Retention>,
    pasts: BTreeMap<ChunkHandle, Past>,
    /// The chunks that the log made for a place of a file, one after another, freed or not.
    places: BTreeMap<(FileId, u64), Vec<ChunkHandle>>,
    asked: Asked,
    /// By chunkserver and chunk, the highest version that it said it promised.
    promises: BTreeMap<(NodeId, ChunkHandle), ChunkVersion>,
    reads: BTreeMap<(NodeId, RequestId), OpenRead>,
    /// By master and chunkserver, the last incarnation that it registered in its epoch.
    lives: BTreeMap<(NodeId, NodeId), Incarnation>,
    counts: BTreeMap<&'static str, u64>,
}

impl Judge {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(constants: &Constants) -> Self {
        Judge {
            events: Some(Events::new(constants)),
            retention: Some(Retention::default()),
            pasts: BTreeMap::new(),
            places: BTreeMap::new(),
            asked: Asked::default(),
            promises: BTreeMap::new(),
            reads: BTreeMap::new(),
            lives: BTreeMap::new(),
            counts: BTreeMap::new(),
        }
    }

    /// The same without the checkers that see events only, and without true times: what it knows is
    /// then all that its hash contains, which is what a search over states needs.
    #[must_use]
    pub fn from_above(mut self) -> Self {
        (self.events, self.retention) = (None, None);
        self
    }

    /// How many times each invariant was looked at. A run that looked at none proves nothing.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }

    /// Can this change what is known from above, or show something to be wrong?
    #[must_use]
    pub fn heeds(what: &Observation) -> bool {
        match what {
            Observation::Event { event, .. } => matches!(
                event,
                Event::Promised { .. }
                    | Event::ChunkMade { .. }
                    | Event::Configured { .. }
                    | Event::Freed { .. }
                    | Event::GivenUp { .. }
                    | Event::ReadServed { mode: ReadMode::Strong, .. }
                    | Event::LeaderBegan { .. }
                    | Event::ServerJoined { .. }
                    | Event::ProtocolError { .. }
            ),
            Observation::Started { .. } => false,
            Observation::Invoked { .. }
            | Observation::Responded { .. }
            | Observation::Acknowledged { .. }
            | Observation::Durable { .. }
            | Observation::Crashed { .. }
            | Observation::ClockStopped { .. }
            | Observation::Destroyed { .. } => true,
        }
    }

    /// Looks at a state without counting that it did.
    ///
    /// # Errors
    /// The invariant that does not hold in it.
    pub fn look(cluster: &Cluster) -> Result<(), Violation> {
        one_primary(cluster)?;
        no_conflicting_locks(cluster)
    }

    fn count(&mut self, invariant: &'static str) {
        *self.counts.entry(invariant).or_default() += 1;
    }

    /// Takes in what happened; `cluster` is as it is after the step.
    ///
    /// # Errors
    /// The invariant that it shows not to hold.
    pub fn observe(&mut self, cluster: &Cluster, what: &Observation) -> Result<(), Violation> {
        self.see_from_above(cluster, what)?;
        if let Some(retention) = &mut self.retention {
            retention.observe(cluster, what)?;
        }
        self.events.as_mut().map_or(Ok(()), |events| events.observe(cluster, what))
    }

    fn see_from_above(&mut self, cluster: &Cluster, what: &Observation) -> Result<(), Violation> {
        match what {
            Observation::Event { node, event } => self.event(cluster, *node, event),
            // A chunk that is sealed already needs no mutation to say so.
            Observation::Acknowledged { chunk, op, extent, .. }
                if extent.length == 0 && self.past(*chunk).place_of(*op).is_none() =>
            {
                Ok(())
            }
            Observation::Acknowledged { node, chunk, op, .. } => {
                self.acknowledged(cluster, *node, *chunk, *op)
            }
            Observation::Durable { node, op } => self.durable(cluster, *node, op),
            Observation::Invoked { node, id, op, .. } => {
                self.invoked(*node, *id, op);
                Ok(())
            }
            Observation::Responded { node, id, result } => {
                let Some(read) = self.reads.remove(&(*node, *id)) else { return Ok(()) };
                let Ok(Outcome::Read { payload, .. }) = result else { return Ok(()) };
                self.returned(&read, &payload.data)
            }
            Observation::Crashed { node } => self.crashed(cluster, *node),
            Observation::Destroyed { node } => {
                self.promises.retain(|(at, _), _| at != node);
                self.pasts.values_mut().for_each(|past| past.removed(*node));
                Ok(())
            }
            Observation::Started { .. } | Observation::ClockStopped { .. } => Ok(()),
        }
    }

    /// Looks at the state after a step.
    ///
    /// # Errors
    /// The invariant that does not hold in it.
    pub fn state(&mut self, cluster: &Cluster) -> Result<(), Violation> {
        self.count("I1");
        one_primary(cluster)
    }

    /// Judges a run's end.
    ///
    /// # Errors
    /// The invariant that does not hold.
    pub fn finish(&mut self, cluster: &Cluster) -> Result<(), Violation> {
        self.count("I4");
        self.count("I8");
        ending::durable(cluster, &self.pasts)?;
        let Some(events) = &mut self.events else { return Ok(()) };
        events.finish(cluster)?;
        for id in ["I4", "I9", "I12", "I14", "I17", "I18", "I19", "I20", "I21", "I22", "I23"] {
            *self.counts.entry(id).or_default() += events.judged(id);
        }
        Ok(())
    }

    /// Judges whether a run has converged.
    ///
    /// # Errors
    /// I10, if it has not; I19, if what was to go is still there.
    pub fn converged(&mut self, cluster: &Cluster) -> Result<(), Violation> {
        self.count("I10");
        ending::converged(cluster, true)?;
        if let Some(events) = &mut self.events {
            events.converged(cluster)?;
        }
        let Some(retention) = &self.retention else { return Ok(()) };
        let emptied = retention.emptied(cluster);
        self.count("I19");
        emptied
    }

    /// What keeps a cluster whose faults have ended from being done, if anything does: bytes (I4),
    /// a replica that does not fit, a change under way or a client without an answer (I10); and,
    /// if chunks are `repaired`, one below its target. Evaluated during the run, and not counted.
    #[must_use]
    pub fn missing(&self, cluster: &Cluster, repaired: bool) -> Option<Violation> {
        let durable = ending::durable(cluster, &self.pasts);
        let converged = durable.and_then(|()| ending::converged(cluster, repaired));
        converged.and_then(|()| ending::settled(cluster)).err()
    }

    fn past(&mut self, chunk: ChunkHandle) -> &mut Past {
        self.pasts.entry(chunk).or_default()
    }

    fn event(&mut self, cluster: &Cluster, node: NodeId, event: &Event) -> Result<(), Violation> {
        match event {
            Event::Promised { chunk, version } => {
                let promise = self.promises.entry((node, *chunk)).or_default();
                *promise = (*version).max(*promise);
            }
            Event::ChunkMade { chunk, file, index, .. } => {
                let there = self.places.entry((*file, *index)).or_default();
                // Every master says so.
                if !there.contains(chunk) {
                    there.push(*chunk);
                }
                self.past(*chunk).place = Some((*file, *index));
            }
            Event::Freed { chunk, .. } => self.past(*chunk).freed = true,
            Event::GivenUp { chunk } => {
                let past = self.past(*chunk);
                past.given_up = past.given_up.or(Some(past.last()));
            }
            Event::Configured { chunk, base, version, members } => {
                self.count("I2");
                let past = self.past(*chunk);
                if *base != past.version || version <= base {
                    let last = past.version;
                    let what = format!("{chunk} {version} after {base}, but {last} was there");
                    return Err(violation("I2", what));
                }
                past.configured(*version, members);
            }
            Event::LeaderBegan { .. } => self.lives.retain(|(master, _), _| *master != node),
            Event::ServerJoined { node: server, incarnation, .. } => {
                let last = self.lives.insert((node, *server), *incarnation);
                if let Some(last) = last.filter(|last| last > incarnation) {
                    let (master, server) = (name(cluster, node), name(cluster, *server));
                    let what = format!("{master} registers {incarnation} of {server} after {last}");
                    return Err(violation("I2", what));
                }
            }
            Event::ReadServed { chunk, mode: ReadMode::Strong, .. }
                if !is_primary(cluster, node, *chunk) =>
            {
                let who = name(cluster, node);
                let what = format!("{who} served one of {chunk} after its lease");
                return Err(violation("I6", what));
            }
            Event::ProtocolError { chunk, sequence } => {
                let who = name(cluster, node);
                let what = format!("{who} met two contents for {chunk} {sequence}");
                return Err(violation("I5", what));
            }
            _ => {}
        }
        Ok(())
    }

    // Disks.

    fn durable(&mut self, cluster: &Cluster, node: NodeId, op: &IoOp) -> Result<(), Violation> {
        use ReplicaChange as C;
        let IoOp::Replica(change, data) = op else { return Ok(()) };
        if let C::Adopt { chunk, version } | C::Reconcile { chunk, version, .. } = change {
            self.not_below_its_promise(cluster, node, *chunk, *version)?;
        }
        match change {
            C::Apply { chunk, version, first, mutations, .. } => {
                self.count("I5");
                let record = cluster.node(node).disk.replicas().live.get(chunk);
                self.past(*chunk).chunk_bytes = record.map(|record| record.spec.chunk_bytes);
                let mut sequence = *first;
                for (mutation, (_, payload)) in mutations.iter().zip(data.writes(change)) {
                    self.fits(cluster, node, *chunk, mutation)?;
                    self.asked_there(cluster, node, *chunk, mutation, payload)?;
                    let past = self.past(*chunk);
                    past.applied(node, *version, sequence, mutation, payload)
                        .map_err(|wrong| wrong.told(cluster, *chunk))?;
                    sequence = sequence.next();
                }
                agreement(cluster, *chunk)
            }
            C::Adopt { chunk, version } => self.adopted(cluster, node, *chunk, *version),
            C::Reconcile { chunk, version, image } | C::Install { chunk, version, image } => {
                self.count("I5");
                self.past(*chunk).like_the_primary(node, *version, image.sequence);
                agreement(cluster, *chunk)
            }
            C::Delete { chunk } | C::Quarantine { chunk } => {
                self.promises.remove(&(node, *chunk));
                self.given_up(cluster, node, *chunk)
            }
            C::StartLearner { chunk, .. } => self.given_up(cluster, node, *chunk),
            C::Promise { .. } | C::CopyIn { .. } => Ok(()),
        }
    }

    /// I2: who promised a version goes back to none before it.
    fn not_below_its_promise(
        &mut self,
        cluster: &Cluster,
        node: NodeId,
        chunk: ChunkHandle,
        version: ChunkVersion,
    ) -> Result<(), Violation> {
        self.count("I2");
        match self.promises.get(&(node, chunk)).filter(|promised| **promised > version) {
            None => Ok(()),
            Some(promised) => {
                let who = name(cluster, node);
                let what = format!("{who} takes the state of {chunk} {version} after it promised");
                Err(violation("I2", format!("{what} {promised}")))
            }
        }
    }

    /// I22: what a disk takes ends within its chunk, and a record is a quarter of it at the most
    /// (GFS §3.3).
    fn fits(
        &mut self,
        cluster: &Cluster,
        node: NodeId,
        chunk: ChunkHandle,
        mutation: &Mutation,
    ) -> Result<(), Violation> {
        self.count("I22");
        let full = self.past(chunk).chunk_bytes.unwrap_or(u64::MAX);
        let Extent { length, .. } = mutation.extent;
        let record_too_long =
            mutation.kind == MutationKind::Append && length > record_bytes_max(full);
        if mutation.extent.end() <= full && !record_too_long {
            return Ok(());
        }
        let (who, op, kind) = (name(cluster, node), op_name(cluster, mutation.op), mutation.kind);
        let what = format!(
            "{who} takes {op}, {kind:?} of {:?}, into {chunk}, which holds {full} bytes",
            mutation.extent
        );
        Err(violation("I22", what))
    }

    /// I11: what a disk takes is what some client requested, for this place of this file.
    fn asked_there(
        &mut self,
        cluster: &Cluster,
        node: NodeId,
        chunk: ChunkHandle,
        mutation: &Mutation,
        payload: &Payload,
    ) -> Result<(), Violation> {
        let Some(place) = self.past(chunk).place else { return Ok(()) };
        let full = self.past(chunk).chunk_bytes;
        if self.asked.knows(place, mutation, &payload.data, full) {
            return Ok(());
        }
        let (who, op, (file, index)) = (name(cluster, node), op_name(cluster, mutation.op), place);
        let what = format!(
            "{who} takes {op} into {chunk}, and no client asked for that in \
             chunk {index} of {file}"
        );
        Err(violation("I11", what))
    }

    /// I7: what is removed is no good replica of a live chunk. What the log says is known here from
    /// the masters that applied it, whether or not they run.
    fn given_up(
        &mut self,
        cluster: &Cluster,
        node: NodeId,
        chunk: ChunkHandle,
    ) -> Result<(), Violation> {
        self.count("I7");
        let past = self.past(chunk);
        past.removed(node);
        if past.freed || !past.members.contains(&node) {
            return Ok(());
        }
        let what = format!(
            "{} gave up {chunk}, of whose {} it is a member",
            name(cluster, node),
            past.version,
        );
        Err(violation("I7", what))
    }

    /// I3: what is acknowledged has a place in the order.
    fn acknowledged(
        &mut self,
        cluster: &Cluster,
        node: NodeId,
        chunk: ChunkHandle,
        op: OpId,
    ) -> Result<(), Violation> {
        self.count("I3");
        let past = self.past(chunk);
        let Some(sequence) = past.place_of(op) else {
            let what = format!(
                "{} acknowledged {}, which is nowhere in {chunk}",
                name(cluster, node),
                op_name(cluster, op),
            );
            return Err(violation("I3", what));
        };
        past.acknowledged.insert(sequence, op);
        past.shown = past.shown.max(sequence);
        if past.given_up.is_some_and(|upto| sequence > upto) {
            let what = format!(
                "{} was acknowledged at {chunk} {sequence}, which its file had given up",
                op_name(cluster, op),
            );
            return Err(violation("I4", what));
        }
        Ok(())
    }

    /// I3: the primary of a later configuration has every acknowledged mutation, at its place.
    fn adopted(
        &mut self,
        cluster: &Cluster,
        node: NodeId,
        chunk: ChunkHandle,
        version: ChunkVersion,
    ) -> Result<(), Violation> {
        self.count("I3");
        let image = &cluster.node(node).disk.replicas().live[&chunk].image;
        let table: BTreeMap<_, _> =
            image.ops.iter().map(|(op, done)| (op, done.sequence)).collect();
        let last = image.sequence;
        let past = self.past(chunk);
        past.activated(node, version);
        if past.is_superseded(version) {
            return Ok(());
        }
        for (sequence, op) in &past.acknowledged {
            let elsewhere = match table.get(op) {
                Some(at) => at != sequence,
                // The table has forgotten it.
                None => past.held_at(node, *sequence).is_some_and(|held| held != *op),
            };
            if *sequence > last || elsewhere {
                let (who, op) = (name(cluster, node), op_name(cluster, *op));
                let what = format!(
                    "{op} was acknowledged at {chunk} {sequence}, and {who} leads \
                     {version} from {last}"
                );
                return Err(violation("I3", what));
            }
        }
        if past.shown > last {
            let what = format!("{chunk} {} was read and is gone", past.shown);
            return Err(violation("I6", what));
        }
        past.adopted(node, version, image);
        Ok(())
    }

    /// I2: what was promised is on the disk that a crash leaves.
    fn crashed(&mut self, cluster: &Cluster, node: NodeId) -> Result<(), Violation> {
        self.reads.retain(|(at, _), _| *at != node);
        let live = &cluster.node(node).disk.replicas().live;
        for ((_, chunk), promised) in
            self.promises.range((node, ChunkHandle(0))..=(node, ChunkHandle(u64::MAX)))
        {
            let kept = live.get(chunk).map_or(ChunkVersion(0), |record| record.promised);
            if kept < *promised {
                let who = name(cluster, node);
                let what = format!(
                    "{who} promised {promised} of {chunk}, and its disk has \
                     {kept}"
                );
                return Err(violation("I2", what));
            }
        }
        self.count("I2");
        Ok(())
    }

    // Clients.

    fn invoked(&mut self, node: NodeId, id: RequestId, op: &Operation) {
        self.asked.invoked(op);
        let Operation::Read { file, index, extent, mode } = op else { return };
        let there = self.places.get(&(*file, *index)).map_or(&[][..], Vec::as_slice);
        let freed = |chunk| self.pasts.get(chunk).is_some_and(|past: &Past| past.freed);
        let (gone, before) = (there.last().is_some_and(freed), there.len().saturating_sub(1));
        let floor: BTreeMap<ChunkHandle, Sequence> =
            self.pasts.iter().map(|(chunk, past)| (*chunk, past.shown)).collect();
        let (file, index, extent, mode) = (*file, *index, *extent, *mode);
        let read = OpenRead { file, index, extent, mode, gone, before, floor };
        self.reads.insert((node, id), read);
    }

    fn returned(&mut self, read: &OpenRead, data: &[u8]) -> Result<(), Violation> {
        self.count("I6");
        self.count("I11");
        let there = self.places.get(&(read.file, read.index)).map_or(&[][..], Vec::as_slice);
        let first = if read.mode == ReadMode::Strong { read.before } else { 0 };
        let mut judged = Err(None);
        for (n, chunk) in there.get(first..).unwrap_or_default().to_vec().into_iter().enumerate() {
            // What was freed before the read was requested is the chunk that was there then.
            let gone = read.gone && n == 0;
            match reads::judge(chunk, self.past(chunk), read, gone, data) {
                Ok(()) => return Ok(()),
                Err(violation) => judged = Err(judged.err().flatten().or(Some(violation))),
            }
        }
        judged.or_else(|none: Option<Violation>| {
            none.map_or_else(|| reads::of_nothing(read, data), Err)
        })
    }

    /// All that its judgements from above depend on.
    fn known(&self) -> impl PartialEq + Hash + '_ {
        let Judge { pasts, places, asked, promises, reads, lives, .. } = self;
        (pasts, places, asked, promises, reads, lives)
    }
}

impl PartialEq for Judge {
    fn eq(&self, other: &Self) -> bool {
        self.known() == other.known()
    }
}

impl Eq for Judge {}

impl Hash for Judge {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.known().hash(hasher);
    }
}
