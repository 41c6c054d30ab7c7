//! FNV-1a of 64 bits: not secure, and the same in every build.
//!
//! `sim/mutants` names no crate of ours and includes this file as a module of its own, so it uses
//! nothing but `core`.

/// A sum over bytes that come one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// Of everything so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sums_are_met() {
        for (bytes, sum) in [("", 0xcbf2_9ce4_8422_2325), ("foobar", 0x8594_4171_f739_67e8_u64)] {
            let mut fnv = Fnv::default();
            fnv.add(bytes.as_bytes());
            assert_eq!(fnv.value(), sum, "{bytes:?}");
        }
    }
}
