//! What is written about a paper: a page, its table as CSV, and its line in the index.

use crate::claim::Column;
use crate::folder::Folder;
use crate::paper::Figure;
use crate::table::{Row, Simulated, Table};
use crate::verdict::{Judged, Verdict};
use anyhow::Result;
use leasehold_sim::provenance::Build;
use std::fmt::Write;

/// Where and how long a run took place.
#[derive(Clone, Debug)]
pub struct Provenance {
    /// Of this program: its sources, and so those of every run.
    pub build: Build,
    /// Of the wall clock.
    pub wall_s: f64,
    /// Fewer rows and seeds than the claim demands.
    pub reduced: bool,
}

/// Everything about a paper's run.
pub struct Report<'a> {
    /// The paper's name.
    pub name: &'a str,
    /// Its folder.
    pub folder: &'a Folder,
    /// What came out.
    pub table: &'a Table,
    /// The worst sentence's verdict.
    pub verdict: Verdict,
    /// Every sentence's.
    pub judged: &'a [Judged],
    /// Where and how long.
    pub from: &'a Provenance,
}

impl Report<'_> {
    /// The page.
    #[must_use]
    pub fn markdown(&self) -> String {
        let (name, claim, table) = (self.name, &self.folder.claim, self.table);
        let reduced = if self.from.reduced { " (reduced form)" } else { "" };
        let mut out = format!(
            "<!-- Written by `just paper {name}`; the text is from scenarios/papers/{name}. -->\n\
             # {}\n\n**{}**{reduced}: {}\n\n**Compared.** {}\n\n**Source.** {}\n\n**Question.** {}\n\n\
             **What was simulated.** {}\n\n**Formula.** {}\n\n![]({name}.svg)\n\n",
            claim.title,
            self.verdict,
            self.summary(),
            claim.compares.trim(),
            claim.source.trim(),
            claim.question.trim(),
            claim.setup.trim(),
            claim.formula.trim(),
        );
        out.push_str("## The claim\n\n");
        out.push_str(
            "| sentence | tolerance | refuted | rows | largest deviation | median | verdict |\n",
        );
        out.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
        self.judged.iter().for_each(|judged| sentence(&mut out, judged));
        let _ = write!(
            out,
            "\nA deviation is relative to the column that is compared with. SHAPE ONLY: beyond the \
             tolerance and not refuted, and at most one pair of rows in twenty rises in one column \
             and falls in the other.\n\n## Rows\n\n\
             Simulation: the median of {} seeds and its 95 % confidence interval by the sign test, where the \
             set-up says nothing else.\n\n\
             | series | {} | paper | formula | simulation | 95 % interval | sim/formula | formula/paper |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- |\n",
            table.seeds,
            if claim.plot.y.is_empty() { "row" } else { &claim.plot.x },
        );
        table.rows.iter().for_each(|row| line(&mut out, row));
        self.footnotes(&mut out);
        let _ = write!(out, "\n{}\n", self.folder.notes.trim());
        let _ = write!(
            out,
            "\n## Where this comes from\n\n\
             `just paper {name}`, at {}: {} readings in {:.0} s of wall time on two cores, fingerprint \
             {}. The same commit gives the same fingerprint. Figures: [`{name}.csv`]({name}.csv). \
             This is a replication in the sense of the ACM's terms: another team, another artefact. \
             To cite it: `CITATION.cff`, with this build.\n",
            self.from.build, table.readings, self.from.wall_s, table.fingerprint,
        );
        out
    }

    /// The verdict in half a line: which sentence decided it.
    fn summary(&self) -> String {
        let decides = self.judged.iter().filter(|judged| judged.verdict == self.verdict);
        let key = |judged: &&Judged| judged.worst.0.abs();
        let worst = match self.verdict {
            Verdict::Reproduced => decides
                .filter(|judged| judged.statement.apart.is_none())
                .max_by(|a, b| key(a).total_cmp(&key(b))),
            Verdict::ShapeOnly | Verdict::Refuted => {
                decides.max_by(|a, b| key(a).total_cmp(&key(b)))
            }
        };
        match worst {
            None => "every sentence of the claim holds.".to_owned(),
            Some(judged) => format!(
                "largest deviation {}, {} against {} at {}.",
                percent(judged.worst.0),
                judged.statement.of.name(),
                judged.statement.against.name(),
                judged.worst.1
            ),
        }
    }

    /// Why columns are empty, each reason once.
    fn footnotes(&self, out: &mut String) {
        let mut reasons: Vec<&str> = Vec::new();
        for row in &self.table.rows {
            let paper = row.published.y.is_none().then_some(row.published.how.as_str());
            let formula = match &row.formula {
                Figure::Absent(why) => Some(*why),
                Figure::Value(_) => None,
            };
            let simulation = match &row.simulated {
                Simulated::Absent(why) => Some(*why),
                Simulated::Seen(_) => None,
            };
            for reason in [paper, formula, simulation].into_iter().flatten() {
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
        }
        if !reasons.is_empty() {
            out.push_str("\nWhere a column is empty:\n\n");
            reasons.iter().for_each(|reason| {
                let _ = writeln!(out, "- {reason}");
            });
        }
    }

    /// The table as CSV.
    ///
    /// # Errors
    /// Never, in memory.
    pub fn csv(&self) -> Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record([
            "series",
            "x",
            "label",
            "unit",
            "paper",
            "how",
            "page",
            "resolution",
            "formula",
            "simulation",
            "low",
            "high",
            "seeds",
            "why_no_formula",
            "why_no_simulation",
        ])?;
        for row in &self.table.rows {
            let published = &row.published;
            let number =
                |value: Option<f64>| value.map_or(String::new(), |value| format!("{value}"));
            let (spread, why) = match row.simulated {
                Simulated::Seen(spread) => (Some(spread), ""),
                Simulated::Absent(why) => (None, why),
            };
            let no_formula = match &row.formula {
                Figure::Absent(why) => *why,
                Figure::Value(_) => "",
            };
            writer.write_record([
                published.series.clone(),
                format!("{}", published.x),
                published.label.clone(),
                published.unit.clone(),
                number(published.y),
                published.how.clone(),
                published.page.clone(),
                format!("{}", published.resolution),
                number(row.value(Column::Formula)),
                number(spread.map(|spread| spread.median)),
                number(spread.map(|spread| spread.low)),
                number(spread.map(|spread| spread.high)),
                spread.map_or(String::new(), |spread| spread.count.to_string()),
                no_formula.to_owned(),
                why.to_owned(),
            ])?;
        }
        Ok(String::from_utf8(writer.into_inner()?)?)
    }
}

/// A paper's line in the index, from the head of its page.
#[must_use]
pub fn index_line(name: &str, page: &str) -> Option<String> {
    let after = |start: &str| page.lines().find_map(|line| line.strip_prefix(start));
    let title = after("# ")?;
    let compared = after("**Compared.** ")?;
    let (verdict, summary) = after("**")?.split_once("**")?;
    let summary = summary.split_once(": ").map_or(summary, |(_, summary)| summary);
    Some(format!(
        "| [{title}]({name}.md) | {compared} | **{verdict}** | {summary} | [plot]({name}.svg) |\n"
    ))
}

fn sentence(out: &mut String, judged: &Judged) {
    let statement = &judged.statement;
    let (tolerance, refuted) = match (statement.within, statement.refuted_above, statement.apart) {
        (Some(within), Some(refuted), _) => {
            let percent = |share: f64| format!("{} %", number(share * 100.0));
            (percent(within), format!("above {}", percent(refuted)))
        }
        (_, _, Some(apart)) => (format!("factor {apart} or more"), format!("below {apart}")),
        _ => (String::new(), String::new()),
    };
    let _ = writeln!(
        out,
        "| {} | {tolerance} | {refuted} | {} | {} at {} | {} | {} |",
        statement.says,
        judged.rows,
        percent(judged.worst.0),
        judged.worst.1,
        percent(judged.median),
        judged.verdict
    );
}

fn line(out: &mut String, row: &Row) {
    let published = &row.published;
    let shown = |value: Option<f64>| value.map_or("–".to_owned(), number);
    let interval = match row.simulated {
        Simulated::Seen(spread) => format!("{} to {}", number(spread.low), number(spread.high)),
        Simulated::Absent(_) => "–".to_owned(),
    };
    let (paper, formula, simulation) =
        (row.value(Column::Paper), row.value(Column::Formula), row.value(Column::Simulation));
    let ratio = |of: Option<f64>, against: Option<f64>| match (of, against) {
        (Some(of), Some(against)) if against != 0.0 => number(of / against),
        _ => "–".to_owned(),
    };
    let unit =
        if published.unit.is_empty() { String::new() } else { format!(" {}", published.unit) };
    let _ = writeln!(
        out,
        "| {} | {} | {}{} | {} | {} | {interval} | {} | {} |",
        published.series,
        published.name(),
        shown(paper),
        if paper.is_some() { unit.as_str() } else { "" },
        shown(formula),
        shown(simulation),
        ratio(simulation, formula),
        ratio(formula, paper),
    );
}

/// Four digits, or a power of ten.
fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e7).contains(&size) {
        return format!("{value:.2e}");
    }
    let before = size.log10().floor() as i32;
    let decimals = usize::try_from((3 - before).clamp(0, 6)).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

fn percent(value: f64) -> String {
    if value.is_infinite() {
        return "beyond any bound (compared with 0)".to_owned();
    }
    format!("{:+.1} %", value * 100.0)
}
