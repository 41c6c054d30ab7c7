//! Old names of files, models and options: `scenarios/RENAMED.md` keeps them for one release, and a
//! command that is given one answers with the new name.
//!
//! `sim/mutants` names no crate of ours and includes this file as a module of its own, so it uses
//! nothing but `std`.

use std::path::Path;

const TABLE: &str = include_str!("../../../scenarios/RENAMED.md");

/// The rows of the table: what is named (empty for a file), its old and its new name.
fn rows() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let cell = |text: &'static str| text.strip_suffix('`')?.split_once('`');
    let row = move |line: &'static str| {
        let (old, new) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
        let ((kind, old), (_, new)) = (cell(old)?, cell(new)?);
        Some((kind.trim_end(), old, new))
    };
    TABLE.lines().filter_map(row)
}

/// The present path of a scenario, a script or a seeded bug, below the repository, if this is an old
/// path of it.
#[must_use]
pub fn renamed(path: &Path) -> Option<&'static str> {
    rows().find_map(|(kind, old, new)| (kind.is_empty() && path.ends_with(old)).then_some(new))
}

/// The present name of something that is no file (`model`, `walk option`), if this is an old name.
#[must_use]
pub fn renamed_name(kind: &str, name: &str) -> Option<&'static str> {
    rows().find_map(|(of, old, new)| (of == kind && old == name).then_some(new))
}

/// The error of reading `path`; for an old path it gives the new one.
#[must_use]
pub fn explained(path: &Path, error: std::io::Error) -> std::io::Error {
    match renamed(path) {
        Some(new) => std::io::Error::new(error.kind(), format!("it was renamed to {new}")),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_path_is_answered_with_the_new_one() {
        let old = Path::new("/x/scenarios/negative/stale_answer.toml");
        assert_eq!(renamed(old), Some("scenarios/negative/deposed_leader_answers_query.toml"));
        let missing = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let error = explained(Path::new("scenarios/scripts/rot.txt"), missing());
        assert_eq!(error.to_string(), "it was renamed to scenarios/scripts/corruption.txt");
        let other = explained(Path::new("scenarios/fast/default.toml"), missing());
        assert_eq!(other.to_string(), missing().to_string());
        assert_eq!(renamed(Path::new("scenarios/fast/default.toml")), None);
    }

    #[test]
    fn an_old_name_is_answered_within_its_kind() {
        assert_eq!(renamed_name("model", "lives"), Some("incarnations"));
        assert_eq!(renamed_name("walk option", "--estranged"), Some("--targeted-partitions"));
        assert_eq!(renamed_name("walk option", "lives"), None);
        assert_eq!(renamed(Path::new("lives")), None);
    }

    /// Each old path is free, each new one is a file.
    #[test]
    fn the_table_is_true() {
        let project = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let files: Vec<_> = rows().filter(|(kind, ..)| kind.is_empty()).collect();
        for (_, old, new) in &files {
            assert!(!project.join(old).exists(), "{old} is in use again");
            assert!(project.join(new).is_file(), "{new} does not exist");
        }
        assert!(files.len() > 100 && files.len() < rows().count());
    }
}
