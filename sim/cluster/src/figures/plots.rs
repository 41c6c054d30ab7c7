//! Latencies over the settings that a sweep went through.

use super::settings::{Axis, axes};
use super::stats::Interval;
use super::variant::{Figures, Variant};
use leasehold_trace::plot::{Axis as PlotAxis, Plot, Stroke};
use std::collections::BTreeMap;

/// Kinds of operations that are drawn of a scenario: those with the most operations.
const KINDS_MAX: usize = 6;
/// Lines of a plot: more have no colours of their own.
const LINES_MAX: usize = 5;

/// How far lines are from each other, as a share of the axis.
const ASIDE: f64 = 0.008;

/// A plot, with a name that is fit for a file.
pub struct Drawn {
    /// Of the file.
    pub name: String,
    /// The plot.
    pub svg: String,
}

/// Of each scenario, each axis of its settings and each of its main kinds of operations, a plot.
#[must_use]
pub fn plots(variants: &[Variant<'_>], figures: &[Figures]) -> Vec<Drawn> {
    let mut scenarios: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (at, variant) in variants.iter().enumerate() {
        scenarios.entry((variant.scenario, &variant.build.sources)).or_default().push(at);
    }
    let mut all = Vec::new();
    for ((scenario, sources), places) in scenarios {
        let own: Vec<Variant<'_>> = places.iter().map(|at| variants[*at].clone()).collect();
        let figures: Vec<&Figures> = places.iter().map(|at| &figures[*at]).collect();
        let axes = axes(&own);
        for (number, axis) in axes.iter().enumerate() {
            let lines = lines(&axes, number);
            for kind in main_kinds(&figures) {
                let title = format!(
                    "{kind} of {} by {}",
                    scenario.trim_start_matches("scenarios/"),
                    axis.name()
                );
                let of = |at: usize| figures[at].kinds.iter().find(|found| found.kind == kind);
                let quantile = |at: usize, name: &str| of(at)?.quantiles_ms.get(name).copied();
                if let Some(svg) = draw(&title, axis, &lines, &quantile) {
                    all.push(Drawn {
                        name: file_name(&[scenario, sources, &axis.name(), &kind]),
                        svg,
                    });
                }
            }
        }
    }
    all
}

/// A line of a plot: what the other settings are along it, and its variants.
struct Line {
    name: String,
    variants: Vec<usize>,
}

/// The variants by the other axes' values.
fn lines(axes: &[Axis], along: usize) -> Vec<Line> {
    let others: Vec<&Axis> =
        axes.iter().enumerate().filter(|(at, _)| *at != along).map(|(_, axis)| axis).collect();
    let mut lines: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
    for variant in 0..axes[along].at.len() {
        lines
            .entry(others.iter().map(|axis| axis.at[variant]).collect())
            .or_default()
            .push(variant);
    }
    let name = |at: &[usize]| {
        let words = others
            .iter()
            .zip(at)
            .map(|(axis, at)| format!("{} = {}", short(axis), axis.values[*at]));
        words.collect::<Vec<_>>().join(", ")
    };
    lines.into_iter().map(|(at, variants)| Line { name: name(&at), variants }).collect()
}

/// An axis's keys without their sections.
fn short(axis: &Axis) -> String {
    let last = |key: &String| key.rsplit('.').next().unwrap_or_default().to_owned();
    axis.keys.iter().map(last).collect::<Vec<_>>().join("; ")
}

fn main_kinds(figures: &[&Figures]) -> Vec<String> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for kind in figures.iter().flat_map(|figures| &figures.kinds) {
        *counts.entry(&kind.kind).or_default() += kind.acknowledged;
    }
    let mut kinds: Vec<(&str, u64)> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
    kinds.sort_by_key(|(kind, count)| (std::cmp::Reverse(*count), *kind));
    kinds.into_iter().take(KINDS_MAX).map(|(kind, _)| kind.to_owned()).collect()
}

/// p99 with its interval, a line each; with a single line, p50 too. None if there is nothing to draw.
fn draw(
    title: &str,
    axis: &Axis,
    lines: &[Line],
    quantile: &dyn Fn(usize, &str) -> Option<Interval>,
) -> Option<String> {
    let places = axis.places();
    let shown = &lines[..lines.len().min(LINES_MAX)];
    let drawn: &[(&str, Stroke)] = match shown.len() {
        1 => &[("p99", Stroke::Solid), ("p50", Stroke::Dashed)],
        _ => &[("p99", Stroke::Solid)],
    };
    let all = shown.iter().flat_map(|line| &line.variants).filter_map(|at| quantile(*at, "p99"));
    let most = all.map(|found| found.high.unwrap_or(found.value)).fold(0.0, f64::max);
    if most <= 0.0 {
        return None;
    }
    let marks: Vec<(f64, &str)> =
        places.iter().copied().zip(axis.values.iter().map(String::as_str)).collect();
    let x =
        PlotAxis::marked(&format!("{}{}", axis.name(), axis.unit()), places.last()? * 1.05, &marks);
    let mut plot = Plot::new(title, x, PlotAxis::to("latency, ms of simulated time", most * 1.05));
    let all = shown.iter().flat_map(|line| drawn.iter().map(move |how| (line, how)));
    let middle = (shown.len() * drawn.len() - 1) as f64 / 2.0;
    for (colour, (line, (name, stroke))) in all.enumerate() {
        // Beside each other: intervals at one place would hide each other.
        let aside = (colour as f64 - middle) * places.last()? * ASIDE;
        let at = |at: &usize| Some((places[axis.at[*at]] + aside, quantile(*at, name)?));
        draw_line(&mut plot, colour, *stroke, line.variants.iter().filter_map(at).collect());
        let of = if line.name.is_empty() { String::new() } else { format!(", {}", line.name) };
        plot.name(colour, &format!("{name}{of}"));
    }
    let more = match lines.len() - shown.len() {
        0 => String::new(),
        left_out => format!("; {left_out} more combinations are in the table"),
    };
    plot.note(&format!("upright: 95 % interval over seeds, by the bootstrap{more}"));
    Some(plot.svg())
}

fn draw_line(plot: &mut Plot, colour: usize, stroke: Stroke, mut points: Vec<(f64, Interval)>) {
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    let through: Vec<(f64, f64)> = points.iter().map(|(x, found)| (*x, found.value)).collect();
    plot.line(colour, stroke, &through);
    for (x, found) in &points {
        plot.dot(colour, *x, found.value);
        if let (Some(low), Some(high)) = (found.low, found.high) {
            plot.bar(colour, *x, low, high);
        }
    }
}

fn file_name(parts: &[&str]) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    let words: Vec<String> = parts
        .iter()
        .map(|part| {
            part.trim_start_matches("scenarios/")
                .trim_end_matches(".toml")
                .chars()
                .map(plain)
                .collect()
        })
        .collect();
    format!("{}.svg", words.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{Figures, variants};
    use crate::provenance::Provenance;
    use crate::scenario::Scenario;
    use crate::sweep::{Outcome, Report, Row};

    fn row(set: &str, seed: u64, us: u64) -> Row {
        let mut report = Report::died(String::new());
        report.outcome = Outcome::Ok;
        report.latency_us.insert("append".to_owned(), vec![(us + seed, 10)]);
        report.endings.insert("append acknowledged".to_owned(), 10);
        Row::new(&Provenance::of("a.toml", &Scenario::standard(), seed), set, set, &report, false)
    }

    fn drawn(sets: &[&str]) -> Vec<Drawn> {
        let with_seeds =
            sets.iter().zip(1..).flat_map(|(set, n)| (0..3).map(move |seed| (set, n, seed)));
        let rows: Vec<Row> = with_seeds.map(|(set, n, seed)| row(set, seed, n * 10_000)).collect();
        let all = variants(&rows);
        let figures: Vec<Figures> = all.iter().map(Figures::of).collect();
        plots(&all, &figures)
    }

    #[test]
    fn a_setting_that_was_swept_has_a_plot_with_intervals() {
        let plots = drawn(&["c.x=2s", "c.x=4s", "c.x=8s"]);
        let [plot] = &plots[..] else { panic!("{} plots", plots.len()) };
        assert!(
            plot.name.starts_with("a-") && plot.name.ends_with("-c-x-append.svg"),
            "{}",
            plot.name
        );
        assert!(
            plot.svg.contains(">append of a.toml by c.x</text>") && plot.svg.contains(">c.x, s<")
        );
        assert!(plot.svg.contains(">p99</text>") && plot.svg.contains(">p50</text>"));
        assert_eq!(plot.svg.matches("<circle").count(), 6, "three values, two quantiles");
        assert!(plot.svg.contains("by the bootstrap"));
        assert!(drawn(&["c.x=2s"]).is_empty(), "nothing was swept");
    }

    #[test]
    fn other_settings_have_lines_of_their_own() {
        let plots = drawn(&["a=1 b=1", "a=1 b=2", "a=2 b=1", "a=2 b=2"]);
        assert_eq!(plots.len(), 2, "a plot for each axis");
        assert!(
            plots[0].svg.contains(">p99, b = 1</text>")
                && plots[0].svg.contains(">p99, b = 2</text>")
        );
        let zipped = drawn(&["a=1 b=1", "a=2 b=2", "a=3 b=3"]);
        assert_eq!(zipped.len(), 1, "what moves together is one axis");
    }
}
