//! Guided walks against random ones: the same mutants, the same number of walks, the same first seeds;
//! how many walks each took until one violated something.

use super::judge::Judge;
use super::site::Site;
use crate::layer::Outcome;
use anyhow::Result;
use std::fmt::{self, Write as _};

/// How many walks one mutant took, without a guide and with one; none: it survived them all.
struct Tries {
    name: String,
    random: Option<u64>,
    guided: Option<u64>,
}

/// Compares, mutant by mutant, from `repeats` first seeds; without a mutant, both must be green.
pub fn compare(judge: &Judge, mutants: &[&Site], repeats: u64) -> Result<String> {
    for guided in [false, true] {
        let control = judge.walks(0, guided, 0)?;
        anyhow::ensure!(
            control.outcome == Outcome::Survived,
            "walks blame the core without a mutant: {} {}",
            control.by,
            control.says
        );
    }
    let mut all = Vec::new();
    for site in mutants {
        for repetition in 0..repeats.max(1) {
            let tries = |guided| -> Result<Option<u64>> {
                let verdict = judge.walks(site.id, guided, repetition)?;
                Ok((verdict.outcome != Outcome::Survived).then_some(verdict.tried.max(1)))
            };
            let (random, guided) = (tries(false)?, tries(true)?);
            let name = format!("{} {}:{} {}", site.name(), site.file, site.line, repetition);
            let tries = Tries { name, random, guided };
            eprintln!("{tries}");
            all.push(tries);
        }
    }
    Ok(table(&all))
}

impl fmt::Display for Tries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |tries: Option<u64>| tries.map_or("-".to_owned(), |tries| tries.to_string());
        write!(f, "{:<64} {:>8} {:>8}", self.name, shown(self.random), shown(self.guided))
    }
}

fn table(all: &[Tries]) -> String {
    let mut text = format!("{:<64} {:>8} {:>8}\n", "mutant, file, repetition", "random", "guided");
    // Those that neither finds say nothing of either.
    let found: Vec<&Tries> =
        all.iter().filter(|tries| tries.random.or(tries.guided).is_some()).collect();
    for tries in &found {
        let _ = writeln!(text, "{tries}");
    }
    let killed = |of: fn(&Tries) -> Option<u64>| found.iter().filter(|t| of(t).is_some()).count();
    let both: Vec<_> = found.iter().filter_map(|t| Some((t.random?, t.guided?))).collect();
    let (fewer, more) = (
        both.iter().filter(|(random, guided)| guided < random).count(),
        both.iter().filter(|(random, guided)| guided > random).count(),
    );
    let _ = writeln!(
        text,
        "{} tried; random kills {}, guided {}; of {} that both kill, guidance takes fewer walks for {} \
         and more for {}; medians {} and {}",
        all.len(),
        killed(|tries| tries.random),
        killed(|tries| tries.guided),
        both.len(),
        fewer,
        more,
        median(both.iter().map(|(random, _)| *random)),
        median(both.iter().map(|(_, guided)| *guided)),
    );
    text
}

fn median(tries: impl Iterator<Item = u64>) -> u64 {
    let mut tries: Vec<u64> = tries.collect();
    tries.sort_unstable();
    tries.get(tries.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_counts_what_either_finds() {
        let tries = |random, guided| Tries { name: "x".to_owned(), random, guided };
        let all = [
            tries(Some(100), Some(10)),
            tries(Some(5), Some(6)),
            tries(None, Some(300)),
            tries(None, None),
        ];
        let text = table(&all);
        assert_eq!(text.lines().count(), 5, "{text}");
        let last = text.lines().last().expect("there are lines");
        assert!(
            last.starts_with("4 tried; random kills 2, guided 3; of 2 that both kill"),
            "{last}"
        );
        assert!(last.contains("fewer walks for 1 and more for 1; medians 100 and 10"), "{last}");
    }
}
