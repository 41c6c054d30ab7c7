//! Delta debugging over a list: the smallest part of it that still passes a test.

/// Finds a part of `all` that passes `first` and of which no single element can be left out.
///
/// `first` is given candidates, best first, and says which is the first to pass, if one does, or
/// that it is to end here. `all` itself is taken to pass.
pub fn ddmin<T: Clone>(all: Vec<T>, mut first: impl FnMut(&[Vec<T>]) -> Option<usize>) -> Vec<T> {
    if first(&[Vec::new()]).is_some() {
        return Vec::new();
    }
    let mut kept = all;
    let mut parts = 2;
    while kept.len() > 1 {
        parts = parts.min(kept.len());
        let candidates = candidates(&kept, parts);
        match first(&candidates) {
            Some(which) => {
                // A part alone begins anew; a complement continues as fine as it was.
                parts = if which < parts { 2 } else { (parts - 1).max(2) };
                kept = candidates.into_iter().nth(which).unwrap_or(kept);
            }
            None if parts >= kept.len() => break,
            None => parts *= 2,
        }
    }
    kept
}

/// Each part alone, then all but each part.
fn candidates<T: Clone>(list: &[T], parts: usize) -> Vec<Vec<T>> {
    let bound = |part: usize| part * list.len() / parts;
    let alone = (0..parts).map(|part| list[bound(part)..bound(part + 1)].to_vec());
    let without = (0..parts).map(|part| {
        let (before, after) = (&list[..bound(part)], &list[bound(part + 1)..]);
        [before, after].concat()
    });
    // Of two halves, each is the other's complement.
    if parts == 2 { alone.collect() } else { alone.chain(without).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Minimises 0..n where the wanted ones together make the failure; also how many were tried.
    fn minimise(n: u32, wanted: &[u32]) -> (Vec<u32>, usize) {
        let mut tried = 0;
        let kept = ddmin((0..n).collect(), |candidates| {
            candidates.iter().position(|candidate| {
                tried += 1;
                wanted.iter().all(|want| candidate.contains(want))
            })
        });
        (kept, tried)
    }

    #[test]
    fn exactly_what_is_needed_is_left() {
        assert_eq!(minimise(20, &[7]).0, [7]);
        assert_eq!(minimise(20, &[3, 17]).0, [3, 17]);
        assert_eq!(minimise(33, &[0, 1, 15, 31, 32]).0, [0, 1, 15, 31, 32]);
        assert_eq!(minimise(4, &[0, 1, 2, 3]).0, [0, 1, 2, 3]);
        assert!(minimise(9, &[]).0.is_empty());
        assert_eq!(minimise(1, &[0]).0, [0]);
    }

    #[test]
    fn a_single_cause_takes_logarithmically_many_tries() {
        let (_, tried) = minimise(1_024, &[700]);
        assert!(tried < 40, "{tried}");
    }

    #[test]
    fn it_ends_when_nothing_passes_any_more() {
        let mut calls = 0;
        let kept = ddmin((0..8).collect(), |_: &[Vec<u32>]| {
            calls += 1;
            None
        });
        assert_eq!(kept.len(), 8);
        assert!(calls <= 5, "{calls}");
    }
}
