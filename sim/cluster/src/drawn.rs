//! What a seed drew for one run of a scenario, known before the run begins.

use crate::net::Weather;
use crate::scenario::{Faults, Kind, Scenario};
use crate::seed::{Seed, Stream};
use leasehold_proto::Constants;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One fault to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Episode {
    /// What.
    pub kind: Kind,
    /// When it begins, from the start of the run.
    pub begins_ms: u64,
    /// When it ends.
    pub ends_ms: u64,
    /// Seed of its own draws: its victims and its strength.
    #[serde(with = "hex")]
    pub draw: u64,
}

/// A draw as text: TOML's integers have 63 bits.
mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(draw: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{draw:016x}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = |_| D::Error::custom(format!("`{text}` is not a draw of 16 hex digits"));
        u64::from_str_radix(&text, 16).map_err(wrong)
    }
}

/// A run, before it begins.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// The seed.
    pub seed: Seed,
    /// Chunkservers at the start.
    pub chunkservers: u64,
    /// Failure domains.
    pub racks: u64,
    /// Client sessions.
    pub clients: u64,
    /// Files that they share.
    pub files: u64,
    /// Replicas of each chunk.
    pub replicas: u8,
    /// The network on a good day.
    pub weather: Weather,
    /// The protocol's constants.
    pub constants: Constants,
    /// A rate of a clock differs from true time by at most this.
    pub drift_ppm: u32,
    /// Faults to come, in order.
    pub plan: Vec<Episode>,
}

impl Drawn {
    /// Draws one run.
    #[must_use]
    pub fn draw(scenario: &Scenario, seed: Seed) -> Self {
        let mut shape = seed.fork("shape", 0);
        let constants = scenario.constants();
        let drift_ppm = scenario.clocks.drift_ppm.unwrap_or(constants.clock_drift_ppm_max / 2);
        let plan = scenario.plan.clone().unwrap_or_else(|| plan(scenario, &constants, seed));
        Drawn {
            seed,
            chunkservers: scenario.shape.chunkservers.draw(&mut shape),
            racks: scenario.shape.racks.draw(&mut shape),
            clients: scenario.shape.clients.draw(&mut shape),
            files: scenario.workload.files.draw(&mut shape),
            replicas: scenario.workload.replicas.draw(&mut shape) as u8,
            weather: scenario.network.weather(&mut seed.fork("weather", 0)),
            constants,
            drift_ppm,
            plan,
        }
    }

    /// How many faults of each kind are to come.
    fn tally(&self) -> Vec<(Kind, usize)> {
        let count = |kind| self.plan.iter().filter(|episode| episode.kind == kind).count();
        let all = Kind::ALL.into_iter().map(|kind| (kind, count(kind)));
        all.filter(|(_, count)| *count > 0).collect()
    }
}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}: 1 master, {} chunkservers in {} racks, {} clients, {} files, {} replicas",
            self.seed.0, self.chunkservers, self.racks, self.clients, self.files, self.replicas
        )?;
        writeln!(
            f,
            "  lease {:?}, drift up to {} ppm, loss {} ppm, duplicates {} ppm",
            self.constants.lease_duration,
            self.drift_ppm,
            self.weather.loss_ppm,
            self.weather.duplicate_ppm
        )?;
        let kinds = self.tally();
        let kinds: Vec<String> =
            kinds.iter().map(|(kind, count)| format!("{} {count}", kind.name())).collect();
        write!(f, "  {} faults: {}", self.plan.len(), kinds.join(", "))
    }
}

/// The faults of a run. One crash outlasts the master's patience, so that memberships change, and
/// there is one partition, whatever else the seed draws.
fn plan(scenario: &Scenario, constants: &Constants, seed: Seed) -> Vec<Episode> {
    let faults = &scenario.faults;
    if !faults.enabled {
        return Vec::new();
    }
    let mut stream = seed.fork("faults", 0);
    let weights = swarm(faults, &mut stream);
    let mut plan = Vec::new();
    let mut begins_ms = faults.gap_ms.draw(&mut stream);
    while begins_ms < scenario.acts.faults_ms {
        let Some(kind) = stream.weighted(&weights) else { break };
        let lasts_ms = stream.log_within(faults.lasts_ms.min..=faults.lasts_ms.max);
        let episode = Episode {
            kind: Kind::ALL[kind],
            begins_ms,
            ends_ms: begins_ms + lasts_ms,
            draw: stream.any(),
        };
        begins_ms = next_begin(&plan, &episode, faults, &mut stream);
        plan.push(episode);
    }
    insist(&mut plan, faults, constants, &mut stream);
    plan
}

/// The next fault waits until fewer than `concurrent_max` others are on.
fn next_begin(plan: &[Episode], last: &Episode, faults: &Faults, stream: &mut Stream) -> u64 {
    let mut begins_ms = last.begins_ms + faults.gap_ms.draw(stream);
    let mut ends: Vec<u64> = plan.iter().chain([last]).map(|episode| episode.ends_ms).collect();
    ends.sort_unstable();
    let on = |at: u64| ends.iter().filter(|end| **end > at).count() as u64;
    while on(begins_ms) >= faults.concurrent_max.max(1) {
        begins_ms = *ends.iter().find(|end| **end > begins_ms).expect("one of those that are on");
    }
    begins_ms
}

/// The weights of the kinds, of which each seed does without some.
fn swarm(faults: &Faults, stream: &mut Stream) -> [u32; 14] {
    let mut weights = faults.weights();
    for weight in &mut weights {
        if stream.permille(250) && faults.swarm {
            *weight = 0;
        }
    }
    if weights.iter().all(|weight| *weight == 0) { faults.weights() } else { weights }
}

fn insist(plan: &mut [Episode], faults: &Faults, constants: &Constants, stream: &mut Stream) {
    let patience_ms = constants.server_dead_after.as_millis() as u64;
    let long_ms = patience_ms + stream.within(patience_ms..=3 * patience_ms);
    let is_cut = |kind| matches!(kind, Kind::Partition | Kind::OneWay | Kind::Isolate);
    if plan.len() < 2 {
        return;
    }
    let (crash, cut) = (plan.len() / 3, plan.len() * 2 / 3);
    if faults.crash > 0 {
        plan[crash].kind = Kind::Crash;
        plan[crash].ends_ms = plan[crash].begins_ms + long_ms;
    }
    if faults.partition > 0 && crash != cut && !plan.iter().any(|episode| is_cut(episode.kind)) {
        plan[cut].kind = Kind::Partition;
    }
    // What replaced the only cut must not be the crash itself.
    if faults.partition > 0 && !plan.iter().any(|episode| is_cut(episode.kind)) {
        plan[(crash + 1) % plan.len()].kind = Kind::Partition;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_has_its_crash_and_its_partition() {
        let scenario = Scenario::standard();
        for seed in 0..500 {
            let drawn = Drawn::draw(&scenario, Seed(seed));
            let has = |kinds: &[Kind]| drawn.plan.iter().any(|e| kinds.contains(&e.kind));
            assert!(has(&[Kind::Crash]), "{drawn}");
            assert!(has(&[Kind::Partition, Kind::OneWay, Kind::Isolate]), "{drawn}");
            assert!(drawn.plan.len() >= 8, "{drawn}");
        }
    }

    #[test]
    fn seeds_differ_and_repeat() {
        let scenario = Scenario::standard();
        let draw = |seed| Drawn::draw(&scenario, Seed(seed)).plan;
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn a_pinned_plan_is_the_plan() {
        let text = "about = \"x\"\n[[plan]]\nkind = \"one_way\"\nbegins_ms = 5\nends_ms = 9\n\
                    draw = \"ffffffffffffffff\"\n";
        let scenario = Scenario::parse("x.toml", text).unwrap();
        let episode = Episode { kind: Kind::OneWay, begins_ms: 5, ends_ms: 9, draw: u64::MAX };
        assert_eq!(Drawn::draw(&scenario, Seed(1)).plan, [episode]);
        assert_eq!(
            Drawn::draw(&scenario, Seed(1)).clients,
            Drawn::draw(&Scenario::standard(), Seed(1)).clients
        );
    }

    #[test]
    fn a_calm_scenario_plans_nothing() {
        let text = "about = \"calm\"\n[faults]\nenabled = false\n";
        let scenario = Scenario::parse("x.toml", text).unwrap();
        assert!(Drawn::draw(&scenario, Seed(1)).plan.is_empty());
    }
}
