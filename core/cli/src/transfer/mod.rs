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
use crate::entropy;
use crate::failure::Failure;
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

/// A name for what is on its way to become `name`: hidden, and nobody else's.
fn partial_name(name: &str) -> Result<String, Failure> {
    const NAME_BYTES_MAX: usize = 255;
    let suffix = format!(".partial-{:08x}", entropy::draw()? >> 32);
    // A name may be as long as names can be; what is hidden needs only its beginning.
    let mut kept = name.len().min(NAME_BYTES_MAX - 1 - suffix.len());
    while !name.is_char_boundary(kept) {
        kept -= 1;
    }
    Ok(format!(".{}{suffix}", &name[..kept]))
}
