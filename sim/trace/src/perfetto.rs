//! `trace.perfetto.json`: the run in Chrome's trace format, for ui.perfetto.dev and
//! chrome://tracing. Nodes are processes; steps are slices, joined by the flows of messages; what
//! lasts is a span of its own.

use crate::page::Story;
use crate::record::{Record, RecordKind};
use crate::spans::{Span, spans};
use serde_json::{Value, json};
use std::io::{self, Write};

/// Records at the most, unless a window is chosen.
pub const RECORDS_MAX: usize = 200_000;
/// A step takes no time; a slice has to have some to be seen, and to hold the ends of flows.
const STEP_US: f64 = 2.0;
/// The process that faults belong to: no node has this id.
const WORLD: u64 = 0;

/// Writes events one after another.
struct Events<'a> {
    to: &'a mut dyn Write,
    first: bool,
}

impl Story<'_> {
    /// Writes `trace.perfetto.json`.
    ///
    /// # Errors
    /// Of the writer.
    pub fn write_perfetto(&self, to: &mut dyn Write) -> io::Result<()> {
        let shown = self.shown(RECORDS_MAX);
        to.write_all(b"{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n")?;
        let mut events = Events { to, first: true };
        events.process(WORLD, "faults", 0)?;
        for (place, node) in self.trace.nodes.iter().enumerate() {
            let role = format!("{:?}", node.role).to_lowercase();
            events.process(node.id.0, &format!("{} {role}", node.name), place + 1)?;
        }
        for span in spans(shown.iter().copied()) {
            events.span(&span)?;
        }
        for record in &shown {
            events.record(record)?;
        }
        if let Some(finding) = self.finding {
            let name =
                format!("{} violated: {}", finding.violation.invariant, finding.violation.detail);
            events.put(&json!({
                "ph": "i", "s": "g", "name": name, "cat": "violation", "pid": WORLD, "tid": 0,
                "ts": micros(finding.violation.true_ns), "args": {"sentence": finding.violation.sentence},
            }))?;
        }
        write!(events.to, "\n],\n\"otherData\":{}}}\n", self.title.from)?;
        events.to.flush()
    }
}

impl Events<'_> {
    fn put(&mut self, event: &Value) -> io::Result<()> {
        if !std::mem::take(&mut self.first) {
            self.to.write_all(b",\n")?;
        }
        serde_json::to_writer(&mut *self.to, event)?;
        Ok(())
    }

    fn process(&mut self, pid: u64, name: &str, place: usize) -> io::Result<()> {
        let args = [
            ("process_name", json!({"name": name})),
            ("process_sort_index", json!({"sort_index": place})),
            ("thread_name", json!({"name": "steps"})),
        ];
        for (what, args) in args {
            self.put(&json!({"ph": "M", "name": what, "pid": pid, "tid": 0, "args": args}))?;
        }
        Ok(())
    }

    /// A span has a row of its own: those of one node may overlap.
    fn span(&mut self, span: &Span) -> io::Result<()> {
        let family = span.family.name();
        let pid = if span.family == crate::spans::Family::Fault { WORLD } else { span.node.0 };
        let id = format!("{family}/{}/{}", span.node, span.event);
        for (ph, at) in [("b", span.from_ns), ("e", span.to_ns)] {
            self.put(&json!({
                "ph": ph, "cat": family, "id": id, "name": format!("{family} {}", span.name),
                "pid": pid, "tid": 0, "ts": micros(at),
            }))?;
        }
        Ok(())
    }

    fn record(&mut self, record: &Record) -> io::Result<()> {
        let (pid, ts) = (record.node.0, micros(record.true_ns));
        let name =
            record.message.map_or(record.what.to_owned(), |m| format!("{} {m}", record.what));
        let args = || json!({"event": record.event, "text": record.text});
        match record.kind {
            RecordKind::Input => self.put(&json!({
                "ph": "X", "name": name, "cat": "step", "pid": pid, "tid": 0, "ts": ts,
                "dur": STEP_US, "args": args(),
            }))?,
            RecordKind::Effect => {}
            RecordKind::Event | RecordKind::Outside | RecordKind::Network => self.put(&json!({
                "ph": "i", "s": "t", "name": record.what, "cat": "fact", "pid": pid, "tid": 0,
                "ts": ts, "args": args(),
            }))?,
            // A span says it.
            RecordKind::Fault => {}
        }
        let flow = match (record.what, record.flow) {
            ("Send", Some(flow)) => Some(("s", flow)),
            ("Deliver", Some(flow)) => Some(("f", flow)),
            _ => None,
        };
        if let Some((ph, id)) = flow {
            let name = record.message.unwrap_or("message");
            self.put(&json!({
                "ph": ph, "bp": "e", "id": id, "name": name, "cat": "message", "pid": pid,
                "tid": 0, "ts": ts,
            }))?;
        }
        Ok(())
    }
}

fn micros(ns: u64) -> f64 {
    ns as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naming::Role;
    use crate::trace::{Finding, Node, Title, Trace};
    use leasehold_checker::Violation;
    use leasehold_proto::NodeId;

    #[test]
    fn it_parses_and_both_ends_of_a_flow_are_in_it() {
        let at = |event, true_ns, node, kind, what| Record {
            event,
            true_ns,
            node: NodeId(node),
            kind,
            what,
            ..Record::default()
        };
        let letter = |record| Record { flow: Some(4), message: Some("Push"), ..record };
        let fault = |record| Record { fault: Some(9), text: "pause begins: n1".into(), ..record };
        let records = vec![
            at(1, 10, 1, RecordKind::Input, "Wake"),
            letter(at(2, 10, 1, RecordKind::Effect, "Send")),
            fault(at(3, 11, 1, RecordKind::Fault, "pause")),
            letter(at(4, 1_500, 2, RecordKind::Input, "Deliver")),
        ];
        let node = |id, role| Node { id: NodeId(id), name: format!("n{id}"), role };
        let nodes = vec![node(1, Role::Master), node(2, Role::Chunkserver)];
        let trace = Trace { nodes, records, over_ns: None };
        let finding = Finding {
            violation: Violation { invariant: "I1", ..Violation::default() },
            event: 9,
            ..Finding::default()
        };
        let title = Title::default();
        let story = Story { title: &title, trace: &trace, finding: Some(&finding), window: None };
        let mut file = Vec::new();
        story.write_perfetto(&mut file).unwrap();
        let trace: Value = serde_json::from_slice(&file).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        let of = |ph: &str| events.iter().filter(|e| e["ph"] == ph).collect::<Vec<_>>();
        let (starts, ends) = (of("s"), of("f"));
        assert_eq!((starts.len(), ends.len()), (1, 1));
        assert_eq!((&starts[0]["id"], &starts[0]["ts"]), (&ends[0]["id"], &json!(0.01)));
        assert_eq!(ends[0]["pid"], 2);
        assert_eq!(of("X").len(), 2, "a slice a step");
        assert_eq!((of("b").len(), of("e").len()), (1, 1));
        assert_eq!(of("b")[0]["name"], "fault pause: n1");
        assert_eq!(of("i").len(), 1, "the violation");
    }
}
