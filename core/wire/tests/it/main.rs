//! Frames as their receivers meet them: pinned byte for byte, and hostile.

mod samples;
mod goldens;
mod hostile;
mod copies;
