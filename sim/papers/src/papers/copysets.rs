//! Cidon et al., Copysets, USENIX ATC 2013, figures 3 and 6: a power loss after which 1 % of the nodes
//! do not come back, and the probability that some chunk had all its replicas on them.

use crate::paper::{Figure, Inputs, Paper, Reading};
use crate::published::Published;
use leasehold_proto::master::placement::{Candidate, choose};
use leasehold_proto::{NodeId, Rack};
use leasehold_sim::seed::{Seed, Stream};

const REPLICAS: f64 = 3.0;
/// Power losses that a seed draws.
const LOSSES: u32 = 20_000;
/// Our placement over all nodes looks at each of them for each replica: more nodes than this take
/// hours.
const NODES_MAX: u64 = 500;
/// In a window every set of nodes is used after so many chunks for each of them.
const TIMES_EVERY_SET: u64 = 20;

/// The paper.
pub struct Copysets;

/// How replicas are placed.
#[derive(Clone, Copy)]
enum Rule {
    /// Anywhere: so many chunks for each node.
    Anywhere { chunks_per_node: u64 },
    /// The first anywhere, the others among so many nodes behind it.
    Window { nodes: u64, chunks_per_node: u64 },
    /// Permutations cut into groups, for a scatter width.
    Copysets { scatter: u64 },
}

/// Nodes and rule of a row.
fn cluster(row: &Published) -> Option<(u64, Rule)> {
    let x = row.x as u64;
    Some(match row.series.as_str() {
        "RAMCloud, random" => (x, Rule::Anywhere { chunks_per_node: 8_000 }),
        "HDFS, random" => (x, Rule::Window { nodes: 201, chunks_per_node: 10_000 }),
        "Facebook, random" => (x, Rule::Window { nodes: 11, chunks_per_node: 10_000 }),
        "Facebook, random, as the text counts" => {
            (x, Rule::Window { nodes: 10, chunks_per_node: 10_000 })
        }
        "N = 5000, random, by S" => (5_000, Rule::Window { nodes: x + 1, chunks_per_node: 10_000 }),
        "RAMCloud, copysets" => (x, Rule::Copysets { scatter: x - 1 }),
        "HDFS, copysets" => (x, Rule::Copysets { scatter: 200 }),
        "Facebook, copysets" => (x, Rule::Copysets { scatter: 10 }),
        "N = 5000, copysets, by S" => (5_000, Rule::Copysets { scatter: x }),
        _ => return None,
    })
}

impl Paper for Copysets {
    fn name(&self) -> &'static str {
        "copysets"
    }

    fn formula(&self, row: &Published) -> Figure {
        let Some((nodes, rule)) = cluster(row) else {
            return Figure::Absent("The row names no cluster");
        };
        let n = nodes as f64;
        let sets = match rule {
            Rule::Anywhere { chunks_per_node } => n * chunks_per_node as f64,
            Rule::Window { nodes: window, chunks_per_node } => {
                n * (chunks_per_node as f64).min((window * (window - 1) / 2) as f64)
            }
            Rule::Copysets { scatter } => (scatter as f64 / (REPLICAS - 1.0)).ceil() * n / REPLICAS,
        };
        let one = choose_3((n / 100.0).round()) / choose_3(n);
        Figure::Value(100.0 * (1.0 - (sets * (-one).ln_1p()).exp()))
    }

    fn not_simulated(&self, row: &Published) -> Option<&'static str> {
        match cluster(row) {
            Some((nodes, Rule::Anywhere { .. })) if nodes > NODES_MAX => Some(
                "Our placement compares all nodes for every replica: 8,000 chunks a node on more than \
                 500 nodes take hours",
            ),
            Some((_, Rule::Window { nodes, .. })) if nodes > 30 => Some(
                "With a window of more than 30 nodes the chunks do not use every set, and the harness \
                 would place all of them",
            ),
            Some((_, Rule::Copysets { .. })) | None => {
                Some("Leasehold has no placement by copysets, so these rows are formula only")
            }
            Some(_) => None,
        }
    }

    fn simulate(&self, row: &Published, inputs: &Inputs, seed: Seed) -> Result<Reading, String> {
        let (nodes, rule) = cluster(row).ok_or("the row names no cluster")?;
        let sets = Sets::placed(nodes, rule, &mut seed.fork("placement", 0))?;
        let losses = if inputs.reduced { LOSSES / 10 } else { LOSSES };
        let mut stream = seed.fork("power losses", 0);
        let fatal = (0..losses).filter(|_| sets.is_fatal(&mut stream)).count();
        Ok(Reading::drawn(100.0 * fatal as f64 / f64::from(losses)))
    }
}

fn choose_3(n: f64) -> f64 {
    n * (n - 1.0) * (n - 2.0) / 6.0
}

/// The sets of three nodes that hold all replicas of some chunk: by the smallest, the two others.
struct Sets(Vec<Vec<(u32, u32)>>);

impl Sets {
    /// Those of a cluster whose chunks `placement::choose` places one after another.
    fn placed(nodes: u64, rule: Rule, salts: &mut Stream) -> Result<Self, String> {
        let mut candidates: Vec<Candidate> = (0..nodes)
            .map(|node| Candidate { node: NodeId(node), rack: Rack(0), load: 0 })
            .collect();
        let mut sets = vec![Vec::new(); nodes as usize];
        let mut keep = |chosen: &[NodeId]| {
            let mut three: Vec<u32> = chosen.iter().map(|node| node.0 as u32).collect();
            three.sort_unstable();
            sets[three[0] as usize].push((three[1], three[2]));
        };
        match rule {
            Rule::Anywhere { chunks_per_node } => {
                for _ in 0..nodes * chunks_per_node {
                    let chosen = choose(3, &[], &candidates, true, salts.any());
                    chosen.iter().for_each(|node| candidates[node.0 as usize].load += 1);
                    keep(&chosen);
                }
            }
            Rule::Window { nodes: window, chunks_per_node } => {
                let every_set = TIMES_EVERY_SET * window * (window - 1) / 2;
                let mut near = Vec::with_capacity(window as usize);
                for chunk in 0..nodes * chunks_per_node.min(every_set) {
                    let first = chunk % nodes;
                    near.clear();
                    near.extend((1..=window).map(|step| {
                        let mut candidate = candidates[((first + step) % nodes) as usize];
                        // By load alone neighbours would take turns, and few sets would occur.
                        candidate.load = 0;
                        candidate
                    }));
                    let kept = [NodeId(first)];
                    keep(&choose(3, &kept, &near, true, salts.any()));
                }
            }
            Rule::Copysets { .. } => return Err("no placement by copysets".to_owned()),
        }
        for others in &mut sets {
            others.sort_unstable();
            others.dedup();
        }
        Ok(Sets(sets))
    }

    /// Draws 1 % of the nodes, and says whether they hold a set.
    fn is_fatal(&self, stream: &mut Stream) -> bool {
        let nodes = self.0.len();
        let mut is_lost = vec![false; nodes];
        let mut lost = Vec::new();
        while lost.len() < (nodes as f64 / 100.0).round() as usize {
            let node = stream.within(0..=nodes as u64 - 1) as usize;
            if !std::mem::replace(&mut is_lost[node], true) {
                lost.push(node as u32);
            }
        }
        lost.sort_unstable();
        lost.iter().enumerate().any(|(at, first)| {
            let (others, later) = (&self.0[*first as usize], &lost[at + 1..]);
            if others.len() < later.len() * later.len() {
                let is_lost = |node: &u32| is_lost[*node as usize];
                return others.iter().any(|(two, three)| is_lost(two) && is_lost(three));
            }
            let mut pairs = later
                .iter()
                .enumerate()
                .flat_map(|(at, two)| later[at + 1..].iter().map(|three| (*two, *three)));
            pairs.any(|pair| others.binary_search(&pair).is_ok())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_fatal_if_it_covers_a_set() {
        let mut stream = Seed(1).fork("power losses", 0);
        // 300 nodes: three are lost. All sets of them: always. No set: never.
        let all = |a: u32| (a + 1..300).flat_map(|b| (b + 1..300).map(move |c| (b, c))).collect();
        assert!(Sets((0..300).map(all).collect()).is_fatal(&mut stream));
        assert!(!Sets(vec![Vec::new(); 300]).is_fatal(&mut stream));
    }

    #[test]
    fn a_window_uses_all_its_sets() {
        let rule = Rule::Window { nodes: 11, chunks_per_node: 10_000 };
        let sets = Sets::placed(100, rule, &mut Seed(3).fork("placement", 0)).unwrap();
        let count: usize = sets.0.iter().map(Vec::len).sum();
        assert_eq!(count, 100 * 55);
    }
}
