//! The constants on which the nodes of a cluster must agree, and what becomes of them while they change.
//!
//! A constant is the cluster's if two nodes calculate with it (a lease has a holder and a granter), if
//! successive leaders must promise the same (how long a deleted file is kept), or if a replicated state
//! depends on it. Such a constant is logged by the masters; whatever a process is configured with only
//! counts for the first leader of a fresh log. A constant with which one process alone calculates (the
//! length of its queues, the pauses of a client) is the process's own.
//!
//! **A change** has two steps. From the entry that begins it until the entry that finishes it, each
//! side uses the careful one of the old and the new value, as the table below has it: a lease that is
//! shortened is short for holders at once and long for granters until every lease of the old term is
//! over; one that is lengthened is long for granters first. So no two nodes, one before and one after
//! a step, contradict each other.

use crate::config::{ConfigError, Constants};
use crate::ids::ConstantsVersion;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// When a constant of the cluster may get another value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutability {
    /// By an operator's order.
    Changeable,
    /// Never: clients and servers would use different values, and there is no order among them.
    Fixed,
    /// Never: what is on disks or in replicated state depends on it. A process whose configuration
    /// differs cannot serve in the cluster, whether or not it was set on purpose.
    OnDisk,
}

/// Durations can be added and doubled below this without a thought: a century.
const TIME_MAX_NS: u64 = 100 * 366 * 86_400 * 1_000_000_000;

/// A value of a constant: nanoseconds of a duration, else the number itself.
trait Value: Copy + Ord {
    const IS_TIME: bool = false;
    const IS_FLAG: bool = false;
    fn to_number(self) -> u64;
    fn of_number(number: u64) -> Option<Self>;
    fn write(self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl Value for Duration {
    const IS_TIME: bool = true;
    fn to_number(self) -> u64 {
        u64::try_from(self.as_nanos()).unwrap_or(u64::MAX)
    }
    fn of_number(number: u64) -> Option<Self> {
        Some(Duration::from_nanos(number))
    }
    fn write(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl Value for u64 {
    fn to_number(self) -> u64 {
        self
    }
    fn of_number(number: u64) -> Option<Self> {
        Some(number)
    }
    fn write(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Value for u32 {
    fn to_number(self) -> u64 {
        u64::from(self)
    }
    fn of_number(number: u64) -> Option<Self> {
        u32::try_from(number).ok()
    }
    fn write(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Value for bool {
    const IS_FLAG: bool = true;
    fn to_number(self) -> u64 {
        u64::from(self)
    }
    fn of_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
    fn write(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The value in use during a change.
type Careful<T> = fn(T, T) -> T;

fn higher<T: Ord>(old: T, new: T) -> T {
    old.max(new)
}

fn lower<T: Ord>(old: T, new: T) -> T {
    old.min(new)
}

fn newer<T>(_: T, new: T) -> T {
    new
}

/// Both lists from one place. A constant that is in neither, or in both, does not compile.
macro_rules! scopes {
    (
        cluster { $($name:ident $variant:ident $type:ty, $mutability:ident,
            masters $masters:ident, chunkservers $servers:ident;)+ }
        process { $($own:ident)+ }
    ) => {
        /// A constant of the cluster, by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[allow(missing_docs)] // as the fields of `Constants`
        pub enum ClusterConstant { $($variant),+ }

        /// The values of the cluster's constants. The fields are those of [`Constants`].
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[allow(missing_docs)]
        pub struct ClusterConstants { $(pub $name: $type),+ }

        impl ClusterConstant {
            /// All of them, in the order in which they are shown.
            pub const ALL: &'static [ClusterConstant] = &[$(ClusterConstant::$variant),+];

            /// The key in a configuration.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(ClusterConstant::$variant => stringify!($name)),+ }
            }

            /// Is it a duration? Its number then counts nanoseconds.
            #[must_use]
            pub const fn is_time(self) -> bool {
                match self { $(ClusterConstant::$variant => <$type as Value>::IS_TIME),+ }
            }

            /// Is it true or false? Its number is then 1 or 0.
            #[must_use]
            pub const fn is_flag(self) -> bool {
                match self { $(ClusterConstant::$variant => <$type as Value>::IS_FLAG),+ }
            }

            /// When it may get another value.
            #[must_use]
            pub const fn mutability(self) -> Mutability {
                match self { $(ClusterConstant::$variant => Mutability::$mutability),+ }
            }
        }

        impl ClusterConstants {
            /// The cluster's among the constants of a process.
            #[must_use]
            pub fn of(constants: &Constants) -> Self {
                let Constants { $($name,)+ $($own: _,)+ rules: _ } = constants;
                ClusterConstants { $($name: *$name),+ }
            }

            /// Replaces the cluster's among the constants of a process.
            pub fn install(&self, constants: &mut Constants) {
                $(constants.$name = self.$name;)+
            }

            /// A value: nanoseconds of a duration, else the number itself.
            #[must_use]
            pub fn number(&self, constant: ClusterConstant) -> u64 {
                match constant { $(ClusterConstant::$variant => self.$name.to_number()),+ }
            }

            fn set(&mut self, constant: ClusterConstant, number: u64) -> Option<()> {
                match constant {
                    $(ClusterConstant::$variant => self.$name = Value::of_number(number)?),+
                }
                Some(())
            }

            /// Of each constant the lower value.
            #[must_use]
            pub fn lowest(&self, other: &Self) -> Self {
                ClusterConstants { $($name: self.$name.min(other.$name)),+ }
            }

            /// Of each constant the higher value.
            #[must_use]
            pub fn highest(&self, other: &Self) -> Self {
                ClusterConstants { $($name: self.$name.max(other.$name)),+ }
            }

            /// What masters use while `self` becomes `new`.
            fn at_masters(&self, new: &Self) -> Self {
                ClusterConstants { $($name: {
                    let careful: Careful<$type> = $masters;
                    careful(self.$name, new.$name)
                }),+ }
            }

            /// What chunkservers use while `self` becomes `new`.
            fn at_servers(&self, new: &Self) -> Self {
                ClusterConstants { $($name: {
                    let careful: Careful<$type> = $servers;
                    careful(self.$name, new.$name)
                }),+ }
            }
        }

        /// The names of the constants that are a process's own.
        pub const OWN: &[&str] = &[$(stringify!($own)),+];

        fn write(constant: ClusterConstant, number: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match constant {
                $(ClusterConstant::$variant => match <$type as Value>::of_number(number) {
                    Some(value) => value.write(f),
                    None => write!(f, "{number}"),
                }),+
            }
        }
    };
}

scopes! {
    cluster {
        // A lease: short at its holder, long at its granter.
        lease_duration LeaseDuration Duration, Changeable, masters higher, chunkservers lower;
        clock_drift_ppm_max ClockDriftPpmMax u32, Changeable, masters higher, chunkservers higher;
        lease_margin LeaseMargin Duration, Changeable, masters higher, chunkservers higher;
        lease_renew_interval LeaseRenewInterval Duration, Changeable, masters lower, chunkservers lower;
        lease_idle_after LeaseIdleAfter Duration, Changeable, masters newer, chunkservers newer;
        // Servers that confirm reads and servers that trust the lease may serve side by side.
        confirm_reads ConfirmReads bool, Changeable, masters higher, chunkservers higher;
        // Silence: heartbeats are frequent before the leader's patience is short.
        heartbeat_interval HeartbeatInterval Duration, Changeable, masters lower, chunkservers lower;
        server_dead_after ServerDeadAfter Duration, Changeable, masters higher, chunkservers higher;
        retry_interval RetryInterval Duration, Changeable, masters lower, chunkservers lower;
        // What a leader does by itself: its successor is to do the same.
        prepare_grace PrepareGrace Duration, Changeable, masters newer, chunkservers newer;
        member_silent_after MemberSilentAfter Duration, Changeable, masters newer, chunkservers newer;
        member_stalled_after MemberStalledAfter Duration, Changeable, masters newer, chunkservers newer;
        repair_delay RepairDelay Duration, Changeable, masters newer, chunkservers newer;
        repair_stalled_after RepairStalledAfter Duration, Changeable, masters newer, chunkservers newer;
        repairs_max RepairsMax u32, Changeable, masters newer, chunkservers newer;
        repairs_per_server_max RepairsPerServerMax u32, Changeable, masters newer, chunkservers newer;
        repair_bytes_per_second RepairBytesPerSecond u64, Changeable, masters newer, chunkservers newer;
        safe_mode_reported_permille SafeModeReportedPermille u32, Changeable, masters newer, chunkservers newer;
        safe_mode_max SafeModeMax Duration, Changeable, masters higher, chunkservers higher;
        // What is promised to be kept.
        trash_retention TrashRetention Duration, Changeable, masters higher, chunkservers higher;
        quarantine_retention QuarantineRetention Duration, Changeable, masters higher, chunkservers higher;
        // What a client cuts its data into, and what a member takes from its primary.
        mutation_bytes_max MutationBytesMax u32, Fixed, masters newer, chunkservers newer;
        inflight_bytes_max InflightBytesMax u32, Fixed, masters newer, chunkservers newer;
        inflight_mutations_max InflightMutationsMax u32, Fixed, masters newer, chunkservers newer;
        // Replicated state, and the blocks of a disk.
        block_bytes BlockBytes u32, OnDisk, masters newer, chunkservers newer;
        remembered_clients_max RememberedClientsMax u32, OnDisk, masters newer, chunkservers newer;
    }
    process {
        operation_timeout backoff_min backoff_max copy_step_bytes_max waiting_requests_max changes_max
        list_entries_max
    }
}

impl ClusterConstant {
    /// The constant of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        ClusterConstant::ALL.iter().copied().find(|constant| constant.name() == name)
    }
}

impl fmt::Display for ClusterConstant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One constant with a value: nanoseconds of a duration, else the number itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Setting {
    /// Which.
    pub constant: ClusterConstant,
    /// Its value.
    pub number: u64,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.constant, self.number, f)
    }
}

impl ClusterConstants {
    /// A constant with its value.
    #[must_use]
    pub fn setting(&self, constant: ClusterConstant) -> Setting {
        Setting { constant, number: self.number(constant) }
    }

    /// These with some replaced.
    ///
    /// # Errors
    /// Which cannot be replaced and why, or what the others contradict.
    pub fn with(&self, settings: &[Setting]) -> Result<Self, String> {
        let mut new = self.clone();
        for setting in settings {
            let Setting { constant, number } = *setting;
            if constant.mutability() != Mutability::Changeable {
                return Err(alloc::format!("{constant} is fixed when the cluster is made"));
            }
            let fits = new.set(constant, number);
            fits.ok_or_else(|| alloc::format!("{constant} cannot be as large as {number}"))?;
        }
        new.check().map_err(|error| alloc::format!("{error}"))?;
        for (side, values) in
            [("masters", self.at_masters(&new)), ("chunkservers", self.at_servers(&new))]
        {
            values.check().map_err(|error| {
                alloc::format!("while it changes, {error} at {side}: change one constant at a time")
            })?;
        }
        Ok(new)
    }

    /// Do they agree among each other?
    ///
    /// # Errors
    /// Two that do not.
    pub fn check(&self) -> Result<(), ConfigError> {
        let long = |constant: &&ClusterConstant| {
            constant.is_time() && self.number(**constant) > TIME_MAX_NS
        };
        if let Some(constant) = ClusterConstant::ALL.iter().find(long) {
            return Err(ConfigError { key: constant.name(), why: "must be at most a century" });
        }
        let mut constants = Constants::default();
        self.install(&mut constants);
        constants.check()
    }

    /// The first of the insisted settings that the cluster's contradict, and the cluster's.
    #[must_use]
    pub fn contradiction(&self, insisted: &[Setting]) -> Option<(Setting, Setting)> {
        let cluster = |own: &Setting| self.setting(own.constant);
        insisted.iter().map(|own| (*own, cluster(own))).find(|(own, cluster)| own != cluster)
    }

    /// What a process with these constants cannot give up, since its disk depends on it.
    #[must_use]
    pub fn on_disk(&self) -> Vec<Setting> {
        let on_disk = |constant: &&ClusterConstant| constant.mutability() == Mutability::OnDisk;
        ClusterConstant::ALL
            .iter()
            .filter(on_disk)
            .map(|constant| self.setting(*constant))
            .collect()
    }
}

/// The cluster's constants as a node is to use them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Agreed {
    /// Counted from 1, by each step of a change.
    pub version: ConstantsVersion,
    /// Their values.
    pub values: ClusterConstants,
}

/// A pair of values, of which one side uses each while the constants change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sides {
    /// What masters use.
    pub masters: ClusterConstants,
    /// What chunkservers use.
    pub servers: ClusterConstants,
}

impl Sides {
    /// Without a change, both sides use the same.
    #[must_use]
    pub fn same(values: &ClusterConstants) -> Self {
        Sides { masters: values.clone(), servers: values.clone() }
    }

    /// During a change.
    #[must_use]
    pub fn between(old: &ClusterConstants, new: &ClusterConstants) -> Self {
        Sides { masters: old.at_masters(new), servers: old.at_servers(new) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> ClusterConstants {
        ClusterConstants::of(&Constants::default())
    }

    fn lease(secs: u64) -> Setting {
        Setting { constant: ClusterConstant::LeaseDuration, number: secs * 1_000_000_000 }
    }

    #[test]
    fn a_lease_is_short_at_its_holder_and_long_at_its_granter_while_it_changes() {
        for (old, new) in [(12, 30), (30, 12)] {
            let old = values().with(&[lease(old)]).unwrap();
            let new = old.with(&[lease(new)]).unwrap();
            let Sides { masters, servers } = Sides::between(&old, &new);
            assert_eq!(masters.lease_duration, Duration::from_secs(30));
            assert_eq!(servers.lease_duration, Duration::from_secs(12));
        }
    }

    #[test]
    fn what_contradicts_the_others_or_is_fixed_is_refused_with_a_reason() {
        let why = values().with(&[lease(0)]).unwrap_err();
        assert!(why.contains("at least two heartbeat_interval"), "{why}");
        let block = Setting { constant: ClusterConstant::BlockBytes, number: 512 };
        let why = values().with(&[block]).unwrap_err();
        assert_eq!(why, "block_bytes is fixed when the cluster is made");
        let repairs = Setting { constant: ClusterConstant::RepairsMax, number: 1 << 40 };
        let why = values().with(&[repairs]).unwrap_err();
        assert!(why.contains("as large as"), "{why}");
    }

    #[test]
    fn a_contradiction_names_both_values() {
        assert_eq!(values().contradiction(&[lease(12)]), None);
        let (own, cluster) = values().contradiction(&[lease(12), lease(600)]).unwrap();
        assert_eq!(
            (alloc::format!("{own}"), alloc::format!("{cluster}")),
            ("600s".into(), "12s".into())
        );
    }

    #[test]
    fn every_constant_has_one_name() {
        for constant in ClusterConstant::ALL {
            assert_eq!(ClusterConstant::named(constant.name()), Some(*constant));
            assert!(!OWN.contains(&constant.name()));
        }
    }

    #[test]
    fn installing_what_was_taken_changes_nothing() {
        let mut constants = Constants::default();
        ClusterConstants::of(&constants).install(&mut constants);
        assert_eq!(constants, Constants::default());
    }
}
