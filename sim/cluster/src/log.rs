//! Everything that happened in a run, in order: counted, fingerprinted, and written down as far as
//! somebody asked.

use crate::fingerprint::Fingerprint;
use crate::replay::RecordingWriter;
use leasehold_proto::{Effect, Input, NodeId};
use std::hash::Hash;
use std::io::Write;
use std::ops::RangeInclusive;

/// One thing that happened.
#[derive(Debug, Hash)]
pub enum RunEvent<'a> {
    /// A node took an input.
    Input(&'a Input),
    /// It wanted this done.
    Effect(&'a Effect),
    /// Somebody outside of the protocol did something to the run.
    Outside(&'a str),
}

/// A line of the log that was requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The event's number in the run, from 1.
    pub number: u64,
    /// True time.
    pub true_ns: u64,
    /// Where.
    pub node: NodeId,
    /// What.
    pub what: String,
}

/// The log of one run.
#[derive(Default)]
pub struct RunLog {
    fingerprint: Fingerprint,
    events: u64,
    digests: Option<Vec<u32>>,
    watch: Option<RangeInclusive<u64>>,
    lines: Vec<Line>,
}

/// What a log keeps beside the fingerprint. By default nothing: text costs more than the run.
#[derive(Default)]
pub struct LogOptions {
    /// 32 bits of the fingerprint after every event, to find where two runs part.
    pub digests: bool,
    /// The text of these events.
    pub watch: Option<RangeInclusive<u64>>,
    /// A record of everything, for people.
    pub record: bool,
    /// What every node was given and what it wanted, to be replayed: kept in memory.
    pub recording: bool,
    /// ... or written while it comes.
    pub recording_to: Option<RecordingWriter>,
    /// A record a line of everything, written while it comes: also of a run that never ends.
    pub stream: Option<Box<dyn Write + Send>>,
}

impl RunLog {
    /// An empty log.
    #[must_use]
    pub fn new(options: LogOptions) -> Self {
        RunLog {
            digests: options.digests.then(Vec::new),
            watch: options.watch,
            ..RunLog::default()
        }
    }

    /// Adds an event.
    pub fn note(&mut self, true_ns: u64, node: NodeId, what: &RunEvent<'_>) {
        self.events += 1;
        self.fingerprint.feed(&(true_ns, node, what));
        if let Some(digests) = &mut self.digests {
            digests.push(self.fingerprint.short());
        }
        if self.watch.as_ref().is_some_and(|range| range.contains(&self.events)) {
            let (number, what) = (self.events, format!("{what:?}"));
            self.lines.push(Line { number, true_ns, node, what });
        }
    }

    /// How many events there were.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Of all that happened so far.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Takes what was requested, the digests and the watched lines.
    pub fn take(&mut self) -> (Vec<u32>, Vec<Line>) {
        (self.digests.take().unwrap_or_default(), std::mem::take(&mut self.lines))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(options: LogOptions, words: &[&str]) -> RunLog {
        let mut log = RunLog::new(options);
        for (at, word) in words.iter().enumerate() {
            log.note(at as u64, NodeId(7), &RunEvent::Outside(word));
        }
        log
    }

    #[test]
    fn digests_part_where_two_runs_part_and_stay_apart() {
        let options = || LogOptions { digests: true, ..LogOptions::default() };
        let (one, _) = noted(options(), &["a", "b", "c", "d"]).take();
        let (other, _) = noted(options(), &["a", "b", "x", "d"]).take();
        let equal: Vec<bool> = one.iter().zip(&other).map(|(a, b)| a == b).collect();
        assert_eq!(equal, [true, true, false, false]);
    }

    #[test]
    fn what_is_written_down_does_not_change_the_fingerprint() {
        let plain = noted(LogOptions::default(), &["a", "b"]);
        let options = LogOptions { watch: Some(2..=9), ..LogOptions::default() };
        let mut watched = noted(options, &["a", "b"]);
        assert_eq!(plain.fingerprint(), watched.fingerprint());
        let lines = watched.take().1;
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0].number, lines[0].what.as_str()), (2, "Outside(\"b\")"));
    }
}
