//! What a run prints: progress for people on stderr, results on stdout, as JSON if that is wanted.

use serde_json::Value;
use std::io::Write;
use std::time::Instant;

/// Where a run reports.
pub struct Report {
    /// Results as JSON, and no progress.
    pub json: bool,
    begun: Instant,
}

impl Report {
    /// From this moment.
    pub fn new(json: bool) -> Report {
        Report { json, begun: Instant::now() }
    }

    /// A line of progress.
    pub fn say(&self, line: impl AsRef<str>) {
        if !self.json {
            let at = self.begun.elapsed().as_secs_f64();
            let _ = writeln!(std::io::stderr(), "[{at:6.1} s] {}", line.as_ref());
        }
    }

    /// Says what a step took, if it took a while.
    pub fn timed<T>(&self, what: &str, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        let took = begun.elapsed().as_secs_f64();
        if took > 0.5 {
            self.say(format!("{what}: {took:.1} s"));
        }
        done
    }

    /// The result: a text for people or a value for programs.
    pub fn result(&self, text: impl AsRef<str>, value: &Value) {
        let mut out = std::io::stdout();
        // A closed pipe is the reader's business.
        let _ = if self.json {
            writeln!(out, "{value:#}")
        } else {
            writeln!(out, "{}", text.as_ref().trim_end())
        };
    }
}
