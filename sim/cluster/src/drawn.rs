//! What a seed drew for one run of a scenario, known before the run begins.

use crate::net::LinkConditions;
use crate::plan::plan;
use crate::scenario::{Aim, FaultKind, Scenario, counted, entry, key};
use crate::seed::Seed;
use leasehold_proto::Constants;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

entry! {
    /// One fault to come.
    #[derive(Eq)]
    pub struct Episode {
        /// What goes wrong.
        kind: FaultKind;
        /// When it begins, from the start of the run.
        begins_ms: u64;
        /// When it ends, from the start of the run.
        ends_ms: u64;
        /// Seed of its own draws, as 16 hex digits: its victims and its strength.
        draw: Draw;
        /// To which nodes, and how strong, if that is directed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        aim: Option<Aim> = key::Default::None;
    }
}

/// A seed of the draws of one fault; as text, 16 hex digits: TOML's integers have 63 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw(pub u64);

impl key::Setting for Draw {
    fn list(key: key::Key, to: &mut Vec<key::Key>) {
        to.push(key::Key { form: key::Form::Text, ..key });
    }
}

impl Serialize for Draw {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{:016x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Draw {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = |_| D::Error::custom(format!("`{text}` is not a draw of 16 hex digits"));
        u64::from_str_radix(&text, 16).map(Draw).map_err(wrong)
    }
}

/// Whether a file holds cells; the others hold records.
#[must_use]
pub fn holds_cells(file: u64) -> bool {
    file.is_multiple_of(2)
}

/// Where a file that clients share is.
#[must_use]
pub fn path_of(file: u64) -> String {
    let folder = if holds_cells(file) { "cells" } else { "records" };
    format!("/{folder}/{file}")
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
        let mut plan = scenario.plan.clone().unwrap_or_else(|| plan(scenario, &constants, seed));
        let directed = scenario.fault.iter().enumerate();
        plan.extend(directed.map(|(number, fault)| fault.episode(number, seed)));
        plan.sort_by_key(|episode| episode.begins_ms);
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
        let of = [
            counted(self.masters, "master"),
            format!(
                "{} in {}",
                counted(self.chunkservers, "chunkserver"),
                counted(self.racks, "rack")
            ),
            counted(self.clients, "client"),
            counted(self.files, "file"),
            counted(u64::from(self.replicas), "replica"),
        ];
        writeln!(f, "seed {}: {}", self.seed.0, of.join(", "))?;
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
        let faults = counted(self.plan.len() as u64, "fault");
        match kinds.is_empty() {
            true => write!(f, "  {faults}"),
            false => write!(f, "  {faults}: {}", kinds.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_nouns() {
        let text = "about = \"x\"\n[shape]\nchunkservers = 1\nracks = 1\nclients = 1\n[workload]\nfiles = 1\nappend = 0\n\
                    replicas = 1\n[[plan]]\nkind = \"crash\"\nbegins_ms = 5\nends_ms = 9\n\
                    draw = \"ffffffffffffffff\"\n";
        let one = Drawn::draw(&Scenario::parse("x.toml", text).unwrap(), Seed(1)).to_string();
        let wanted = "seed 1: 1 master, 1 chunkserver in 1 rack, 1 client, 1 file, 1 replica";
        assert!(one.starts_with(wanted) && one.ends_with("  1 fault: crash 1"), "{one}");
        let text = "about = \"x\"\n[faults]\nenabled = false\n";
        let none = Drawn::draw(&Scenario::parse("x.toml", text).unwrap(), Seed(1)).to_string();
        assert!(none.contains("4 clients") && none.ends_with("  0 faults"), "{none}");
    }

    #[test]
    fn a_pinned_plan_is_the_plan() {
        let text = "about = \"x\"\n[[plan]]\nkind = \"one_way\"\nbegins_ms = 5\nends_ms = 9\n\
                    draw = \"ffffffffffffffff\"\n";
        let scenario = Scenario::parse("x.toml", text).unwrap();
        let episode = Episode {
            kind: FaultKind::OneWay,
            begins_ms: 5,
            ends_ms: 9,
            draw: Draw(u64::MAX),
            aim: None,
        };
        assert_eq!(Drawn::draw(&scenario, Seed(1)).plan, [episode]);
        assert_eq!(
            Drawn::draw(&scenario, Seed(1)).clients,
            Drawn::draw(&Scenario::standard(), Seed(1)).clients
        );
    }
}
