//! From a table to figures: percentiles by kind of operation, intervals over seeds, plots over settings,
//! and what differs between two tables.
//!
//! Quantiles are of all operations of all seeds of a variant; their 95 % intervals come from the
//! bootstrap over seeds. Differences are paired by seed, and their intervals are Student's t. Both are
//! functions of the table: the same table gives the same page.

mod again;
mod compare;
mod page;
mod plots;
mod settings;
mod stats;
mod variant;

pub use again::again;
pub use compare::{Alike, Difference, Paired, alike, paired};
pub use page::{Comparison, Page, Source, citation, finding, interval, number, seeds, sentence};
pub use plots::{Drawn, plots};
pub use settings::{Axis, axes, pairs};
pub use stats::{CONFIDENCE, Interval, mean, quantiles, t_quantile};
pub use variant::{Figures, Kind, QUANTILES, Variant, figures_of, is_whole, variants};
