//! How large and how small the numbers of a scenario may be. What is beyond would be no run: it
//! would never end, or find no room, or count past what a number holds.

use toml::{Table, Value};

const DAY_MS: u64 = 86_400_000;
const HOUR_US: u64 = 3_600_000_000;
const MANY: u64 = 1 << 40;

/// Section and key, least and most of what it counts, both included; the first line that fits a key
/// counts. A star stands for any section, or for the beginning of a key's name.
const LIMITS: &[(&str, &str, u64, u64)] = &[
    ("", "seeds_max", 1, 1_000_000),
    ("acts", "converge_ms", 1, DAY_MS),
    ("shape", "masters", 1, 5),
    ("shape", "*", 1, 1_000),
    ("workload", "files", 1, 100_000),
    ("workload", "replicas", 1, 32),
    ("workload", "chunks_per_file", 1, 10_000),
    ("workload", "run_cells", 1, 1 << 20),
    ("workload", "*_bytes", 64, 1 << 30),
    ("workload", "operations_max", 0, MANY),
    ("clocks", "drift_ppm", 0, 500_000),
    ("disks", "capacity_bytes", 1 << 20, 1 << 50),
    ("disks", "journal_bytes", 4_096, 1 << 30),
    ("disks", "checkpoint_entries", 1, MANY),
    ("network", "loss_ppm", 0, 900_000),
    ("network", "frame_bytes", 64, 1 << 30),
    ("faults", "concurrent_max", 1, 64),
    ("restart", "parts", 1, 100),
    ("constants", "operation_timeout_ms", 1, DAY_MS),
    ("constants", "block_bytes", 1, 16 << 20),
    ("*", "*bytes_per_second", 1, MANY),
    ("*", "*_ms", 0, DAY_MS),
    ("*", "*_us", 0, HOUR_US),
    ("*", "*_ppm", 0, 1_000_000),
    ("*", "*_permille", 0, 1_000),
    ("workload", "*", 0, 1_000_000),
    ("faults", "*", 0, 1_000),
    ("*", "*", 0, MANY),
];

/// Whether every number of a scenario's table is within its limits.
///
/// # Errors
/// Names the first that is not, and what would be right.
pub(super) fn check(scenario: &Table) -> Result<(), String> {
    for (name, value) in scenario {
        match value {
            Value::Table(section) => {
                section.iter().try_for_each(|(key, value)| of(name, key, value))?;
            }
            value => of("", name, value)?,
        }
    }
    Ok(())
}

fn of(section: &str, key: &str, value: &Value) -> Result<(), String> {
    let numbers = match value {
        Value::Array(values) => values.iter().filter_map(Value::as_integer).collect(),
        value => Vec::from_iter(value.as_integer()),
    };
    let line = LIMITS.iter().find(|(in_section, name, ..)| {
        (*in_section == "*" || *in_section == section) && is_named(key, name)
    });
    let Some((_, _, least, most)) = line else { return Ok(()) };
    let within = |number: &i64| u64::try_from(*number).is_ok_and(|n| (*least..=*most).contains(&n));
    if numbers.iter().all(within) {
        return Ok(());
    }
    let place = if section.is_empty() { String::new() } else { format!("[{section}] ") };
    Err(format!("{place}{key} = {value} must be from {least} to {most}"))
}

fn is_named(key: &str, name: &str) -> bool {
    name.strip_prefix('*').map_or(key == name, |end| key.ends_with(end))
}
