//! How long it takes to judge histories of 10⁵ operations: `just bench-checker`.
//!
//! Each history is made by an object that takes effect, for every operation, at some moment
//! between its call and its return; clients are always busy. Some changes never return, and half
//! of those took effect. Exit code 1 if a verdict is wrong or takes longer than the bound.

use leasehold_checker::cells::{Cells, CellsOp};
use leasehold_checker::posix::{Asked, Posix, PosixOp};
use leasehold_checker::{Object, Timed, Verdict, linearizability, witness, zones};
use leasehold_proto::metadata::{
    FileInfo, FileKind, FileSpec, MetadataAnswer, MetadataChange, MetadataQuery,
};
use leasehold_proto::{Caller, FileId, Refusal, mix};
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;
#[allow(clippy::disallowed_types, reason = "a benchmark measures wall time")]
use std::time::Instant;

const OPERATIONS: u64 = 100_000;
const SECONDS_MAX: f64 = 10.0;
const STEPS_MAX: u64 = 20_000_000;

/// One client's operation that is under way: what it will be in the history.
struct Drawn<Op> {
    timed: Timed<Op>,
    effect_ns: u64,
    took_effect: bool,
}

fn main() -> ExitCode {
    println!("{OPERATIONS} operations each; the bound is {SECONDS_MAX} s");
    let mut good = true;
    for (clients, open) in [(4, 0), (8, 8), (12, 16), (32, 16)] {
        let (ops, order) = registers(1, clients, open);
        let what = format!("register, {clients} clients, {open} open, zones");
        good &= judged(&what, || zones::check(&ops) == Some(Verdict::Linearizable));
        let what = format!("register, {clients} clients, {open} open, search");
        good &= judged(&what, || searched(Cells::looking_ahead(1, &ops), &ops));
        let what = format!("register, {clients} clients, {open} open, witness");
        good &= judged(&what, || witness::explains(Cells::new(1), &ops, &order));
    }
    let (ops, order) = registers(64, 12, 16);
    good &= judged("chunk of 64 cells, 12 clients, 16 open, witness", || {
        witness::explains(Cells::new(64), &ops, &order)
    });
    for (clients, open) in [(2, 8), (4, 8), (6, 8)] {
        let ops = registers(64, clients, open).0;
        let what = format!("chunk of 64 cells, {clients} clients, {open} open, search");
        good &= judged(&what, || searched(Cells::looking_ahead(64, &ops), &ops));
    }
    let mut stale = registers(1, 12, 16).0;
    let late = stale.iter().rposition(|timed| !timed.op.write && timed.returned_ns.is_some());
    let late = late.expect("a third of the operations read");
    let early = stale[late / 2..].iter().find(|timed| !timed.op.write);
    stale[late].op = early.expect("a third of the operations read").op.clone();
    good &= judged("register, 12 clients, 16 open, a stale read, zones", || {
        matches!(zones::check(&stale), Some(Verdict::Violated { .. }))
    });
    for (clients, open) in [(4, 0), (8, 8), (12, 8)] {
        let (ops, returned) = names(clients, open);
        let what = format!("directory of 24 names, {clients} clients, {open} open, search");
        good &= judged(&what, || searched(Posix::new(returned.clone(), true), &ops));
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn searched<O: Object>(object: O, ops: &[Timed<O::Op>]) -> bool {
    linearizability::check(object, ops, STEPS_MAX) == Verdict::Linearizable
}

#[allow(clippy::disallowed_types, reason = "a benchmark measures wall time")]
fn judged(what: &str, right: impl FnOnce() -> bool) -> bool {
    let began = Instant::now();
    let right = right();
    let seconds = began.elapsed().as_secs_f64();
    let good = right && seconds < SECONDS_MAX;
    let verdict = if right { "as it should be" } else { "WRONG" };
    println!("{what:<58} {seconds:>8.3} s  {verdict}");
    good
}

/// A stream of numbers, the same in every run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(mix::GAMMA);
        mix::finalise(self.0) % sides
    }
}

/// Draws times: `clients` one after another each, about every 2,000th change without an end until
/// there are `open` of them.
fn drawn<Op>(
    clients: u64,
    open: u64,
    changes: impl Fn(u64) -> bool,
    op: impl Fn(u64) -> Op,
) -> Vec<Drawn<Op>> {
    let mut dice = Dice(clients);
    let mut free_at = vec![0; clients as usize];
    let (mut drawn, mut opened) = (Vec::new(), 0);
    for number in 0..OPERATIONS {
        let client = (number % clients) as usize;
        let begin = free_at[client] + dice.below(20);
        let span = 20 + dice.below(200);
        let effect_ns = begin + dice.below(span);
        let ends = opened >= open || !changes(number) || dice.below(2_000) > 0;
        opened += u64::from(!ends);
        let timed =
            Timed { invoked_ns: begin, returned_ns: ends.then_some(begin + span), op: op(number) };
        drawn.push(Drawn { timed, effect_ns, took_effect: ends || dice.below(2) == 0 });
        free_at[client] = begin + span + 1;
    }
    drawn.sort_by_key(|drawn| drawn.effect_ns);
    drawn
}

/// A history of reads and writes of up to three neighbours, and the order of its writes.
fn registers(cells: usize, clients: u64, open: u64) -> (Vec<Timed<CellsOp>>, Vec<usize>) {
    let writes = |number: u64| !(number / clients).is_multiple_of(3);
    let mut drawn = drawn(clients, open, writes, |number| {
        let mut dice = Dice(number);
        let first = dice.below(cells as u64) as usize;
        let width = (1 + dice.below(3) as usize).min(cells - first);
        CellsOp { write: writes(number), first, values: vec![number as u32 + 1; width] }
    });
    let mut state = vec![0; cells];
    let mut order = Vec::new();
    for (index, drawn) in drawn.iter_mut().enumerate() {
        let op = &mut drawn.timed.op;
        let range = op.first..op.first + op.values.len();
        if !op.write {
            op.values = state[range].to_vec();
        } else if drawn.took_effect {
            state[range].copy_from_slice(&op.values);
            order.push(index);
        }
    }
    (drawn.into_iter().map(|drawn| drawn.timed).collect(), order)
}

/// A history of one directory: its names come and go, and everybody looks.
fn names(clients: u64, open: u64) -> (Vec<Timed<PosixOp>>, Arc<BTreeSet<FileId>>) {
    let changes = |number: u64| !(number / clients).is_multiple_of(3);
    let mut drawn = drawn(clients, open, changes, |number| {
        let mut dice = Dice(number);
        let mut name = || format!("/{}", (b'a' + dice.below(24) as u8) as char);
        let (path, to) = (name(), name());
        let asked = match (changes(number), number % 5) {
            (false, 0) => Asked::Query(MetadataQuery::List { path: "/".into(), after: None }),
            (false, _) => Asked::Query(MetadataQuery::Stat { path: path.into() }),
            (true, 0 | 1) => Asked::Change(MetadataChange::Create {
                path: path.into(),
                spec: FileSpec::default(),
                mode: 0o644,
            }),
            (true, 2 | 3) => {
                Asked::Change(MetadataChange::Delete { path: path.into(), this: None })
            }
            (true, _) => Asked::Change(MetadataChange::Rename {
                from: path.into(),
                to: to.into(),
                this: None,
                no_replace: false,
            }),
        };
        let (place, caller) = (u32::try_from(number).expect("few") + 1, Caller::root(0));
        PosixOp { place, caller, asked, answer: None, binds: false }
    });
    let mut directory = Directory { next: 1, ..Directory::default() };
    for drawn in drawn.iter_mut().filter(|drawn| drawn.took_effect) {
        let answered = drawn.timed.returned_ns.is_some();
        let answer = directory.answer(&drawn.timed.op.asked, answered);
        drawn.timed.op.answer = answered.then_some(answer);
    }
    let mut ops: Vec<Timed<PosixOp>> = drawn.into_iter().map(|drawn| drawn.timed).collect();
    ops.iter_mut().for_each(|timed| timed.op.binds = directory.is_news(&timed.op));
    let returned =
        (2..=directory.next).map(FileId).filter(|file| !directory.unreturned.contains(file));
    (ops, Arc::new(returned.collect()))
}

/// The files of one directory, the root.
#[derive(Default)]
struct Directory {
    files: BTreeMap<String, FileId>,
    next: u64,
    /// Files whose creation was not answered.
    unreturned: BTreeSet<FileId>,
}

impl Directory {
    fn answer(&mut self, asked: &Asked, answered: bool) -> Result<MetadataAnswer, Refusal> {
        match asked {
            Asked::Change(MetadataChange::Create { path, .. }) => {
                self.create(&path.to_string(), answered)
            }
            Asked::Change(MetadataChange::Delete { path, .. }) => self
                .files
                .remove(&path.to_string())
                .map(|_| MetadataAnswer::Done)
                .ok_or(Refusal::NotFound),
            Asked::Change(MetadataChange::Rename { from, to, .. }) => {
                let file = self.files.remove(&from.to_string()).ok_or(Refusal::NotFound)?;
                self.files.insert(to.to_string(), file);
                Ok(MetadataAnswer::Done)
            }
            Asked::Query(MetadataQuery::Stat { path }) => {
                let file = self.files.get(&path.to_string()).ok_or(Refusal::NotFound)?;
                Ok(MetadataAnswer::File(info(*file)))
            }
            Asked::Query(MetadataQuery::List { .. }) => {
                let entry = |(path, file): (&String, &FileId)| (path[1..].into(), info(*file));
                let entries = self.files.iter().map(entry).collect();
                Ok(MetadataAnswer::List { entries, more: false })
            }
            other => unreachable!("not drawn: {other:?}"),
        }
    }

    fn create(&mut self, path: &str, answered: bool) -> Result<MetadataAnswer, Refusal> {
        if self.files.contains_key(path) {
            return Err(Refusal::AlreadyExists);
        }
        self.next += 1;
        let file = FileId(self.next);
        self.files.insert(path.to_owned(), file);
        if !answered {
            self.unreturned.insert(file);
        }
        Ok(MetadataAnswer::File(info(file)))
    }

    /// A query that shows a file whose creation was never answered.
    fn is_news(&self, op: &PosixOp) -> bool {
        let unreturned = |info: &FileInfo| self.unreturned.contains(&info.file);
        match (&op.asked, &op.answer) {
            (Asked::Query(_), Some(Ok(MetadataAnswer::File(info)))) => unreturned(info),
            (Asked::Query(_), Some(Ok(MetadataAnswer::List { entries, .. }))) => {
                entries.iter().any(|(_, info)| unreturned(info))
            }
            _ => false,
        }
    }
}

fn info(file: FileId) -> FileInfo {
    let kind = FileKind::File(FileSpec::default());
    let mut info = FileInfo::new(file, kind, 0);
    info.attributes.mode = 0o644;
    info
}
