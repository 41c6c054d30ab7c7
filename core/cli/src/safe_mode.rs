//! `safe-mode`: what a leader waits for before it repairs and deletes, and the order not to wait.

use crate::arguments::{ClientArguments, SafeModeCommand};
use crate::failure::{Failure, Outcome};
use crate::output::print;
use crate::path::ClusterPath;
use crate::paths;
use crate::session::connect;
use crate::units::human_duration;
use leasehold_client::{Client, SafeModeStatus, UnreportedChunk};
use leasehold_proto::{FileId, NodeId};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::timeout;

/// The tree is searched for paths for so long; files that are not found are named by their ids.
const SEARCH_MAX: Duration = Duration::from_secs(2);

/// `leasehold safe-mode`.
pub async fn safe_mode(command: &SafeModeCommand) -> Outcome {
    match command {
        SafeModeCommand::Status(arguments) => {
            let waits = Waits::ask(&arguments.client).await?;
            print(if arguments.json {
                pretty(&as_json(waits.as_ref()))
            } else {
                waits.map_or_else(|| "safe mode is off".to_owned(), |w| w.lines().join("\n"))
            })
        }
        SafeModeCommand::Leave(arguments) => {
            let client = connect(&arguments.client).await?;
            let waits = Waits::of(&client, client.leave_safe_mode().await?).await;
            print(if arguments.json {
                let mut json = json!({ "left": waits.is_some() });
                json["waited_for"] = waits.as_ref().map_or(Value::Null, Waits::json);
                pretty(&json)
            } else {
                left(waits.as_ref())
            })
        }
    }
}

/// What safe mode waits for, with the paths of the files concerned.
pub struct Waits {
    status: SafeModeStatus,
    paths: BTreeMap<FileId, ClusterPath>,
}

impl Waits {
    async fn ask(arguments: &ClientArguments) -> Result<Option<Waits>, Failure> {
        let client = connect(arguments).await?;
        let status = client.safe_mode().await?;
        Ok(Waits::of(&client, status).await)
    }

    /// None if safe mode is off.
    pub async fn of(client: &Client, status: Option<SafeModeStatus>) -> Option<Waits> {
        let status = status?;
        let mut paths = BTreeMap::new();
        let wanted = status.first_unreported.iter().map(|chunk| chunk.file).collect();
        // A path is a help, and no more: without one the file has its id.
        let _ = timeout(SEARCH_MAX, paths::find(client, &wanted, &mut paths)).await;
        Some(Waits { status, paths })
    }

    /// For people.
    pub fn lines(&self) -> Vec<String> {
        let SafeModeStatus { chunks, unreported, unreported_max, .. } = self.status;
        let within = human_duration(rounded(self.status.ends_within));
        let mut lines = vec![
            "safe mode: no replica is copied or deleted until enough is reported".to_owned(),
            format!("  ends within {within}, or at once by `leasehold safe-mode leave`"),
            format!(
                "  chunks without a report: {unreported} of {chunks}; it ends at once with \
                 {unreported_max}"
            ),
        ];
        lines.extend(self.status.first_unreported.iter().map(|chunk| self.line(chunk)));
        let more = unreported.saturating_sub(self.status.first_unreported.len() as u64);
        lines.extend((more > 0).then(|| format!("    ... and {more} more")));
        let servers = [
            ("servers not heard", &self.status.silent_servers),
            ("servers heard that have not reported", &self.status.reporting_servers),
        ];
        for (what, nodes) in servers.into_iter().filter(|(_, nodes)| !nodes.is_empty()) {
            lines.push(format!("  {what}: {}", names(nodes).join(", ")));
        }
        lines
    }

    fn line(&self, chunk: &UnreportedChunk) -> String {
        let file = match self.paths.get(&chunk.file) {
            Some(path) => path.text(),
            None => format!("file {}", chunk.file),
        };
        let (handle, index, on) = (chunk.chunk, chunk.index, names(&chunk.members).join(", "));
        format!("    {handle}: {file}, chunk {index}, on {on}")
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let chunk = |chunk: &UnreportedChunk| {
            json!({
                "chunk": chunk.chunk.0,
                "file": chunk.file.0,
                "path": self.paths.get(&chunk.file).map(ClusterPath::text),
                "index": chunk.index,
                "members": names(&chunk.members),
            })
        };
        let status = &self.status;
        json!({
            "chunks": status.chunks,
            "unreported": status.unreported,
            "unreported_max": status.unreported_max,
            "first_unreported": status.first_unreported.iter().map(chunk).collect::<Vec<_>>(),
            "silent_servers": names(&status.silent_servers),
            "reporting_servers": names(&status.reporting_servers),
            "ends_within_ms": u64::try_from(status.ends_within.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

fn as_json(waits: Option<&Waits>) -> Value {
    json!({ "safe_mode": waits.is_some(), "waits_for": waits.map(Waits::json) })
}

fn left(waits: Option<&Waits>) -> String {
    match waits {
        None => "safe mode was off".to_owned(),
        Some(waits) => format!(
            "left safe mode; {} of {} chunks had no report. The next leader begins with it again.",
            waits.status.unreported, waits.status.chunks
        ),
    }
}

fn names(nodes: &[NodeId]) -> Vec<String> {
    nodes.iter().map(ToString::to_string).collect()
}

/// To whole seconds, upwards.
fn rounded(span: Duration) -> Duration {
    Duration::from_millis(
        u64::try_from(span.as_millis()).unwrap_or(u64::MAX).div_ceil(1_000) * 1_000,
    )
}

fn pretty(json: &Value) -> String {
    serde_json::to_string_pretty(json).expect("numbers and strings")
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehold_proto::ChunkHandle;

    fn waits() -> Waits {
        let chunk = |chunk, file| UnreportedChunk {
            chunk: ChunkHandle(chunk),
            file: FileId(file),
            index: 2,
            members: vec![NodeId(0xab)],
        };
        let status = SafeModeStatus {
            chunks: 400,
            unreported: 3,
            unreported_max: 1,
            first_unreported: vec![chunk(5, 8), chunk(6, 9)],
            silent_servers: vec![NodeId(0xab)],
            reporting_servers: Vec::new(),
            ends_within: Duration::from_millis(12_001),
        };
        let path = ClusterPath::parse("/logs/a").expect("a path");
        Waits { status, paths: BTreeMap::from([(FileId(8), path)]) }
    }

    #[test]
    fn people_see_what_is_missing_and_where_it_should_be() {
        let page = waits().lines().join("\n");
        for line in [
            "ends within 13s, ",
            "chunks without a report: 3 of 400; it ends at once with 1",
            "c5: /logs/a, chunk 2, on n171",
            "c6: file f9, chunk 2, on n171",
            "... and 1 more",
            "servers not heard: n171",
        ] {
            assert!(page.contains(line), "{line:?} is not in:\n{page}");
        }
        assert!(!page.contains("have not reported"), "{page}");
        assert!(left(Some(&waits())).contains("3 of 400"));
        assert_eq!(left(None), "safe mode was off");
    }

    #[test]
    fn json_has_the_same_facts() {
        let json = as_json(Some(&waits()));
        assert_eq!(json["safe_mode"], true);
        let waits = &json["waits_for"];
        assert_eq!(waits["first_unreported"][0]["chunk"], 5);
        assert_eq!(waits["first_unreported"][0]["path"], "/logs/a");
        assert!(waits["first_unreported"][1]["path"].is_null());
        assert_eq!(waits["first_unreported"][1]["members"][0], "n171");
        assert_eq!((&waits["unreported"], &waits["ends_within_ms"]), (&json!(3), &json!(12_001)));
        assert_eq!(as_json(None), json!({ "safe_mode": false, "waits_for": null }));
    }
}
