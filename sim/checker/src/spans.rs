//! How long a span of a node's clock may be by true time, if clocks drift within bounds.

use leasehold_proto::Constants;
use std::time::Duration;

/// A span in nanoseconds.
pub(crate) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// The shortest that it may be.
pub(crate) fn shortest(constants: &Constants, span: Duration) -> u64 {
    nanos(span).saturating_sub(drift(constants, span))
}

/// The longest that it may be.
pub(crate) fn longest(constants: &Constants, span: Duration) -> u64 {
    nanos(span).saturating_add(drift(constants, span))
}

/// 4ρ of a span. Two clocks differ by ρ; some runs have one that is off by nearly twice as much.
fn drift(constants: &Constants, span: Duration) -> u64 {
    let share = u128::from(constants.clock_drift_ppm_max) * 4;
    u64::try_from(span.as_nanos() * share / 1_000_000).unwrap_or(u64::MAX)
}
