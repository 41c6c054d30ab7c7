//! Each rule of `Rules` is consulted at exactly one place of `core/`, the place that states it: held
//! against the sources.
//!
//! A consultation is `rules.NAME` or `rules().NAME`. So that there is no other way to consult one, a
//! value of the type is named `rules` wherever it has a name, is never taken apart, and no other type
//! has a field of a rule's name.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A source file, cut into names and single characters; without comments, texts and tests.
struct Source {
    path: String,
    tokens: Vec<String>,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        // Modules of tests end their files.
        let shipped = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let code = shipped.lines().map(|line| line.split("//").next().unwrap());
        let mut tokens: Vec<String> = Vec::new();
        let mut is_open = false;
        for character in code.flat_map(|line| line.chars().chain(['\n'])) {
            let is_name = character.is_alphanumeric() || character == '_';
            if is_name && is_open {
                tokens.last_mut().unwrap().push(character);
            } else if !character.is_whitespace() {
                tokens.push(character.to_string());
            }
            is_open = is_name;
        }
        Source { path: path.to_owned(), tokens }
    }

    /// The tokens from each place where a name is, the name first.
    fn at<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [String]> + 'a {
        let tokens = self.tokens.iter().enumerate();
        tokens.filter(move |(_, token)| *token == name).map(|(at, _)| &self.tokens[at..])
    }

    fn defines_rules(&self) -> bool {
        self.at("struct").any(|tokens| tokens.get(1).is_some_and(|name| name == "Rules"))
    }
}

fn follows(tokens: &[String], expected: &[&str]) -> bool {
    tokens.len() >= expected.len() && tokens.iter().zip(expected).all(|(is, wanted)| is == wanted)
}

/// The rules, from the fields of the struct that defines them.
fn rules(sources: &[Source]) -> Vec<String> {
    let defining: Vec<&Source> = sources.iter().filter(|source| source.defines_rules()).collect();
    assert_eq!(defining.len(), 1, "one file defines `Rules`");
    let mut tokens =
        defining[0].at("Rules").find(|tokens| follows(tokens, &["Rules", "{"])).unwrap();
    let mut rules = Vec::new();
    while let Some(at) = tokens.iter().position(|token| token == "pub" || token == "}") {
        if tokens[at] == "}" {
            return rules;
        }
        assert!(follows(&tokens[at + 2..], &[":", "bool"]), "a rule is a switch");
        rules.push(tokens[at + 1].clone());
        tokens = &tokens[at + 1..];
    }
    panic!("the struct ends");
}

/// The rule that is consulted here, if one is.
fn consulted(tokens: &[String]) -> Option<&String> {
    let rest = if follows(tokens, &["rules", "(", ")"]) { &tokens[3..] } else { &tokens[1..] };
    let is_field = follows(rest, &["."]) && !follows(rest.get(2..)?, &["("]);
    let after = rest.get(2..)?;
    let is_set = follows(after, &["="]) && !["=", ">"].iter().any(|c| follows(after, &["=", c]));
    if is_field && !is_set { rest.get(1) } else { None }
}

/// What contradicts the promise, a line each.
fn violations(sources: &[Source]) -> Vec<String> {
    let rules = rules(sources);
    let mut places: BTreeMap<&str, Vec<&str>> =
        rules.iter().map(|rule| (rule.as_str(), Vec::new())).collect();
    let mut found = Vec::new();
    for source in sources {
        let path = source.path.as_str();
        for rule in source.at("rules").filter_map(consulted) {
            if let Some(places) = places.get_mut(rule.as_str()) {
                places.push(path);
            }
        }
        found.extend(aliases(source).map(|name| format!("{path}: `{name}` holds rules")));
        if source.defines_rules() {
            continue;
        }
        if takes_apart(source) {
            found.push(format!("{path}: `Rules` is made or taken apart"));
        }
        for rule in &rules {
            if source.at(rule).any(|tokens| follows(tokens, &[rule, ":", "bool"])) {
                found.push(format!("{path}: a switch is named as the rule {rule}"));
            }
        }
    }
    for (rule, places) in places {
        if places.len() != 1 {
            found.push(format!("{rule} is consulted at {} places: {places:?}", places.len()));
        }
    }
    found
}

/// Names other than `rules` of values of the type `Rules`.
fn aliases(source: &Source) -> impl Iterator<Item = &String> {
    let tokens = &source.tokens;
    let typed = (2..tokens.len()).filter(|at| tokens[*at] == "Rules").filter_map(|at| {
        let before: Vec<usize> = (0..at).rev().take(4).collect();
        // Between the colon and the type stand a reference and its lifetime at the most.
        let plain = |at: &usize| !["&", "'", "a", "mut"].contains(&tokens[*at].as_str());
        let colon = before.into_iter().find(plain).filter(|at| tokens[*at] == ":")?;
        tokens.get(colon.checked_sub(1)?).filter(|name| *name != ":")
    });
    let bound = (0..tokens.len()).filter(|at| tokens[*at] == "let").filter_map(|at| {
        let end = at + tokens[at..].iter().position(|token| token == ";")?;
        let is_rules = follows(&tokens[end - 1..], &["rules"])
            || follows(&tokens[end - 3..], &["rules", "(", ")"]);
        tokens.get(at + 1).filter(|_| is_rules)
    });
    typed.chain(bound).filter(|name| *name != "rules")
}

/// Is a `Rules { .. }` here that is no body of a function that gives one?
fn takes_apart(source: &Source) -> bool {
    let tokens = &source.tokens;
    let places = (1..tokens.len()).filter(|at| follows(&tokens[*at..], &["Rules", "{"]));
    places.map(|at| tokens[at - 1].as_str()).any(|before| !["a", "&", ">"].contains(&before))
}

/// The sources of `core/` that ship.
fn sources() -> Vec<Source> {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut folders: Vec<PathBuf> = core
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path().join("src"))
        .filter(|folder| folder.is_dir())
        .collect();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            let is_test =
                ["tests", "testbed"].iter().any(|name| path.file_stem().unwrap() == *name);
            if is_test {
                continue;
            } else if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(core).unwrap().display().to_string();
                sources.push(Source::new(&name, &std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    sources
}

#[test]
fn each_rule_is_consulted_at_one_place() {
    let sources = sources();
    assert!(rules(&sources).len() > 20, "the struct was read");
    let found = violations(&sources);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

const DEFINITION: &str = "pub struct Rules {\n    /// A sentence: one.\n    pub one: bool,\n}\n";

fn found_in(text: &str) -> Vec<String> {
    violations(&[Source::new("config.rs", DEFINITION), Source::new("a.rs", text)])
}

#[test]
fn a_rule_consulted_once_is_well() {
    let once =
        "if cx\n.rules()\n.one { } // not rules.one\nlet rules = cx.rules();\nrules.one = false;";
    assert_eq!(found_in(once), Vec::<String>::new());
}

#[test]
fn a_rule_consulted_never_or_twice_is_reported() {
    assert_eq!(found_in(""), ["one is consulted at 0 places: []"]);
    let twice = found_in("if rules.one { } if self.constants.rules.one == true { }");
    assert_eq!(twice, ["one is consulted at 2 places: [\"a.rs\", \"a.rs\"]"]);
}

#[test]
fn a_way_around_the_count_is_reported() {
    for around in [
        "rules.one; fn f(these: &Rules) { }",
        "rules.one; struct S<'a> { these: &'a Rules }",
        "rules.one; let these = cx.rules();",
        "rules.one; let these = constants.rules;",
        "rules.one; let Rules { one } = constants.rules;",
        "rules.one; struct S { one: bool }",
    ] {
        assert!(!found_in(around).is_empty(), "{around}");
    }
}
