//! The search for a smaller case that violates the same invariant.

use super::case::Case;
use super::ddmin::ddmin;
use super::passes::{BEFORE_EPISODES, PASSES, Pass};
use crate::fingerprint::Fingerprint;
use crate::run::{Asked, run};
use crate::seed::Seed;
use std::collections::BTreeMap;
use std::hash::Hasher;

/// Events that all tries of one candidate may take together ...
const EVENTS_PER_CANDIDATE: u64 = 400_000;
/// ... and how many tries that makes at the least, and at the most in each round over all passes:
/// what is easy to have is had first.
const TRIES_MIN: u64 = 2;
const TRIES_MAX: [u64; 8] = [2, 6, 16, 16, 16, 16, 16, 16];

/// A run that violates the invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Events until the violation was found.
    pub events: u64,
    /// When it was found, true time.
    pub true_ns: u64,
    /// Operations acknowledged until then.
    pub acknowledged: u64,
}

/// A case and how it fails.
#[derive(Clone, Debug)]
pub struct Found {
    /// The run.
    pub case: Case,
    /// Its violation.
    pub hit: Hit,
}

/// What a search has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Runs.
    pub runs: u64,
    /// Events of all of them.
    pub events: u64,
}

/// How a search stands.
pub struct Progress<'a> {
    /// What it is looking at.
    pub pass: &'static str,
    /// The smallest so far.
    pub best: &'a Found,
    /// The cost so far.
    pub spent: Spent,
}

/// What a search gave.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The run as it was.
    pub before: Found,
    /// The smallest that was found.
    pub after: Found,
    /// What it cost.
    pub spent: Spent,
    /// Nothing is left to try: it did not end for want of time.
    pub complete: bool,
}

/// Makes a run small that violates `invariant`; none if it does not. `jobs` runs are made at the
/// same time; the result does not depend on how many. `go_on` is told how it stands, and ends the
/// search by saying no.
pub fn shrink(
    case: Case,
    invariant: &str,
    jobs: usize,
    go_on: &mut dyn FnMut(&Progress<'_>) -> bool,
) -> Option<Shrunk> {
    let (hit, events) = judge(&case, invariant, u64::MAX);
    let before = Found { case, hit: hit? };
    let mut search = Search {
        invariant,
        jobs: jobs.max(1),
        best: before.clone(),
        spent: Spent { runs: 1, events },
        tried: BTreeMap::new(),
        tries_max: TRIES_MIN,
        go_on,
        ended: false,
    };
    search.all();
    let Search { best, spent, ended, .. } = search;
    Some(Shrunk { before, after: best, spent, complete: !ended })
}

struct Search<'a> {
    invariant: &'a str,
    jobs: usize,
    best: Found,
    spent: Spent,
    /// Runs that did not violate the invariant within so many events.
    tried: BTreeMap<u64, u64>,
    tries_max: u64,
    go_on: &'a mut dyn FnMut(&Progress<'_>) -> bool,
    ended: bool,
}

impl Search<'_> {
    /// What makes runs short comes first: everything after it is cheaper then.
    fn all(&mut self) {
        for tries_max in TRIES_MAX {
            self.tries_max = tries_max;
            let before = self.best.case.clone();
            let (first, then) = PASSES.split_at(BEFORE_EPISODES);
            first.iter().for_each(|pass| self.pass(pass));
            self.episodes();
            then.iter().for_each(|pass| self.pass(pass));
            let idle = self.best.case == before && tries_max == TRIES_MAX[TRIES_MAX.len() - 1];
            if self.ended || idle {
                break;
            }
        }
    }

    /// The fewest faults. Fewer may take a little longer to do harm: a quarter is allowed for.
    fn episodes(&mut self) {
        let case = self.best.case.clone();
        let events_max = self.best.hit.events.saturating_mul(5) / 4;
        let plan = case.plan().to_vec();
        if plan.is_empty() {
            return;
        }
        ddmin(plan, |plans| {
            let cases: Vec<Case> = plans.iter().map(|plan| case.with_plan(plan.clone())).collect();
            self.first("faults", &cases, events_max)
        });
    }

    /// One way of making it smaller, as often as it helps.
    fn pass(&mut self, pass: &Pass) {
        loop {
            let candidates = (pass.candidates)(&self.best.case, &self.best.hit);
            let events_max = self.best.hit.events;
            if self.first(pass.name, &candidates, events_max).is_none() {
                return;
            }
        }
    }

    /// The first of several candidates that violates the invariant, under whatever seed: it
    /// becomes the best.
    fn first(&mut self, pass: &'static str, cases: &[Case], events_max: u64) -> Option<usize> {
        let tries = (EVENTS_PER_CANDIDATE / events_max.max(1)).clamp(TRIES_MIN, self.tries_max);
        let trials: Vec<(usize, Case)> = cases
            .iter()
            .enumerate()
            .flat_map(|(which, case)| seeds(case.seed, tries).map(move |seed| (which, case, seed)))
            .map(|(which, case, seed)| (which, Case { seed, ..case.clone() }))
            .filter(|(_, case)| self.tried.get(&name(case)).is_none_or(|tried| *tried < events_max))
            .collect();
        for batch in trials.chunks(self.jobs) {
            let progress = Progress { pass, best: &self.best, spent: self.spent };
            if self.ended || !(self.go_on)(&progress) {
                self.ended = true;
                return None;
            }
            if let Some((which, found)) = self.batch(batch, events_max) {
                self.best = found;
                return Some(which);
            }
        }
        None
    }

    /// Runs a few at the same time; the first of them that hits.
    fn batch(&mut self, batch: &[(usize, Case)], events_max: u64) -> Option<(usize, Found)> {
        let invariant = self.invariant;
        let judged: Vec<(Option<Hit>, u64)> = std::thread::scope(|scope| {
            let judge = |case| scope.spawn(move || judge(case, invariant, events_max));
            let running: Vec<_> = batch.iter().map(|(_, case)| judge(case)).collect();
            running.into_iter().map(|run| run.join().expect("a run catches its panics")).collect()
        });
        self.spent.runs += judged.len() as u64;
        self.spent.events += judged.iter().map(|(_, events)| events).sum::<u64>();
        let hits = judged.into_iter().map(|(hit, _)| hit);
        let mut first = None;
        for ((which, case), hit) in batch.iter().zip(hits) {
            match hit {
                None => drop(self.tried.insert(name(case), events_max)),
                Some(hit) if first.is_none() => {
                    first = Some((*which, Found { case: case.clone(), hit }));
                }
                Some(_) => {}
            }
        }
        first
    }
}

/// Tells cases apart.
fn name(case: &Case) -> u64 {
    let mut fingerprint = Fingerprint::default();
    fingerprint.feed(&(case.seed.0, case.scenario.to_table().to_string()));
    fingerprint.finish()
}

/// The case's own seed, then others that follow from it.
fn seeds(own: Seed, tries: u64) -> impl Iterator<Item = Seed> {
    // Small numbers: a person is to type them.
    let other = move |number| Seed(own.fork("shrink", number).within(1..=999_999));
    std::iter::once(own).chain((1..tries).map(other))
}

/// Runs a case, to a number of events at the most: how it violates the invariant, if it does, and
/// how many events the run took.
fn judge(case: &Case, invariant: &str, events_max: u64) -> (Option<Hit>, u64) {
    let asked = Asked { events_max: Some(events_max), ..Asked::default() };
    let outcome = run(&case.scenario, case.seed, asked);
    let summary = &outcome.summary;
    let found = outcome.found.filter(|found| found.wrong.invariant == invariant);
    let hit = found.filter(|found| found.number <= events_max).map(|found| Hit {
        events: found.number,
        true_ns: found.true_ns,
        acknowledged: summary.acknowledged,
    });
    (hit, summary.events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    fn negative() -> Scenario {
        let text = include_str!("../../../../scenarios/negative/acknowledged_before_all.toml");
        Scenario::parse("acknowledged_before_all.toml", text).unwrap()
    }

    fn failing(scenario: &Scenario, invariant: &str) -> Case {
        let fails = |seed: &u64| {
            let outcome = run(scenario, Seed(*seed), Asked::default());
            outcome.found.is_some_and(|found| found.wrong.invariant == invariant)
        };
        Case::pin(scenario, Seed((0..50).find(fails).unwrap()))
    }

    #[test]
    fn what_is_left_is_smaller_and_violates_the_same() {
        let scenario = negative();
        let crate::scenario::Expect::Violation(id) = scenario.expect.clone() else { panic!() };
        let mut steps = 0;
        let mut go_on = |_: &Progress<'_>| {
            steps += 1;
            steps < 60
        };
        let shrunk = shrink(failing(&scenario, &id), &id, 2, &mut go_on).unwrap();
        let (before, after) = (&shrunk.before, &shrunk.after);
        assert!(after.hit.events < before.hit.events, "{:?} {:?}", before.hit, after.hit);
        assert!(after.case.plan().len() < before.case.plan().len());
        let kept = after.case.to_keep("kept".to_owned());
        let again = Scenario::parse("kept", &kept.to_toml()).unwrap();
        let found = run(&again, after.case.seed, Asked::default()).found.unwrap();
        assert_eq!(found.wrong.invariant, id);
        assert_eq!(found.number, after.hit.events);
    }

    #[test]
    fn what_does_not_fail_is_not_shrunk() {
        let mut scenario = Scenario::standard();
        scenario.acts.faults_ms = 1_000;
        let case = Case::pin(&scenario, Seed(1));
        assert!(shrink(case, "I1", 1, &mut |_| true).is_none());
    }

    #[test]
    fn a_run_is_not_longer_than_it_is_given() {
        let case = Case::pin(&Scenario::standard(), Seed(1));
        let (hit, events) = judge(&case, "I1", 5_000);
        assert_eq!(hit, None);
        assert!((5_000..10_000).contains(&events), "{events}");
    }

    #[test]
    fn tries_begin_with_the_own_seed_and_repeat() {
        let list = || seeds(Seed(9), 5).map(|seed| seed.0).collect::<Vec<_>>();
        assert_eq!(list()[0], 9);
        assert_eq!(list().len(), 5);
        assert_eq!(list(), list());
    }
}
