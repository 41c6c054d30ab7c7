//! What a search cost, a row each: for people, and as CSV.

use leasehold_model::{Explored, Space};
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// What a search was, and what it cost.
#[derive(Debug)]
pub struct Row {
    pub model: String,
    pub size: String,
    /// Rules left out.
    pub without: String,
    pub about: String,
    pub bounds: String,
    pub explored: Explored,
    /// By the clock on the wall.
    pub took: Duration,
    /// Of all processors together.
    pub worked: Option<Duration>,
}

/// The head of the table for people.
pub const HEAD: &str = "model             about          states  generated  depth  seconds  cpu s  \
                        states/s  peak MiB  complete  heals within  bounds";

const COLUMNS: [&str; 16] = [
    "model",
    "size",
    "without",
    "about",
    "bounds",
    "states",
    "generated",
    "depth",
    "ahead_max",
    "seconds",
    "cpu_seconds",
    "generated_per_second",
    "peak_mib",
    "complete",
    "heals_within_s",
    "violates",
];

impl Row {
    pub fn new(space: &Space, explored: Explored) -> Self {
        Row {
            model: String::new(),
            size: String::new(),
            without: String::new(),
            about: String::new(),
            bounds: space.bounds.to_string(),
            explored,
            took: Duration::ZERO,
            worked: None,
        }
    }

    fn rate(&self) -> f64 {
        self.explored.generated as f64 / self.took.as_secs_f64().max(1e-9)
    }

    fn complete(&self) -> &'static str {
        if self.explored.complete { "yes" } else { "no" }
    }

    fn healed(&self) -> Option<String> {
        self.explored.healed.map(|healed| format!("{:.1}", healed.span.as_secs_f64()))
    }

    fn cells(&self) -> [String; 16] {
        let explored = &self.explored;
        let seconds = |span: Duration| format!("{:.2}", span.as_secs_f64());
        [
            self.model.clone(),
            self.size.clone(),
            self.without.clone(),
            self.about.clone(),
            self.bounds.clone(),
            explored.states.to_string(),
            explored.generated.to_string(),
            explored.depth.to_string(),
            explored.ahead_max.to_string(),
            seconds(self.took),
            self.worked.map(seconds).unwrap_or_default(),
            format!("{:.0}", self.rate()),
            peak_mib().map(|mib| mib.to_string()).unwrap_or_default(),
            self.complete().into(),
            self.healed().unwrap_or_default(),
            explored.found.as_ref().map(|found| found.violation.invariant).unwrap_or("").into(),
        ]
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let explored = &self.explored;
        let worked = self.worked.map(|worked| format!("{:.1}", worked.as_secs_f64()));
        write!(
            f,
            "{:<16}  {:<11} {:>9} {:>10} {:>6} {:>8.1} {:>6} {:>9.0} {:>9} {:>9} {:>13}  {}",
            self.model,
            self.about,
            explored.states,
            explored.generated,
            explored.depth,
            self.took.as_secs_f64(),
            worked.unwrap_or_else(|| "?".into()),
            self.rate(),
            peak_mib().map_or("?".into(), |mib| mib.to_string()),
            self.complete(),
            self.healed().map_or("-".into(), |seconds| format!("{seconds} s")),
            self.bounds,
        )
    }
}

/// Writes a row behind those that are there; a new file begins with the columns' names.
pub fn append(path: &Path, row: &Row) -> anyhow::Result<()> {
    let new = !path.exists();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    let mut writer = csv::Writer::from_writer(file);
    if new {
        writer.write_record(COLUMNS)?;
    }
    writer.write_record(row.cells())?;
    writer.flush()?;
    Ok(())
}

/// The most memory that this process had so far, where the system says so.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1_024)
}

/// Processor time that this process used so far, where the system says so.
pub fn worked() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the process, in brackets, may hold spaces; the fields behind it do not.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    // Linux counts in hundredths of a second here, on every machine (USER_HZ).
    Some(Duration::from_millis(ticks * 10))
}
