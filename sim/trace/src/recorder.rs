//! Turns what a runner sees into records, in order, and joins what belongs together: a step's
//! effects to its input, a delivery to its sending, an operation to the request behind it.

use crate::flows::{Flows, Passage};
use crate::naming::Naming;
use crate::record::{Record, RecordKind};
use crate::requests::Requests;
use crate::trace::{Node, Trace};
use crate::words::{self, Clock};
use leasehold_proto::{Effect, Event, Input, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

/// Of more nodes than this, a sentence names only some.
const NAMED_MAX: usize = 4;

/// Where and when something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Its number in the run, from 1.
    pub event: u64,
    /// True time, in nanoseconds from the start of the run.
    pub true_ns: u64,
    /// What the node's own clock shows, if it has one.
    pub local_ns: Option<u64>,
    /// Where.
    pub node: NodeId,
}

/// What becomes of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// A life begins.
    Starts,
    /// It is over, with everything that was only in memory.
    Ends,
    /// Its disk is gone too.
    LosesDisk,
}

/// Something that is made to go wrong for a while, or that ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// Which one of the run: its beginning and its end have the same.
    pub number: u64,
    /// Its kind.
    pub name: &'static str,
    /// It is over.
    pub ends: bool,
    /// The nodes that it affects; none, if it is everywhere.
    pub nodes: Vec<NodeId>,
    /// From whom a partition keeps them.
    pub others: Vec<NodeId>,
    /// Anything else that a person may want to know of it.
    pub text: String,
}

/// Everything that was recorded of a run so far.
pub struct Recorder {
    naming: Box<dyn Naming + Send>,
    records: Vec<Record>,
    /// Where they go, if they are not kept.
    stream: Option<Box<dyn Write + Send>>,
    flows: Flows,
    requests: Requests,
    steps: BTreeMap<NodeId, u64>,
    nodes: BTreeSet<NodeId>,
    over_ns: Option<u64>,
}

impl Recorder {
    /// Nothing yet.
    #[must_use]
    pub fn new(naming: Box<dyn Naming + Send>) -> Self {
        Recorder {
            naming,
            records: Vec::new(),
            stream: None,
            flows: Flows::default(),
            requests: Requests::default(),
            steps: BTreeMap::new(),
            nodes: BTreeSet::new(),
            over_ns: None,
        }
    }

    /// Writes every record as a line as soon as it is there, and keeps none: for runs of which nobody knows
    /// whether they end. Each write is one record.
    #[must_use]
    pub fn streaming(naming: Box<dyn Naming + Send>, to: Box<dyn Write + Send>) -> Self {
        Recorder { stream: Some(to), ..Recorder::new(naming) }
    }

    fn keep(&mut self, record: Record) {
        let Some(stream) = &mut self.stream else { return self.records.push(record) };
        let mut line = serde_json::to_vec(&record).expect("a record is plain data");
        line.push(b'\n');
        // Where it cannot be written there is no one to say it to: the run itself goes on.
        let _ = stream.write_all(&line);
    }

    /// A machine takes an input.
    pub fn input(&mut self, at: Moment, input: &Input) {
        let mut record = self.record(at);
        words::input(&mut record, &*self.naming, input);
        record.step = Some(at.event);
        self.steps.insert(at.node, at.event);
        match input {
            Input::Deliver(_) => record.flow = self.flows.delivered(&record),
            Input::Request { id, op, .. } => self.requests.asked(at.node, *id, op),
            Input::File { .. }
            | Input::Wake
            | Input::Room(_)
            | Input::IoDone { .. }
            | Input::Committed { .. }
            | Input::Leadership(_)
            | Input::Installed { .. } => {}
        }
        self.keep(record);
    }

    /// A machine emits an effect, or a fact. `clock` turns its time into true time.
    pub fn effect(&mut self, at: Moment, effect: &Effect, clock: &Clock<'_>) {
        let mut record = self.record(at);
        words::effect(&mut record, &*self.naming, effect, clock);
        record.step = self.steps.get(&at.node).copied();
        match effect {
            Effect::Send(envelope) => {
                record.flow = Some(self.flows.sent(&record));
                record.request = self.requests.carried(envelope);
            }
            Effect::Respond { id, .. } => record.op = self.requests.answered(at.node, *id),
            Effect::Observe(Event::PieceBegan { piece, op, .. }) => {
                self.requests.asked(at.node, *piece, op);
            }
            Effect::Observe(Event::PieceEnded { piece, .. }) => {
                record.op = self.requests.answered(at.node, *piece);
            }
            Effect::Io { .. } | Effect::Observe(_) => {}
        }
        self.keep(record);
    }

    /// A process begins or ends.
    pub fn life(&mut self, at: Moment, life: Life) {
        let mut record = self.record(at);
        self.steps.remove(&at.node);
        self.flows.forget(at.node);
        (record.what, record.text, record.ends) = match life {
            Life::Starts => ("Starts", "starts".into(), false),
            Life::Ends => ("Ends", "goes down".into(), true),
            Life::LosesDisk => ("LosesDisk", "loses its disk".into(), true),
        };
        record.bad = life != Life::Starts;
        self.keep(record);
    }

    /// Somebody outside of the protocol says something.
    pub fn outside(&mut self, at: Moment, text: &str) {
        let record = self.record(at);
        self.keep(Record { what: "Outside", text: text.into(), ..record });
    }

    /// Something is made to go wrong, or ends.
    pub fn fault(&mut self, at: Moment, fault: &Fault) {
        let Fault { number, name, ends, nodes, others, text } = fault;
        let record = self.record(at);
        let victims = self.several(nodes);
        let against = match others.as_slice() {
            [] => String::new(),
            others => format!(" from {}", self.several(others)),
        };
        let how = if *ends { "ends" } else { "begins" };
        let words = format!("{name} {how}: {victims}{against} {text}");
        self.keep(Record {
            kind: RecordKind::Fault,
            what: name,
            fault: Some(*number),
            nodes: nodes.clone(),
            others: others.clone(),
            ends: *ends,
            bad: !ends,
            text: words.trim_end_matches([' ', ':']).to_owned(),
            ..record
        });
    }

    /// The network reports the fate of a message. `event` is the number of what happened last.
    pub fn network(&mut self, event: u64, true_ns: u64, passage: Passage) {
        let Some(mut record) = self.flows.passed(passage) else { return };
        (record.event, record.true_ns) = (event, true_ns);
        self.keep(record);
    }

    /// The run is over: what comes is only its end.
    pub fn over(&mut self, true_ns: u64) {
        self.over_ns.get_or_insert(true_ns);
    }

    /// What people call the nodes.
    #[must_use]
    pub fn naming(&self) -> &dyn Naming {
        &*self.naming
    }

    /// All of it.
    #[must_use]
    pub fn finish(self) -> Trace {
        let naming = &self.naming;
        let node = |id: &NodeId| Node { id: *id, name: naming.name(*id), role: naming.role(*id) };
        let mut nodes: Vec<Node> = self.nodes.iter().map(node).collect();
        nodes.sort_by_key(|node| (node.role, node.id));
        Trace { nodes, records: self.records, over_ns: self.over_ns }
    }

    /// The names of some nodes, or how many there are.
    fn several(&self, nodes: &[NodeId]) -> String {
        match nodes.get(..NAMED_MAX) {
            Some(few) if nodes.len() > NAMED_MAX + 1 => {
                format!("{} and {} more", self.naming.names(few), nodes.len() - NAMED_MAX)
            }
            _ => self.naming.names(nodes),
        }
    }

    fn record(&mut self, at: Moment) -> Record {
        self.nodes.insert(at.node);
        let Moment { event, true_ns, local_ns, node } = at;
        Record { event, true_ns, local_ns, node, ..Record::default() }
    }
}
