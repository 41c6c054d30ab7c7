//! `ls` and `stat`.

use crate::arguments::{LsArguments, StatArguments};
use crate::failure::{Failure, Outcome, Tally};
use crate::namespace::is_directory;
use crate::output::print;
use crate::path::ClusterPath;
use crate::session::connect;
use crate::units::{date, human_size};
use leasehold_client::{Client, FileInfo, FileKind, Refusal, SyncPolicy};
use leasehold_runtime::clock::wall_clock_ms;
use serde::Serialize;

/// A file that got a chunk within this time may have grown since the master heard of it.
const FRESH_MS: u64 = 60_000;

/// One line of `ls`, one object of its JSON.
#[derive(Clone, Debug, Serialize)]
struct ListedEntry {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    file_id: u64,
    /// In bytes.
    length: u64,
    chunks: u64,
    chunk_bytes: Option<u64>,
    replicas: Option<u8>,
    sync: Option<&'static str>,
    mtime_ms: u64,
}

impl ListedEntry {
    fn new(name: String, info: &FileInfo) -> ListedEntry {
        let spec = match info.kind {
            FileKind::File(spec) => Some(spec),
            FileKind::Directory => None,
        };
        ListedEntry {
            name,
            kind: if spec.is_some() { "file" } else { "directory" },
            file_id: info.file.0,
            length: info.length_reported,
            chunks: info.chunks,
            chunk_bytes: spec.map(|spec| spec.chunk_bytes),
            replicas: spec.map(|spec| spec.replicas),
            sync: spec.map(|spec| sync_name(spec.sync)),
            mtime_ms: info.mtime_ms,
        }
    }
}

fn sync_name(policy: SyncPolicy) -> &'static str {
    match policy {
        SyncPolicy::Durable => "durable",
        SyncPolicy::PageCache => "page-cache",
    }
}

/// `leasehold ls`.
pub async fn ls(arguments: &LsArguments) -> Outcome {
    let paths = ClusterPath::parse_all(&arguments.paths)?;
    let client = connect(&arguments.client).await?;
    let mut listed: Vec<(ClusterPath, Vec<ListedEntry>)> = Vec::new();
    let mut tally = Tally::new("ls");
    for path in &paths {
        if let Some(entries) = tally.note(entries(&client, path).await) {
            listed.push((path.clone(), entries));
        }
    }
    if arguments.json {
        let all: Vec<&ListedEntry> = listed.iter().flat_map(|(_, entries)| entries).collect();
        print(serde_json::to_string_pretty(&all).expect("entries are plain data"))?;
        return tally.outcome();
    }
    for (n, (path, entries)) in listed.iter().enumerate() {
        let mut text = String::new();
        if paths.len() > 1 {
            let gap = if n > 0 { "\n" } else { "" };
            text = format!("{gap}{path}:\n");
        }
        let lines = if arguments.long {
            long(entries, arguments.human_readable)
        } else {
            entries.iter().map(|entry| shown(&entry.name)).collect()
        };
        print(text + &lines.join("\n"))?;
    }
    tally.outcome()
}

/// What is in a directory; for a file, the file itself.
async fn entries(client: &Client, path: &ClusterPath) -> Result<Vec<ListedEntry>, Failure> {
    let info = client.stat(path.as_str()).await?;
    if !is_directory(&info) {
        return Ok(vec![entry(client, path, path.to_string(), &info).await?]);
    }
    let mut entries = Vec::new();
    for (name, info) in client.list(path.as_str()).await? {
        entries.push(entry(client, &path.join(&name), name, &info).await?);
    }
    Ok(entries)
}

/// One entry. The master knows lengths from heartbeats, a moment late: of a file that was just
/// written, the primary of its last chunk is asked.
async fn entry(
    client: &Client,
    path: &ClusterPath,
    name: String,
    info: &FileInfo,
) -> Result<ListedEntry, Failure> {
    let mut entry = ListedEntry::new(name, info);
    let fresh = info.mtime_ms.saturating_add(FRESH_MS) > wall_clock_ms();
    if fresh && !is_directory(info) {
        match client.open(path.as_str()).await {
            Ok(file) => entry.length = file.len().await?,
            // Removed or renamed since it was listed: what was listed is what there was.
            Err(error) if error.refusal() == Some(&Refusal::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(entry)
}

/// A name as it may be shown on a terminal: control characters are escaped. `--json` has it as it is.
fn shown(name: &str) -> String {
    let escaped = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    name.chars().map(escaped).collect()
}

fn long(entries: &[ListedEntry], human: bool) -> Vec<String> {
    let size = |entry: &ListedEntry| match (entry.kind, human) {
        ("directory", _) => "-".to_owned(),
        (_, true) => human_size(entry.length),
        (_, false) => entry.length.to_string(),
    };
    let width = entries.iter().map(|entry| size(entry).len()).max().unwrap_or(0);
    entries
        .iter()
        .map(|entry| {
            let kind = if entry.kind == "directory" { 'd' } else { '-' };
            let replicas = entry.replicas.map_or("-".to_owned(), |n| n.to_string());
            let (sync, size) = (entry.sync.unwrap_or("-"), size(entry));
            let (when, name) = (date(entry.mtime_ms), shown(&entry.name));
            format!("{kind} {replicas:>3} {sync:<10} {size:>width$} {when} {name}")
        })
        .collect()
}

/// `leasehold stat`.
pub async fn stat(arguments: &StatArguments) -> Outcome {
    let paths = ClusterPath::parse_all(&arguments.paths)?;
    let client = connect(&arguments.client).await?;
    let mut found = Vec::new();
    let mut tally = Tally::new("stat");
    for path in &paths {
        found.extend(tally.note(examine(&client, path).await));
    }
    if arguments.json {
        print(serde_json::to_string_pretty(&found).expect("entries are plain data"))?;
    } else {
        let pages: Vec<String> = found.iter().map(page).collect();
        print(pages.join("\n\n"))?;
    }
    tally.outcome()
}

async fn examine(client: &Client, path: &ClusterPath) -> Result<ListedEntry, Failure> {
    let info = client.stat(path.as_str()).await?;
    let mut entry = ListedEntry::new(path.to_string(), &info);
    if entry.kind == "file" {
        // The primary of the last chunk knows better than the last heartbeat.
        entry.length = client.open(path.as_str()).await?.len().await?;
    }
    Ok(entry)
}

fn page(entry: &ListedEntry) -> String {
    let mut lines = vec![
        format!("{:>10}: {}", "path", entry.name),
        format!("{:>10}: {}", "type", entry.kind),
        format!("{:>10}: f{}", "file id", entry.file_id),
        format!("{:>10}: {} UTC", "modified", date(entry.mtime_ms)),
    ];
    if let (Some(chunk), Some(replicas), Some(sync)) =
        (entry.chunk_bytes, entry.replicas, entry.sync)
    {
        let length = entry.length;
        lines.push(format!("{:>10}: {length} bytes ({})", "length", human_size(length)));
        lines.push(format!("{:>10}: {} of {}", "chunks", entry.chunks, human_size(chunk)));
        lines.push(format!("{:>10}: {replicas}", "replicas"));
        lines.push(format!("{:>10}: {sync}", "sync"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehold_client::FileSpec;
    use leasehold_proto::FileId;

    fn entry(name: &str, length: Option<u64>) -> ListedEntry {
        let kind = match length {
            Some(_) => FileKind::File(FileSpec::default()),
            None => FileKind::Directory,
        };
        let length_reported = length.unwrap_or(0);
        let info = FileInfo { file: FileId(7), kind, chunks: 1, mtime_ms: 0, length_reported };
        ListedEntry::new(name.to_owned(), &info)
    }

    #[test]
    fn long_lines_stand_in_columns() {
        let entries = [entry("a", Some(5)), entry("d", None), entry("b", Some(123_456))];
        assert_eq!(
            long(&entries, false),
            [
                "-   3 durable         5 1970-01-01 00:00:00 a",
                "d   - -               - 1970-01-01 00:00:00 d",
                "-   3 durable    123456 1970-01-01 00:00:00 b",
            ]
        );
        assert_eq!(long(&entries[2..], true), ["-   3 durable    120.6 KiB 1970-01-01 00:00:00 b"]);
    }

    #[test]
    fn a_name_commands_no_terminal() {
        assert_eq!(shown("x\u{1b}[31mred\nz é"), "x\\u{1b}[31mred\\nz é");
    }

    #[test]
    fn json_holds_exact_numbers() {
        let json = serde_json::to_value(entry("b", Some(123_456))).expect("plain data");
        assert_eq!(json["length"], 123_456);
        assert_eq!(json["chunk_bytes"], 64 << 20);
        assert_eq!((&json["type"], &json["sync"]), (&"file".into(), &"durable".into()));
        let json = serde_json::to_value(entry("d", None)).expect("plain data");
        assert!(json["replicas"].is_null() && json["type"] == "directory");
    }
}
