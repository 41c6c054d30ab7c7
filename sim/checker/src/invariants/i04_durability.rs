//! I4: acknowledged bytes are on every member.

use crate::finals::{ChunkFinal, Finals, ReplicaFinal};
use crate::history::History;
use crate::order::{ChunkOrder, Order};
use crate::violation::{Invariant, Violation};
use leasehold_proto::{ChunkHandle, Extent, NodeId, Sequence};
use std::collections::{BTreeMap, BTreeSet};

/// I4.
pub const INVARIANT: Invariant = Invariant {
    id: "I4",
    name: "durability",
    sentence: "acknowledged bytes are on every member of the current configuration, unless every \
               holder's disk was destroyed",
    source: "GFS §3.1; Lin et al., PacificA 2008, §2.2",
};

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

/// Where mutations wrote of which nobody told, as far as operation tables remember.
fn forgotten(finals: &Finals, handle: ChunkHandle) -> BTreeMap<Sequence, Extent> {
    let replicas = finals.servers.values().filter_map(|server| server.replicas.get(&handle));
    let done = |replica: &ReplicaFinal| -> Vec<(Sequence, Extent)> {
        replica.record.image.ops.iter().map(|(_, done)| (done.sequence, done.extent)).collect()
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
        forgotten: &BTreeMap<Sequence, Extent>,
        upto: Sequence,
    ) -> Image {
        let mut image = Image::default();
        for sequence in (1..=upto.0).map(Sequence) {
            match (order.entries.get(&sequence), forgotten.get(&sequence)) {
                (Some(entry), _) => {
                    let written = history.contents(entry.crc, entry.extent.length);
                    image.write(entry.extent, written.map(|bytes| &bytes[..]));
                }
                (None, Some(extent)) => image.write(*extent, None),
                // It may have written anywhere.
                (None, None) => image.known.fill(false),
            }
        }
        image
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
    fn so_is_a_member_that_is_behind() {
        let mut run = Run::new();
        run.written(&[S1, S2], 1, 0, 64);
        let mut finals = run.finals(&[S1, S2]);
        run.written(&[S1], 2, 64, 64);
        finals.true_ns += 1;
        assert_eq!(run.checkers.finish(&finals).unwrap_err().invariant, "I4");
    }
}
