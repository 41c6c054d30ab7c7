//! Terrace and Freedman, Object Storage on CRAQ, USENIX ATC 2009, figure 5: reads a second by the
//! length of the chain.

use crate::paper::{Figure, Inputs, Paper, Reading, cluster};
use crate::published::Published;
use leasehold_sim::seed::Seed;

/// 100 Mbit/s, and what of it a reply of CRAQ takes: the card over 20,552 reads of one member.
const CARD: f64 = 12.5e6;
const REPLY: f64 = CARD / 20_552.0;
/// A way between two machines, fitted to the paper's three test-and-set rows: 2 R of them each.
const WAY_S: f64 = 230e-6;
/// Bytes of one of our messages that carries the object; two cards take it on each way.
const OURS: f64 = 560.0;

/// The paper.
pub struct CraqReads;

impl Paper for CraqReads {
    fn name(&self) -> &'static str {
        "craq-reads"
    }

    fn formula(&self, row: &Published) -> Figure {
        let members = row.x;
        match row.series.as_str() {
            // Every card carries replies only.
            "reads, any member" => Figure::Value(members * CARD / REPLY),
            "reads, one member" => Figure::Value(CARD / REPLY),
            // Down the chain and back, from the client and to it.
            "test-and-set, up the chain" => Figure::Value(1.0 / (2.0 * members * WAY_S)),
            // Down the chain; each member answers the primary itself, and that the client.
            "test-and-set, straight" => {
                let cards = 2.0 * members * OURS / CARD;
                Figure::Value(1.0 / ((members + 2.0) * WAY_S + cards))
            }
            _ => Figure::Absent("The paper does not say what bounds its writes"),
        }
    }

    fn not_simulated(&self, row: &Published) -> Option<&'static str> {
        match row.series.as_str() {
            "reads, any member" | "reads, one member" | "test-and-set, straight" => None,
            "test-and-set, up the chain" => Some(
                "Leasehold's members acknowledge to the primary directly: the series `straight` is what \
                 it does",
            ),
            _ => Some(
                "The paper's writes are bound by its processors; the simulator has no model of one",
            ),
        }
    }

    fn simulate(&self, row: &Published, inputs: &Inputs, seed: Seed) -> Result<Reading, String> {
        let members = row.x as u64;
        let ((write, read, relaxed), clients, kind) = match row.series.as_str() {
            "reads, any member" => (("0", "0", "1"), 40 * members, "relaxed read"),
            "reads, one member" => (("0", "1", "0"), 40, "read"),
            _ => (("1", "0", "0"), 1, "write"),
        };
        let summary = cluster(
            inputs,
            &[
                ("workload.replicas", members.to_string()),
                ("shape.chunkservers", members.to_string()),
                ("shape.clients", clients.to_string()),
                ("workload.write", write.to_owned()),
                ("workload.read", read.to_owned()),
                ("workload.relaxed_read", relaxed.to_owned()),
            ],
            seed,
        )?;
        let window = summary.window.ok_or("nothing was measured")?;
        let value = window.acknowledged(kind) as f64 / window.seconds();
        Ok(Reading { value, fingerprint: summary.fingerprint })
    }
}
