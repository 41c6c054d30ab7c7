//! The boundary as a picture: one line for each ρ over m + δ, a dot for each measurement.

use super::{Point, first_overlap_ppm};
use leasehold_trace::plot::{Axis, Plot, Stroke};
use std::time::Duration;

/// A plot of one term: `measured` are points and their boundaries, in parts per million.
#[must_use]
pub fn svg(term: Duration, measured: &[(Point, i64)]) -> String {
    let here: Vec<&(Point, i64)> = measured.iter().filter(|(p, _)| p.term == term).collect();
    let spread = |point: &Point| (point.margin + point.delay).as_secs_f64() * 1e3;
    let ms_max = here.iter().map(|(point, _)| spread(point)).fold(1.0, f64::max) * 1.04;
    let ppm_max = here.iter().map(|(_, ppm)| *ppm as f64).fold(1.0, f64::max) * 1.08;
    let title = format!(
        "Drift at which two leases overlap, T = {:.0} s. Lines: computed, m = 0; dots: measured; \
         dashes: ρ",
        term.as_secs_f64()
    );
    let delay = Axis::to("margin m + request-to-answer delay δ, ms", ms_max);
    let mut plot = Plot::new(&title, delay, Axis::to("drift ±d of each clock, ppm", ppm_max));
    let mut rhos: Vec<u32> = here.iter().map(|(point, _)| point.rho_ppm).collect();
    rhos.sort_unstable();
    rhos.dedup();
    for (colour, rho_ppm) in rhos.into_iter().enumerate() {
        plot.line(colour, Stroke::Solid, &computed(term, rho_ppm, ms_max));
        // Below ρ itself nothing may ever overlap.
        let rho = f64::from(rho_ppm);
        plot.line(colour, Stroke::Dashed, &[(0.0, rho), (ms_max, rho)]);
        plot.name(colour, &format!("ρ = {rho_ppm} ppm"));
        for (point, ppm) in here.iter().filter(|(point, _)| point.rho_ppm == rho_ppm) {
            plot.dot(colour, spread(point), *ppm as f64);
        }
    }
    plot.svg()
}

/// The computed boundary without a margin.
fn computed(term: Duration, rho_ppm: u32, ms_max: f64) -> Vec<(f64, f64)> {
    let point = |step: u32| {
        let ms = ms_max * f64::from(step) / 40.0;
        let (margin, delay) = (Duration::ZERO, Duration::from_secs_f64(ms / 1e3));
        (ms, first_overlap_ppm(&Point { term, rho_ppm, margin, delay }) as f64)
    };
    (0..=40).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measurement_is_a_dot() {
        let ms = Duration::from_millis;
        let point = |delay| Point { term: ms(4_000), rho_ppm: 500, margin: ms(0), delay };
        let text = svg(ms(4_000), &[(point(ms(0)), 1_000), (point(ms(100)), 13_700)]);
        assert_eq!(text.matches("<circle").count(), 2);
        assert_eq!(text.matches("stroke-dasharray").count(), 1);
    }
}
