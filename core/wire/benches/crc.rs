//! The two crates that compute CRC-32C, side by side: `just bench-crc`.
//!
//! Rounds alternate between them, so that a busy machine slows both; the best and the median
//! round are printed, in gigabytes (10⁹) per second.

use std::hint::black_box;
use std::process::ExitCode;
#[allow(clippy::disallowed_types, reason = "a benchmark measures real time")]
use std::time::Instant;

const SIZES: [(&str, usize); 3] = [("4 KiB", 4 << 10), ("64 KiB", 64 << 10), ("4 MiB", 4 << 20)];
const ROUNDS: usize = 41;
const BYTES_PER_ROUND: usize = 256 << 20;

/// A name and what computes the checksum.
type Candidate = (&'static str, fn(&[u8]) -> u32);
const CANDIDATES: [Candidate; 2] =
    [("crc-fast", leasehold_wire::crc32c), ("crc32c", crc32c::crc32c)];

fn main() -> ExitCode {
    println!("{:>8}  {:<8}  {:>11}  {:>11}", "size", "crate", "best GB/s", "median GB/s");
    for (label, size) in SIZES {
        let data: Vec<u8> = (0..size).map(|i| (i ^ (i >> 7) ^ (i >> 13)) as u8).collect();
        if CANDIDATES[0].1(&data) != CANDIDATES[1].1(&data) {
            eprintln!("the two crates differ on {label}");
            return ExitCode::FAILURE;
        }
        let mut rates = [vec![], vec![]];
        for _ in 0..ROUNDS {
            for (rates, (_, crc)) in rates.iter_mut().zip(CANDIDATES) {
                rates.push(round(crc, &data));
            }
        }
        for (rates, (name, _)) in rates.iter_mut().zip(CANDIDATES) {
            rates.sort_by(f64::total_cmp);
            let (best, median) = (rates[ROUNDS - 1], rates[ROUNDS / 2]);
            println!("{label:>8}  {name:<8}  {best:>11.1}  {median:>11.1}");
        }
    }
    ExitCode::SUCCESS
}

/// Gigabytes per second over one round.
#[allow(clippy::disallowed_types, reason = "a benchmark measures real time")]
fn round(crc: fn(&[u8]) -> u32, data: &[u8]) -> f64 {
    let times = BYTES_PER_ROUND / data.len();
    let start = Instant::now();
    for _ in 0..times {
        black_box(crc(black_box(data)));
    }
    (times * data.len()) as f64 / start.elapsed().as_nanos() as f64
}
