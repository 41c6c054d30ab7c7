//! Which share of the seeds was through after which time, as a plot.

use leasehold_trace::plot::{Axis, Plot, Stroke};

const SHARES: [(f64, &str); 6] = [
    (0.0, "0 %"),
    (0.25, "25 %"),
    (0.5, "50 %"),
    (0.75, "75 %"),
    // Two lines that lie this close share a number.
    (0.99, ""),
    (1.0, "100 %"),
];

/// An SVG of the cumulated shares of some series of microseconds, each by its name.
#[must_use]
pub fn cumulated(title: &str, series: &[(&str, Vec<u64>)]) -> String {
    let longest = series.iter().flat_map(|(_, values)| values).max().copied().unwrap_or(1);
    let seconds_max = (longest as f64 / 1e6 * 1.05).max(0.1);
    let seconds = Axis::to("seconds of virtual time", seconds_max);
    let mut plot = Plot::new(title, seconds, Axis::marked("share of the seeds", 1.0, &SHARES));
    for (colour, (name, values)) in series.iter().enumerate() {
        plot.line(colour, Stroke::Solid, &steps(values, seconds_max));
        plot.name(colour, name);
    }
    plot.svg()
}

/// A stair that rises at each value.
fn steps(values: &[u64], seconds_max: f64) -> Vec<(f64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let (mut points, mut share) = (vec![(0.0, 0.0)], 0.0);
    for (rank, value) in sorted.iter().enumerate() {
        let seconds = *value as f64 / 1e6;
        points.push((seconds, share));
        share = (rank + 1) as f64 / sorted.len() as f64;
        points.push((seconds, share));
    }
    points.push((seconds_max, share));
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_has_its_line_and_its_name() {
        let plot = cumulated("t", &[("one", vec![100_000, 300_000]), ("two", vec![2_000_000])]);
        assert_eq!(plot.matches("fill=\"none\"").count(), 2);
        assert!(plot.contains(">one</text>") && plot.contains(">two</text>"));
    }

    #[test]
    fn half_of_two_values_is_through_at_the_smaller_one() {
        let expected = [(0.0, 0.0), (0.1, 0.0), (0.1, 0.5), (0.3, 0.5), (0.3, 1.0), (2.0, 1.0)];
        assert_eq!(steps(&[300_000, 100_000], 2.0), expected);
    }
}
