//! A state of the search.

use crate::bounds::Left;
use crate::canon::Canon;
use crate::digest::Identity;
use leasehold_world::fair;
use leasehold_world::judge::Judge;
use leasehold_world::{Cluster, Violation};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A cluster, what the judge knows of its past, and how much more may go wrong.
///
/// Its identity is its digest: 64 bits over everything in it that a step or the judge looks at
/// (`digest`, `canon`). Among ten million states, two that differ share a digest with a probability
/// of about one in 400,000; that is what a "complete" search leaves open.
#[derive(Clone, Debug)]
pub struct ModelState {
    /// The cluster.
    pub cluster: Cluster,
    /// What its past was.
    pub judge: Arc<Judge>,
    /// What may happen yet.
    pub left: Left,
    /// Which of the model's requests were made, a bit each.
    pub asked: u32,
    /// From which of the model's beginnings this run came.
    pub start: u8,
    /// What did not hold. Nothing follows after it.
    pub violation: Option<Arc<Violation>>,
    pub(crate) identity: Identity,
}

impl PartialEq for ModelState {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}

impl Eq for ModelState {}

impl Hash for ModelState {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.digest());
    }
}

impl ModelState {
    /// Its identity.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.identity.whole
    }

    /// The digests that the state's own is made of, by the name of what each is of.
    #[must_use]
    pub fn parts(&self) -> Vec<(String, u64)> {
        let name = |id| fair::name(&self.cluster, id);
        let nodes = self.identity.nodes.iter().map(|(id, digest)| (name(*id), *digest));
        let (mut budget, mut judge) = (Canon::new(None), Canon::new(None));
        (self.left, self.asked).hash(&mut budget);
        self.judge.hash(&mut judge);
        let rest = [
            ("messages", self.identity.net),
            ("log", self.identity.log),
            ("judge", judge.finish()),
            ("what may happen yet", budget.finish()),
        ];
        nodes.chain(rest.map(|(name, digest)| (name.to_string(), digest))).collect()
    }
}
