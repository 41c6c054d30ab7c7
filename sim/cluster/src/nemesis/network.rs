//! Cuts, conditions and lanes are those of all faults that are on: ending one leaves the others.

use super::On;
use super::effect::Effect;
use crate::cluster::Cluster;
use crate::net::LinkConditions;
use std::collections::BTreeMap;

/// Has the network be as these faults make it.
pub(super) fn apply(cluster: &Cluster, fair: &LinkConditions, on: &[On]) {
    let network = &cluster.around.network;
    let effects = || on.iter().map(|on| &on.effect);
    network.cuts(|cuts| {
        cuts.heal_all();
        for effect in effects() {
            if let Effect::Cut { pairs, flap } = effect
                && flap.is_none_or(|flap| flap.cut)
            {
                pairs.iter().for_each(|(from, to)| cuts.cut(from, to));
            }
            // Nobody takes what the network brings to a machine that is stopped. It is sent again.
            if let Effect::Frozen(host) = effect {
                cuts.cut(&cluster.nodes(), &[cluster.node(*host)]);
            }
        }
    });
    let mut conditions = fair.clone();
    let (mut slow, mut narrow) = (BTreeMap::new(), BTreeMap::new());
    for effect in effects() {
        match effect {
            Effect::Degraded(degradation) => degradation.apply(&mut conditions),
            Effect::SlowNode(node, factor) => drop(slow.insert(*node, *factor)),
            Effect::Narrow(lanes) => narrow.extend(lanes.clone()),
            _ => {}
        }
    }
    network.conditions(|now| *now = conditions);
    network.slow(slow);
    network.lanes(|lanes| lanes.narrow(narrow));
}
