//! What a scenario will do, in words: for `sim scenario --check`.

use super::{Directed, FaultKind, Scenario, Span, Unit, counted};
use crate::drawn::Episode;
use std::fmt::Write;

impl Scenario {
    /// What its runs consist of: cluster, clients' operations, faults, limits.
    #[must_use]
    pub fn explained(&self) -> String {
        let mut text = format!("  about      {}\n", self.about);
        if self.swarm {
            text.push_str("  everything is drawn by the seed; `--show FILE --seed N` shows what\n");
            return text;
        }
        let shape = &self.shape;
        let (masters, servers) =
            (count(shape.masters, "master"), count(shape.chunkservers, "chunkserver"));
        let (racks, clients) = (count(shape.racks, "rack"), count(shape.clients, "client"));
        let _ = writeln!(text, "  cluster    {masters}, {servers} in {racks}, {clients}");
        let _ = writeln!(text, "  files      {}", self.files());
        let _ = writeln!(text, "  operations {}", self.operations());
        let _ = writeln!(text, "  faults     {}", self.drawn_faults());
        for fault in &self.fault {
            let _ = writeln!(text, "  directed   {}", directed(fault));
        }
        text
    }

    fn files(&self) -> String {
        let work = &self.workload;
        let most = work.files.max;
        let of = |name: &str, least: u64, most: u64| count(Span::new(least, most), name);
        let cells = of("file", work.files.min.div_ceil(2), most.div_ceil(2));
        let records = of("file", work.files.min / 2, most / 2);
        let records = if most < 2 { "no file".to_owned() } else { records };
        let (chunk, cell) = (size(work.chunk_bytes), size(work.cell_bytes));
        format!(
            "{cells} of cells of {cell} for writes, {records} of records for appends; chunks of {chunk}, {} \
             of each",
            count(work.replicas, "replica")
        )
    }

    fn operations(&self) -> String {
        let work = &self.workload;
        let names = [
            "writes",
            "appends",
            "strong reads",
            "relaxed reads",
            "changes of names",
            "looks into another client's directory",
            "changes of constants",
            "requests in the shared directory",
        ];
        let mut weights = work.weights().map(u64::from);
        if work.files.max < 2 {
            // There is no file of records: an append is a write.
            (weights[0], weights[1]) = (weights[0] + weights[1], 0);
        }
        let total: u64 = weights.iter().sum::<u64>().max(1);
        let shares: Vec<String> = weights
            .iter()
            .zip(names)
            .filter(|(weight, _)| **weight > 0)
            .map(|(weight, name)| format!("{:.0} % {name}", *weight as f64 * 100.0 / total as f64))
            .collect();
        let think = range(work.think_ms, Unit::Milliseconds);
        let most =
            work.operations_max.map_or(String::new(), |most| format!(", {most} of each client"));
        format!("{}; {think} between two of a client{most}", shares.join(", "))
    }

    fn drawn_faults(&self) -> String {
        let lasts = Unit::Milliseconds.show(self.acts.faults_ms * self.restart.parts);
        let act = format!("an act of {}", lasts.trim_matches('"'));
        if let Some(plan) = &self.plan {
            let kinds = plan.iter().map(|Episode { kind, .. }| kind.name()).collect::<Vec<_>>();
            return format!("{act}; exactly these: {}", listed(&kinds));
        }
        let faults = &self.faults;
        let kinds =
            FaultKind::ALL.iter().map(|kind| (kind.name(), u64::from(faults.weight(*kind))));
        let kinds: Vec<(&str, u64)> = kinds.filter(|(_, weight)| *weight > 0).collect();
        let total: u64 = kinds.iter().map(|(_, weight)| weight).sum();
        if !faults.enabled || total == 0 {
            return format!("{act}; none are drawn");
        }
        let share = |(name, weight): &(&str, u64)| {
            format!("{name} {:.0} %", *weight as f64 * 100.0 / total as f64)
        };
        let shares: Vec<String> = kinds.iter().map(share).collect();
        let gap = range(faults.gap_ms, Unit::Milliseconds);
        let lasts = range(faults.lasts_ms, Unit::Milliseconds);
        let swarm = if faults.swarm { "; each seed does without some kinds" } else { "" };
        format!("{act}; one every {gap} for {lasts}{swarm}: {}", shares.join(", "))
    }
}

fn directed(fault: &Directed) -> String {
    let ms = |ms: u64| Unit::Milliseconds.show(ms).trim_matches('"').to_owned();
    let aim = toml::to_string(&fault.aim()).expect("an aim has a text");
    let aim = aim.lines().collect::<Vec<_>>().join(", ");
    let aim = if aim.is_empty() { "the seed draws the rest".to_owned() } else { aim };
    format!("{} at {} for {}: {aim}", fault.kind.name(), ms(fault.at.0), ms(fault.lasts.0))
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn size(bytes: u64) -> String {
    Unit::Bytes.show(bytes).trim_matches('"').to_owned()
}

fn range(span: Span, unit: Unit) -> String {
    let (least, most) = (unit.show(span.min), unit.show(span.max));
    let (least, most) = (least.trim_matches('"'), most.trim_matches('"'));
    if span.min == span.max { least.to_owned() } else { format!("{least} to {most}") }
}

/// `3 racks`, `1 master`, `2 to 5 clients`.
fn count(span: Span, noun: &str) -> String {
    match span.min == span.max {
        true => counted(span.max, noun),
        false => format!("{} to {}", span.min, counted(span.max, noun)),
    }
}
