//! Who holds a chunk, as its servers reported it. A master knows this of millions of chunks, so it
//! is kept small: what several servers say alike is kept once.

use crate::ids::NodeId;
use crate::message::ReplicaState;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The replicas of one chunk by their servers, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Holders(Box<[(NodeId, Arc<ReplicaState>)]>);

impl Holders {
    /// What a server reported.
    pub fn get(&self, node: NodeId) -> Option<&ReplicaState> {
        let at = self.place(node).ok()?;
        Some(&self.0[at].1)
    }

    /// Takes in what a server reports; gives what it reported before.
    pub fn insert(&mut self, node: NodeId, state: ReplicaState) -> Option<Arc<ReplicaState>> {
        let alike = self.0.iter().find(|(_, other)| **other == state);
        let state = alike.map_or_else(|| Arc::new(state.clone()), |(_, other)| other.clone());
        match self.place(node) {
            Ok(at) => Some(core::mem::replace(&mut self.0[at].1, state)),
            Err(at) => {
                self.change(|all| all.insert(at, (node, state)));
                None
            }
        }
    }

    /// A server holds it no more.
    pub fn remove(&mut self, node: NodeId) {
        if let Ok(at) = self.place(node) {
            self.change(|all| drop(all.remove(at)));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who holds what.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &ReplicaState)> {
        self.0.iter().map(|(node, state)| (*node, &**state))
    }

    /// Who holds it.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.iter().map(|(node, _)| node)
    }

    /// What is held.
    pub fn states(&self) -> impl Iterator<Item = &ReplicaState> {
        self.iter().map(|(_, state)| state)
    }

    fn place(&self, node: NodeId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&node, |(node, _)| *node)
    }

    fn change(&mut self, change: impl FnOnce(&mut Vec<(NodeId, Arc<ReplicaState>)>)) {
        let mut all = core::mem::take(&mut self.0).into_vec();
        change(&mut all);
        self.0 = all.into_boxed_slice();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ChunkVersion, Sequence};

    fn state(length: u64) -> ReplicaState {
        ReplicaState {
            promised: ChunkVersion(1),
            applied_version: ChunkVersion(1),
            sequence: Sequence(length),
            committed: Sequence(0),
            length,
            stored_bytes: length,
            learner: false,
            corrupt: false,
        }
    }

    #[test]
    fn what_is_alike_is_kept_once() {
        let mut holders = Holders::default();
        for node in [3, 1, 2] {
            assert_eq!(holders.insert(NodeId(node), state(7)), None);
        }
        assert_eq!(holders.nodes().collect::<Vec<_>>(), [1, 2, 3].map(NodeId));
        assert_eq!(Arc::strong_count(&holders.0[0].1), 3);
        assert_eq!(holders.insert(NodeId(2), state(8)).as_deref(), Some(&state(7)));
        assert_eq!((holders.get(NodeId(2)), holders.get(NodeId(4))), (Some(&state(8)), None));
        assert_eq!(holders.states().map(|state| state.length).collect::<Vec<_>>(), [7, 8, 7]);
        holders.remove(NodeId(1));
        holders.remove(NodeId(1));
        assert_eq!(holders.nodes().collect::<Vec<_>>(), [2, 3].map(NodeId));
        assert!(!holders.is_empty());
    }
}
