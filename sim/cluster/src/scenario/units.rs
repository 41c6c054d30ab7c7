//! Durations and sizes as people write them: `500ms`, `2 s`, `64 KiB`. The unit that a key counts in is
//! the end of its name.

/// What the number of a key counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `_ms`, and `at` and `lasts` of a fault.
    Milliseconds,
    /// `_us`.
    Microseconds,
    /// `_bytes`.
    Bytes,
    /// `_bytes_per_second`.
    BytesPerSecond,
    /// `_ppm`.
    Ppm,
    /// `_permille`.
    Permille,
    /// Anything else.
    Count,
}

const DAY_MS: u64 = 86_400_000;
const HOUR_US: u64 = 3_600_000_000;
/// More than any run counts.
pub(super) const MANY: u64 = 1 << 40;

/// Nanoseconds of the units of time.
const TIMES: [(&str, u64); 6] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("min", 60_000_000_000),
    ("s", 1_000_000_000),
    ("h", 3_600_000_000_000),
];
const SIZES: [(&str, u64); 8] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

impl Unit {
    /// The unit of a key, by its name.
    #[must_use]
    pub fn of(key: &str) -> Self {
        match key {
            "at" | "lasts" => Unit::Milliseconds,
            key if key.ends_with("_ms") => Unit::Milliseconds,
            key if key.ends_with("_us") => Unit::Microseconds,
            key if key.ends_with("bytes_per_second") => Unit::BytesPerSecond,
            key if key.ends_with("_bytes") || key.ends_with("_bytes_max") => Unit::Bytes,
            key if key == "ppm" || key.contains("_ppm") => Unit::Ppm,
            key if key.ends_with("_permille") => Unit::Permille,
            _ => Unit::Count,
        }
    }

    /// For the list of keys; nothing where a number counts things.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Unit::Milliseconds => "ms",
            Unit::Microseconds => "us",
            Unit::Bytes => "bytes",
            Unit::BytesPerSecond => "bytes/s",
            Unit::Ppm => "ppm",
            Unit::Permille => "permille",
            Unit::Count => "",
        }
    }

    /// The least and the most, both included, of a key for which nothing else is said.
    pub(super) fn range(self) -> (u64, u64) {
        match self {
            Unit::Milliseconds => (0, DAY_MS),
            Unit::Microseconds => (0, HOUR_US),
            Unit::BytesPerSecond => (1, MANY),
            Unit::Ppm => (0, 1_000_000),
            Unit::Permille => (0, 1_000),
            Unit::Bytes | Unit::Count => (0, MANY),
        }
    }

    /// What a value may look like.
    pub(super) fn wanted(self) -> &'static str {
        match self {
            Unit::Milliseconds => "a duration such as \"500ms\" or \"2s\", or whole milliseconds",
            Unit::Microseconds => "a duration such as \"150us\" or \"2ms\", or whole microseconds",
            Unit::Bytes => "a size such as \"64KiB\" or \"1MB\", or whole bytes",
            Unit::BytesPerSecond => "a rate such as \"100MiB/s\", or whole bytes a second",
            Unit::Ppm => "a whole number of millionths",
            Unit::Permille => "a whole number of thousandths",
            Unit::Count => "a whole number, not below 0",
        }
    }

    /// The number that a text such as `2s` says in this unit; nothing if it is none, or not a whole one.
    pub(super) fn parse(self, text: &str) -> Option<u64> {
        let text = text.trim();
        let (units, own): (&[(&str, u64)], u64) = match self {
            Unit::Milliseconds => (&TIMES, 1_000_000),
            Unit::Microseconds => (&TIMES, 1_000),
            Unit::Bytes | Unit::BytesPerSecond => (&SIZES, 1),
            Unit::Ppm | Unit::Permille | Unit::Count => return None,
        };
        let text = match self {
            Unit::BytesPerSecond => text.strip_suffix("/s").unwrap_or(text),
            _ => text,
        };
        let ends = |(unit, factor): &(&str, u64)| Some((text.strip_suffix(unit)?, *factor));
        let (number, factor) = units.iter().find_map(ends)?;
        let number = scaled(number.trim_end(), factor)?;
        number.is_multiple_of(own).then_some(number / own)
    }

    /// A number of this unit as people would write it, in quotes where it needs a unit.
    #[must_use]
    pub fn show(self, number: u64) -> String {
        let (units, own, end): (&[(&str, u64)], u64, &str) = match self {
            Unit::Milliseconds => (&[("h", 3_600_000), ("min", 60_000), ("s", 1_000)], 1, "ms"),
            Unit::Microseconds => (&[("s", 1_000_000), ("ms", 1_000)], 1, "us"),
            Unit::Bytes | Unit::BytesPerSecond => {
                (&[("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)], 1, "B")
            }
            Unit::Ppm | Unit::Permille | Unit::Count => return number.to_string(),
        };
        let fits = units.iter().find(|(_, factor)| number > 0 && number.is_multiple_of(*factor));
        let (unit, factor) = fits.copied().unwrap_or((end, own));
        let per = if self == Unit::BytesPerSecond { "/s" } else { "" };
        format!("\"{}{unit}{per}\"", number / factor)
    }
}

/// `3 racks`, `1 master`.
#[must_use]
pub fn counted(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// `1.5` times a factor, if that is a whole number.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let number = number.replace('_', "");
    let (whole, part) = number.split_once('.').unwrap_or((&number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || part.len() > 9 {
        return None;
    }
    let tens = 10_u64.pow(u32::try_from(part.len()).ok()?);
    let fraction = if part.is_empty() { 0 } else { part.parse::<u64>().ok()? };
    let fraction = fraction.checked_mul(factor)?;
    let whole = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    fraction.is_multiple_of(tens).then(|| whole.checked_add(fraction / tens))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_in_the_unit_of_their_key() {
        let ms = |text| Unit::Milliseconds.parse(text);
        assert_eq!(
            ["500ms", "2s", "1.5 s", "2 min", "1h"].map(ms),
            [Some(500), Some(2_000), Some(1_500), Some(120_000), Some(3_600_000)]
        );
        assert_eq!(["", "s", "2", "-2s", "1.5ms", "2 weeks", "500us"].map(ms), [None; 7]);
        assert_eq!(Unit::Microseconds.parse("0.5ms"), Some(500));
        let bytes = |text| Unit::Bytes.parse(text);
        assert_eq!(
            ["64KiB", "64 kB", "1.5MiB", "9B"].map(bytes),
            [Some(65_536), Some(64_000), Some(1_572_864), Some(9)]
        );
        assert_eq!(bytes("64K"), None);
        assert_eq!(Unit::BytesPerSecond.parse("100 MiB/s"), Some(100 << 20));
        assert_eq!(Unit::Count.parse("5s"), None);
        assert_eq!(bytes("99999999999 GiB"), None, "more than a number holds");
    }

    #[test]
    fn what_is_shown_is_read_as_the_same_number() {
        for unit in [Unit::Milliseconds, Unit::Microseconds, Unit::Bytes, Unit::BytesPerSecond] {
            for number in [0, 1, 999, 1_000, 1_024, 1_500, 65_536, 60_000, 1 << 30, 7_000_000] {
                let shown = unit.show(number);
                assert_eq!(unit.parse(shown.trim_matches('"')), Some(number), "{shown}");
            }
        }
        assert_eq!(Unit::Milliseconds.show(12_000), "\"12s\"");
        assert_eq!(Unit::Count.show(12), "12");
    }

    #[test]
    fn the_unit_is_the_end_of_a_name() {
        let of = |key, unit| assert_eq!(Unit::of(key), unit, "{key}");
        of("lease_duration_ms", Unit::Milliseconds);
        of("sync_us", Unit::Microseconds);
        of("uplink_bytes_per_second", Unit::BytesPerSecond);
        of("mutation_bytes_max", Unit::Bytes);
        of("clock_drift_ppm_max", Unit::Ppm);
        of("files", Unit::Count);
    }
}
