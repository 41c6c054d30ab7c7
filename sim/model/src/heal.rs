//! "Always can still converge" (I10): from every state, a cluster whose faults have ended gets there.
//!
//! Healing a state loses what is in flight, starts who is down, tells masters who leads, and lets
//! the fair schedule go on. Each run of that schedule ends where all is done within the bound, or
//! joins a run that did: states are kept by digest, so most states cost a few steps. (stateright's
//! `eventually` has documented false negatives; this demands less, a way out of each state, and
//! misses none.)

use crate::known::Same;
use crate::space::Space;
use crate::state::ModelState;
use leasehold_world::fair::{self, Holds};
use leasehold_world::judge::violation;
use leasehold_world::{Action, Cluster, Violation};
#[allow(clippy::disallowed_types)] // asked about a digest and never iterated
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::time::Duration;

/// A cluster that takes longer does not converge.
pub const WITHIN: Duration = Duration::from_secs(120);
/// ... nor one that takes more steps.
const STEPS_MAX: usize = 50_000;

/// How far it is to convergence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Healed {
    /// True time.
    pub span: Duration,
    /// Steps of the fair schedule.
    pub steps: usize,
}

#[allow(clippy::disallowed_types)]
type Ways = HashMap<u64, Healed, BuildHasherDefault<Same>>;

/// Knows from which healed states a cluster converges.
#[derive(Debug)]
pub(crate) struct Healer {
    space: Space,
    ways: Ways,
    longest: Healed,
}

impl Healer {
    pub fn new(space: &Space) -> Self {
        Healer { space: space.clone(), ways: Ways::default(), longest: Healed::default() }
    }

    /// Somebody who knows what this one knows, and learns for itself.
    pub fn beside(&self) -> Assistant<'_> {
        Assistant { elder: self, ways: Ways::default(), learned: Vec::new() }
    }

    pub fn learn(&mut self, ways: Vec<(u64, Healed)>) {
        for (digest, healed) in ways {
            self.longest = self.longest.max(healed);
            self.ways.entry(digest).or_insert(healed);
        }
    }

    pub fn longest(&self) -> Healed {
        self.longest
    }
}

/// Heals the states of one batch.
pub(crate) struct Assistant<'a> {
    elder: &'a Healer,
    ways: Ways,
    learned: Vec<(u64, Healed)>,
}

impl Assistant<'_> {
    pub fn learned(self) -> Vec<(u64, Healed)> {
        self.learned
    }

    fn known(&self, digest: u64) -> Option<Healed> {
        self.elder.ways.get(&digest).or_else(|| self.ways.get(&digest)).copied()
    }

    /// Follows the fair schedule until it ends well, or joins a run that did.
    pub fn heal(&mut self, state: &ModelState) -> Result<(), Violation> {
        let space = &self.elder.space;
        let mut patient = space.healing(state);
        for action in cure(&patient.cluster) {
            patient = space.next(&patient, action)?;
        }
        let began = patient.cluster.now();
        let end = began + u64::try_from(WITHIN.as_nanos()).expect("two minutes");
        let mut passed: Vec<(u64, u64)> = Vec::new();
        let rest = loop {
            if let Some(rest) = self.known(patient.digest()) {
                break rest;
            }
            passed.push((patient.digest(), patient.cluster.now()));
            let action = fair::next(&patient.cluster, &Holds::none(), end);
            // Only where an instant has nothing more to do is it worth asking.
            let quiet = matches!(action, None | Some(Action::AdvanceTo(_)));
            let missing = if quiet {
                patient.judge.missing(&patient.cluster, !space.bounds.no_repair)
            } else {
                None
            };
            match action {
                _ if quiet && missing.is_none() => break Healed::default(),
                Some(action) if passed.len() < STEPS_MAX => {
                    patient = space.next(&patient, action)?
                }
                _ => return Err(missing.unwrap_or_else(|| endless(&patient.cluster))),
            }
        };
        self.note(&passed, patient.cluster.now(), rest);
        Ok(())
    }

    fn note(&mut self, passed: &[(u64, u64)], end: u64, rest: Healed) {
        for (place, (digest, at)) in passed.iter().enumerate() {
            let span = rest.span + Duration::from_nanos(end - at);
            let healed = Healed { span, steps: rest.steps + passed.len() - place };
            self.ways.insert(*digest, healed);
            self.learned.push((*digest, healed));
        }
    }
}

fn endless(cluster: &Cluster) -> Violation {
    let detail = format!("no end after {STEPS_MAX} steps, at {} ns", cluster.now());
    Violation { true_ns: cluster.now(), ..violation("I10", detail) }
}

/// What ends the faults of a cluster, apart from what is in flight.
pub(crate) fn cure(cluster: &Cluster) -> Vec<Action> {
    let down = cluster.nodes().iter().filter(|(_, node)| node.machine.is_none() && !node.destroyed);
    let mut actions: Vec<Action> = Vec::new();
    actions.extend(cluster.net().cuts().next().map(|_| Action::Heal));
    actions.extend(down.map(|(id, _)| Action::Restart(*id)));
    let log = cluster.log();
    let first = cluster.shape().master_ids().next().expect("a cluster has a master");
    if log.leader().is_none() && cluster.shape().masters > 1 {
        actions.push(Action::Lead(first));
    }
    let leads = |id| log.leader().unwrap_or(first) == id;
    let masters = cluster.nodes().iter().filter(|(_, node)| node.master().is_some());
    actions.extend(masters.filter(|(id, _)| !leads(**id)).map(|(id, _)| Action::Depose(*id)));
    actions
}

impl ModelState {
    /// The same with nothing in flight, and nothing that may still go wrong.
    pub(crate) fn quieted(&self) -> ModelState {
        let mut state = self.clone();
        state.cluster.deliver_once();
        state.cluster.forget_messages(|_| true);
        state.left = crate::bounds::Left::default();
        state.asked = 0;
        state
    }
}
