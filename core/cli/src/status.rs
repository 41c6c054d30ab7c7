//! `status`: the cluster at a glance.

use crate::arguments::{ServerCommand, StatusArguments};
use crate::failure::{Failure, Outcome, Tally};
use crate::masters;
use crate::output::print;
use crate::safe_mode::Waits;
use crate::session::connect;
use crate::units::{human_duration, human_size};
use leasehold_client::{ClusterStatus, Refusal, ServerStatus};
use serde_json::{Value, json};
use std::time::Duration;

/// `leasehold server`.
pub async fn server(command: &ServerCommand) -> Outcome {
    let ServerCommand::Forget { servers, client } = command;
    let client = connect(client).await?;
    let mut tally = Tally::new("server");
    for node in servers {
        tally.note(client.forget_server(*node).await.map_err(|error| match error.refusal() {
            Some(Refusal::NotFound) => Failure::about(node, "no such server ever registered"),
            _ => error.into(),
        }));
    }
    tally.outcome()
}

/// `leasehold status`.
pub async fn status(arguments: &StatusArguments) -> Outcome {
    let client = connect(&arguments.client).await?;
    let status = client.status().await?;
    let waits = match status.safe_mode {
        true => Waits::of(&client, client.safe_mode().await?).await,
        false => None,
    };
    let masters = masters::standings(&arguments.client).await?;
    if arguments.json {
        let mut json = as_json(&status);
        json["safe_mode_waits_for"] = waits.as_ref().map_or(Value::Null, Waits::json);
        json["masters"] = masters.iter().map(masters::as_json).collect();
        print(serde_json::to_string_pretty(&json).expect("numbers and strings"))
    } else {
        print(format!(
            "{}\n\n{}",
            page(&status, waits.as_ref()),
            masters::page(&masters).join("\n")
        ))
    }
}

fn as_json(status: &ClusterStatus) -> Value {
    let server = |server: &ServerStatus| {
        json!({
            "server": server.node.to_string(),
            "incarnation": server.incarnation.0,
            "rack": server.rack.0,
            "alive": server.alive,
            "replicas": server.replicas,
            "used_bytes": server.used_bytes,
            "free_bytes": server.free_bytes,
            "capacity_bytes": server.capacity_bytes,
        })
    };
    json!({
        "servers_alive": alive(status),
        "servers": status.servers.iter().map(server).collect::<Vec<_>>(),
        "files": status.files,
        "directories": status.directories,
        "trashed": status.trashed,
        "chunks": status.chunks,
        "chunks_under_target": status.chunks_under_target,
        "chunks_unavailable": status.chunks_unavailable,
        "leases": status.leases,
        "changes": status.changes,
        "repairs": status.repairs,
        "safe_mode": status.safe_mode,
        "alarm": status.alarm,
    })
}

fn alive(status: &ClusterStatus) -> usize {
    status.servers.iter().filter(|server| server.alive).count()
}

fn page(status: &ClusterStatus, waits: Option<&Waits>) -> String {
    let mut lines = Vec::new();
    if status.alarm {
        lines.push(
            "ALARM: chunkservers know of what this master's log never did. Its directory is an older \
             copy, or lost its end; nothing is repaired or deleted. Stop it, and start it on the \
             newest directory there is."
                .to_owned(),
        );
    }
    lines.extend(waits.into_iter().flat_map(Waits::lines));
    lines.push(format!("servers: {} of {} alive", alive(status), status.servers.len()));
    lines.push(format!(
        "files: {}, directories: {}, in the trash: {}",
        status.files, status.directories, status.trashed
    ));
    lines.push(format!(
        "chunks: {}, under target: {}, unavailable: {}",
        status.chunks, status.chunks_under_target, status.chunks_unavailable
    ));
    lines.push(format!(
        "leases: {}, configuration changes: {}, copies under way: {}",
        status.leases, status.changes, status.repairs
    ));
    if !status.servers.is_empty() {
        lines.push(format!(
            "\n{:<21}  {:<5}  {:>4}  {:>11}  {:>8}  {:>10}  {:>10}  {:>10}",
            "server", "state", "rack", "incarnation", "replicas", "used", "free", "capacity"
        ));
    }
    lines.extend(status.servers.iter().map(line));
    if status.servers.iter().any(|server| !server.alive) {
        lines.push(
            "`leasehold server forget SERVER` takes one that is gone for good off this list"
                .to_owned(),
        );
    }
    lines.join("\n")
}

fn line(server: &ServerStatus) -> String {
    format!(
        "{:<21}  {:<5}  {:>4}  {:>11}  {:>8}  {:>10}  {:>10}  {:>10}",
        server.node.to_string(),
        if server.alive { "alive" } else { "DEAD" },
        server.rack.0,
        server.incarnation.0,
        server.replicas,
        human_size(server.used_bytes),
        human_size(server.free_bytes),
        human_size(server.capacity_bytes)
    ) + &silence(server)
}

/// How long a dead server is dead.
fn silence(server: &ServerStatus) -> String {
    match server.silent_for {
        _ if server.alive => String::new(),
        Some(silence) => {
            let seconds = Duration::from_secs(silence.as_secs());
            format!("  not heard for {}", human_duration(seconds))
        }
        None => "  not heard by this leader".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehold_proto::{Incarnation, NodeId, Rack};

    fn cluster() -> ClusterStatus {
        let server = |node, alive| ServerStatus {
            node: NodeId(node),
            incarnation: Incarnation(2),
            rack: Rack(1),
            alive,
            silent_for: Some(Duration::from_millis(90_500)),
            replicas: 4,
            used_bytes: 1 << 20,
            free_bytes: 1 << 29,
            capacity_bytes: 1 << 30,
        };
        ClusterStatus {
            servers: vec![server(0xab, true), server(0xcd, false)],
            chunks: 4,
            chunks_under_target: 3,
            ..ClusterStatus::default()
        }
    }

    #[test]
    fn the_page_names_the_dead_and_counts_what_is_missing() {
        let page = page(&cluster(), None);
        assert!(page.contains("servers: 1 of 2 alive"), "{page}");
        assert!(page.contains("chunks: 4, under target: 3, unavailable: 0"), "{page}");
        assert!(page.contains("n205                   DEAD"), "{page}");
        assert!(page.contains("1.0 GiB  not heard for 90s\n`leasehold server forget"), "{page}");
        assert!(!page.contains("ALARM") && !page.contains("safe mode"), "{page}");
    }

    #[test]
    fn an_alarm_comes_first() {
        let status = ClusterStatus { alarm: true, safe_mode: true, ..cluster() };
        let page = page(&status, None);
        assert!(page.starts_with("ALARM"), "{page}");
    }

    #[test]
    fn json_has_the_same_facts() {
        let json = as_json(&cluster());
        assert_eq!(json["servers_alive"], 1);
        assert_eq!(json["servers"][1]["server"], "n205");
        assert_eq!(json["servers"][0]["capacity_bytes"], 1 << 30);
        assert_eq!(json["chunks_under_target"], 3);
    }
}
