//! What a seed drew for one run of a scenario, known before the run begins.

use crate::net::LinkConditions;
use crate::plan::plan;
use crate::scenario::{FaultKind, Scenario};
use crate::seed::Seed;
use leasehold_proto::Constants;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One fault to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Episode {
    /// What.
    pub kind: FaultKind,
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
    /// Masters: 1, 3 or 5.
    pub masters: u64,
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
    pub conditions: LinkConditions,
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
        let scenario = &*scenario.of(seed);
        let mut shape = seed.fork("shape", 0);
        let constants = scenario.constants();
        let drift_ppm = scenario.clocks.drift_ppm.unwrap_or(constants.clock_drift_ppm_max / 2);
        let plan = scenario.plan.clone().unwrap_or_else(|| plan(scenario, &constants, seed));
        Drawn {
            seed,
            masters: scenario.shape.masters.draw(&mut seed.fork("masters", 0)) | 1,
            chunkservers: scenario.shape.chunkservers.draw(&mut shape),
            racks: scenario.shape.racks.draw(&mut shape),
            clients: scenario.shape.clients.draw(&mut shape),
            files: scenario.workload.files.draw(&mut shape),
            replicas: scenario.workload.replicas.draw(&mut shape) as u8,
            conditions: scenario.network.conditions(&mut seed.fork("conditions", 0)),
            constants,
            drift_ppm,
            plan,
        }
    }

    /// How many faults of each kind are to come.
    fn tally(&self) -> Vec<(FaultKind, usize)> {
        let count = |kind| self.plan.iter().filter(|episode| episode.kind == kind).count();
        let all = FaultKind::ALL.iter().map(|kind| (*kind, count(*kind)));
        all.filter(|(_, count)| *count > 0).collect()
    }
}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}: {} master{}, {} chunkservers in {} racks, {} clients, {} files, {} replicas",
            self.seed.0,
            self.masters,
            if self.masters == 1 { "" } else { "s" },
            self.chunkservers,
            self.racks,
            self.clients,
            self.files,
            self.replicas
        )?;
        writeln!(
            f,
            "  lease {:?}, drift up to {} ppm, loss {} ppm, duplicates {} ppm",
            self.constants.lease_duration,
            self.drift_ppm,
            self.conditions.loss_ppm,
            self.conditions.duplicate_ppm
        )?;
        let kinds = self.tally();
        let kinds: Vec<String> =
            kinds.iter().map(|(kind, count)| format!("{} {count}", kind.name())).collect();
        write!(f, "  {} faults: {}", self.plan.len(), kinds.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_plan_is_the_plan() {
        let text = "about = \"x\"\n[[plan]]\nkind = \"one_way\"\nbegins_ms = 5\nends_ms = 9\n\
                    draw = \"ffffffffffffffff\"\n";
        let scenario = Scenario::parse("x.toml", text).unwrap();
        let episode = Episode { kind: FaultKind::OneWay, begins_ms: 5, ends_ms: 9, draw: u64::MAX };
        assert_eq!(Drawn::draw(&scenario, Seed(1)).plan, [episode]);
        assert_eq!(
            Drawn::draw(&scenario, Seed(1)).clients,
            Drawn::draw(&Scenario::standard(), Seed(1)).clients
        );
    }
}
