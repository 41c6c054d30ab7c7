//! The scratch copy with all chosen mutants in it, and the programs that are built of it once.

use super::facts::Facts;
use super::finder;
use super::site::{Site, identify};
use super::weave::{self, Woven};
use crate::layer::PROFILE;
use crate::tree::Tree;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use syn::visit::Visit;

const CORE: &str = "core/proto/src";
/// Compiling again without what did not compile ends at the latest after so many rounds.
const ROUNDS_MAX: usize = 12;
/// The programs that judge, and set the switch when they start.
const PROGRAMS: [&str; 4] = [
    "sim/world/src/bin/script.rs",
    "sim/world/src/bin/walk.rs",
    "sim/model/src/bin/model/main.rs",
    "sim/cluster/src/bin/sim/main.rs",
];

/// The core's sources, by name below the project's top folder.
pub fn sources(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut sources = BTreeMap::new();
    let mut folders = vec![root.join(CORE)];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
                sources.insert(name, std::fs::read_to_string(&path)?);
            }
        }
    }
    Ok(sources)
}

/// Every site of these sources, in order of files and places.
pub fn sites(sources: &BTreeMap<String, String>) -> Result<Vec<Site>> {
    let mut facts = Facts::default();
    let judged = || sources.iter().filter(|(name, _)| !is_left_alone(name));
    for (name, source) in judged() {
        facts.add(&syn::parse_file(source).with_context(|| name.clone())?);
    }
    let mut sites = Vec::new();
    for (name, source) in judged() {
        sites.extend(finder::find(name, source, &facts).with_context(|| name.clone())?);
    }
    identify(&mut sites);
    Ok(sites)
}

/// Files without protocol: tests, what only observers and models read.
fn is_left_alone(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    let alone = ["tests.rs", "testbed.rs", "kind.rs", "event.rs"];
    alone.contains(&last) || name.contains("/tests/")
}

/// Weaves these sites into the copy.
fn lay(
    root: &Path,
    tree: &mut Tree,
    sources: &BTreeMap<String, String>,
    sites: &[&Site],
) -> Result<BTreeMap<String, Woven>> {
    let mut by_file: BTreeMap<&str, Vec<&Site>> = BTreeMap::new();
    for site in sites {
        by_file.entry(&site.file).or_default().push(site);
    }
    let mut texts = BTreeMap::new();
    let mut woven = BTreeMap::new();
    for (name, source) in sources {
        let mut own = by_file.remove(name.as_str()).unwrap_or_default();
        let tests: Vec<Site> =
            starts(source, "step", true)?.into_iter().map(weave::self_test_at).collect();
        own.extend(&tests);
        let mut file = weave::weave(source, &own);
        if name == "core/proto/src/lib.rs" {
            file.text = weave::with_switch(&file.text);
        }
        texts.insert(name.clone(), file.text.clone());
        woven.insert(name.clone(), file);
    }
    texts.insert(weave::SWITCH_FILE.to_owned(), weave::SWITCH.to_owned());
    for name in PROGRAMS {
        let source = std::fs::read_to_string(root.join(name)).with_context(|| name.to_owned())?;
        let mains = starts(&source, "main", false)?;
        ensure!(!mains.is_empty(), "{name} has no `main`");
        let text = weave::with_entries(&source, mains, &weave::set_by_environment());
        texts.insert(name.to_owned(), text);
    }
    tree.overlay(&texts)?;
    Ok(woven)
}

/// The bytes after the opening brace of functions of this name: methods of `StateMachine`, or free.
fn starts(source: &str, name: &str, of_machine: bool) -> Result<Vec<usize>> {
    struct Starts<'a>(&'a str, bool, Vec<usize>);
    impl<'ast> Visit<'ast> for Starts<'_> {
        fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
            if !self.1 && item.sig.ident == self.0 {
                self.2.push(item.block.brace_token.span.open().byte_range().end);
            }
        }

        fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
            let of = item.trait_.as_ref().and_then(|(_, path, _)| path.segments.last());
            if !self.1 || of.is_none_or(|last| last.ident != "StateMachine") {
                return;
            }
            for item in &item.items {
                if let syn::ImplItem::Fn(method) = item
                    && method.sig.ident == self.0
                {
                    self.2.push(method.block.brace_token.span.open().byte_range().end);
                }
            }
        }
    }
    let mut found = Starts(name, of_machine, Vec::new());
    found.visit_file(&syn::parse_file(source)?);
    Ok(found.2)
}

/// Weaves the first `wanted` sites that compile, and says which do not.
pub fn compile<'a>(
    root: &Path,
    tree: &mut Tree,
    target: &Path,
    sources: &BTreeMap<String, String>,
    order: &[&'a Site],
    wanted: usize,
    progress: &dyn Fn(&str),
) -> Result<(Vec<&'a Site>, Vec<&'a Site>)> {
    let mut dropped: BTreeSet<u32> = BTreeSet::new();
    for round in 1..=ROUNDS_MAX {
        let alive = order.iter().copied().filter(|site| !dropped.contains(&site.id));
        let chosen: Vec<&Site> = alive.take(wanted).collect();
        progress(&format!("round {round}: {} mutants, {} dropped", chosen.len(), dropped.len()));
        let woven = lay(root, tree, sources, &chosen)?;
        let bad = check(tree.folder(), target, &woven)?;
        if bad.is_empty() {
            let dropped = order.iter().copied().filter(|site| dropped.contains(&site.id));
            return Ok((chosen, dropped.collect()));
        }
        dropped.extend(bad);
    }
    anyhow::bail!("after {ROUNDS_MAX} rounds the mutants still do not compile")
}

/// The mutants that errors of the compiler point at.
fn check(folder: &Path, target: &Path, woven: &BTreeMap<String, Woven>) -> Result<BTreeSet<u32>> {
    let output = Command::new("cargo")
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target.join("plain"))
        .args(["check", "--locked", "--profile", PROFILE, "-p", "leasehold-proto"])
        .arg("--message-format=json")
        .output()
        .context("cargo")?;
    let mut bad = BTreeSet::new();
    let mut unplaced = String::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(said) = serde_json::from_str::<Value>(line) else { continue };
        let message = &said["message"];
        if said["reason"] != "compiler-message" || message["level"] != "error" {
            continue;
        }
        match blamed(message, woven) {
            Some(id) => drop(bad.insert(id)),
            None => unplaced.push_str(message["rendered"].as_str().unwrap_or_default()),
        }
    }
    let explained = output.status.success() || !bad.is_empty();
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(explained, "the woven core does not compile:\n{unplaced}\n{}", said.trim());
    Ok(bad)
}

/// Primary spans first, then the others; what nothing contains is put down to the mutant before it.
fn blamed(message: &Value, woven: &BTreeMap<String, Woven>) -> Option<u32> {
    let spans: Vec<&Value> = message["spans"].as_array()?.iter().collect();
    let primary = spans.iter().filter(|span| span["is_primary"] == true);
    let other = spans.iter().filter(|span| span["is_primary"] != true);
    let places: Vec<(&Woven, Range<usize>)> = primary
        .chain(other)
        .filter_map(|span| {
            let bytes = |name: &str| usize::try_from(span[name].as_u64()?).ok();
            let file = woven.get(span["file_name"].as_str()?)?;
            Some((file, bytes("byte_start")?..bytes("byte_end")?))
        })
        .collect();
    let within = places.iter().find_map(|(file, bytes)| file.at(bytes));
    within.or_else(|| places.iter().find_map(|(file, bytes)| file.before(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_those_of_free_functions_or_of_machines() {
        let source = "fn main() { x } impl StateMachine for A { fn step(&self) {y} } \
                      impl B { fn step(&self) {z} fn main() {} }";
        let after = |text: &str| source.find(text).unwrap() + text.len();
        assert_eq!(starts(source, "main", false).unwrap(), [after("fn main() {")]);
        assert_eq!(starts(source, "step", true).unwrap(), [after("fn step(&self) {")]);
    }

    #[test]
    fn tests_and_what_only_observers_read_are_left_alone() {
        for name in ["a/tests.rs", "client/tests/mod.rs", "testbed.rs", "event.rs", "kind.rs"] {
            assert!(is_left_alone(&format!("core/proto/src/{name}")), "{name}");
        }
        assert!(!is_left_alone("core/proto/src/lease.rs"));
    }

    // Every mutant of the core as it is has a key and an id of its own, and all rules find something.
    #[test]
    fn the_core_has_sites_of_every_rule() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let sites = sites(&sources(&root).unwrap()).unwrap();
        let ids: BTreeSet<u32> = sites.iter().map(|site| site.id).collect();
        let rules: BTreeSet<_> = sites.iter().map(|site| site.rule).collect();
        assert_eq!((ids.len(), rules.len()), (sites.len(), 11), "{rules:?}");
        assert!(sites.len() > 1_000, "{}", sites.len());
    }

    #[test]
    fn an_error_is_put_down_to_the_mutant_whose_text_it_is() {
        let places = vec![(1, 10..20, 5..60), (2, 30..35, 28..50)];
        let file = Woven { text: String::new(), places };
        let woven = BTreeMap::from([("a.rs".to_owned(), file)]);
        let span = |from: u64, to: u64, primary: bool| {
            serde_json::json!({ "file_name": "a.rs", "byte_start": from, "byte_end": to,
                                "is_primary": primary })
        };
        let blames = |spans: &[Value]| blamed(&serde_json::json!({ "spans": spans }), &woven);
        assert_eq!(blames(&[span(12, 14, true)]), Some(1));
        assert_eq!(blames(&[span(12, 14, false), span(31, 33, true)]), Some(2));
        assert_eq!(blames(&[span(40, 42, true)]), Some(2), "the narrowest around it");
        assert_eq!(blames(&[span(70, 71, true)]), Some(2), "the last one before it");
        assert_eq!(blames(&[]), None);
    }
}
