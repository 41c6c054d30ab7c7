//! The section about what clients do.

use super::key::{section, words};
use super::span::Span;
use serde::{Deserialize, Serialize};

section! {
    /// What clients do, each one thing after another. Files are numbered from 0: those of even number hold
    /// cells, for writes and reads, those of odd number hold records, for appends.
    pub struct Workload {
        /// Files that all clients share.
        files: Span = Span::new(3, 6), 1..=100_000;
        /// Every cell of every file of cells is written once before clients begin.
        #[serde(skip_serializing_if = "is_false")]
        prefill: bool = false;
        /// Client i works on the i-th file of its kind only, and begins again at the first.
        #[serde(skip_serializing_if = "is_false")]
        own_files: bool = false;
        /// Size of each of their chunks.
        chunk_bytes: u64 = 65_536, 64..=1 << 30;
        /// Replicas wanted of each chunk.
        replicas: Span = Span::of(3), 1..=32;
        /// Whole cells of this size are written, so that a read can be judged by itself.
        cell_bytes: u64 = 1_024, 64..=1 << 30;
        /// Cells that one write or read covers; small numbers are likelier.
        run_cells: Span = Span::of(1), 1..=1 << 20;
        /// Where the next write or read begins.
        order: Order = Order::Random;
        /// Operations that go to the first file of their kind, in thousandths.
        hot_permille: u32 = 0;
        /// Size of a record that is appended.
        record_bytes: Span = Span::new(64, 2_048), 64..=1 << 30;
        /// Chunks of a file that writes go to.
        chunks_per_file: u64 = 3, 1..=10_000;
        /// Pause between two operations of a client.
        think_ms: Span = Span::new(5, 60);
        /// Operations of each client, after which it rests. Left out: it works to the end.
        #[serde(skip_serializing_if = "Option::is_none")]
        operations_max: Option<u64> = None;
        /// Relative frequency of writes.
        write: u32 = 40, 0..=1_000_000;
        /// Relative frequency of appends, which need a file of records: two files.
        append: u32 = 25, 0..=1_000_000;
        /// Relative frequency of strong reads.
        read: u32 = 25, 0..=1_000_000;
        /// Relative frequency of relaxed reads.
        relaxed_read: u32 = 5, 0..=1_000_000;
        /// Relative frequency of changes of names in a client's own directory.
        namespace: u32 = 5, 0..=1_000_000;
        /// Relative frequency of looks into the directory of another client.
        look: u32 = 0, 0..=1_000_000;
        /// Relative frequency of changes of the cluster's constants.
        constants: u32 = 0, 0..=1_000_000;
        /// Relative frequency of requests of the grammar, in one directory that all clients share.
        shared: u32 = 0, 0..=1_000_000;
        /// What requests of the grammar try more than anything else.
        #[serde(skip_serializing_if = "Option::is_none")]
        torture: Option<Torture> = None;
    }
}

/// What requests of the grammar try more than anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Torture {
    /// Deep trees.
    Trees,
    /// Hard and symbolic links.
    Links,
    /// Renames and exchanges.
    Renames,
    /// Long and odd names.
    Names,
    /// Locks, and writes under them.
    Locks,
}

words!(Torture, Order);

impl From<Torture> for leasehold_explore::Torture {
    fn from(by: Torture) -> Self {
        match by {
            Torture::Trees => leasehold_explore::Torture::Trees,
            Torture::Links => leasehold_explore::Torture::Links,
            Torture::Renames => leasehold_explore::Torture::Renames,
            Torture::Names => leasehold_explore::Torture::Names,
            Torture::Locks => leasehold_explore::Torture::Locks,
        }
    }
}

/// Where the next write or read of a client begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Anywhere.
    #[default]
    Random,
    /// Where its last one in the same file ended, from the start again at the end.
    Sequential,
}

impl Workload {
    /// Of every kind of operation, in the order in which `workload` draws them.
    #[must_use]
    pub fn weights(&self) -> [u32; 8] {
        [
            self.write,
            self.append,
            self.read,
            self.relaxed_read,
            self.namespace,
            self.look,
            self.constants,
            self.shared,
        ]
    }
}

fn is_false(value: &bool) -> bool {
    !*value
}
