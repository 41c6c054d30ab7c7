//! The boundary as a picture: one line for each ρ over m + δ, a dot for each measurement.

use super::{Point, first_overlap_ppm};
use std::fmt::Write;
use std::time::Duration;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 60.0;
/// Colours that differ for the colour-blind too (Okabe and Ito 2008).
const COLOURS: [&str; 5] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000"];

/// A plot of one term: `measured` are points and their boundaries, in parts per million.
#[must_use]
pub fn svg(term: Duration, measured: &[(Point, i64)]) -> String {
    let here: Vec<&(Point, i64)> = measured.iter().filter(|(p, _)| p.term == term).collect();
    let spread = |point: &Point| (point.margin + point.delay).as_secs_f64() * 1e3;
    let ms_max = here.iter().map(|(point, _)| spread(point)).fold(1.0, f64::max);
    let ppm_max = here.iter().map(|(_, ppm)| *ppm as f64).fold(1.0, f64::max) * 1.08;
    let frame = Frame { ms_max: ms_max * 1.04, ppm_max };
    let mut out = frame.axes(term);
    let mut rhos: Vec<u32> = here.iter().map(|(point, _)| point.rho_ppm).collect();
    rhos.sort_unstable();
    rhos.dedup();
    for (index, rho_ppm) in rhos.into_iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        frame.line(&mut out, term, rho_ppm, colour);
        frame.legend(&mut out, index, rho_ppm, colour);
        for (point, ppm) in here.iter().filter(|(point, _)| point.rho_ppm == rho_ppm) {
            let (x, y) = (frame.x(spread(point)), frame.y(*ppm as f64));
            let _ = writeln!(out, r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" fill="{colour}"/>"#);
        }
    }
    out.push_str("</svg>\n");
    out
}

struct Frame {
    ms_max: f64,
    ppm_max: f64,
}

impl Frame {
    fn x(&self, ms: f64) -> f64 {
        LEFT + ms / self.ms_max * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, ppm: f64) -> f64 {
        HEIGHT - BOTTOM - ppm / self.ppm_max * (HEIGHT - TOP - BOTTOM)
    }

    fn axes(&self, term: Duration) -> String {
        let mut out = format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="{LEFT}" y="28" font-size="15">Drift at which two leases overlap, T = {:.0} s. Lines: computed, m = 0; dots: measured; dashes: ρ</text>
<text x="{:.1}" y="{:.1}" text-anchor="middle">margin m + ask-to-answer delay δ, ms</text>
<text transform="translate(18 {:.1}) rotate(-90)" text-anchor="middle">drift ±d of each clock, ppm</text>
"##,
            term.as_secs_f64(),
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 16.0,
            (TOP + HEIGHT - BOTTOM) / 2.0,
        );
        for (value, at) in ticks(self.ms_max).map(|ms| (ms, self.x(ms))) {
            let (top, bottom) = (TOP, HEIGHT - BOTTOM);
            let _ = writeln!(
                out,
                r##"<path d="M{at:.1} {top}V{bottom}" stroke="#dddddd"/><text x="{at:.1}" y="{:.1}" text-anchor="middle">{value:.0}</text>"##,
                bottom + 18.0
            );
        }
        for (value, at) in ticks(self.ppm_max).map(|ppm| (ppm, self.y(ppm))) {
            let right = WIDTH - RIGHT;
            let _ = writeln!(
                out,
                r##"<path d="M{LEFT} {at:.1}H{right}" stroke="#dddddd"/><text x="{:.1}" y="{:.1}" text-anchor="end">{value:.0}</text>"##,
                LEFT - 8.0,
                at + 4.0
            );
        }
        out
    }

    /// The computed boundary, and ρ itself, dashed: below it nothing may ever overlap.
    fn line(&self, out: &mut String, term: Duration, rho_ppm: u32, colour: &str) {
        let mut path = String::new();
        for step in 0..=40_u32 {
            let ms = self.ms_max * f64::from(step) / 40.0;
            let (margin, delay) = (Duration::ZERO, Duration::from_secs_f64(ms / 1e3));
            let ppm = first_overlap_ppm(&Point { term, rho_ppm, margin, delay }) as f64;
            let letter = if step == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{:.1} {:.1}", self.x(ms), self.y(ppm));
        }
        let _ = writeln!(out, r#"<path d="{path}" fill="none" stroke="{colour}"/>"#);
        let (right, rho) = (WIDTH - RIGHT, self.y(f64::from(rho_ppm)));
        let _ = writeln!(
            out,
            r#"<path d="M{LEFT} {rho:.1}H{right}" stroke="{colour}" stroke-dasharray="3 4"/>"#
        );
    }

    fn legend(&self, out: &mut String, index: usize, rho_ppm: u32, colour: &str) {
        let (x, y) = (WIDTH - RIGHT + 14.0, TOP + 14.0 + 22.0 * index as f64);
        let _ = writeln!(
            out,
            r#"<path d="M{x} {:.1}h18" stroke="{colour}" stroke-width="2"/><text x="{:.1}" y="{y}">ρ = {rho_ppm} ppm</text>"#,
            y - 4.0,
            x + 24.0
        );
    }
}

/// About five round numbers from zero on.
fn ticks(max: f64) -> impl Iterator<Item = f64> {
    let power = 10_f64.powf((max / 5.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| max / step <= 6.0);
    let step = step.unwrap_or(10.0 * power);
    (0..).map(move |n| f64::from(n) * step).take_while(move |value| *value <= max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(ticks(100.0).collect::<Vec<_>>(), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        for max in [1.0, 7.3, 999.0, 61_234.0] {
            assert!((4..=7).contains(&ticks(max).count()), "{max}");
        }
    }

    #[test]
    fn every_measurement_is_a_dot() {
        let ms = Duration::from_millis;
        let point = |delay| Point { term: ms(4_000), rho_ppm: 500, margin: ms(0), delay };
        let text = svg(ms(4_000), &[(point(ms(0)), 1_000), (point(ms(100)), 13_700)]);
        assert_eq!(text.matches("<circle").count(), 2);
        assert!(text.ends_with("</svg>\n"));
    }
}
