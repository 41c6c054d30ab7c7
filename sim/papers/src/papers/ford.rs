//! Ford et al., Availability in Globally Distributed Storage Systems, OSDI 2010, table 3: how long a
//! stripe lives.

use crate::paper::{Figure, Inputs, Paper, Reading};
use crate::published::Published;
use leasehold_sim::seed::{Seed, Stream};

/// Days between two failures of a node: 4.3 months.
const NODE_DAYS: f64 = 131.0;
/// The one free parameter: repairs a day, such that R = 2 lives for the paper's 4.99e5 days.
const REPAIRS: f64 = 2.0 * 4.99e5 / (NODE_DAYS * NODE_DAYS) - 3.0 / NODE_DAYS;
/// Escapes from each level that a seed waits for.
const ESCAPES: u64 = 400;

/// The paper.
pub struct Ford;

impl Paper for Ford {
    fn name(&self) -> &'static str {
        "ford"
    }

    fn formula(&self, row: &Published) -> Figure {
        if row.series != "without correlation" {
            return Figure::Absent(
                "With correlated failures the paper's burst sizes decide, and they are not published",
            );
        }
        match stripe(row) {
            Some((nodes, losses)) => Figure::Value(lifetime(nodes, losses)),
            None => Figure::Absent("The row names no stripe"),
        }
    }

    fn not_simulated(&self, row: &Published) -> Option<&'static str> {
        match stripe(row) {
            _ if row.series != "without correlation" => {
                Some("The sizes of the paper's failure bursts are not published")
            }
            Some((nodes, losses)) if nodes - losses == 1 => None,
            _ => Some("Leasehold has no erasure codes"),
        }
    }

    /// The same chain, not solved but played: by levels, as a stripe of three replicas outlives any
    /// run. From each number of lost nodes, the share of tries that lose one more before all are
    /// repaired; the lifetime is that of the first loss over the product of the shares.
    fn simulate(&self, row: &Published, inputs: &Inputs, seed: Seed) -> Result<Reading, String> {
        let (nodes, losses) = stripe(row).ok_or("the row names no stripe")?;
        let escapes = if inputs.reduced { ESCAPES / 4 } else { ESCAPES };
        let mut stream = seed.fork("failures", u64::from(nodes));
        // From one loss in a whole stripe to the next: the wait for it, and the repairs after it.
        let (share, repairs) = escape(nodes, 1, escapes, &mut stream);
        let cycle = NODE_DAYS / f64::from(nodes) + repairs;
        let reached = (2..=losses)
            .fold(share, |reached, lost| reached * escape(nodes, lost, escapes, &mut stream).0);
        Ok(Reading::drawn(cycle / reached))
    }
}

/// Nodes of a stripe, and how many of them may be lost at once before it is.
fn stripe(row: &Published) -> Option<(u32, u32)> {
    let label = row.label.as_str();
    if let Some(replicas) = label.strip_prefix("R = ") {
        let replicas: u32 = replicas.parse().ok()?;
        return Some((replicas, replicas - 1));
    }
    let (data, codes) = label.strip_prefix("RS(")?.strip_suffix(')')?.split_once(", ")?;
    let (data, codes): (u32, u32) = (data.parse().ok()?, codes.parse().ok()?);
    Some((data + codes, codes))
}

/// Days until more than `losses` of `nodes` are lost: each fails once in `NODE_DAYS`, and one at a
/// time is repaired. From `k` lost, the next loss takes 1/f + (r/f) times as long as the one before.
fn lifetime(nodes: u32, losses: u32) -> f64 {
    let failures = |lost: u32| f64::from(nodes - lost) / NODE_DAYS;
    let mut step = 1.0 / failures(0);
    let mut days = step;
    for lost in 1..=losses {
        step = 1.0 / failures(lost) + REPAIRS / failures(lost) * step;
        days += step;
    }
    days
}

/// The share of tries from `lost` nodes that come to one more before they come to none, and how long
/// a try takes on average.
fn escape(nodes: u32, from: u32, escapes: u64, stream: &mut Stream) -> (f64, f64) {
    let (mut tries, mut seen, mut days) = (0_u64, 0, 0.0);
    while seen < escapes {
        tries += 1;
        let mut lost = from;
        while (1..=from).contains(&lost) {
            let failing = f64::from(nodes - lost) / NODE_DAYS;
            days += exponential(stream) / (failing + REPAIRS);
            let fails = unit(stream) * (failing + REPAIRS) < failing;
            lost = if fails { lost + 1 } else { lost - 1 };
        }
        seen += u64::from(lost > from);
    }
    (seen as f64 / tries as f64, days / tries as f64)
}

/// Above 0 and up to 1.
fn unit(stream: &mut Stream) -> f64 {
    ((stream.any() >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

fn exponential(stream: &mut Stream) -> f64 {
    -unit(stream).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two replicas: (3 f + r) / (2 f^2), which the repairs are fitted to.
    #[test]
    fn the_chain_gives_what_it_is_fitted_to() {
        assert!((lifetime(2, 1) / 4.99e5 - 1.0).abs() < 1e-9);
        let minutes = 1_440.0 / REPAIRS;
        assert!((24.0..25.5).contains(&minutes), "{minutes}");
    }
}
