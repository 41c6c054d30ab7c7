//! Is the history of one register linearizable?
//!
//! The search of Wing and Gong (1993) with Lowe's memory of visited states (2017): an operation
//! may be the next one if it was invoked before any other that is left returned. Operations that
//! never returned may take effect at any time after their invocation, or never.

use std::collections::BTreeSet;

/// One operation on a register. Values are names: equal numbers are equal contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterOp {
    /// True time, in nanoseconds.
    pub invoked_ns: u64,
    /// True time, in nanoseconds; none for a write whose end nobody knows.
    pub returned_ns: Option<u64>,
    /// It wrote this value; otherwise it read it.
    pub write: bool,
    /// Which.
    pub value: u32,
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

/// Judges a register that begins with value zero. `steps_max` bounds the search.
#[must_use]
pub fn check(ops: &[RegisterOp], steps_max: u64) -> Verdict {
    Search::new(ops).run(steps_max)
}

const NONE: usize = usize::MAX;

/// One place in the list of calls and returns, ordered by time.
#[derive(Clone, Copy)]
struct Entry {
    op: usize,
    is_call: bool,
    next: usize,
    prev: usize,
}

/// What was decided last: an operation, and what to go back to if that was wrong.
struct Choice {
    op: usize,
    value: u32,
    first_left: usize,
    last_taken: usize,
}

/// What was visited: the operations taken (as seen from the first one that is left, those that
/// never returned aside) and the register's value.
type Visited = (usize, Vec<u64>, Vec<u64>, u32);

struct Search<'a> {
    all: &'a [RegisterOp],
    /// Indices into `all`, by time of invocation, without what cannot matter.
    ops: Vec<usize>,
    entries: Vec<Entry>,
    call_at: Vec<usize>,
    return_at: Vec<usize>,
    taken: Vec<u64>,
    /// Rank among those that never returned, by operation.
    open_rank: Vec<usize>,
    open_taken: Vec<u64>,
    first_left: usize,
    last_taken: usize,
    left: usize,
    value: u32,
}

impl<'a> Search<'a> {
    fn new(all: &'a [RegisterOp]) -> Self {
        let ops = relevant(all);
        let mut search = Search {
            all,
            entries: Vec::with_capacity(ops.len() * 2 + 1),
            call_at: vec![NONE; ops.len()],
            return_at: vec![NONE; ops.len()],
            taken: vec![0; ops.len() / 64 + 1],
            open_rank: vec![NONE; ops.len()],
            open_taken: Vec::new(),
            first_left: 0,
            last_taken: 0,
            left: ops.iter().filter(|op| all[**op].returned_ns.is_some()).count(),
            value: 0,
            ops,
        };
        search.link();
        search.skip_taken();
        search
    }

    /// Strings calls and returns together by time. At one instant calls come first: the two
    /// operations count as concurrent.
    fn link(&mut self) {
        let mut points: Vec<(u64, bool, usize)> = Vec::new();
        let mut open = 0;
        for (op, index) in self.ops.iter().enumerate() {
            points.push((self.all[*index].invoked_ns, false, op));
            match self.all[*index].returned_ns {
                Some(returned) => points.push((returned, true, op)),
                None => {
                    self.open_rank[op] = open;
                    open += 1;
                }
            }
        }
        points.sort_unstable();
        self.open_taken = vec![0; open / 64 + 1];
        // Entry 0 is the head.
        self.entries.push(Entry { op: NONE, is_call: false, next: NONE, prev: NONE });
        for (_, is_return, op) in points {
            let at = self.entries.len();
            self.entries[at - 1].next = at;
            self.entries.push(Entry { op, is_call: !is_return, next: NONE, prev: at - 1 });
            if is_return { self.return_at[op] = at } else { self.call_at[op] = at }
        }
    }

    fn run(&mut self, steps_max: u64) -> Verdict {
        let mut visited: BTreeSet<Visited> = BTreeSet::new();
        let mut choices: Vec<Choice> = Vec::new();
        let mut at = self.entries[0].next;
        let mut furthest = (0, NONE);
        for _ in 0..steps_max {
            if self.left == 0 {
                return Verdict::Linearizable;
            }
            let is_call = at != NONE && self.entries[at].is_call;
            if is_call {
                let op = self.entries[at].op;
                let choice = self.take(op);
                match choice {
                    Some(choice) if visited.insert(self.state()) => {
                        choices.push(choice);
                        at = self.entries[0].next;
                    }
                    Some(choice) => {
                        self.give_back(&choice);
                        at = self.entries[at].next;
                    }
                    None => at = self.entries[at].next,
                }
                continue;
            }
            if at != NONE && choices.len() >= furthest.0 {
                furthest = (choices.len(), self.ops[self.entries[at].op]);
            }
            let Some(choice) = choices.pop() else {
                return Verdict::Violated { stuck: furthest.1 };
            };
            self.give_back(&choice);
            at = self.entries[self.call_at[choice.op]].next;
        }
        Verdict::Undecided
    }

    fn state(&self) -> Visited {
        let words = &self.taken[self.first_left / 64..=self.last_taken.max(self.first_left) / 64];
        (self.first_left, words.to_vec(), self.open_taken.clone(), self.value)
    }

    /// Lets `op` take effect next, if the register allows it.
    fn take(&mut self, op: usize) -> Option<Choice> {
        let RegisterOp { write, value, .. } = self.all[self.ops[op]];
        if !write && value != self.value {
            return None;
        }
        let (first_left, last_taken) = (self.first_left, self.last_taken);
        let choice = Choice { op, value: self.value, first_left, last_taken };
        self.value = value;
        self.unlink(self.call_at[op]);
        if self.return_at[op] == NONE {
            let rank = self.open_rank[op];
            self.open_taken[rank / 64] |= 1 << (rank % 64);
        } else {
            self.unlink(self.return_at[op]);
            self.left -= 1;
            self.taken[op / 64] |= 1 << (op % 64);
            self.last_taken = self.last_taken.max(op);
            self.skip_taken();
        }
        Some(choice)
    }

    fn give_back(&mut self, choice: &Choice) {
        let op = choice.op;
        self.value = choice.value;
        if self.return_at[op] == NONE {
            let rank = self.open_rank[op];
            self.open_taken[rank / 64] &= !(1 << (rank % 64));
        } else {
            self.relink(self.return_at[op]);
            self.left += 1;
            self.taken[op / 64] &= !(1 << (op % 64));
        }
        self.relink(self.call_at[op]);
        (self.first_left, self.last_taken) = (choice.first_left, choice.last_taken);
    }

    fn skip_taken(&mut self) {
        while self.first_left + 1 < self.ops.len() && self.is_behind(self.first_left) {
            self.first_left += 1;
        }
    }

    fn is_behind(&self, op: usize) -> bool {
        self.return_at[op] == NONE || self.taken[op / 64] >> (op % 64) & 1 == 1
    }

    fn unlink(&mut self, at: usize) {
        let Entry { next, prev, .. } = self.entries[at];
        self.entries[prev].next = next;
        if next != NONE {
            self.entries[next].prev = prev;
        }
    }

    fn relink(&mut self, at: usize) {
        let Entry { next, prev, .. } = self.entries[at];
        self.entries[prev].next = at;
        if next != NONE {
            self.entries[next].prev = at;
        }
    }
}

/// Operations by time of invocation. A write whose end nobody knows and whose value nobody read
/// need never have taken effect; a read that never returned says nothing.
fn relevant(all: &[RegisterOp]) -> Vec<usize> {
    let read: BTreeSet<u32> = all.iter().filter(|op| !op.write).map(|op| op.value).collect();
    let matters =
        |op: &RegisterOp| op.returned_ns.is_some() || op.write && read.contains(&op.value);
    let mut ops: Vec<usize> = (0..all.len()).filter(|index| matters(&all[*index])).collect();
    ops.sort_by_key(|index| (all[*index].invoked_ns, *index));
    ops
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS_MAX: u64 = 1_000_000;

    fn write(invoked_ns: u64, returned_ns: u64, value: u32) -> RegisterOp {
        RegisterOp { invoked_ns, returned_ns: Some(returned_ns), write: true, value }
    }

    fn open(invoked_ns: u64, value: u32) -> RegisterOp {
        RegisterOp { invoked_ns, returned_ns: None, write: true, value }
    }

    fn read(invoked_ns: u64, returned_ns: u64, value: u32) -> RegisterOp {
        RegisterOp { invoked_ns, returned_ns: Some(returned_ns), write: false, value }
    }

    fn judged(ops: &[RegisterOp]) -> Verdict {
        check(ops, STEPS_MAX)
    }

    #[test]
    fn linearizable_histories_pass() {
        let good: &[&[RegisterOp]] = &[
            &[],
            &[read(0, 1, 0)],
            &[write(0, 1, 1), read(2, 3, 1)],
            &[write(0, 9, 1), read(1, 2, 0), read(3, 4, 1)],
            &[write(0, 9, 1), write(0, 9, 2), read(1, 2, 2), read(3, 4, 1)],
            &[open(0, 1), read(5, 6, 0), read(7, 8, 1)],
            &[open(0, 1), write(2, 3, 2), read(4, 5, 2), read(6, 7, 1)],
            &[open(0, 1), read(5, 6, 0), read(7, 8, 0)],
            &[write(0, 5, 1), read(5, 6, 0)],
        ];
        for history in good {
            assert_eq!(judged(history), Verdict::Linearizable, "{history:?}");
        }
    }

    #[test]
    fn other_histories_do_not() {
        let bad: &[(&[RegisterOp], usize)] = &[
            (&[read(0, 1, 1)], 0),
            (&[write(0, 1, 1), read(2, 3, 0)], 1),
            (&[write(0, 9, 1), read(1, 2, 1), read(3, 4, 0)], 2),
            (&[write(0, 1, 1), write(2, 3, 2), read(4, 5, 1)], 2),
            (&[write(0, 9, 1), write(0, 9, 2), read(1, 2, 2), read(3, 4, 1), read(5, 6, 2)], 4),
            (&[open(5, 1), read(1, 2, 1)], 1),
            (&[open(0, 1), read(1, 2, 1), write(3, 4, 2), read(5, 6, 2), read(7, 8, 1)], 4),
        ];
        for (history, stuck) in bad {
            assert_eq!(judged(history), Verdict::Violated { stuck: *stuck }, "{history:?}");
        }
    }

    /// Four clients, each always busy, on a register that takes effect at half time.
    fn busy(count: u64) -> Vec<RegisterOp> {
        let mut value = 0;
        let ops = (0..count).map(|n| {
            // Every operation takes 40 ns, and one takes effect every 10 ns.
            let (begin, end) = (n * 10, n * 10 + 40);
            if n % 3 == 0 {
                value += 1;
                write(begin, end, value)
            } else {
                read(begin, end, value)
            }
        });
        ops.collect()
    }

    #[test]
    fn twenty_thousand_operations_take_a_few_steps_each() {
        let mut ops = busy(20_000);
        assert_eq!(check(&ops, 200_000), Verdict::Linearizable);
        let old = ops[10_000].value - 100;
        ops[10_001] = read(ops[10_001].invoked_ns, ops[10_001].returned_ns.unwrap(), old);
        assert!(matches!(check(&ops, STEPS_MAX), Verdict::Violated { .. }));
    }

    #[test]
    fn a_search_that_is_given_up_says_so() {
        assert_eq!(check(&busy(1_000), 100), Verdict::Undecided);
    }
}
