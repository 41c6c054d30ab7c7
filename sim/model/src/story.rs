//! A run of a model told as a script: commands that replay it in World, step by step.
//!
//! Where repeats are not counted a message of a model stays in flight for ever; in World each copy arrives once. A message that
//! the run delivers again is duplicated before it is delivered, and one that it does not deliver
//! stays where it is.

use crate::heal;
use crate::search::Found;
use crate::space::{Space, Step};
use leasehold_proto::{Envelope, IoId, NodeId};
use leasehold_world::net::MessageId;
use leasehold_world::script::{Golden, ScriptError, Stage};
use leasehold_world::{Action, Cluster, Failure, Seen, World, fair, show};
use std::collections::BTreeSet;
use std::sync::Arc;

/// One thing that happened, in terms that do not depend on how messages are kept.
#[derive(Clone, Debug)]
enum Deed {
    /// It stays in flight, and may be delivered again.
    Delivered(Arc<Envelope>),
    /// One copy of it was delivered, or made.
    Once(Arc<Envelope>, bool),
    Asked(usize),
    Did(Action),
}

/// The run as a script, with what World prints for it.
///
/// # Errors
/// If World cannot do what the model did: then one of the two is wrong.
pub fn script(space: &Space, found: &Found, title: &str) -> Result<Golden, ScriptError> {
    let start = &space.starts[found.start];
    let stage = Stage::set(&start.script)?;
    let deeds = deeds(space, found);
    let teller = Teller { world: stage.world().clone(), space };
    let lines = teller.lines(&deeds, found.after_healing);
    let lines = lines.map_err(|what| ScriptError { line: 0, what })?;
    let text = format!(
        "# violates {}\n# {title}\n{}{}\n",
        found.violation.invariant,
        start.script,
        lines.join("\n"),
    );
    Golden::run(&text)
}

/// What happened, with everything that followed by itself.
fn deeds(space: &Space, found: &Found) -> Vec<Deed> {
    let mut deeds = Vec::new();
    let mut state = space.beginnings().swap_remove(found.start);
    for step in &found.steps {
        let next = space.after(&state, step).expect("the search took this step");
        let mut cluster = state.cluster.clone();
        let action = space.action(&mut state, step);
        deeds.push(match step {
            Step::Do(Action::Deliver(id) | Action::Duplicate(id)) if !cluster.net().keeps() => {
                let envelope = cluster.net().get(*id).expect("it was in flight");
                let twice = matches!(step, Step::Do(Action::Duplicate(_)));
                Deed::Once(Arc::clone(envelope), twice)
            }
            Step::Do(Action::Deliver(id)) => {
                Deed::Delivered(Arc::clone(cluster.net().get(*id).expect("it was delivered")))
            }
            Step::Do(action) => Deed::Did(action.clone()),
            Step::Ask(which) => Deed::Asked(*which),
        });
        let mut seen = Seen::default();
        let last = next.violation.as_ref().is_some_and(|what| what.invariant == "assertion");
        // A step that ends in a machine's assertion is the last, and cannot be taken here.
        if last || cluster.apply(action, &mut seen).is_err() {
            break;
        }
        while let Some(action) = space.at_once(&cluster, next.left.leads) {
            deeds.push(Deed::Did(action.clone()));
            if cluster.apply(action, &mut seen).is_err() {
                break;
            }
        }
        state = next;
    }
    deeds
}

struct Teller<'a> {
    world: World,
    space: &'a Space,
}

impl Teller<'_> {
    fn lines(mut self, deeds: &[Deed], heals: bool) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        for (place, deed) in deeds.iter().enumerate() {
            if self.world.violation().is_some() {
                break;
            }
            match deed {
                Deed::Delivered(envelope) => {
                    let again = deeds[place + 1..].iter();
                    let again =
                        again.filter(|deed| matches!(deed, Deed::Delivered(e) if e == envelope));
                    self.deliver(envelope, again.count() > 0, &mut lines)?;
                }
                Deed::Once(envelope, true) => self.duplicate(envelope, &mut lines)?,
                Deed::Once(envelope, false) => self.deliver(envelope, false, &mut lines)?,
                Deed::Asked(which) => {
                    let ask = &self.space.menu[*which];
                    let id = leasehold_proto::RequestId(1_000 + place as u64);
                    lines.push(ask.line.clone());
                    self.act(ask.wish.clone().action(ask.client, id, Box::default()))?;
                }
                Deed::Did(action) => {
                    lines.push(self.line(action)?);
                    self.act(action.clone())?;
                }
            }
        }
        if heals {
            self.heal(&mut lines)?;
        }
        Ok(lines)
    }

    /// The faults end, and everything is given its time.
    fn heal(&mut self, lines: &mut Vec<String>) -> Result<(), String> {
        let flying = self.world.cluster().net().flying();
        let links: BTreeSet<(NodeId, NodeId)> = flying.map(|(_, e)| (e.from, e.to)).collect();
        for (from, to) in links {
            let cluster = self.world.cluster();
            let (from, to) = (fair::name(cluster, from), fair::name(cluster, to));
            lines.push(format!("drop all {from}->{to}"));
        }
        for action in heal::cure(self.world.cluster()) {
            lines.push(self.line(&action)?);
            self.act(action)?;
        }
        lines.push(format!("run {}s", heal::WITHIN.as_secs()));
        lines.push("check".into());
        Ok(())
    }

    fn act(&mut self, action: Action) -> Result<(), String> {
        self.world.try_apply(action).map_err(str::to_string)?;
        self.world.take_trace();
        Ok(())
    }

    fn deliver(
        &mut self,
        envelope: &Envelope,
        again: bool,
        lines: &mut Vec<String>,
    ) -> Result<(), String> {
        if again {
            self.duplicate(envelope, lines)?;
        }
        let (id, which) = self.find(envelope)?;
        lines.push(format!("deliver {which}"));
        self.act(Action::Deliver(id))
    }

    fn duplicate(&mut self, envelope: &Envelope, lines: &mut Vec<String>) -> Result<(), String> {
        let (id, which) = self.find(envelope)?;
        lines.push(format!("duplicate {which}"));
        self.act(Action::Duplicate(id))
    }

    fn find(&self, envelope: &Envelope) -> Result<(MessageId, String), String> {
        let id = self.world.cluster().net().find(|other| other == envelope);
        let id = id.ok_or_else(|| format!("{envelope:?} is not in flight"))?;
        Ok((id, self.message(id, envelope)))
    }

    /// `n1->m Prepared`, or `n1->m Prepared #2`.
    fn message(&self, id: MessageId, envelope: &Envelope) -> String {
        let kind = show::message_name(&envelope.message);
        let cluster = self.world.cluster();
        let before = cluster.net().flying().filter(|(other, e)| {
            *other < id
                && (e.from, e.to) == (envelope.from, envelope.to)
                && show::message_name(&e.message) == kind
        });
        let (from, to) = (fair::name(cluster, envelope.from), fair::name(cluster, envelope.to));
        format!("{from}->{to} {kind}{}", nth(before.count()))
    }

    /// `n1 Promise`, or `n1 Promise #2`.
    fn io(&self, node: NodeId, io: IoId, unheard: bool) -> Result<String, String> {
        let cluster: &Cluster = self.world.cluster();
        let all = &cluster.node(node).io;
        let op = &all.get(&io).ok_or("no such I/O is in flight")?.op;
        let kind = op.name();
        let before = all
            .range(..io)
            .filter(|(_, pending)| pending.op.name() == kind && (unheard || !pending.persisted));
        Ok(format!("{} {kind}{}", fair::name(cluster, node), nth(before.count())))
    }

    fn line(&self, action: &Action) -> Result<String, String> {
        let cluster = self.world.cluster();
        let name = |node: &NodeId| fair::name(cluster, *node);
        Ok(match action {
            Action::Complete(node, io) => format!("io {}", self.io(*node, *io, true)?),
            Action::Persist(node, io) => format!("persist {}", self.io(*node, *io, false)?),
            Action::Fail(node, io, how) => {
                let how = match how {
                    Failure::NoSpace => "nospace",
                    Failure::DiskFailed => "disk",
                    Failure::Unknown => "unknown",
                };
                format!("fail {how} {}", self.io(*node, *io, false)?)
            }
            Action::AdvanceTo(at) => format!("advance {}ms", (at - cluster.now()) / 1_000_000),
            Action::Wake(node) => format!("wake {}", name(node)),
            Action::Learn(node) => format!("learn {}", name(node)),
            Action::Lead(node) => format!("lead {}", name(node)),
            Action::Depose(node) => format!("depose {}", name(node)),
            Action::Crash(node) => format!("crash {}", name(node)),
            Action::Restart(node) => format!("restart {}", name(node)),
            Action::Heal => "heal".into(),
            Action::Surface(place) => format!("surface{}", nth(*place)),
            other => return Err(format!("no model does {other:?}")),
        })
    }
}

/// Nothing for the first, ` #2` for the second.
fn nth(before: usize) -> String {
    if before == 0 { String::new() } else { format!(" #{}", before + 1) }
}
