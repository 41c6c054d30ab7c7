//! The faults of a run as they happened, for a replay on real machines (`field replay`).
//!
//! A plan says what was drawn; who is the victim and how strong a fault is depends on the run, on its
//! fault budget and on who leads. So faults are noted when they begin and when they end, with roles
//! instead of identities. What a simulated disk alone can do is noted by its kind only.

use crate::drawn::Drawn;
use crate::provenance::Build;
use crate::scenario::FaultKind;
use leasehold_proto::Constants;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::time::Duration;

/// Counted up when a reader of older files would misunderstand a new one.
pub const FORMAT: u32 = 1;

/// A run's faults, and the cluster that they were done to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// [`FORMAT`].
    pub format: u32,
    /// The build that ran it; none in older files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// The run's seed.
    pub seed: u64,
    /// The scenario's file, or what it was.
    pub scenario: String,
    /// How many masters there were.
    pub masters: u64,
    /// How many chunkservers there were at the start.
    pub chunkservers: u64,
    /// How many clients.
    pub clients: u64,
    /// Replicas of each chunk.
    pub replicas: u8,
    /// Constants that were not the defaults, as a configuration file has them.
    pub constants: Map<String, Value>,
    /// When the last fault had ended.
    pub lasts_ms: u64,
    /// The faults, in the order of their beginnings.
    pub faults: Vec<Happened>,
}

/// A fault that took place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happened {
    /// Since faults were switched on, in milliseconds.
    pub at_ms: u64,
    /// When it ended; none if the run ended first.
    pub until_ms: Option<u64>,
    /// What was done.
    pub kind: FaultKind,
    /// To whom: `master-1`, `chunkserver-3`, `client-2`.
    pub victims: Vec<String>,
    /// Of a cut, the other side.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
    /// Of a cut: nothing goes from the victims to the others, and everything back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_way: bool,
    /// Of a cut that comes and goes: how long each of its halves lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flap_ms: Option<u64>,
    /// How many messages of a million it meets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ppm: Option<u32>,
    /// How many times as long something takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<u64>,
    /// What a narrow lane carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
    /// Of victims that it meets one after the other: how much later each is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_ms: Option<u64>,
}

impl Happened {
    /// A fault that begins; what its kind needs beyond this is set by the caller.
    #[must_use]
    pub fn begins(at_ms: u64, kind: FaultKind, victims: Vec<String>) -> Self {
        Happened {
            at_ms,
            until_ms: None,
            kind,
            victims,
            others: Vec::new(),
            one_way: false,
            flap_ms: None,
            ppm: None,
            factor: None,
            bytes_per_second: None,
            every_ms: None,
        }
    }
}

impl Schedule {
    /// Of a run as it was drawn, and what happened in it.
    #[must_use]
    pub fn new(drawn: &Drawn, scenario: &str, faults: Vec<Happened>) -> Self {
        let ends = faults.iter().map(|fault| fault.until_ms.unwrap_or(fault.at_ms));
        Schedule {
            format: FORMAT,
            build: Some(Build::this()),
            seed: drawn.seed.0,
            scenario: scenario.to_owned(),
            masters: drawn.masters,
            chunkservers: drawn.chunkservers,
            clients: drawn.clients,
            replicas: drawn.replicas,
            constants: configured(&drawn.constants),
            lasts_ms: ends.max().unwrap_or(0),
            faults,
        }
    }
}

/// A server's or client's role and number, from 1.
#[must_use]
pub fn role(host: Option<usize>, masters: usize, client: u64) -> String {
    match host {
        Some(host) if host < masters => format!("master-{}", host + 1),
        Some(host) => format!("chunkserver-{}", host - masters + 1),
        None => format!("client-{client}"),
    }
}

/// The constants that differ from the defaults, durations in milliseconds.
fn configured(constants: &Constants) -> Map<String, Value> {
    let table = |constants: &Constants| match serde_json::to_value(constants) {
        Ok(Value::Object(table)) => table,
        other => unreachable!("constants are plain data, not {other:?}"),
    };
    let usual = table(&Constants::default());
    let changed = table(constants).into_iter().filter(|(key, value)| usual.get(key) != Some(value));
    changed.map(|(key, value)| (key, as_configured(value))).collect()
}

fn as_configured(value: Value) -> Value {
    match serde_json::from_value::<Duration>(value.clone()) {
        Ok(span) => format!("{}ms", span.as_millis()).into(),
        Err(_) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use crate::seed::Seed;

    #[test]
    fn a_schedule_is_read_as_it_is_written() {
        let drawn = Drawn::draw(&Scenario::standard(), Seed(7));
        let mut cut = Happened::begins(1_500, FaultKind::OneWay, vec!["chunkserver-2".into()]);
        cut.others = vec!["master-1".into()];
        cut.one_way = true;
        cut.until_ms = Some(4_000);
        let schedule = Schedule::new(&drawn, "the standard scenario", vec![cut]);
        let text = serde_json::to_string(&schedule).unwrap();
        assert!(text.contains("\"kind\":\"one_way\""), "{text}");
        assert_eq!(serde_json::from_str::<Schedule>(&text).unwrap(), schedule);
        assert_eq!((schedule.lasts_ms, schedule.seed), (4_000, 7));
    }

    #[test]
    fn constants_are_those_that_a_configuration_would_change() {
        let changed =
            Constants { lease_duration: Duration::from_millis(2_500), ..Constants::default() };
        let table = configured(&changed);
        assert_eq!(table.len(), 1, "{table:?}");
        assert_eq!(table["lease_duration"], "2500ms");
    }

    #[test]
    fn roles_are_numbered_from_one() {
        let names = [Some(0), Some(2), Some(3), None].map(|host| role(host, 3, 4));
        assert_eq!(names, ["master-1", "master-3", "chunkserver-1", "client-4"]);
    }
}
