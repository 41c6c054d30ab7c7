//! What a client can be told to do: `a write /f 0 "hello"`.

use super::command::settings;
use super::inode_verb;
use super::setup::set_spec;
use super::words::{Words, Wrong, data, number};
use leasehold_proto::message::ReadMode;
use leasehold_proto::metadata::{FileSpec, MetadataChange, MetadataQuery};
use leasehold_proto::{Extent, FileCall, FileId, LockKind, LockOwner};

/// One request of a client, its path not resolved yet.
#[derive(Clone, Debug)]
pub(super) enum Verb {
    /// Create, Open: the answer brings a handle for this path.
    Handle { path: String, call: FileCall },
    /// Anything else about the namespace.
    Plain(Ask),
    /// A change of the cluster's constants.
    Set(Vec<(String, String)>),
    /// Bytes at an offset of the file.
    Write { path: String, offset: u64, data: Vec<u8> },
    /// A record.
    Append { path: String, data: Vec<u8> },
    /// A length, and the bytes that the file loses or gets by it.
    Truncate { path: String, length: u64 },
    /// A lock of a range, or none.
    Lock { path: String, lock: LockWords, kind: Option<LockKind> },
    /// What does not allow a lock.
    Conflict { path: String, lock: LockWords, kind: LockKind },
    /// Bytes of the file.
    Read { path: String, offset: u64, length: u64, mode: ReadMode },
}

/// `0+10 owner=2 wait`: of the whole file and for owner 1, unless it says otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct LockWords {
    pub range: Extent,
    pub owner: LockOwner,
    pub wait: bool,
}

impl LockWords {
    fn parse(words: &mut Words) -> Result<Self, Wrong> {
        let range = Extent::new(0, u64::MAX);
        let mut lock = LockWords { range, owner: LockOwner(1), wait: false };
        while let Some(word) = words.next() {
            if word == "wait" {
                lock.wait = true;
            } else if let Some(owner) = word.strip_prefix("owner=") {
                lock.owner = LockOwner(number(owner)?);
            } else if let Some((offset, length)) = word.split_once('+') {
                lock.range = Extent::new(number(offset)?, number(length)?);
            } else {
                return Err(format!("`{word}` is not `0+10`, `owner=2` or `wait`"));
            }
        }
        Ok(lock)
    }
}

/// `shared` or `exclusive`.
fn lock_kind(word: &str) -> Result<LockKind, Wrong> {
    match word {
        "shared" => Ok(LockKind::Shared),
        "exclusive" => Ok(LockKind::Exclusive),
        _ => Err(format!("`{word}` is not `shared` or `exclusive`")),
    }
}

#[derive(Clone, Debug)]
pub(super) enum Ask {
    Change(MetadataChange),
    Query(MetadataQuery),
}

impl Verb {
    pub fn parse(verb: &str, words: &mut Words, spec: FileSpec) -> Result<Self, Wrong> {
        if verb == "set" {
            return Ok(Verb::Set(settings(words)?));
        }
        if let Some(verb) = inode_verb::parse(verb, words)? {
            return Ok(verb);
        }
        let mut path = || words.expect("a path").map(str::to_string);
        let verb = match verb {
            "create" => Self::create(path()?, words, spec)?,
            "open" => {
                let path = path()?;
                let call = FileCall::Open { path: path.clone().into() };
                Verb::Handle { path, call }
            }
            "mkdir" => Verb::Plain(Ask::Change(MetadataChange::Mkdir {
                path: path()?.into(),
                mode: 0o755,
            })),
            "rename" => {
                let (from, to) = (path()?, path()?);
                let no_replace = if_absent(words.next())?;
                let change = MetadataChange::Rename {
                    from: from.into(),
                    to: to.into(),
                    this: None,
                    no_replace,
                };
                Verb::Plain(Ask::Change(change))
            }
            "delete" => {
                let (path, this) = (path()?, None);
                Verb::Plain(Ask::Change(MetadataChange::Delete { path: path.into(), this }))
            }
            "stat" => Verb::Plain(Ask::Query(MetadataQuery::Stat { path: path()?.into() })),
            "ls" => {
                let path = path()?;
                Verb::Plain(Ask::Query(MetadataQuery::List { path: path.into(), after: None }))
            }
            "trash" => Verb::Plain(Ask::Query(MetadataQuery::Trash { after: None })),
            "restore" => {
                let (file, to) = (file(path()?.as_str())?, path()?);
                let no_replace = if_absent(words.next())?;
                Verb::Plain(Ask::Change(MetadataChange::Restore {
                    file,
                    to: to.into(),
                    no_replace,
                }))
            }
            "empty-trash" => {
                let files = vec![file(path()?.as_str())?];
                Verb::Plain(Ask::Change(MetadataChange::EmptyTrash { files }))
            }
            "status" => Verb::Plain(Ask::Query(MetadataQuery::Status)),
            "safe-mode" => Verb::Plain(Ask::Query(MetadataQuery::SafeMode)),
            "leave-safe-mode" => Verb::Plain(Ask::Query(MetadataQuery::LeaveSafeMode)),
            "constants" => Verb::Plain(Ask::Query(MetadataQuery::Constants)),
            "write" => Verb::Write {
                path: path()?,
                offset: number(words.expect("an offset")?)?,
                data: data(words.expect("data")?)?,
            },
            "append" => Verb::Append { path: path()?, data: data(words.expect("data")?)? },
            "truncate" => {
                Verb::Truncate { path: path()?, length: number(words.expect("a length")?)? }
            }
            "lock" => {
                let (path, kind) = (path()?, Some(lock_kind(words.expect("a kind of lock")?)?));
                Verb::Lock { path, lock: LockWords::parse(words)?, kind }
            }
            "unlock" => Verb::Lock { path: path()?, lock: LockWords::parse(words)?, kind: None },
            "conflict" => {
                let (path, kind) = (path()?, lock_kind(words.expect("a kind of lock")?)?);
                Verb::Conflict { path, lock: LockWords::parse(words)?, kind }
            }
            "read" => Self::read(path()?, words)?,
            _ => return Err(format!("a client does not know how to `{verb}`")),
        };
        Ok(verb)
    }

    fn create(path: String, words: &mut Words, mut spec: FileSpec) -> Result<Self, Wrong> {
        while let Some(word) = words.next() {
            let (key, value) =
                word.split_once('=').ok_or_else(|| format!("`{word}` is not key=value"))?;
            set_spec(&mut spec, key, value)?;
        }
        let call = FileCall::Create { path: path.clone().into(), spec, mode: 0o644 };
        Ok(Verb::Handle { path, call })
    }

    fn read(path: String, words: &mut Words) -> Result<Self, Wrong> {
        let offset = number(words.expect("an offset")?)?;
        let length = number(words.expect("a length")?)?;
        let mode = match words.next() {
            None => ReadMode::Strong,
            Some("relaxed") => ReadMode::Relaxed,
            Some(word) => return Err(format!("`{word}` is not `relaxed`")),
        };
        Ok(Verb::Read { path, offset, length, mode })
    }
}

/// `f7`, as answers name files.
fn file(word: &str) -> Result<FileId, Wrong> {
    let number = word.strip_prefix('f').and_then(|digits| digits.parse().ok());
    number.map(FileId).ok_or_else(|| format!("`{word}` is no file: f7"))
}

fn if_absent(word: Option<&str>) -> Result<bool, Wrong> {
    match word {
        None => Ok(false),
        Some("if-absent") => Ok(true),
        Some(word) => Err(format!("`{word}` is not `if-absent`")),
    }
}
