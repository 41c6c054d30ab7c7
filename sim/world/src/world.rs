//! A cluster together with those who watch it: the judge and the trace.

use crate::action::Action;
use crate::cluster::{Cluster, Impossible};
use crate::judge::{Copies, Judge, Violation, ending, violation};
use crate::observation::{Observation, Seen};
use crate::shape::Shape;
use leasehold_checker::violation::ASSERTION;
use leasehold_explore::Coverage;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Something that happened, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedObservation {
    /// True time, in nanoseconds.
    pub true_ns: u64,
    /// What.
    pub observation: Observation,
}

/// A run: a cluster, what the judge knows of its past, what happened.
#[derive(Clone, Debug)]
pub struct World {
    cluster: Cluster,
    judge: Judge,
    copies: Copies,
    trace: Vec<TimedObservation>,
    violation: Option<Violation>,
    steps: u64,
    coverage: Option<Box<Coverage>>,
}

impl World {
    /// Begins a run.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        World::begin(shape, None)
    }

    /// Begins a run in which it is counted which states are reached.
    #[must_use]
    pub fn covered(shape: Shape) -> Self {
        World::begin(shape, Some(Box::default()))
    }

    fn begin(shape: Shape, coverage: Option<Box<Coverage>>) -> Self {
        let mut seen = Seen::covering(coverage);
        let judge = Judge::new(&shape.constants);
        let copies = Copies::new(&shape.constants);
        let cluster = Cluster::new(shape, &mut seen);
        let trace = Vec::new();
        let coverage = seen.coverage.take();
        let mut world =
            World { cluster, judge, copies, trace, violation: None, steps: 0, coverage };
        world.watch(seen);
        world
    }

    /// The cluster as it is.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Everything that happened so far and was not taken.
    #[must_use]
    pub fn trace(&self) -> &[TimedObservation] {
        &self.trace
    }

    /// Takes what happened since it was last taken.
    pub fn take_trace(&mut self) -> Vec<TimedObservation> {
        std::mem::take(&mut self.trace)
    }

    /// The first invariant that did not hold. The judge is silent after it.
    #[must_use]
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Which states were reached, if that is counted.
    #[must_use]
    pub fn coverage(&self) -> Option<&Coverage> {
        self.coverage.as_deref()
    }

    /// Stops counting which states are reached; gives what was counted.
    pub fn take_coverage(&mut self) -> Option<Box<Coverage>> {
        self.coverage.take()
    }

    /// Number of actions applied.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The judge, for its counts.
    #[must_use]
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// Lets one thing happen.
    ///
    /// # Errors
    /// If it cannot happen in this state; nothing has changed then.
    pub fn apply(&mut self, action: Action) -> Result<(), Impossible> {
        let mut seen = Seen::covering(self.coverage.take());
        let applied = self.cluster.apply(action, &mut seen);
        self.coverage = seen.coverage.take();
        applied?;
        self.steps += 1;
        self.watch(seen);
        Ok(())
    }

    /// Lets one thing happen. A machine's own assertion that fails is a violation like any other,
    /// named by its words.
    ///
    /// # Errors
    /// If it cannot happen in this state; nothing has changed then.
    pub fn try_apply(&mut self, action: Action) -> Result<(), Impossible> {
        let applied = catch_unwind(AssertUnwindSafe(|| self.apply(action)));
        applied.unwrap_or_else(|panic| {
            let words = panic.downcast_ref::<String>().cloned();
            let words = words.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_string()));
            let detail = words.unwrap_or_else(|| "a machine gave up without a word".into());
            self.violation = Some(ASSERTION.broken(self.cluster.now(), detail));
            Ok(())
        })
    }

    /// From here on there are no faults, and the schedule is fair: a chunk below its target must not
    /// wait for a copy for too long.
    pub fn quiet(&mut self) {
        self.copies.quiet();
    }

    /// How many times a chunk waited for a copy in quiet time.
    #[must_use]
    pub fn copies_awaited(&self) -> u64 {
        self.copies.waits()
    }

    /// So much happened in one instant that it will not end.
    pub fn stands_still(&mut self) {
        let what = "nodes call each other for ever in one instant".to_owned();
        self.judged(|_| Err(violation("I10", what)));
    }

    /// Judges the state at the end of a run in which the faults have ended.
    pub fn finish(&mut self) {
        self.judged(|world| world.judge.finish(&world.cluster));
    }

    /// Judges whether the cluster has converged: every chunk at its target, nothing outstanding.
    pub fn converged(&mut self) {
        self.judged(|world| world.judge.converged(&world.cluster));
    }

    /// Judges whether every client has its answer, at the end of a run in which time was quiet for longer
    /// than an operation may take.
    pub fn answered(&mut self) {
        self.judged(|world| ending::answered(&world.cluster));
    }

    /// Judges, unless something is wrong already; what is found is of this moment.
    fn judged(&mut self, judge: impl FnOnce(&mut World) -> Result<(), Violation>) {
        if self.violation.is_none() {
            let found = judge(self).err();
            self.violation = found.map(|found| Violation { true_ns: self.cluster.now(), ..found });
        }
    }

    fn watch(&mut self, mut seen: Seen) {
        let true_ns = self.cluster.now();
        // First from above: who sees both says it in fewer words.
        self.judged(|world| world.judge.state(&world.cluster));
        for observation in seen.drain(..) {
            self.judged(|world| world.judge.observe(&world.cluster, &observation));
            self.copies.observe(&observation);
            self.trace.push(TimedObservation { true_ns, observation });
        }
        self.judged(|world| world.copies.look(&world.cluster));
    }
}
