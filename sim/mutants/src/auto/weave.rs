//! All mutants in one source, each behind a switch at run time (mutant schemata: Untch, Offutt and
//! Harrold, "Mutation analysis using mutant schemata", ISSTA 1993).

use super::site::{Form, SELF_TEST, Site};
use std::ops::Range;

/// The module that is added to the core's copy.
pub const SWITCH_FILE: &str = "core/proto/src/mutant_switch.rs";

/// Its text: no mutant is active until a program says so.
pub const SWITCH: &str = "//! Which mutant is active; 0: none.

use core::sync::atomic::{AtomicU32, Ordering};

static ACTIVE: AtomicU32 = AtomicU32::new(0);

/// Switches a mutant on, before anything else happens.
pub fn set(mutant: u32) {
    ACTIVE.store(mutant, Ordering::Relaxed);
}

/// Is this the one?
#[inline(always)]
pub fn active(mutant: u32) -> bool {
    ACTIVE.load(Ordering::Relaxed) == mutant
}
";

/// A source with mutants, and where in it each of them is.
#[derive(Debug, Default)]
pub struct Woven {
    /// The text.
    pub text: String,
    /// By number: bytes of the mutated text, and of all of the construct.
    pub places: Vec<(u32, Range<usize>, Range<usize>)>,
}

impl Woven {
    /// The mutants that may be to blame for an error at these bytes, the likeliest first: the one
    /// whose own text it is, then the narrowest construct around it.
    pub fn at(&self, bytes: &Range<usize>) -> Option<u32> {
        let within = |outer: &Range<usize>| outer.start <= bytes.start && bytes.end <= outer.end;
        let narrowest = |own: bool| {
            let ranges =
                self.places.iter().map(|(id, text, all)| (id, if own { text } else { all }));
            let around = ranges.filter(|(_, range)| within(range));
            around.min_by_key(|(_, range)| range.len()).map(|(id, _)| *id)
        };
        narrowest(true).or_else(|| narrowest(false))
    }

    /// The last mutant that begins before these bytes: a guess where nothing contains them.
    pub fn before(&self, bytes: &Range<usize>) -> Option<u32> {
        let earlier = self.places.iter().filter(|(_, _, all)| all.start <= bytes.start);
        earlier.max_by_key(|(_, _, all)| all.start).map(|(id, _, _)| *id)
    }
}

/// A text that is put between two bytes of the source.
struct Insertion {
    at: usize,
    /// Ends before beginnings; of ends the inner first, of beginnings the outer.
    order: (bool, i64, i64),
    site: usize,
    text: String,
}

/// Weaves sites of one file into its source.
pub fn weave(source: &str, sites: &[&Site]) -> Woven {
    let mut insertions: Vec<Insertion> = Vec::new();
    for (at, site) in sites.iter().enumerate() {
        let (before, after) = around(site);
        let (start, end, rank) = (site.range.start, site.range.end, at as i64);
        let order = (true, -(end as i64), rank);
        insertions.push(Insertion { at: start, order, site: at, text: before });
        if !after.is_empty() {
            let order = (false, -(start as i64), -rank);
            insertions.push(Insertion { at: end, order, site: at, text: after });
        }
    }
    insertions.sort_by_key(|one| (one.at, one.order));
    let mut woven = Woven::default();
    let mut begun = vec![0; sites.len()];
    let mut own = vec![0..0; sites.len()];
    let mut copied = 0;
    for insertion in insertions {
        let Insertion { at, order: (begins, ..), site, text } = insertion;
        woven.text.push_str(&source[copied..at]);
        copied = at;
        if begins {
            begun[site] = woven.text.len();
        }
        let place = woven.text.len();
        woven.text.push_str(&text);
        if begins {
            own[site] = place..woven.text.len();
        }
        if !begins || matches!(sites[site].form, Form::Entry) {
            woven.places.push((sites[site].id, own[site].clone(), begun[site]..woven.text.len()));
        }
    }
    woven.text.push_str(&source[copied..]);
    woven
}

/// What is before and after the original.
fn around(site: &Site) -> (String, String) {
    let (active, text) = (active(site.id), &site.text);
    let end = |text: &str| text.to_owned();
    match site.form {
        Form::Expression => (format!("(if {active} {{ {text} }} else {{ "), end(" })")),
        Form::Arm => (format!("{{ if {active} {{ {text} }} else {{ "), end(" } }")),
        Form::Shorthand => {
            let name = &site.original;
            (format!("{name}: (if {active} {{ {text} }} else {{ "), end(" })"))
        }
        Form::Statement => (format!("if !{active} {{ "), end(" }")),
        Form::Entry => (format!(" if {active} {{ {text} }}"), String::new()),
        Form::Pattern => (String::new(), format!(" && !{active}")),
    }
}

fn active(id: u32) -> String {
    format!("crate::mutant_switch::active(0x{id:08x})")
}

/// Adds the switch to the core's root.
pub fn with_switch(root: &str) -> String {
    format!("{root}\n#[doc(hidden)]\npub mod mutant_switch;\n")
}

/// Statements that are put at the start of functions, given by the byte after `{`.
pub fn with_entries(source: &str, mut entries: Vec<usize>, statement: &str) -> String {
    let mut text = source.to_owned();
    entries.sort_unstable();
    for at in entries.into_iter().rev() {
        text.insert_str(at, statement);
    }
    text
}

/// A program sets the switch by its environment, before anything else.
pub fn set_by_environment() -> String {
    format!(
        " leasehold_proto::mutant_switch::set(std::env::var(\"{ENVIRONMENT}\").ok()\
         .and_then(|id| u32::from_str_radix(&id, 16).ok()).unwrap_or(0));"
    )
}

/// What the test of the switch looks for: no machine makes a step.
pub fn self_test_at(at: usize) -> Site {
    let text = "panic!(\"the switch of the mutants works\");".to_owned();
    Site {
        id: SELF_TEST,
        file: String::new(),
        line: 0,
        function: "StateMachine::step".to_owned(),
        rule: super::site::Rule::EarlyReturn,
        original: String::new(),
        mutated: text.clone(),
        nth: 1,
        range: at..at,
        form: Form::Entry,
        text,
    }
}

/// The variable that names the active mutant in hex; without it none is.
pub const ENVIRONMENT: &str = "LEASEHOLD_MUTANT";

#[cfg(test)]
mod tests {
    use super::super::site::Rule;
    use super::*;

    fn site(id: u32, source: &str, original: &str, text: &str, form: Form) -> Site {
        let start = source.find(original).unwrap();
        let mut site = self_test_at(0);
        (site.id, site.form, site.text) = (id, form, text.to_owned());
        (site.original, site.range) = (original.to_owned(), start..start + original.len());
        site.rule = Rule::Guard;
        site
    }

    #[test]
    fn nested_sites_and_sites_at_one_place_are_woven_inside_out() {
        let source = "fn ρ() { if a < b && c { x(y); } }";
        let whole = site(1, source, "a < b && c", "!(a < b && c)", Form::Expression);
        let other = site(2, source, "a < b && c", "a < b || c", Form::Expression);
        let inner = site(3, source, "a < b", "a <= b", Form::Expression);
        let last = site(4, source, "c", "!c", Form::Expression);
        let dropped = site(5, source, "x(y);", "", Form::Statement);
        let woven = weave(source, &[&inner, &whole, &other, &last, &dropped]);
        let plain = woven.text.replace("crate::mutant_switch::active(0x0000000", "A(");
        assert_eq!(
            plain,
            "fn ρ() { if (if A(1) { !(a < b && c) } else { (if A(2) { a < b || c } else { \
             (if A(3) { a <= b } else { a < b }) && (if A(4) { !c } else { c }) }) }) \
             { if !A(5) { x(y); } } }"
        );
        let mutated = woven.text.find("a <= b").unwrap();
        assert_eq!(woven.at(&(mutated..mutated + 6)), Some(3), "the one whose text it is");
        let original = woven.text.rfind("else { c }").unwrap();
        assert_eq!(woven.at(&(original..original + 9)), Some(4), "the narrowest around it");
        assert_eq!(woven.at(&(0..2)), None);
    }

    #[test]
    fn every_form_keeps_the_original_text() {
        let source = "{ f(M { chunk }); if let P = q {} }";
        let entry = {
            let mut entry = site(1, source, "{", "return;", Form::Entry);
            entry.range = 1..1;
            entry
        };
        let shorthand = site(2, source, "chunk", "other", Form::Shorthand);
        let pattern = site(3, source, "let P = q", "", Form::Pattern);
        let woven = weave(source, &[&entry, &shorthand, &pattern]);
        let plain = woven.text.replace("crate::mutant_switch::active(0x0000000", "A(");
        assert_eq!(
            plain,
            "{ if A(1) { return; } f(M { chunk: (if A(2) { other } else { chunk }) }); \
             if let P = q && !A(3) {} }"
        );
    }

    #[test]
    fn entries_are_put_at_every_start() {
        assert_eq!(with_entries("a{b}c{d}", vec![2, 6], "X;"), "a{X;b}c{X;d}");
    }
}
