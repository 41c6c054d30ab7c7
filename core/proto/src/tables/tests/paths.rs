//! Listings, renames and removals by path: pages, conditions, limits.

use super::*;

#[test]
fn lists_come_in_pages() {
    let mut log = Log::new();
    log.mkdir("/d").unwrap();
    for name in ["c", "a", "b"] {
        log.create(&format!("/d/{name}")).unwrap();
    }
    let list = |after, limit| {
        let (entries, more) = log.state.list("/d", after, limit).unwrap();
        (entries.into_iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>(), more)
    };
    assert_eq!(list(None, 2), (vec!["a".to_string(), "b".to_string()], true));
    assert_eq!(list(Some("b"), 2), (vec!["c".to_string()], false));
    assert_eq!(list(Some("c"), 2), (vec![], false));
    assert_eq!(log.state.list("/d/a", None, 2), Err(Refusal::NotADirectory));
    assert_eq!(log.state.list("/x", None, 2), Err(Refusal::NotFound));
}

#[test]
fn the_same_log_gives_the_same_state() {
    let run = || {
        let mut log = Log::new();
        // A fixed walk over a small tree: most changes are refused, some are not.
        let names = ["/a", "/b", "/a/c", "/a/d", "/b/c", "/a/c/e"];
        let mut dice = 7_u64;
        for _ in 0..2_000 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let one = names[(dice >> 33) as usize % names.len()];
            let two = names[(dice >> 43) as usize % names.len()];
            let _ = match (dice >> 55) % 5 {
                0 => log.create(one).map(|_| ()),
                1 => log.mkdir(one).map(|_| ()),
                2 | 3 => log.rename(one, two).map(|_| ()),
                _ => log.delete(one).map(|_| ()),
            };
        }
        log.state
    };
    let state = run();
    assert_eq!(state, run());
    assert!(state.ids.next_file() > FileId(100), "enough changes took effect: {:?}", state.ids);
    assert!(state.counts().trashed > 10);
}

/// Of two that each saw that nothing is there, one finds that something is.
#[test]
fn conditions_are_checked_when_a_change_is_applied() {
    let mut log = Log::new();
    let first = log.create("/first").unwrap();
    let second = log.create("/second").unwrap();
    assert_eq!(log.rename_if("/first", "/to", None, true), Ok(MetadataAnswer::Done));
    let refused = log.rename_if("/second", "/to", None, true);
    assert_eq!(refused, Err(Refusal::AlreadyExists));
    assert_eq!(log.rename_if("/to", "/to", None, true), Err(Refusal::AlreadyExists));
    // Another file is at the path by now: it stays.
    let other = log.rename_if("/to", "/elsewhere", Some(second), false);
    assert_eq!(other, Err(Refusal::NotFound));
    let delete = |this| MetadataChange::Delete { path: "/to".into(), this };
    assert_eq!(log.change(delete(Some(second))), Err(Refusal::NotFound));
    assert_eq!(log.state.stat("/to").map(|info| info.file), Ok(first));
    assert_eq!(log.change(delete(Some(first))), Ok(MetadataAnswer::Done));
    assert_eq!(log.rename_if("/second", "/to", Some(second), true), Ok(MetadataAnswer::Done));
}

/// The limit holds for every path that a rename makes, not only for the two that it names.
#[test]
fn a_rename_makes_no_path_that_is_too_long() {
    let mut log = Log::new();
    let name = "n".repeat(250);
    let mut deep = alloc::string::String::new();
    for _ in 0..16 {
        deep = format!("{deep}/{name}");
        log.mkdir(&deep).unwrap();
    }
    log.mkdir("/t").unwrap();
    log.mkdir("/t/u").unwrap();
    let rest = 4_096 - deep.len() - "/d/".len();
    log.create(&format!("/t/u/{}", "f".repeat(rest))).unwrap();
    let refused = log.rename("/t", &format!("{deep}/dd"));
    assert_eq!(refused, Err(Refusal::NameTooLong));
    assert_eq!(log.rename("/t/u", &format!("{deep}/d")), Ok(MetadataAnswer::Done));
    let longest = format!("{deep}/d/{}", "f".repeat(rest));
    assert_eq!(longest.len(), 4_096);
    assert!(log.state.stat(&longest).is_ok());
    log.state.assert_invariants();
}
