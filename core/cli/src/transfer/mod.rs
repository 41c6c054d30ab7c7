//! Bytes between this machine's files and the cluster: `put`, `get`, `cat` and `append`.

mod append;
mod cat;
mod get;
mod local;
mod progress;
mod put;

pub use append::append;
pub use cat::cat;
pub use get::get;
pub use put::put;

use crate::arguments::{SpecArguments, Sync};
use leasehold_client::{FileSpec, SyncPolicy};

impl From<SpecArguments> for FileSpec {
    fn from(arguments: SpecArguments) -> Self {
        FileSpec {
            chunk_bytes: arguments.chunk_size,
            replicas: arguments.replicas,
            sync: match arguments.sync {
                Sync::Durable => SyncPolicy::Durable,
                Sync::PageCache => SyncPolicy::PageCache,
            },
        }
    }
}
