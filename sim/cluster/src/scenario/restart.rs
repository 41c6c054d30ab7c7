//! Runs of several parts: each stops the whole cluster, and the next begins on its disks.

use super::key::{section, words};
use super::{ConstantsPatch, Span};
use leasehold_proto::Constants;
use serde::{Deserialize, Serialize};

section! {
    /// How the parts of a run follow each other. Clients do not outlive a part: the outcome of what they
    /// had under way stays unknown, and others begin in the next.
    pub struct Restart {
        /// How many parts; each lasts as long as the act of faults.
        parts: u64 = 1, 1..=100;
        /// How a part ends.
        stop: Stop = Stop::Power;
        /// How long everything is down between two parts.
        down_ms: Span = Span::new(0, 10_000);
        /// Constants that differ from the second part on: the cluster was configured anew.
        constants: ConstantsPatch = ConstantsPatch::default();
    }
}

words!(Stop);

/// How everything stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// All power fails at once.
    #[default]
    Power,
    /// All processes end; the operating systems keep what they have.
    Process,
}

impl Restart {
    /// The constants of the parts after the first, whose constants are given.
    #[must_use]
    pub fn constants(&self, first: &Constants) -> Constants {
        let mut constants = first.clone();
        self.constants.apply(&mut constants);
        constants
    }
}
