//! A run as a value: every draw pinned, so that single ones can be changed.

use crate::drawn::{Drawn, Episode};
use crate::scenario::{Demands, Expect, Scenario, Span};
use crate::seed::Seed;

/// A run that can be changed piece by piece.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// What the run is made of, its faults included.
    pub scenario: Scenario,
    /// Decides everything else: the order of things.
    pub seed: Seed,
}

/// How large a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Size {
    pub episodes: usize,
    pub chunkservers: u64,
    pub clients: u64,
    pub files: u64,
    pub faults_ms: u64,
}

impl Case {
    /// The run of a seed, with all that the seed drew for it in advance written down. It is the
    /// same run.
    #[must_use]
    pub fn pin(scenario: &Scenario, seed: Seed) -> Self {
        let drawn = Drawn::draw(scenario, seed);
        let mut scenario = scenario.of(seed).into_owned();
        scenario.shape.chunkservers = Span::of(drawn.chunkservers);
        scenario.shape.racks = Span::of(drawn.racks);
        scenario.shape.clients = Span::of(drawn.clients);
        scenario.workload.files = Span::of(drawn.files);
        scenario.workload.replicas = Span::of(u64::from(drawn.replicas));
        scenario.network.loss_ppm = Span::of(u64::from(drawn.conditions.loss_ppm));
        scenario.network.duplicate_ppm = Span::of(u64::from(drawn.conditions.duplicate_ppm));
        scenario.plan = Some(drawn.plan);
        scenario.fault = Vec::new();
        Case { scenario: scenario.tidied(), seed }
    }

    /// Its faults, in order.
    #[must_use]
    pub fn plan(&self) -> &[Episode] {
        self.scenario.plan.as_deref().unwrap_or_default()
    }

    /// How large it is.
    #[must_use]
    pub fn size(&self) -> Size {
        Size {
            episodes: self.plan().len(),
            chunkservers: self.scenario.shape.chunkservers.max,
            clients: self.scenario.shape.clients.max,
            files: self.scenario.workload.files.max,
            faults_ms: self.scenario.acts.faults_ms,
        }
    }

    /// This case with another plan.
    #[must_use]
    pub fn with_plan(&self, plan: Vec<Episode>) -> Self {
        let mut case = self.clone();
        case.scenario.plan = Some(plan);
        case
    }

    /// This case with its scenario changed, if that makes a scenario, and another one.
    #[must_use]
    pub fn changed(&self, change: impl FnOnce(&mut Scenario)) -> Option<Self> {
        let mut case = self.clone();
        change(&mut case.scenario);
        case.scenario = case.scenario.tidied();
        (case != *self && case.scenario.check().is_ok()).then_some(case)
    }

    /// As a scenario that stays: it says where it comes from, and demands nothing but its end.
    #[must_use]
    pub fn to_keep(&self, about: String) -> Scenario {
        let mut scenario = self.scenario.clone();
        scenario.about = about;
        scenario.demands = Demands {
            acknowledged: 0,
            crashes: 0,
            partitions: 0,
            membership_changes: 0,
            judged_reads: 0,
        };
        if scenario.expect != Expect::Pass {
            scenario.seeds_max = 1;
        }
        scenario.tidied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Asked, run};

    #[test]
    fn a_pinned_run_is_the_run() {
        let mut scenario = Scenario::standard();
        scenario.acts.faults_ms = 8_000;
        let seed = Seed(5);
        let case = Case::pin(&scenario, seed);
        assert!(!case.plan().is_empty());
        let fingerprint =
            |scenario: &Scenario| run(scenario, seed, Asked::default()).summary.fingerprint;
        assert_eq!(fingerprint(&scenario), fingerprint(&case.scenario));
        let written = Scenario::parse("written", &case.scenario.to_toml()).unwrap();
        assert_eq!(fingerprint(&scenario), fingerprint(&written));
    }

    #[test]
    fn a_change_that_changes_nothing_or_makes_no_sense_is_none() {
        let case = Case::pin(&Scenario::standard(), Seed(1));
        assert!(case.changed(|_| {}).is_none());
        assert!(case.changed(|s| s.shape.clients = Span::of(0)).is_none());
        let fewer = case.changed(|s| s.shape.clients = Span::of(1)).unwrap();
        assert_eq!(fewer.size().clients, 1);
    }
}
