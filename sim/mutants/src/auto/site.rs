//! A place in the source and one mutation of it.

use crate::tree::Sum;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

/// How the source is mutated.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Rule {
    /// A condition of `if`, `while`, a match guard or a predicate is negated; a pattern of `if let`,
    /// `while let` or `let Some .. else` never matches.
    Guard,
    /// `<` for `<=`, `>` for `>=`, and the reverse.
    Comparison,
    /// `==` for `!=`, and the reverse.
    Equality,
    /// `&&` for `||`, and the reverse.
    Junction,
    /// A call or an assignment whose value is not used is left out.
    DroppedStatement,
    /// Another variable or field of the same type.
    WrongOperand,
    /// Two arguments of one type change places.
    SwappedArguments,
    /// A function that returns nothing, an `Option` or a `bool` returns at its start.
    EarlyReturn,
    /// A match arm does what its neighbour does, or nothing.
    MissingCase,
    /// An identity is not counted up, or twice.
    OffByOne,
    /// A literal or a named constant has another value.
    Constant,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Rule::Guard => "guard",
            Rule::Comparison => "comparison",
            Rule::Equality => "equality",
            Rule::Junction => "junction",
            Rule::DroppedStatement => "dropped_statement",
            Rule::WrongOperand => "wrong_operand",
            Rule::SwappedArguments => "swapped_arguments",
            Rule::EarlyReturn => "early_return",
            Rule::MissingCase => "missing_case",
            Rule::OffByOne => "off_by_one",
            Rule::Constant => "constant",
        })
    }
}

/// How the mutation is woven around the original text, which stays where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `(if active { MUTATED } else { ORIGINAL })`
    Expression,
    /// The same as a block: the body of a match arm needs no comma then.
    Arm,
    /// `name: (if active { MUTATED } else { ORIGINAL })`, of a field that is written as its name.
    Shorthand,
    /// `if !active { ORIGINAL }`
    Statement,
    /// `if active { MUTATED }`, before what follows.
    Entry,
    /// `ORIGINAL && !active`, of an operand `let PATTERN = ...`.
    Pattern,
}

/// A mutant before it is compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The number that switches it on: a digest of its key.
    pub id: u32,
    /// Below the project's top folder.
    pub file: String,
    /// In today's file, from 1: for people, and in no key.
    pub line: usize,
    /// `Type::function`.
    pub function: String,
    /// What kind of mutation it is.
    pub rule: Rule,
    /// What the source says, blanks made one.
    pub original: String,
    /// What the mutant says, blanks made one.
    pub mutated: String,
    /// Which of several places of the function with the same text, from 1.
    pub nth: usize,
    /// Bytes of the source.
    pub range: Range<usize>,
    /// How it is woven.
    pub form: Form,
    /// What the mutant says, as it is written.
    pub text: String,
}

/// Reserved for the test of the switch itself.
pub const SELF_TEST: u32 = u32::MAX;

impl Site {
    /// What names it while lines move: all but the line.
    pub fn key(&self) -> String {
        let Site { file, function, rule, original, mutated, nth, .. } = self;
        let nth = if *nth > 1 { format!(" #{nth}") } else { String::new() };
        format!("{file} | {function} | {rule} | {original} -> {mutated}{nth}")
    }

    /// Eight hex digits: what `--only`, `--show` and the environment of a judging program take.
    pub fn name(&self) -> String {
        format!("{:08x}", self.id)
    }
}

/// Numbers sites with equal texts and gives each its id. Two keys of one digest are told apart by
/// hashing once more, in order of the keys.
pub fn identify(sites: &mut [Site]) {
    let mut keys = BTreeSet::new();
    for site in sites.iter_mut() {
        site.nth = 1;
        while !keys.insert(site.key()) {
            site.nth += 1;
        }
    }
    let mut order: Vec<usize> = (0..sites.len()).collect();
    order.sort_by_key(|at| sites[*at].key());
    let mut ids = BTreeSet::from([0, SELF_TEST]);
    for at in order {
        let key = sites[at].key();
        let digests = (0_u32..).map(|round| digest(&key, round));
        let mut free = digests.skip_while(|id| ids.contains(id));
        sites[at].id = free.next().expect("there are more numbers than sites");
        ids.insert(sites[at].id);
    }
}

fn digest(key: &str, round: u32) -> u32 {
    let mut sum = Sum::default();
    sum.add(key.as_bytes());
    if round > 0 {
        sum.add(&round.to_le_bytes());
    }
    let sum = sum.value();
    (sum >> 32) as u32 ^ sum as u32
}

/// Blanks and line ends made one blank.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(function: &str, line: usize) -> Site {
        let (original, mutated) = ("a < b".to_owned(), "a <= b".to_owned());
        let text = mutated.clone();
        let (file, function) = ("core/proto/src/a.rs".to_owned(), function.to_owned());
        let (rule, form, range) = (Rule::Comparison, Form::Expression, 0..5);
        Site { id: 0, file, line, function, rule, original, mutated, nth: 0, range, form, text }
    }

    #[test]
    fn a_key_and_an_id_do_not_depend_on_lines_or_on_other_sites() {
        let mut alone = [site("f", 7)];
        identify(&mut alone);
        assert_eq!(alone[0].key(), "core/proto/src/a.rs | f | comparison | a < b -> a <= b");
        let mut among = [site("e", 1), site("f", 70), site("f", 80)];
        identify(&mut among);
        assert_eq!(among[1].id, alone[0].id);
        assert_eq!(among[2].key(), format!("{} #2", alone[0].key()));
        assert_ne!(among[2].id, among[1].id);
        // Pinned: an id that is in a report names the same mutant next year.
        assert_eq!(alone[0].name(), format!("{:08x}", digest(&alone[0].key(), 0)));
    }
}
