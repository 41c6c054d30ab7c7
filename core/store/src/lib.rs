//! Operation log, checkpoint and chunk files over one byte-level disk.

pub mod disk;
