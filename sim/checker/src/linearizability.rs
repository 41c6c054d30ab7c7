//! Is the history of one object linearizable?
//!
//! The search of Wing and Gong (1993) with Lowe's memory of visited states (2017): an operation
//! may be the next one if it was invoked before any other that is left returned. Operations whose
//! end nobody knows may take effect at any time after their invocation, or never. Two things keep
//! the search short:
//! - an operation that changes nothing and fits here is taken at once and for good: whatever order
//!   has it later can have it here as well, so nothing is lost by not trying that;
//! - an operation of unknown end is taken only where no other fits: most never took effect.

use std::collections::BTreeSet;

/// The specification of an object, one operation at a time.
pub trait Object {
    /// An operation together with how it was answered.
    type Op;
    /// What takes an operation back.
    type Undo;
    /// Names the state: equal for equal states only.
    type Key: Ord;

    /// Lets an operation take effect. None, and nothing has changed, if it could not have been
    /// answered like this.
    fn apply(&mut self, op: &Self::Op) -> Option<Self::Undo>;

    /// Takes the last operation back.
    fn undo(&mut self, undo: Self::Undo);

    /// Whether this operation can ever change the state.
    fn changes(op: &Self::Op) -> bool;

    /// The name of the state.
    fn key(&self) -> Self::Key;
}

/// One operation and its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed<Op> {
    /// True time, in nanoseconds.
    pub invoked_ns: u64,
    /// True time, in nanoseconds; none if nobody knows how it ended.
    pub returned_ns: Option<u64>,
    /// What.
    pub op: Op,
}

/// What the search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order that explains the history.
    Linearizable,
    /// There is none; this operation, by its index in what was given, is one that none explains.
    Violated {
        /// The operation that returned when no order was left.
        stuck: usize,
    },
    /// The search was given up after its bound of steps.
    Undecided,
}

/// Judges a history of `object`, which is in its first state. `steps_max` bounds the search.
#[must_use]
pub fn check<O: Object>(object: O, ops: &[Timed<O::Op>], steps_max: u64) -> Verdict {
    Search::new(object, ops).run(steps_max)
}

const NONE: usize = usize::MAX;

/// One place in the list of calls and returns, ordered by time.
#[derive(Clone, Copy)]
struct CallOrReturn {
    op: usize,
    is_call: bool,
    next: usize,
    prev: usize,
}

/// An operation that was taken: one that returned, by its rank among those, or one of unknown end,
/// by its rank among those.
#[derive(Clone, Copy)]
enum Taken {
    Ended(usize),
    Open(usize),
}

/// What was decided last, and what to go back to if that was wrong.
struct Choice<Undo> {
    taken: Taken,
    undo: Undo,
    first_left: usize,
    last_taken: usize,
    /// Nothing else need be tried in its place.
    forced: bool,
}

/// What was visited: the operations taken (as seen from the first one that is left, those of
/// unknown end aside) and the state.
type Visited<Key> = (usize, Vec<u64>, Vec<u64>, Key);

struct Search<'a, O: Object> {
    object: O,
    all: &'a [Timed<O::Op>],
    /// Indices into `all` of what returned, by time of invocation.
    ended: Vec<usize>,
    /// Indices into `all` of what may yet change something, by time of invocation.
    open: Vec<usize>,
    entries: Vec<CallOrReturn>,
    call_at: Vec<usize>,
    return_at: Vec<usize>,
    taken: Vec<u64>,
    open_taken: Vec<u64>,
    first_left: usize,
    last_taken: usize,
    left: usize,
}

impl<'a, O: Object> Search<'a, O> {
    fn new(object: O, all: &'a [Timed<O::Op>]) -> Self {
        let by_time = |wanted: &dyn Fn(&Timed<O::Op>) -> bool| {
            let mut ops: Vec<usize> = (0..all.len()).filter(|index| wanted(&all[*index])).collect();
            ops.sort_by_key(|index| (all[*index].invoked_ns, *index));
            ops
        };
        let ended = by_time(&|timed| timed.returned_ns.is_some());
        let open = by_time(&|timed| timed.returned_ns.is_none() && O::changes(&timed.op));
        let mut search = Search {
            object,
            all,
            entries: Vec::with_capacity(ended.len() * 2 + 1),
            call_at: vec![NONE; ended.len()],
            return_at: vec![NONE; ended.len()],
            taken: vec![0; ended.len() / 64 + 1],
            open_taken: vec![0; open.len().div_ceil(64)],
            first_left: 0,
            last_taken: 0,
            left: ended.len(),
            ended,
            open,
        };
        search.link();
        search
    }

    /// Strings calls and returns together by time. At one instant calls come first: the two
    /// operations count as concurrent.
    fn link(&mut self) {
        let mut points: Vec<(u64, bool, usize)> = Vec::with_capacity(self.ended.len() * 2);
        for (op, index) in self.ended.iter().enumerate() {
            let timed = &self.all[*index];
            points.push((timed.invoked_ns, false, op));
            points.push((timed.returned_ns.expect("only what returned is strung"), true, op));
        }
        points.sort_unstable();
        // CallOrReturn 0 is the head.
        self.entries.push(CallOrReturn { op: NONE, is_call: false, next: NONE, prev: NONE });
        for (_, is_return, op) in points {
            let at = self.entries.len();
            self.entries[at - 1].next = at;
            self.entries.push(CallOrReturn { op, is_call: !is_return, next: NONE, prev: at - 1 });
            if is_return { self.return_at[op] = at } else { self.call_at[op] = at }
        }
    }

    fn run(&mut self, steps_max: u64) -> Verdict {
        let mut visited: BTreeSet<Visited<O::Key>> = BTreeSet::new();
        let mut choices: Vec<Choice<O::Undo>> = Vec::new();
        let mut furthest = (0, NONE);
        for _ in 0..steps_max {
            while let Some(choice) = self.take_what_changes_nothing() {
                choices.push(choice);
            }
            if self.left == 0 {
                return Verdict::Linearizable;
            }
            let is_new = visited.insert(self.state());
            let mut next = if is_new { self.branch_ended(None) } else { None };
            if next.is_none() && choices.len() >= furthest.0 {
                furthest = (choices.len(), self.first_return());
            }
            while next.is_none() {
                let Some(choice) = choices.pop() else {
                    return Verdict::Violated { stuck: self.ended[furthest.1] };
                };
                let (taken, forced) = (choice.taken, choice.forced);
                self.give_back(choice);
                next = if forced { None } else { self.branch_after(taken) };
            }
            choices.extend(next);
        }
        Verdict::Undecided
    }

    fn state(&self) -> Visited<O::Key> {
        let words = &self.taken[self.first_left / 64..=self.last_taken.max(self.first_left) / 64];
        (self.first_left, words.to_vec(), self.open_taken.clone(), self.object.key())
    }

    /// The operation whose return comes first among those that are left.
    fn first_return(&self) -> usize {
        let mut at = self.entries[0].next;
        while self.entries[at].is_call {
            at = self.entries[at].next;
        }
        self.entries[at].op
    }

    fn take_what_changes_nothing(&mut self) -> Option<Choice<O::Undo>> {
        let mut at = self.entries[0].next;
        while at != NONE && self.entries[at].is_call {
            let op = self.entries[at].op;
            if !O::changes(&self.all[self.ended[op]].op)
                && let Some(choice) = self.take_ended(op, true)
            {
                return Some(choice);
            }
            at = self.entries[at].next;
        }
        None
    }

    /// The next operation to try: a change, the one that returns soonest first, as long as it
    /// returns after `after`; then one of unknown end.
    fn branch_ended(&mut self, after: Option<(u64, usize)>) -> Option<Choice<O::Undo>> {
        let mut candidates: Vec<(u64, usize)> = Vec::new();
        let mut at = self.entries[0].next;
        while at != NONE && self.entries[at].is_call {
            let op = self.entries[at].op;
            let deadline = self.deadline(op);
            if O::changes(&self.all[self.ended[op]].op)
                && after.is_none_or(|after| deadline > after)
            {
                candidates.push(deadline);
            }
            at = self.entries[at].next;
        }
        candidates.sort_unstable();
        let taken = candidates.into_iter().find_map(|(_, op)| self.take_ended(op, false));
        taken.or_else(|| self.branch_open(0))
    }

    fn deadline(&self, op: usize) -> (u64, usize) {
        let returned_ns = self.all[self.ended[op]].returned_ns;
        (returned_ns.expect("only what returned is strung"), op)
    }

    fn branch_open(&mut self, from: usize) -> Option<Choice<O::Undo>> {
        let first_return = self.all[self.ended[self.first_return()]].returned_ns;
        for rank in from..self.open.len() {
            let timed = &self.all[self.open[rank]];
            if Some(timed.invoked_ns) > first_return {
                return None;
            }
            let is_left = self.open_taken[rank / 64] & (1 << (rank % 64)) == 0;
            if is_left && let Some(undo) = self.object.apply(&timed.op) {
                self.open_taken[rank / 64] |= 1 << (rank % 64);
                let (first_left, last_taken) = (self.first_left, self.last_taken);
                let taken = Taken::Open(rank);
                return Some(Choice { taken, undo, first_left, last_taken, forced: false });
            }
        }
        None
    }

    fn branch_after(&mut self, taken: Taken) -> Option<Choice<O::Undo>> {
        match taken {
            Taken::Ended(op) => self.branch_ended(Some(self.deadline(op))),
            Taken::Open(rank) => self.branch_open(rank + 1),
        }
    }

    /// Lets `op` take effect next, if the object allows it.
    fn take_ended(&mut self, op: usize, forced: bool) -> Option<Choice<O::Undo>> {
        let undo = self.object.apply(&self.all[self.ended[op]].op)?;
        let (first_left, last_taken) = (self.first_left, self.last_taken);
        self.unlink(self.call_at[op]);
        self.unlink(self.return_at[op]);
        self.left -= 1;
        self.taken[op / 64] |= 1 << (op % 64);
        self.last_taken = self.last_taken.max(op);
        while self.first_left < self.ended.len() && self.is_taken(self.first_left) {
            self.first_left += 1;
        }
        Some(Choice { taken: Taken::Ended(op), undo, first_left, last_taken, forced })
    }

    fn give_back(&mut self, choice: Choice<O::Undo>) {
        self.object.undo(choice.undo);
        match choice.taken {
            Taken::Open(rank) => self.open_taken[rank / 64] &= !(1 << (rank % 64)),
            Taken::Ended(op) => {
                self.relink(self.return_at[op]);
                self.relink(self.call_at[op]);
                self.left += 1;
                self.taken[op / 64] &= !(1 << (op % 64));
            }
        }
        (self.first_left, self.last_taken) = (choice.first_left, choice.last_taken);
    }

    fn is_taken(&self, op: usize) -> bool {
        self.taken[op / 64] & (1 << (op % 64)) != 0
    }

    fn unlink(&mut self, at: usize) {
        let CallOrReturn { next, prev, .. } = self.entries[at];
        self.entries[prev].next = next;
        if next != NONE {
            self.entries[next].prev = prev;
        }
    }

    fn relink(&mut self, at: usize) {
        let CallOrReturn { next, prev, .. } = self.entries[at];
        self.entries[prev].next = at;
        if next != NONE {
            self.entries[next].prev = at;
        }
    }
}

#[cfg(test)]
mod tests;
