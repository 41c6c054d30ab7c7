//! The binary as people run it: real processes, real files, kill -9.
//!
//! Nothing here waits for luck: a put is fed through a pipe, so a server dies exactly in its
//! middle. Every wait has a limit.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "real files and time")]

mod addresses;
mod cluster;
mod command;
mod configuration;
mod constants;
mod crash;
mod development;
mod directories;
mod files;
mod full_disk;
mod hostile;
mod rot;
mod safe_mode;
mod masters;
mod mount;
mod offline;
mod operators;
mod package;
mod promises;
mod servers;
mod service;
