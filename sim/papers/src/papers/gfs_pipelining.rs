//! Ghemawat, Gobioff and Leung, The Google File System, SOSP 2003, section 3.2: B/T + R L.

use crate::paper::{Figure, Inputs, Paper, Reading, cluster};
use crate::published::Published;
use leasehold_sim::seed::Seed;

/// 100 Mbit/s.
const CARD: f64 = 12.5e6;
/// Of the switch, and of a way: 0.2 ms between two machines, as `scenario.toml` has it.
const LATENCY_MS: f64 = 0.2;
const FRAME: f64 = 1_500.0;
/// 1 MB, and the pieces that a write is cut into.
const BYTES: f64 = 1_048_576.0;

/// The paper.
pub struct GfsPipelining;

/// How a mutation travels, by the series' name.
enum Way {
    /// Pieces of this size down a chain.
    Chain(f64),
    /// As the paper has it: byte by byte.
    Ideal,
}

fn way(series: &str) -> Way {
    match series {
        "pieces of 16 KiB" => Way::Chain(16_384.0),
        "pieces of 64 KiB" => Way::Chain(65_536.0),
        "one piece of 1 MiB" => Way::Chain(BYTES),
        _ => Way::Ideal,
    }
}

impl Paper for GfsPipelining {
    fn name(&self) -> &'static str {
        "gfs-pipelining"
    }

    fn formula(&self, row: &Published) -> Figure {
        let transfer = |bytes: f64| bytes / CARD * 1e3;
        let replicas = row.x;
        Figure::Value(match way(&row.series) {
            Way::Ideal => transfer(1e6) + replicas * LATENCY_MS,
            // Every server passes a piece on when it has all of it: the last piece is behind the
            // others by one piece for every further server, and by a frame for every card.
            Way::Chain(piece) => {
                // Down the chain, and back: the last member to the primary, the primary to the client.
                let ways = if replicas > 1.0 { replicas + 2.0 } else { 2.0 };
                transfer(BYTES)
                    + (replicas - 1.0) * transfer(piece)
                    + replicas * transfer(FRAME)
                    + ways * LATENCY_MS
            }
        })
    }

    fn not_simulated(&self, row: &Published) -> Option<&'static str> {
        match way(&row.series) {
            Way::Ideal => Some(
                "byte by byte is the paper's ideal; Leasehold passes a mutation on when it has all of \
                 it, so its rows are those by the size of a piece",
            ),
            Way::Chain(_) => None,
        }
    }

    fn simulate(&self, row: &Published, inputs: &Inputs, seed: Seed) -> Result<Reading, String> {
        let Way::Chain(piece) = way(&row.series) else {
            return Err("not simulated".to_owned());
        };
        let summary = cluster(
            inputs,
            &[
                ("constants.mutation_bytes_max", format!("{piece}")),
                ("workload.replicas", format!("{}", row.x)),
            ],
            seed,
        )?;
        let window = summary.window.ok_or("nothing was measured")?;
        let writes = window.operations.get("write").ok_or("nothing was written")?;
        Ok(Reading { value: writes.p50_us as f64 / 1e3, fingerprint: summary.fingerprint })
    }
}
