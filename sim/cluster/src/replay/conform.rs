//! A recording's inputs once more, through machines of our own.

use super::recording::{Beginning, RecordedEntry, Recording, Wanted, What};
use leasehold_proto::{
    Chunkserver, Client, Effect, Effects, Input, Master, NodeId, StateMachine, Time,
};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::panic::AssertUnwindSafe;

/// How much was replayed, without a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Lives of nodes.
    pub lives: u64,
    /// Inputs that were given.
    pub inputs: u64,
    /// Effects that were compared.
    pub effects: u64,
}

/// The first place at which a machine does not do what the recording says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The number of the recording's entry, from 1.
    pub number: usize,
    /// Where.
    pub node: NodeId,
    /// By the node's own clock.
    pub now: Time,
    /// What the machine was given last.
    pub given: String,
    /// What the recording says that it wants; none if nothing more.
    pub expected: Option<String>,
    /// What it wants; none if nothing more.
    pub got: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nothing = || "nothing more".to_owned();
        let expected = self.expected.clone().unwrap_or_else(nothing);
        let got = self.got.clone().unwrap_or_else(nothing);
        let Difference { number, node, now, given, .. } = self;
        write!(
            f,
            "entry {number}: {node} at {now} of its clock was given\n  {given}\nthe recording says that \
             it wants\n  {expected}\nand it wants\n  {got}"
        )
    }
}

impl std::error::Error for Difference {}

/// Gives every input of a recording to machines of the present build, and compares their effects.
///
/// # Errors
/// The first difference.
pub fn conform(recording: &Recording) -> Result<Replayed, Box<Difference>> {
    let mut nodes: BTreeMap<NodeId, Node> = BTreeMap::new();
    let mut replayed = Replayed::default();
    for (at, entry) in recording.0.iter().enumerate() {
        let RecordedEntry { node, now, what } = entry;
        match what {
            What::Begins(beginning) => {
                replayed.lives += 1;
                if let Some(before) = nodes.get(node) {
                    before.is_done(recording, at)?;
                }
                let begun = Node::begin(beginning, *now, at);
                nodes.insert(*node, begun.map_err(|panic| panicked(recording, at, panic))?);
            }
            What::Takes(input) => {
                replayed.inputs += 1;
                let Some(known) = nodes.get_mut(node) else { return Err(unbegun(recording, at)) };
                known.is_done(recording, at)?;
                known.take(*now, input, at).map_err(|panic| panicked(recording, at, panic))?;
            }
            What::Wants(wanted) => {
                replayed.effects += 1;
                let Some(known) = nodes.get_mut(node) else { return Err(unbegun(recording, at)) };
                known.compare(recording, at, wanted)?;
            }
        }
    }
    nodes.values().try_for_each(|node| node.is_done(recording, recording.0.len()))?;
    Ok(replayed)
}

/// A machine in one of its lives, and its effects that the recording has not listed yet.
struct Node {
    machine: Machine,
    /// The entry that it was given last.
    given: usize,
    wants: VecDeque<Effect>,
}

enum Machine {
    Master(Box<Master>),
    Chunkserver(Box<Chunkserver>),
    Client(Box<Client>),
}

impl Node {
    fn begin(beginning: &Beginning, now: Time, at: usize) -> Result<Self, String> {
        let mut out = Effects::new();
        let machine = caught(|| Machine::recover(beginning, now, &mut out))?;
        Ok(Node { machine, given: at, wants: out.0.into() })
    }

    fn take(&mut self, now: Time, input: &Input, at: usize) -> Result<(), String> {
        let mut out = Effects::new();
        self.given = at;
        caught(|| self.machine.step(now, input.clone(), &mut out))?;
        self.wants = out.0.into();
        Ok(())
    }

    fn compare(
        &mut self,
        recording: &Recording,
        at: usize,
        wanted: &Wanted,
    ) -> Result<(), Box<Difference>> {
        match self.wants.pop_front() {
            Some(effect) if wanted.is(&effect) => Ok(()),
            other => {
                let got = other.map(|effect| format!("{effect:?}"));
                Err(difference(recording, at, self.given, Some(wanted.text()), got))
            }
        }
    }

    /// Everything that it wants was on the recording before entry `at`.
    fn is_done(&self, recording: &Recording, at: usize) -> Result<(), Box<Difference>> {
        match self.wants.front() {
            None => Ok(()),
            Some(more) => {
                Err(difference(recording, at, self.given, None, Some(format!("{more:?}"))))
            }
        }
    }
}

impl Machine {
    fn recover(beginning: &Beginning, now: Time, out: &mut Effects) -> Self {
        match beginning.clone() {
            Beginning::Master(config, state) => {
                Machine::Master(Master::recover(&config, state, now, out).into())
            }
            Beginning::Chunkserver(config, replicas) => {
                Machine::Chunkserver(Chunkserver::recover(&config, replicas, now, out).into())
            }
            Beginning::Client(config) => {
                Machine::Client(Client::recover(&config, (), now, out).into())
            }
        }
    }

    fn step(&mut self, now: Time, input: Input, out: &mut Effects) {
        match self {
            Machine::Master(master) => master.step(now, input, out),
            Machine::Chunkserver(server) => server.step(now, input, out),
            Machine::Client(client) => client.step(now, input, out),
        }
    }
}

fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
    })
}

fn panicked(recording: &Recording, at: usize, panic: String) -> Box<Difference> {
    difference(recording, at, at, None, Some(format!("to panic: {panic}")))
}

fn unbegun(recording: &Recording, at: usize) -> Box<Difference> {
    difference(recording, at, at, Some("a beginning".to_owned()), None)
}

fn difference(
    recording: &Recording,
    at: usize,
    given: usize,
    expected: Option<String>,
    got: Option<String>,
) -> Box<Difference> {
    let RecordedEntry { node, now, what } = &recording.0[given];
    let given = match what {
        What::Begins(beginning) => match &**beginning {
            Beginning::Master(..) => "a master's beginning".to_owned(),
            Beginning::Chunkserver(..) => "a chunkserver's beginning".to_owned(),
            Beginning::Client(..) => "a client's beginning".to_owned(),
        },
        What::Takes(input) => format!("{input:?}"),
        What::Wants(wanted) => format!("nothing, before {}", wanted.text()),
    };
    Box::new(Difference { number: at + 1, node: *node, now: *now, given, expected, got })
}
