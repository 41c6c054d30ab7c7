//! The space-time page: one file, without a network. Lanes are nodes, time runs to the right.
//!
//! It holds the records as `trace.jsonl` has them, and everything else is worked out by its
//! script, so that the page is a reader of that format as any other program is.

use crate::focus::Focus;
use crate::record::{Record, RecordKind};
use crate::trace::{Finding, Title, Trace};
use serde::Serialize;
use serde_json::json;
use std::io::{self, Write};
use std::ops::Range;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");
const SCRIPT: [&str; 5] = [
    include_str!("page/model.js"),
    include_str!("page/view.js"),
    include_str!("page/paint.js"),
    include_str!("page/panel.js"),
    include_str!("page/main.js"),
];

/// Records on a page at the most, unless a window is chosen: with more, a browser is slow.
pub const RECORDS_MAX: usize = 60_000;

/// What a page, or a Perfetto trace, is made from.
#[derive(Clone, Copy, Debug)]
pub struct Story<'a> {
    /// The heading.
    pub title: &'a Title,
    /// What happened.
    pub trace: &'a Trace,
    /// What was wrong, if anything was.
    pub finding: Option<&'a Finding>,
    /// Only this stretch of true time, in nanoseconds.
    pub window: Option<&'a Range<u64>>,
}

#[derive(Serialize)]
struct PageData<'a> {
    title: &'a Title,
    nodes: &'a [crate::trace::Node],
    violation: Option<&'a Finding>,
    focus: Focus,
    left_out: usize,
    by_order: bool,
}

impl Story<'_> {
    /// What the violation is about.
    #[must_use]
    pub fn focus(&self) -> Focus {
        self.finding.map_or_else(Focus::default, |v| Focus::of(v, self.trace))
    }

    /// The records to show: up to the violation, within the window, and at most `records_max` if
    /// there is no window: those before the end, and from the time before them whatever still
    /// stands (leases, configurations, lives, faults).
    #[must_use]
    pub fn shown(&self, records_max: usize) -> Vec<&Record> {
        let last = self.finding.map_or(u64::MAX, |finding| finding.event);
        let over_ns = self.trace.over_ns.unwrap_or(u64::MAX);
        let until = |record: &&Record| record.event <= last && record.true_ns < over_ns;
        let records: Vec<&Record> = self.trace.records.iter().filter(until).collect();
        let window = self.window.cloned().unwrap_or_else(|| self.stretch(&records, records_max));
        let kept = |record: &&Record| {
            window.contains(&record.true_ns) || (record.true_ns < window.start && stands(record))
        };
        records.into_iter().filter(kept).collect()
    }

    /// As much as may be shown, around what it is about.
    fn stretch(&self, records: &[&Record], records_max: usize) -> Range<u64> {
        let about = self.focus().at_ns.map_or(records.len(), |at_ns| {
            let place = records.partition_point(|record| record.true_ns <= at_ns);
            (place + records_max / 2).min(records.len())
        });
        let at = |place: usize| records.get(place).map(|record| record.true_ns);
        let from = at(about.saturating_sub(records_max)).unwrap_or(0);
        from..at(about).map_or(u64::MAX, |at_ns| at_ns + 1)
    }

    /// Writes `trace.jsonl`: what ran, if that is known; then everything, or what the window keeps, a
    /// record a line.
    ///
    /// # Errors
    /// Of the writer.
    pub fn write_jsonl(&self, to: &mut dyn Write) -> io::Result<()> {
        if let Some(from) = self.title.from.as_object() {
            let mut line = json!({ "event": 0, "true_ns": 0, "kind": "run", "what": "Run" });
            line.as_object_mut().expect("it is one").extend(from.clone());
            writeln!(to, "{line}")?;
        }
        let whole = self.window.is_none();
        let shown = if whole { Vec::new() } else { self.shown(usize::MAX) };
        let all = self.trace.records.iter().filter(|_| whole);
        for record in all.chain(shown) {
            serde_json::to_writer(&mut *to, record)?;
            to.write_all(b"\n")?;
        }
        to.flush()
    }

    /// Writes `trace.html`.
    ///
    /// # Errors
    /// Of the writer.
    pub fn write_html(&self, to: &mut dyn Write) -> io::Result<()> {
        let shown = self.shown(RECORDS_MAX);
        let data = PageData {
            title: self.title,
            nodes: &self.trace.nodes,
            violation: self.finding,
            focus: self.focus(),
            left_out: self.trace.records.len() - shown.len(),
            by_order: self.finding.is_some(),
        };
        let mut lines = String::new();
        for record in shown {
            lines += &embedded(record)?;
            lines.push('\n');
        }
        let fill = |hole: &str| match hole {
            "title" => Some(heading(self.title, self.finding)),
            "style" => Some(STYLE.to_owned()),
            "data" => embedded(&data).ok(),
            "records" => Some(std::mem::take(&mut lines)),
            "script" => Some(SCRIPT.concat()),
            _ => None,
        };
        to.write_all(filled(PAGE, fill).as_bytes())?;
        to.flush()
    }
}

/// What outlasts its own time: without it a window begins with nothing known.
fn stands(record: &Record) -> bool {
    match record.kind {
        RecordKind::Outside | RecordKind::Fault => true,
        RecordKind::Event => {
            matches!(record.what, "LeaseTaken" | "LeaseEnded" | "LeaseGranted" | "Configured")
        }
        RecordKind::Input | RecordKind::Effect | RecordKind::Network => false,
    }
}

fn heading(title: &Title, finding: Option<&Finding>) -> String {
    let text = match finding {
        Some(finding) => format!("{} violated: {}", finding.violation.invariant, title.scenario),
        None => title.scenario.clone(),
    };
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// JSON that no browser takes for the end of its script.
fn embedded(value: &impl Serialize) -> io::Result<String> {
    Ok(serde_json::to_string(value)?.replace('<', "\\u003c"))
}

/// Fills every `{{hole}}` of a template.
fn filled(template: &str, mut fill: impl FnMut(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (hole, behind) = after.split_once("}}").expect("holes of our own template are closed");
        out += before;
        out += &fill(hole).expect("holes of our own template are known");
        rest = behind;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehold_proto::{ChunkHandle, NodeId};

    fn record(event: u64, what: &'static str, kind: RecordKind) -> Record {
        Record { event, true_ns: event * 10, node: NodeId(1), kind, what, ..Record::default() }
    }

    fn trace() -> Trace {
        let mut records = vec![
            record(1, "Starts", RecordKind::Outside),
            record(2, "Wake", RecordKind::Input),
            record(3, "LeaseTaken", RecordKind::Event),
        ];
        records.extend((4..=9).map(|event| record(event, "Wake", RecordKind::Input)));
        records[4].text = "</script>".into();
        records[5].chunk = Some(ChunkHandle(7));
        Trace { nodes: Vec::new(), records, over_ns: None }
    }

    fn events(story: &Story<'_>, max: usize) -> Vec<u64> {
        story.shown(max).iter().map(|record| record.event).collect()
    }

    #[test]
    fn what_stands_is_kept_from_before_and_nothing_from_after_the_violation() {
        let (trace, title) = (trace(), Title::default());
        let finding = Finding { event: 8, ..Finding::default() };
        let story = Story { title: &title, trace: &trace, finding: Some(&finding), window: None };
        assert_eq!(events(&story, 2), [1, 3, 7, 8]);
        assert_eq!(events(&story, 100), [1, 2, 3, 4, 5, 6, 7, 8]);
        let window = 40..60;
        assert_eq!(events(&Story { window: Some(&window), ..story }, 2), [1, 3, 4, 5]);
    }

    #[test]
    fn a_page_is_whole_and_nothing_in_a_record_ends_its_script() {
        let (trace, title) = (trace(), Title::default());
        let story = Story { title: &title, trace: &trace, finding: None, window: None };
        let mut page = Vec::new();
        story.write_html(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        assert!(!page.contains("{{"), "a hole is left");
        assert_eq!(page.matches("</script>").count(), 3);
        assert!(!page.contains("http://") && !page.contains("https://"), "it asks a network");
        let records = page.split_once("x-ndjson\">").unwrap().1.split_once("</script>").unwrap().0;
        let lines: Vec<serde_json::Value> =
            records.trim().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 9);
        assert_eq!(lines[4]["text"], "</script>");
        assert_eq!(lines[5]["chunk"], 7);
    }
}
