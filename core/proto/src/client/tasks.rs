//! The table of tasks: their operation numbers, their timers, and which of them wait for which
//! shared lookup. It sends no message and completes no request.

use super::lookup::Lookup;
use super::session::Session;
use super::task::{Origin, Stage, Task, TaskId, TaskKind};
use crate::ids::{ClientSession, FileId, LockOwner};
use crate::machine::Operation;
use crate::metadata::MetadataQuery;
use crate::refusal::Refusal;
use crate::time::{Deadline, Time};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

/// All tasks of a client.
///
/// Every task has the operation number under which an answer finds it. A task has one timer at the
/// most. A lookup has one task, and at least one other task waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tasks {
    session: Session,
    tasks: BTreeMap<TaskId, Task>,
    next: TaskId,
    lookups: BTreeMap<Lookup, TaskId>,
    by_number: BTreeMap<u64, TaskId>,
    timers: BTreeSet<(Time, TaskId)>,
    ready: VecDeque<TaskId>,
}

impl Tasks {
    pub fn new() -> Self {
        Tasks {
            session: Session::new(),
            tasks: BTreeMap::new(),
            next: TaskId(1),
            lookups: BTreeMap::new(),
            by_number: BTreeMap::new(),
            timers: BTreeSet::new(),
            ready: VecDeque::new(),
        }
    }

    /// Tasks of the owner's requests.
    pub fn requests(&self) -> usize {
        self.tasks.len() - self.lookups.len()
    }

    /// No change below this operation number is ever sent again.
    pub fn acked_below(&self) -> u64 {
        self.session.acked_below()
    }

    /// The task that still waits for an answer to this operation number.
    pub fn by_number(&self, number: u64) -> Option<TaskId> {
        self.by_number.get(&number).copied()
    }

    pub fn get(&self, id: TaskId) -> &Task {
        &self.tasks[&id]
    }

    pub fn get_mut(&mut self, id: TaskId) -> &mut Task {
        self.tasks.get_mut(&id).expect("the caller has just looked it up")
    }

    /// Makes a task with a fresh number. One that may change something holds the watermark.
    pub fn start(&mut self, kind: TaskKind, ends_at: Time) -> TaskId {
        let id = self.next;
        self.next = TaskId(id.0 + 1);
        let number =
            if kind.changes_something() { self.session.begin() } else { self.session.number() };
        self.by_number.insert(number, id);
        self.tasks.insert(id, Task::new(kind, number, ends_at));
        self.make_ready(id);
        id
    }

    /// What it did under its number is over, or never was: it continues as another operation.
    pub fn renumber(&mut self, id: TaskId) {
        let old = self.tasks[&id].number;
        self.by_number.remove(&old);
        self.session.settle(old);
        let number = self.session.begin();
        self.by_number.insert(number, id);
        let task = self.get_mut(id);
        task.number = number;
        task.forget_copies();
    }

    /// Operation numbers from here on are at or above `number`.
    pub fn skip_to(&mut self, number: u64) {
        self.session.skip_to(number);
    }

    /// Puts it into the queue of what can continue; it waits for no lookup any more.
    pub fn make_ready(&mut self, id: TaskId) {
        self.stop_waiting(id);
        self.get_mut(id).stage = Stage::Ready;
        self.arm(id, Time::NEVER);
        self.ready.push_back(id);
    }

    /// The next task that can continue.
    pub fn pop_ready(&mut self) -> Option<TaskId> {
        while let Some(id) = self.ready.pop_front() {
            if self.tasks.get(&id).is_some_and(|task| task.stage == Stage::Ready) {
                return Some(id);
            }
        }
        None
    }

    /// Sets its timer to `at`, or to its end if that comes before.
    pub fn arm(&mut self, id: TaskId, at: Time) {
        let task = self.tasks.get_mut(&id).expect("the caller has just looked it up");
        let at = at.min(task.ends_at);
        if task.armed != Time::NEVER {
            self.timers.remove(&(task.armed, id));
        }
        task.armed = at;
        if at != Time::NEVER {
            self.timers.insert((at, id));
        }
    }

    /// The next task whose timer has run out; it has none then.
    pub fn pop_due(&mut self, now: Time) -> Option<TaskId> {
        let &(at, id) = self.timers.first()?;
        if at > now {
            return None;
        }
        self.timers.pop_first();
        self.get_mut(id).armed = Time::NEVER;
        Some(id)
    }

    pub fn next_deadline(&self) -> Option<Deadline> {
        let (at, id) = self.timers.first()?;
        Some(Deadline { at: *at, why: self.tasks[id].waits_for() })
    }

    /// Lets `id` wait until `lookup` is done, and begins it unless it is under way.
    pub fn wait_for(&mut self, id: TaskId, lookup: Lookup) {
        let runs = self.lookups.get(&lookup).copied();
        let runner = runs.unwrap_or_else(|| {
            let runner = self.start(TaskKind::Lookup(lookup), Time::NEVER);
            self.lookups.insert(lookup, runner);
            runner
        });
        self.get_mut(runner).waiting_tasks.insert(id);
        self.get_mut(id).stage = Stage::Waiting(lookup);
        self.arm(id, Time::NEVER);
    }

    /// Ends a lookup and lets every task continue that waited for it.
    pub fn end_lookup(&mut self, lookup: Lookup, result: &Result<(), Refusal>) {
        let runner = self.lookups.remove(&lookup).expect("a lookup that ends is under way");
        let runner = self.remove(runner);
        for waiting in runner.waiting_tasks {
            let task = self.get_mut(waiting);
            task.extended += runner.extended;
            assert_eq!(task.stage, Stage::Waiting(lookup), "it waits for this");
            task.stage = Stage::Ready;
            task.failed = result.clone().err().map(|refusal| (lookup, refusal));
            self.make_ready(waiting);
        }
    }

    /// An answer came for `id` itself before the lookup that it waits for was done.
    pub fn stop_waiting(&mut self, id: TaskId) {
        if let Stage::Waiting(lookup) = self.tasks[&id].stage {
            self.get_mut(id).stage = Stage::Ready;
            self.leave_lookup(id, lookup);
        }
    }

    /// Ends a task. Its number passes below the watermark: it is never sent again.
    pub fn remove(&mut self, id: TaskId) -> Task {
        let task = self.tasks.remove(&id).expect("the caller has just looked it up");
        self.timers.remove(&(task.armed, id));
        self.by_number.remove(&task.number);
        self.session.settle(task.number);
        if let Stage::Waiting(lookup) = task.stage {
            self.leave_lookup(id, lookup);
        }
        task
    }

    /// `id` does not wait any more. A lookup that no task waits for is given up.
    fn leave_lookup(&mut self, id: TaskId, lookup: Lookup) {
        let Some(runner) = self.lookups.get(&lookup).copied() else { return };
        let waiting = &mut self.get_mut(runner).waiting_tasks;
        waiting.remove(&id);
        if waiting.is_empty() {
            self.lookups.remove(&lookup);
            self.remove(runner);
        }
    }

    /// The tasks that renew a session other than this one.
    pub fn renewals_of_others_than(&self, session: Option<ClientSession>) -> Vec<TaskId> {
        let renews = |task: &Task| match &task.kind {
            TaskKind::Request { origin: Origin::Session, op, .. } => match op {
                Operation::Query(MetadataQuery::RenewSession { session }) => Some(*session),
                _ => None,
            },
            TaskKind::Lookup(Lookup::Renew) => task.session,
            TaskKind::Request { .. } | TaskKind::Lookup(_) => None,
        };
        let other = |task: &Task| renews(task).is_some_and(|renewed| Some(renewed) != session);
        self.tasks.iter().filter(|(_, task)| other(task)).map(|(id, _)| *id).collect()
    }

    /// Is another lock or unlock of this owner sent and not answered?
    pub fn locks_under_way(&self, id: TaskId, file: FileId, owner: LockOwner) -> bool {
        self.tasks.iter().any(|(other, task)| {
            let same = matches!(&task.kind,
                TaskKind::Request { op: Operation::Lock { file: of, owner: by, .. }, .. }
                    if (*of, *by) == (file, owner));
            same && *other != id && task.session.is_some()
        })
    }

    /// The tasks that mutate a file under a session other than this one.
    pub fn mutations_under_others_than(&self, session: Option<ClientSession>) -> Vec<TaskId> {
        let other = |task: &Task| task.session.is_some() && task.session != session;
        let mutates = |task: &Task| {
            matches!(
                task.kind,
                TaskKind::Request {
                    op: Operation::Write { .. }
                        | Operation::Append { .. }
                        | Operation::Cut { .. }
                        | Operation::Retire { .. },
                    ..
                }
            )
        };
        let those = self.tasks.iter().filter(|(_, task)| other(task) && mutates(task));
        those.map(|(id, _)| *id).collect()
    }

    /// True if the cluster may show an effect of the task: its own, or chunks that were added for it.
    pub fn may_have_effect(&self, id: TaskId) -> bool {
        let task = &self.tasks[&id];
        let runner = match task.stage {
            Stage::Waiting(lookup @ Lookup::Extend { .. }) => self.lookups.get(&lookup),
            _ => None,
        };
        let for_it = runner.is_some_and(|runner| self.may_have_effect(*runner));
        task.reached() || task.extended > 0 || for_it
    }

    /// The last refusal that kept the task from its end, or the lookup that it waits for.
    pub fn last_refusal(&self, id: TaskId) -> Option<Refusal> {
        let task = &self.tasks[&id];
        let runner = match task.stage {
            Stage::Waiting(lookup) => self.lookups.get(&lookup).copied(),
            _ => None,
        };
        runner.and_then(|runner| self.last_refusal(runner)).or_else(|| task.last.clone())
    }

    pub fn assert_invariants(&self) {
        assert!(self.ready.is_empty(), "whatever can continue has continued");
        assert!(self.tasks.len() >= self.lookups.len(), "a lookup is a task");
        assert_eq!(self.tasks.len(), self.by_number.len(), "every task has its number");
        if cfg!(debug_assertions) {
            let armed = self.tasks.iter().filter(|(id, task)| self.check(**id, task)).count();
            assert_eq!(armed, self.timers.len(), "no timer without its task");
        }
    }

    /// Checks one task; true if it has a timer.
    fn check(&self, id: TaskId, task: &Task) -> bool {
        assert_eq!(self.by_number(task.number), Some(id), "an answer finds its task");
        assert!(task.number < self.session.next(), "numbers come from the session");
        if task.kind.changes_something() {
            assert!(self.session.acked_below() <= task.number, "the watermark waits for it");
        }
        let timer = task.armed != Time::NEVER && self.timers.contains(&(task.armed, id));
        assert_eq!(timer, task.armed != Time::NEVER, "an armed task has its timer");
        match &task.kind {
            TaskKind::Request { .. } => assert!(timer, "every request ends"),
            TaskKind::Lookup(lookup) => {
                assert_eq!(self.lookups.get(lookup), Some(&id), "one task for one lookup");
                assert!(!task.waiting_tasks.is_empty(), "a lookup is for some task");
            }
        }
        if let Stage::Waiting(lookup) = task.stage {
            let runner = self.get(self.lookups[&lookup]);
            assert!(runner.waiting_tasks.contains(&id), "a lookup knows which tasks wait for it");
        }
        timer
    }
}

#[cfg(test)]
impl Tasks {
    /// The number of the next operation.
    pub fn next_number(&self) -> u64 {
        self.session.next()
    }
}
