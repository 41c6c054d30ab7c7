//! How a simulated run is told to people.

mod names;

pub use names::Names;
