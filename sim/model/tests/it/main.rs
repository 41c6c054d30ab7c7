//! What the models must show: green within their bounds, red without a rule, the same with and
//! without their reductions.

mod negatives;
mod reductions;
mod small;
