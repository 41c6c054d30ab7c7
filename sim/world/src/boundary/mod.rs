//! How far clocks may drift before leases overlap: measured on whole machines, beside what the
//! arithmetic says.
//!
//! A lease of term T is believed in for `A = T·(1−2ρ) − m` from the question, by the holder's
//! clock, and kept away from for `B = T·(1+2ρ)` from the answer, by the granter's. Let the
//! holder's clock go slow by d and the granter's fast by d, and let the question take δ of true
//! time to its answer. In true time, from the question on,
//!
//! ```text
//! holder believes until   A / (1 − d)
//! granter waits until     δ + B / (1 + d)
//! ```
//!
//! and two servers can believe at once exactly if the first is the larger. For small d that is
//! `d > 2ρ + (m + δ) / 2T`, and a little more.

mod analytic;
mod experiment;
mod plot;

pub use analytic::{first_overlap_ppm, rule_of_thumb_ppm};
pub use experiment::{Overlap, measure};
pub use plot::svg;

use leasehold_proto::Constants;
use std::time::Duration;

/// A drift beyond which nothing is looked for, in parts per million: with much more the master
/// counts a healthy server as dead between two of its heartbeats.
pub const DRIFT_PPM_MAX: i64 = 250_000;

/// One point of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Term T.
    pub term: Duration,
    /// Bound ρ that the constants allow for, in parts per million.
    pub rho_ppm: u32,
    /// Margin m.
    pub margin: Duration,
    /// True time δ from question to answer.
    pub delay: Duration,
}

impl Point {
    /// The cluster's constants at this point. Silence is noticed fast, so that the wait for the
    /// lease is what everything waits for.
    #[must_use]
    pub fn constants(&self) -> Constants {
        let ms = Duration::from_millis;
        Constants {
            lease_duration: self.term,
            clock_drift_ppm_max: self.rho_ppm,
            lease_margin: self.margin,
            lease_renew_interval: ms(1_000),
            lease_idle_after: self.term * 4,
            server_dead_after: ms(1_000),
            ..crate::Shape::default().constants
        }
    }
}

/// The smallest drift, in parts per million, at which leases overlap in the machines; none up to
/// [`DRIFT_PPM_MAX`]. Drift that overlaps still does when it grows, so halving finds it.
#[must_use]
pub fn measured_ppm(point: &Point) -> Option<i64> {
    let (mut safe, mut overlaps) = (-1, DRIFT_PPM_MAX);
    if !measure(point, overlaps).overlaps {
        return None;
    }
    while overlaps - safe > 1 {
        let middle = (safe + overlaps) / 2;
        if measure(point, middle).overlaps { overlaps = middle } else { safe = middle }
    }
    Some(overlaps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(term_ms: u64, rho_ppm: u32, margin_ms: u64, delay_ms: u64) -> Point {
        let ms = Duration::from_millis;
        Point { term: ms(term_ms), rho_ppm, margin: ms(margin_ms), delay: ms(delay_ms) }
    }

    #[test]
    fn the_machines_keep_to_the_arithmetic() {
        for point in [point(12_000, 1_000, 100, 0), point(4_000, 5_000, 0, 400)] {
            let wanted = first_overlap_ppm(&point);
            assert!(!measure(&point, wanted - 1).overlaps, "{point:?}, below {wanted} ppm");
            assert!(measure(&point, wanted + 1).overlaps, "{point:?}, above {wanted} ppm");
        }
    }

    #[test]
    fn drift_within_bounds_is_harmless() {
        for point in [point(12_000, 1_000, 0, 0), point(4_000, 5_000, 0, 0)] {
            for ppm in [0, 1, i64::from(point.rho_ppm) / 2, i64::from(point.rho_ppm)] {
                assert!(!measure(&point, ppm).overlaps, "{point:?} at {ppm} ppm");
            }
        }
    }
}
