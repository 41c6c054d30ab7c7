//! Each family of rules: a history that keeps it, and histories that break it and are found.

use super::*;
use Refusal::{
    AlreadyExists, AttributesTooLarge, DirectoryNotEmpty, Invalid, IsADirectory, NameTooLong,
    NoAttribute, NotADirectory, NotFound, NotPermitted, NotSupported, PermissionDenied,
    SymlinkLoop, TooManyLinks,
};

/// Calls one after another, each answered by the master's state, and the model beside it.
struct Both {
    log: Log,
    ops: Vec<PosixOp>,
}

impl Both {
    fn new() -> Both {
        Both { log: Log::new(), ops: Vec::new() }
    }

    /// Makes a call that has to succeed.
    fn does(&mut self, uid: u32, asked: impl Into<Asked>) -> &mut Self {
        let answer = self.asks(uid, asked);
        assert!(answer.is_ok(), "{answer:?} of {:?}", self.ops.last());
        self
    }

    fn asks(&mut self, uid: u32, asked: impl Into<Asked>) -> Result<MetadataAnswer, Refusal> {
        let place = Ino::try_from(self.ops.len() + 1).unwrap();
        let (caller, asked) = (caller(uid, i64::from(place) * 10), asked.into());
        let answer = self.log.answer(&caller, &asked);
        let answer_too = Some(answer.clone());
        self.ops.push(PosixOp { place, caller, asked, answer: answer_too, binds: false });
        answer
    }

    /// A call that has to be refused with one of these and no other, whatever the master would say; and
    /// may not succeed.
    #[track_caller]
    fn refuses(&mut self, uid: u32, asked: impl Into<Asked>, with: &[Refusal]) -> &mut Self {
        let answer = self.asks(uid, asked);
        let refusal = answer.expect_err("it has to be refused");
        assert!(with.iter().any(|one| is_alike(one, &refusal)), "{refusal:?}");
        assert!(self.is_explained(), "{:?}", self.ops.last());
        for other in refusals() {
            let allowed = with.iter().any(|one| is_alike(one, &other));
            self.last().answer = Some(Err(other.clone()));
            assert_eq!(self.is_explained(), allowed, "{other:?}");
        }
        self.last().answer = Some(match &self.last().asked {
            Asked::Change(MetadataChange::Delete { .. } | MetadataChange::Rename { .. }) => {
                Ok(MetadataAnswer::Done)
            }
            Asked::Change(MetadataChange::Exchange { .. } | MetadataChange::SetXattr { .. }) => {
                Ok(MetadataAnswer::Done)
            }
            _ => Ok(MetadataAnswer::File(FileInfo::new(FileId(999), FileKind::Fifo, 0))),
        });
        assert!(!self.is_explained(), "a success of {:?}", self.ops.last());
        self.ops.pop();
        self
    }

    fn last(&mut self) -> &mut PosixOp {
        self.ops.last_mut().unwrap()
    }

    fn is_explained(&self) -> bool {
        let mut model = Posix::new(returned(&self.ops), true);
        self.ops.iter().all(|op| model.apply(op).is_some())
    }

    /// What a call that shows an inode was answered, altered: nothing explains that.
    #[track_caller]
    fn shows_only_that(&mut self, uid: u32, query: MetadataQuery, alter: &[fn(&mut FileInfo)]) {
        self.does(uid, query);
        assert!(self.is_explained(), "{:?}", self.ops.last());
        for (number, alter) in alter.iter().enumerate() {
            let right = self.last().answer.clone();
            match self.last().answer.as_mut() {
                Some(Ok(MetadataAnswer::File(info))) => alter(info),
                Some(Ok(MetadataAnswer::List { entries, .. })) => alter(&mut entries[0].1),
                other => panic!("{other:?} shows no inode"),
            }
            assert!(!self.is_explained(), "alteration {number}");
            self.last().answer = right;
        }
    }
}

impl From<MetadataChange> for Asked {
    fn from(change: MetadataChange) -> Asked {
        Asked::Change(change)
    }
}

impl From<MetadataQuery> for Asked {
    fn from(query: MetadataQuery) -> Asked {
        Asked::Query(query)
    }
}

fn refusals() -> Vec<Refusal> {
    vec![
        NotFound,
        AlreadyExists,
        NotADirectory,
        IsADirectory,
        DirectoryNotEmpty,
        Invalid(String::new()),
        NameTooLong,
        PermissionDenied,
        NotPermitted,
        SymlinkLoop,
        TooManyLinks,
        NoAttribute,
        AttributesTooLarge,
        NotSupported,
        Refusal::Busy,
    ]
}

fn is_alike(one: &Refusal, other: &Refusal) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

fn resolve(path: &str) -> MetadataQuery {
    MetadataQuery::Resolve { path: path.into() }
}

fn list(path: &str) -> MetadataQuery {
    MetadataQuery::List { path: path.into(), after: None }
}

fn xattr(path: &str, name: &str) -> MetadataQuery {
    MetadataQuery::Xattr { path: path.into(), name: name.into() }
}

const ATTRIBUTES: &[fn(&mut FileInfo)] = &[
    |info| info.attributes.mode ^= 0o001,
    |info| info.attributes.uid += 1,
    |info| info.attributes.gid += 1,
    |info| info.attributes.links += 1,
    |info| info.attributes.mtime_ns += 1,
    |info| info.attributes.ctime_ns += 1,
    |info| info.attributes.birth_ns += 1,
    |info| info.attributes.atime_ns -= 1,
    |info| info.file = FileId(998),
    |info| info.kind = FileKind::Socket,
];

#[test]
fn what_is_made_has_the_attributes_of_its_call() {
    let mut both = Both::new();
    both.does(1, mkdir("/d", 0o750)).does(1, create("/d/f", 0o640));
    both.shows_only_that(1, stat("/d/f"), ATTRIBUTES);
    both.shows_only_that(1, stat("/d"), ATTRIBUTES);
    both.shows_only_that(1, list("/d"), ATTRIBUTES);
}

#[test]
fn a_link_is_another_name_of_the_same_inode() {
    let mut both = Both::new();
    both.does(0, create("/f", 0o644)).does(0, link("/f", "/g"));
    both.shows_only_that(0, stat("/g"), ATTRIBUTES);
    both.refuses(0, link("/f", "/g"), &[AlreadyExists]);
    both.does(0, delete("/f"));
    both.shows_only_that(0, stat("/g"), ATTRIBUTES);
    both.does(0, mkdir("/d", 0o755));
    both.refuses(0, link("/d", "/e"), &[NotPermitted]);
    both.refuses(0, link("/nothing", "/e"), &[NotFound]);
}

/// Two names of one file: rename does nothing, and both stay (XSH rename).
#[test]
fn a_rename_between_names_of_one_file_does_nothing() {
    let mut both = Both::new();
    both.does(0, create("/f", 0o644)).does(0, link("/f", "/g")).does(0, rename("/f", "/g"));
    both.does(0, stat("/f")).does(0, stat("/g"));
    assert!(both.is_explained());
    both.last().answer = Some(Err(NotFound));
    assert!(!both.is_explained());
}

#[test]
fn an_unlinked_file_may_be_kept_and_a_removed_directory_is_gone() {
    let mut both = Both::new();
    both.does(0, create("/f", 0o644)).does(0, mkdir("/d", 0o755));
    both.does(0, delete("/f")).does(0, delete("/d"));
    let by = |file| MetadataQuery::StatFile { file: FileId(file) };
    both.does(0, by(2));
    assert!(both.is_explained());
    both.last().answer = Some(Err(NotFound));
    assert!(both.is_explained(), "it may have been reclaimed");
    both.refuses(0, by(3), &[NotFound]);
    let again = MetadataChange::Link { from: Path::of(FileId(2)), to: "/again".into() };
    both.refuses(0, again, &[NotFound]);
}

#[test]
fn a_directory_is_searched_read_and_changed_with_permission_only() {
    let mut both = Both::new();
    both.does(1, mkdir("/d", 0o750)).does(1, create("/d/f", 0o600)).does(1, mkdir("/d/e", 0o755));
    both.refuses(2, stat("/d/f"), &[PermissionDenied]);
    both.refuses(2, list("/d"), &[PermissionDenied]);
    both.refuses(2, create("/d/g", 0o600), &[PermissionDenied]);
    both.does(0, chown("/d", None, Some(100)));
    both.does(2, stat("/d/f")).does(2, list("/d"));
    both.refuses(2, delete("/d/f"), &[PermissionDenied]);
    both.refuses(2, rename("/d/f", "/d/g"), &[PermissionDenied]);
    // The first class that fits decides: the owner has less than others.
    both.does(1, chmod("/d", 0o077));
    both.refuses(1, stat("/d/f"), &[PermissionDenied]);
    both.does(2, stat("/d/f"));
    assert!(both.is_explained());
}

#[test]
fn in_a_sticky_directory_owners_remove() {
    let mut both = Both::new();
    both.does(1, create("/f", 0o666)).does(2, create("/g", 0o666));
    both.refuses(2, delete("/f"), &[NotPermitted, PermissionDenied]);
    both.refuses(2, rename("/g", "/f"), &[NotPermitted, PermissionDenied]);
    both.refuses(2, exchange("/g", "/f"), &[NotPermitted, PermissionDenied]);
    both.does(1, delete("/f")).does(0, delete("/g"));
    assert!(both.is_explained());
}

#[test]
fn a_directory_that_moves_must_be_writable() {
    let mut both = Both::new();
    both.does(0, mkdir("/a", 0o777)).does(0, mkdir("/b", 0o777)).does(0, mkdir("/a/d", 0o755));
    both.refuses(1, rename("/a/d", "/b/d"), &[PermissionDenied]);
    both.does(1, rename("/a/d", "/a/e")).does(0, rename("/a/e", "/b/e"));
    both.shows_only_that(0, stat("/a"), ATTRIBUTES);
    both.shows_only_that(0, stat("/b"), ATTRIBUTES);
}

#[test]
fn a_rename_replaces_what_is_like_it() {
    let mut both = Both::new();
    both.does(0, create("/f", 0o644)).does(0, mkdir("/d", 0o755)).does(0, mkdir("/e", 0o755));
    both.does(0, create("/d/g", 0o644));
    both.refuses(0, rename("/f", "/e"), &[IsADirectory]);
    both.refuses(0, rename("/e", "/f"), &[NotADirectory]);
    both.refuses(0, rename("/e", "/d"), &[DirectoryNotEmpty]);
    both.refuses(0, rename("/d", "/d/x"), &[Invalid(String::new())]);
    both.refuses(0, exchange("/d", "/d/g"), &[Invalid(String::new())]);
    both.refuses(0, exchange("/d", "/nothing"), &[NotFound]);
    both.does(0, rename("/d", "/e")).does(0, exchange("/e", "/f"));
    both.shows_only_that(0, stat("/f"), ATTRIBUTES);
    both.shows_only_that(0, stat("/e"), ATTRIBUTES);
    both.shows_only_that(0, stat("/"), &[|info| info.attributes.links += 1]);
    both.does(0, stat("/f/g"));
    assert!(both.is_explained());
}

#[test]
fn symbolic_links_lead_on() {
    let mut both = Both::new();
    both.does(0, mkdir("/d", 0o755)).does(0, create("/d/f", 0o644));
    both.does(0, symlink("d", "/l"))
        .does(0, symlink("../d/f", "/d/up"))
        .does(0, symlink("f/", "/d/s"));
    both.does(0, symlink("m", "/n")).does(0, symlink("/n", "/m"));
    both.shows_only_that(0, stat("/l/f"), ATTRIBUTES);
    both.shows_only_that(0, resolve("/l/up"), ATTRIBUTES);
    both.shows_only_that(0, stat("/l"), &[|info| info.length_reported = Some(2)]);
    both.refuses(0, resolve("/n"), &[SymlinkLoop]);
    both.refuses(0, create("/n/x", 0o644), &[SymlinkLoop]);
    both.refuses(0, resolve("/d/s"), &[NotADirectory]);
    let to = |path: &str| MetadataQuery::ReadLink { path: path.into() };
    both.refuses(0, to("/d/f"), &[Invalid(String::new())]);
    both.does(0, to("/l"));
    both.last().answer = Some(Ok(MetadataAnswer::Bytes(b"e".as_slice().into())));
    assert!(!both.is_explained());
}

#[test]
fn forty_links_are_followed_and_no_more() {
    let mut both = Both::new();
    both.does(0, mkdir("/0", 0o755));
    for number in 1..=41 {
        both.does(0, symlink(&format!("{}", number - 1), &format!("/{number}")));
    }
    both.shows_only_that(0, resolve("/40"), ATTRIBUTES);
    both.refuses(0, resolve("/41"), &[SymlinkLoop]);
}

#[test]
fn owners_and_modes_change_by_their_rules() {
    let mut both = Both::new();
    both.does(1, create("/f", 0o6755));
    both.refuses(2, chmod("/f", 0o777), &[NotPermitted]);
    both.refuses(1, chown("/f", Some(2), None), &[NotPermitted]);
    both.refuses(1, chown("/f", None, Some(9)), &[NotPermitted]);
    both.does(1, chown("/f", None, Some(100)));
    let set_id: &[fn(&mut FileInfo)] = &[
        |info| info.attributes.mode |= 0o4000,
        |info| info.attributes.mode |= 0o2000,
        |info| info.attributes.gid = 1,
    ];
    both.shows_only_that(1, stat("/f"), set_id);
    both.does(0, chown("/f", None, Some(55))).does(1, chmod("/f", 0o2755));
    both.shows_only_that(1, stat("/f"), &[|info| info.attributes.mode |= 0o2000]);
    both.does(0, mkdir("/d", 0o2777)).does(0, chown("/d", None, Some(7)));
    both.does(2, mkdir("/d/e", 0o755)).does(2, create("/d/f", 0o2775));
    both.shows_only_that(2, stat("/d/e"), &[|info| info.attributes.mode &= !0o2000]);
    both.shows_only_that(
        2,
        stat("/d/f"),
        &[|info| info.attributes.mode |= 0o2000, |info| info.attributes.gid = 2],
    );
}

#[test]
fn who_may_write_sets_times_to_now() {
    let now = SetAttributes {
        atime: Some(SetTime::Now),
        mtime: Some(SetTime::Now),
        ..SetAttributes::default()
    };
    let to = SetAttributes { mtime: Some(SetTime::To(3)), ..SetAttributes::default() };
    let mut both = Both::new();
    both.does(1, create("/f", 0o666)).does(1, create("/g", 0o644));
    both.does(2, set("/f", now));
    both.shows_only_that(2, stat("/f"), ATTRIBUTES);
    both.refuses(2, set("/f", to), &[NotPermitted]);
    both.refuses(2, set("/g", now), &[PermissionDenied, NotPermitted]);
    both.does(1, set("/g", to));
    both.shows_only_that(2, stat("/g"), ATTRIBUTES);
}

#[test]
fn extended_attributes_are_kept_by_name_space() {
    use XattrCondition::{Any, Create, Replace};
    let mut both = Both::new();
    both.does(1, create("/f", 0o644)).does(1, symlink("f", "/l"));
    both.refuses(1, set_xattr("/f", "user.a", b"x", Replace), &[NoAttribute]);
    both.does(1, set_xattr("/f", "user.a", b"x", Create));
    both.refuses(1, set_xattr("/f", "user.a", b"y", Create), &[AlreadyExists]);
    both.refuses(2, set_xattr("/f", "user.a", b"y", Any), &[PermissionDenied]);
    both.refuses(1, set_xattr("/l", "user.a", b"y", Any), &[NotPermitted]);
    both.refuses(1, set_xattr("/f", "trusted.a", b"y", Any), &[NotPermitted]);
    both.refuses(1, set_xattr("/f", "other.a", b"y", Any), &[NotSupported]);
    both.refuses(1, set_xattr("/f", "user.b", &[0; 65_537], Any), &[AttributesTooLarge]);
    both.does(0, set_xattr("/f", "trusted.a", b"z", Any));
    both.refuses(1, xattr("/f", "trusted.a"), &[NoAttribute]);
    both.does(2, xattr("/f", "user.a"));
    both.last().answer = Some(Ok(MetadataAnswer::Bytes(b"y".as_slice().into())));
    assert!(!both.is_explained(), "the value of a refused call");
    both.ops.pop();
    both.does(1, MetadataQuery::Xattrs { path: "/f".into() });
    assert!(both.is_explained());
    both.last().answer =
        Some(Ok(MetadataAnswer::Xattrs(vec!["trusted.a".into(), "user.a".into()])));
    assert!(!both.is_explained(), "what the caller may not read is not listed");
}

/// Names are bytes: two that differ are two.
#[test]
fn names_and_paths_have_limits() {
    let mut both = Both::new();
    let long = format!("/{}", "n".repeat(255));
    both.does(0, create(&long, 0o644));
    both.shows_only_that(0, stat(&long), ATTRIBUTES);
    both.refuses(0, create(&format!("{long}n"), 0o644), &[NameTooLong]);
    both.refuses(0, create("/a/../b", 0o644), &[Invalid(String::new())]);
}

#[test]
fn a_file_has_65_000_names_at_the_most() {
    let mut both = Both::new();
    both.does(0, create("/f", 0o644)).does(0, mkdir("/d", 0o755));
    for number in 1..65_000 {
        both.does(0, link("/f", &format!("/d/{number}")));
    }
    assert_eq!(both.asks(0, link("/f", "/g")), Err(TooManyLinks));
    assert!(both.is_explained());
    both.last().answer = Some(Err(NotPermitted));
    assert!(!both.is_explained());
}
