//! How many seeds were through after which time, as a plot.

use std::fmt::Write;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 60.0;
/// Told apart by people who see few colours.
const COLOURS: [&str; 5] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#333333"];
const LINES_BETWEEN: usize = 8;

/// An SVG of the cumulated shares of some series of microseconds, each by its name.
#[must_use]
pub fn cumulated(title: &str, series: &[(&str, Vec<u64>)]) -> String {
    let longest = series.iter().flat_map(|(_, values)| values).max().copied().unwrap_or(1);
    let frame = Frame { seconds_max: (longest as f64 / 1e6 * 1.05).max(0.1) };
    let mut out = frame.axes(title);
    for (index, (name, values)) in series.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        frame.line(&mut out, values, colour);
        legend(&mut out, index, series.len(), name, colour);
    }
    out.push_str("</svg>\n");
    out
}

struct Frame {
    seconds_max: f64,
}

impl Frame {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + seconds / self.seconds_max * (WIDTH - LEFT - RIGHT)
    }

    fn y(share: f64) -> f64 {
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }

    fn axes(&self, title: &str) -> String {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        let mut out = format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="{LEFT}" y="28" font-size="15">{title}</text>
<text x="{:.1}" y="{:.1}" text-anchor="middle">seconds of virtual time</text>
"##,
            (LEFT + right) / 2.0,
            HEIGHT - 16.0
        );
        let step = step(self.seconds_max);
        let marks = (0..).map(|mark| f64::from(mark) * step);
        for seconds in marks.take_while(|seconds| *seconds <= self.seconds_max) {
            let at = self.x(seconds);
            let _ = writeln!(
                out,
                r##"<path d="M{at:.1} {TOP}V{bottom}" stroke="#dddddd"/><text x="{at:.1}" y="{:.1}" text-anchor="middle">{seconds:.1}</text>"##,
                bottom + 18.0
            );
        }
        for percent in [0, 25, 50, 75, 99, 100] {
            let at = Self::y(f64::from(percent) / 100.0);
            // Two lines that lie this close share a number.
            let said = if percent == 99 { String::new() } else { format!("{percent} %") };
            let _ = writeln!(
                out,
                r##"<path d="M{LEFT} {at:.1}H{right}" stroke="#dddddd"/><text x="{:.1}" y="{:.1}" text-anchor="end">{said}</text>"##,
                LEFT - 8.0,
                at + 4.0
            );
        }
        out
    }

    fn line(&self, out: &mut String, values: &[u64], colour: &str) {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        let mut path = format!("M{:.1} {:.1}", self.x(0.0), Self::y(0.0));
        for (rank, value) in sorted.iter().enumerate() {
            let share = (rank + 1) as f64 / sorted.len() as f64;
            let _ = write!(path, "H{:.1}V{:.1}", self.x(*value as f64 / 1e6), Self::y(share));
        }
        let _ = write!(path, "H{:.1}", self.x(self.seconds_max));
        let _ =
            writeln!(out, r#"<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>"#);
    }
}

/// Of the lower right corner, where all lines have passed.
fn legend(out: &mut String, index: usize, of: usize, name: &str, colour: &str) {
    // Where no line is: nothing that waits for a leader ends within the first second.
    let (x, y) = (LEFT + 32.0, HEIGHT - BOTTOM - 20.0 * (of - index) as f64);
    let _ = writeln!(
        out,
        r#"<path d="M{x:.1} {y:.1}h18" stroke="{colour}" stroke-width="2"/><text x="{:.1}" y="{:.1}">{name}</text>"#,
        x + 24.0,
        y + 4.0
    );
}

/// A round number, so that a few lines stand between nothing and the most.
fn step(most: f64) -> f64 {
    let steps = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];
    let few = |step: &f64| most / step <= LINES_BETWEEN as f64;
    steps.into_iter().find(few).unwrap_or(60.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_has_its_line_and_its_name() {
        let plot = cumulated("t", &[("one", vec![100_000, 300_000]), ("two", vec![2_000_000])]);
        assert_eq!(plot.matches("fill=\"none\"").count(), 2);
        assert!(plot.contains(">one</text>") && plot.contains(">two</text>"));
        assert!(plot.starts_with("<svg") && plot.ends_with("</svg>\n"));
        // Half of the first series is through at its smaller value.
        let frame = Frame { seconds_max: 2.1 };
        let half = format!("H{:.1}V{:.1}", frame.x(0.1), Frame::y(0.5));
        assert!(plot.contains(&half), "{plot}");
    }
}
