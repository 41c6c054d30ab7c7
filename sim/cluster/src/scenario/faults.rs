//! Which faults a run may have, and how often.

use super::span::Span;
use serde::{Deserialize, Serialize};

/// A kind of fault. Each has a beginning and an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A chunkserver loses power; it comes back.
    Crash,
    /// A chunkserver loses power within a disk operation.
    CrashAtIo,
    /// A chunkserver's process ends; its operating system keeps what it has.
    Restart,
    /// The master loses power.
    MasterCrash,
    /// A chunkserver loses its disk and comes back as a new server.
    Wipe,
    /// A node stands still and goes on as if nothing had been.
    Pause,
    /// Two groups of nodes do not hear each other.
    Partition,
    /// One group does not hear the other, which hears it.
    OneWay,
    /// One node hears nobody and is heard by nobody.
    Isolate,
    /// Messages are lost and doubled.
    Loss,
    /// Messages take long.
    Delay,
    /// Bits of messages flip on the way.
    CorruptFrames,
    /// A disk is many times as slow.
    SlowDisk,
    /// A bit of a replica flips on its disk.
    Rot,
}

impl Kind {
    /// All of them, in the order of their weights.
    pub const ALL: [Kind; 14] = [
        Kind::Crash,
        Kind::CrashAtIo,
        Kind::Restart,
        Kind::MasterCrash,
        Kind::Wipe,
        Kind::Pause,
        Kind::Partition,
        Kind::OneWay,
        Kind::Isolate,
        Kind::Loss,
        Kind::Delay,
        Kind::CorruptFrames,
        Kind::SlowDisk,
        Kind::Rot,
    ];

    /// As scenarios and summaries call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Crash => "crash",
            Kind::CrashAtIo => "crash_at_io",
            Kind::Restart => "restart",
            Kind::MasterCrash => "master_crash",
            Kind::Wipe => "wipe",
            Kind::Pause => "pause",
            Kind::Partition => "partition",
            Kind::OneWay => "one_way",
            Kind::Isolate => "isolate",
            Kind::Loss => "loss",
            Kind::Delay => "delay",
            Kind::CorruptFrames => "corrupt_frames",
            Kind::SlowDisk => "slow_disk",
            Kind::Rot => "rot",
        }
    }
}

/// How often faults come, how long they last, and the relative frequency of each kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Off: nothing goes wrong.
    pub enabled: bool,
    /// Each seed does without some kinds (swarm testing), but always has a crash and a partition.
    pub swarm: bool,
    /// Time between the beginnings of two faults.
    pub gap_ms: Span,
    /// How long each lasts.
    pub lasts_ms: Span,
    /// Faults at the same time, at the most.
    pub concurrent_max: u64,
    #[allow(missing_docs)]
    pub crash: u32,
    #[allow(missing_docs)]
    pub crash_at_io: u32,
    #[allow(missing_docs)]
    pub restart: u32,
    #[allow(missing_docs)]
    pub master_crash: u32,
    #[allow(missing_docs)]
    pub wipe: u32,
    #[allow(missing_docs)]
    pub pause: u32,
    #[allow(missing_docs)]
    pub partition: u32,
    #[allow(missing_docs)]
    pub one_way: u32,
    #[allow(missing_docs)]
    pub isolate: u32,
    #[allow(missing_docs)]
    pub loss: u32,
    #[allow(missing_docs)]
    pub delay: u32,
    #[allow(missing_docs)]
    pub corrupt_frames: u32,
    #[allow(missing_docs)]
    pub slow_disk: u32,
    #[allow(missing_docs)]
    pub rot: u32,
}

impl Default for Faults {
    fn default() -> Self {
        Faults {
            enabled: true,
            swarm: true,
            gap_ms: Span::new(500, 6_000),
            lasts_ms: Span::new(100, 8_000),
            concurrent_max: 2,
            crash: 4,
            crash_at_io: 4,
            restart: 1,
            master_crash: 2,
            wipe: 1,
            pause: 2,
            partition: 3,
            one_way: 3,
            isolate: 2,
            loss: 2,
            delay: 2,
            corrupt_frames: 1,
            slow_disk: 2,
            rot: 0,
        }
    }
}

impl Faults {
    /// The relative frequency of each kind, in the order of [`Kind::ALL`].
    #[must_use]
    pub fn weights(&self) -> [u32; 14] {
        [
            self.crash,
            self.crash_at_io,
            self.restart,
            self.master_crash,
            self.wipe,
            self.pause,
            self.partition,
            self.one_way,
            self.isolate,
            self.loss,
            self.delay,
            self.corrupt_frames,
            self.slow_disk,
            self.rot,
        ]
    }
}
