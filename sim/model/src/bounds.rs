//! What bounds a model: how often an action that could recur without end may happen in one run.

use leasehold_proto::NodeId;
use std::fmt;

/// How often each thing may happen in one run. What is not here is bounded by nothing: messages
/// are lost and reordered at will.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Steps of true time; None: without bound.
    pub ticks: Option<u8>,
    /// Changes of the masters' leader.
    pub leads: u8,
    /// Proposals whose outcome stays unknown to their proposer.
    pub unknowns: u8,
    /// Crashes.
    pub crashes: u8,
    /// Who crashes.
    pub crashing: Vec<NodeId>,
    /// Disks that are full when something is written.
    pub full_disks: u8,
    /// Messages that arrive a second time; None: each arrives as often as it likes. If they are
    /// counted, one that is sent while its like is in flight is lost.
    pub repeats: Option<u8>,
    /// Who looks at its clock late, as if it stood still: every other node does so on time.
    pub late: Vec<NodeId>,
    /// Disks write at once: no later than the step that requests it. Reads take their time.
    pub prompt_disks: bool,
    /// The log commits at once what a leader proposes that cannot be deposed any more.
    pub prompt_log: bool,
    /// Missing replicas are not replaced: how they are is another model's.
    pub no_repair: bool,
    /// No Prepare is made for a version above this.
    pub version_max: u64,
}

/// What is left of the bounds in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Left {
    /// None: for ever.
    pub ticks: Option<u8>,
    /// Changes of leader.
    pub leads: u8,
    /// Unknown outcomes.
    pub unknowns: u8,
    /// Crashes.
    pub crashes: u8,
    /// Full disks.
    pub full_disks: u8,
    /// Repeated messages.
    pub repeats: u8,
}

impl Bounds {
    /// Nothing has happened yet.
    #[must_use]
    pub fn all(&self) -> Left {
        Left {
            ticks: self.ticks,
            leads: self.leads,
            unknowns: self.unknowns,
            crashes: self.crashes,
            full_disks: self.full_disks,
            repeats: self.repeats.unwrap_or(0),
        }
    }
}

/// In words, for tables.
impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ticks {
            Some(ticks) => write!(f, "{ticks} ticks")?,
            None => f.write_str("no end of time")?,
        }
        let counts = [
            (self.leads, "leader changes"),
            (self.unknowns, "unknown outcomes"),
            (self.crashes, "crashes"),
            (self.full_disks, "full disks"),
            (self.repeats.unwrap_or(0), "repeated messages"),
        ];
        for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {what}")?;
        }
        write!(f, ", versions to {}", self.version_max)?;
        let words = [
            (self.prompt_disks, "prompt disks"),
            (self.prompt_log, "prompt log"),
            (self.no_repair, "no repair"),
        ];
        words.iter().filter(|(said, _)| *said).try_for_each(|(_, word)| write!(f, ", {word}"))
    }
}
