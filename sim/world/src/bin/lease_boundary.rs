//! `lease_boundary [--out DIR]`: the smallest drift at which two leases overlap, over a grid of
//! term, ρ, margin and delay: measured on the machines and computed. Writes `lease-boundary.csv`
//! and a plot of each term. Exit codes: 0 measured and computed agree and nothing overlaps within
//! ρ, 1 they do not, 2 a wrong argument.

use leasehold_trace::{note, say};
use leasehold_world::boundary::{
    DRIFT_PPM_MAX, Point, first_overlap_ppm, measure, measured_ppm, rule_of_thumb_ppm, svg,
};
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

const TERMS_MS: [u64; 3] = [4_000, 12_000, 60_000];
const RHOS_PPM: [u32; 3] = [100, 1_000, 5_000];
const MARGINS_MS: [u64; 3] = [0, 100, 500];
const DELAYS_MS: [u64; 3] = [0, 100, 400];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let out = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => "reports/out".to_owned(),
        ["--out", out] => out.to_owned(),
        _ => {
            note!("usage: lease_boundary [--out DIR]");
            return ExitCode::from(2);
        }
    };
    let mut csv = "term_ms,rho_ppm,margin_ms,delay_ms,rule_of_thumb_ppm,computed_ppm,measured_ppm,\
                   gap_at_rho_us\n"
        .to_owned();
    let (mut measured, mut wrong) = (Vec::new(), 0);
    for point in grid() {
        let (row, boundary, good) = judged(&point);
        say!("{}", row.trim_end());
        csv.push_str(&row);
        measured.push((point, boundary));
        wrong += u32::from(!good);
    }
    say!("{} points, {wrong} of them not as computed", measured.len());
    if let Err(error) = write(&out, &csv, &measured) {
        note!("{out}: {error}");
        return ExitCode::from(2);
    }
    ExitCode::from(u8::from(wrong > 0))
}

fn grid() -> impl Iterator<Item = Point> {
    let ms = Duration::from_millis;
    TERMS_MS.into_iter().flat_map(move |term| {
        RHOS_PPM.into_iter().flat_map(move |rho_ppm| {
            MARGINS_MS.into_iter().flat_map(move |margin| {
                let point = move |delay| Point {
                    term: ms(term),
                    rho_ppm,
                    margin: ms(margin),
                    delay: ms(delay),
                };
                DELAYS_MS.into_iter().map(point)
            })
        })
    })
}

/// A line of the table, the boundary, and whether all is as it should be: clocks tick in whole
/// nanoseconds, so that measured and computed may differ by one part in a million.
fn judged(point: &Point) -> (String, i64, bool) {
    let computed = first_overlap_ppm(point);
    let measured = measured_ppm(point).unwrap_or(DRIFT_PPM_MAX);
    let within = measure(point, i64::from(point.rho_ppm));
    let Point { term, rho_ppm, margin, delay } = point;
    let mut row = String::new();
    let _ = writeln!(
        row,
        "{},{rho_ppm},{},{},{:.0},{computed},{measured},{}",
        term.as_millis(),
        margin.as_millis(),
        delay.as_millis(),
        rule_of_thumb_ppm(point),
        within.gap_ns / 1_000
    );
    let good = (measured - computed).abs() <= 1 && !within.overlaps;
    (row, measured, good)
}

fn write(out: &str, csv: &str, measured: &[(Point, i64)]) -> std::io::Result<()> {
    std::fs::create_dir_all(out)?;
    std::fs::write(format!("{out}/lease-boundary.csv"), csv)?;
    for term_ms in TERMS_MS {
        let plot = svg(Duration::from_millis(term_ms), measured);
        std::fs::write(format!("{out}/lease-boundary-{}s.svg", term_ms / 1_000), plot)?;
    }
    Ok(())
}
