//! Comparisons side by side.
