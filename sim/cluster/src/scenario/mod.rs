//! A scenario: what a run is made of, as a TOML file says. Anything left out has its default, and
//! anything that is not a key is refused.

mod error;
mod faults;
mod limits;
mod patch;
mod restart;
mod span;
mod swarm;
mod text;
#[cfg(test)]
mod tests;

pub use error::ScenarioError;
pub use faults::{FaultKind, Faults};
pub use patch::{ConstantsPatch, RulesPatch};
pub use restart::{Restart, Stop};
pub use span::Span;

use crate::disk::Latency;
use crate::drawn::Episode;
use crate::net::{LinkConditions, Rates};
use crate::seed::Stream;
use leasehold_proto::Constants;
use leasehold_proto::file::record_bytes_max;
use serde::{Deserialize, Serialize};
use toml::Table;

/// What `sim run` uses if it is given no file.
const DEFAULT: &str = include_str!("../../../../scenarios/fast/default.toml");
/// What `--swarm` stands for.
const SWARM: &str = include_str!("../../../../scenarios/fast/swarm.toml");

/// Everything about a run that the seed does not draw, and the bounds of what it draws.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is for, in a line.
    pub about: String,
    /// How a run is to end.
    #[serde(default)]
    pub expect: Expect,
    /// Seeds that a negative scenario may take until its violation shows.
    #[serde(default = "seeds_max")]
    pub seeds_max: u64,
    /// The seed draws shape, workload, faults, clocks, disks, network and constants: what these
    /// sections say is passed over.
    #[serde(default)]
    pub swarm: bool,
    /// With `swarm`: so many masters, whatever the seed would draw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swarm_masters: Option<u64>,
    /// What a run must have seen to count.
    #[serde(default)]
    pub demands: Demands,
    /// How large.
    #[serde(default)]
    pub shape: Shape,
    /// How long.
    #[serde(default)]
    pub acts: Acts,
    /// Over which part of the first act figures are taken; without it, none are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<Measure>,
    /// What clients do.
    #[serde(default)]
    pub workload: Workload,
    /// What goes wrong.
    #[serde(default)]
    pub faults: Faults,
    /// How clocks differ.
    #[serde(default)]
    pub clocks: ClockBounds,
    /// How disks behave.
    #[serde(default)]
    pub disks: DiskBounds,
    /// How the network behaves on a good day.
    #[serde(default)]
    pub network: NetworkBounds,
    /// Constants of the protocol that differ from their defaults.
    #[serde(default)]
    pub constants: ConstantsPatch,
    /// Rules of the protocol that are not in force.
    #[serde(default)]
    pub rules: RulesPatch,
    /// Whether the whole cluster is stopped in between, and begins again on its disks.
    #[serde(default)]
    pub restart: Restart,
    /// Exactly these faults; without it, the seed draws them. What the shrinker leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Vec<Episode>>,
}

/// How a run is to end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Expect {
    /// Without a violation.
    #[default]
    Pass,
    /// With a violation of this invariant, for some seed.
    Violation(String),
}

impl From<Expect> for String {
    fn from(expect: Expect) -> String {
        match expect {
            Expect::Pass => "pass".to_owned(),
            Expect::Violation(id) => id,
        }
    }
}

impl TryFrom<String> for Expect {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        let known = leasehold_checker::invariants().map(|invariant| invariant.id);
        match word.as_str() {
            "pass" => Ok(Expect::Pass),
            id if id == "panic" || known.contains(&id) => Ok(Expect::Violation(word)),
            _ => {
                let known = known.join(", ");
                Err(format!("`{word}` is not `pass`, `panic` or an invariant: {known}"))
            }
        }
    }
}

/// What a run must have seen to count: a green run that saw nothing shows nothing. Not asked of a
/// negative scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Demands {
    /// Operations that clients were told are done.
    pub acknowledged: u64,
    /// Power failures and ended processes.
    pub crashes: u64,
    /// Partitions of every kind.
    pub partitions: u64,
    /// Configurations that followed another.
    pub membership_changes: u64,
    /// Reads whose bytes were judged from outside.
    pub judged_reads: u64,
}

impl Default for Demands {
    fn default() -> Self {
        Demands {
            acknowledged: 1_000,
            crashes: 1,
            partitions: 1,
            membership_changes: 1,
            judged_reads: 100,
        }
    }
}

/// How large a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shape {
    /// Masters, 1 to 5; an even number counts as the next one.
    pub masters: Span,
    /// Servers that hold chunks.
    pub chunkservers: Span,
    /// Failure domains that they are spread over.
    pub racks: Span,
    /// Sessions that work at the same time.
    pub clients: Span,
}

impl Default for Shape {
    fn default() -> Self {
        let masters = Span::of(1);
        Shape { masters, chunkservers: Span::of(5), racks: Span::of(3), clients: Span::of(4) }
    }
}

/// A run's two acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Acts {
    /// Faults are on for this long.
    pub faults_ms: u64,
    /// Faults are off: everything must converge within this. Left out: within what the constants
    /// give (see [`crate::bound`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub converge_ms: Option<u64>,
}

impl Default for Acts {
    fn default() -> Self {
        Acts { faults_ms: 60_000, converge_ms: None }
    }
}

/// A window of the first act over which operations, messages and facts are counted: without what
/// clients do while they begin, and without what is left when they end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// From the start of the first act.
    pub begins_ms: u64,
    /// After `begins_ms`, and within the first act.
    pub ends_ms: u64,
}

/// What clients do, each one thing after another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workload {
    /// Files that all clients share.
    pub files: Span,
    /// Every cell of every file of cells is written once before clients begin.
    #[serde(skip_serializing_if = "is_false")]
    pub prefill: bool,
    /// Client i works on the i-th file of its kind only, and begins again at the first.
    #[serde(skip_serializing_if = "is_false")]
    pub own_files: bool,
    /// Size of each of their chunks.
    pub chunk_bytes: u64,
    /// Replicas wanted.
    pub replicas: Span,
    /// Whole cells are written, so that a read can be judged by itself.
    pub cell_bytes: u64,
    /// Cells that one write or read covers; small numbers are likelier.
    pub run_cells: Span,
    /// Where the next write or read begins.
    pub order: Order,
    /// Operations that go to the same one file, in thousandths.
    pub hot_permille: u32,
    /// A record appended.
    pub record_bytes: Span,
    /// Chunks of a file that writes go to.
    pub chunks_per_file: u64,
    /// Pause between two operations of a client.
    pub think_ms: Span,
    /// Operations of each client, after which it rests; without it, it works to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operations_max: Option<u64>,
    /// Relative frequency of writes.
    pub write: u32,
    /// ... of appends.
    pub append: u32,
    /// ... of strong reads.
    pub read: u32,
    /// ... of relaxed reads.
    pub relaxed_read: u32,
    /// ... of changes of the namespace.
    pub namespace: u32,
    /// ... of looks into the directory of another client.
    pub look: u32,
    /// ... of changes of the cluster's constants, by whichever client.
    pub constants: u32,
    /// ... of requests of the grammar, in one directory that all clients share.
    pub shared: u32,
    /// What those requests try more than anything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub torture: Option<Torture>,
}

/// What requests of the grammar try more than anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Torture {
    /// Deep trees.
    Trees,
    /// Hard and symbolic links.
    Links,
    /// Renames and exchanges.
    Renames,
    /// Long and odd names.
    Names,
}

impl From<Torture> for leasehold_explore::Torture {
    fn from(by: Torture) -> Self {
        match by {
            Torture::Trees => leasehold_explore::Torture::Trees,
            Torture::Links => leasehold_explore::Torture::Links,
            Torture::Renames => leasehold_explore::Torture::Renames,
            Torture::Names => leasehold_explore::Torture::Names,
        }
    }
}

/// Where the next write or read of a client begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Anywhere.
    #[default]
    Random,
    /// Where its last one in the same file ended, from the start again at the end.
    Sequential,
}

impl Workload {
    /// Of every kind of operation, in the order in which `workload` draws them.
    #[must_use]
    pub fn weights(&self) -> [u32; 8] {
        [
            self.write,
            self.append,
            self.read,
            self.relaxed_read,
            self.namespace,
            self.look,
            self.constants,
            self.shared,
        ]
    }
}

impl Default for Workload {
    fn default() -> Self {
        Workload {
            files: Span::new(3, 6),
            prefill: false,
            own_files: false,
            chunk_bytes: 65_536,
            replicas: Span::of(3),
            cell_bytes: 1_024,
            run_cells: Span::of(1),
            order: Order::Random,
            hot_permille: 0,
            record_bytes: Span::new(64, 2_048),
            chunks_per_file: 3,
            think_ms: Span::new(5, 60),
            operations_max: None,
            write: 40,
            append: 25,
            read: 25,
            relaxed_read: 5,
            namespace: 5,
            look: 0,
            constants: 0,
            shared: 0,
            torture: None,
        }
    }
}

/// How clocks differ from true time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClockBounds {
    /// A rate differs from true time by at most this. Left out: half of `clock_drift_ppm_max`, so
    /// that two clocks differ by at most that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift_ppm: Option<u32>,
}

/// How disks behave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiskBounds {
    /// Bytes on each.
    pub capacity_bytes: u64,
    /// The shortest and the longest ordinary sync.
    pub sync_us: Span,
    /// This many syncs in a thousand take ten times as long.
    pub slow_sync_permille: u32,
    /// Bytes a second, reading or writing; each disk draws its own.
    pub bytes_per_second: Span,
    /// Disks that tear at 4096 bytes, in thousandths; the others tear at 512.
    pub large_sectors_permille: u32,
    /// Size of a journal generation: small, so that many begin.
    pub journal_bytes: u64,
    /// Log entries between two of the master's checkpoints: few, so that a run sees many.
    pub checkpoint_entries: u64,
}

impl Default for DiskBounds {
    fn default() -> Self {
        DiskBounds {
            capacity_bytes: 1 << 30,
            sync_us: Span::new(150, 2_000),
            slow_sync_permille: 10,
            bytes_per_second: Span::new(100 << 20, 2_000 << 20),
            large_sectors_permille: 500,
            journal_bytes: 256 << 10,
            checkpoint_entries: 200,
        }
    }
}

impl DiskBounds {
    /// The kind of disk that one draws.
    #[must_use]
    pub fn latency(&self, stream: &mut Stream) -> Latency {
        let large = stream.permille(self.large_sectors_permille);
        Latency {
            sector_bytes: if large { 4_096 } else { 512 },
            sync_ns: (self.sync_us.min * 1_000, self.sync_us.max * 1_000),
            slow_sync_permille: self.slow_sync_permille,
            bytes_per_second: self.bytes_per_second.draw(stream),
            ..Latency::default()
        }
    }
}

/// How the network behaves on a good day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkBounds {
    /// The shortest and the longest ordinary way.
    pub latency_us: Span,
    /// Messages in a million that take a detour.
    pub spike_ppm: u32,
    /// How long a detour.
    pub spike_ms: Span,
    /// Messages in a million that are lost.
    pub loss_ppm: Span,
    /// Messages in a million that come twice.
    pub duplicate_ppm: Span,
    /// Bytes a second of a node's card, each way.
    pub card_bytes_per_second: u64,
    /// Bytes a second between a rack and the others, each way.
    pub uplink_bytes_per_second: u64,
    /// Cards and uplinks hand a message on as soon as so much of it has passed, as a switch does
    /// that forwards frames. Left out: when all of it has, so that a message of 1 MiB takes its
    /// transfer time once for each card and uplink on its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_bytes: Option<u64>,
    /// A message that would wait longer than this for a card or an uplink is dropped. Left out:
    /// 500 ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_max_ms: Option<u64>,
}

impl Default for NetworkBounds {
    fn default() -> Self {
        NetworkBounds {
            latency_us: Span::new(50, 400),
            spike_ppm: 2_000,
            spike_ms: Span::new(1, 20),
            loss_ppm: Span::new(0, 2_000),
            duplicate_ppm: Span::new(0, 2_000),
            card_bytes_per_second: Rates::default().card,
            uplink_bytes_per_second: Rates::default().uplink,
            frame_bytes: None,
            wait_max_ms: None,
        }
    }
}

impl NetworkBounds {
    /// What cards and uplinks carry.
    #[must_use]
    pub fn rates(&self) -> Rates {
        let plain = Rates::default();
        Rates {
            card: self.card_bytes_per_second,
            uplink: self.uplink_bytes_per_second,
            frame_bytes: self.frame_bytes.unwrap_or(plain.frame_bytes),
            wait_ns_max: self.wait_max_ms.map_or(plain.wait_ns_max, |ms| ms * 1_000_000),
        }
    }

    /// The good day that a seed drew.
    pub fn conditions(&self, stream: &mut Stream) -> LinkConditions {
        let thousand = |span: Span, factor: u64| (span.min * factor, span.max * factor);
        LinkConditions {
            latency_ns: thousand(self.latency_us, 1_000),
            spike_ppm: self.spike_ppm,
            spike_ns: thousand(self.spike_ms, 1_000_000),
            loss_ppm: self.loss_ppm.draw(stream) as u32,
            duplicate_ppm: self.duplicate_ppm.draw(stream) as u32,
            ..LinkConditions::default()
        }
    }
}

fn seeds_max() -> u64 {
    200
}

fn is_false(value: &bool) -> bool {
    !*value
}

impl Scenario {
    /// The scenario that `sim run` uses if it is given no file.
    ///
    /// # Panics
    /// Never: the file is part of the program, and a test reads it.
    #[must_use]
    pub fn standard() -> Self {
        Scenario::parse("scenarios/fast/default.toml", DEFAULT)
            .expect("the file that comes with the program is a scenario")
    }

    /// The scenario in which the seed draws everything.
    ///
    /// # Panics
    /// Never: the file is part of the program, and a test reads it.
    #[must_use]
    pub fn swarm() -> Self {
        Scenario::parse("scenarios/fast/swarm.toml", SWARM)
            .expect("the file that comes with the program is a scenario")
    }

    /// Reads a text; `name` is for the errors.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        let scenario: Scenario =
            toml::from_str(text).map_err(|error| ScenarioError::of_toml(name, text, &error))?;
        scenario.check().map_err(|what| ScenarioError::contradiction(name, text, what))?;
        Ok(scenario)
    }

    /// The protocol's constants of every run of it.
    #[must_use]
    pub fn constants(&self) -> Constants {
        let mut constants = Constants::default();
        self.constants.apply(&mut constants);
        self.rules.apply(&mut constants.rules);
        constants
    }

    /// Whether its values fit together.
    ///
    /// # Errors
    /// Says which do not, and what would.
    pub fn check(&self) -> Result<(), String> {
        let table = Table::try_from(self).map_err(|error| error.to_string())?;
        limits::check(&table)?;
        if self.swarm {
            self.check_swarm()?;
        }
        self.constants().check().map_err(|error| format!("[constants] {error}"))?;
        self.restart.check(&self.constants())?;
        let (shape, work) = (&self.shape, &self.workload);
        if self.swarm_masters.is_some_and(|masters| !self.swarm || !matches!(masters, 1 | 3 | 5)) {
            return Err("swarm_masters must be 1, 3 or 5, and is for a swarm only".to_owned());
        }
        let replicas = work.replicas.max;
        if shape.chunkservers.min < replicas {
            return Err(format!("[shape] chunkservers must be at least replicas ({replicas})"));
        }
        if work.chunk_bytes % work.cell_bytes != 0 {
            return Err("[workload] cell_bytes must divide chunk_bytes".to_owned());
        }
        if work.record_bytes.max > record_bytes_max(work.chunk_bytes) {
            return Err("[workload] record_bytes must be at most a quarter of chunk_bytes".into());
        }
        if self.plan.iter().flatten().any(|episode| episode.ends_ms < episode.begins_ms) {
            return Err("[[plan]] ends_ms must be at least begins_ms".to_owned());
        }
        if let Some(measure) = &self.measure
            && (measure.begins_ms >= measure.ends_ms || measure.ends_ms > self.acts.faults_ms)
        {
            return Err("[measure] must begin before it ends, and end within the first act".into());
        }
        if work.weights().iter().all(|weight| *weight == 0) {
            return Err("[workload] clients must have something to do".to_owned());
        }
        Ok(())
    }

    /// A section that is passed over would look as if it had been tried.
    fn check_swarm(&self) -> Result<(), String> {
        let drawn = [
            ("[shape]", self.shape == Shape::default()),
            ("[workload]", self.workload == Workload::default()),
            ("[faults]", self.faults == Faults::default()),
            ("[clocks]", self.clocks == ClockBounds::default()),
            ("[disks]", self.disks == DiskBounds::default()),
            ("[network]", self.network == NetworkBounds::default()),
            ("[constants]", self.constants == ConstantsPatch::default()),
            ("[restart]", self.restart == Restart::default()),
            ("[[plan]]", self.plan.is_none()),
        ];
        match drawn.iter().find(|(_, is_default)| !is_default) {
            None => Ok(()),
            Some((section, _)) => Err(format!(
                "{section} has no effect beside `swarm = true`, by which the seed draws it: leave \
                 one of them out"
            )),
        }
    }
}
