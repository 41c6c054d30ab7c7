//! Yuan et al., OSDI 2014, and Alquraan et al., OSDI 2018: what it takes to trigger a failure, beside
//! our shrunk violations.

use crate::paper::{Figure, Inputs, Paper, Reading};
use crate::published::Published;
use crate::spread::Spread;
use leasehold_sim::seed::Seed;

/// Made by `just shrink-all`: a row for each negative scenario, before and after.
const SHRUNK: &str = include_str!("../../../../reports/2026-11-21-shrinking.csv");

/// The papers.
pub struct FailureStudies;

/// One violation made small.
struct Small {
    faults: u64,
    chunkservers: u64,
}

fn small() -> Vec<Small> {
    let mut reader = csv::Reader::from_reader(SHRUNK.as_bytes());
    let headers = reader.headers().cloned().unwrap_or_default();
    let column = |name: &str| headers.iter().position(|header| header == name);
    let (faults, servers) = (column("episodes_after"), column("servers_after"));
    let number = |record: &csv::StringRecord, at: Option<usize>| -> Option<u64> {
        record.get(at?)?.parse().ok()
    };
    let rows = reader.records().filter_map(Result::ok).filter_map(|record| {
        Some(Small { faults: number(&record, faults)?, chunkservers: number(&record, servers)? })
    });
    rows.collect()
}

/// Whether a violation counts for a row, if the row is about ours at all.
fn counts(row: &Published) -> Option<fn(&Small, f64) -> bool> {
    Some(match row.series.as_str() {
        // A client's write is an event in the paper, and every one of ours has one.
        "OSDI'14 table 3: events, at most" => |small, most| (small.faults + 1) as f64 <= most,
        "OSDI'14 table 5: nodes, at most" => |small, most| small.chunkservers as f64 <= most,
        _ => return None,
    })
}

impl Paper for FailureStudies {
    fn name(&self) -> &'static str {
        "failure-studies"
    }

    fn formula(&self, _: &Published) -> Figure {
        Figure::Absent("A population of bugs has no formula: this column cannot exist here")
    }

    fn not_simulated(&self, row: &Published) -> Option<&'static str> {
        match counts(row) {
            Some(_) => None,
            None => Some(
                "A share of the authors' tickets; which of our fault kinds makes the class is in the audit \
                 below",
            ),
        }
    }

    fn observed(&self, row: &Published) -> Option<Spread> {
        let (counts, all) = (counts(row)?, small());
        let hits = all.iter().filter(|small| counts(small, row.x)).count();
        Some(Spread::of_share(hits, all.len()))
    }

    fn simulate(&self, _: &Published, _: &Inputs, _: Seed) -> Result<Reading, String> {
        Err("every row is a share of what is there".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehold_sim::scenario::FaultKind;

    /// The audit of the generator names every fault kind, and nothing that is none.
    #[test]
    fn the_audit_knows_every_fault_kind() {
        let notes = include_str!("../../../../scenarios/papers/failure-studies/notes.md");
        let named: Vec<&str> = notes.split('`').skip(1).step_by(2).collect();
        for kind in FaultKind::ALL {
            assert!(named.contains(&kind.name()), "the audit does not name {}", kind.name());
        }
        let (from, to) = (notes.find("| class").unwrap(), notes.rfind('|').unwrap());
        for name in notes[from..to].split('`').skip(1).step_by(2) {
            let kind = FaultKind::ALL.iter().any(|kind| kind.name() == name);
            assert!(kind || name.starts_with("workload."), "{name} is no fault kind");
        }
    }

    #[test]
    fn all_violations_are_read() {
        assert_eq!(small().len(), 22);
    }
}
