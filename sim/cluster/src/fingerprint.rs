//! A rolling fingerprint of everything that happened, equal for equal runs in any process and any
//! build.

use std::fmt;
use std::hash::{Hash, Hasher};

const K1: u64 = 0x9e37_79b9_7f4a_7c15;
const K2: u64 = 0xd6e8_feb8_6659_fd93;

/// 128 bits over all that was fed. A `Hasher`, so that every type of the boundary can be fed
/// without text or allocation; integers are fed as 64-bit values, so that a machine's word size
/// does not show. Not cryptographic: it tells apart runs, not adversaries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    a: u64,
    b: u64,
}

impl Default for Fingerprint {
    fn default() -> Self {
        Fingerprint { a: K1, b: K2 }
    }
}

impl Fingerprint {
    /// Feeds one thing.
    pub fn feed(&mut self, thing: &impl Hash) {
        thing.hash(self);
    }

    /// 32 bits of it, for a log of how it went on.
    #[must_use]
    pub fn short(&self) -> u32 {
        (self.finish() >> 32) as u32
    }

    fn mix(&mut self, word: u64) {
        self.a = (self.a ^ word).wrapping_mul(K1).rotate_left(29);
        self.b = self.b.rotate_left(17).wrapping_add(word).wrapping_mul(K2) ^ (self.a >> 32);
    }
}

/// Bytes that are taken in at once where there are many.
const BLOCK: usize = 32;

/// Four lanes that do not wait for each other: for payloads, which are most of what is fed.
fn digest(blocks: &[[u8; BLOCK]]) -> [u64; 4] {
    let mut lanes = [K1, K2, !K1, !K2];
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        for (lane, word) in lanes.iter_mut().zip(words) {
            *lane = (lane.rotate_left(29) ^ u64::from_le_bytes(*word)).wrapping_mul(K1);
        }
    }
    lanes
}

impl Hasher for Fingerprint {
    fn finish(&self) -> u64 {
        let folded = (self.a ^ self.b.rotate_left(32)).wrapping_mul(K2);
        folded ^ (folded >> 31)
    }

    fn write(&mut self, bytes: &[u8]) {
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        if !blocks.is_empty() {
            digest(blocks).into_iter().for_each(|lane| self.mix(lane));
        }
        let (words, rest) = rest.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.mix(u64::from_le_bytes(last));
        self.mix(bytes.len() as u64);
    }

    fn write_u8(&mut self, i: u8) {
        self.mix(u64::from(i));
    }

    fn write_u16(&mut self, i: u16) {
        self.mix(u64::from(i));
    }

    fn write_u32(&mut self, i: u32) {
        self.mix(u64::from(i));
    }

    fn write_u64(&mut self, i: u64) {
        self.mix(i);
    }

    fn write_usize(&mut self, i: usize) {
        self.mix(i as u64);
    }

    fn write_isize(&mut self, i: isize) {
        self.mix(i as u64);
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.a, self.b)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(thing: &impl Hash) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        fingerprint.feed(thing);
        fingerprint
    }

    #[test]
    fn equal_runs_are_equal_and_others_are_not() {
        assert_eq!(of(&("n1", 2_u64)), of(&("n1", 2_u64)));
        assert_ne!(of(&("n1", 2_u64)), of(&("n1", 3_u64)));
        assert_ne!(of(&vec![1_u8, 2]), of(&vec![2_u8, 1]), "order counts");
        assert_ne!(of(&vec![0_u8; 8]), of(&vec![0_u8; 9]), "trailing zeros count");
    }

    #[test]
    fn single_bits_spread() {
        let base = of(&vec![0_u8; 64]);
        for bit in 0..512 {
            let mut bytes = vec![0_u8; 64];
            bytes[bit / 8] |= 1 << (bit % 8);
            let other = of(&bytes);
            let differing = (base.a ^ other.a).count_ones() + (base.b ^ other.b).count_ones();
            assert!(differing > 20, "bit {bit} changed only {differing} of 128");
        }
    }

    /// Pinned: a fingerprint is quoted in reports and compared across builds.
    #[test]
    fn it_is_pinned() {
        assert_eq!(of(&"leasehold").to_string(), "ecbce63edd50d6254449c7dd0d97e1cb");
        let payload: Vec<u8> = (0..=255).cycle().take(1_000).collect();
        assert_eq!(of(&payload).to_string(), "fb76ae0406225fcc7b4133b715b0924f");
    }
}
