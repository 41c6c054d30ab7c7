//! Whole clusters in one process, on real sockets and real files.

#![cfg(not(madsim))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod cluster;
mod files;
