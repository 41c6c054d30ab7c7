//! Faults that a scenario directs: at a moment, for a time, to nodes that it names.

use super::faults::FaultKind;
use super::key::{Form, Key, Section, Setting, entry, path};
use crate::drawn::{Draw, Episode};
use crate::seed::Seed;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration in milliseconds that is written with its unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ms(pub u64);

impl Serialize for Ms {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{}ms", self.0))
    }
}

impl<'de> Deserialize<'de> for Ms {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        u64::deserialize(from).map(Ms)
    }
}

impl Setting for Ms {
    fn list(key: Key, to: &mut Vec<Key>) {
        to.push(Key { form: Form::Number, ..key });
    }
}

/// What a directed fault may say beside its kind and its time, for [`Directed`] and [`Aim`] alike.
macro_rules! aims {
    ($($(#[doc = $doc:literal])+ $key:ident: $type:ty $(, $range:expr)?;)+) => {
        entry! {
            /// A fault that a scenario directs.
            #[derive(Eq)]
            pub struct Directed {
                /// What goes wrong.
                kind: FaultKind;
                /// When it begins, from the start of the act of faults. It waits for up to 10 s while the fault
                /// budget does not allow it (see `reckless`) or its node is not there; a run in which it does
                /// not happen counts as one that saw too little.
                at: Ms;
                /// How long it lasts. A fault that has no end, such as a bit that flips, says none.
                #[serde(default)]
                lasts: Ms = Default::None;
                $(
                    $(#[doc = $doc])+
                    #[serde(default, skip_serializing_if = "Option::is_none")]
                    $key: Option<$type> = Default::None $(, $range)?;
                )+
            }
        }

        entry! {
            /// To which nodes a fault is done, and how strong it is. What is left out, the seed draws.
            #[derive(Default, Eq)]
            pub struct Aim {
                $(
                    $(#[doc = $doc])+
                    #[serde(default, skip_serializing_if = "Option::is_none")]
                    $key: Option<$type> = Default::None $(, $range)?;
                )+
            }
        }

        impl Directed {
            /// To which nodes, and how strong.
            #[must_use]
            pub fn aim(&self) -> Aim {
                Aim { $($key: self.$key.clone(),)+ }
            }
        }

        impl Aim {
            /// Whether it says which nodes.
            #[must_use]
            pub fn names_nodes(&self) -> bool {
                self.rack.is_some() || self.nodes.is_some() || self.primary_of.is_some()
            }

            /// The keys that it says.
            #[must_use]
            pub fn said(&self) -> Vec<&'static str> {
                let all = [$((stringify!($key), self.$key.is_some())),+];
                all.into_iter().filter(|(_, is_said)| *is_said).map(|(key, _)| key).collect()
            }
        }
    };
}

aims! {
    /// Its nodes: the machines of this rack, numbered from 0.
    rack: u64, 0..=999;
    /// Its nodes by name: `chunkserver-1`, `master-1`, `client-1`, or `leader` for the master that leads
    /// then.
    nodes: Vec<String>;
    /// Its node: the primary then of a chunk of this file, such as `/cells/0` or `/records/1`.
    primary_of: String;
    /// Which chunk of that file, numbered from 0. Left out: the first.
    chunk: u64, 0..=9_999;
    /// Of a cut: the other side, by name. Left out: all other nodes.
    others: Vec<String>;
    /// How many times as slow a disk, a link or the network is.
    factor: u64, 2..=100_000;
    /// Messages of a million that it meets.
    ppm: u32, 1..=1_000_000;
    /// What a card or an uplink carries.
    bytes_per_second: u64;
    /// What is left on a full disk.
    room_bytes: u64;
}

impl Setting for Aim {
    fn list(key: Key, to: &mut Vec<Key>) {
        <Aim as Section>::list(&path(&key.section, key.name), to);
    }
}

/// Who can be the victim of a kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victims {
    /// The whole cluster, or its network: none can be named.
    All,
    /// Chunkservers.
    Servers,
    /// Masters.
    Masters,
    /// Machines of the cluster.
    Machines,
    /// Any node, clients included.
    Nodes,
    /// A whole rack.
    Rack,
}

impl FaultKind {
    /// Who can be its victim.
    #[must_use]
    pub fn victims(self) -> Victims {
        use FaultKind as Kind;
        match self {
            Kind::Crash
            | Kind::Restart
            | Kind::Wipe
            | Kind::Frozen
            | Kind::DiskFull
            | Kind::FsyncFails
            | Kind::Rot
            | Kind::PhantomWrite
            | Kind::Misdirected
            | Kind::LatentError => Victims::Servers,
            Kind::MasterCrash
            | Kind::MasterCut
            | Kind::MasterFsyncFails
            | Kind::MasterDiskFull
            | Kind::MasterWipe => Victims::Masters,
            Kind::CrashAtIo
            | Kind::Pause
            | Kind::LongPause
            | Kind::RollingRestart
            | Kind::Narrow
            | Kind::SlowDisk
            | Kind::Stall => Victims::Machines,
            Kind::Partition
            | Kind::OneWay
            | Kind::Isolate
            | Kind::Partial
            | Kind::Flapping
            | Kind::SlowLink => Victims::Nodes,
            Kind::RackPower => Victims::Rack,
            Kind::ClusterPower
            | Kind::AddServer
            | Kind::Loss
            | Kind::Duplicate
            | Kind::Reorder
            | Kind::Delay
            | Kind::CorruptFrames
            | Kind::WallJump => Victims::All,
        }
    }

    /// What a directed fault of this kind may say of its nodes and its strength.
    #[must_use]
    pub fn takes(self) -> Vec<&'static str> {
        use FaultKind as Kind;
        let nodes: &[&str] = match self.victims() {
            Victims::All => &[],
            Victims::Masters => &["nodes"],
            Victims::Servers | Victims::Machines | Victims::Nodes => {
                &["rack", "nodes", "primary_of", "chunk"]
            }
            Victims::Rack => &["rack", "primary_of", "chunk"],
        };
        let others: &[&str] = match self {
            Kind::Partition | Kind::OneWay | Kind::Partial | Kind::Flapping => &["others"],
            Kind::Loss | Kind::Duplicate | Kind::Reorder | Kind::CorruptFrames => &["ppm"],
            Kind::Delay | Kind::SlowLink | Kind::SlowDisk => &["factor"],
            Kind::Narrow => &["bytes_per_second"],
            Kind::DiskFull | Kind::MasterDiskFull => &["room_bytes"],
            _ => &[],
        };
        [nodes, others].concat()
    }

    /// Whether it leaves nothing on when it has begun: it has no end.
    #[must_use]
    pub fn is_momentary(self) -> bool {
        use FaultKind as Kind;
        matches!(
            self,
            Kind::AddServer
                | Kind::Rot
                | Kind::PhantomWrite
                | Kind::Misdirected
                | Kind::LatentError
                | Kind::WallJump
        )
    }
}

impl Directed {
    /// The fault to come; what it leaves out is drawn by this seed.
    #[must_use]
    pub fn episode(&self, number: usize, seed: Seed) -> Episode {
        Episode {
            kind: self.kind,
            begins_ms: self.at.0,
            ends_ms: self.at.0 + self.lasts.0,
            draw: Draw(seed.fork("directed", number as u64).any()),
            aim: Some(self.aim()),
        }
    }
}
