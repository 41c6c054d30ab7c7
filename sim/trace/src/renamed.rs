//! Scenarios and scripts under their old names: the table is kept for one release.

use std::path::Path;

const TABLE: &str = include_str!("../../../scenarios/RENAMED.md");

/// The present path of a scenario or script, below the repository, if this is an old path of it.
#[must_use]
pub fn renamed(path: &Path) -> Option<&'static str> {
    let rows = TABLE.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix("` |"));
    let mut names = rows.filter_map(|row| row.split_once("` | `"));
    names.find(|(old, _)| path.ends_with(old)).map(|(_, new)| new)
}

/// Reads a scenario or script; the error for an old path says the new one.
///
/// # Errors
/// What the system says, with the present path if the file was renamed.
pub fn read(path: &Path) -> std::io::Result<String> {
    std::fs::read_to_string(path).map_err(|error| match renamed(path) {
        Some(new) => std::io::Error::new(error.kind(), format!("it was renamed to {new}")),
        None => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_path_is_answered_with_the_new_one() {
        let old = Path::new("/x/scenarios/negative/stale_answer.toml");
        assert_eq!(renamed(old), Some("scenarios/negative/deposed_leader_answers_query.toml"));
        let error = read(Path::new("scenarios/scripts/rot.txt")).unwrap_err().to_string();
        assert_eq!(error, "it was renamed to scenarios/scripts/corruption.txt");
        assert_eq!(renamed(Path::new("scenarios/fast/default.toml")), None);
    }
}
