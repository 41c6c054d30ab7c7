//! World as its choosers use it: scripts and walks.

mod scripts;
mod walks;
