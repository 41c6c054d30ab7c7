//! The pages of a report and of a comparison: one file each, without a network.

use super::compare::{Alike, Difference, Paired};
use super::plots::Drawn;
use super::stats::Interval;
use super::variant::{Figures, QUANTILES};
use crate::nouns::count;
use crate::provenance::Build;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");

/// How figures of a report are made, and what they do not say.
const METHOD: &str = "Times are of the simulation. Quantiles are of all acknowledged operations of all whole \
    runs of a variant, as coarse as the table has them (3 %). Their 95 % intervals, and those of the recovery, are percentile \
    intervals of the bootstrap: whole seeds are drawn anew, since operations of one run depend on each \
    other; the draws are always the same ones. The interval of operations a second is Student's t over \
    seeds. Runs that stopped at a violation, died or hung are counted, and are in no other figure. \
    Refused operations and those of unknown end have no latency: a variant may look fast because it refuses.";
/// The same of a comparison.
const PAIRING: &str = "Both sides ran the same seeds. Each figure is taken of each run; its difference is the mean over \
    the seeds of which both runs are whole, and the 95 % interval is Student's t of the paired differences. Every figure has an \
    interval of its own: of twenty figures without any difference, one is expected to be called one.";

/// A table that a page is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The file.
    pub table: String,
    /// Its rows.
    pub rows: usize,
    /// Which builds made them.
    pub builds: BTreeSet<Build>,
    /// The commands that make them again.
    pub commands: Vec<String>,
}

/// A report.
#[derive(Serialize)]
pub struct Page<'a> {
    /// The tables.
    pub sources: &'a [Source],
    /// Of each variant.
    pub variants: &'a [Figures],
    /// Variants that did alike.
    pub alike: &'a [Alike],
    /// Over settings.
    #[serde(skip)]
    pub plots: &'a [Drawn],
}

impl Page<'_> {
    /// The file.
    #[must_use]
    pub fn html(&self) -> String {
        let mut body = String::new();
        let runs: u64 = self.variants.iter().map(|variant| variant.runs).sum();
        let variants = count(self.variants.len() as u64, "variant");
        let _ = writeln!(body, "<h1>{} of {variants}</h1>", count(runs, "run"));
        sources(&mut body, self.sources);
        body.push_str("<h2>Runs</h2>\n");
        table(&mut body, &RUNS, self.variants.iter().map(run_cells));
        if !self.plots.is_empty() {
            body.push_str("<h2>Over the settings</h2>\n");
            self.plots.iter().for_each(|plot| body.push_str(&plot.svg));
        }
        body.push_str("<h2>Latency by kind of operation, ms</h2>\n");
        let mut head = vec!["variant", "kind", "acknowledged", "refused", "unknown"];
        head.extend(QUANTILES.iter().map(|(name, _)| *name));
        head.push("max");
        table(&mut body, &head, self.variants.iter().flat_map(kind_cells));
        body.push_str("<h2>Variants that did alike</h2>\n");
        self.alike(&mut body);
        let _ = writeln!(body, "<h2>How this was computed</h2>\n<p>{METHOD}</p>");
        again(&mut body, self.sources);
        whole("Report of a sweep", &body)
    }

    fn alike(&self, body: &mut String) {
        if self.alike.is_empty() {
            body.push_str(
                "<p>None: every pair of variants of a scenario differs in some figure.</p>\n",
            );
            return;
        }
        body.push_str(
            "<p>Pairs of which no figure differs by more than chance explains, at 95 % for all figures and \
             pairs together (paired by seed, Student's t, Bonferroni). They did alike if every difference \
             above 10 % is excluded; otherwise more seeds decide.</p>\n",
        );
        let head = ["one", "other", "common seeds", "figures", "finding"];
        table(
            body,
            &head,
            self.alike.iter().map(|pair| {
                vec![
                    pair.one.clone(),
                    pair.other.clone(),
                    pair.seeds.to_string(),
                    pair.figures.to_string(),
                    sentence(pair),
                ]
            }),
        );
    }
}

/// What is known of two variants that did alike.
#[must_use]
pub fn sentence(pair: &Alike) -> String {
    match &pair.percent_max {
        _ if pair.same_runs => {
            "alike: every run is the same, event by event; what was set has no effect".to_owned()
        }
        Some((percent, figure)) => {
            let finding = if pair.is_shown() { "alike" } else { "undecided" };
            format!(
                "{finding}: no difference found; up to {percent:.1} % ({figure}) is not excluded"
            )
        }
        None => "undecided: no difference found".to_owned(),
    }
}

const RUNS: [&str; 8] = [
    "variant",
    "runs",
    "outcomes",
    "whole runs",
    "operations a simulated second",
    "recovery, ms",
    "rules left out",
    "constants set",
];

fn run_cells(of: &Figures) -> Vec<String> {
    let outcomes: Vec<String> =
        of.outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
    let left_out = if of.rules_left_out.is_empty() { "none" } else { &of.rules_left_out };
    let constants = if of.constants.is_empty() { "none" } else { &of.constants };
    vec![
        of.name(),
        of.runs.to_string(),
        outcomes.join(", "),
        of.whole_runs.to_string(),
        of.operations_per_s.as_ref().map_or("-".to_owned(), interval),
        of.recovery_ms.as_ref().map_or("-".to_owned(), interval),
        left_out.replace(';', " "),
        constants.replace(';', " "),
    ]
}

fn kind_cells(of: &Figures) -> Vec<Vec<String>> {
    let row = |kind: &super::variant::Kind| {
        let mut cells = vec![of.name(), kind.kind.clone()];
        cells
            .extend([kind.acknowledged, kind.refused, kind.unknown].map(|count| count.to_string()));
        let quantile =
            |(name, _): &(&str, f64)| kind.quantiles_ms.get(name).map_or("-".to_owned(), interval);
        cells.extend(QUANTILES.iter().map(quantile));
        cells.push(number(kind.max_ms));
        cells
    };
    of.kinds.iter().map(row).collect()
}

/// A comparison.
#[derive(Serialize)]
pub struct Comparison {
    /// The two tables.
    pub a: Source,
    #[allow(missing_docs)]
    pub b: Source,
    /// Each pair of variants: their names, and what differs.
    pub pairs: Vec<(String, String, Paired)>,
    /// Variants without a partner in the other table.
    pub without_partner: Vec<String>,
}

impl Comparison {
    /// The file.
    #[must_use]
    pub fn html(&self) -> String {
        let mut body = String::from("<h1>Two tables, paired by seed</h1>\n");
        let both = [self.a.clone(), self.b.clone()];
        sources(&mut body, &both);
        for (a, b, paired) in &self.pairs {
            let name =
                if a == b { escaped(a) } else { format!("{} and {}", escaped(a), escaped(b)) };
            let _ = writeln!(body, "<h2>{name}</h2>\n<p>{}</p>", escaped(&seeds(paired)));
            let head = ["figure", "seeds", "A", "B", "B less A", "in %", "higher", "lower", ""];
            table(&mut body, &head, paired.differences.iter().map(difference_cells));
        }
        if !self.without_partner.is_empty() {
            let names = self.without_partner.join(", ");
            let _ = writeln!(body, "<p>Without a partner: {}</p>", escaped(&names));
        }
        let _ = writeln!(body, "<h2>How this was computed</h2>\n<p>{PAIRING}</p>");
        again(&mut body, &both);
        whole("Comparison of two sweeps", &body)
    }
}

/// The seeds of a pair, in a sentence.
#[must_use]
pub fn seeds(paired: &Paired) -> String {
    let mut text = format!(
        "{}, {} of them whole on both sides, {} the same run event by event; {} without a partner.",
        count(paired.seeds as u64, "common seed"),
        paired.whole,
        paired.same_runs,
        count(paired.unpaired as u64, "seed")
    );
    for (change, seeds) in &paired.outcomes_changed {
        let _ = write!(text, " Of {}, {change}.", count(*seeds as u64, "seed"));
    }
    text
}

/// What the interval of a difference says.
#[must_use]
pub fn finding(of: &Difference) -> &'static str {
    match of.difference {
        Interval { low: Some(low), .. } if low > 0.0 => "higher",
        Interval { high: Some(high), .. } if high < 0.0 => "lower",
        Interval { low: None, .. } => "one seed",
        Interval { .. } => "no difference found",
    }
}

fn difference_cells(of: &Difference) -> Vec<String> {
    let percent = of.percent().map_or("-".to_owned(), |percent| format!("{percent:+.1}"));
    vec![
        of.figure.clone(),
        of.seeds.to_string(),
        number(of.a),
        number(of.b),
        interval(&of.difference),
        percent,
        of.higher.to_string(),
        of.lower.to_string(),
        finding(of).to_owned(),
    ]
}

/// A value, and its interval if there is one.
#[must_use]
pub fn interval(of: &Interval) -> String {
    match (of.low, of.high) {
        (Some(low), Some(high)) => {
            format!("{} [{}, {}]", number(of.value), number(low), number(high))
        }
        _ => number(of.value),
    }
}

/// To three digits.
#[must_use]
pub fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

fn sources(body: &mut String, sources: &[Source]) {
    body.push_str("<ul>\n");
    for source in sources {
        let builds: Vec<String> = source.builds.iter().map(Build::to_string).collect();
        let (table, builds) = (escaped(&source.table), escaped(&builds.join("; ")));
        let _ = writeln!(
            body,
            "<li><code>{table}</code>: {}; {builds}</li>",
            count(source.rows as u64, "row")
        );
    }
    body.push_str("</ul>\n");
}

/// How to run it again, and how to cite it.
fn again(body: &mut String, sources: &[Source]) {
    body.push_str("<h2>To run this again, and to cite it</h2>\n");
    for source in sources {
        for command in &source.commands {
            let _ = writeln!(body, "<pre>{}</pre>", escaped(command));
        }
    }
    let builds: BTreeSet<String> =
        sources.iter().flat_map(|source| &source.builds).map(Build::to_string).collect();
    let builds = builds.into_iter().collect::<Vec<_>>().join("; ");
    let _ = writeln!(body, "<p>{}</p>", escaped(&citation(&builds)));
}

/// How figures of these builds are cited.
#[must_use]
pub fn citation(builds: &str) -> String {
    format!(
        "Cite as: Leasehold, {builds} (CITATION.cff), with the table. The same sources, scenario and seed give the same run on any machine."
    )
}

fn table<'a>(body: &mut String, head: &[&str], rows: impl Iterator<Item = Vec<String>> + 'a) {
    let cell = |tag: &str, text: &str| format!("<{tag}>{}</{tag}>", escaped(text));
    let titles: String = head.iter().map(|text| cell("th", text)).collect();
    let _ = writeln!(body, "<table>\n<tr>{titles}</tr>");
    for row in rows {
        let found = row.iter().any(|text| text == "higher" || text == "lower");
        let cells: String = row.iter().map(|text| cell("td", text)).collect();
        let class = if found { " class=\"found\"" } else { "" };
        let _ = writeln!(body, "<tr{class}>{cells}</tr>");
    }
    body.push_str("</table>\n");
}

fn whole(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn source() -> Source {
        let build = Build { commit: "abc".to_owned(), sources: "123".to_owned() };
        Source {
            table: "a<b.csv".to_owned(),
            rows: 3,
            builds: [build].into(),
            commands: vec!["just sweep --seeds 0..3".to_owned()],
        }
    }

    #[test]
    fn a_page_says_where_it_comes_from_and_needs_nothing_else() {
        let page = Page { sources: &[source()], variants: &[], alike: &[], plots: &[] }.html();
        assert!(page.contains("a&lt;b.csv") && page.contains("commit abc, sources 123"), "{page}");
        assert!(page.contains("just sweep --seeds 0..3") && page.contains("CITATION.cff"));
        assert!(!page.contains("http") && page.ends_with("</html>\n"));
    }

    #[test]
    fn a_comparison_marks_what_was_found() {
        let one = |low, high| Difference {
            figure: "append p99, ms".to_owned(),
            seeds: 9,
            a: 10.0,
            b: 12.5,
            difference: Interval { value: 2.5, low: Some(low), high: Some(high) },
            higher: 8,
            lower: 1,
        };
        let paired = Paired {
            seeds: 9,
            unpaired: 1,
            whole: 9,
            same_runs: 0,
            outcomes_changed: BTreeMap::from([("ok became violated".to_owned(), 2)]),
            differences: vec![one(1.0, 4.0), one(-1.0, 6.0), one(-6.0, -1.0)],
        };
        let findings: Vec<&str> = paired.differences.iter().map(finding).collect();
        assert_eq!(findings, ["higher", "no difference found", "lower"]);
        let pairs = vec![("x".to_owned(), "x".to_owned(), paired)];
        let page =
            Comparison { a: source(), b: source(), pairs, without_partner: Vec::new() }.html();
        assert!(page.contains("2.50 [1.00, 4.00]") && page.contains("+25.0"), "{page}");
        assert_eq!(page.matches("class=\"found\"").count(), 2);
        assert!(page.contains("Of 2 seeds, ok became violated."));
    }
}
