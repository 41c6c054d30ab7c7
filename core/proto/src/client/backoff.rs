//! How long to wait before trying again: a fixed function, since the core has no randomness.

use crate::config::Constants;
use crate::ids::NodeId;
use crate::mix;
use core::time::Duration;

/// Doubles with every attempt up to `backoff_max`. Of that, the upper half depends on who waits
/// for what, so that clients refused together do not come back together.
pub(super) fn span(constants: &Constants, node: NodeId, number: u64, attempt: u32) -> Duration {
    let doubled = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    let full = constants.backoff_min.saturating_mul(doubled).min(constants.backoff_max);
    let half = u64::try_from(full.as_nanos() / 2).unwrap_or(u64::MAX / 2);
    Duration::from_nanos(half + mix(node, number, attempt) % (half + 1))
}

/// A number that looks random and is a function of its arguments (SplitMix64's finaliser).
pub(super) fn mix(node: NodeId, number: u64, attempt: u32) -> u64 {
    let salt = number.wrapping_mul(mix::GAMMA) ^ u64::from(attempt).rotate_left(48);
    mix::finalise(node.0 ^ salt)
}
