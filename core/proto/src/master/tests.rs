//! See `scenarios/scripts` for runs of the whole protocol.
