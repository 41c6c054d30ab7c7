//! A run once more, recorded: what is printed about its failure, and the files about it.

use crate::args::RunArgs;
use crate::run::name;
use anyhow::{Context, Result, ensure};
use leasehold_sim::provenance::{Build, Provenance};
use leasehold_sim::run::{Asked, Outcome, run};
use leasehold_sim::scenario::{Expect, Scenario};
use leasehold_sim::seed::Seed;
use leasehold_trace::say;
use leasehold_trace::{Finding, Story, Title, Trace};
use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Where the replay command suggests to write the files.
const FOLDER: &str = "reports/out/trace";

/// A run, and how it ended, for people.
pub struct Explained<'a> {
    args: &'a RunArgs,
    title: Title,
    trace: Trace,
    finding: Option<Finding>,
    end_ns: u64,
}

impl<'a> Explained<'a> {
    /// Runs a seed again and records it. A run is a function of its seed: recording only those
    /// that are to be explained keeps all others cheap.
    pub fn new(args: &'a RunArgs, scenario: &Scenario, outcome: &Outcome) -> Result<Self> {
        let seed = outcome.summary.seed;
        let mut asked = Asked::default();
        asked.log.record = true;
        let again = run(scenario, Seed(seed), asked);
        let (first, second) = (&outcome.summary.fingerprint, &again.summary.fingerprint);
        ensure!(first == second, "seed {seed}: {first} became {second} when it was recorded");
        let path = args.scenario.scenario.as_ref();
        let from = Provenance::of(&name(args), scenario, seed);
        let title = Title {
            scenario: path.map_or("the standard scenario".into(), |p| p.display().to_string()),
            about: scenario.about.clone(),
            replay: format!("just sim --seed {seed}{}{}", args.scenario.again(), traced(args)),
            from: serde_json::to_value(&from)?,
            from_line: from.line(),
        };
        let finding = again.found.map(|found| Finding {
            expected: matches!(&scenario.expect, Expect::Violation(id) if found.wrong.invariant == id),
            event: found.number,
            violation: found.wrong.at(found.true_ns),
        });
        let trace = again.trace.context("a recording was asked for")?;
        Ok(Explained { args, title, trace, finding, end_ns: outcome.summary.virtual_ns })
    }

    fn story(&self) -> Story<'_> {
        Story {
            title: &self.title,
            trace: &self.trace,
            finding: self.finding.as_ref(),
            window: self.args.window.as_ref(),
        }
    }

    /// Prints the run, unless only files are wanted, and writes them. How a run ended is printed even
    /// if they cannot be written.
    pub fn show(&self, ran: Option<&str>) -> Result<()> {
        let page = self.write();
        if let Some(ran) = ran {
            self.tell(ran, page.as_ref().ok().and_then(Option::as_deref));
        }
        page.map(drop)
    }

    /// Writes the files about the run, if they are wanted; returns the page.
    fn write(&self) -> Result<Option<PathBuf>> {
        let Some(folder) = &self.args.trace else { return Ok(None) };
        if let Some(window) = &self.args.window {
            let (from, end) = (window.start as f64 / 1e9, self.end_ns as f64 / 1e9);
            let inside = window.start < self.end_ns;
            ensure!(inside, "--window: it begins at {from} s, and the run ends at {end:.3} s");
        }
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let story = self.story();
        file(&folder.join("trace.jsonl"), |to| story.write_jsonl(to))?;
        file(&folder.join("trace.perfetto.json"), |to| story.write_perfetto(to))?;
        let page = folder.join("trace.html");
        file(&page, |to| story.write_html(to))?;
        Ok(Some(page))
    }

    /// The violated sentence, what was seen, what ran, what led to it, and the command that shows
    /// it again.
    fn tell(&self, ran: &str, page: Option<&Path>) {
        let Some(finding) = &self.finding else { return };
        let as_expected = if finding.expected { " AS EXPECTED" } else { "" };
        say!(
            "VIOLATED{as_expected} {}: {}",
            finding.violation.invariant,
            finding.violation.sentence
        );
        say!("  {}", finding.violation.detail);
        let (at, event) = (finding.violation.true_ns as f64 / 1e9, finding.event);
        say!("  found at {at:.6} s, event {event}, in {}", self.title.scenario);
        ran.lines().for_each(|line| say!("  {line}"));
        say!("\n    true time   until then  what led to it");
        say!("{}", self.story().excerpt());
        if let Some(page) = page {
            say!("to look at it: {}", page.display());
        }
        say!("build: {}", Build::this());
        let expected = if finding.expected { "violated as expected; " } else { "" };
        say!("{expected}replay: {}", self.title.replay);
    }
}

/// The options that write the same files again.
fn traced(args: &RunArgs) -> String {
    let folder = args.trace.as_deref().unwrap_or(Path::new(FOLDER)).display();
    let window = args.window.as_ref().map_or(String::new(), |window| {
        format!(" --window {}..{}", window.start as f64 / 1e9, window.end as f64 / 1e9)
    });
    format!(" --trace {folder}{window}")
}

/// Writes a file completely or not at all: under its name there is never a part of it.
fn file(path: &Path, fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let part = path.with_extension("part");
    let opened = fs::OpenOptions::new().write(true).create(true).truncate(true).open(&part);
    let mut to = BufWriter::new(opened.with_context(|| part.display().to_string())?);
    if let Err(error) = fill(&mut to).and_then(|()| to.flush()) {
        // What could not be written whole may not be removable either: the first error counts.
        let _ = fs::remove_file(&part);
        return Err(error).with_context(|| path.display().to_string());
    }
    fs::rename(&part, path).with_context(|| path.display().to_string())
}
