//! Ghemawat, Gobioff and Leung, The Google File System, SOSP 2003, figure 3: throughput of N clients
//! on 16 chunkservers.

use crate::paper::{Figure, Inputs, Paper, Reading, cluster};
use crate::published::Published;
use leasehold_sim::seed::{Seed, Stream};

/// MB a second of a card, and of the trunk between clients and servers.
const CARD: f64 = 12.5;
const TRUNK: f64 = 125.0;
const SERVERS: u64 = 16;
/// Seconds between two operations of a client, each fitted to the paper's point at N = 1.
const READ_PAUSE: f64 = 0.075;
const WRITE_PAUSE: f64 = 0.078;
/// MB of an operation.
const READ: f64 = 4.0;
const WRITE: f64 = 1.0;
/// Layouts over which the writes' formula is averaged, and steps until it is at rest.
const LAYOUTS: u64 = 400;
const STEPS: u32 = 60;

/// Reads are simulated with everything this many times as small, rates included, so that times are
/// the paper's.
const READ_SCALE: f64 = 64.0;
const WRITE_SCALE: f64 = 32.0;

/// The paper.
pub struct GfsThroughput;

impl Paper for GfsThroughput {
    fn name(&self) -> &'static str {
        "gfs-throughput"
    }

    fn formula(&self, row: &Published) -> Figure {
        let clients = row.x as u64;
        match row.series.as_str() {
            "reads" => Figure::Value(reads(clients)),
            "writes" => Figure::Value(writes(clients)),
            _ => Figure::Absent("For appends the paper names a limit of 12.5 MB/s and no model"),
        }
    }

    fn not_simulated(&self, row: &Published) -> Option<&'static str> {
        (row.series == "record appends").then_some(
            "Leasehold's clients have one append in flight each, the paper's have more: a simulation \
             would not be of the same experiment",
        )
    }

    fn simulate(&self, row: &Published, inputs: &Inputs, seed: Seed) -> Result<Reading, String> {
        let clients = row.x as u64;
        let reads = row.series == "reads";
        let (scale, bytes) = if reads { (READ_SCALE, READ) } else { (WRITE_SCALE, WRITE) };
        let per_second = |mb: f64| format!("{}", (mb * MIB / scale).round());
        let mut changes = vec![
            ("shape.clients", clients.to_string()),
            ("network.card_bytes_per_second", per_second(CARD)),
            ("network.uplink_bytes_per_second", per_second(TRUNK)),
            ("workload.cell_bytes", format!("{}", bytes * MIB / scale)),
        ];
        if reads {
            changes.extend([
                ("workload.relaxed_read", "1".to_owned()),
                // In sequence, all clients would read the same chunk at the same time.
                ("workload.order", "random".to_owned()),
                ("workload.write", "0".to_owned()),
                ("workload.prefill", "true".to_owned()),
                ("workload.files", "1".to_owned()),
                ("workload.chunks_per_file", "128".to_owned()),
                ("workload.chunk_bytes", "262144".to_owned()),
                ("workload.think_ms", "75".to_owned()),
                ("constants.mutation_bytes_max", "65536".to_owned()),
            ]);
        } else {
            // Files with odd numbers hold records, and stay empty.
            changes.push(("workload.files", (2 * clients - 1).to_string()));
        }
        let summary = cluster(inputs, &changes, seed)?;
        let window = summary.window.ok_or("nothing was measured")?;
        let done = window.acknowledged(if reads { "relaxed read" } else { "write" });
        let value = done as f64 * bytes / window.seconds();
        Ok(Reading { value, fingerprint: summary.fingerprint })
    }
}

/// Bytes of the paper's MB in the simulation, with which powers of two fit its blocks.
const MIB: f64 = 1_048_576.0;

/// Mean value analysis of a closed network: each client waits for one of the servers' cards, for the
/// trunk, and pauses.
fn reads(clients: u64) -> f64 {
    let (card, trunk, servers) = (READ / CARD, READ / TRUNK, SERVERS as f64);
    let (mut at_a_card, mut at_trunk, mut rate) = (0.0, 0.0, 0.0);
    for waiting in 1..=clients {
        let (card_s, trunk_s) = (card * (1.0 + at_a_card), trunk * at_trunk);
        rate = waiting as f64 / (READ_PAUSE + card_s + trunk_s);
        (at_a_card, at_trunk) = (rate / servers * card_s, rate * (trunk + trunk_s));
    }
    rate * READ
}

/// Each client writes to three servers; the slowest of the three cards decides, and each is shared by
/// those that write to it at that moment. Averaged over layouts.
fn writes(clients: u64) -> f64 {
    let mut stream = Seed(0).fork("layouts", 0);
    (0..LAYOUTS).map(|_| layout(clients as usize, &mut stream)).sum::<f64>() / LAYOUTS as f64
}

fn layout(clients: usize, stream: &mut Stream) -> f64 {
    let mut servers: Vec<u64> = (0..SERVERS).collect();
    let used: Vec<Vec<u64>> = (0..clients)
        .map(|_| {
            stream.shuffle(&mut servers);
            servers[..3].to_vec()
        })
        .collect();
    // The share of the time in which a client writes, and does not pause.
    let mut busy = vec![1.0_f64; clients];
    let mut took = vec![WRITE / CARD; clients];
    for _ in 0..STEPS {
        for client in 0..clients {
            let others = |server: &u64| -> f64 {
                let sharing = (0..clients).filter(|other| *other != client);
                sharing.filter(|other| used[*other].contains(server)).map(|other| busy[other]).sum()
            };
            let most = used[client].iter().map(others).fold(0.0, f64::max);
            took[client] = WRITE / CARD * (1.0 + most);
            busy[client] = took[client] / (took[client] + WRITE_PAUSE);
        }
    }
    took.iter().map(|took| WRITE / (took + WRITE_PAUSE)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_is_what_the_pauses_were_fitted_to() {
        assert!((reads(1) - 10.12).abs() < 0.05, "{}", reads(1));
        assert!((writes(1) - 6.32).abs() < 0.05, "{}", writes(1));
    }

    #[test]
    fn no_rate_exceeds_its_limit() {
        for clients in 1..=16 {
            assert!(reads(clients) < (CARD * clients as f64).min(TRUNK), "{clients}");
            assert!(writes(clients) < (CARD * clients as f64).min(CARD * 16.0 / 3.0), "{clients}");
        }
    }
}
