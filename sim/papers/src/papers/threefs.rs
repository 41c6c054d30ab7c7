//! 3FS, design notes, "Balanced traffic during recovery": who takes over the reads of a failed disk.

use crate::paper::{Figure, Inputs, Paper, Reading};
use crate::published::Published;
use leasehold_proto::master::placement::{Candidate, choose};
use leasehold_proto::{NodeId, Rack};
use leasehold_sim::seed::Seed;

/// The chains of the second table on the main branch (e2cef82), and on commit ef97d27, which is not on
/// it: chains 8 and 9 have D and E the other way round.
const PRINTED: [&str; 10] = ["BEF", "ABD", "ADF", "CDE", "ACF", "ABE", "BCF", "BCE", "ACD", "DEF"];
const CORRECTED: [&str; 10] =
    ["BEF", "ABD", "ADF", "CDE", "ACF", "ABE", "BCF", "BCD", "ACE", "DEF"];

const NODES: [char; 6] = ['A', 'B', 'C', 'D', 'E', 'F'];
/// Chunks that our own placement puts on six servers.
const CHUNKS: u64 = 3_000;

/// The paper.
pub struct ThreeFs;

impl Paper for ThreeFs {
    fn name(&self) -> &'static str {
        "threefs"
    }

    fn formula(&self, row: &Published) -> Figure {
        let heir = heir(row);
        Figure::Value(match row.series.as_str() {
            "printed table" => share(PRINTED.iter().map(|chain| (*chain).to_owned()), heir),
            "corrected table" => share(CORRECTED.iter().map(|chain| (*chain).to_owned()), heir),
            // With many chunks on all sets of three alike, every other server holds as many of A's.
            _ => 100.0 / 5.0,
        })
    }

    fn not_simulated(&self, row: &Published) -> Option<&'static str> {
        (row.series != "Leasehold's placement").then_some(
            "The share follows from the printed table by counting; there is nothing to simulate",
        )
    }

    fn simulate(&self, row: &Published, _: &Inputs, seed: Seed) -> Result<Reading, String> {
        let mut salts = seed.fork("placement", 0);
        let mut load = [0_u64; 6];
        let chains = (0..CHUNKS).map(|_| {
            let candidates: Vec<Candidate> = (0..6)
                .map(|node| Candidate {
                    node: NodeId(node),
                    rack: Rack(0),
                    load: load[node as usize],
                })
                .collect();
            let chosen = choose(3, &[], &candidates, true, salts.any());
            chosen.iter().for_each(|node| load[node.0 as usize] += 1);
            chosen.iter().map(|node| NODES[node.0 as usize]).collect::<String>()
        });
        Ok(Reading::drawn(share(chains, heir(row))))
    }
}

/// The server that a row is about: the first is B.
fn heir(row: &Published) -> char {
    NODES[(row.x as usize).min(5)]
}

/// Percent of A's reads that go to `heir` when A fails. Reads of a chain are spread evenly over its
/// members, and so is what A leaves over the two others of each of its chains.
fn share(chains: impl Iterator<Item = String>, heir: char) -> f64 {
    let (mut to_heir, mut of_a) = (0.0, 0.0);
    for chain in chains.filter(|chain| chain.contains('A')) {
        of_a += 1.0;
        to_heir += if chain.contains(heir) { 0.5 } else { 0.0 };
    }
    100.0 * to_heir / of_a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_on_all_targets_once() {
        for table in [PRINTED, CORRECTED] {
            for node in NODES {
                assert_eq!(table.iter().filter(|chain| chain.contains(node)).count(), 5, "{node}");
            }
        }
    }
}
