//! Which of the known words did somebody mean?

/// The candidate that is fewest edits away, if it is near enough to be what was meant.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near_enough = word.chars().count().div_ceil(3).max(2);
    candidates
        .map(|candidate| (edits(word, candidate), candidate))
        .min()
        .filter(|(distance, _)| *distance <= near_enough)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("lease", "lease"), 0);
        assert_eq!(edits("kitten", "sitting"), 3);
    }

    #[test]
    fn a_slip_finds_its_word_and_nonsense_finds_none() {
        let words = ["lease_duration", "lease_margin", "listen"];
        assert_eq!(nearest("lease_duraton", words.into_iter()), Some("lease_duration"));
        assert_eq!(nearest("lsten", words.into_iter()), Some("listen"));
        assert_eq!(nearest("zzzzzzzzzzzz", words.into_iter()), None);
    }
}
