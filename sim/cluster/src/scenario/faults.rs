//! Which faults a run may have, and how often.

use super::key::{Key, Section, Setting, words};
use super::span::Span;
use serde::{Deserialize, Serialize};

/// One list for everything that there is one of for each kind: its variant, its key and its
/// weight by default.
macro_rules! kinds {
    (
        $($(#[doc = $about:literal])+ $said:ident: $type:ty = $default:expr $(, $range:expr)?;)+
        kinds: $($(#[doc = $doc:literal])+ $kind:ident $key:ident = $weight:literal;)+
    ) => {
        /// A kind of fault. Each has a beginning and an end.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FaultKind {
            $($(#[doc = $doc])+ $kind,)+
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
            $($(#[doc = $about])+ pub $said: $type,)+
            $($(#[doc = $doc])+ pub $key: u32,)+
        }

        /// As a file says it.
        #[derive(Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        struct Said {
            $($said: Option<$type>,)+
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
                    $($said: said.$said.unwrap_or(plain.$said),)+
                    $($key: said.$key.unwrap_or(plain.$key),)+
                }
            }
        }

        impl Default for Faults {
            fn default() -> Self {
                Faults {
                    $($said: $default,)+
                    $($key: $weight,)+
                }
            }
        }

        impl Section for Faults {
            fn list(section: &str, to: &mut Vec<Key>) {
                use crate::scenario::key::default;
                $({
                    let (docs, value): (&str, $type) = (concat!($($about),+), $default);
                    let key = Key::new(section, stringify!($said), docs, default(&value));
                    <$type as Setting>::list(key.within(&[$($range)?]), to);
                })+
                let docs = "Whether a kind that is not named here has its default weight; false: it has none.";
                <bool as Setting>::list(Key::new(section, "others", docs, default(true)), to);
                $({
                    let docs = concat!("Relative frequency of this fault:", $($doc),+);
                    let key = Key::new(section, stringify!($key), docs, default($weight));
                    <u32 as Setting>::list(key.within(&[0..=1_000]), to);
                })+
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

words!(FaultKind);

kinds! {
    /// Off: nothing goes wrong but what `[[fault]]` directs.
    enabled: bool = true;
    /// Each seed does without some kinds (swarm testing), but always has a crash and a partition, if
    /// they have a weight.
    swarm: bool = true;
    /// Time between the beginnings of two faults.
    gap_ms: Span = Span::new(500, 6_000);
    /// How long each lasts.
    lasts_ms: Span = Span::new(100, 8_000);
    /// Faults at the same time, at the most.
    concurrent_max: u64 = 2, 1..=64;
    /// No fault budget: faults may destroy the last good copy.
    reckless: bool = false;
    kinds:
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
    /// Two groups of nodes are cut off from each other.
    Partition partition = 3;
    /// Messages from one group to another are lost; those back arrive.
    OneWay one_way = 3;
    /// One node is isolated in both directions.
    Isolate isolate = 2;
    /// Two nodes cannot reach each other; all others reach both.
    Partial partial = 2;
    /// A partition that comes and goes several times a second.
    Flapping flapping = 1;
    /// Messages are lost.
    Loss loss = 2;
    /// Messages arrive twice.
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
    /// A disk is full of something else, for a while.
    DiskFull disk_full = 1;
    /// A sync fails, and what it was to make durable never is. The node is started again later.
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
    /// The disk of a master among several is full of something else, for a while.
    MasterDiskFull master_disk_full = 0;
    /// A master among several loses its disk; it is removed, and added again as a new member. One at a
    /// time: a majority keeps its disks.
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
