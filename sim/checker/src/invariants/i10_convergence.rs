//! I10: after faults end, everything comes to rest.

use crate::finals::{ChunkFinal, Finals, ReplicaFinal};
use crate::history::History;
use crate::violation::{Invariant, Violation, seconds};
use leasehold_proto::{ChunkHandle, NodeId};

/// I10.
pub const INVARIANT: Invariant = Invariant {
    id: "I10",
    name: "convergence",
    sentence: "when faults end, within the bound that the constants give every chunk is at its \
               target, no replica is left that none needs, every lease can be had and every client \
               operation ends",
    source: "GFS §4.3; two acts of a run: TigerBeetle VOPR",
};

/// Judges whether a run has come to rest; the bound is the runner's. The number of facts judged.
pub fn converged(history: &History, finals: &Finals) -> Result<u64, Violation> {
    let broken = |detail| INVARIANT.broken(finals.true_ns, detail);
    let mut judged = 0;
    for (handle, chunk) in finals.living() {
        at_target(finals, handle, chunk).map_err(broken)?;
        judged += 1;
    }
    for (node, server) in &finals.servers {
        for (chunk, replica) in &server.replicas {
            needed(finals, *node, *chunk, replica).map_err(broken)?;
            judged += 1;
        }
    }
    if let Some(((client, request), invoked_ns)) = history.waiting().first_key_value() {
        let invoked = seconds(*invoked_ns);
        let detail = format!("{request} of {client}, invoked at {invoked}, has no answer");
        return Err(broken(detail));
    }
    Ok(judged + 1)
}

/// A whole replica is a member's, or of a chunk whose configuration is lost with all who knew of it.
/// A chunk may be freed, and a copy given up, in a run's last moment: whether those go is judged by
/// the code that watches the run. What waits in quarantine is not live.
fn needed(
    finals: &Finals,
    node: NodeId,
    handle: ChunkHandle,
    replica: &ReplicaFinal,
) -> Result<(), String> {
    let known = finals.chunks.get(&handle).filter(|chunk| !chunk.freed && !chunk.lost);
    let Some(chunk) = known else { return Ok(()) };
    if replica.record.learner || chunk.members.contains(&node) {
        return Ok(());
    }
    Err(format!("{node} still holds {handle}, and is no part of {}", chunk.version))
}

fn at_target(finals: &Finals, handle: ChunkHandle, chunk: &ChunkFinal) -> Result<(), String> {
    let ChunkFinal { version, target, members, .. } = chunk;
    if members.len() != *target {
        return Err(format!("{handle} has {} members at {version}, not {target}", members.len()));
    }
    for node in members {
        let Some(replica) = finals.replica(*node, handle) else {
            return Err(format!("{node}, a member of {handle} at {version}, has no replica"));
        };
        let applied = replica.record.applied_version;
        if applied != *version || replica.record.learner {
            return Err(format!("{node} is at {applied} of {handle}, which is at {version}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::*;
    use leasehold_proto::ChunkVersion;

    #[test]
    fn a_chunk_below_its_target_is_found() {
        let mut run = Run::new();
        let mut finals = run.finals(&[S1, S2]);
        run.checkers.converged(&finals).unwrap();
        finals.chunks.get_mut(&CHUNK).unwrap().target = 3;
        assert_eq!(run.checkers.converged(&finals).unwrap_err().invariant, "I10");
    }

    #[test]
    fn so_is_a_member_that_is_not_reconciled() {
        let mut run = Run::new();
        let mut finals = run.finals(&[S1, S2]);
        let replicas = &mut finals.servers.get_mut(&S2).unwrap().replicas;
        replicas.get_mut(&CHUNK).unwrap().record.applied_version = ChunkVersion(0);
        assert_eq!(run.checkers.converged(&finals).unwrap_err().invariant, "I10");
    }

    #[test]
    fn so_is_a_replica_that_none_needs() {
        let mut run = Run::new();
        let mut finals = run.finals(&[S1, S2]);
        let chunk = finals.chunks.get_mut(&CHUNK).unwrap();
        chunk.members.retain(|node| *node != S2);
        chunk.target = 1;
        let excluded = run.checkers.converged(&finals).unwrap_err();
        assert!(excluded.detail.contains("no part of"), "{excluded}");
        let replicas = &mut finals.servers.get_mut(&S2).unwrap().replicas;
        replicas.get_mut(&CHUNK).unwrap().record.learner = true;
        run.checkers.converged(&finals).unwrap();
    }

    #[test]
    fn so_is_an_operation_without_end() {
        let mut run = Run::new();
        run.invoke_write(1, 10, 0, &cell(1));
        let finals = run.finals(&[S1]);
        assert_eq!(run.checkers.converged(&finals).unwrap_err().invariant, "I10");
        run.crash(CLIENT);
        run.checkers.converged(&finals).unwrap();
    }
}
