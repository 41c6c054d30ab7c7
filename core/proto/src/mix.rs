//! The finaliser of SplitMix64: spreads the bits of a number, the same on every machine.

/// The increment of SplitMix64's state, an odd number near 2^64 divided by the golden ratio.
pub const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64 (Steele, Lea and Flood, 2014), a bijection; zero stays zero.
#[must_use]
pub const fn finalise(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The first outputs of the reference implementation for the seed 1234567.
    #[test]
    fn the_stream_is_that_of_the_reference() {
        let at = |draw: u64| finalise(draw.wrapping_mul(GAMMA).wrapping_add(1_234_567));
        let expected =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([at(1), at(2), at(3)], expected);
        assert_eq!(finalise(0), 0);
    }
}
