//! `trash`: deleted files, while they are kept.

use crate::arguments::{StatusArguments, TrashCommand, TrashEmptyArguments, TrashRestoreArguments};
use crate::failure::{Failure, Outcome, Tally};
use crate::output::{print, shown};
use crate::path::{ClusterPath, text_of};
use crate::session::connect;
use crate::units::{human_duration, human_size};
use leasehold_client::{Client, Refusal, TrashEntry};
use leasehold_proto::FileId;
use serde_json::{Value, json};
use std::time::Duration;

/// Files that one change empties the trash of.
const EMPTIED_MAX: usize = 1_000;

/// `leasehold trash`.
pub async fn trash(command: &TrashCommand) -> Outcome {
    match command {
        TrashCommand::List(arguments) => list(arguments).await,
        TrashCommand::Restore(arguments) => restore(arguments).await,
        TrashCommand::Empty(arguments) => empty(arguments).await,
    }
}

async fn list(arguments: &StatusArguments) -> Outcome {
    let client = connect(&arguments.client).await?;
    let entries = client.trash().await?;
    if arguments.json {
        let all: Vec<Value> = entries.iter().map(as_json).collect();
        return print(serde_json::to_string_pretty(&all).expect("numbers and strings"));
    }
    if entries.is_empty() {
        return print("the trash is empty");
    }
    print(page(&entries).join("\n"))
}

fn page(entries: &[TrashEntry]) -> Vec<String> {
    let mut lines = vec![format!("{:<12} {:>10} {:>10}  path", "file", "length", "kept for")];
    lines.extend(entries.iter().map(|entry| {
        let length = entry.info.length_reported.map_or_else(|| "?".to_owned(), human_size);
        let kept = human_duration(Duration::from_secs(entry.stays_for.as_secs()));
        format!(
            "{:<12} {length:>10} {kept:>10}  {}",
            entry.info.file.to_string(),
            ClusterPath::given(&entry.path)
        )
    }));
    lines
}

fn as_json(entry: &TrashEntry) -> Value {
    json!({
        "file": entry.info.file.to_string(),
        "path": text_of(entry.path.as_bytes()),
        "length": entry.info.length_reported,
        "kept_for_s": entry.stays_for.as_secs(),
    })
}

async fn restore(arguments: &TrashRestoreArguments) -> Outcome {
    let to = arguments.to.as_deref().map(ClusterPath::parse).transpose()?;
    let client = connect(&arguments.client).await?;
    let entry = find(&client, &arguments.file).await?;
    let to = to.unwrap_or_else(|| ClusterPath::given(&entry.path));
    let restored = client.restore(entry.info.file, &to, !arguments.force).await;
    restored.map_err(|error| match error.refusal() {
        Some(Refusal::AlreadyExists) => {
            Failure::about(&to, "something is there: --to takes another path, --force replaces it")
        }
        Some(Refusal::NotFound) => Failure::about(
            &to,
            "its directory is not there (--to takes another path), or the file is reclaimed by now",
        ),
        _ => error.into(),
    })?;
    let file = entry.info.file.to_string();
    if arguments.json {
        return print(json!({ "file": file, "path": to.text() }).to_string());
    }
    print(format!("{file} is {to} again"))
}

async fn empty(arguments: &TrashEmptyArguments) -> Outcome {
    let client = connect(&arguments.client).await?;
    let all = client.trash().await?;
    let mut tally = Tally::new("trash");
    let chosen: Vec<&TrashEntry> = match arguments.all {
        true => all.iter().collect(),
        false => {
            let named = arguments.files.iter();
            named.filter_map(|named| tally.note(one_of(&all, named))).collect()
        }
    };
    let files: Vec<FileId> = chosen.iter().map(|entry| entry.info.file).collect();
    for batch in files.chunks(EMPTIED_MAX) {
        client.empty_trash(batch.to_vec()).await?;
    }
    if arguments.json {
        let emptied: Vec<Value> = chosen.iter().map(|entry| as_json(entry)).collect();
        print(serde_json::to_string_pretty(&emptied).expect("numbers and strings"))?;
    } else {
        print(format!("{} files are being reclaimed", files.len()))?;
    }
    tally.outcome()
}

async fn find(client: &Client, named: &str) -> Result<TrashEntry, Failure> {
    one_of(&client.trash().await?, named).cloned()
}

/// The file that is meant by an identity, or by the path that it had.
fn one_of<'a>(all: &'a [TrashEntry], named: &str) -> Result<&'a TrashEntry, Failure> {
    let is_it = |entry: &&TrashEntry| entry.info.file.to_string() == named || entry.path == named;
    let found: Vec<&TrashEntry> = all.iter().filter(is_it).collect();
    match found[..] {
        [one] => Ok(one),
        [] => Err(Failure::about(
            shown(named),
            "not in the trash; `leasehold trash list` says what is",
        )),
        [..] => {
            let files: Vec<String> = found.iter().map(|e| e.info.file.to_string()).collect();
            let why = format!("several files had this path: say which of {}", files.join(", "));
            Err(Failure::about(shown(named), why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehold_client::{FileInfo, FileKind, FileSpec};

    fn entry(number: u64, path: &str) -> TrashEntry {
        let kind = FileKind::File(FileSpec::default());
        let mut info = FileInfo::new(FileId(number), kind, 1);
        info.length_reported = Some(5 << 20);
        TrashEntry { info, path: path.into(), stays_for: Duration::from_millis(90_500) }
    }

    #[test]
    fn a_file_is_meant_by_its_identity_or_its_path() {
        let all = [entry(7, "/a"), entry(8, "/b"), entry(9, "/b")];
        assert_eq!(one_of(&all, "/a").unwrap().info.file, FileId(7));
        assert_eq!(one_of(&all, "f9").unwrap().info.file, FileId(9));
        let several = one_of(&all, "/b").unwrap_err().to_string();
        assert!(several.contains("f8, f9"), "{several}");
        assert!(one_of(&all, "/c").unwrap_err().to_string().contains("trash list"));
    }

    #[test]
    fn a_page_says_how_long_each_is_kept() {
        let page = page(&[entry(7, "/a\u{1b}")]).join("\n");
        assert!(page.contains("f7") && page.contains("5.0 MiB") && page.contains("90s"), "{page}");
        assert!(page.contains("/a\\u{1b}"), "{page}");
        assert_eq!(as_json(&entry(7, "/a"))["kept_for_s"], 90);
    }
}
