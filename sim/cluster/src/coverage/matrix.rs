//! Which fault was injected into which operation, and how often.

use leasehold_proto::Message;
use std::collections::BTreeMap;
use std::fmt;

/// Counters by fault and by the operation that met it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matrix(BTreeMap<(&'static str, String), u64>);

impl Matrix {
    /// A fault met an operation.
    pub fn note(&mut self, fault: &'static str, path: impl fmt::Display) {
        *self.0.entry((fault, path.to_string())).or_default() += 1;
    }

    /// Adds what another counted.
    pub fn add(&mut self, other: &Matrix) {
        for (cell, count) in &other.0 {
            *self.0.entry(cell.clone()).or_default() += count;
        }
    }

    /// `fault @ path`, with how often.
    #[must_use]
    pub fn summary(&self) -> BTreeMap<String, u64> {
        self.0.iter().map(|((fault, path), count)| (format!("{fault} @ {path}"), *count)).collect()
    }
}

/// The code path of a disk operation: what it does, and to which kind of file.
#[must_use]
pub fn disk_path(operation: &str, name: &str) -> String {
    let folder = name.split('/').next().unwrap_or_default();
    let of = if folder.is_empty() { "root" } else { folder };
    format!("disk {operation} {of}")
}

/// The code path of a frame on a link: what it says.
#[derive(Clone, Copy, Debug)]
pub struct LinkPath(pub &'static str);

impl LinkPath {
    /// That of a message: its kind.
    #[must_use]
    pub fn of(message: &Message) -> LinkPath {
        LinkPath(leasehold_trace::message_name(message))
    }
}

impl fmt::Display for LinkPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_counted_and_added() {
        let mut one = Matrix::default();
        one.note("torn", disk_path("write", "journal/0007.log"));
        one.note("torn", disk_path("write", "journal/0008.log"));
        let mut sum = one.clone();
        sum.add(&one);
        assert_eq!(sum.summary(), [("torn @ disk write journal".to_owned(), 4)].into());
    }

    #[test]
    fn the_root_has_a_name() {
        assert_eq!(disk_path("sync_dir", ""), "disk sync_dir root");
    }
}
