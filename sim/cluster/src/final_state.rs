//! After a run: what is on the disks, the master's included, for the code that judges it.

use crate::cluster::{Cluster, MASTER_HOST};
use crate::disk::SimDisk;
use bytes::Bytes;
use leasehold_checker::{ChunkFinal, Finals, ReplicaFinal, ServerFinal};
use leasehold_node::replicated::offline;
use leasehold_proto::tables::ChunkRecord;
use leasehold_proto::{
    ChunkHandle, ChunkVersion, Constants, Extent, IoId, IoOp, IoOutput, MasterState, NodeId,
    ReplicaRecord,
};
use leasehold_store::{
    ChunkStore, MasterLog, MasterLogOptions, RaftLog, RaftLogOptions, StoreError, StoreOptions,
};
use std::collections::BTreeMap;

/// Opens every disk of a cluster whose processes have ended. Nothing is asked of a machine: the
/// master's state is its checkpoint and its log, a replica is its record and its bytes.
///
/// # Errors
/// Of a store that does not open.
pub fn finals(cluster: &Cluster, constants: &Constants) -> Result<Finals, StoreError> {
    let state = master_state(cluster, constants)?;
    let mut servers = BTreeMap::new();
    for host in cluster.masters()..cluster.hosts() {
        let server = server(cluster.disk(host), cluster.around.journal_bytes, constants)?;
        servers.insert(cluster.node(host), server);
    }
    let chunk =
        |(handle, record): (&ChunkHandle, &ChunkRecord)| (*handle, chunk_final(record, &servers));
    let chunks = state.chunks().iter().map(chunk).collect();
    Ok(Finals { true_ns: cluster.around.timeline.now(), chunks, servers })
}

fn master_state(cluster: &Cluster, constants: &Constants) -> Result<MasterState, StoreError> {
    if cluster.masters() > 1 {
        return replicated_state(cluster, constants);
    }
    let options = MasterLogOptions {
        log_bytes: cluster.around.journal_bytes,
        ..MasterLogOptions::of(constants)
    };
    let disk = cluster.disk(MASTER_HOST).clone();
    let (_, mut state, entries) = MasterLog::open(disk, options)?;
    for (index, entry) in &entries {
        let _ = state.apply(*index, entry);
    }
    Ok(state)
}

/// The longest log of the masters', by the order of elections, holds all that was committed.
fn replicated_state(cluster: &Cluster, constants: &Constants) -> Result<MasterState, StoreError> {
    let mut replayed = Vec::new();
    for host in MASTER_HOST..cluster.masters() {
        let log_bytes = cluster.around.journal_bytes;
        let options = RaftLogOptions { log_bytes, ..RaftLogOptions::default() };
        let (_, recovered) = RaftLog::open(cluster.disk(host).clone(), &options)?;
        replayed.push(offline::replay(&recovered, constants)?);
    }
    let longest = replayed.into_iter().max_by_key(|replayed| replayed.last);
    Ok(longest.expect("a cluster has masters").state)
}

fn chunk_final(record: &ChunkRecord, servers: &BTreeMap<NodeId, ServerFinal>) -> ChunkFinal {
    let members: Vec<NodeId> =
        record.config.iter().flat_map(|config| &config.members).map(|m| m.node).collect();
    // What is in the trash waits for its end as it is.
    let trashed = record.is_trashed();
    let target = if trashed { members.len() } else { usize::from(record.spec.replicas) };
    ChunkFinal {
        file: record.made_for.file,
        index: record.made_for.index,
        version: record.config.as_ref().map_or(ChunkVersion(0), |config| config.version),
        lost: !members.is_empty() && members.iter().all(|node| !servers.contains_key(node)),
        members,
        target,
        freed: false,
    }
}

fn server(
    disk: &SimDisk,
    journal_bytes: u64,
    constants: &Constants,
) -> Result<ServerFinal, StoreError> {
    let options = StoreOptions { journal_bytes, ..StoreOptions::of(constants) };
    let (mut store, held) = ChunkStore::open(disk.clone(), options)?;
    let mut replicas = BTreeMap::new();
    for (chunk, record) in held.live {
        replicas.insert(chunk, replica(&mut store, chunk, record));
    }
    Ok(ServerFinal { replicas, quarantined: held.quarantined })
}

fn replica(
    store: &mut ChunkStore<SimDisk>,
    chunk: ChunkHandle,
    record: ReplicaRecord,
) -> ReplicaFinal {
    // What a learner has so far is nobody's business: it begins anew.
    let length = if record.learner { 0 } else { record.image.length };
    let pieces = vec![Extent::new(0, length)];
    let read = store.execute(vec![(IoId(1), IoOp::Read { chunk, pieces })]).pop();
    match read {
        Some((_, Ok(IoOutput::Read(payload)))) => {
            ReplicaFinal { record, bytes: payload.data, corrupt: false }
        }
        _ => ReplicaFinal { record, bytes: Bytes::new(), corrupt: true },
    }
}
