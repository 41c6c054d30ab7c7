//! The papers, in the order of the index.

mod gray_cheriton;
mod gfs_pipelining;

use crate::paper::Paper;

/// All of them.
pub const ALL: &[&dyn Paper] = &[&gray_cheriton::GrayCheriton, &gfs_pipelining::GfsPipelining];
