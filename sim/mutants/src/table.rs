//! The kill table, as Markdown.

use crate::campaign::Judged;
use crate::layer::{Layer, Outcome};
use crate::ledger::Row;
use std::fmt::Write as _;

/// One line for each mutant, one column for each layer, and who survived.
pub fn of(judged: &[Judged]) -> String {
    let layers: Vec<Layer> = Layer::ALL
        .into_iter()
        .filter(|layer| judged.iter().any(|one| one.rows.iter().any(|row| row.layer == *layer)))
        .collect();
    let mut lines = vec![head(&layers)];
    for one in judged {
        let cells = layers.iter().map(|layer| cell(one, *layer));
        lines.push([one.name.clone(), one.caught_by.clone()].into_iter().chain(cells).collect());
    }
    format!("{}\n{}", aligned(&lines), sum(judged, &layers))
}

fn head(layers: &[Layer]) -> Vec<String> {
    let names = layers.iter().map(ToString::to_string);
    ["mutant".to_owned(), "expected".to_owned()].into_iter().chain(names).collect()
}

/// `I3 @4 2.1 s`: by what, at the how-manyth try, CPU seconds; of several repetitions the median,
/// and the 95th percentile of the tries.
fn cell(judged: &Judged, layer: Layer) -> String {
    let rows: Vec<&Row> = judged.rows.iter().filter(|row| row.layer == layer).collect();
    let killed: Vec<&&Row> = rows.iter().filter(|row| row.outcome == Outcome::Killed).collect();
    let (Some(first), Some(any)) = (killed.first(), rows.first()) else {
        return match rows.first() {
            Some(row) if row.outcome == Outcome::OutOfTime => "(time is up)".to_owned(),
            Some(_) => "–".to_owned(),
            None => String::new(),
        };
    };
    let tries: Vec<u64> = killed.iter().map(|row| row.tried).collect();
    let cpu: Vec<u64> = killed.iter().map(|row| (row.cpu_s * 100.0).round() as u64).collect();
    let seconds = quantile(&cpu, 50) as f64 / 100.0;
    let mut text = format!("{} @{} {seconds:.1} s", first.by, quantile(&tries, 50));
    if rows.len() > 1 {
        let (hits, tried, p95) = (killed.len(), rows.len(), quantile(&tries, 95));
        let _ = write!(text, ", {hits} of {tried}, p95 @{p95}");
    }
    if any.layer == Layer::Tests { first.by.clone() } else { text }
}

/// The smallest value that so many percent do not exceed.
fn quantile(values: &[u64], percent: usize) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let place = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(place - 1).copied().unwrap_or(0)
}

fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0).max(3)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!(" {cell:<width$} |"));
        let _ = writeln!(text, "|{}", cells.collect::<String>());
        if at == 0 {
            let rule = widths.iter().map(|width| format!("{}|", "-".repeat(width + 2)));
            let _ = writeln!(text, "|{}", rule.collect::<String>());
        }
    }
    text
}

fn sum(judged: &[Judged], layers: &[Layer]) -> String {
    let mutants: Vec<&Judged> = judged.iter().filter(|one| !one.control).collect();
    let killed = mutants.iter().filter(|one| one.kills().next().is_some()).count();
    let mut text = format!("{killed} of {} mutants killed", mutants.len());
    for layer in layers {
        let by = |one: &&&Judged| {
            one.rows.iter().any(|row| row.layer == *layer && row.outcome == Outcome::Killed)
        };
        let asked = mutants.iter().filter(|one| one.rows.iter().any(|row| row.layer == *layer));
        let _ =
            write!(text, "; {layer} {} of {}", mutants.iter().filter(by).count(), asked.count());
    }
    let rows = || judged.iter().flat_map(|one| &one.rows);
    let (cpu, build) =
        rows().fold((0.0, 0.0), |(cpu, build), row| (cpu + row.cpu_s, build + row.build_cpu_s));
    let _ = writeln!(text, "\n{cpu:.0} CPU seconds to judge, {build:.0} to build");
    text.push_str(&fencing(&mutants));
    for one in mutants.iter().filter(|one| one.kills().next().is_none()) {
        let why = one.explained.as_deref().unwrap_or("NOT EXPLAINED");
        let _ = writeln!(text, "survives: {}: {why}", one.name);
    }
    for one in judged.iter().filter(|one| one.control && !one.is_fine()) {
        let blamed = one.rows.iter().filter(|row| row.outcome == Outcome::Killed);
        let names: Vec<String> = blamed.map(|row| row.layer.to_string()).collect();
        let _ = writeln!(
            text,
            "NOT TO BE BELIEVED: the tree as it is was blamed by {}",
            names.join(", ")
        );
    }
    text
}

/// Of the mutants about leases, a split brain or fencing: which are not found by the model, and which
/// by no dice? Layers that cannot see a mutant are not asked; who is explained is found by nobody.
fn fencing(mutants: &[&Judged]) -> String {
    let all: Vec<&&Judged> = mutants.iter().filter(|one| one.fencing).collect();
    if all.is_empty() {
        return String::new();
    }
    let killed =
        |one: &Judged, layers: &[Layer]| one.kills().any(|row| layers.contains(&row.layer));
    let asked =
        |one: &Judged, layers: &[Layer]| one.rows.iter().any(|row| layers.contains(&row.layer));
    let mut text = format!("about leases, split brain and fencing: {}", all.len());
    let kinds: [(&str, &[Layer]); 2] =
        [("the model", &[Layer::Model]), ("dice", &[Layer::Walk, Layer::Sim])];
    for (who, layers) in kinds {
        let found = all.iter().filter(|one| killed(one, layers)).count();
        let missed = all.iter().filter(|one| asked(one, layers) && !killed(one, layers));
        let missed: Vec<&str> = missed.map(|one| one.name.as_str()).collect();
        let _ = write!(text, "; {who} found {found}");
        if !missed.is_empty() {
            let _ = write!(text, ", not {}", missed.join(", "));
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Verdict;
    use crate::ledger::Key;

    fn row(layer: Layer, repetition: u64, outcome: Outcome, tried: u64) -> Row {
        let (by, says) = (if outcome == Outcome::Killed { "I3" } else { "" }, String::new());
        let verdict = Verdict { outcome, by: by.to_owned(), says, tried };
        let (tree, patch) = (String::new(), String::new());
        let key = Key { tree, mutant: "m".to_owned(), patch, layer, repetition };
        Row::new(key, verdict, 2.0, 30.0, 40.0)
    }

    fn judged(name: &str, rows: Vec<Row>) -> Judged {
        let (caught_by, control) = ("I3".to_owned(), name == "(none)");
        let fencing = name == "fencing";
        Judged { name: name.to_owned(), control, caught_by, explained: None, fencing, rows }
    }

    #[test]
    fn a_table_has_a_line_for_each_and_names_survivors() {
        let control = judged("(none)", vec![row(Layer::Walk, 0, Outcome::Survived, 9)]);
        let killed = judged(
            "killed",
            [4, 2, 6]
                .into_iter()
                .enumerate()
                .map(|(r, t)| row(Layer::Walk, r as u64, Outcome::Killed, t))
                .collect(),
        );
        let left = judged("left", vec![row(Layer::Walk, 0, Outcome::OutOfTime, 9)]);
        let text = of(&[control.clone(), killed.clone(), left.clone()]);
        assert!(text.contains("I3 @4 2.0 s, 3 of 3, p95 @6"), "{text}");
        assert!(text.contains("1 of 2 mutants killed; walk 1 of 2"), "{text}");
        assert!(text.contains("survives: left: NOT EXPLAINED"), "{text}");
        assert!(control.is_fine() && killed.is_fine() && !left.is_fine());
    }

    #[test]
    fn a_kill_by_unit_tests_alone_is_none() {
        let only = judged("only", vec![row(Layer::Tests, 0, Outcome::Killed, 1)]);
        assert!(!only.is_fine());
        let blamed = judged("(none)", vec![row(Layer::Tests, 0, Outcome::Killed, 1)]);
        assert!(!blamed.is_fine());
        assert!(of(&[blamed]).contains("NOT TO BE BELIEVED"));
    }

    #[test]
    fn who_misses_a_mutant_about_fencing_is_told() {
        let walked = row(Layer::Walk, 0, Outcome::Killed, 3);
        let searched = row(Layer::Model, 0, Outcome::Survived, 9);
        let text = of(&[judged("fencing", vec![walked, searched])]);
        assert!(
            text.contains("fencing: 1; the model found 0, not fencing; dice found 1\n"),
            "{text}"
        );
    }

    #[test]
    fn quantiles_are_of_what_is_there() {
        assert_eq!((quantile(&[5, 1, 3], 50), quantile(&[5, 1, 3], 95)), (3, 5));
        assert_eq!(quantile(&[], 50), 0);
    }
}
