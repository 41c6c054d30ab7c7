//! Sweeps: many seeds of many scenarios with many settings, a row each.
//!
//! What a sweep is made of is a list of [`Job`]s, the same on every machine, so that shards of it
//! need not know of each other. Worker processes turn jobs into [`Report`]s; the [`Table`] keeps a
//! row of each, and tells which jobs need not be done again.

mod found;
mod grid;
mod job;
mod join;
mod kinds;
mod report;
mod table;
mod totals;

pub use found::Found;
pub use grid::Grid;
pub use job::{Job, Shard, Variant, jobs};
pub use join::{Joined, join};
pub use kinds::{Counts, FIGURES, middle};
pub use report::{Outcome, Report};
pub use table::{Key, Row, Table, TableError, read_rows, write_rows};
pub use totals::{Totals, VariantTotals};
