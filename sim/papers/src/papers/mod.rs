//! The papers, in the order of the index.

mod gray_cheriton;
mod gfs_pipelining;
mod gfs_throughput;
mod gfs_memory;
mod craq_reads;
mod copysets;
mod ford;
mod failure_studies;
mod namenode;
mod threefs;

use crate::paper::Paper;

/// All of them.
pub const ALL: &[&dyn Paper] = &[
    &gray_cheriton::GrayCheriton,
    &gfs_pipelining::GfsPipelining,
    &gfs_throughput::GfsThroughput,
    &gfs_memory::GfsMemory,
    &craq_reads::CraqReads,
    &copysets::Copysets,
    &ford::Ford,
    &failure_studies::FailureStudies,
    &namenode::NameNode,
    &threefs::ThreeFs,
];
