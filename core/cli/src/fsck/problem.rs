//! What can be wrong with a chunk, judged from what the master knows of its replicas.

use leasehold_client::{ChunkStatus, ReplicaStatus};
use leasehold_proto::{ChunkVersion, NodeId};
use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Fewer good replicas than wanted.
    UnderTarget {
        /// Good ones.
        good: usize,
        /// Wanted.
        target: usize,
    },
    /// No good replica is heard.
    Unavailable,
    /// A member's server is silent.
    Silent(NodeId),
    /// A member is not at the configuration's version.
    Behind {
        /// Who.
        node: NodeId,
        /// Where it is.
        applied: ChunkVersion,
        /// Where it should be.
        version: ChunkVersion,
    },
    /// A member reported bytes that do not fit their checksum.
    Corrupt(NodeId),
    /// Members of a chunk at rest differ in length.
    Lengths(Vec<(NodeId, u64)>),
    /// A replica could not be read, or its checksums did not hold.
    Unreadable {
        /// Who.
        node: NodeId,
        /// What it said.
        why: String,
    },
    /// Two replicas that are both readable gave different bytes.
    Differs(NodeId, NodeId),
}

impl Problem {
    /// The replica that it concerns, if it is one.
    pub fn node(&self) -> Option<NodeId> {
        match self {
            Problem::Silent(node)
            | Problem::Corrupt(node)
            | Problem::Behind { node, .. }
            | Problem::Unreadable { node, .. }
            | Problem::Differs(node, _) => Some(*node),
            Problem::UnderTarget { .. } | Problem::Unavailable | Problem::Lengths(_) => None,
        }
    }

    /// A short word for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Problem::UnderTarget { .. } => "under-target",
            Problem::Unavailable => "unavailable",
            Problem::Silent(_) => "silent",
            Problem::Behind { .. } => "behind",
            Problem::Corrupt(_) => "corrupt",
            Problem::Lengths(_) => "lengths-differ",
            Problem::Unreadable { .. } => "unreadable",
            Problem::Differs(..) => "bytes-differ",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::UnderTarget { good, target } => {
                write!(f, "{good} good replicas of {target} wanted")
            }
            Problem::Unavailable => f.write_str("no good replica is heard"),
            Problem::Silent(node) => write!(f, "{}: server silent", node),
            Problem::Behind { node, applied, version } => {
                write!(f, "{}: at {applied}, configuration is {version}", node)
            }
            Problem::Corrupt(node) => write!(f, "{}: reported a checksum error", node),
            Problem::Lengths(lengths) => {
                let each = lengths.iter().map(|(node, bytes)| format!("{node} {bytes}"));
                write!(f, "lengths differ: {}", each.collect::<Vec<_>>().join(", "))
            }
            Problem::Unreadable { node, why } => write!(f, "{}: {why}", node),
            Problem::Differs(a, b) => write!(f, "{} and {}: bytes differ", a, b),
        }
    }
}

/// True if the replica counts towards the target.
pub fn is_good(chunk: &ChunkStatus, replica: &ReplicaStatus) -> bool {
    replica.member && replica.alive && !replica.corrupt && replica.applied_version == chunk.version
}

/// Judges one chunk. A chunk without a configuration holds no bytes: nothing is wrong with it.
pub fn judge(chunk: &ChunkStatus) -> Vec<Problem> {
    if chunk.version == ChunkVersion(0) {
        return Vec::new();
    }
    let mut problems = Vec::new();
    let good: Vec<&ReplicaStatus> =
        chunk.replicas.iter().filter(|replica| is_good(chunk, replica)).collect();
    let target = usize::from(chunk.target);
    if good.is_empty() {
        problems.push(Problem::Unavailable);
    } else if good.len() < target {
        problems.push(Problem::UnderTarget { good: good.len(), target });
    }
    for replica in chunk.replicas.iter().filter(|replica| replica.member) {
        problems.extend(judge_member(chunk, replica));
    }
    // Under a lease mutations may be on their way, and reports are not taken at one moment.
    let lengths: Vec<(NodeId, u64)> = good.iter().map(|r| (r.node, r.length)).collect();
    if !chunk.leased && lengths.windows(2).any(|pair| pair[0].1 != pair[1].1) {
        problems.push(Problem::Lengths(lengths));
    }
    problems
}

fn judge_member(chunk: &ChunkStatus, replica: &ReplicaStatus) -> Option<Problem> {
    let node = replica.node;
    if !replica.alive {
        Some(Problem::Silent(node))
    } else if replica.corrupt {
        Some(Problem::Corrupt(node))
    } else if replica.applied_version != chunk.version {
        let (applied, version) = (replica.applied_version, chunk.version);
        Some(Problem::Behind { node, applied, version })
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehold_proto::{ChunkHandle, FileId};

    fn replica(node: u64) -> ReplicaStatus {
        ReplicaStatus {
            node: NodeId(node),
            member: true,
            alive: true,
            corrupt: false,
            applied_version: ChunkVersion(2),
            length: 10,
        }
    }

    fn chunk(replicas: Vec<ReplicaStatus>) -> ChunkStatus {
        ChunkStatus {
            chunk: ChunkHandle(1),
            file: FileId(1),
            index: 0,
            version: ChunkVersion(2),
            primary: Some(NodeId(1)),
            leased: false,
            target: 3,
            replicas,
        }
    }

    #[test]
    fn three_good_replicas_are_well() {
        assert_eq!(judge(&chunk(vec![replica(1), replica(2), replica(3)])), []);
    }

    #[test]
    fn a_learner_does_not_count() {
        let learner = ReplicaStatus { member: false, ..replica(3) };
        let found = judge(&chunk(vec![replica(1), replica(2), learner]));
        assert_eq!(found, [Problem::UnderTarget { good: 2, target: 3 }]);
    }

    #[test]
    fn each_bad_member_is_named_with_its_reason() {
        let silent = ReplicaStatus { alive: false, ..replica(1) };
        let behind = ReplicaStatus { applied_version: ChunkVersion(1), ..replica(2) };
        let corrupt = ReplicaStatus { corrupt: true, ..replica(3) };
        let (applied, version) = (ChunkVersion(1), ChunkVersion(2));
        assert_eq!(
            judge(&chunk(vec![silent, behind, corrupt])),
            [
                Problem::Unavailable,
                Problem::Silent(NodeId(1)),
                Problem::Behind { node: NodeId(2), applied, version },
                Problem::Corrupt(NodeId(3)),
            ]
        );
    }

    #[test]
    fn lengths_are_compared_only_at_rest() {
        let longer = ReplicaStatus { length: 11, ..replica(3) };
        let mut at_rest = chunk(vec![replica(1), replica(2), longer]);
        assert!(matches!(judge(&at_rest)[..], [Problem::Lengths(_)]));
        at_rest.leased = true;
        assert_eq!(judge(&at_rest), []);
    }

    #[test]
    fn a_chunk_never_configured_holds_nothing_to_lose() {
        let empty = ChunkStatus { version: ChunkVersion(0), ..chunk(Vec::new()) };
        assert_eq!(judge(&empty), []);
    }
}
