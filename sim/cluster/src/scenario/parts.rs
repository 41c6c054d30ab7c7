//! The sections about how large and how long a run is, and what it must have seen.

use super::key::{entry, section};
use super::span::Span;

section! {
    /// What a run must have seen to count: a green run that saw nothing shows nothing. Not required of a
    /// negative scenario.
    pub struct Demands {
        /// Operations that clients were answered are done.
        acknowledged: u64 = 1_000;
        /// Power failures and ended processes.
        crashes: u64 = 1;
        /// Partitions of every kind.
        partitions: u64 = 1;
        /// Configurations that followed another.
        membership_changes: u64 = 1;
        /// Reads whose bytes were judged from outside.
        judged_reads: u64 = 100;
    }
}

section! {
    /// How large a cluster is.
    pub struct Shape {
        /// Masters, 1 to 5; an even number counts as the next one.
        masters: Span = Span::of(1), 1..=5;
        /// Servers that hold chunks.
        chunkservers: Span = Span::of(5), 1..=1_000;
        /// Failure domains, numbered from 0. Machine i is in rack i modulo their number, masters first.
        racks: Span = Span::of(3), 1..=1_000;
        /// Sessions that work at the same time.
        clients: Span = Span::of(4), 1..=1_000;
    }
}

section! {
    /// A run's two acts: with faults, and without.
    pub struct Acts {
        /// Faults are on for this long.
        faults_ms: u64 = 60_000;
        /// Faults are off: everything must converge within this. Left out: within what the constants
        /// give (`sim/cluster/src/bound.rs`).
        #[serde(skip_serializing_if = "Option::is_none")]
        converge_ms: Option<u64> = None, 1_000..=86_400_000;
    }
}

entry! {
    /// A window of the first act over which operations, messages and facts are counted: without what
    /// clients do while they begin, and without what is left when they end.
    #[derive(Eq)]
    pub struct Measure {
        /// When it begins, from the start of the first act.
        begins_ms: u64;
        /// When it ends: after `begins_ms`, and within the first act.
        ends_ms: u64;
    }
}

section! {
    /// How clocks differ from true time.
    pub struct ClockBounds {
        /// A rate differs from true time by at most this. Left out: half of `clock_drift_ppm_max`, so
        /// that two clocks differ by at most that.
        #[serde(skip_serializing_if = "Option::is_none")]
        drift_ppm: Option<u32> = None, 0..=500_000;
    }
}
