//! What the arithmetic says.

use super::{DRIFT_PPM_MAX, Point};

const MILLION: i128 = 1_000_000;

/// The smallest whole number of parts per million at which `A / (1 − d) > δ + B / (1 + d)`, with
/// the A and B that the machines use, in whole nanoseconds.
#[must_use]
pub fn first_overlap_ppm(point: &Point) -> i64 {
    let constants = point.constants();
    let nanos = |span: std::time::Duration| i128::try_from(span.as_nanos()).expect("below 2^127");
    let holder = nanos(constants.lease_at_holder());
    let granter = nanos(constants.lease_at_granter());
    let delay = nanos(point.delay);
    let overlaps = |ppm: &i64| {
        let (slow, fast) = (MILLION - i128::from(*ppm), MILLION + i128::from(*ppm));
        holder * MILLION * fast > delay * slow * fast + granter * MILLION * slow
    };
    (0..=DRIFT_PPM_MAX).find(overlaps).unwrap_or(DRIFT_PPM_MAX)
}

/// 2ρ + (m + δ) / 2T, in parts per million.
#[must_use]
pub fn rule_of_thumb_ppm(point: &Point) -> f64 {
    let spans = (point.margin + point.delay).as_secs_f64();
    f64::from(point.rho_ppm) * 2.0 + spans / (2.0 * point.term.as_secs_f64()) * 1e6
}
