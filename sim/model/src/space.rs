//! Every run from some places, within bounds: where runs begin, what can happen next, what it
//! leads to.

use crate::bounds::Bounds;
use crate::digest::{Identity, Sight};
use crate::offers;
use crate::reductions::Reductions;
use crate::state::ModelState;
use leasehold_proto::message::configure;
use leasehold_proto::{ChunkVersion, Constants, Envelope, Message, NodeId, RequestId};
use leasehold_world::judge::ASSERTION;
use leasehold_world::judge::Judge;
use leasehold_world::net::MessageId;
use leasehold_world::script::{ScriptError, Stage};
use leasehold_world::{Action, Cluster, Violation, Wish};
use leasehold_world::{Observation, Seen};
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
    pub wish: Wish,
}

/// A place where runs begin.
#[derive(Clone, Debug)]
pub struct Start {
    /// The script that leads there.
    pub script: String,
    state: ModelState,
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
    /// How states are distinguished.
    pub sight: Sight,
    /// What is left out because it leads nowhere new.
    pub reductions: Reductions,
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
                Ok((client, wish)) => Ok(Ask { line: (*line).to_string(), client, wish }),
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
            reductions: Reductions::ALL,
        };
        let starts = scripts.iter().zip(&stages).zip(0..);
        space.starts = starts.map(|((script, stage), n)| space.start(script, stage, n)).collect();
        Ok(space)
    }

    /// The same with other reductions than all.
    #[must_use]
    pub fn reduced(mut self, reductions: Reductions) -> Self {
        self.sight.reduced = reductions.relative;
        self.reductions = reductions;
        self.identified_anew()
    }

    /// The same within other bounds. Whether messages may be repeated for ever, and whether replicas
    /// are replaced, belongs to where runs begin and stays.
    #[must_use]
    pub fn within(mut self, bounds: Bounds) -> Self {
        let (repeats, no_repair) = (self.bounds.repeats, self.bounds.no_repair);
        self.bounds = Bounds { no_repair, repeats: repeats.and(bounds.repeats), ..bounds };
        let left = self.bounds.all();
        self.starts.iter_mut().for_each(|start| start.state.left = left);
        self.identified_anew()
    }

    fn identified_anew(mut self) -> Self {
        for start in &mut self.starts {
            start.state = self.sight.identify(start.state.clone(), None);
        }
        self
    }

    fn start(&self, script: &str, stage: &Stage, start: u8) -> Start {
        let world = stage.world();
        let mut cluster = world.cluster().clone();
        if self.bounds.repeats.is_none() {
            cluster.keep_messages();
        }
        let state = ModelState {
            cluster,
            judge: Arc::new(world.judge().clone().from_above()),
            left: self.bounds.all(),
            asked: 0,
            start,
            violation: world.violation().cloned().map(Arc::new),
            identity: Identity::default(),
        };
        let state = self.sight.identify(state, None);
        Start { script: script.to_string(), state, last_request: stage.last_request() }
    }

    /// Everything that may happen in this state.
    pub fn steps(&self, state: &ModelState, steps: &mut Vec<Step>) {
        if state.violation.is_none() {
            offers::offers(self, state, steps);
        }
    }

    /// What a step leads to; None if it is beyond the bounds.
    #[must_use]
    pub fn after(&self, last: &ModelState, step: &Step) -> Option<ModelState> {
        let mut next = last.clone();
        let action = self.action(&mut next, step);
        pay(&mut next, &action);
        let mut seen = Seen::default();
        let leads = next.left.leads;
        let at_once = |cluster: &Cluster| self.at_once(cluster, leads);
        match applied(&mut next.cluster, action, &mut seen, at_once) {
            Ok(()) => watch(&mut next, &seen),
            Err(Applied::Impossible) => return None,
            Err(Applied::Assertion(detail)) => {
                next.violation = Some(ASSERTION.broken(next.cluster.now(), detail).into());
            }
        }
        if self.beyond(&last.cluster, &next.cluster) {
            return None;
        }
        if !matches!(step, Step::Do(Action::Duplicate(_))) {
            lose_repeats(&last.cluster, &mut next.cluster);
        }
        Some(self.sight.identify(next, Some(last)))
    }

    /// The steps of a run, by their places among those that each state offers.
    #[must_use]
    pub fn along(&self, start: usize, places: &[usize]) -> Vec<Step> {
        let (mut state, mut taken) = (self.starts[start].state.clone(), Vec::new());
        for place in places {
            let mut steps = Vec::new();
            self.steps(&state, &mut steps);
            let step = steps.swap_remove(*place);
            state = self.after(&state, &step).expect("somebody came this way");
            taken.push(step);
        }
        taken
    }

    /// One action and nothing that follows by itself.
    ///
    /// # Errors
    /// What it shows not to hold.
    pub(crate) fn next(&self, last: &ModelState, action: Action) -> Result<ModelState, Violation> {
        let mut next = last.clone();
        let mut seen = Seen::default();
        match applied(&mut next.cluster, action, &mut seen, |_| None) {
            Ok(()) => watch(&mut next, &seen),
            Err(Applied::Impossible) => unreachable!("the schedule does what is possible"),
            Err(Applied::Assertion(detail)) => {
                return Err(ASSERTION.broken(next.cluster.now(), detail));
            }
        }
        match &next.violation {
            Some(violation) => Err((**violation).clone()),
            None => Ok(self.sight.identify(next, Some(last))),
        }
    }

    /// The state as its healing begins.
    pub(crate) fn healing(&self, state: &ModelState) -> ModelState {
        self.sight.identify(state.quieted(), Some(state))
    }

    /// What follows a step by itself.
    pub(crate) fn at_once(&self, cluster: &Cluster, leads_left: u8) -> Option<Action> {
        offers::at_once(self, cluster, leads_left)
    }

    /// What a step does in World; a request that is made is noted.
    pub(crate) fn action(&self, next: &mut ModelState, step: &Step) -> Action {
        match step {
            Step::Do(action) => action.clone(),
            Step::Ask(which) => self.asking(next, *which),
        }
    }

    fn asking(&self, next: &mut ModelState, which: usize) -> Action {
        let ask = &self.menu[which];
        let start = &self.starts[usize::from(next.start)];
        next.asked |= 1 << which;
        let id = RequestId(start.last_request + u64::from(next.asked.count_ones()));
        ask.wish.clone().action(ask.client, id, Box::default())
    }

    fn beyond(&self, last: &Cluster, next: &Cluster) -> bool {
        let max = ChunkVersion(self.bounds.version_max);
        let newest = last.net().newest();
        next.net().flying().rev().take_while(|(id, _)| *id > newest).any(|(_, envelope)| {
            matches!(&envelope.message, Message::Configure(configure::Order::Prepare(configure::Prepare { version, .. })) if *version > max)
        })
    }

    /// The states in which runs begin.
    #[must_use]
    pub fn beginnings(&self) -> Vec<ModelState> {
        self.starts.iter().map(|start| start.state.clone()).collect()
    }
}

/// Where repeats are counted, one that is sent while its like is in flight would be one that nobody
/// counted.
fn lose_repeats(last: &Cluster, next: &mut Cluster) {
    let newest = last.net().newest();
    let like = |id: MessageId, envelope: &Envelope| {
        next.net().flying().any(|(other, e)| other < id && e == envelope)
    };
    let sent = next.net().flying().rev().take_while(|(id, _)| *id > newest);
    let lost: Vec<MessageId> =
        sent.filter(|(id, envelope)| like(*id, envelope)).map(|(id, _)| id).collect();
    if !lost.is_empty() {
        next.forget_messages(|id| lost.contains(&id));
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
fn pay(next: &mut ModelState, action: &Action) {
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
    seen: &mut Seen,
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

fn watch(next: &mut ModelState, seen: &[Observation]) {
    let mut judged = Judge::look(&next.cluster);
    for observation in seen.iter().filter(|observation| Judge::heeds(observation)) {
        let judge = Arc::make_mut(&mut next.judge);
        judged = judged.and_then(|()| judge.observe(&next.cluster, observation));
    }
    next.violation = judged.err().map(Arc::new);
}
