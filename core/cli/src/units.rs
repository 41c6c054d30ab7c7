//! Sizes, durations and dates as people write and read them.

use std::time::Duration;

const SIZE_UNITS: [(&str, u64); 13] = [
    ("", 1),
    ("b", 1),
    ("k", 1 << 10),
    ("kib", 1 << 10),
    ("m", 1 << 20),
    ("mib", 1 << 20),
    ("g", 1 << 30),
    ("gib", 1 << 30),
    ("t", 1 << 40),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
];

/// Nanoseconds of each unit of time.
const TIME_UNITS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Bytes from `4096`, `64KiB`, `64K`, `1.5 GiB` (powers of 1024) or `1GB` (powers of 1000).
pub fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = split_unit(text);
    let unit = unit.to_ascii_lowercase();
    let found = SIZE_UNITS.iter().find(|(name, _)| *name == unit);
    let (_, factor) =
        found.ok_or_else(|| format!("{text:?} is not a size; write 4096, 64KiB or 1.5GiB"))?;
    scale(number, *factor).ok_or_else(|| format!("{text:?} is not a size of whole bytes"))
}

/// A span from `250ms`, `12s`, `1.5h` or `2d`. A bare number is refused: of what?
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_unit(text);
    let found = TIME_UNITS.iter().find(|(name, _)| *name == unit);
    let (_, factor) =
        found.ok_or_else(|| format!("{text:?} is not a duration; write 250ms, 12s or 1h"))?;
    let nanos = scale(number, *factor);
    nanos.map(Duration::from_nanos).ok_or_else(|| format!("{text:?} is not a duration"))
}

fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

/// `number` (decimal, at most nine places after the point) times `factor`, if that is whole.
fn scale(number: &str, factor: u64) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if part.len() > 9 {
        return None;
    }
    let denominator = 10_u128.pow(u32::try_from(part.len()).ok()?);
    let digits: u128 = format!("{whole}{part}").parse().ok()?;
    let product = digits.checked_mul(u128::from(factor))?;
    (product % denominator == 0).then(|| u64::try_from(product / denominator).ok())?
}

/// `1023 B`, `1.5 KiB`, `64.0 MiB`: three or four digits, powers of 1024.
pub fn human_size(bytes: u64) -> String {
    let names = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut place = 0;
    while value >= 1023.95 && place + 1 < names.len() {
        value /= 1024.0;
        place += 1;
    }
    format!("{value:.1} {}", names[place])
}

/// `12s`, `250ms`, `90s`: a whole number of the largest unit, up to hours, that loses nothing.
pub fn human_duration(span: Duration) -> String {
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let units = TIME_UNITS.iter().rev();
    let (name, factor) = units
        .filter(|(name, _)| *name != "d")
        .find(|(_, factor)| nanos >= *factor && nanos % factor == 0)
        .unwrap_or(&("ns", 1));
    format!("{}{name}", nanos / factor)
}

/// `2026-11-21 12:44:05`, UTC, from milliseconds since 1970. The civil date is Howard Hinnant's
/// `civil_from_days`.
pub fn date(ms_since_1970: u64) -> String {
    let seconds = ms_since_1970 / 1_000;
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day % 3_600 / 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse_size("4096"), Ok(4096));
        assert_eq!(parse_size("64KiB"), Ok(64 << 10));
        assert_eq!(parse_size("64k"), Ok(64 << 10));
        assert_eq!(parse_size("1.5 GiB"), Ok(3 << 29));
        assert_eq!(parse_size("1GB"), Ok(1_000_000_000));
        for wrong in ["", "x", "4 parsecs", "-1", "1.5", "99999999999999999999", "1..2k"] {
            assert!(parse_size(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("12s"), Ok(Duration::from_secs(12)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("1.5h"), Ok(Duration::from_secs(5400)));
        for wrong in ["", "12", "s", "12 parsecs", "-1s", "1e3s"] {
            assert!(parse_duration(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn durations_read_back_as_written() {
        for text in ["12s", "250ms", "90s", "2m", "1h", "1500us", "0ns"] {
            let span = parse_duration(text).expect(text);
            assert_eq!(parse_duration(&human_duration(span)), Ok(span), "{text}");
        }
        assert_eq!(human_duration(Duration::from_secs(120)), "2m");
        assert_eq!(human_duration(Duration::from_secs(90)), "90s");
    }

    #[test]
    fn human_sizes_change_unit_where_four_digits_end() {
        assert_eq!(human_size(0), "0 B");
        assert_eq!(human_size(1023), "1023 B");
        assert_eq!(human_size(1024), "1.0 KiB");
        assert_eq!(human_size((1 << 20) - 1), "1.0 MiB");
        assert_eq!(human_size(64 << 20), "64.0 MiB");
        assert_eq!(human_size(u64::MAX), "16.0 EiB");
    }

    #[test]
    fn dates() {
        assert_eq!(date(0), "1970-01-01 00:00:00");
        assert_eq!(date(951_782_400_000), "2000-02-29 00:00:00");
        assert_eq!(date(1_795_265_045_999), "2026-11-21 12:44:05");
    }
}
