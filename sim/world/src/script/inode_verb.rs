//! What a client can be told to do with links, modes, owners and extended attributes: `a chmod 755 /f`,
//! `a as 1:100 link /f /g`.

use super::verb::{Ask, Verb};
use super::words::{Words, Wrong, data};
use leasehold_proto::metadata::{MetadataChange, MetadataQuery, Special};
use leasehold_proto::{Caller, SetAttributes, SetTime, XattrCondition};

/// `1`, or `1:100,7`: a user, of this group and those. A user without a group has one of the same number.
pub(super) fn caller(word: &str) -> Result<Caller, Wrong> {
    let number = |text: &str| {
        text.parse::<u32>().map_err(|_| format!("`{word}` is not a user, as 1 or 1:100,7"))
    };
    let (uid, groups) = word.split_once(':').unwrap_or((word, ""));
    let uid = number(uid)?;
    let groups: Vec<u32> = groups
        .split(',')
        .filter(|group| !group.is_empty())
        .map(number)
        .collect::<Result<_, _>>()?;
    let (gid, further) = groups.split_first().map_or((uid, &[][..]), |(gid, rest)| (*gid, rest));
    Ok(Caller { uid, gid, groups: further.into(), clock_ns: 0 })
}

/// None if this is no such verb.
pub(super) fn parse(verb: &str, words: &mut Words) -> Result<Option<Verb>, Wrong> {
    let change = match verb {
        "symlink" => {
            let what = Special::Symlink(words.expect("where it leads to")?.as_bytes().into());
            MetadataChange::MakeSpecial { path: words.expect("a path")?.into(), what, mode: 0o777 }
        }
        "mkfifo" => MetadataChange::MakeSpecial {
            path: words.expect("a path")?.into(),
            what: Special::Fifo,
            mode: 0o644,
        },
        "mknod" => MetadataChange::MakeSpecial {
            path: words.expect("a path")?.into(),
            what: Special::CharDevice(1),
            mode: 0o644,
        },
        "link" => MetadataChange::Link {
            from: words.expect("a file")?.into(),
            to: words.expect("its new name")?.into(),
        },
        "exchange" => MetadataChange::Exchange {
            from: words.expect("a path")?.into(),
            to: words.expect("another path")?.into(),
        },
        "chmod" | "chown" | "touch" => {
            let set = Box::new(attributes(verb, words)?);
            MetadataChange::SetAttributes { path: words.expect("a path")?.into(), set }
        }
        "setfattr" => set_xattr(words)?,
        "rmfattr" => MetadataChange::RemoveXattr {
            path: words.expect("a path")?.into(),
            name: words.expect("an extended attribute")?.into(),
        },
        _ => return Ok(question(verb, words)?.map(|query| Verb::Plain(Ask::Query(query)))),
    };
    Ok(Some(Verb::Plain(Ask::Change(change))))
}

fn question(verb: &str, words: &mut Words) -> Result<Option<MetadataQuery>, Wrong> {
    if !matches!(verb, "resolve" | "readlink" | "getfattr") {
        return Ok(None);
    }
    let path = words.expect("a path")?.into();
    Ok(Some(match verb {
        "resolve" => MetadataQuery::Resolve { path },
        "readlink" => MetadataQuery::ReadLink { path },
        _ => match words.next() {
            Some(name) => MetadataQuery::Xattr { path, name: name.into() },
            None => MetadataQuery::Xattrs { path },
        },
    }))
}

/// `chmod 4755`, `chown 1:100`, `chown :100`, `touch`.
fn attributes(verb: &str, words: &mut Words) -> Result<SetAttributes, Wrong> {
    let none = SetAttributes::default();
    match verb {
        "chmod" => {
            let word = words.expect("a mode")?;
            let mode = u16::from_str_radix(word, 8);
            let mode = mode.map_err(|_| format!("`{word}` is not a mode, as 755"))?;
            Ok(SetAttributes { mode: Some(mode), ..none })
        }
        "chown" => {
            let word = words.expect("an owner, as 1:100")?;
            let (uid, gid) = word.split_once(':').unwrap_or((word, ""));
            let number = |text: &str| match text {
                "" => Ok(None),
                _ => text.parse().map(Some).map_err(|_| format!("`{word}` is not an owner")),
            };
            Ok(SetAttributes { uid: number(uid)?, gid: number(gid)?, ..none })
        }
        _ => {
            let now = Some(SetTime::Now);
            Ok(SetAttributes { atime: now, mtime: now, ..none })
        }
    }
}

/// `setfattr /f user.a "x" [create|replace]`.
fn set_xattr(words: &mut Words) -> Result<MetadataChange, Wrong> {
    let path = words.expect("a path")?.into();
    let name = words.expect("an extended attribute")?.into();
    let value = data(words.expect("its value")?)?.into();
    let condition = match words.next() {
        None => XattrCondition::Any,
        Some("create") => XattrCondition::Create,
        Some("replace") => XattrCondition::Replace,
        Some(word) => return Err(format!("`{word}` is not `create` or `replace`")),
    };
    Ok(MetadataChange::SetXattr { path, name, value, condition })
}
