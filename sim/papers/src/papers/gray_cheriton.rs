//! Gray and Cheriton, Leases, SOSP 1989, figure 1: consistency traffic against the lease's term.

use crate::paper::{Figure, Inputs, Paper, Reading, cluster};
use crate::published::Published;
use leasehold_sim::seed::Seed;

/// Reads a second of a client: the V system's trace.
const READS: f64 = 0.864;
/// Writes a second of a client.
const WRITES: f64 = 0.039;
/// A message's way, a message's processing, and the uncertainty of clocks, in seconds.
const WAY: f64 = 0.001;
const PROCESSING: f64 = 0.000_25;
const CLOCKS: f64 = 0.1;

/// What this testbed's clients do: chunks in use, from `scenario.toml`.
const CHUNKS: f64 = 50.0;

/// A chunk counts as in use for this long: longer than any pause between two reads.
const IN_USE_MS: u64 = 60_000;

/// The paper.
pub struct GrayCheriton;

impl Paper for GrayCheriton {
    fn name(&self) -> &'static str {
        "gray-cheriton"
    }

    fn formula(&self, row: &Published) -> Figure {
        let Some(sharing) = sharing(&row.series) else {
            // Extended before it ends, whether it is needed or not: four times a term.
            return Figure::Value(4.0 / row.x / READS);
        };
        let (term, sharing) = (row.x, f64::from(sharing));
        let effective = (term - (WAY + 2.0 * PROCESSING) - CLOCKS).max(0.0);
        let extensions = 1.0 / (1.0 + READS * effective);
        // The second term is the requests for approval of a write, which a lone cache needs none of.
        let approvals = if sharing > 1.0 { sharing * WRITES / (2.0 * READS) } else { 0.0 };
        Figure::Value(extensions + approvals)
    }

    fn not_simulated(&self, row: &Published) -> Option<&'static str> {
        match sharing(&row.series) {
            Some(1) | None => None,
            Some(_) => Some(
                "S > 1 needs caches at clients and a server that recalls them; Leasehold's leases are \
                 the primary's alone, so only S = 1 can be simulated",
            ),
        }
    }

    fn simulate(&self, row: &Published, inputs: &Inputs, seed: Seed) -> Result<Reading, String> {
        let term_ms = (row.x * 1_000.0).round() as u64;
        // On demand: renewed only when it has ended. Otherwise as the product does by default.
        let renew_ms = match sharing(&row.series) {
            Some(_) => term_ms - term_ms / 500 - 100 - 22,
            None => term_ms / 4,
        };
        let idle_ms = if sharing(&row.series).is_some() { 1 } else { IN_USE_MS };
        let summary = cluster(
            inputs,
            &[
                ("constants.lease_duration_ms", term_ms.to_string()),
                ("constants.lease_renew_interval_ms", renew_ms.to_string()),
                ("constants.lease_idle_after_ms", idle_ms.to_string()),
            ],
            seed,
        )?;
        let window = summary.window.ok_or("nothing was measured")?;
        let operations: u64 = window.operations.values().map(|row| row.acknowledged).sum();
        let granted = window.fact("leases granted");
        // A grant answers one request: 2 messages, as a read with a term of zero would need.
        let value = granted as f64 / operations as f64;
        let rate = operations as f64 / window.seconds() / CHUNKS;
        if !(0.8..0.95).contains(&rate) {
            return Err(format!("{rate} reads a second of a chunk, not {READS}"));
        }
        Ok(Reading { value, fingerprint: summary.fingerprint })
    }
}

/// Caches that share a file, by the series' name.
fn sharing(series: &str) -> Option<u32> {
    series.strip_prefix("S = ").and_then(|rest| rest.parse().ok())
}
