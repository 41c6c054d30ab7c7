//! World as its choosers use it: scripts and walks.

// Helpers of tests are tests too, which clippy cannot know.
#![allow(clippy::unwrap_used)]

mod hostile;
mod promises;
mod scripts;
mod walks;
