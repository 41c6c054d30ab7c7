//! Coverage of pairs: what came while what was going on.
//!
//! Two tables, each the product of its rows and columns, so that no cell has to be thought of:
//!
//! - *phase of a replica* × *event*: what a node was doing with its replica of a chunk, and what it was
//!   given about it: a message, the end of an I/O, the end of its life;
//! - *phase of a change* × *message*: how far a chunk's configuration was, and which message about it
//!   arrived anywhere, of which version (older, the same, newer than the committed one) or for which life
//!   of a server (older, the same, newer than the registered one).
//!
//! Not every cell can be met. Those that no run met are printed: they are what nobody has tried.

mod kinds;
mod replica;
mod change;
#[cfg(test)]
mod tests;

pub use change::ChangePhase;
pub use kinds::{IoKind, MessageKind, Relation};
pub use replica::ReplicaPhase;

use super::Hits;
use change::Changes;
use kinds::About;
use leasehold_proto::{Effect, Envelope, Event, Input, IoId, NodeId};
use replica::Replicas;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// What a node is given about a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Given {
    Message(MessageKind),
    Done(IoKind),
    Failed(IoKind),
    /// Its life ends.
    Crash,
}

const EVENTS: usize = MessageKind::ALL.len() + 2 * IoKind::ALL.len() + 1;
const MESSAGES: usize = MessageKind::ALL.len() * Relation::ALL.len();
const FIRST: usize = ReplicaPhase::ALL.len() * EVENTS;
const SECOND: usize = ChangePhase::ALL.len() * MESSAGES;
/// Cells of both tables; the second table is there for versions and for lives.
pub const CELLS: usize = FIRST + 2 * SECOND;

/// The cells that 600 walks without a guide (300 of each kind) met 300 times or more, one a line:
/// `walk --guidance off --pairs FILE` counts them.
const COMMON_NAMES: &str = include_str!("common.txt");

static COMMON: LazyLock<BTreeSet<usize>> = LazyLock::new(|| {
    let names: BTreeSet<&str> = COMMON_NAMES.lines().collect();
    let is_common =
        |cell: &usize| name(*cell).is_some_and(|name| names.contains(joined(&name).as_str()));
    (0..CELLS).filter(is_common).collect()
});

/// How often each cell was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cells(Vec<u32>);

impl Default for Cells {
    fn default() -> Self {
        Cells(vec![0; CELLS])
    }
}

impl Cells {
    /// Adds what another counted.
    pub fn add(&mut self, other: &Cells) {
        for (sum, count) in self.0.iter_mut().zip(&other.0) {
            *sum = sum.saturating_add(*count);
        }
    }

    /// How many cells were met.
    #[must_use]
    pub fn met(&self) -> usize {
        self.0.iter().filter(|count| **count > 0).count()
    }

    /// How many cells there are that a message, an I/O or a life can meet at all: of a message without
    /// a version there is none.
    #[must_use]
    pub fn possible() -> usize {
        (0..CELLS).filter(|cell| name(*cell).is_some()).count()
    }

    /// The cells that were met, as `row × column`, with how often.
    #[must_use]
    pub fn summary(&self) -> BTreeMap<String, u64> {
        let met = self.0.iter().enumerate().filter(|(_, count)| **count > 0);
        met.filter_map(|(cell, count)| Some((joined(&name(cell)?), u64::from(*count)))).collect()
    }

    /// The cells that were met, each as a number that this build alone knows, with how often.
    #[must_use]
    pub fn numbered(&self) -> BTreeMap<String, u64> {
        let met = self.0.iter().enumerate().filter(|(_, count)| **count > 0);
        met.map(|(cell, count)| (cell.to_string(), u64::from(*count))).collect()
    }

    /// Takes in what [`Cells::numbered`] gave.
    pub fn add_numbered(&mut self, numbered: &BTreeMap<String, u64>) {
        for (cell, count) in numbered {
            let Some(sum) = cell.parse().ok().and_then(|cell: usize| self.0.get_mut(cell)) else {
                continue;
            };
            *sum = sum.saturating_add(u32::try_from(*count).unwrap_or(u32::MAX));
        }
    }

    /// The cells that no run met: for each row, its columns.
    #[must_use]
    pub fn never(&self) -> BTreeMap<String, Vec<String>> {
        let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for cell in (0..CELLS).filter(|cell| self.0[*cell] == 0) {
            if let Some((row, column)) = name(cell) {
                rows.entry(row).or_default().push(column);
            }
        }
        rows
    }
}

fn joined((row, column): &(String, String)) -> String {
    format!("{row} x {column}")
}

/// What a cell is called; none if nothing can ever be counted there.
fn name(cell: usize) -> Option<(String, String)> {
    if cell < FIRST {
        let phase = ReplicaPhase::ALL[cell / EVENTS];
        let column = cell % EVENTS;
        let (messages, ios) = (MessageKind::ALL.len(), IoKind::ALL.len());
        let what = match column {
            _ if column < messages => {
                let kind = MessageKind::ALL[column];
                kind.to_chunkserver().then(|| kind.name().to_owned())?
            }
            _ if column < messages + ios => {
                format!("{} done", IoKind::ALL[column - messages].name())
            }
            _ if column < messages + 2 * ios => {
                format!("{} failed", IoKind::ALL[column - messages - ios].name())
            }
            _ => "crash".to_owned(),
        };
        return Some((format!("replica {}", phase.name()), what));
    }
    let (of_lives, cell) = ((cell - FIRST) / SECOND == 1, (cell - FIRST) % SECOND);
    let phase = ChangePhase::ALL[cell / MESSAGES];
    let kind = MessageKind::ALL[cell % MESSAGES / Relation::ALL.len()];
    let relation = Relation::ALL[cell % Relation::ALL.len()].name();
    let (has, of) = match of_lives {
        false => (kind.has_version(), "version"),
        true => (kind.has_life(), "life"),
    };
    has.then(|| (format!("change {}", phase.name()), format!("{} of {relation} {of}", kind.name())))
}

/// What is known of every chunk, and the cells that were met.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    cells: Cells,
    replicas: Replicas,
    changes: Changes,
    /// I/O of chunkservers on its way.
    io: BTreeMap<(NodeId, IoId), (leasehold_proto::ChunkHandle, IoKind)>,
}

impl Pairs {
    /// How often each cell was met.
    #[must_use]
    pub fn cells(&self) -> &Cells {
        &self.cells
    }

    pub(super) fn input(&mut self, node: NodeId, input: &Input, hits: &mut Hits) {
        match input {
            Input::Deliver(envelope) => {
                let about = About::of(&envelope.message);
                let met = self.met(node, envelope, &about);
                met.into_iter().flatten().for_each(|cell| self.hit(cell));
                self.replicas.late_ack(node, &envelope.message, hits);
            }
            Input::IoDone { io, result } => {
                let Some((chunk, kind)) = self.io.remove(&(node, *io)) else { return };
                let given = if result.is_ok() { Given::Done(kind) } else { Given::Failed(kind) };
                self.hit(first(self.replicas.phase(node, chunk), given));
            }
            Input::Wake | Input::Room(_) | Input::Request { .. } | Input::File { .. } => {}
            Input::Committed { .. } | Input::Leadership(_) | Input::Installed { .. } => {}
        }
    }

    /// How often the rarest of the pairs was met that this message would be, if it arrived.
    #[must_use]
    pub fn rarity(&self, envelope: &Envelope) -> Option<u32> {
        let about = About::of(&envelope.message);
        let met = self.met(envelope.to, envelope, &about);
        met.into_iter().flatten().map(|cell| self.count(cell)).min()
    }

    /// Is this message of a version before the one in which its receiver has mutations in flight, or
    /// has begun anything else that takes several messages?
    #[must_use]
    pub fn comes_late(&self, envelope: &Envelope) -> bool {
        let about = About::of(&envelope.message);
        let (Some(chunk), Some(version)) = (about.chunk, about.version) else { return false };
        about.kind.to_chunkserver() && self.replicas.is_busy_after(envelope.to, chunk, version)
    }

    /// Likewise of the end of an I/O.
    #[must_use]
    pub fn rarity_of_io(&self, node: NodeId, io: IoId, done: bool) -> Option<u32> {
        let (chunk, kind) = *self.io.get(&(node, io))?;
        let given = if done { Given::Done(kind) } else { Given::Failed(kind) };
        Some(self.count(first(self.replicas.phase(node, chunk), given)))
    }

    /// Likewise of the end of a node's life.
    #[must_use]
    pub fn rarity_of_crash(&self, node: NodeId) -> Option<u32> {
        let phases = self.replicas.phases(node);
        phases.map(|phase| self.count(first(phase, Given::Crash))).min()
    }

    /// What is common anyhow counts as met.
    fn count(&self, cell: usize) -> u32 {
        self.cells.0[cell] + u32::from(COMMON.contains(&cell))
    }

    fn met(&self, node: NodeId, envelope: &Envelope, about: &About) -> [Option<usize>; 3] {
        let Some(chunk) = about.chunk else { return [None; 3] };
        let at_server = about.kind.to_chunkserver();
        let at_replica =
            at_server.then(|| first(self.replicas.phase(node, chunk), Given::Message(about.kind)));
        let phase = self.changes.phase(chunk);
        let version = about.version.map(|version| self.changes.of_version(chunk, version));
        let server = if at_server { envelope.to } else { envelope.from };
        let life = about.life.map(|life| self.changes.of_life(server, life));
        [
            at_replica,
            version.map(|relation| second(false, phase, about.kind, relation)),
            life.map(|relation| second(true, phase, about.kind, relation)),
        ]
    }

    pub(super) fn effect(&mut self, node: NodeId, effect: &Effect) {
        match effect {
            Effect::Io { io, op } => {
                if let (Some(chunk), Some(kind)) = (op.chunk(), IoKind::of(op)) {
                    self.io.insert((node, *io), (chunk, kind));
                }
                self.replicas.wants(node, op);
                self.changes.wants(op);
            }
            Effect::Send(envelope) => self.replicas.sends(node, &envelope.message),
            Effect::Observe(event) => self.event(node, event),
            Effect::Respond { .. } => {}
        }
    }

    fn event(&mut self, node: NodeId, event: &Event) {
        self.replicas.event(node, event);
        self.changes.event(node, event);
    }

    pub(super) fn crashed(&mut self, node: NodeId) {
        for phase in self.replicas.crashed(node) {
            self.hit(first(phase, Given::Crash));
        }
        self.io.retain(|(at, _), _| *at != node);
    }

    fn hit(&mut self, cell: usize) {
        let count = &mut self.cells.0[cell];
        *count = count.saturating_add(1);
    }
}

fn first(phase: ReplicaPhase, given: Given) -> usize {
    let (messages, ios) = (MessageKind::ALL.len(), IoKind::ALL.len());
    let column = match given {
        Given::Message(kind) => kind as usize,
        Given::Done(kind) => messages + kind as usize,
        Given::Failed(kind) => messages + ios + kind as usize,
        Given::Crash => messages + 2 * ios,
    };
    phase as usize * EVENTS + column
}

fn second(of_lives: bool, phase: ChangePhase, kind: MessageKind, relation: Relation) -> usize {
    let column = kind as usize * Relation::ALL.len() + relation as usize;
    FIRST + usize::from(of_lives) * SECOND + phase as usize * MESSAGES + column
}
