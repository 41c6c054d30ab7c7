//! What a run reached: the marks and pairs of [`leasehold_explore::coverage`], and which fault was
//! injected into which operation of a disk or a link ([`Matrix`]).

mod matrix;

pub use leasehold_explore::coverage::{Coverage, Mark, pairs};
pub use matrix::{LinkPath, Matrix, disk_path};
