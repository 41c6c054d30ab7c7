//! How a simulated run is shown to people.

mod names;

pub use names::Names;
