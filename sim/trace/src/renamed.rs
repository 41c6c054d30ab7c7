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

/// The error of reading `path`; for an old path it says the new one.
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
}
