//! Messages that arrive late: some are held for a drawn number of steps, while others of their link
//! arrive. Dice that choose among everything in flight deliver a message within a few steps, and hardly
//! ever after the configuration, the lease or the life that it belongs to.

use super::dice::Dice;
use super::drawn::Drawn;
use crate::cluster::Cluster;
use crate::names;
use crate::net::MessageId;
use std::collections::BTreeMap;

/// A message is held for so many steps: 2 to the power of a number in this range.
const HELD_LOG2: std::ops::RangeInclusive<u64> = 4..=11;

/// Held messages that a guide looks at in one step, the oldest first.
const LOOKED_AT_MAX: usize = 24;

/// What is held.
#[derive(Clone, Debug)]
pub(super) struct Late {
    dice: Dice,
    /// Of ten thousand messages, how many are held.
    rate: u64,
    /// A guide lets it arrive: what is between chunkservers is held more often, and for longer.
    guided: bool,
    /// Messages up to here were looked at.
    seen: u64,
    steps: u64,
    /// By message, the step from which on it may arrive.
    held: BTreeMap<MessageId, u64>,
}

impl Late {
    pub fn new(drawn: &Drawn) -> Self {
        let dice = Dice::new(drawn.seed, "late");
        let rate = if drawn.guided { drawn.guided_late_rate } else { drawn.late_rate };
        Late { dice, rate, guided: drawn.guided, seen: 0, steps: 0, held: BTreeMap::new() }
    }

    /// Looks at what was sent since the last step.
    pub fn step(&mut self, cluster: &Cluster) {
        self.steps += 1;
        if self.rate == 0 {
            return;
        }
        let newest = cluster.net().newest().0;
        for id in self.seen + 1..=newest {
            let of_guide = self.guided && between_servers(cluster, MessageId(id));
            if self.dice.chance(if of_guide { self.rate * 2 } else { self.rate }) {
                let log2 = self.dice.within(HELD_LOG2) + u64::from(of_guide);
                let steps = self.dice.within(0..=1 << log2);
                self.held.insert(MessageId(id), self.steps + steps);
            }
        }
        self.seen = newest;
        if self.steps.is_multiple_of(64) {
            let steps = self.steps;
            self.held.retain(|_, until| *until > steps);
        }
    }

    /// A held message that would meet a pair that is rare: it may arrive now.
    pub fn release(&mut self, mut is_rare: impl FnMut(MessageId) -> bool) -> Option<MessageId> {
        let steps = self.steps;
        let held = self.held.iter().filter(|(_, until)| **until > steps);
        let id = held.map(|(id, _)| *id).take(LOOKED_AT_MAX).find(|id| is_rare(*id))?;
        self.held.remove(&id);
        Some(id)
    }

    pub fn holds(&self, id: MessageId) -> bool {
        !self.held.is_empty() && self.held.get(&id).is_some_and(|until| *until > self.steps)
    }
}

fn between_servers(cluster: &Cluster, id: MessageId) -> bool {
    let envelope = cluster.net().get(id);
    envelope.is_some_and(|e| names::is_server(e.from) && names::is_server(e.to))
}
