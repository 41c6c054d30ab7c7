//! I9: the namespace looks as if calls happened one after another, each once.

use crate::history::{Call, Ending, History, Operated};
use crate::linearizability::{Timed, Verdict, check};
use crate::names::{Asked, Names, NamesOp, Path, text_of};
use crate::violation::{Invariant, Violation};
use leasehold_proto::metadata::{MetadataAnswer, MetadataChange, MetadataQuery};
use leasehold_proto::{FileId, Refusal};
use std::collections::{BTreeMap, BTreeSet};

/// I9.
pub const INVARIANT: Invariant = Invariant {
    id: "I9",
    name: "namespace",
    sentence: "create, mkdir, rename, delete, stat and list are linearizable, and each change \
               takes effect once, across restarts of masters",
    source: "POSIX.1-2017 (rename, unlink, mkdir); Herlihy and Wing 1990; exactly once: Lee et \
             al., RIFL 2015",
};

/// Steps that the search may take for one tree.
pub const STEPS_MAX: u64 = 2_000_000;

/// What was judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Calls that some order explains.
    pub held: u64,
    /// Trees whose search was given up.
    pub undecided: u64,
}

/// Judges a whole history. What hangs below one name of the root is an object of its own, unless
/// a call has to do with several of them.
pub fn finish(history: &History, true_ns: u64) -> Result<Judged, Violation> {
    let makers = makers(history).map_err(|detail| INVARIANT.broken(true_ns, detail))?;
    let mut judged = Judged::default();
    if !history.operations().iter().all(is_modelled) {
        return Ok(Judged { undecided: 1, ..judged });
    }
    for (top, calls) in trees(history) {
        let ops: Vec<Timed<NamesOp>> =
            calls.iter().map(|at| timed(&history.operations()[*at], &makers)).collect();
        match check(Names::default(), &ops, STEPS_MAX) {
            Verdict::Linearizable => judged.held += ops.len() as u64,
            Verdict::Undecided => judged.undecided += 1,
            Verdict::Violated { stuck } => {
                let operated = &history.operations()[calls[stuck]];
                let detail = format!(
                    "below /{top}: no order of {} calls explains {}, answered {}",
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

/// The id of everything that was made, by those who were told. No two were told the same.
fn makers(history: &History) -> Result<BTreeSet<FileId>, String> {
    let mut made: BTreeMap<FileId, &Operated> = BTreeMap::new();
    for operated in history.operations() {
        let (Call::Change { change }, Some(Ok(MetadataAnswer::File(info)))) =
            (&operated.call, &operated.answer)
        else {
            continue;
        };
        if matches!(change, MetadataChange::Restore { .. }) {
            continue;
        }
        if let Some(other) = made.insert(info.file, operated) {
            let (one, two) = (&other.call, &operated.call);
            return Err(format!("{} was made twice: by `{one}` and by `{two}`", info.file));
        }
    }
    Ok(made.into_keys().collect())
}

fn timed(operated: &Operated, makers: &BTreeSet<FileId>) -> Timed<NamesOp> {
    let asked = match &operated.call {
        Call::Change { change } => Asked::Change(change.clone()),
        Call::Query { query } => Asked::Query(query.clone()),
        Call::Write { .. }
        | Call::Append { .. }
        | Call::Read { .. }
        | Call::Cut { .. }
        | Call::Retire { .. } => {
            unreachable!("trees are made of calls to a master")
        }
    };
    let is_news = |file: &FileId| !makers.contains(file);
    let tells_news = match (&operated.call, &operated.answer) {
        (Call::Query { .. }, Some(Ok(MetadataAnswer::File(info)))) => is_news(&info.file),
        (Call::Query { .. }, Some(Ok(MetadataAnswer::List { entries, .. }))) => {
            entries.iter().any(|(_, info)| is_news(&info.file))
        }
        _ => false,
    };
    let answer = operated.answer.clone();
    let returned_ns = operated.returned_ns.filter(|_| operated.ending != Ending::Open);
    let invoked_ns = operated.invoked_ns;
    Timed { invoked_ns, returned_ns, op: NamesOp { asked, answer, tells_news } }
}

/// The calls that are judged, by the first name of the tree that they have to do with.
fn trees(history: &History) -> BTreeMap<String, Vec<usize>> {
    let mut trees = Trees::default();
    let mut calls: Vec<(usize, String)> = Vec::new();
    for (at, operated) in history.operations().iter().enumerate() {
        if !is_judged(operated) {
            continue;
        }
        let tops = match &operated.call {
            Call::Change { change } => changed(change),
            Call::Query { query: MetadataQuery::Stat { path } } => vec![text_of(path)],
            Call::Query { query: MetadataQuery::List { path, .. } } => {
                let path = text_of(path);
                trees.one_for_all |= path == "/";
                vec![path]
            }
            _ => continue,
        };
        let tops: Vec<&str> =
            tops.iter().map(|path| Path::parse(path).and_then(Path::top).unwrap_or("")).collect();
        trees.join(&tops);
        calls.push((at, tops[0].to_owned()));
    }
    let mut by_tree: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, top) in calls {
        by_tree.entry(trees.of(&top)).or_default().push(at);
    }
    by_tree
}

/// Links, attributes and special files are for the model of inodes; a history with one of these is not
/// judged by paths.
fn is_modelled(operated: &Operated) -> bool {
    match &operated.call {
        Call::Change { change } => !matches!(
            change,
            MetadataChange::MakeSpecial { .. }
                | MetadataChange::Link { .. }
                | MetadataChange::Exchange { .. }
                | MetadataChange::SetAttributes { .. }
                | MetadataChange::SetXattr { .. }
                | MetadataChange::RemoveXattr { .. }
        ),
        _ => true,
    }
}

fn changed(change: &MetadataChange) -> Vec<String> {
    match change {
        MetadataChange::Create { path, .. }
        | MetadataChange::Mkdir { path, .. }
        | MetadataChange::MakeSpecial { path, .. }
        | MetadataChange::SetAttributes { path, .. }
        | MetadataChange::SetXattr { path, .. }
        | MetadataChange::RemoveXattr { path, .. }
        | MetadataChange::Delete { path, .. } => vec![text_of(path)],
        MetadataChange::Rename { from, to, .. }
        | MetadataChange::Link { from, to }
        | MetadataChange::Exchange { from, to } => vec![text_of(from), text_of(to)],
        MetadataChange::Restore { to, .. } => vec![text_of(to)],
        MetadataChange::EmptyTrash { .. }
        | MetadataChange::AddChunk { .. }
        | MetadataChange::Truncate { .. }
        | MetadataChange::SetConstants { .. }
        | MetadataChange::ForgetServer { .. } => vec!["/".to_owned()],
    }
}

/// Calls that had no effect, and answers that say nothing about names, are not judged; nor is a
/// question without an answer.
fn is_judged(operated: &Operated) -> bool {
    let about_names = match &operated.call {
        Call::Change { change } => !matches!(
            change,
            MetadataChange::AddChunk { .. }
                | MetadataChange::Truncate { .. }
                | MetadataChange::EmptyTrash { .. }
                | MetadataChange::SetConstants { .. }
                | MetadataChange::ForgetServer { .. }
        ),
        Call::Query { query } => {
            matches!(query, MetadataQuery::Stat { .. } | MetadataQuery::List { .. })
        }
        Call::Write { .. }
        | Call::Append { .. }
        | Call::Read { .. }
        | Call::Cut { .. }
        | Call::Retire { .. } => false,
    };
    let said = match &operated.answer {
        Some(Err(refusal)) => matches!(
            refusal,
            Refusal::NotFound
                | Refusal::AlreadyExists
                | Refusal::NotADirectory
                | Refusal::IsADirectory
                | Refusal::DirectoryNotEmpty
                | Refusal::NameTooLong
                | Refusal::Invalid(_)
        ),
        Some(Ok(_)) => true,
        None => matches!(operated.call, Call::Change { .. }) && operated.ending == Ending::Open,
    };
    about_names && said
}

/// Which names of the root belong together.
#[derive(Default)]
struct Trees {
    /// Each name's elder; the eldest is its own.
    elders: BTreeMap<String, String>,
    one_for_all: bool,
}

impl Trees {
    fn of(&self, top: &str) -> String {
        if self.one_for_all {
            return String::new();
        }
        let mut at = top;
        while let Some(elder) = self.elders.get(at).filter(|elder| *elder != at) {
            at = elder;
        }
        at.to_owned()
    }

    fn join(&mut self, tops: &[&str]) {
        for pair in tops.windows(2) {
            let (one, other) = (self.of(pair[0]), self.of(pair[1]));
            if one != other {
                self.elders.insert(one, other);
            }
        }
    }
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
