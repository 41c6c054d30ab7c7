//! The guided draw: towards pairs of what comes and what is going on that are rare.
//!
//! How rare a pair is says a table that is fixed (`common.txt` beside `leasehold_explore::coverage::pairs`), and
//! how often the walk met it: nothing of other walks, so that a seed walks the same way wherever it is
//! walked. A guide does three things. Of a few actions that dice chose, it takes the one that would meet
//! the rarest pair. It lets a message that is held back arrive in the moment in which that would be rare,
//! or in which its receiver is busy with a later version. And it ends the life of a server
//! whose replicas are in a phase in which none was ended.

use super::dice::Dice;
use super::late::Late;
use crate::action::Action;
use crate::cluster::Cluster;
use leasehold_explore::Coverage;

/// Dice choose so many times.
const CHOICES: usize = 3;

/// The place of the action that is next.
pub(super) fn choose(
    dice: &mut Dice,
    weights: &[u64],
    enabled: &[Action],
    cluster: &Cluster,
    coverage: &Coverage,
) -> Option<usize> {
    let first = dice.weighted(weights.iter().copied())?;
    // Time and clients are not guided: they come as often as without a guide.
    let Some(rare) = rarity(cluster, coverage, &enabled[first]) else { return Some(first) };
    let mut best = (rare, first);
    for _ in 1..CHOICES {
        let other = dice.weighted(weights.iter().copied())?;
        if let Some(rare) = rarity(cluster, coverage, &enabled[other])
            && rare < best.0
        {
            best = (rare, other);
        }
    }
    Some(best.1)
}

/// Of a thousand steps, how many look for something rare.
const SEEKS: u64 = 100;
/// ... and of those, how many end a life.
const CRASHES: u64 = 30;

/// What would meet a rare pair, if dice let the guide look.
pub(super) fn seek(
    dice: &mut Dice,
    late: &mut Late,
    crashes: bool,
    cluster: &Cluster,
    coverage: &Coverage,
) -> Option<Action> {
    if !dice.chance(SEEKS * 10) {
        return None;
    }
    let pairs = coverage.pairs();
    if crashes && dice.chance(CRASHES * 10) {
        let servers: Vec<_> = cluster.shape().server_ids().collect();
        let server = *dice.pick(&servers)?;
        let rare = pairs.rarity_of_crash(server) == Some(0) && cluster.node(server).runs();
        return rare.then_some(Action::Crash(server));
    }
    let is_rare = |id| {
        let envelope = cluster.net().get(id);
        envelope
            .filter(|envelope| cluster.node(envelope.to).runs())
            .is_some_and(|envelope| pairs.rarity(envelope) == Some(0) || pairs.comes_late(envelope))
    };
    late.release(is_rare).map(Action::Deliver)
}

/// How often the rarest pair that this action would be was met in this walk.
fn rarity(cluster: &Cluster, coverage: &Coverage, action: &Action) -> Option<u32> {
    let pairs = coverage.pairs();
    match action {
        Action::Deliver(id) => pairs.rarity(cluster.net().get(*id)?),
        Action::Complete(node, io) => pairs.rarity_of_io(*node, *io, true),
        Action::Fail(node, io, _) => pairs.rarity_of_io(*node, *io, false),
        Action::Crash(node) => pairs.rarity_of_crash(*node),
        _ => None,
    }
}
