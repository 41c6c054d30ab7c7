//! A paper's plot: rings are the paper's, a dashed line or a tick the formula's, dots with bars the
//! simulation's median and its 95 % interval.

use crate::claim::{Claim, Column, Kind};
use crate::table::{Row, Simulated, Table};
use leasehold_trace::plot::{Axis, Plot, Stroke};
use std::fmt::Write;

const LEGEND: &str =
    "ring: paper; dashed: formula; dot and bar: simulation, median and 95 % interval";

/// The plot as SVG.
#[must_use]
pub fn svg(claim: &Claim, table: &Table) -> String {
    let shown = |row: &&Row| {
        claim.plot.series.is_empty() || claim.plot.series.contains(&row.published.series)
    };
    let rows: Vec<&Row> = table.rows.iter().filter(shown).collect();
    match claim.plot.kind {
        Kind::Curve => curve(claim, &rows),
        Kind::Rows => lines(claim, &rows),
    }
}

fn columns(row: &Row) -> impl Iterator<Item = f64> {
    let of = [Column::Paper, Column::Formula, Column::Simulation];
    of.into_iter().filter_map(|column| row.value(column))
}

/// The names of the series, in the order in which they come.
fn series<'a>(rows: &[&'a Row]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        if !names.contains(&row.published.series.as_str()) {
            names.push(&row.published.series);
        }
    }
    names
}

fn curve(claim: &Claim, rows: &[&Row]) -> String {
    let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max) * 1.05;
    let x_max = most(&mut rows.iter().map(|row| row.published.x));
    let y_max = most(&mut rows.iter().flat_map(|row| columns(row)));
    let axis = |label: &str, max: f64| Axis::to(label, if max > 0.0 { max } else { 1.0 });
    let mut plot = Plot::new(&claim.title, axis(&claim.plot.x, x_max), axis(&claim.plot.y, y_max));
    for (colour, name) in series(rows).into_iter().enumerate() {
        let own: Vec<&&Row> = rows.iter().filter(|row| row.published.series == name).collect();
        let at = |column| {
            let points =
                own.iter().filter_map(move |row| Some((row.published.x, row.value(column)?)));
            let mut points: Vec<(f64, f64)> = points.collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            points
        };
        plot.line(colour, Stroke::Dashed, &at(Column::Formula));
        for (x, y) in at(Column::Paper) {
            plot.ring(colour, x, y);
        }
        for row in &own {
            if let Simulated::Seen(spread) = row.simulated {
                plot.bar(colour, row.published.x, spread.low, spread.high);
                plot.dot(colour, row.published.x, spread.median);
            }
        }
        plot.name(colour, name);
    }
    plot.note(LEGEND);
    plot.svg()
}

const WIDTH: f64 = 760.0;
const LEFT: f64 = 300.0;
const RIGHT: f64 = 24.0;
const LINE: f64 = 20.0;
const TOP: f64 = 50.0;
const PAPER: &str = "#d55e00";
const FORMULA: &str = "#000000";
const SIMULATION: &str = "#0072b2";

/// A line for each row, the series as headings.
fn lines(claim: &Claim, rows: &[&Row]) -> String {
    let values: Vec<f64> = rows.iter().flat_map(|row| columns(row)).collect();
    let scale = Scale::over(&values, claim.plot.log);
    let names = series(rows);
    let height = TOP + LINE * (rows.len() + names.len()) as f64 + 90.0;
    let mut out = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="20" y="28" font-size="15">{}</text>
"##,
        escaped(&claim.title)
    );
    let bottom = height - 80.0;
    for (at, text) in scale.marks() {
        let (x, below) = (scale.across(at), bottom + 18.0);
        let _ = writeln!(
            out,
            r##"<path d="M{x:.1} {TOP}V{bottom}" stroke="#dddddd"/><text x="{x:.1}" y="{below:.1}" text-anchor="middle">{text}</text>"##
        );
    }
    let mut y = TOP;
    for name in names {
        y += LINE;
        let _ = writeln!(
            out,
            r#"<text x="20" y="{:.1}" font-weight="bold">{}</text>"#,
            y - 6.0,
            escaped(name)
        );
        for row in rows.iter().filter(|row| row.published.series == name) {
            y += LINE;
            line(&mut out, row, y - 10.0, &scale);
        }
    }
    let (middle, label, legend) =
        (f64::midpoint(LEFT, WIDTH - RIGHT), bottom + 38.0, bottom + 66.0);
    let _ = writeln!(
        out,
        r#"<text x="{middle}" y="{label:.1}" text-anchor="middle">{}</text>"#,
        escaped(&claim.plot.x)
    );
    let _ = writeln!(
        out,
        r#"<text x="20" y="{legend:.1}"><tspan fill="{PAPER}">ring: paper</tspan>; <tspan fill="{FORMULA}">tick: formula</tspan>; <tspan fill="{SIMULATION}">dot and bar: simulation, median and 95 % interval</tspan></text>"#
    );
    out.push_str("</svg>\n");
    out
}

fn line(out: &mut String, row: &Row, y: f64, scale: &Scale) {
    let (text, right) = (LEFT - 10.0, WIDTH - RIGHT);
    let _ = writeln!(
        out,
        r##"<text x="{text}" y="{:.1}" text-anchor="end">{}</text><path d="M{LEFT} {y:.1}H{right}" stroke="#eeeeee"/>"##,
        y + 4.0,
        escaped(&row.published.name())
    );
    if let Some(value) = row.value(Column::Formula) {
        let x = scale.across(value);
        let _ = writeln!(
            out,
            r#"<path d="M{x:.1} {:.1}v16" stroke="{FORMULA}" stroke-width="2"/>"#,
            y - 8.0
        );
    }
    if let Simulated::Seen(spread) = row.simulated {
        let (low, x, high) =
            (scale.across(spread.low), scale.across(spread.median), scale.across(spread.high));
        let _ = writeln!(
            out,
            r#"<path d="M{low:.1} {y:.1}H{high:.1}" stroke="{SIMULATION}" stroke-width="2"/><circle cx="{x:.1}" cy="{y:.1}" r="4" fill="{SIMULATION}"/>"#
        );
    }
    if let Some(value) = row.value(Column::Paper) {
        let x = scale.across(value);
        let _ = writeln!(
            out,
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="7" fill="none" stroke="{PAPER}" stroke-width="1.5"/>"#
        );
    }
}

/// From values to places.
struct Scale {
    least: f64,
    most: f64,
    log: bool,
}

impl Scale {
    fn over(values: &[f64], log: bool) -> Self {
        let most = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        if !log {
            return Scale { least: 0.0, most: most * 1.05, log };
        }
        let positive = values.iter().copied().filter(|value| *value > 0.0);
        let least = positive.fold(most, f64::min).log10().floor();
        Scale { least, most: most.log10().ceil().max(least + 1.0), log }
    }

    fn across(&self, value: f64) -> f64 {
        let value = if self.log { value.max(1e-300).log10() } else { value };
        let share = (value - self.least) / (self.most - self.least);
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn marks(&self) -> Vec<(f64, String)> {
        if !self.log {
            let power = 10_f64.powf((self.most / 5.0).log10().floor());
            let step = [1.0, 2.0, 5.0, 10.0].map(|n| n * power);
            let step = step.into_iter().find(|step| self.most / step <= 6.0).unwrap_or(self.most);
            let decimals = if step < 1.0 { step.log10().floor().abs() as usize } else { 0 };
            let all = (0..20).map(|n| f64::from(n) * step).take_while(|at| *at <= self.most);
            return all.map(|at| (at, format!("{at:.decimals$}"))).collect();
        }
        let every = ((self.most - self.least) / 8.0).ceil().max(1.0);
        let powers = (0..40).map(|n| self.least + f64::from(n) * every);
        let within = powers.take_while(|power| *power <= self.most);
        within.map(|power| (10_f64.powf(power), format!("1e{power}"))).collect()
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
