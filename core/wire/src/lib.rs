//! Frames, codec and limits.
