//! What each rule mutates, and what it leaves.

use super::facts::Facts;
use super::priority;
use super::site::{Rule, Site, identify};
use super::{finder, report, weave};

fn sites(source: &str) -> Vec<Site> {
    let mut facts = Facts::default();
    facts.add(&syn::parse_file(source).unwrap());
    let mut sites = finder::find("core/proto/src/x.rs", source, &facts).unwrap();
    identify(&mut sites);
    sites
}

/// `original -> mutated` of one rule.
fn of(rule: Rule, source: &str) -> Vec<String> {
    let found = sites(source).into_iter().filter(|site| site.rule == rule);
    found.map(|site| format!("{} -> {}", site.original, site.mutated)).collect()
}

#[test]
fn conditions_are_negated_and_patterns_never_match() {
    let source = "fn f() -> u8 { if a { x } while !b {} if let Some(q) = c && d {} \
                  let Some(e) = g else { return }; v.filter(|w| w.h()); match i { j if k => l, _ => m } }";
    assert_eq!(
        of(Rule::Guard, source),
        [
            "a -> !(a)",
            "!b -> b",
            "let Some(q) = c -> (never matches)",
            "d -> !(d)",
            "g -> None",
            "w.h() -> !(w.h())",
            "k -> !(k)",
        ]
    );
}

#[test]
fn operators_are_changed() {
    let source = "fn f() -> u8 { a < b; c >= d; e == g; h != i; j && k; l || m; n + o }";
    assert_eq!(of(Rule::Comparison, source), ["a < b -> a <= b", "c >= d -> c > d"]);
    assert_eq!(of(Rule::Equality, source), ["e == g -> e != g", "h != i -> h == i"]);
    assert_eq!(of(Rule::Junction, source), ["j && k -> (j) || (k)", "l || m -> (l) && (m)"]);
}

#[test]
fn statements_without_a_value_are_dropped_and_reports_are_kept() {
    let source = "fn f() { let a = b(); c.d(); e = g; self.cx.observe(h(1)); assert!(i); j() }";
    let mut dropped = of(Rule::DroppedStatement, source);
    dropped.sort();
    assert_eq!(dropped, ["c.d(); -> (left out)", "e = g; -> (left out)", "j() -> (left out)"]);
    assert_eq!(of(Rule::Constant, source), Vec::<String>::new(), "what is observed is no protocol");
}

#[test]
fn operands_and_arguments_of_one_type_are_taken_for_each_other() {
    let source = "struct M { v: u64, w: u64, s: String } fn g(a: u64, s: String, b: u64) {} \
                  fn f(x: u64, y: u64, z: &u64) -> u8 { g(x, t, y); h(&m.v); M { v: x, w: 1, s } }";
    assert_eq!(of(Rule::SwappedArguments, source), ["g(x, t, y) -> g(y, t, x)"]);
    assert_eq!(of(Rule::WrongOperand, source), ["x -> y", "y -> x", "m.v -> m.w", "x -> y"]);
}

#[test]
fn identities_of_the_macro_are_types_that_may_be_swapped() {
    let source = "identity!(/// A name.\n Name(u64), \"n\"); fn f(a: Name, b: Name) -> u8 { g(a) }";
    assert_eq!(of(Rule::WrongOperand, source), ["a -> b"]);
}

#[test]
fn functions_return_early_where_they_can() {
    let source = "fn f() { x; } fn g() -> bool { true } fn h() -> Option<u8> { None } \
                  const fn i() -> bool { a } fn j() -> Vec<u8> { b } fn observe_k() { c; }";
    assert_eq!(of(Rule::EarlyReturn, source), ["(start) -> return;", "(start) -> return false;"]);
}

#[test]
fn an_arm_does_what_its_neighbour_does_if_it_has_its_names() {
    let source = "fn f() -> u8 { match a { B(c) => d(c), E(g) => h(), I => panic!() } }";
    assert_eq!(of(Rule::MissingCase, source), ["d(c) -> h()"]);
}

#[test]
fn identities_and_constants_are_off_by_one() {
    let source = "const N: u8 = 4; fn f() -> u8 { v.next(); w.iter().next(); (true, 7) }";
    assert_eq!(of(Rule::OffByOne, source), ["v.next() -> v", "v.next() -> v.next().next()"]);
    assert_eq!(of(Rule::Constant, source), ["true -> false", "7 -> (7 + 1)"]);
}

#[test]
fn what_no_layer_can_reach_is_left_alone() {
    let source = "#[cfg(test)] mod t { fn f() { x(); } } impl fmt::Debug for A { fn fmt(&self) \
                  { x(); } } impl Default for A { fn default() -> A { a(1) } } fn g() { m!(1 < 2) } \
                  fn check() -> Result<(), ConfigError> { a(1) }";
    let found: Vec<String> = sites(source).iter().map(Site::key).collect();
    assert_eq!(found, ["core/proto/src/x.rs | g | early_return | (start) -> return;"]);
}

#[test]
fn keys_and_ids_stay_when_lines_move_and_a_larger_sample_holds_the_smaller() {
    let source = "impl A { fn f(&self) -> u8 { a < b } }";
    let moved = format!("// ρ\n\n{}", source.replace("{ a", "{\n    a"));
    let (here, there) = (sites(source), sites(&moved));
    assert_eq!((&here[0].key(), here[0].id), (&there[0].key(), there[0].id));
    assert_ne!(here[0].line, there[0].line);
    assert_ne!(priority(1, here[0].id), priority(2, here[0].id));
    assert_eq!(priority(1, here[0].id), priority(1, there[0].id));
    let shown = report::diff(&there[0], &moved);
    assert!(shown.contains("-    a < b }") && shown.contains("+    a <= b }"), "{shown}");
}

// The whole way on a small source: every mutant is found, woven, compiled once, and seen by a
// program that runs with its switch.
#[test]
fn all_mutants_of_a_source_are_one_program() {
    let source = "pub fn less(a: u64, b: u64) -> bool { a < b }\n\
                  pub fn first(v: &[u64]) -> Option<u64> { let mut o = None; \
                  if let Some(x) = v.first() { o = Some(*x); } o }\n";
    let sites = sites(source);
    let woven = weave::weave(source, &sites.iter().collect::<Vec<_>>());
    let seen = "fn main() { let id = std::env::args().nth(1).unwrap(); \
                mutant_switch::set(u32::from_str_radix(&id, 16).unwrap()); \
                println!(\"{} {} {} {:?}\", less(1, 2), less(2, 2), less(2, 1), first(&[7])); }";
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("mutant_switch.rs"), weave::SWITCH).unwrap();
    std::fs::write(path("main.rs"), format!("{}mod mutant_switch;\n{seen}", woven.text)).unwrap();
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let mut compiler = std::process::Command::new(rustc);
    compiler.current_dir(folder.path()).args(["--edition", "2024", "-Awarnings", "main.rs"]);
    let compiled = compiler.output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let run = |id: &str| {
        let output = std::process::Command::new(path("main")).arg(id).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let plain = run("0");
    assert_eq!(plain, "true false false Some(7)\n");
    assert!(sites.len() >= 8, "{}", sites.len());
    for site in &sites {
        assert_ne!(run(&site.name()), plain, "{}", site.key());
    }
    assert_eq!(run("ffffffff"), plain, "a number of no site switches nothing");
}
