//! `ls` and `stat`.

use crate::arguments::{LsArguments, StatArguments};
use crate::failure::{Failure, Outcome, Tally};
use crate::namespace::{find, is_directory};
use crate::output::{print, shown};
use crate::path::{ClusterPath, text_of};
use crate::session::connect;
use crate::units::{date, human_size};
use leasehold_client::{Client, FileInfo, FileKind, Refusal, SyncPolicy};
use leasehold_runtime::clock::wall_clock_ms;
use serde::{Serialize, Serializer};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A file that got a chunk within this time may have grown since the master heard of it.
const FRESH_MS: u64 = 60_000;

/// The primaries of such files have this long, all together, to say how long they are.
const LENGTHS_PATIENCE: Duration = Duration::from_secs(2);

/// Files whose lengths are asked for at a time.
const LENGTHS_AT_A_TIME: usize = 64;

/// One line of `ls`, one object of its JSON.
#[derive(Clone, Debug, Serialize)]
struct ListedEntry {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    file_id: u64,
    /// In bytes; none if no chunkserver says it in time.
    length: Option<u64>,
    /// As chunkservers reported it last, in bytes.
    length_reported: Option<u64>,
    chunks: u64,
    chunk_bytes: Option<u64>,
    replicas: Option<u8>,
    sync: Option<&'static str>,
    mtime_ms: u64,
    /// Permission bits; in JSON as four octal digits.
    #[serde(serialize_with = "octal")]
    mode: u16,
    uid: u32,
    gid: u32,
    links: u32,
}

impl ListedEntry {
    fn new(name: String, info: &FileInfo) -> ListedEntry {
        let (spec, length) = match info.kind {
            FileKind::File(spec) => (Some(spec), info.length_reported),
            _ => (None, Some(info.length_reported.unwrap_or(0))),
        };
        ListedEntry {
            name,
            kind: kind_name(info.kind),
            file_id: info.file.0,
            length,
            length_reported: info.length_reported,
            chunks: info.chunks,
            chunk_bytes: spec.map(|spec| spec.chunk_bytes),
            replicas: spec.map(|spec| spec.replicas),
            sync: spec.map(|spec| sync_name(spec.sync)),
            mtime_ms: mtime_ms(info),
            mode: info.attributes.mode,
            uid: info.attributes.uid,
            gid: info.attributes.gid,
            links: info.attributes.links,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn octal<S: Serializer>(mode: &u16, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("{mode:04o}"))
}

fn kind_name(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Directory => "directory",
        FileKind::File(_) => "file",
        FileKind::Symlink => "symlink",
        FileKind::Fifo => "fifo",
        FileKind::Socket => "socket",
        FileKind::CharDevice(_) => "char device",
        FileKind::BlockDevice(_) => "block device",
    }
}

/// Milliseconds since 1970.
pub fn mtime_ms(info: &FileInfo) -> u64 {
    u64::try_from(info.attributes.mtime_ns / 1_000_000).unwrap_or_default()
}

/// As `ls` shows it: the kind and who may do what.
fn mode_words(kind: &str, mode: u16) -> String {
    let letter = match kind {
        "directory" => 'd',
        "symlink" => 'l',
        "fifo" => 'p',
        "socket" => 's',
        "char device" => 'c',
        "block device" => 'b',
        _ => '-',
    };
    let mut words = String::from(letter);
    for (shift, special, set, unset) in
        [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')]
    {
        let class = mode >> shift;
        words.push(if class & 4 != 0 { 'r' } else { '-' });
        words.push(if class & 2 != 0 { 'w' } else { '-' });
        words.push(match (class & 1 != 0, mode & special != 0) {
            (true, true) => set,
            (false, true) => unset,
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    words
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
    let info = look(client, path).await?;
    let found = if is_directory(&info) {
        let names = client.list(path).await?.into_iter();
        names.map(|(name, info)| (path.join(&name), text_of(name.as_bytes()), info)).collect()
    } else {
        vec![(path.clone(), path.text(), info)]
    };
    let is_fresh = |info: &FileInfo| mtime_ms(info).saturating_add(FRESH_MS) > wall_clock_ms();
    let mut entries = Vec::new();
    let mut asked = Vec::new();
    for (place, (path, name, info)) in found.into_iter().enumerate() {
        let wants = info.chunks > 0 && (is_fresh(&info) || info.length_reported.is_none());
        asked.extend(wants.then_some((place, path)));
        entries.push(ListedEntry::new(name, &info));
    }
    ask_lengths(client, asked, &mut entries).await;
    Ok(entries)
}

async fn look(client: &Client, path: &ClusterPath) -> Result<FileInfo, Failure> {
    find(client, path).await?.ok_or_else(|| Failure::about(path, Refusal::NotFound))
}

/// Asks the primaries of last chunks, who know better than the last report. A length that is not said
/// in time is not known: names do not wait for chunkservers.
async fn ask_lengths(
    client: &Client,
    asked: Vec<(usize, ClusterPath)>,
    entries: &mut [ListedEntry],
) {
    for (place, _) in &asked {
        entries[*place].length = None;
    }
    let room = Arc::new(Semaphore::new(LENGTHS_AT_A_TIME));
    let mut asking = JoinSet::new();
    for (place, path) in asked {
        let (client, room) = (client.clone(), room.clone());
        asking.spawn(async move {
            let _place = room.acquire().await;
            (place, length(&client, &path).await)
        });
    }
    let answers = async {
        while let Some(answered) = asking.join_next().await {
            match answered {
                Ok((place, Answered::Length(length))) => entries[place].length = Some(length),
                Ok((place, Answered::Gone)) => {
                    // Removed or renamed since it was listed: what was listed is what there was.
                    entries[place].length = entries[place].length_reported;
                }
                Ok((_, Answered::Unknown)) | Err(_) => {}
            }
        }
    };
    // What is still out is dropped with the set.
    let _ = timeout(LENGTHS_PATIENCE, answers).await;
}

enum Answered {
    Length(u64),
    Gone,
    Unknown,
}

async fn length(client: &Client, path: &ClusterPath) -> Answered {
    let length = async { client.open(path).await?.len().await };
    match length.await {
        Ok(length) => Answered::Length(length),
        Err(error) if error.refusal() == Some(&Refusal::NotFound) => Answered::Gone,
        Err(_) => Answered::Unknown,
    }
}

fn long(entries: &[ListedEntry], human: bool) -> Vec<String> {
    let size = |entry: &ListedEntry| match (entry.kind, human) {
        ("directory", _) => "-".to_owned(),
        (_, true) => entry.length.map_or("?".to_owned(), human_size),
        (_, false) => entry.length.map_or("?".to_owned(), |length| length.to_string()),
    };
    let width = entries.iter().map(|entry| size(entry).len()).max().unwrap_or(0);
    entries
        .iter()
        .map(|entry| {
            let mode = mode_words(entry.kind, entry.mode);
            let ListedEntry { links, uid, gid, .. } = entry;
            let replicas = entry.replicas.map_or("-".to_owned(), |n| n.to_string());
            let (sync, size) = (entry.sync.unwrap_or("-"), size(entry));
            let (when, name) = (date(entry.mtime_ms), shown(&entry.name));
            format!(
                "{mode} {links:>2} {uid:>5} {gid:>5} {replicas:>2} {sync:<10} {size:>width$} {when} {name}"
            )
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
    let info = look(client, path).await?;
    let mut entry = [ListedEntry::new(path.text(), &info)];
    if info.chunks > 0 {
        ask_lengths(client, vec![(0, path.clone())], &mut entry).await;
    }
    let [entry] = entry;
    Ok(entry)
}

fn length_words(entry: &ListedEntry) -> String {
    let bytes = |length: u64| format!("{length} bytes ({})", human_size(length));
    match (entry.length, entry.length_reported) {
        (Some(length), _) => bytes(length),
        (None, Some(reported)) => {
            format!("? (no chunkserver answers; the last report is {})", bytes(reported))
        }
        (None, None) => "? (no chunkserver answers)".to_owned(),
    }
}

fn page(entry: &ListedEntry) -> String {
    let mut lines = vec![
        format!("{:>10}: {}", "path", shown(&entry.name)),
        format!("{:>10}: {}", "type", entry.kind),
        format!("{:>10}: f{}", "file id", entry.file_id),
        format!("{:>10}: {:04o} ({})", "mode", entry.mode, mode_words(entry.kind, entry.mode)),
        format!("{:>10}: user {}, group {}", "owner", entry.uid, entry.gid),
        format!("{:>10}: {}", "links", entry.links),
        format!("{:>10}: {} UTC", "modified", date(entry.mtime_ms)),
    ];
    if let (Some(chunk), Some(replicas), Some(sync)) =
        (entry.chunk_bytes, entry.replicas, entry.sync)
    {
        lines.push(format!("{:>10}: {}", "length", length_words(entry)));
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
        let length_reported = length;
        let info = FileInfo { length_reported, ..FileInfo::new(FileId(7), kind, 1) };
        ListedEntry::new(name.to_owned(), &info)
    }

    #[test]
    fn long_lines_stand_in_columns() {
        let entries = [entry("a", Some(5)), entry("d", None), entry("b", Some(123_456))];
        assert_eq!(
            long(&entries, false),
            [
                "----------  1     0     0  3 durable         5 1970-01-01 00:00:00 a",
                "d---------  1     0     0  - -               - 1970-01-01 00:00:00 d",
                "----------  1     0     0  3 durable    123456 1970-01-01 00:00:00 b",
            ]
        );
        assert_eq!(
            long(&entries[2..], true),
            ["----------  1     0     0  3 durable    120.6 KiB 1970-01-01 00:00:00 b"]
        );
    }

    #[test]
    fn a_length_that_is_not_known_is_shown_as_such() {
        let mut entry = entry("a", Some(5));
        entry.length = None;
        let line = &long(std::slice::from_ref(&entry), false)[0];
        assert_eq!(line, "----------  1     0     0  3 durable    ? 1970-01-01 00:00:00 a");
        assert!(page(&entry).contains("length: ? (no chunkserver answers; the last report is 5 "));
        assert!(serde_json::to_value(entry).expect("plain data")["length"].is_null());
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
