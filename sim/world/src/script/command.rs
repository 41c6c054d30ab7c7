//! One command of a script.

use super::inode_verb;
use super::setup::Setup;
use super::verb::Verb;
use super::words::{Words, Wrong, chunk, link, node, number, ppm, span};
use crate::action::{Action, Failure};
use crate::names;
use crate::show::Detail;
use leasehold_proto::metadata::FileSpec;
use leasehold_proto::{Caller, NodeId};
use std::time::Duration;

/// What to do with a message in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Deliver,
    Drop,
    Duplicate,
}

/// What to do with an I/O in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IoFate {
    Complete,
    Persist,
    Fail(Failure),
}

/// What a `show` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    Chunks,
    Leases,
    Messages,
    Io,
}

#[derive(Clone, Debug)]
pub(super) enum Command {
    Cluster(Box<Setup>),
    Detail(Detail),
    Client {
        node: NodeId,
        label: String,
        /// The credentials; the superuser's, unless the line says `as`.
        caller: Box<Caller>,
        verb: Verb,
    },
    /// Lets the fair schedule continue for so long.
    Run(Duration),
    /// ... until every request is answered.
    Settle,
    /// ... until somebody tells this event.
    RunUntil {
        event: String,
        node: Option<NodeId>,
    },
    Message {
        fate: Fate,
        all: bool,
        link: (NodeId, NodeId),
        kind: String,
        /// Of several, the how-many-eth that was sent, from 1.
        place: usize,
    },
    Hold {
        link: (NodeId, NodeId),
        kind: String,
    },
    HoldIo {
        node: NodeId,
        kind: String,
    },
    ReleaseLink {
        link: (NodeId, NodeId),
    },
    ReleaseIo {
        node: NodeId,
    },
    ReleaseAll,
    Io {
        fate: IoFate,
        node: NodeId,
        kind: String,
        /// Of several, the how-many-eth that was begun, from 1.
        place: usize,
    },
    /// True time passes, and nobody looks at a clock.
    Advance(Duration),
    Act(Vec<Action>),
    /// Configures a node's next processes with other constants than the cluster's, on purpose or as
    /// another build's defaults.
    Own {
        node: NodeId,
        settings: Vec<(String, String)>,
        insists: bool,
    },
    /// Cuts or mends every link of a node.
    Isolate {
        node: NodeId,
        cut: bool,
    },
    Show(Topic),
    /// Judges the end of the run.
    Check,
}

impl Command {
    pub fn parse(line: &str, spec: FileSpec) -> Result<Self, Wrong> {
        let line = line.replace(" -> ", "->");
        let mut words = Words::new(&line);
        let first = words.expect("a command")?;
        let command = match first {
            "cluster" => Command::Cluster(Box::new(Setup::parse(&mut words)?)),
            "detail" => Command::Detail(detail(words.expect("answers, main or all")?)?),
            "run" => run(&mut words)?,
            "advance" => Command::Advance(span(words.expect("how long")?)?),
            "deliver" => message(Fate::Deliver, &mut words)?,
            "drop" => message(Fate::Drop, &mut words)?,
            "duplicate" => message(Fate::Duplicate, &mut words)?,
            "hold" | "release" => hold(first, &mut words)?,
            "io" => io(IoFate::Complete, &mut words)?,
            "persist" => io(IoFate::Persist, &mut words)?,
            "fail" => {
                let failure = failure(words.expect("nospace, disk or unknown")?)?;
                io(IoFate::Fail(failure), &mut words)?
            }
            "cut" | "mend" => cut(first == "cut", &mut words)?,
            "show" => Command::Show(topic(words.expect("a topic")?)?),
            "check" => Command::Check,
            "own" | "insist" => own(first == "insist", &mut words)?,
            _ => match action(first, &mut words)? {
                Some(action) => Command::Act(vec![action]),
                None => client(&line, first, &mut words, spec)?,
            },
        };
        words.end()?;
        Ok(command)
    }
}

fn client(line: &str, first: &str, words: &mut Words, spec: FileSpec) -> Result<Command, Wrong> {
    let node = names::parse(first).ok_or_else(|| format!("there is no command `{first}`"))?;
    let (mut verb, mut caller) = (words.expect("what the client does")?, Box::default());
    if verb == "as" {
        caller = Box::new(inode_verb::caller(words.expect("a user")?)?);
        verb = words.expect("what the client does")?;
    }
    let verb = Verb::parse(verb, words, spec)?;
    Ok(Command::Client { node, label: line.trim().to_string(), caller, verb })
}

fn detail(word: &str) -> Result<Detail, Wrong> {
    match word {
        "answers" => Ok(Detail::Answers),
        "main" => Ok(Detail::Main),
        "all" => Ok(Detail::All),
        _ => Err(format!("`{word}` is not answers, main or all")),
    }
}

fn run(words: &mut Words) -> Result<Command, Wrong> {
    match words.next() {
        None => Ok(Command::Settle),
        Some("until") => {
            let event = words.expect("an event")?.to_string();
            let node = words.next().map(node).transpose()?;
            Ok(Command::RunUntil { event, node })
        }
        Some(word) => Ok(Command::Run(span(word)?)),
    }
}

fn message(fate: Fate, words: &mut Words) -> Result<Command, Wrong> {
    let mut word = words.expect("a link")?;
    let all = word == "all";
    if all {
        word = words.expect("a link")?;
    }
    let (kind, place) = kind_and_place(words)?;
    Ok(Command::Message { fate, all, link: link(word)?, kind, place })
}

/// `Prepare`, or `Prepare #2` for the second of several.
fn kind_and_place(words: &mut Words) -> Result<(String, usize), Wrong> {
    let kind = words.next().unwrap_or("").to_string();
    Ok((kind, which(words)?))
}

/// `#2`: the second of several; the first if nothing is said.
fn which(words: &mut Words) -> Result<usize, Wrong> {
    let Some(word) = words.next() else { return Ok(1) };
    let place = word.strip_prefix('#').and_then(|digits| digits.parse().ok());
    let place = place.filter(|place| *place > 0);
    place.ok_or_else(|| format!("`{word}` is not which of several: #2"))
}

fn hold(first: &str, words: &mut Words) -> Result<Command, Wrong> {
    let holds = first == "hold";
    match words.next() {
        Some("io") => {
            let node = words.node()?;
            let kind = words.next().unwrap_or("").to_string();
            Ok(if holds { Command::HoldIo { node, kind } } else { Command::ReleaseIo { node } })
        }
        Some(word) => {
            let link = link(word)?;
            let kind = words.next().unwrap_or("").to_string();
            Ok(if holds { Command::Hold { link, kind } } else { Command::ReleaseLink { link } })
        }
        None if !holds => Ok(Command::ReleaseAll),
        None => Err("what to hold is missing: `hold m->n1 Prepare` or `hold io n1`".into()),
    }
}

fn io(fate: IoFate, words: &mut Words) -> Result<Command, Wrong> {
    let node = words.node()?;
    let (kind, place) = kind_and_place(words)?;
    Ok(Command::Io { fate, node, kind, place })
}

fn failure(word: &str) -> Result<Failure, Wrong> {
    match word {
        "nospace" => Ok(Failure::NoSpace),
        "disk" => Ok(Failure::DiskFailed),
        "unknown" => Ok(Failure::Unknown),
        _ => Err(format!("`{word}` is not nospace, disk or unknown")),
    }
}

fn cut(cut: bool, words: &mut Words) -> Result<Command, Wrong> {
    let make = if cut { Action::Cut } else { Action::Mend };
    let first = words.expect("a node or a link")?;
    if first.contains("->") {
        let (from, to) = link(first)?;
        return Ok(Command::Act(vec![make(from, to)]));
    }
    let one = node(first)?;
    match words.next() {
        None => Ok(Command::Isolate { node: one, cut }),
        Some(word) => {
            let other = node(word)?;
            Ok(Command::Act(vec![make(one, other), make(other, one)]))
        }
    }
}

fn own(insists: bool, words: &mut Words) -> Result<Command, Wrong> {
    let node = words.node()?;
    Ok(Command::Own { node, settings: settings(words)?, insists })
}

/// `lease=10m renew=3s`.
pub(super) fn settings(words: &mut Words) -> Result<Vec<(String, String)>, Wrong> {
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let (key, value) =
            word.split_once('=').ok_or_else(|| format!("`{word}` is not key=value"))?;
        settings.push((key.to_string(), value.to_string()));
    }
    Ok(settings)
}

fn topic(word: &str) -> Result<Topic, Wrong> {
    match word {
        "chunks" => Ok(Topic::Chunks),
        "leases" => Ok(Topic::Leases),
        "messages" => Ok(Topic::Messages),
        "io" => Ok(Topic::Io),
        _ => Err(format!("`{word}` is not chunks, leases, messages or io")),
    }
}

/// `4096`, or `none`: nothing else is on the disk.
fn free(word: &str) -> Result<Option<u64>, Wrong> {
    if word == "none" { Ok(None) } else { number(word).map(Some) }
}

/// Commands that are one action.
fn action(first: &str, words: &mut Words) -> Result<Option<Action>, Wrong> {
    Ok(Some(match first {
        "crash" => Action::Crash(words.node()?),
        "power-fail" => Action::PowerFail(words.node()?),
        "restart" => Action::Restart(words.node()?),
        "destroy" => Action::Destroy(words.node()?),
        "pause" => Action::Pause(words.node()?),
        "freeze" => Action::Freeze(words.node()?),
        "resume" => Action::Resume(words.node()?),
        "lead" => Action::Lead(words.node()?),
        "depose" => Action::Depose(words.node()?),
        "learn" => Action::Learn(words.node()?),
        "wake" => Action::Wake(words.node()?),
        "surface" => Action::Surface(which(words)? - 1),
        "heal" => Action::Heal,
        "clock" => {
            let node = words.node()?;
            let word = words.expect("how far, as +2s,")?;
            let ahead = span(word.strip_prefix('+').ok_or("a clock only jumps ahead: +2s")?)?;
            Action::Jump(node, u64::try_from(ahead.as_nanos()).map_err(|_| "too far")?)
        }
        "rate" => Action::Rate(words.node()?, ppm(words.expect("a rate, as 1000ppm,")?)?),
        "fill" => Action::Fill(words.node()?, free(words.expect("bytes left free, or `none`")?)?),
        "flip" => Action::Flip(
            words.node()?,
            chunk(words.expect("a chunk")?)?,
            number(words.expect("an offset")?)?,
        ),
        _ => return Ok(None),
    }))
}
