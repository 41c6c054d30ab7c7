//! Whole histories, with calls beside each other and calls whose outcome is unknown.

use super::{Asked, caller};
use crate::testing::*;
use Refusal::{AlreadyExists, NotFound};
use leasehold_proto::metadata::MetadataAnswer::Done;
use leasehold_proto::metadata::{MetadataAnswer, MetadataChange, MetadataQuery};
use leasehold_proto::{FileId, OpError, Path, Refusal};

const UNKNOWN: OpError = OpError::TimedOut { maybe: true, last: None };

/// A master's state that answers at one moment, and a history in which the call has longer.
struct Recorded {
    run: Run,
    log: super::Log,
}

impl Recorded {
    fn new() -> Recorded {
        Recorded { run: Run::new(), log: super::Log::new() }
    }

    fn by(&mut self, uid: u32) -> &mut Self {
        self.run.caller = caller(uid, 0);
        self
    }

    /// Takes effect now, and is recorded with these times.
    fn change(&mut self, span_ns: (u64, u64), change: MetadataChange) -> &mut Self {
        let answer = self.log.answer(&self.run.caller, &Asked::Change(change.clone()));
        self.run.change(span_ns, change, answer.map_err(OpError::Refused));
        self
    }

    /// Takes effect now, and its answer is lost.
    fn unknown(&mut self, span_ns: (u64, u64), change: MetadataChange) -> &mut Self {
        let _ = self.log.answer(&self.run.caller, &Asked::Change(change.clone()));
        self.run.change(span_ns, change, Err(UNKNOWN));
        self
    }

    fn query(&mut self, span_ns: (u64, u64), query: MetadataQuery) -> &mut Self {
        let answer = self.answer(&query);
        self.run.query(span_ns, query, answer.map_err(OpError::Refused));
        self
    }

    fn answer(&mut self, query: &MetadataQuery) -> Result<MetadataAnswer, Refusal> {
        self.log.answer(&self.run.caller, &Asked::Query(query.clone()))
    }

    #[track_caller]
    fn is_good(&mut self) {
        if let Err(violation) = self.run.clone().finish() {
            panic!("{violation}");
        }
    }

    /// The same history with one more answer is bad.
    #[track_caller]
    fn is_bad_with(
        &self,
        span_ns: (u64, u64),
        query: MetadataQuery,
        answer: Result<MetadataAnswer, Refusal>,
    ) {
        let mut run = self.run.clone();
        run.query(span_ns, query, answer.map_err(OpError::Refused));
        assert_eq!(run.finish().unwrap_err().invariant, "I9");
    }
}

#[test]
fn an_exchange_beside_looks_is_seen_whole_or_not_at_all() {
    let mut recorded = Recorded::new();
    recorded.change((1, 2), create("/a")).change((3, 4), super::symlink("x", "/b"));
    let before = (recorded.answer(&stat("/a")), recorded.answer(&stat("/b")));
    recorded.change((10, 90), super::exchange("/a", "/b"));
    recorded.query((20, 30), stat("/a")).query((40, 50), stat("/b"));
    recorded.is_good();
    // Seen exchanged once, and not exchanged later.
    recorded.is_bad_with((60, 70), stat("/b"), before.1);
    recorded.is_bad_with((60, 70), stat("/a"), before.0);
}

#[test]
fn a_link_of_unknown_outcome_was_made_once_at_the_most() {
    let mut recorded = Recorded::new();
    recorded.change((1, 2), create("/a"));
    let one = recorded.answer(&stat("/a"));
    recorded.run.change((10, 20), super::link("/a", "/b"), Err(UNKNOWN));
    recorded.run.query((30, 40), stat("/a"), one.clone().map_err(OpError::Refused));
    recorded.is_good();
    recorded.unknown((50, 60), super::link("/a", "/c"));
    recorded.query((70, 80), stat("/a"));
    recorded.is_good();
    let mut thrice = recorded.answer(&stat("/a")).unwrap();
    if let MetadataAnswer::File(info) = &mut thrice {
        info.attributes.links = 4;
    }
    recorded.is_bad_with((90, 95), stat("/a"), Ok(thrice));
}

#[test]
fn a_change_of_mode_that_was_seen_stays() {
    let mut recorded = Recorded::new();
    recorded.by(1).change((1, 2), mkdir("/d")).change((3, 4), create("/d/f"));
    recorded.by(1).unknown((10, 20), super::chmod("/d", 0o700));
    recorded.by(2).query((30, 40), stat("/d/f"));
    recorded.is_good();
    let seen = recorded.by(0).answer(&stat("/d/f"));
    recorded.by(2);
    recorded.is_bad_with((50, 60), stat("/d/f"), seen);
}

#[test]
fn of_two_that_make_one_name_beside_each_other_one_is_refused() {
    let mut recorded = Recorded::new();
    recorded
        .change((10, 30), super::symlink("x", "/n"))
        .change((20, 40), super::mkdir("/n", 0o755));
    recorded.is_good();
    let mut both = Recorded::new();
    both.change((10, 30), super::symlink("x", "/n"));
    both.run.change((20, 40), mkdir("/n"), Ok(directory(9)));
    assert_eq!(both.run.finish().unwrap_err().invariant, "I9");
}

/// A name that was moved while its directory was named by its identity: addresses by identity and by path
/// are judged together.
#[test]
fn an_inode_is_the_same_under_every_address() {
    let mut recorded = Recorded::new();
    recorded.change((1, 2), mkdir("/d")).change((3, 4), mkdir("/e"));
    let by = |text: &[u8]| Path::at(FileId(2), text);
    let made = MetadataChange::Mkdir { path: by(b"x"), mode: 0o755 };
    recorded.change((5, 6), made).change((7, 8), super::rename("/d", "/e/d"));
    recorded.query((9, 10), stat("/e/d/x"));
    recorded.query((11, 12), MetadataQuery::Stat { path: by(b"x") });
    recorded.is_good();
    recorded.is_bad_with((13, 14), MetadataQuery::Stat { path: by(b"x") }, Err(NotFound));
    recorded.is_bad_with((13, 14), stat("/e/d/x"), Err(NotFound));
}

#[test]
fn a_symbolic_link_joins_what_it_leads_to() {
    let mut recorded = Recorded::new();
    recorded.change((1, 2), mkdir("/d")).change((3, 4), super::symlink("d", "/l"));
    recorded.change((5, 6), super::create("/l/f", 0o644)).query((7, 8), stat("/d/f"));
    recorded.is_good();
    recorded.is_bad_with((9, 10), stat("/d/f"), Err(NotFound));
}

#[test]
fn an_exclusive_change_of_xattr_succeeds_once() {
    use leasehold_proto::XattrCondition::Create;
    let set = |value: &[u8]| super::set_xattr("/f", "user.a", value, Create);
    let mut recorded = Recorded::new();
    recorded.change((1, 2), create("/f")).change((10, 30), set(b"1")).change((20, 40), set(b"2"));
    recorded.is_good();
    let mut both = Recorded::new();
    both.change((1, 2), create("/f"));
    both.run.change((10, 30), set(b"1"), Ok(Done));
    both.run.change((20, 40), set(b"2"), Ok(Done));
    assert_eq!(both.run.finish().unwrap_err().invariant, "I9");
}

/// A change that its own retry finds done.
#[test]
fn a_change_that_is_executed_twice_is_found() {
    let mut recorded = Recorded::new();
    recorded.change((1, 2), create("/a"));
    let mut run = recorded.run.clone();
    run.change((3, 4), super::link("/a", "/b"), Err(OpError::Refused(AlreadyExists)));
    assert_eq!(run.finish().unwrap_err().invariant, "I9");
    recorded.change((3, 4), create("/b")).change((5, 6), super::exchange("/a", "/b"));
    // Twice is not at all.
    recorded.is_bad_with((7, 8), stat("/a"), Ok(file(2)));
    recorded.query((7, 8), stat("/a"));
    recorded.is_good();
}

/// What is named by an identity that no answer shows is left undecided, with all that it touches; the rest is
/// judged.
#[test]
fn an_unknown_identity_decides_nothing() {
    let mut recorded = Recorded::new();
    recorded.unknown((1, 2), mkdir("/d"));
    let path = Path::at(FileId(2), b"x");
    recorded.change((5, 6), MetadataChange::Mkdir { path, mode: 0o755 });
    recorded.change((7, 8), create("/a"));
    recorded.is_good();
    recorded.run.finish().unwrap();
    assert_eq!(recorded.run.checkers.undecided(), 1);
    recorded.is_bad_with((9, 10), stat("/a"), Err(NotFound));
}
