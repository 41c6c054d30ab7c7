//! A seeded bug: a patch with a header that says what it breaks and who must notice.

use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A patch of `scenarios/mutants`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// The file's name without its end.
    pub name: String,
    /// The patch.
    pub path: PathBuf,
    /// What it breaks, in a sentence.
    pub breaks: String,
    /// The invariant or the layer that is expected to notice.
    pub caught_by: String,
    /// Scenarios in which it has a chance to show, tried before the usual ones.
    pub scenarios: Vec<String>,
    /// Why nothing notices, if that is known.
    pub explained: Option<String>,
    /// It is about leases, a split brain or fencing.
    pub fencing: bool,
    /// The files that it changes.
    pub files: Vec<String>,
    /// All that a verdict depends on: the scenarios and the changes, but neither the words of the
    /// header nor the numbers of lines, which other changes of the core move.
    pub essence: String,
}

/// Every line of a header begins with one of these, or continues with the line before.
const FIELDS: [&str; 6] = ["Breaks", "Source", "Caught by", "About", "Scenarios", "Explained"];

/// The mutants of a folder in order of their names, or those that are requested.
pub fn load(folder: &Path, only: &[String]) -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    for entry in folder.read_dir().with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "patch") {
            let text = std::fs::read_to_string(&path)?;
            let mutant = Mutant::parse(&path, text);
            mutants.push(mutant.with_context(|| path.display().to_string())?);
        }
    }
    mutants.sort_by(|a, b| a.name.cmp(&b.name));
    let unknown = only.iter().find(|name| mutants.iter().all(|mutant| mutant.name != **name));
    if let Some(name) = unknown {
        match renamed(name) {
            Some(new) => bail!("the mutant {name} is called {new} since it was renamed"),
            None => bail!("there is no mutant {name}"),
        }
    }
    mutants.retain(|mutant| only.is_empty() || only.contains(&mutant.name));
    Ok(mutants)
}

/// The present name of a mutant, if this is an old one.
fn renamed(old: &str) -> Option<&'static str> {
    let new = crate::renamed::renamed(Path::new(&format!("scenarios/mutants/{old}.patch")))?;
    Path::new(new).file_stem()?.to_str()
}

impl Mutant {
    fn parse(path: &Path, text: String) -> Result<Mutant> {
        let begins = text.find("diff --git ").context("it has no `diff --git` line")?;
        let mut header = fields(&text[..begins])?;
        let mut needed = |name: &str| header.remove(name).with_context(|| format!("no `{name}:`"));
        let (breaks, caught_by) = (needed("Breaks")?, needed("Caught by")?);
        needed("Source")?;
        let fencing = match header.remove("About").as_deref() {
            None => false,
            Some("fencing") => true,
            Some(other) => bail!("`About: {other}` is not known; `fencing` is"),
        };
        let scenarios = header.remove("Scenarios").unwrap_or_default();
        let essence = essence(&scenarios, &text[begins..]);
        let files: Vec<String> = text[begins..]
            .lines()
            .filter_map(|line| line.strip_prefix("+++ b/"))
            .map(str::to_owned)
            .collect();
        for file in &files {
            ensure!(file.starts_with("core/"), "{file} is not of the core");
        }
        Ok(Mutant {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            path: path.to_owned(),
            breaks,
            caught_by,
            scenarios: scenarios.split_whitespace().map(str::to_owned).collect(),
            explained: header.remove("Explained"),
            fencing,
            files,
            essence,
        })
    }

    /// Does it change something below this folder, or this file?
    pub fn touches(&self, below: &str) -> bool {
        self.files.iter().any(|file| file.starts_with(below))
    }
}

fn essence(scenarios: &str, diff: &str) -> String {
    let lines = diff.lines().map(|line| if line.starts_with("@@ ") { "@@" } else { line });
    [scenarios].into_iter().chain(lines).flat_map(|line| [line, "\n"]).collect()
}

fn fields(header: &str) -> Result<BTreeMap<&str, String>> {
    let mut fields: BTreeMap<&str, String> = BTreeMap::new();
    let mut last = None;
    for line in header.lines().filter(|line| !line.trim().is_empty()) {
        let named = line.split_once(':').filter(|(name, _)| FIELDS.contains(name));
        match (named, last) {
            (Some((name, said)), _) => {
                last = Some(name);
                fields.insert(name, said.trim().to_owned());
            }
            (None, Some(name)) if line.starts_with(' ') => {
                let said = fields.get_mut(name).expect("the line before put it there");
                *said = format!("{said} {}", line.trim());
            }
            (None, _) => bail!("not a line of a header: {line}"),
        }
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str = "diff --git a/core/proto/src/lease.rs b/core/proto/src/lease.rs\n\
                        --- a/core/proto/src/lease.rs\n+++ b/core/proto/src/lease.rs\n";

    fn parse(header: &str) -> Result<Mutant> {
        Mutant::parse(Path::new("x/lease_flag.patch"), format!("{header}\n{DIFF}"))
    }

    #[test]
    fn a_header_says_what_it_is_about() {
        let mutant = parse(
            "Breaks: one thing,\n  and another\nSource: HDFS-1\nCaught by: I1\n\
             Scenarios: fast/wipes restart/power",
        )
        .unwrap();
        assert_eq!(mutant.name, "lease_flag");
        assert_eq!(mutant.breaks, "one thing, and another");
        assert_eq!(mutant.scenarios, ["fast/wipes", "restart/power"]);
        assert!(mutant.touches("core/proto/") && !mutant.touches("core/store/"));
        assert_eq!(mutant.explained, None);
    }

    #[test]
    fn words_and_line_numbers_do_not_count() {
        let essence = |header: &str, hunk: &str| {
            let text = format!("{header}\nSource: s\nCaught by: I1\n{DIFF}{hunk}\n-a\n+b\n");
            Mutant::parse(Path::new("x.patch"), text).unwrap().essence
        };
        let one = essence("Breaks: a", "@@ -1,2 +3,4 @@ fn a");
        assert_eq!(one, essence("Breaks: b", "@@ -5,2 +7,4 @@ fn a"));
        assert_ne!(one, essence("Breaks: a\nScenarios: fast/wipes", "@@ -1,2 +3,4 @@ fn a"));
    }

    #[test]
    fn a_header_without_a_source_is_refused() {
        let error = parse("Breaks: a\nCaught by: I1").unwrap_err();
        assert!(error.to_string().contains("`Source:`"), "{error}");
    }

    #[test]
    fn a_patch_outside_of_the_core_is_refused() {
        let text = format!("Breaks: a\nSource: b\nCaught by: c\n{}", DIFF.replace("core/", "sim/"));
        let error = Mutant::parse(Path::new("x.patch"), text).unwrap_err();
        assert!(error.to_string().contains("not of the core"), "{error}");
    }

    /// What is in the folder reads well, and every patch has its own name and sentence.
    #[test]
    fn the_mutants_of_the_project_are_well_formed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios/mutants");
        let mutants = load(Path::new(folder), &[]).unwrap();
        assert!(!mutants.is_empty());
        let sentences: std::collections::BTreeSet<_> = mutants.iter().map(|m| &m.breaks).collect();
        assert_eq!(sentences.len(), mutants.len());
    }

    #[test]
    fn an_old_name_is_answered_with_the_new_one() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios/mutants"));
        let error = load(folder, &["earlier_life_is_welcome".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("is called stale_incarnation_accepted"), "{error}");
        let error = load(folder, &["no_such_mutant".to_owned()]).unwrap_err().to_string();
        assert_eq!(error, "there is no mutant no_such_mutant");
    }

    /// A change of the core must not leave a mutant behind.
    #[test]
    fn the_mutants_of_the_project_fit_its_tree() {
        let project = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        for mutant in load(&project.join("scenarios/mutants"), &[]).unwrap() {
            let mut git = std::process::Command::new("git");
            let check = git.current_dir(project).args(["apply", "--check"]).arg(&mutant.path);
            let checked = check.output().expect("git runs");
            let said = String::from_utf8_lossy(&checked.stderr);
            assert!(checked.status.success(), "{}: {said}", mutant.name);
        }
    }
}
