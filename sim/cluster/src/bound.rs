//! I10's bound: how long after the end of all faults a cluster may take to come to rest.
//!
//! The bound is a sum of what the protocol's constants allow each step to take, as if every step
//! had to wait for the one before it:
//!
//! | step | takes at most |
//! | --- | --- |
//! | everybody is heard, and the dead are noticed | `heartbeat_interval` + `server_dead_after` + `backoff_max` |
//! | members that hold a chunk up are reported | the larger of `member_silent_after` and `member_stalled_after` |
//! | a member that is heard and does not come is sent a request again | 2 × `member_stalled_after` |
//! | leases end: one granted before, and one that was renewed on the way | 2 × T(1+2ρ) |
//! | safe mode ends | `safe_mode_max` |
//! | clients' operations end | `operation_timeout` |
//! | replicas are replaced, one after the other | replicas × (`repair_delay` + a change + `repair_stalled_after`) |
//! | a copy from before is given up | 6 × `repair_stalled_after` |
//! | a server that could not take a copy before is tried again | 6 × `repair_stalled_after` |
//! | copies take their turns | ⌈chunks ÷ `repairs_max`⌉ × a change |
//! | copies take their bytes | chunks × replicas × chunk size ÷ `repair_bytes_per_second` |
//! | strays are ordered away again, and reported gone | 4 × `heartbeat_interval` + `retry_interval` |
//!
//! A change takes `prepare_grace` and five of `retry_interval`: each of its messages may have to
//! be sent again. In the end everything is stretched by 2ρ, since clocks may be slow.

use leasehold_proto::Constants;
use std::fmt;
use std::time::Duration;

/// Messages of a change that may have to be sent again.
const ROUNDS: u32 = 5;
/// The master gives a copy up after this many times `repair_stalled_after`, and tries a server that
/// could not take one again.
const PATIENCES: u32 = 6;

/// What there is to bring to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Chunks that have a configuration.
    pub chunks: u64,
    /// Bytes in each at the most.
    pub chunk_bytes: u64,
    /// Replicas wanted of each.
    pub replicas: u64,
}

/// How long a cluster may take to come to rest, step by step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The steps and their times, as the constants have them.
    steps: Vec<(&'static str, Duration)>,
    /// What slow clocks add.
    drift: Duration,
}

impl Bound {
    /// As the constants have it; see the head of this module.
    #[must_use]
    pub fn of(constants: &Constants, load: Load) -> Self {
        let c = constants;
        let change = c.prepare_grace + c.retry_interval * ROUNDS;
        let times = |span: Duration, times: u64| {
            span.saturating_mul(u32::try_from(times).unwrap_or(u32::MAX))
        };
        let bytes = load.chunks.saturating_mul(load.replicas).saturating_mul(load.chunk_bytes);
        let copied = bytes.saturating_mul(1_000) / c.repair_bytes_per_second.max(1);
        let turns = load.chunks.div_ceil(u64::from(c.repairs_max));
        let steps = vec![
            ("all are heard", c.heartbeat_interval + c.server_dead_after + c.backoff_max),
            ("failed members told", c.member_silent_after.max(c.member_stalled_after)),
            ("late members asked", c.member_stalled_after * 2),
            ("leases end", c.lease_at_granter() * 2),
            ("safe mode ends", c.safe_mode_max),
            ("operations end", c.operation_timeout),
            ("repairs", times(c.repair_delay + change + c.repair_stalled_after, load.replicas)),
            ("old copies given up", c.repair_stalled_after * PATIENCES),
            ("failed places tried again", c.repair_stalled_after * PATIENCES),
            ("turns of copies", times(change, turns)),
            ("bytes of copies", Duration::from_millis(copied)),
            ("strays go", c.heartbeat_interval * 4 + c.retry_interval),
        ];
        let sum: Duration = steps.iter().map(|(_, time)| *time).sum();
        let drift = sum.as_nanos() * 2 * u128::from(c.clock_drift_ppm_max) / 1_000_000;
        Bound { steps, drift: Duration::from_nanos(u64::try_from(drift).unwrap_or(u64::MAX)) }
    }

    /// A bound that somebody chose.
    #[must_use]
    pub fn chosen(ms: u64) -> Self {
        Bound {
            steps: vec![("as the scenario says", Duration::from_millis(ms))],
            drift: Duration::ZERO,
        }
    }

    /// All of it.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.steps.iter().map(|(_, time)| *time).sum::<Duration>() + self.drift
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |time: &Duration| format!("{:.1} s", time.as_secs_f64());
        let drift = Some(("drift", self.drift)).filter(|(_, time)| !time.is_zero());
        let steps = self.steps.iter().copied().chain(drift);
        let steps: Vec<String> =
            steps.map(|(step, time)| format!("{step} {}", seconds(&time))).collect();
        write!(f, "{} ({})", seconds(&self.total()), steps.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD: Load = Load { chunks: 20, chunk_bytes: 65_536, replicas: 3 };

    fn total(change: impl FnOnce(&mut Constants), load: Load) -> Duration {
        let mut constants = Constants::default();
        change(&mut constants);
        Bound::of(&constants, load).total()
    }

    #[test]
    fn it_is_above_every_time_that_it_is_made_of() {
        let constants = Constants::default();
        let bound = Bound::of(&constants, LOAD);
        let least = constants.operation_timeout
            + constants.lease_at_granter() * 2
            + constants.server_dead_after;
        assert!(bound.total() > least, "{bound}");
        assert!(bound.to_string().contains("operations end 60.0 s"), "{bound}");
    }

    #[test]
    fn it_grows_with_constants_and_load() {
        let plain = total(|_| {}, LOAD);
        assert!(total(|c| c.lease_duration *= 2, LOAD) >= plain + Duration::from_secs(24));
        assert!(total(|c| c.safe_mode_max *= 2, LOAD) >= plain + Duration::from_secs(30));
        assert!(
            total(|c| c.repair_bytes_per_second = 65_536, LOAD) > plain + Duration::from_secs(59)
        );
        assert!(total(|_| {}, Load { replicas: 5, ..LOAD }) > plain);
        assert!(total(|c| c.clock_drift_ppm_max = 100_000, LOAD) > plain + plain / 5);
        assert_eq!(Bound::chosen(30_000).total(), Duration::from_secs(30));
    }
}
