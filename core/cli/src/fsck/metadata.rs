//! `fsck --metadata DIR`: a master's data directory, checked without a server.

use crate::arguments::FsckArguments;
use crate::failure::{Failure, Outcome};
use crate::output::print;
use crate::settings::Settings;
use crate::units::human_size;
use leasehold_node::offline::{Checked, FileReport, Flaw, Holds, Layout, Start, check_dir};
use serde_json::{Value, json};
use std::path::Path;

/// Prints what the directory holds, and whether a master would start on it.
pub fn check(dir: &Path, arguments: &FsckArguments) -> Outcome {
    let config = &arguments.client.config;
    let constants = Settings::read(config.config.as_deref(), &config.sets)?.constants()?;
    let checked = check_dir(dir, &constants).map_err(|error| Failure::Failed(error.to_string()))?;
    if checked.layout == Layout::Nobody {
        let why = "no master's directory: it holds neither log nor raft";
        return Err(Failure::about(dir.display(), why));
    }
    print(if arguments.json { as_json(dir, &checked) } else { page(dir, &checked) })?;
    if checked.is_healthy() { Ok(()) } else { Err(Failure::Reported) }
}

fn page(dir: &Path, checked: &Checked) -> String {
    let mut lines = vec![format!("{}: {}", dir.display(), whose(checked.layout))];
    for file in &checked.files {
        lines.push(format!("  {}: {}, {}", file.name, human_size(file.bytes), contents(file)));
        lines.extend(file.flaw.as_ref().map(|flaw| format!("    {}", words(flaw))));
    }
    lines.extend(checked.start.as_ref().ok().map(state));
    let flaws = checked.flaws().count();
    lines.push(match &checked.start {
        Ok(_) if flaws == 0 => "HEALTHY: a master would start on it".to_owned(),
        Ok(_) => {
            let files = if flaws == 1 { "file is" } else { "files are" };
            format!("NOT HEALTHY: {flaws} {files} damaged; a master would start all the same")
        }
        Err(refused) => {
            format!("NOT HEALTHY: a master would refuse to start: {refused}{}", advice(checked))
        }
    });
    lines.join("\n")
}

fn whose(layout: Layout) -> &'static str {
    match layout {
        Layout::Lone => "a master without peers",
        Layout::Replicated => "a master with peers",
        Layout::Nobody => "no master",
    }
}

/// What is lost on one of several masters, its peers have.
fn advice(checked: &Checked) -> &'static str {
    match checked.layout {
        Layout::Replicated => {
            "\nIts peers have what is lost: remove this master, empty the directory, start it and \
             add it again."
        }
        Layout::Lone | Layout::Nobody => "",
    }
}

fn contents(file: &FileReport) -> String {
    match &file.holds {
        Holds::Log(span) => {
            let entries = match span.indices {
                Some((first, last)) => format!("entries {first} to {last}"),
                None => "no entry".to_owned(),
            };
            format!("{} records up to byte {}, {entries}", span.records, span.end)
        }
        Holds::State { index } => format!("the state after entry {index}"),
        Holds::Room => "nothing that counts".to_owned(),
        Holds::Foreign => "not a file of a master".to_owned(),
    }
}

fn words(flaw: &Flaw) -> String {
    match flaw {
        Flaw::TornTail { at } => {
            format!("torn tail at byte {at}: normal after a crash, and cut at the next start")
        }
        Flaw::Corrupt { at, why } => format!("CORRUPT at byte {at}: {why}"),
        Flaw::Version { found, expected } => {
            format!("FORMAT VERSION {found}, this program reads version {expected}")
        }
        Flaw::Unreadable { what } => format!("UNREADABLE: {what}"),
    }
}

fn kind(flaw: &Flaw) -> &'static str {
    match flaw {
        Flaw::TornTail { .. } => "torn-tail",
        Flaw::Corrupt { .. } => "corrupt",
        Flaw::Version { .. } => "format-version",
        Flaw::Unreadable { .. } => "unreadable",
    }
}

fn state(start: &Start) -> String {
    let counts = start.state.counts();
    let base = match start.base {
        Some(base) => format!("{} entries after the state at {base}", start.entries),
        None => format!("{} entries from the first", start.entries),
    };
    format!(
        "replayed {base}: {} files, {} directories, {} in the trash, {} chunks, {} servers",
        counts.files,
        counts.directories,
        counts.trashed,
        counts.chunks,
        start.state.servers().len(),
    )
}

fn as_json(dir: &Path, checked: &Checked) -> String {
    let page = json!({
        "directory": dir.display().to_string(),
        "master": match checked.layout {
            Layout::Lone => "alone",
            Layout::Replicated => "with-peers",
            Layout::Nobody => "none",
        },
        "healthy": checked.is_healthy(),
        "would_start": checked.start.is_ok(),
        "refused": checked.start.as_ref().err().map(ToString::to_string),
        "files": checked.files.iter().map(file_json).collect::<Vec<_>>(),
        "state": checked.start.as_ref().ok().map(state_json),
    });
    serde_json::to_string_pretty(&page).expect("numbers and strings")
}

fn file_json(file: &FileReport) -> Value {
    let mut json = match &file.holds {
        Holds::Log(span) => json!({
            "holds": "log",
            "records": span.records,
            "end": span.end,
            "entries": span.entries,
            "first": span.indices.map(|(first, _)| first),
            "last": span.indices.map(|(_, last)| last),
        }),
        Holds::State { index } => json!({ "holds": "state", "last": index }),
        Holds::Room => json!({ "holds": "nothing" }),
        Holds::Foreign => json!({ "holds": "foreign" }),
    };
    json["file"] = file.name.clone().into();
    json["bytes"] = file.bytes.into();
    json["flaw"] = file.flaw.as_ref().map(flaw_json).into();
    json
}

fn flaw_json(flaw: &Flaw) -> Value {
    let at = match flaw {
        Flaw::TornTail { at } | Flaw::Corrupt { at, .. } => Some(*at),
        Flaw::Version { .. } | Flaw::Unreadable { .. } => None,
    };
    json!({ "kind": kind(flaw), "normal": flaw.is_normal(), "at": at, "what": words(flaw) })
}

fn state_json(start: &Start) -> Value {
    let (state, counts) = (&start.state, start.state.counts());
    json!({
        "base": start.base,
        "entries_replayed": start.entries,
        "applied": state.applied().0,
        "epoch": state.epoch().0,
        "files": counts.files,
        "directories": counts.directories,
        "trashed": counts.trashed,
        "chunks": counts.chunks,
        "servers": state.servers().len(),
        "clients": state.sessions().len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehold_node::offline::{Refused, Span};
    use leasehold_proto::MasterState;

    fn checked(flaw: Option<Flaw>, start: Result<Start, Refused>) -> Checked {
        let span = Span { records: 3, end: 700, entries: 2, indices: Some((4, 5)) };
        let (name, holds) = ("raft/0000000000000001.log".to_owned(), Holds::Log(span));
        let file = FileReport { name, bytes: 4096, holds, flaw };
        Checked { layout: Layout::Replicated, files: vec![file], start }
    }

    fn sound() -> Result<Start, Refused> {
        Ok(Start { base: Some(3), entries: 2, state: MasterState::new(4) })
    }

    #[test]
    fn a_torn_tail_is_told_and_healthy() {
        let checked = checked(Some(Flaw::TornTail { at: 700 }), sound());
        let page = page(Path::new("/d"), &checked);
        assert!(page.contains("3 records up to byte 700, entries 4 to 5"), "{page}");
        assert!(page.contains("torn tail at byte 700"), "{page}");
        assert!(page.contains("2 entries after the state at 3: 0 files, 1 directories"), "{page}");
        assert!(page.ends_with("HEALTHY: a master would start on it"), "{page}");
        let json: Value = serde_json::from_str(&as_json(Path::new("/d"), &checked)).unwrap();
        assert_eq!((&json["healthy"], &json["would_start"]), (&true.into(), &true.into()));
        assert_eq!(json["files"][0]["flaw"]["kind"], "torn-tail");
        assert_eq!(json["files"][0]["last"], 5);
        assert_eq!(json["state"]["directories"], 1);
    }

    #[test]
    fn damage_is_named_with_its_place_and_what_to_do() {
        let flaw = || Some(Flaw::Corrupt { at: 512, why: "record checksum" });
        let text = page(Path::new("/d"), &checked(flaw(), sound()));
        assert!(text.contains("CORRUPT at byte 512: record checksum"), "{text}");
        assert!(text.ends_with("1 file is damaged; a master would start all the same"), "{text}");
        let refused = checked(flaw(), Err(Refused::State("a count is wrong".to_owned())));
        let text = page(Path::new("/d"), &refused);
        assert!(text.contains("would refuse to start: the state does not hold"), "{text}");
        assert!(text.ends_with("add it again."), "{text}");
        let json: Value = serde_json::from_str(&as_json(Path::new("/d"), &refused)).unwrap();
        assert_eq!((&json["healthy"], &json["state"]), (&false.into(), &Value::Null));
        assert_eq!(json["files"][0]["flaw"]["at"], 512);
    }
}
