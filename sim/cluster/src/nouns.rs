//! Numbers with their nouns, for people.

/// `1 crash`, `2 crashes`, `3 histories`, `4 lives`.
#[must_use]
pub fn count(number: impl Into<u64>, noun: &str) -> String {
    let number = number.into();
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {}", plural(noun)),
    }
}

/// Of the last word.
fn plural(noun: &str) -> String {
    let before_y = |stem: &str| !stem.ends_with(['a', 'e', 'i', 'o', 'u']);
    if let Some(stem) = noun.strip_suffix('y').filter(|stem| before_y(stem)) {
        return format!("{stem}ies");
    }
    if let Some(stem) = noun.strip_suffix("fe") {
        return format!("{stem}ves");
    }
    let hisses = ["s", "x", "sh", "ch"].iter().any(|end| noun.ends_with(end));
    format!("{noun}{}", if hisses { "es" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_none_is_plural() {
        let nouns = ["run", "crash", "history", "process life", "key", "box"];
        let of = |number: u64| nouns.map(|noun| count(number, noun)).join(", ");
        assert_eq!(of(1), "1 run, 1 crash, 1 history, 1 process life, 1 key, 1 box");
        assert_eq!(of(0), "0 runs, 0 crashes, 0 histories, 0 process lives, 0 keys, 0 boxes");
    }
}
