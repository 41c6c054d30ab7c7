//! I4: acknowledged bytes are on every member.
//!
//! Judged twice: when a primary counts a mutation as replicated or acknowledges it, by what each member
//! reported until then; and at the end, by what is on the disks. Without the first, a primary that
//! acknowledges too early is noticed only if a member fails before it has caught up.

use crate::finals::{ChunkFinal, Finals, ReplicaFinal};
use crate::fleet::Fleet;
use crate::history::History;
use crate::order::{ChunkOrder, Order};
use crate::seen::Seen;
use crate::violation::{Invariant, Violation};
use leasehold_proto::replica::Done;
use leasehold_proto::{
    ChunkHandle, ChunkVersion, Event, Extent, MutationKind, NodeId, Rules, Sequence,
};
use std::collections::{BTreeMap, BTreeSet};

/// I4.
pub const INVARIANT: Invariant = Invariant {
    id: "I4",
    name: "durability",
    sentence: "acknowledged bytes are on every member of the current configuration, unless every \
               holder's disk was destroyed",
    source: "GFS §3.1; Lin et al., PacificA 2008, §2.2",
};

/// How far each replica reported to be: the version whose state it has, and up to where. What a power
/// failure takes back, as it may under `page-cache`, is not taken back here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reported(BTreeMap<(NodeId, ChunkHandle), (ChunkVersion, Sequence)>);

impl Reported {
    /// Takes in what happened, `fleet` being as it was before; true if there was something to judge. A
    /// study that leaves out the rule that is judged asks what comes of it, so it is not judged here.
    pub fn observe(
        &mut self,
        fleet: &Fleet,
        rules: &Rules,
        seen: &Seen<'_>,
    ) -> Result<bool, Violation> {
        match seen.event {
            Event::Adopted { chunk, version, sequence, .. } => {
                self.0.insert((seen.node, *chunk), (*version, *sequence));
                Ok(false)
            }
            Event::Applied { chunk, version, sequence, .. }
            | Event::Recovered { chunk, applied_version: version, sequence, .. } => {
                let known = self.0.entry((seen.node, *chunk)).or_default();
                *known = (*known).max((*version, *sequence));
                Ok(false)
            }
            Event::Freed { chunk, .. } => {
                self.0.retain(|(_, of), _| of != chunk);
                Ok(false)
            }
            Event::Committed { chunk, version, sequence }
            | Event::Acknowledged { chunk, version, sequence, .. }
                if rules.acknowledge_after_all && rules.durable_before_ack =>
            {
                let Some(members) = fleet.members(*chunk, *version) else { return Ok(false) };
                self.all_have(members, *chunk, (*version, *sequence)).map(|()| true).map_err(
                    |what| INVARIANT.broken(seen.true_ns, format!("{}: {what}", seen.node)),
                )
            }
            _ => Ok(false),
        }
    }

    /// One that has the state of a later version had this one's before, or was left out since.
    fn all_have(
        &self,
        members: &[NodeId],
        chunk: ChunkHandle,
        (version, sequence): (ChunkVersion, Sequence),
    ) -> Result<(), String> {
        for node in members {
            let has = self.0.get(&(*node, chunk)).copied().unwrap_or_default();
            if sequence > Sequence(0) && has < (version, sequence) {
                return Err(format!(
                    "{chunk} {version} counts as replicated up to {sequence}, and its member {node} \
                     has it up to {} of {}",
                    has.1, has.0
                ));
            }
        }
        Ok(())
    }
}

/// Judges what is at the end; the number of replicas judged.
pub fn finish(
    order: &Order,
    history: &History,
    destroyed: &BTreeSet<NodeId>,
    finals: &Finals,
) -> Result<u64, Violation> {
    let mut judged = 0;
    for (handle, chunk) in finals.living() {
        let broken = |what| INVARIANT.broken(finals.true_ns, format!("{handle}: {what}"));
        let Some(order) = order.chunk(handle) else { continue };
        all_hold(order, destroyed, finals, handle, chunk).map_err(broken)?;
        let forgotten = forgotten(finals, handle);
        let mut expected: BTreeMap<Sequence, Image> = BTreeMap::new();
        for (node, replica) in finals.reconciled(handle, chunk).filter(|(_, r)| !r.corrupt) {
            let upto = replica.record.image.sequence;
            let image = expected
                .entry(upto)
                .or_insert_with(|| Image::build(order, history, &forgotten, upto));
            image
                .compare(&replica.bytes, order, upto)
                .map_err(|what| broken(format!("{node}: {what}")))?;
            judged += 1;
        }
    }
    Ok(judged)
}

/// Every member has a replica, and one that is reconciled has all that was acknowledged.
fn all_hold(
    order: &ChunkOrder,
    destroyed: &BTreeSet<NodeId>,
    finals: &Finals,
    handle: ChunkHandle,
    chunk: &ChunkFinal,
) -> Result<(), String> {
    let Some((last, op)) = order.acknowledged.last_key_value() else { return Ok(()) };
    for node in &chunk.members {
        let gone = destroyed.contains(node) || !finals.servers.contains_key(node);
        if !gone && finals.replica(*node, handle).is_none() {
            return Err(format!("{node} is a member of {} and has no replica", chunk.version));
        }
    }
    for (node, replica) in finals.reconciled(handle, chunk) {
        let has = replica.record.image.sequence;
        if has < *last {
            return Err(format!("{node} has it up to {has}, but {op} was acknowledged at {last}"));
        }
    }
    Ok(())
}

/// Mutations of which nobody told, as far as operation tables remember.
fn forgotten(finals: &Finals, handle: ChunkHandle) -> BTreeMap<Sequence, Done> {
    let replicas = finals.servers.values().filter_map(|server| server.replicas.get(&handle));
    let done = |replica: &ReplicaFinal| -> Vec<(Sequence, Done)> {
        replica.record.image.ops.iter().map(|(_, done)| (done.sequence, *done)).collect()
    };
    replicas.flat_map(done).collect()
}

/// What a replica should hold, where that is known.
#[derive(Default)]
struct Image {
    bytes: Vec<u8>,
    /// Whether what is there is what somebody reported.
    known: Vec<bool>,
}

impl Image {
    fn build(
        order: &ChunkOrder,
        history: &History,
        forgotten: &BTreeMap<Sequence, Done>,
        upto: Sequence,
    ) -> Image {
        let mut image = Image::default();
        for sequence in (1..=upto.0).map(Sequence) {
            match (order.entries.get(&sequence), forgotten.get(&sequence)) {
                (Some(entry), _) => {
                    let written = history.contents(entry.crc, entry.extent.length);
                    image.change(entry.kind, entry.extent, written.map(|bytes| &bytes[..]));
                }
                (None, Some(done)) => image.change(done.kind, done.extent, None),
                // It may have written anywhere.
                (None, None) => image.known.fill(false),
            }
        }
        image
    }

    fn change(&mut self, kind: MutationKind, extent: Extent, bytes: Option<&[u8]>) {
        match kind {
            MutationKind::Write | MutationKind::Append => self.write(extent, bytes),
            MutationKind::Seal => {}
            MutationKind::Cut { .. } => self.cut(extent.offset),
            MutationKind::Retire => self.cut(0),
        }
    }

    /// What is behind reads as zeros, whatever was there.
    fn cut(&mut self, length: u64) {
        let from = self.bytes.len().min(usize::try_from(length).unwrap_or(usize::MAX));
        self.bytes[from..].fill(0);
        self.known[from..].fill(true);
    }

    fn write(&mut self, extent: Extent, bytes: Option<&[u8]>) {
        let (start, end) = (extent.offset as usize, extent.end() as usize);
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
            self.known.resize(end, false);
        }
        if let Some(bytes) = bytes {
            self.bytes[start..end].copy_from_slice(bytes);
        }
        self.known[start..end].fill(bytes.is_some());
    }

    /// Compares what was found; the first byte that is not what it should be is told with the
    /// mutation that wrote it last.
    fn compare(&self, found: &[u8], order: &ChunkOrder, upto: Sequence) -> Result<(), String> {
        if found.starts_with(&self.bytes) {
            return Ok(());
        }
        let wanted = self.bytes.iter().zip(&self.known).enumerate();
        for (at, (wanted, _)) in wanted.filter(|(_, (_, known))| **known) {
            let byte = found.get(at).copied().unwrap_or(0);
            if byte != *wanted {
                let mut last = order.entries.range(..=upto).rev();
                let here = Extent::new(at as u64, 1);
                let writer = last.find(|(_, entry)| entry.extent.overlaps(&here));
                let (writer, _) = writer.expect("a byte is known since somebody told of it");
                return Err(format!(
                    "byte {at} is {byte:#04x}, not {wanted:#04x} as {writer} wrote it"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    #[test]
    fn a_lost_byte_is_found() {
        let mut run = Run::new();
        run.written(&[S1, S2], 1, 0, 64);
        run.written(&[S1, S2], 2, 32, 64);
        let mut finals = run.finals(&[S1, S2]);
        run.checkers.finish(&finals).unwrap();
        edit(&mut finals, S1, |bytes| bytes[40] ^= 1);
        edit(&mut finals, S2, |bytes| bytes[40] ^= 1);
        assert_eq!(run.checkers.finish(&finals).unwrap_err().invariant, "I4");
    }

    #[test]
    fn so_is_a_member_without_it() {
        let mut run = Run::new();
        run.written(&[S1, S2], 1, 0, 64);
        let mut finals = run.finals(&[S1, S2]);
        finals.servers.get_mut(&S2).unwrap().replicas.clear();
        assert_eq!(run.checkers.finish(&finals).unwrap_err().invariant, "I4");
        run.checkers.disk_destroyed(S2);
        run.checkers.finish(&finals).unwrap();
    }

    #[test]
    fn what_a_member_lacks_is_not_replicated() {
        let mut run = Run::new();
        run.good(MASTER, configured(0, 1, &[S1, S2]));
        run.good(S1, applied(1, 1, op(1)));
        assert_eq!(run.clone().bad(S1, acknowledged(1, 1, op(1))).invariant, "I4");
        run.good(S2, applied(1, 1, op(1)));
        run.good(S1, acknowledged(1, 1, op(1)));
    }

    /// What it had of an earlier version, and gave up, is nothing of this one.
    #[test]
    fn what_a_member_had_before_does_not_count() {
        let mut run = Run::new();
        run.good(MASTER, configured(0, 1, &[S1, S2]));
        run.good(S1, applied(1, 1, op(1)));
        run.good(S2, applied(1, 1, op(1)));
        run.good(S2, applied(1, 2, op(2)));
        run.good(MASTER, configured(1, 2, &[S1, S2]));
        run.good(S1, adopted(2, 1, &[], true));
        assert_eq!(run.clone().bad(S1, acknowledged(2, 1, op(1))).invariant, "I4");
        run.good(S2, adopted(2, 1, &[], false));
        run.good(S1, acknowledged(2, 1, op(1)));
        run.good(S1, applied(2, 2, op(2)));
        assert_eq!(run.clone().bad(S1, acknowledged(2, 2, op(2))).invariant, "I4");
        run.good(S2, applied(2, 2, op(2)));
        run.good(S1, acknowledged(2, 2, op(2)));
    }

    #[test]
    fn so_is_a_member_that_is_behind() {
        let mut run = Run::new();
        run.written(&[S1, S2], 1, 0, 64);
        let mut finals = run.finals(&[S1, S2]);
        run.written(&[S1], 2, 64, 64);
        finals.true_ns += 1;
        assert_eq!(run.checkers.finish(&finals).unwrap_err().invariant, "I4");
    }
}
