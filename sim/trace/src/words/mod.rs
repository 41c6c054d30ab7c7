//! The alphabet in words: what a record holds of an input, an effect, an event, a message.
//!
//! Each function fills in the typed fields that its subject has, and a sentence without a subject:
//! a reader sees the node's name before it.

mod client;
mod event;
mod io;
mod message;

pub use client::bytes_of;
pub use event::sentence;
pub use message::name as message_name;

use crate::naming::Naming;
use crate::record::{Record, RecordKind};
use leasehold_checker::violation::decimal_seconds;
use leasehold_proto::{Command, Effect, Event, Input, Leadership, LogEntry, Time};

/// Turns a node's own time into true time.
pub type Clock<'a> = dyn Fn(Time) -> u64 + 'a;

/// What an input is about.
pub(crate) fn input(record: &mut Record, naming: &dyn Naming, input: &Input) {
    record.kind = RecordKind::Input;
    match input {
        Input::Deliver(envelope) => {
            record.what = "Deliver";
            message::fill(record, naming, envelope);
            let from = naming.name(envelope.from);
            record.text = format!("hears from {from}: {}", record.text);
        }
        Input::Wake => {
            record.what = "Wake";
            record.text = "looks at its clock".into();
        }
        Input::Room(room) => {
            record.what = "Room";
            record.text = format!("has {} B free on its disk", room.free_bytes);
        }
        Input::IoDone { io, result } => {
            record.what = "IoDone";
            record.io = Some(*io);
            record.bad = result.is_err();
            record.text = io::result(result);
        }
        Input::Request { id, op, .. } => {
            record.what = "Request";
            record.request = Some(*id);
            record.text = format!("is asked to {}", client::operation(op));
        }
        Input::File { id, call, .. } => {
            record.what = "File";
            record.request = Some(*id);
            record.text = format!("is asked to {}", client::file_call(call));
        }
        Input::Committed { index, entry } => {
            record.what = "Committed";
            record.text = format!("{index} is committed: {}", log_entry(record, naming, entry));
        }
        Input::Installed { state } => {
            record.what = "Installed";
            record.text = format!("takes another master's state up to {}", state.applied());
        }
        Input::Leadership(leadership) => {
            record.what = "Leadership";
            record.text = match leadership {
                Leadership::Leader => "may lead".into(),
                Leadership::Follower { leader: None } => "may not lead".into(),
                Leadership::Follower { leader: Some(other) } => {
                    format!("may not lead: {} does", naming.name(*other))
                }
            };
        }
    }
}

/// What an effect is about.
pub(crate) fn effect(record: &mut Record, naming: &dyn Naming, effect: &Effect, clock: &Clock<'_>) {
    record.kind = RecordKind::Effect;
    match effect {
        Effect::Send(envelope) => {
            record.what = "Send";
            message::fill(record, naming, envelope);
            record.text = format!("tells {}: {}", naming.name(envelope.to), record.text);
        }
        Effect::Io { io, op } => {
            record.what = "Io";
            record.io = Some(*io);
            io::fill(record, naming, op);
        }
        Effect::Respond { id, result } => {
            record.what = "Respond";
            record.request = Some(*id);
            record.bad = result.is_err();
            record.text = format!("answers its owner: {}", client::answer(result));
        }
        Effect::Observe(told) => fact(record, naming, told, clock),
    }
}

/// What an event is about.
pub(crate) fn fact(record: &mut Record, naming: &dyn Naming, event: &Event, clock: &Clock<'_>) {
    record.kind = RecordKind::Event;
    event::fill(record, event);
    record.text = sentence(naming, event);
    if let Event::LeaseTaken { until, .. }
    | Event::LeaseGranted { until, .. }
    | Event::SessionHeld { until, .. } = event
    {
        let until_ns = clock(*until);
        record.until_ns = Some(until_ns);
        record.text += &format!(" until {} s", decimal_seconds(until_ns, 6));
    }
}

/// An entry of the master's log, in words.
fn log_entry(record: &mut Record, naming: &dyn Naming, entry: &LogEntry) -> String {
    match &entry.command {
        Command::NewLeader { node, .. } => format!("{} leads", naming.name(*node)),
        Command::Join { node, incarnation, .. } => {
            format!("{} joins in its life {}", naming.name(*node), incarnation.0)
        }
        Command::Change { op, change, .. } => {
            record.op = Some(*op);
            format!("{}, {}", naming.op(*op), client::change(change))
        }
        Command::Configure { chunk, base, version, members } => {
            record.about(vec![*chunk]);
            record.version = Some(*version);
            record.nodes = members.iter().map(|member| member.node).collect();
            let members = naming.names(&record.nodes);
            format!("configure {chunk} {version} after {base}: {members}")
        }
        Command::Free { file, chunk, base } => {
            record.about(vec![*chunk]);
            record.version = Some(*base);
            format!("free {chunk} of {file} at {base}")
        }
        Command::Purge { file } => format!("purge {file}"),
        Command::FenceSession { session } => format!("fence {session}"),
        Command::EndSession { session } => format!("end {session}"),
        Command::FinishConstants { version } => format!("finish the change of constants {version}"),
    }
}
