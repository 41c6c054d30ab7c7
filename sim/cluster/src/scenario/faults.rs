//! Which faults a run may have, and how often.

use super::span::Span;
use serde::{Deserialize, Serialize};

/// One list for everything that there is one of for each kind: its variant, its key and its
/// weight by default.
macro_rules! kinds {
    ($($(#[$doc:meta])+ $kind:ident $key:ident = $weight:literal;)+) => {
        /// A kind of fault. Each has a beginning and an end.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FaultKind {
            $($(#[$doc])+ $kind,)+
        }

        impl FaultKind {
            /// All of them, in the order of their weights.
            pub const ALL: &[FaultKind] = &[$(FaultKind::$kind),+];

            /// As scenarios and summaries call it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(FaultKind::$kind => stringify!($key),)+
                }
            }
        }

        /// How often faults come, how long they last, and the relative frequency of each kind.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(from = "Said")]
        pub struct Faults {
            /// Off: nothing goes wrong.
            pub enabled: bool,
            /// Each seed does without some kinds (swarm testing), but always has a crash and a
            /// partition, if they have a weight.
            pub swarm: bool,
            /// Time between the beginnings of two faults.
            pub gap_ms: Span,
            /// How long each lasts.
            pub lasts_ms: Span,
            /// Faults at the same time, at the most.
            pub concurrent_max: u64,
            /// No fault budget: faults may destroy the last good copy.
            pub reckless: bool,
            $($(#[$doc])+ pub $key: u32,)+
        }

        /// As a file says it.
        #[derive(Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        struct Said {
            enabled: Option<bool>,
            swarm: Option<bool>,
            gap_ms: Option<Span>,
            lasts_ms: Option<Span>,
            concurrent_max: Option<u64>,
            reckless: Option<bool>,
            /// False: a kind that is not named has no weight, whatever its default.
            others: Option<bool>,
            $($key: Option<u32>,)+
        }

        impl From<Said> for Faults {
            fn from(said: Said) -> Self {
                let plain = match said.others {
                    Some(false) => Faults::none(),
                    Some(true) | None => Faults::default(),
                };
                Faults {
                    enabled: said.enabled.unwrap_or(plain.enabled),
                    swarm: said.swarm.unwrap_or(plain.swarm),
                    gap_ms: said.gap_ms.unwrap_or(plain.gap_ms),
                    lasts_ms: said.lasts_ms.unwrap_or(plain.lasts_ms),
                    concurrent_max: said.concurrent_max.unwrap_or(plain.concurrent_max),
                    reckless: said.reckless.unwrap_or(plain.reckless),
                    $($key: said.$key.unwrap_or(plain.$key),)+
                }
            }
        }

        impl Default for Faults {
            fn default() -> Self {
                Faults {
                    enabled: true,
                    swarm: true,
                    gap_ms: Span::new(500, 6_000),
                    lasts_ms: Span::new(100, 8_000),
                    concurrent_max: 2,
                    reckless: false,
                    $($key: $weight,)+
                }
            }
        }

        impl Faults {
            /// The relative frequency of a kind.
            #[must_use]
            pub fn weight(&self, kind: FaultKind) -> u32 {
                match kind {
                    $(FaultKind::$kind => self.$key,)+
                }
            }

            /// Where the relative frequency of a kind is kept.
            pub fn weight_mut(&mut self, kind: FaultKind) -> &mut u32 {
                match kind {
                    $(FaultKind::$kind => &mut self.$key,)+
                }
            }
        }
    };
}

kinds! {
    /// A chunkserver loses power; it comes back.
    Crash crash = 4;
    /// A node loses power within a disk operation.
    CrashAtIo crash_at_io = 4;
    /// A chunkserver's process ends; its operating system keeps what it has.
    Restart restart = 1;
    /// The master loses power.
    MasterCrash master_crash = 2;
    /// A chunkserver loses its disk and comes back as a new server.
    Wipe wipe = 1;
    /// A node is paused, for less than a lease, and resumes.
    Pause pause = 2;
    /// A node is paused for longer than a lease.
    LongPause long_pause = 2;
    /// A chunkserver is stopped for longer than a lease and its clock with it, as a virtual machine is.
    Frozen frozen = 1;
    /// All servers of a rack lose power at once, and come back together.
    RackPower rack_power = 1;
    /// Every server and the master lose power at once.
    ClusterPower cluster_power = 1;
    /// Every server's process is ended and begun again, one after the other.
    RollingRestart rolling_restart = 1;
    /// A new chunkserver joins.
    AddServer add_server = 1;
    /// Two groups of nodes do not hear each other.
    Partition partition = 3;
    /// One group does not hear the other, which hears it.
    OneWay one_way = 3;
    /// One node is isolated in both directions.
    Isolate isolate = 2;
    /// Two nodes cannot reach each other; all others reach both.
    Partial partial = 2;
    /// A partition that comes and goes several times a second.
    Flapping flapping = 1;
    /// Messages are lost.
    Loss loss = 2;
    /// Messages come twice.
    Duplicate duplicate = 1;
    /// Messages overtake each other by far.
    Reorder reorder = 1;
    /// Messages take long.
    Delay delay = 2;
    /// Messages from and to one node take long.
    SlowLink slow_link = 1;
    /// One node's network card, or one rack's uplink, carries little.
    Narrow narrow = 1;
    /// Bits of messages flip on the way.
    CorruptFrames corrupt_frames = 1;
    /// A disk is many times as slow.
    SlowDisk slow_disk = 2;
    /// A disk answers nothing for a while.
    Stall stall = 1;
    /// Somebody else fills a disk, for a while.
    DiskFull disk_full = 1;
    /// A sync fails, and what it was to make durable never is. Whoever runs the node starts it
    /// again later.
    FsyncFails fsync_fails = 1;
    /// A bit of a replica flips on its disk.
    Rot rot = 0;
    /// A write to a replica was confirmed and never happened.
    PhantomWrite phantom_write = 0;
    /// A write to a replica went to another place.
    Misdirected misdirected = 0;
    /// Sectors of a replica cannot be read until they are written again.
    LatentError latent_error = 0;
    /// The clients' wall clock jumps.
    WallJump wall_jump = 1;
    /// A master is isolated from the other masters in both directions; all other nodes reach it.
    MasterCut master_cut = 0;
    /// A sync of a master among several fails, and what it was to make durable never is. The master
    /// ends itself; its supervisor starts it again later.
    MasterFsyncFails master_fsync_fails = 0;
    /// Somebody else fills the disk of a master among several, for a while.
    MasterDiskFull master_disk_full = 0;
    /// A master among several loses its disk; it is taken out of their number, and added again as
    /// another. One at a time: a majority keeps its disks.
    MasterWipe master_wipe = 0;
}

impl FaultKind {
    /// Whether it is about a master among others: a lone one is spared.
    #[must_use]
    pub fn needs_masters(self) -> bool {
        use FaultKind::{MasterCut, MasterDiskFull, MasterFsyncFails, MasterWipe};
        matches!(self, MasterCut | MasterFsyncFails | MasterDiskFull | MasterWipe)
    }
}

impl Faults {
    /// As these, with no kind having any weight.
    #[must_use]
    pub fn none() -> Self {
        let mut faults = Faults::default();
        FaultKind::ALL.iter().for_each(|kind| *faults.weight_mut(*kind) = 0);
        faults
    }
}
