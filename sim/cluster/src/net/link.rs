//! What a network does to a message on its way, in numbers.

use crate::seed::{Seed, Stream};
use leasehold_proto::NodeId;
use std::collections::BTreeSet;

/// How every link behaves at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkConditions {
    /// The shortest and the longest ordinary way, in nanoseconds; each message draws its own, so
    /// that messages overtake each other.
    pub latency_ns: (u64, u64),
    /// This many messages in a million take a detour ...
    pub spike_ppm: u32,
    /// ... of this long.
    pub spike_ns: (u64, u64),
    /// This many messages in a million are lost.
    pub loss_ppm: u32,
    /// This many messages in a million come twice.
    pub duplicate_ppm: u32,
    /// This many messages in a million have a bit flipped.
    pub corrupt_ppm: u32,
}

impl Default for LinkConditions {
    /// A data centre without faults: a tenth of a millisecond.
    fn default() -> Self {
        LinkConditions {
            latency_ns: (50_000, 400_000),
            spike_ppm: 2_000,
            spike_ns: (1_000_000, 20_000_000),
            loss_ppm: 0,
            duplicate_ppm: 0,
            corrupt_ppm: 0,
        }
    }
}

/// What becomes of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It never arrives.
    Lost,
    /// It arrives after this many nanoseconds, perhaps once more after these.
    Arrives {
        /// Of the first copy.
        after_ns: u64,
        /// Of the second.
        again_ns: Option<u64>,
        /// The bit to flip, if any.
        flip: Option<u64>,
    },
}

/// The draws of one link. Each kind has its own: without losses, all else happens as with them.
#[derive(Clone, Debug)]
pub struct LinkDraws {
    loss: Stream,
    way: Stream,
    spike: Stream,
    again: Stream,
    flip: Stream,
}

impl LinkDraws {
    /// Those of the link with this number.
    #[must_use]
    pub fn new(seed: Seed, link: u64) -> Self {
        LinkDraws {
            loss: seed.fork("link loss", link),
            way: seed.fork("link way", link),
            spike: seed.fork("link spike", link),
            again: seed.fork("link again", link),
            flip: seed.fork("link flip", link),
        }
    }
}

impl LinkConditions {
    /// Draws the fate of a message; `slowness` is how many times as long its way is.
    pub fn fate(&self, draws: &mut LinkDraws, slowness: u64) -> Fate {
        let lost = draws.loss.ppm(self.loss_ppm);
        let after_ns = self.way(&mut draws.way) + self.spike(&mut draws.spike);
        let twice = draws.again.ppm(self.duplicate_ppm);
        let again_ns = twice.then(|| self.way(&mut draws.again) * slowness);
        let after_ns = after_ns * slowness;
        let flip = draws.flip.ppm(self.corrupt_ppm).then(|| draws.flip.any());
        if lost { Fate::Lost } else { Fate::Arrives { after_ns, again_ns, flip } }
    }

    fn way(&self, stream: &mut Stream) -> u64 {
        stream.log_within(self.latency_ns.0..=self.latency_ns.1)
    }

    fn spike(&self, stream: &mut Stream) -> u64 {
        let strikes = stream.ppm(self.spike_ppm);
        if strikes { stream.within(self.spike_ns.0..=self.spike_ns.1) } else { 0 }
    }
}

/// Which ways are cut. Each is directed, so that a one-way partition can be said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cuts(BTreeSet<(NodeId, NodeId)>);

impl Cuts {
    /// Cuts everything from one group to the other, one way.
    pub fn cut(&mut self, from: &[NodeId], to: &[NodeId]) {
        let pairs = from.iter().flat_map(|a| to.iter().map(move |b| (*a, *b)));
        self.0.extend(pairs.filter(|(a, b)| a != b));
    }

    /// Undoes a cut of the same groups.
    pub fn heal(&mut self, from: &[NodeId], to: &[NodeId]) {
        for a in from {
            for b in to {
                self.0.remove(&(*a, *b));
            }
        }
    }

    /// Undoes all.
    pub fn heal_all(&mut self) {
        self.0.clear();
    }

    /// Whether this way is cut.
    #[must_use]
    pub fn blocks(&self, from: NodeId, to: NodeId) -> bool {
        !self.0.is_empty() && self.0.contains(&(from, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(conditions: &LinkConditions, count: usize) -> Vec<Fate> {
        let mut draws = LinkDraws::new(Seed(1), 0);
        (0..count).map(|_| conditions.fate(&mut draws, 1)).collect()
    }

    #[test]
    fn without_one_kind_the_others_are_as_with_it() {
        let bad = LinkConditions {
            loss_ppm: 100_000,
            duplicate_ppm: 100_000,
            corrupt_ppm: 100_000,
            ..LinkConditions::default()
        };
        let with = fates(&bad, 1_000);
        for without in [
            LinkConditions { loss_ppm: 0, ..bad.clone() },
            LinkConditions { duplicate_ppm: 0, ..bad.clone() },
            LinkConditions { corrupt_ppm: 0, ..bad.clone() },
        ] {
            for (one, other) in with.iter().zip(fates(&without, 1_000)) {
                match (one, other) {
                    (
                        Fate::Arrives { after_ns, again_ns, flip },
                        Fate::Arrives { after_ns: after, again_ns: again, flip: flipped },
                    ) => {
                        assert_eq!(*after_ns, after);
                        assert!(again.is_none() || again == *again_ns);
                        assert!(flipped.is_none() || flipped == *flip);
                    }
                    (Fate::Lost, Fate::Lost) => {}
                    (Fate::Lost, _) => assert_eq!(without.loss_ppm, 0),
                    (_, Fate::Lost) => panic!("lost only without {without:?}"),
                }
            }
        }
    }

    #[test]
    fn good_weather_loses_nothing_and_lets_messages_overtake() {
        let ways: Vec<u64> = fates(&LinkConditions::default(), 1_000)
            .into_iter()
            .map(|fate| match fate {
                Fate::Arrives { after_ns, again_ns: None, flip: None } => after_ns,
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(ways.iter().all(|way| (50_000..21_000_000).contains(way)));
        assert!(ways.windows(2).any(|pair| pair[0] > pair[1] + 100_000), "the second overtakes");
    }

    #[test]
    fn bad_weather_is_as_bad_as_it_says() {
        let conditions = LinkConditions {
            loss_ppm: 200_000,
            duplicate_ppm: 500_000,
            ..LinkConditions::default()
        };
        let fates = fates(&conditions, 2_000);
        let lost = fates.iter().filter(|fate| **fate == Fate::Lost).count();
        let twice = fates.iter();
        let twice =
            twice.filter(|fate| matches!(fate, Fate::Arrives { again_ns: Some(_), .. })).count();
        assert!((300..500).contains(&lost), "{lost} of 2000 at a fifth");
        assert!((650..950).contains(&twice), "{twice} of some 1600 at a half");
    }

    #[test]
    fn cuts_are_one_way_and_heal() {
        let (a, b, c) = (NodeId(1), NodeId(2), NodeId(3));
        let mut cuts = Cuts::default();
        cuts.cut(&[a], &[a, b]);
        assert!(cuts.blocks(a, b) && !cuts.blocks(b, a) && !cuts.blocks(a, c));
        assert!(!cuts.blocks(a, a), "a node always reaches itself");
        cuts.heal(&[a], &[b]);
        assert!(!cuts.blocks(a, b));
    }
}
