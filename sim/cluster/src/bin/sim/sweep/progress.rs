//! How far a sweep is: a bar on a terminal, else a line now and then.

use indicatif::{ProgressBar, ProgressStyle};
use leasehold_sim::nouns::count;
use leasehold_trace::note;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How often it is looked whether the sweep has ended.
const POLL: Duration = Duration::from_millis(100);

/// Counts runs that are made.
pub struct Progress {
    bar: ProgressBar,
    all: u64,
    made: AtomicU64,
    failed: AtomicU64,
    ended: AtomicBool,
}

impl Progress {
    /// Of so many runs.
    pub fn of(all: u64) -> Self {
        let style = "{bar:30} {pos} of {len}  {per_sec}  {eta} left  {msg}";
        let style = ProgressStyle::with_template(style).expect("the template is one");
        let bar = ProgressBar::new(all).with_style(style);
        let (made, failed, ended) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        Progress { bar, all, made, failed, ended }
    }

    /// Another run is made.
    pub fn made(&self) {
        self.made.fetch_add(1, Ordering::Relaxed);
        self.bar.inc(1);
    }

    /// So many runs failed.
    pub fn failed(&self, count: u64) {
        self.failed.store(count, Ordering::Relaxed);
        self.bar.set_message(format!("{count} failed"));
    }

    /// A line that is not overwritten by the bar.
    pub fn note(&self, text: &str) {
        self.bar.suspend(|| note!("{text}"));
    }

    /// No more lines.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        self.bar.finish_and_clear();
    }

    /// Until the end, says how far it is, every so often, where no terminal shows the bar.
    #[allow(clippy::disallowed_types, reason = "the owner of workers, outside of any run")]
    #[allow(clippy::disallowed_methods, reason = "the owner of workers, outside of any run")]
    pub fn lines(&self, every: Duration) {
        if std::io::stderr().is_terminal() {
            return;
        }
        let (began, mut said) = (std::time::Instant::now(), Duration::ZERO);
        while !self.ended.load(Ordering::Relaxed) {
            std::thread::sleep(POLL);
            let elapsed = began.elapsed();
            if elapsed >= said + every {
                said = elapsed;
                self.line(elapsed);
            }
        }
    }

    fn line(&self, elapsed: Duration) {
        let (made, seconds) = (self.made.load(Ordering::Relaxed), elapsed.as_secs_f64());
        let rate = made as f64 / seconds;
        let left = match made {
            0 => String::new(),
            _ => format!(", about {:.0} s left", (self.all - made) as f64 / rate),
        };
        let failed = self.failed.load(Ordering::Relaxed);
        let all = count(self.all, "run");
        note!("{made} of {all} after {seconds:.0} s, {failed} failed, {rate:.1} a second{left}");
    }
}
