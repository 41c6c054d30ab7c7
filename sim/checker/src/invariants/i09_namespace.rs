//! I9: the namespace looks as if calls happened one after another, each once.

use crate::history::{Call, Ending, History, Operated};
use crate::linearizability::{Timed, Verdict, check};
use crate::posix::{Asked, Ino, Posix, PosixOp, Trees, is_root, shown};
use crate::violation::{Invariant, Violation};
use leasehold_proto::FileId;
use leasehold_proto::metadata::{MetadataAnswer, MetadataChange};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// I9.
pub const INVARIANT: Invariant = Invariant {
    id: "I9",
    name: "namespace",
    sentence: "every call on names, inodes and their attributes is linearizable and answered as POSIX has \
               it, and each change takes effect once, across restarts of masters",
    source: "POSIX.1-2017 (XBD 4.13, rename, unlink, link, chmod, chown, ...); Herlihy and Wing 1990; \
             exactly once: Lee et al., RIFL 2015",
};

/// Steps that the search may take for one tree.
pub const STEPS_MAX: u64 = 2_000_000;

/// What was judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Calls that some order explains.
    pub held: u64,
    /// Trees whose search was given up, or that no search can decide: see
    /// [`Excluded`](crate::posix::Excluded).
    pub undecided: u64,
}

/// Judges a whole history. What hangs below one name of the root is an object of its own, unless
/// a call has to do with several of them.
pub fn finish(history: &History, true_ns: u64) -> Result<Judged, Violation> {
    let operations = history.operations();
    let returned = Arc::new(returned(history).map_err(|detail| INVARIANT.broken(true_ns, detail))?);
    let known: BTreeSet<FileId> = operations.iter().flat_map(shown).collect();
    let trees = Trees::of(operations, &known);
    let mut judged = Judged::default();
    for (top, calls) in &trees.calls {
        if trees.undecided.contains(top) {
            judged.undecided += 1;
            continue;
        }
        let ops: Vec<Timed<PosixOp>> =
            calls.iter().map(|at| timed(*at, &operations[*at], &returned)).collect();
        match check(Posix::new(returned.clone(), trees.whole), &ops, STEPS_MAX) {
            Verdict::Linearizable => judged.held += ops.len() as u64,
            Verdict::Undecided => judged.undecided += 1,
            Verdict::Violated { stuck } => {
                let operated = &operations[calls[stuck]];
                let detail = format!(
                    "below {top}: no order of {} calls explains {}, answered {}",
                    ops.len(),
                    operated.told(),
                    operated.answered(),
                );
                let found_ns = operated.returned_ns.unwrap_or(true_ns);
                return Err(INVARIANT.broken(found_ns, detail));
            }
        }
    }
    Ok(judged)
}

/// The identities that creating calls returned. No two returned the same.
fn returned(history: &History) -> Result<BTreeSet<FileId>, String> {
    let mut made: BTreeMap<FileId, &Operated> = BTreeMap::new();
    for operated in history.operations() {
        let (
            Call::Change {
                change:
                    MetadataChange::Create { .. }
                    | MetadataChange::Mkdir { .. }
                    | MetadataChange::MakeSpecial { .. },
            },
            Some(Ok(MetadataAnswer::File(info))),
        ) = (&operated.call, &operated.answer)
        else {
            continue;
        };
        if let Some(other) = made.insert(info.file, operated) {
            let (one, two) = (&other.call, &operated.call);
            return Err(format!("{} was made twice: by `{one}` and by `{two}`", info.file));
        }
    }
    Ok(made.into_keys().collect())
}

fn timed(at: usize, operated: &Operated, returned: &BTreeSet<FileId>) -> Timed<PosixOp> {
    let asked = match &operated.call {
        Call::Change { change } => Asked::Change(change.clone()),
        Call::Query { query } => Asked::Query(query.clone()),
        Call::Write { .. }
        | Call::Append { .. }
        | Call::Read { .. }
        | Call::Cut { .. }
        | Call::Lock { .. }
        | Call::Conflict { .. }
        | Call::Retire { .. } => {
            unreachable!("trees are made of calls to a master")
        }
    };
    let binds = shown(operated).iter().any(|file| !returned.contains(file) && !is_root(*file));
    let place = Ino::try_from(at + 1).expect("a history has fewer calls than that");
    let (answer, caller) = (operated.answer.clone(), operated.caller.clone());
    let returned_ns = operated.returned_ns.filter(|_| operated.ending != Ending::Open);
    let invoked_ns = operated.invoked_ns;
    Timed { invoked_ns, returned_ns, op: PosixOp { place, caller, asked, answer, binds } }
}

#[cfg(test)]
mod tests {
    use crate::testing::*;
    use leasehold_proto::OpError;
    use leasehold_proto::Refusal::{AlreadyExists, NotFound};
    use leasehold_proto::metadata::MetadataAnswer::Done;

    const UNKNOWN: OpError = OpError::TimedOut { maybe: true, last: None };

    #[test]
    fn what_was_made_is_there() {
        let mut run = Run::new();
        run.change((10, 20), create("/a"), Ok(file(2)));
        run.query((30, 40), stat("/a"), Ok(file(2)));
        run.query((30, 40), list("/"), Ok(listed(&[("a", 2)])));
        run.finish().unwrap();
        run.query((50, 60), stat("/a"), Err(NotFound.into_error()));
        assert_eq!(run.finish().unwrap_err().invariant, "I9");
    }

    #[test]
    fn a_change_that_took_effect_twice_is_found() {
        let mut run = Run::new();
        run.change((10, 20), create("/a"), Err(AlreadyExists.into_error()));
        assert_eq!(run.finish().unwrap_err().invariant, "I9", "its own first try made it");
        let mut run = Run::new();
        run.change((10, 20), create("/a"), Ok(file(2)));
        run.change((30, 40), rename("/a", "/b"), Err(NotFound.into_error()));
        assert_eq!(run.finish().unwrap_err().invariant, "I9");
        let mut run = Run::new();
        run.change((10, 20), create("/a"), Ok(file(2)));
        run.change((30, 40), create("/b"), Ok(file(2)));
        assert_eq!(run.finish().unwrap_err().invariant, "I9", "one file for two");
    }

    #[test]
    fn a_list_is_one_moment() {
        let mut run = Run::new();
        run.change((10, 90), rename("/d/a", "/d/b"), Ok(Done));
        run.change((1, 2), mkdir("/d"), Ok(directory(2)));
        run.change((3, 4), create("/d/a"), Ok(file(3)));
        let mut torn = run.clone();
        run.query((20, 30), list("/d"), Ok(listed(&[("a", 3)])));
        run.query((40, 50), list("/d"), Ok(listed(&[("b", 3)])));
        run.finish().unwrap();
        torn.query((20, 30), list("/d"), Ok(listed(&[("a", 3), ("b", 3)])));
        assert_eq!(torn.finish().unwrap_err().invariant, "I9");
    }

    #[test]
    fn an_unknown_end_may_be_either_for_ever() {
        let mut run = Run::new();
        run.change((10, 20), create("/a"), Err(UNKNOWN));
        run.query((30, 40), stat("/a"), Err(NotFound.into_error()));
        run.finish().unwrap();
        run.query((50, 60), stat("/a"), Ok(file(2)));
        run.finish().unwrap();
        let mut gone = run.clone();
        gone.query((70, 80), stat("/a"), Err(NotFound.into_error()));
        assert_eq!(gone.finish().unwrap_err().invariant, "I9", "it was seen");
        run.query((70, 80), stat("/a"), Ok(file(3)));
        assert_eq!(run.finish().unwrap_err().invariant, "I9", "that is another file");
    }

    #[test]
    fn names_that_a_rename_joins_are_judged_together() {
        let mut run = Run::new();
        run.change((10, 20), create("/a"), Ok(file(2)));
        run.change((30, 40), rename("/a", "/b"), Ok(Done));
        run.query((50, 60), stat("/b"), Ok(file(2)));
        run.query((50, 60), stat("/a"), Err(NotFound.into_error()));
        run.finish().unwrap();
        run.change((70, 80), create("/b"), Ok(file(3)));
        assert_eq!(run.finish().unwrap_err().invariant, "I9");
    }
}
