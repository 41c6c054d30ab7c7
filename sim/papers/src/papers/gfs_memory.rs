//! Ghemawat, Gobioff and Leung, The Google File System, SOSP 2003, table 2: what a master keeps in
//! memory.

use crate::paper::{Figure, Inputs, Paper, Reading};
use crate::published::Published;
use crate::spread::Spread;
use leasehold_sim::seed::Seed;

/// Section 2.6.1: less than this for a file, and for a chunk.
const BOUND: f64 = 64.0;
/// Of `just bench scale`, reports/2026-11-27-metadata.md: bytes a file, and a chunk of three replicas.
const OUR_FILE: f64 = 123.0;
const OUR_CHUNK: f64 = 109.0;

/// The paper.
pub struct GfsMemory;

/// Live files and chunks of a cluster of table 2, in thousands.
fn cluster(x: f64) -> Option<(f64, f64)> {
    match x as u64 {
        1 => Some((735.0, 992.0)),
        2 => Some((737.0, 1_550.0)),
        _ => None,
    }
}

fn megabytes(file: f64, chunk: f64, (files, chunks): (f64, f64)) -> f64 {
    (file * files + chunk * chunks) / 1_000.0
}

/// Of a row: what a cluster needs, or how much more B needs than A.
fn value(file: f64, chunk: f64, row: &Published) -> Option<f64> {
    let of = |x| cluster(x).map(|cluster| megabytes(file, chunk, cluster));
    match row.series.as_str() {
        "master's metadata" => of(row.x),
        _ => Some(of(2.0)? / of(1.0)?),
    }
}

impl Paper for GfsMemory {
    fn name(&self) -> &'static str {
        "gfs-memory"
    }

    fn formula(&self, row: &Published) -> Figure {
        value(BOUND, BOUND, row).map_or(Figure::Absent("The row names no cluster"), Figure::Value)
    }

    fn not_simulated(&self, _: &Published) -> Option<&'static str> {
        None
    }

    fn observed(&self, row: &Published) -> Option<Spread> {
        value(OUR_FILE, OUR_CHUNK, row).map(|value| Spread::of(&[value]))
    }

    fn simulate(&self, _: &Published, _: &Inputs, _: Seed) -> Result<Reading, String> {
        Err("every row is measured by `just bench scale`".to_owned())
    }
}
