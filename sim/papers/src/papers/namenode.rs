//! Shvachko, HDFS scalability, ;login: 2010, and Shvachko et al., MSST 2010: what heartbeats and block
//! reports cost a NameNode, and constants that follow from each other.

use crate::paper::{Figure, Inputs, Paper, Reading, cluster};
use crate::published::Published;
use leasehold_proto::master::placement::{Candidate, choose};
use leasehold_proto::{NodeId, Rack};
use leasehold_sim::seed::Seed;

/// NNThroughput: heartbeats, and blocks of reports, that a NameNode takes in a second.
const HEARTBEATS: f64 = 300_000.0;
const BLOCKS: f64 = 639_700.0;
const HEARTBEAT_S: f64 = 3.0;
const REPORT_S: f64 = 3_600.0;

const RESTART: &str = "blocks lost when nodes stay away after a restart";
/// The cluster, and how many of its 63 million blocks are placed.
const NODES: u64 = 3_500;
const RACK: u64 = 40;
const PLACED: u32 = 60_000;
/// Restarts that a seed draws.
const RESTARTS: u32 = 4_000;

/// The paper.
pub struct NameNode;

impl Paper for NameNode {
    fn name(&self) -> &'static str {
        "namenode"
    }

    fn formula(&self, row: &Published) -> Figure {
        let nodes = row.x;
        Figure::Value(match row.series.as_str() {
            "heartbeats a second" => nodes / HEARTBEAT_S,
            "share of a NameNode, heartbeats" => 100.0 * nodes / HEARTBEAT_S / HEARTBEATS,
            "share of a NameNode, reports of 60,000 blocks hourly" => {
                100.0 * nodes * 60_000.0 / REPORT_S / BLOCKS
            }
            "share of a NameNode, both" => {
                100.0 * (nodes / HEARTBEAT_S / HEARTBEATS + nodes * 60_000.0 / REPORT_S / BLOCKS)
            }
            "replicas of a node" => 63e6 * 3.0 / nodes,
            "nodes lost a day" => nodes * 0.008 * 12.0 / 365.0,
            "a node's silence until it counts as dead, s" => 2.0 * 300.0 + 10.0 * HEARTBEAT_S,
            "seconds to copy a node's replicas" => {
                // Two copies a live node in every round of three seconds.
                63e6 * 3.0 / nodes / (2.0 * nodes) * 3.0
            }
            RESTART => 63e6 * row.x * (row.x - 1.0) * (row.x - 2.0) / (3_500.0 * 3_499.0 * 3_498.0),
            "blocks lost in a year" => {
                // A node's failures a year; two more that hold the block fail before it is copied.
                let (failures, window_years) = (0.096, row.x / (365.0 * 24.0 * 60.0));
                3_500.0 * failures * 54_000.0 * (failures * window_years).powi(2)
            }
            _ => return Figure::Absent("The paper gives no way to calculate this row"),
        })
    }

    fn not_simulated(&self, row: &Published) -> Option<&'static str> {
        match row.series.as_str() {
            "heartbeats a second" if row.x <= 400.0 => None,
            RESTART => None,
            "heartbeats a second" | "share of a NameNode, heartbeats" => Some(
                "Counted up to 400 servers, and linear there; a thousand idle servers and more are \
                 extrapolated by the formula",
            ),
            "share of a NameNode, reports of 60,000 blocks hourly"
            | "share of a NameNode, both" => Some(
                "Leasehold's servers report everything once at registration and differences after it: \
                 the hourly term is zero by design",
            ),
            _ => Some("Arithmetic on the paper's own numbers; nothing of it is a protocol's"),
        }
    }

    fn simulate(&self, row: &Published, inputs: &Inputs, seed: Seed) -> Result<Reading, String> {
        if row.series == RESTART {
            return Ok(Reading::drawn(lost_at_restart(row.x as usize, inputs.reduced, seed)));
        }
        let servers = format!("{}", row.x);
        let summary = cluster(inputs, &[("shape.chunkservers", servers)], seed)?;
        let window = summary.window.ok_or("nothing was measured")?;
        // A heartbeat and its answer.
        let value = window.network.delivered as f64 / 2.0 / window.seconds();
        Ok(Reading { value, fingerprint: summary.fingerprint })
    }
}

/// Blocks of 63 million that have no replica left when so many nodes stay away: our placement of a
/// sample of them, and the mean over many restarts.
fn lost_at_restart(away: usize, reduced: bool, seed: Seed) -> f64 {
    let placed = if reduced { PLACED / 10 } else { PLACED };
    let mut salts = seed.fork("placement", 0);
    let mut candidates: Vec<Candidate> = (0..NODES)
        .map(|node| Candidate { node: NodeId(node), rack: Rack((node / RACK) as u32), load: 0 })
        .collect();
    let blocks: Vec<[usize; 3]> = (0..placed)
        .map(|_| {
            let chosen = choose(3, &[], &candidates, true, salts.any());
            chosen.iter().for_each(|node| candidates[node.0 as usize].load += 1);
            [0, 1, 2].map(|at| chosen[at].0 as usize)
        })
        .collect();
    let (mut stream, mut lost) = (seed.fork("restarts", 0), 0_u64);
    let mut nodes: Vec<usize> = (0..NODES as usize).collect();
    for _ in 0..RESTARTS {
        let mut is_away = vec![false; nodes.len()];
        for at in 0..away {
            let other = stream.within(at as u64..=NODES - 1) as usize;
            nodes.swap(at, other);
            is_away[nodes[at]] = true;
        }
        lost +=
            blocks.iter().filter(|block| block.iter().all(|node| is_away[*node])).count() as u64;
    }
    lost as f64 / f64::from(RESTARTS) * 63e6 / f64::from(placed)
}
