//! Runs of several parts: each stops the whole cluster, and the next begins on its disks.

use super::{ConstantsPatch, Span};
use leasehold_proto::Constants;
use serde::{Deserialize, Serialize};

/// How the parts of a run follow each other. Clients do not outlive a part: what they were about
/// stays unknown, and others come in the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Restart {
    /// Each lasts as long as the scenario's act of faults.
    pub parts: u64,
    /// How a part ends.
    pub stop: Stop,
    /// How long everything is down between two parts.
    pub down_ms: Span,
    /// Constants that differ from the second part on: the cluster was configured anew.
    pub constants: ConstantsPatch,
}

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

impl Default for Restart {
    fn default() -> Self {
        let constants = ConstantsPatch::default();
        Restart { parts: 1, stop: Stop::Power, down_ms: Span::new(0, 10_000), constants }
    }
}

impl Restart {
    /// The constants of the parts after the first, whose constants are given.
    #[must_use]
    pub fn constants(&self, first: &Constants) -> Constants {
        let mut constants = first.clone();
        self.constants.apply(&mut constants);
        constants
    }

    pub(super) fn check(&self, first: &Constants) -> Result<(), String> {
        let later = self.constants(first);
        later.check().map_err(|error| format!("[restart.constants] {error}"))?;
        if later.block_bytes != first.block_bytes {
            return Err("[restart.constants] block_bytes is fixed by what the disks hold".into());
        }
        match self.parts {
            0 => Err("[restart] parts must be at least 1".to_owned()),
            1 if self.constants != ConstantsPatch::default() => {
                Err("[restart.constants] are of a second part, and parts is 1".to_owned())
            }
            _ => Ok(()),
        }
    }
}
