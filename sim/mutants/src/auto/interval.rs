//! A share and what it says of all mutants.

/// A 95 % interval of a share (Wilson 1927), in percent: from and to.
pub fn wilson(hits: usize, of: usize) -> (f64, f64) {
    if of == 0 {
        return (0.0, 100.0);
    }
    const Z: f64 = 1.959_964;
    let (n, p) = (of as f64, hits as f64 / of as f64);
    let middle = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 100.0 / (1.0 + Z * Z / n);
    ((middle - half).max(0.0) * scale, (middle + half) * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_wilsons() {
        let rounded = |hits, of| {
            let (from, to) = wilson(hits, of);
            ((from * 10.0).round() / 10.0, (to * 10.0).round() / 10.0)
        };
        assert_eq!(rounded(5, 10), (23.7, 76.3));
        assert_eq!(rounded(0, 10), (0.0, 27.8));
        assert_eq!(rounded(10, 10), (72.2, 100.0));
        assert_eq!(rounded(81, 263), (25.5, 36.6));
        assert_eq!(rounded(0, 0), (0.0, 100.0));
    }
}
