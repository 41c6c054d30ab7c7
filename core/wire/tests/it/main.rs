//! Frames as their receivers meet them: pinned byte for byte, and hostile.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod samples;
mod goldens;
mod hostile;
mod copies;
