//! A search: all of it, or up to the first violation.
//!
//! Breadth first, a level after the other, so the run to a violation that is found is a shortest
//! one. Threads share the work of a round and not the order of its results: what a search sees
//! and finds is the same for any number of them. (stateright's own breadth-first search, which
//! `explore` and a test use, finds a shortest run with one thread only, looks at its time limit
//! only with several, and keeps a whole path for each state ahead.)

use crate::heal::{Healed, Healer};
use crate::known::{Digests, Known};
use crate::space::{Space, Step};
use crate::state::ModelState;
use leasehold_world::Violation;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a search saw.
#[derive(Clone, Debug)]
pub struct Explored {
    /// Different states.
    pub states: usize,
    /// States generated, those seen before included.
    pub generated: usize,
    /// The longest of the shortest ways to a state, in steps.
    pub depth: usize,
    /// The most states that waited to be expanded.
    pub ahead_max: usize,
    /// Every state within the bounds was seen and, if healing was requested, healed.
    pub complete: bool,
    /// How many different things each part of a state was, by the part's name.
    pub parts: BTreeMap<String, usize>,
    /// The longest way to convergence that was found, if healing was requested.
    pub healed: Option<Healed>,
    /// A shortest run to a violation, and the first of those in the order of steps.
    pub found: Option<Found>,
}

/// A run that ends in a violation.
#[derive(Clone, Debug)]
pub struct Found {
    /// From which beginning.
    pub start: usize,
    /// By which steps.
    pub steps: Vec<Step>,
    /// What did not hold.
    pub violation: Arc<Violation>,
    /// It did not hold at once, but when the faults had ended and all was given its time.
    pub after_healing: bool,
}

/// How a search goes about it.
#[derive(Clone, Copy)]
pub struct Effort<'a> {
    /// Threads.
    pub threads: usize,
    /// Look no further than this many steps.
    pub depth: Option<usize>,
    /// From every state: does a cluster whose faults have ended converge?
    pub heal: bool,
    /// Count what each part of a state was: a model that grows shows where.
    pub parts: bool,
    /// Asked now and then, with the states known so far: is it time to give up?
    pub enough: &'a (dyn Fn(usize) -> bool + Sync),
}

impl Default for Effort<'_> {
    fn default() -> Self {
        Effort { threads: 1, depth: None, heal: false, parts: false, enough: &|_| false }
    }
}

/// States of which one thread takes the steps before the results are put together.
const BATCH: usize = 256;
/// Batches of a round. The same for any number of threads, as what is known within a round is.
const BATCHES: usize = 16;

/// What one batch found, in the order of its states and their steps.
#[derive(Default)]
struct Batch {
    /// States that were not known before the round, once each: from which of the batch, by which
    /// of its steps.
    fresh: Vec<(ModelState, usize, usize)>,
    generated: usize,
    healed: Vec<(u64, Healed)>,
    /// The first state of the batch that did not converge.
    stuck: Option<(usize, Violation)>,
}

/// Searches.
#[must_use]
pub fn search(space: &Space, effort: Effort<'_>) -> Explored {
    let mut search = Search::new(space, effort);
    let mut level = search.begin();
    while !level.is_empty() && search.goes_on() {
        level = search.level(&level);
    }
    search.result(level.is_empty())
}

struct Search<'a> {
    space: &'a Space,
    effort: Effort<'a>,
    known: Known,
    healer: Healer,
    generated: usize,
    depth: usize,
    ahead_max: usize,
    parts: BTreeMap<String, Digests>,
    given_up: bool,
    found: Option<(usize, Arc<Violation>, bool)>,
}

impl<'a> Search<'a> {
    fn new(space: &'a Space, effort: Effort<'a>) -> Self {
        Search {
            space,
            effort,
            known: Known::default(),
            healer: Healer::new(space),
            generated: 0,
            depth: 0,
            ahead_max: 0,
            parts: BTreeMap::new(),
            given_up: false,
            found: None,
        }
    }

    fn begin(&mut self) -> Vec<ModelState> {
        let level = self.space.beginnings();
        self.generated = level.len();
        for state in &level {
            assert!(self.known.begin(state.digest()), "two beginnings are the same");
        }
        for (number, state) in level.iter().enumerate() {
            self.note_violation(state, number);
        }
        level
    }

    fn goes_on(&self) -> bool {
        let far_enough = self.effort.depth.is_some_and(|depth| self.depth >= depth);
        self.found.is_none() && !self.given_up && !far_enough
    }

    /// Takes every step of every state of a level; returns the next one.
    fn level(&mut self, level: &[ModelState]) -> Vec<ModelState> {
        let first = self.known.count() - level.len();
        let mut next = Vec::new();
        for (round, states) in level.chunks(BATCH * BATCHES).enumerate() {
            let from = first + round * BATCH * BATCHES;
            let batches = self.round(states);
            for (batch, place) in batches.into_iter().zip((from..).step_by(BATCH)) {
                self.take_in(batch, place, &mut next);
            }
            self.given_up |= (self.effort.enough)(self.known.count());
            if self.found.is_some() || self.given_up {
                break;
            }
        }
        self.depth += usize::from(!next.is_empty());
        self.ahead_max = self.ahead_max.max(next.len());
        next
    }

    fn round(&self, states: &[ModelState]) -> Vec<Batch> {
        let batches: Vec<&[ModelState]> = states.chunks(BATCH).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(states) = batches.get(place) else { return done };
                done.push((place, self.batch(states)));
            }
        };
        let threads = self.effort.threads.clamp(1, batches.len());
        let mut done = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut done = work();
            for other in others {
                done.extend(other.join().expect("what a machine's panic says is caught below"));
            }
            done
        });
        done.sort_by_key(|(place, _)| *place);
        done.into_iter().map(|(_, batch)| batch).collect()
    }

    fn batch(&self, states: &[ModelState]) -> Batch {
        let mut batch = Batch::default();
        let (mut met, mut steps) = (Digests::default(), Vec::new());
        let mut healer = self.effort.heal.then(|| self.healer.beside());
        for (place, state) in states.iter().enumerate() {
            self.space.steps(state, &mut steps);
            for (which, step) in steps.drain(..).enumerate() {
                let Some(next) = self.space.after(state, &step) else { continue };
                batch.generated += 1;
                if !self.known.has(next.digest()) && met.insert(next.digest()) {
                    batch.fresh.push((next, place, which));
                }
            }
            if let (Some(healer), None, None) = (&mut healer, &state.violation, &batch.stuck) {
                batch.stuck = healer.heal(state).err().map(|what| (place, what));
            }
        }
        batch.healed = healer.map(|healer| healer.learned()).unwrap_or_default();
        batch
    }

    fn take_in(&mut self, batch: Batch, from: usize, next: &mut Vec<ModelState>) {
        self.generated += batch.generated;
        self.healer.learn(batch.healed);
        if let Some((place, what)) = batch.stuck.filter(|_| self.found.is_none()) {
            self.found = Some((from + place, what.into(), true));
        }
        for (state, place, which) in batch.fresh {
            if self.known.reach(state.digest(), from + place, which) {
                self.note_violation(&state, self.known.count() - 1);
                if self.effort.parts {
                    self.note_parts(&state);
                }
                next.push(state);
            }
        }
    }

    fn note_violation(&mut self, state: &ModelState, number: usize) {
        if let (Some(violation), None) = (&state.violation, &self.found) {
            self.found = Some((number, Arc::clone(violation), false));
        }
    }

    fn note_parts(&mut self, state: &ModelState) {
        for (name, digest) in state.parts() {
            self.parts.entry(name).or_default().insert(digest);
        }
    }

    fn result(self, nothing_left: bool) -> Explored {
        let found = self.found.map(|(number, violation, after_healing)| {
            let (start, ways) = self.known.way(number);
            let steps = self.space.along(start, &ways);
            Found { start, steps, violation, after_healing }
        });
        Explored {
            states: self.known.count(),
            generated: self.generated,
            depth: self.depth,
            ahead_max: self.ahead_max,
            parts: self.parts.iter().map(|(name, all)| (name.clone(), all.len())).collect(),
            complete: nothing_left && found.is_none() && !self.given_up,
            healed: self.effort.heal.then(|| self.healer.longest()),
            found,
        }
    }
}
