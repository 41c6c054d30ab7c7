//! What was measured: rows as they fell, medians over repetitions, two CSV files and a table.

use crate::process::Usage;
use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// One transfer of the whole file.
#[derive(Clone, Debug, Serialize)]
pub struct Transfer {
    /// Counted from 1.
    pub repetition: u32,
    /// `durable` or `page-cache`.
    pub policy: &'static str,
    /// `relay`, `put`, `sender` or `get`.
    pub step: &'static str,
    /// The file's size.
    pub bytes: u64,
    /// Wall time of the client's process, from its start to its end.
    pub seconds: f64,
    /// 10⁶ bytes a second.
    pub megabytes_per_s: f64,
    /// Bytes per fdatasync on one hop, measured; empty where nothing is synced or not countable.
    pub bytes_per_sync: Option<u64>,
}

/// What one process used in one transfer.
#[derive(Clone, Debug, Serialize)]
pub struct Account {
    /// Counted from 1.
    pub repetition: u32,
    /// `durable` or `page-cache`.
    pub policy: &'static str,
    /// `relay`, `put`, `sender` or `get`.
    pub step: &'static str,
    /// Which process.
    pub process: String,
    /// CPU seconds in user space, in this transfer.
    pub user_s: f64,
    /// CPU seconds in the kernel, in this transfer.
    pub system_s: f64,
    /// Peak resident memory since the process started (VmHWM).
    pub peak_rss_bytes: u64,
}

/// Everything measured.
#[derive(Debug, Default)]
pub struct Report {
    transfers: Vec<Transfer>,
    accounts: Vec<Account>,
}

/// Where a measurement belongs.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Counted from 1.
    pub repetition: u32,
    /// `durable` or `page-cache`.
    pub policy: &'static str,
    /// `relay`, `put`, `sender` or `get`.
    pub step: &'static str,
}

impl Report {
    /// Takes in one transfer and says it on stderr.
    pub fn transfer(&mut self, at: Place, bytes: u64, took: Duration, per_sync: Option<u64>) {
        let seconds = took.as_secs_f64();
        let megabytes_per_s = bytes as f64 / seconds / 1e6;
        let Place { repetition, policy, step } = at;
        eprintln!("{repetition:>3}  {policy:<10}  {step:<6}  {megabytes_per_s:7.1} MB/s");
        self.transfers.push(Transfer {
            repetition,
            policy,
            step,
            bytes,
            seconds,
            megabytes_per_s,
            bytes_per_sync: per_sync,
        });
    }

    /// Takes in what one process used in a transfer.
    pub fn account(&mut self, at: Place, process: &str, usage: Usage) {
        self.accounts.push(Account {
            repetition: at.repetition,
            policy: at.policy,
            step: at.step,
            process: process.to_owned(),
            user_s: usage.user_s,
            system_s: usage.system_s,
            peak_rss_bytes: usage.peak_rss_bytes,
        });
    }

    /// Writes `throughput.csv` and `processes.csv` into `dir`.
    pub fn write_csv(&self, dir: &Path) -> Result<()> {
        write_rows(&dir.join("throughput.csv"), &self.transfers)?;
        write_rows(&dir.join("processes.csv"), &self.accounts)
    }

    /// The medians, as a page of text.
    pub fn table(&self) -> String {
        let mut page = String::new();
        for policy in ["durable", "page-cache"] {
            for (ours, bare) in [("put", "relay"), ("get", "sender")] {
                self.compare(&mut page, policy, ours, bare);
            }
        }
        self.list_accounts(&mut page);
        page
    }

    fn speeds(&self, policy: &str, step: &str) -> Vec<f64> {
        self.transfers
            .iter()
            .filter(|row| row.policy == policy && row.step == step)
            .map(|row| row.megabytes_per_s)
            .collect()
    }

    fn compare(&self, page: &mut String, policy: &str, ours: &str, bare: &str) {
        let mut line = format!("{policy:<10}");
        for step in [bare, ours] {
            let speeds = self.speeds(policy, step);
            let Some(middle) = median(&speeds) else { continue };
            let (low, high) = range(&speeds);
            let _ = write!(line, "  {step:<6} {middle:7.1} MB/s ({low:.1}–{high:.1})");
        }
        let medians = (median(&self.speeds(policy, ours)), median(&self.speeds(policy, bare)));
        if let (Some(ours_speed), Some(bare_speed)) = medians {
            let _ = write!(line, "  {ours}/{bare} {:.2}", ours_speed / bare_speed);
        }
        if let Some(bytes) = self.bytes_per_sync(policy, bare) {
            let _ = write!(line, "  {bare}: {:.1} MiB per fdatasync", bytes / f64::from(1 << 20));
        }
        if line.trim_end() != policy {
            page.push_str(&line);
            page.push('\n');
        }
    }

    fn bytes_per_sync(&self, policy: &str, step: &str) -> Option<f64> {
        let rows = self.transfers.iter().filter(|row| row.policy == policy && row.step == step);
        let values: Vec<f64> =
            rows.filter_map(|row| row.bytes_per_sync.map(|n| n as f64)).collect();
        median(&values)
    }

    fn list_accounts(&self, page: &mut String) {
        let mut groups: BTreeMap<(&str, &str, &str), Vec<&Account>> = BTreeMap::new();
        for row in &self.accounts {
            groups.entry((row.policy, row.step, &row.process)).or_default().push(row);
        }
        let _ = writeln!(
            page,
            "\n{:<10}  {:<6}  {:<14}  {:>8}  {:>8}  {:>12}",
            "policy", "step", "process", "user s", "system s", "peak RSS MiB"
        );
        for ((policy, step, process), rows) in groups {
            let middle = |value: fn(&Account) -> f64| {
                let values: Vec<f64> = rows.iter().map(|row| value(row)).collect();
                median(&values).expect("a group holds at least one row")
            };
            let peak = rows.iter().map(|row| row.peak_rss_bytes).max().unwrap_or(0);
            let _ = writeln!(
                page,
                "{policy:<10}  {step:<6}  {process:<14}  {:>8.2}  {:>8.2}  {:>12.1}",
                middle(|row| row.user_s),
                middle(|row| row.system_s),
                peak as f64 / f64::from(1 << 20)
            );
        }
        page.push_str(
            "Speeds and CPU seconds are medians over the repetitions, peaks the highest.\n",
        );
    }
}

/// Rows as a CSV file.
pub fn write_rows<T: Serialize>(path: &Path, rows: &[T]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let mut writer = csv::Writer::from_path(path).with_context(|| path.display().to_string())?;
    rows.iter().try_for_each(|row| writer.serialize(row))?;
    writer.flush()?;
    eprintln!("{}: {} rows", path.display(), rows.len());
    Ok(())
}

/// The middle value; of an even number, the mean of the two in the middle.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[half]),
        _ => Some(f64::midpoint(sorted[half - 1], sorted[half])),
    }
}

fn range(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, 0.0), |(low, high), &v| (low.min(v), high.max(v)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn at(repetition: u32, policy: &'static str, step: &'static str) -> Place {
        Place { repetition, policy, step }
    }

    #[test]
    fn median_of_odd_even_and_nothing() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn table_gives_the_ratio_of_medians() {
        let mut report = Report::default();
        for (n, seconds) in [(1, 1), (2, 9), (3, 2)] {
            report.transfer(at(n, "durable", "put"), MIB, Duration::from_secs(seconds), None);
            report.transfer(at(n, "durable", "relay"), MIB, Duration::from_secs(1), Some(4 * MIB));
        }
        let table = report.table();
        assert!(table.contains("put/relay 0.50"), "{table}");
        assert!(table.contains("relay: 4.0 MiB per fdatasync"), "{table}");
        assert!(!table.contains("page-cache"), "nothing was measured there: {table}");
    }

    #[test]
    fn a_missing_side_gives_no_ratio() {
        let mut report = Report::default();
        report.transfer(at(1, "durable", "relay"), MIB, Duration::from_secs(1), None);
        let table = report.table();
        assert!(table.contains("relay"), "{table}");
        assert!(!table.contains("put"), "{table}");
    }
}
