//! Plots as SVG: two axes, lines, dots and a legend, in one file that needs nothing else.

use std::fmt::Write;

const WIDTH: f64 = 760.0;
/// Of the area between the axes.
const AREA: f64 = 350.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 50.0;
/// Below the area: the marks, the label, and a line for each name of the legend.
const BELOW: f64 = 56.0;
const LEGEND_LINE: f64 = 20.0;
/// Colours that differ for the colour-blind too (Okabe and Ito 2008).
const COLOURS: [&str; 5] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000"];

/// An axis from zero on.
#[derive(Clone, Debug)]
pub struct Axis {
    label: String,
    max: f64,
    /// Where a line crosses the area, and what is written beside it.
    marks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis up to `max`, with about five round marks.
    #[must_use]
    pub fn to(label: &str, max: f64) -> Self {
        Axis { label: label.to_owned(), max, marks: marks(max) }
    }

    /// The same with marks at these values.
    #[must_use]
    pub fn marked(label: &str, max: f64, marks: &[(f64, &str)]) -> Self {
        let marks = marks.iter().map(|(at, text)| (*at, (*text).to_owned())).collect();
        Axis { label: label.to_owned(), max, marks }
    }
}

/// A line's pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stroke {
    /// Without gaps.
    Solid,
    /// With gaps.
    Dashed,
}

/// A plot under construction.
#[derive(Clone, Debug)]
pub struct Plot {
    title: String,
    x: Axis,
    y: Axis,
    body: String,
    /// Names, and the number of their colours; a note has none.
    legend: Vec<(String, Option<usize>)>,
}

impl Plot {
    /// Without data.
    #[must_use]
    pub fn new(title: &str, x: Axis, y: Axis) -> Self {
        let (title, body, legend) = (title.to_owned(), String::new(), Vec::new());
        Plot { title, x, y, body, legend }
    }

    /// Names a colour in the legend.
    pub fn name(&mut self, colour: usize, name: &str) {
        self.legend.push((name.to_owned(), Some(colour)));
    }

    /// Adds a line to the legend that is about no colour.
    pub fn note(&mut self, text: &str) {
        self.legend.push((text.to_owned(), None));
    }

    /// A line through points.
    pub fn line(&mut self, colour: usize, stroke: Stroke, points: &[(f64, f64)]) {
        let mut path = String::new();
        for (place, (x, y)) in points.iter().enumerate() {
            let letter = if place == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{:.1} {:.1}", self.across(*x), self.down(*y));
        }
        let gaps = match stroke {
            Stroke::Solid => "",
            Stroke::Dashed => r#" stroke-dasharray="3 4""#,
        };
        let colour = hue(colour);
        let _ = writeln!(
            self.body,
            r#"<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"{gaps}/>"#
        );
    }

    /// A dot.
    pub fn dot(&mut self, colour: usize, x: f64, y: f64) {
        let (x, y, colour) = (self.across(x), self.down(y), hue(colour));
        let _ = writeln!(self.body, r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" fill="{colour}"/>"#);
    }

    /// A ring.
    pub fn ring(&mut self, colour: usize, x: f64, y: f64) {
        let (x, y, colour) = (self.across(x), self.down(y), hue(colour));
        let _ = writeln!(
            self.body,
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="6" fill="none" stroke="{colour}" stroke-width="1.5"/>"#
        );
    }

    /// An upright interval.
    pub fn bar(&mut self, colour: usize, x: f64, low: f64, high: f64) {
        let (x, low, high, colour) = (self.across(x), self.down(low), self.down(high), hue(colour));
        let _ = writeln!(
            self.body,
            r#"<path d="M{x:.1} {low:.1}V{high:.1}" stroke="{colour}" stroke-width="2"/>"#
        );
    }

    /// The finished file.
    #[must_use]
    pub fn svg(&self) -> String {
        let height = TOP + AREA + BELOW + LEGEND_LINE * self.legend.len() as f64;
        let mut out = format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="{LEFT}" y="28" font-size="15">{}</text>
"##,
            escaped(&self.title)
        );
        self.draw_axes(&mut out);
        out.push_str(&self.body);
        for (place, (name, colour)) in self.legend.iter().enumerate() {
            let y = TOP + AREA + BELOW + LEGEND_LINE * place as f64;
            let (name, line, text) = (escaped(name), y - 4.0, LEFT + 26.0);
            if let Some(colour) = colour.map(hue) {
                let _ = write!(
                    out,
                    r#"<path d="M{LEFT} {line:.1}h18" stroke="{colour}" stroke-width="2"/>"#
                );
            }
            let _ = writeln!(out, r#"<text x="{text}" y="{y:.1}">{name}</text>"#);
        }
        out.push_str("</svg>\n");
        out
    }

    fn draw_axes(&self, out: &mut String) {
        let (bottom, right) = (TOP + AREA, WIDTH - RIGHT);
        let (middle, label) = (f64::midpoint(LEFT, right), bottom + 36.0);
        let half = TOP + AREA / 2.0;
        let (x, y) = (escaped(&self.x.label), escaped(&self.y.label));
        let _ = writeln!(
            out,
            r#"<text x="{middle}" y="{label}" text-anchor="middle">{x}</text>
<text transform="translate(18 {half}) rotate(-90)" text-anchor="middle">{y}</text>"#
        );
        for (at, text) in &self.x.marks {
            let (at, below) = (self.across(*at), bottom + 18.0);
            let _ = writeln!(
                out,
                r##"<path d="M{at:.1} {TOP}V{bottom}" stroke="#dddddd"/><text x="{at:.1}" y="{below:.1}" text-anchor="middle">{text}</text>"##
            );
        }
        for (at, text) in &self.y.marks {
            let (at, beside) = (self.down(*at), LEFT - 8.0);
            let _ = writeln!(
                out,
                r##"<path d="M{LEFT} {at:.1}H{right}" stroke="#dddddd"/><text x="{beside:.1}" y="{:.1}" text-anchor="end">{text}</text>"##,
                at + 4.0
            );
        }
    }

    fn across(&self, x: f64) -> f64 {
        LEFT + x / self.x.max * (WIDTH - LEFT - RIGHT)
    }

    fn down(&self, y: f64) -> f64 {
        TOP + AREA - y / self.y.max * AREA
    }
}

fn hue(colour: usize) -> &'static str {
    COLOURS[colour % COLOURS.len()]
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// About five round numbers from zero on.
fn marks(max: f64) -> Vec<(f64, String)> {
    let power = 10_f64.powf((max / 5.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| max / step <= 6.0);
    let step = step.unwrap_or(10.0 * power);
    let decimals = if step < 1.0 { step.log10().floor().abs() as usize } else { 0 };
    let all = (0..).map(|n| f64::from(n) * step).take_while(|value| *value <= max * (1.0 + 1e-9));
    all.map(|value| (value, format!("{value:.decimals$}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_few() {
        let texts = |max| marks(max).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(texts(100.0), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(texts(0.3), ["0.00", "0.05", "0.10", "0.15", "0.20", "0.25", "0.30"]);
        for max in [1.0, 7.3, 999.0, 61_234.0] {
            assert!((4..=7).contains(&marks(max).len()), "{max}");
        }
    }

    #[test]
    fn a_point_is_where_the_axes_say() {
        let mut plot =
            Plot::new("a < b", Axis::to("x", 10.0), Axis::marked("y", 1.0, &[(1.0, "all")]));
        plot.name(0, "one & two");
        plot.line(0, Stroke::Dashed, &[(0.0, 0.0), (10.0, 1.0)]);
        plot.dot(1, 5.0, 0.5);
        plot.ring(1, 5.0, 0.5);
        plot.bar(1, 5.0, 0.0, 1.0);
        plot.note("rings are > dots");
        let svg = plot.svg();
        assert!(svg.contains(r#"d="M80.0 400.0L736.0 50.0""#), "{svg}");
        assert_eq!(svg.matches(r#"cx="408.0" cy="225.0""#).count(), 2);
        assert!(svg.contains("M408.0 400.0V50.0") && svg.contains(">rings are > dots</text>"));
        assert!(svg.contains("stroke-dasharray"));
        assert!(svg.contains(">a &lt; b</text>") && svg.contains(">one &amp; two</text>"));
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    }
}
