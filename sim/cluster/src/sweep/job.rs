//! What a sweep is made of.

use crate::fingerprint::Fingerprint;
use crate::scenario::Scenario;
use std::hash::Hasher;
use std::ops::Range;

/// One job in so many is run a second time, in another process, to see whether it does the same.
const TWICE_EVERY: usize = 20;

/// A scenario with some of its values set.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// The scenario's file, or what is there for it.
    pub name: String,
    /// What was set, `key=value` each; empty if nothing was.
    pub set: String,
    /// Both together.
    pub scenario: Scenario,
}

impl Variant {
    /// 16 hex digits that differ where two variants do. What a scenario is about does not count.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut table = self.scenario.to_table();
        table.remove("about");
        let mut fingerprint = Fingerprint::default();
        fingerprint.feed(&table.to_string());
        fingerprint.to_string()[..16].to_owned()
    }
}

/// One seed of one variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its number in the sweep.
    pub number: usize,
    /// Which variant.
    pub variant: usize,
    /// Which seed.
    pub seed: u64,
    /// Whether it is run twice.
    pub twice: bool,
}

/// A part of a sweep. Which part does a job depends on the job and on `count` alone, so that a sweep
/// over more seeds or scenarios leaves every job where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: usize,
    /// How many shards there are.
    pub count: usize,
}

impl Shard {
    /// All of it.
    pub const WHOLE: Shard = Shard { index: 0, count: 1 };

    /// Reads `i/n`, i from 0.
    ///
    /// # Errors
    /// Says what it is not.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not i/n with i from 0 to n-1, such as 0/16");
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let number = |text: &str| text.parse::<usize>().map_err(|_| wrong());
        let shard = Shard { index: number(index)?, count: number(count)? };
        if shard.index < shard.count { Ok(shard) } else { Err(wrong()) }
    }

    /// Whether a seed of a variant is for this part: of `count` seeds that follow each other every
    /// part gets one, and a hash of the variant decides which, so that each part has its share of
    /// every variant, whatever divides the number of variants.
    #[must_use]
    pub fn has(&self, variant: &str, seed: u64) -> bool {
        let count = self.count as u64;
        let mut deal = Fingerprint::default();
        deal.feed(&variant);
        deal.feed(&(seed / count));
        (seed % count + deal.finish() % count) % count == self.index as u64
    }
}

/// The jobs of a shard: seed by seed, so that every variant gets its share early. Of each variant the
/// hash is given.
#[must_use]
pub fn jobs(variants: &[String], seeds: Range<u64>, shard: Shard) -> Vec<Job> {
    let all = seeds.flat_map(|seed| (0..variants.len()).map(move |variant| (variant, seed)));
    let ours = all.enumerate().filter(|(_, (variant, seed))| shard.has(&variants[*variant], *seed));
    let job = |(place, (number, (variant, seed))): (usize, (usize, (usize, u64)))| {
        let twice = place % TWICE_EVERY == 0;
        Job { number, variant, seed, twice }
    };
    ours.enumerate().map(job).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes as different as those of variants are.
    fn variants(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("{number:016x}")).collect()
    }

    #[test]
    fn shards_share_the_jobs_without_rest() {
        let whole = jobs(&variants(3), 10..20, Shard::WHOLE);
        assert_eq!(whole.len(), 30);
        let mut numbers: Vec<usize> = (0..4)
            .flat_map(|index| jobs(&variants(3), 10..20, Shard { index, count: 4 }))
            .map(|job| job.number)
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..30).collect::<Vec<_>>());
    }

    #[test]
    fn a_twentieth_is_run_twice_and_at_least_one_of_every_shard() {
        let twice = |jobs: Vec<Job>| jobs.iter().filter(|job| job.twice).count();
        assert_eq!(twice(jobs(&variants(1), 0..2_000, Shard::WHOLE)), 100);
        assert_eq!(twice(jobs(&variants(2), 0..8, Shard { index: 3, count: 4 })), 1);
    }

    /// Thirty scenarios and an even number of shards: by their numbers, a shard would see half of them.
    #[test]
    fn every_shard_has_its_share_of_every_variant() {
        let (variants, count) = (variants(30), 64);
        for index in 0..count {
            let ours = jobs(&variants, 0..640, Shard { index, count });
            let of = |variant| ours.iter().filter(|job| job.variant == variant).count();
            assert!((0..30).all(|variant| of(variant) == 10), "shard {index}");
        }
        let seed = |variant| {
            let first = jobs(&variants, 0..64, Shard { index: 5, count });
            first.iter().find(|job| job.variant == variant).map(|job| job.seed)
        };
        assert!((1..30).any(|variant| seed(variant) != seed(0)), "the hash deals");
    }

    #[test]
    fn more_seeds_and_scenarios_leave_a_job_in_its_shard() {
        let shard = Shard { index: 2, count: 5 };
        let of = |variants: &[String], seeds| -> Vec<(String, u64)> {
            let jobs = jobs(variants, seeds, shard);
            jobs.iter().map(|job| (variants[job.variant].clone(), job.seed)).collect()
        };
        let all = variants(4);
        let more = of(&all, 0..100);
        assert!(of(&all[2..], 7..31).iter().all(|job| more.contains(job)));
    }

    #[test]
    fn shards_are_read_strictly() {
        assert_eq!(Shard::parse("3/4"), Ok(Shard { index: 3, count: 4 }));
        for wrong in ["4/4", "1", "a/2", "0/0", "-1/2"] {
            assert!(Shard::parse(wrong).unwrap_err().contains("0/16"), "{wrong}");
        }
    }

    #[test]
    fn a_hash_is_of_the_values_and_not_of_the_words() {
        let standard = Scenario::standard();
        let variant = |scenario| Variant { name: String::new(), set: String::new(), scenario };
        let hash = |path: &str, value: &str| {
            let changes = [(path.to_owned(), value.to_owned())];
            variant(standard.with(&changes).unwrap()).hash()
        };
        let base = variant(standard.clone()).hash();
        assert_eq!(base.len(), 16);
        assert_eq!(hash("about", "other words"), base);
        assert_ne!(hash("shape.clients", "7"), base);
    }
}
