//! The constant table: the cluster's constants as the log has them, and the change under way.

use crate::agreed::{Agreed, ClusterConstants, Setting, Sides};
use crate::ids::ConstantsVersion;
use crate::refusal::Refusal;
use serde::{Deserialize, Serialize};

/// Values, and the values that they become.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Values {
    current: ClusterConstants,
    /// While a change is under way. `current` are the old ones until it is finished.
    next: Option<ClusterConstants>,
}

/// The cluster's constants. There are none before the first leader.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConstantTable {
    /// Counted by each step of a change; zero before the first leader.
    version: ConstantsVersion,
    values: Option<Values>,
}

impl ConstantTable {
    /// The number of the last step.
    #[must_use]
    pub fn version(&self) -> ConstantsVersion {
        self.version
    }

    /// The values that are in force, or will be when the change under way is finished.
    #[must_use]
    pub fn target(&self) -> Option<&ClusterConstants> {
        let values = self.values.as_ref()?;
        Some(values.next.as_ref().unwrap_or(&values.current))
    }

    /// The values before the change under way.
    #[must_use]
    pub fn changes_from(&self) -> Option<&ClusterConstants> {
        let values = self.values.as_ref()?;
        values.next.is_some().then_some(&values.current)
    }

    /// What each side uses.
    #[must_use]
    pub fn sides(&self) -> Option<Sides> {
        let Values { current, next } = self.values.as_ref()?;
        Some(match next {
            Some(next) => Sides::between(current, next),
            None => Sides::same(current),
        })
    }

    /// What a chunkserver is to use.
    #[must_use]
    pub fn at_servers(&self) -> Option<Agreed> {
        Some(Agreed { version: self.version, values: self.sides()?.servers })
    }

    /// The first leader's values count, and no later one's.
    pub(super) fn found(&mut self, first: &ClusterConstants) -> bool {
        let founds = self.values.is_none();
        if founds {
            self.values = Some(Values { current: first.clone(), next: None });
            self.version = self.version.next();
        }
        founds
    }

    /// Begins a change; false if it would change nothing.
    pub(super) fn change(&mut self, settings: &[Setting]) -> Result<bool, Refusal> {
        let Some(Values { current, next }) = &mut self.values else {
            return Err(Refusal::NotLeader { leader: None });
        };
        if next.is_some() {
            let why = "the constants are changing already; `constants` shows who is waited for";
            return Err(Refusal::Invalid(why.into()));
        }
        let new = current.with(settings).map_err(Refusal::Invalid)?;
        if new == *current {
            return Ok(false);
        }
        *next = Some(new);
        self.version = self.version.next();
        Ok(true)
    }

    /// Finishes the change that is under way in this version.
    pub(super) fn finish(&mut self, version: ConstantsVersion) -> bool {
        let Some(values) = self.values.as_mut().filter(|_| self.version == version) else {
            return false;
        };
        let Some(next) = values.next.take() else { return false };
        values.current = next;
        self.version = self.version.next();
        true
    }
}
