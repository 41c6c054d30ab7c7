//! Invariants, one per file; client histories; consistency checkers.
