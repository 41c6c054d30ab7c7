//! `constants`: the cluster's, as its masters logged them; a change of them.

use crate::arguments::{ClientArguments, ConstantsArguments, ConstantsCommand, StatusArguments};
use crate::failure::Outcome;
use crate::output::print;
use crate::session::connect_as_operator;
use crate::settings::Settings;
use crate::units::{human_duration, human_size};
use leasehold_client::ConstantsStatus;
use leasehold_proto::agreed::Mutability;
use leasehold_proto::{ClusterConstant, NodeId, Setting};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

/// Between two looks at a change under way.
const PAUSE: Duration = Duration::from_millis(200);

/// `leasehold constants`.
pub async fn constants(arguments: &ConstantsArguments) -> Outcome {
    match &arguments.command {
        None => show(&arguments.show).await,
        Some(ConstantsCommand::Set { settings, client }) => set(settings, client).await,
        Some(ConstantsCommand::List(config)) => {
            let settings = Settings::read(config.config.as_deref(), &config.sets)?;
            settings.constants()?;
            print(settings.list_constants())
        }
    }
}

async fn show(arguments: &StatusArguments) -> Outcome {
    let client = connect_as_operator(&arguments.client).await?;
    let status = client.constants_status().await?;
    print(if arguments.json {
        format!("{:#}", as_json(&status))
    } else {
        lines(&status).join("\n")
    })
}

async fn set(words: &[String], arguments: &ClientArguments) -> Outcome {
    let settings = Settings::cluster_settings(words)?;
    let client = connect_as_operator(arguments).await?;
    client.set_constants(settings).await?;
    let mut said = String::new();
    loop {
        let status = client.constants_status().await?;
        if status.changes_from.is_none() && status.behind.is_empty() {
            return print(ended(&status));
        }
        let waits = waits_for(&status);
        if waits != said {
            crate::log::say(format_args!("leasehold: constants: {waits}"));
            said = waits;
        }
        sleep(PAUSE).await;
    }
}

fn ended(status: &ConstantsStatus) -> String {
    let version = status.version;
    if status.silent.is_empty() {
        return format!("{version} holds everywhere");
    }
    let silent = names(&status.silent).join(", ");
    format!("{version} holds everywhere; {silent} not heard: given when they register")
}

/// In whole seconds of what is left, so that a line is not said for every look.
fn waits_for(status: &ConstantsStatus) -> String {
    let servers = names(&status.behind).join(", ");
    match (status.leases_end_within, status.behind.is_empty()) {
        (_, false) => format!("waiting for {servers}"),
        (Some(within), true) if !within.is_zero() => {
            "waiting until every lease of the term before is over".to_owned()
        }
        _ => "waiting for the masters to finish the change".to_owned(),
    }
}

/// For people.
fn lines(status: &ConstantsStatus) -> Vec<String> {
    let mut lines = vec![match status.changes_from {
        None => format!("constants {}", status.version),
        Some(_) => format!("constants {}, changing: {}", status.version, waits_for(status)),
    }];
    for constant in ClusterConstant::ALL {
        let value = value(status.values.setting(*constant));
        let before = status.changes_from.as_ref().map(|from| from.setting(*constant));
        let before = before.filter(|before| *before != status.values.setting(*constant));
        let was =
            before.map_or_else(String::new, |before| format!("  (was {})", self::value(before)));
        let fixed = match constant.mutability() {
            Mutability::Changeable => "",
            Mutability::Fixed | Mutability::OnDisk => "  (fixed)",
        };
        lines.push(format!("  {:<28} {value}{was}{fixed}", constant.name()));
    }
    for (what, nodes) in [("go by older ones", &status.behind), ("not heard", &status.silent)] {
        if !nodes.is_empty() {
            lines.push(format!("{what}: {}", names(nodes).join(", ")));
        }
    }
    lines
}

/// For programs.
fn as_json(status: &ConstantsStatus) -> Value {
    let one = |constant: &ClusterConstant| {
        let setting = status.values.setting(*constant);
        let before = status.changes_from.as_ref().map(|from| from.number(*constant));
        let unit = if constant.is_time() { "ns" } else { "" };
        let changeable = constant.mutability() == Mutability::Changeable;
        let fact = json!({
            "value": setting.number,
            "unit": unit,
            "text": value(setting),
            "changes_from": before.filter(|before| *before != setting.number),
            "changeable": changeable,
        });
        (constant.name().to_owned(), fact)
    };
    let constants: serde_json::Map<String, Value> = ClusterConstant::ALL.iter().map(one).collect();
    json!({
        "version": status.version.0,
        "changing": status.changes_from.is_some(),
        "leases_end_within_ms": status.leases_end_within.map(|within| within.as_millis() as u64),
        "behind": names(&status.behind),
        "silent": names(&status.silent),
        "constants": constants,
    })
}

/// A value as a configuration file takes it.
fn value(setting: Setting) -> String {
    let name = setting.constant.name();
    if setting.constant.is_time() {
        human_duration(Duration::from_nanos(setting.number))
    } else if name.contains("bytes") {
        human_size(setting.number)
    } else if setting.constant.is_flag() {
        setting.to_string()
    } else {
        setting.number.to_string()
    }
}

fn names(nodes: &[NodeId]) -> Vec<String> {
    nodes.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;
    use leasehold_proto::{ClusterConstants, Constants, ConstantsVersion};

    fn status() -> ConstantsStatus {
        let from = ClusterConstants::of(&Constants::default());
        let lease = Setting { constant: ClusterConstant::LeaseDuration, number: 20_000_000_000 };
        ConstantsStatus {
            version: ConstantsVersion(2),
            values: from.with(&[lease]).expect("consistent"),
            changes_from: Some(from),
            leases_end_within: Some(Duration::from_secs(9)),
            behind: vec![NodeId(7)],
            silent: vec![NodeId(8)],
        }
    }

    #[test]
    fn both_values_and_who_is_waited_for_are_shown() {
        let page = lines(&status()).join("\n");
        for line in [
            "constants k2, changing: waiting for n7",
            "20s  (was 12s)",
            "64.0 KiB  (fixed)",
            "go by older ones: n7",
            "not heard: n8",
        ] {
            assert!(page.contains(line), "{line:?} is not in:\n{page}");
        }
        let json = as_json(&status());
        assert_eq!(json["constants"]["lease_duration"]["value"], 20_000_000_000_u64);
        assert_eq!(json["constants"]["lease_duration"]["changes_from"], 12_000_000_000_u64);
        assert_eq!((&json["version"], &json["changing"]), (&json!(2), &json!(true)));
    }

    #[test]
    fn a_change_is_parsed_or_refused_with_a_reason() {
        let words = |text: &str| vec![text.to_owned()];
        let settings = Settings::cluster_settings(&words("lease_duration=20s")).expect("fits");
        assert_eq!(settings[0].number, 20_000_000_000);
        for (text, why) in [
            ("lease_duration", "is not NAME=VALUE"),
            ("lease_duration=20", "is not a duration"),
            ("operation_timeout=20s", "each process's own"),
            ("lease_duraton=20s", "did you mean \"lease_duration\"?"),
        ] {
            let Err(Failure::Usage(what)) = Settings::cluster_settings(&words(text)) else {
                panic!("{text} must be refused")
            };
            assert!(what.contains(why), "{what:?} does not say {why:?}");
        }
    }
}
