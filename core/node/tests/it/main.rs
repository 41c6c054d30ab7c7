//! Whole clusters in one process, on real sockets and real files.
#![cfg(not(madsim))]

mod cluster;
mod files;
