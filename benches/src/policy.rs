//! When bytes count as stored: the same two policies that the product has.

use clap::ValueEnum;
use std::fmt;

/// When a hop acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// After fdatasync.
    Durable,
    /// When the operating system has the bytes.
    PageCache,
}

impl Policy {
    /// Both, in the order of the report.
    pub const ALL: [Policy; 2] = [Policy::Durable, Policy::PageCache];

    /// As it is spelt on every command line.
    pub fn name(self) -> &'static str {
        match self {
            Policy::Durable => "durable",
            Policy::PageCache => "page-cache",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
