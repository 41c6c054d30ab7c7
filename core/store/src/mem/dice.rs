//! What a power failure keeps, by a seed: nothing for 0, everything for 1.

use leasehold_proto::mix;

/// SplitMix64, whose stream is the same on every machine.
pub(super) struct Dice {
    pub seed: u64,
    pub state: u64,
}

impl Dice {
    pub fn keep(&mut self) -> bool {
        self.state = self.state.wrapping_add(mix::GAMMA);
        match self.seed {
            0 => false,
            1 => true,
            _ => mix::finalise(self.state) & 1 == 1,
        }
    }
}
