//! Conformance: a simulated run is a run of the machines of `core/proto` and of nothing else.
//!
//! A [`Recording`] holds, for every life of every node, what it began with, each input and the effects
//! that it led to. [`conform`] gives the same inputs at the same times to machines of its own, and
//! compares what they want with what is on the recording. A difference says that something beside its
//! inputs reached a machine, or, of a recording that an older build wrote, that the core behaves
//! differently since.

mod conform;
mod file;
mod recording;
mod encoding;

pub use conform::{Difference, Replayed, conform};
pub use file::{RecordingError, RecordingWriter};
pub use recording::{Beginning, Recorded, RecordedEntry, Recording, Wanted, What};
