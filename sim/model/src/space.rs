//! World as a stateright model: where runs begin, what can happen next, what it leads to.

use crate::bounds::Bounds;
use crate::canon::Canon;
use crate::digest::{self, Sight};
use crate::offers;
use crate::state::State;
use leasehold_proto::{ChunkVersion, Constants, Message, NodeId, Operation, RequestId};
use leasehold_world::cluster::Happening;
use leasehold_world::judge::Judge;
use leasehold_world::script::{ScriptError, Stage};
use leasehold_world::{Action, Cluster, Violation};
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// A duration from here on never runs out: a model says so by setting it to hours.
const NEVER: Duration = Duration::from_secs(3_600);

/// One step of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Something happens in World.
    Do(Action),
    /// A client's owner makes this one of the model's requests.
    Ask(usize),
}

/// A request that a client may make once in a run.
#[derive(Clone, Debug)]
pub struct Ask {
    /// As a script says it.
    pub line: String,
    /// Who asks.
    pub client: NodeId,
    /// For what.
    pub op: Operation,
}

/// A place where runs begin.
#[derive(Clone, Debug)]
pub struct Start {
    /// The script that leads there.
    pub script: String,
    state: State,
    last_request: u64,
}

/// Every run from one of some places, within bounds.
#[derive(Clone, Debug)]
pub struct Space {
    /// Where runs begin.
    pub starts: Vec<Start>,
    /// What clients may ask.
    pub menu: Vec<Ask>,
    /// How often what may happen.
    pub bounds: Bounds,
    /// How far true time goes at once.
    pub tick: Duration,
    /// How states are told apart.
    pub sight: Sight,
    /// Steps that lead nowhere new are left out.
    pub pruned: bool,
}

impl Space {
    /// Every run from where one of the scripts ends.
    ///
    /// # Errors
    /// If a script cannot be run, or a request not be made where it ends.
    pub fn new(
        scripts: &[String],
        menu: &[&str],
        bounds: Bounds,
        tick: Duration,
    ) -> Result<Self, ScriptError> {
        let stages: Result<Vec<Stage>, ScriptError> =
            scripts.iter().map(|script| Stage::set(script)).collect();
        let stages = stages?;
        let first = stages.first().expect("a model begins somewhere");
        let asks: Result<Vec<Ask>, ScriptError> = menu
            .iter()
            .map(|line| match first.request(line) {
                Ok((client, op)) => Ok(Ask { line: (*line).to_string(), client, op }),
                Err(what) => Err(ScriptError { line: 0, what }),
            })
            .collect();
        let horizon = horizon(&first.world().cluster().shape().constants);
        let horizon_ns = u64::try_from(horizon.as_nanos()).expect("an hour at the most");
        let mut space = Space {
            starts: Vec::new(),
            menu: asks?,
            bounds,
            tick,
            sight: Sight { reduced: true, horizon_ns },
            pruned: true,
        };
        let starts = scripts.iter().zip(&stages).zip(0..);
        space.starts = starts.map(|((script, stage), n)| space.start(script, stage, n)).collect();
        Ok(space)
    }

    /// The same without any reduction: every number as it is, every step offered.
    #[must_use]
    pub fn unreduced(mut self) -> Self {
        self.sight.reduced = false;
        self.pruned = false;
        for start in &mut self.starts {
            let sight = self.sight;
            start.state = digested(&sight, start.state.clone(), None);
        }
        self
    }

    fn start(&self, script: &str, stage: &Stage, start: u8) -> Start {
        let world = stage.world();
        let mut cluster = world.cluster().clone();
        if self.bounds.repeats.is_none() {
            cluster.keep_messages();
        }
        let state = State {
            cluster,
            judge: Arc::new(world.judge().clone().from_above()),
            left: self.bounds.all(),
            asked: 0,
            start,
            violation: world.violation().cloned().map(Arc::new),
            digest: 0,
            node_digests: Vec::new(),
            other_digests: (0, 0),
        };
        let state = digested(&self.sight, state, None);
        Start { script: script.to_string(), state, last_request: stage.last_request() }
    }

    /// Everything that may happen in this state.
    pub fn steps(&self, state: &State, steps: &mut Vec<Step>) {
        if state.violation.is_none() {
            offers::offers(self, state, steps);
        }
    }

    /// What a step leads to; None if it is beyond the bounds.
    #[must_use]
    pub fn after(&self, last: &State, step: &Step) -> Option<State> {
        let mut next = last.clone();
        let action = self.action(&mut next, step);
        pay(&mut next, &action);
        let mut seen = Vec::new();
        let leads = next.left.leads;
        let at_once = |cluster: &Cluster| self.at_once(cluster, leads);
        match applied(&mut next.cluster, action, &mut seen, at_once) {
            Ok(()) => watch(&mut next, &seen),
            Err(Applied::Impossible) => return None,
            Err(Applied::Assertion(detail)) => {
                next.violation = Some(Violation { invariant: "assertion", detail }.into());
            }
        }
        if self.beyond(&last.cluster, &next.cluster) {
            return None;
        }
        Some(digested(&self.sight, next, Some(last)))
    }

    /// What follows a step by itself.
    pub(crate) fn at_once(&self, cluster: &Cluster, leads_left: u8) -> Option<Action> {
        if self.pruned { offers::at_once(self, cluster, leads_left) } else { None }
    }

    /// What a step does in World; a request that is made is noted.
    pub(crate) fn action(&self, next: &mut State, step: &Step) -> Action {
        match step {
            Step::Do(action) => action.clone(),
            Step::Ask(which) => self.asking(next, *which),
        }
    }

    fn asking(&self, next: &mut State, which: usize) -> Action {
        let ask = &self.menu[which];
        let start = &self.starts[usize::from(next.start)];
        next.asked |= 1 << which;
        let id = RequestId(start.last_request + u64::from(next.asked.count_ones()));
        Action::Request(ask.client, id, ask.op.clone())
    }

    fn beyond(&self, last: &Cluster, next: &Cluster) -> bool {
        let max = ChunkVersion(self.bounds.version_max);
        let newest = last.net().newest();
        next.net().flying().rev().take_while(|(id, _)| *id > newest).any(|(_, envelope)| {
            matches!(&envelope.message, Message::Prepare { version, .. } if *version > max)
        })
    }

    /// The states in which runs begin.
    #[must_use]
    pub fn beginnings(&self) -> Vec<State> {
        self.starts.iter().map(|start| start.state.clone()).collect()
    }
}

/// The longest duration that can run out.
fn horizon(constants: &Constants) -> Duration {
    let c = constants;
    let all = [
        c.lease_at_granter(),
        c.lease_renew_interval,
        c.lease_idle_after,
        c.heartbeat_interval,
        c.server_dead_after,
        c.retry_interval,
        c.prepare_grace,
        c.member_silent_after,
        c.member_stalled_after,
        c.operation_timeout,
        c.backoff_max,
        c.repair_delay,
        c.repair_stalled_after,
        c.trash_retention,
        c.quarantine_retention,
    ];
    all.into_iter().filter(|span| *span < NEVER).max().unwrap_or_default()
}

/// Takes what an action costs from what is left.
fn pay(next: &mut State, action: &Action) {
    let left = &mut next.left;
    let purse = match action {
        Action::AdvanceTo(_) => match &mut left.ticks {
            Some(ticks) => ticks,
            None => return,
        },
        Action::Lead(_) => &mut left.leads,
        Action::Crash(_) => &mut left.crashes,
        Action::Fail(_, _, leasehold_world::Failure::Unknown) => &mut left.unknowns,
        Action::Fail(..) => &mut left.full_disks,
        Action::Duplicate(_) => &mut left.repeats,
        _ => return,
    };
    *purse -= 1;
}

enum Applied {
    Impossible,
    Assertion(String),
}

/// Lets it happen; a machine's assertion that fails is a violation in its own words.
fn applied(
    cluster: &mut Cluster,
    action: Action,
    seen: &mut Vec<Happening>,
    at_once: impl Fn(&Cluster) -> Option<Action>,
) -> Result<(), Applied> {
    let step = AssertUnwindSafe(|| {
        cluster.apply(action, seen)?;
        while let Some(action) = at_once(cluster) {
            cluster.apply(action, seen)?;
        }
        Ok::<(), &'static str>(())
    });
    match catch_unwind(step) {
        Ok(done) => done.map_err(|_| Applied::Impossible),
        Err(panic) => {
            let words = panic.downcast_ref::<String>().cloned();
            let words = words.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_string()));
            let words = words.unwrap_or_else(|| "a machine gave up without a word".into());
            Err(Applied::Assertion(words))
        }
    }
}

fn watch(next: &mut State, seen: &[Happening]) {
    let mut judged = Judge::look(&next.cluster);
    for happening in seen.iter().filter(|happening| Judge::heeds(happening)) {
        let judge = Arc::make_mut(&mut next.judge);
        judged = judged.and_then(|()| judge.observe(&next.cluster, happening));
    }
    next.violation = judged.err().map(Arc::new);
}

/// Gives a state its identity, and takes out messages that are the same as others in it.
fn digested(sight: &Sight, mut state: State, last: Option<&State>) -> State {
    let cluster = &state.cluster;
    let epochs = digest::epochs(cluster);
    let same_time = last.is_some_and(|last| last.cluster.now() == cluster.now());
    let unchanged = |id: &NodeId, place: usize| {
        let last = last.filter(|_| same_time)?;
        let same = Arc::ptr_eq(last.cluster.nodes().get(id)?, cluster.nodes().get(id)?);
        same.then(|| last.node_digests[place])
    };
    let ids = cluster.nodes().keys().enumerate();
    let digests = ids.map(|(place, id)| {
        unchanged(id, place).unwrap_or_else(|| (*id, sight.node(cluster, *id, &epochs)))
    });
    state.node_digests = digests.collect();
    let messages = messages(sight, &mut state.cluster, &epochs);
    let mut canon = Canon::new(None);
    for (_, digest) in &state.node_digests {
        canon.word(*digest);
    }
    let log = sight.log(&state.cluster, &epochs);
    state.other_digests = (messages, log);
    canon.word(messages);
    canon.word(log);
    state.judge.hash(&mut canon);
    (state.left, state.asked, state.violation.is_some()).hash(&mut canon);
    if !sight.reduced {
        canon.word(state.cluster.now());
    }
    state.digest = canon.finish();
    state
}

/// All messages as a bag: neither their order nor their names are part of the state. Where a message
/// stays in flight, one that is the same as another adds nothing and goes.
fn messages(sight: &Sight, cluster: &mut Cluster, epochs: &[u64]) -> u64 {
    let ids: Vec<_> = cluster.net().flying().map(|(id, _)| id).collect();
    let mut digests: Vec<_> =
        ids.into_iter().map(|id| (sight.message(cluster, id, epochs), id)).collect();
    if !cluster.net().keeps() {
        return digests.iter().fold(0_u64, |sum, (digest, _)| sum.wrapping_add(*digest));
    }
    digests.sort_unstable();
    let mut twins = Vec::new();
    digests.dedup_by(|later, first| {
        let same = later.0 == first.0;
        twins.extend(same.then_some(later.1));
        same
    });
    if !twins.is_empty() {
        cluster.forget_messages(|id| twins.contains(&id));
    }
    digests.iter().fold(0_u64, |sum, (digest, _)| sum.wrapping_add(*digest))
}
