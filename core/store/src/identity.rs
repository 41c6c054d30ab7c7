//! Who a chunkserver is: the uuid on its disk, and a life counted up at every start.

use crate::disk::{Disk, DiskError};
use crate::error::StoreError;
use crate::sealed;
use leasehold_proto::{Incarnation, NodeId};
use serde::{Deserialize, Serialize};

const NAME: &str = "identity";

/// A chunkserver's name and life. Whoever holds one knows that no earlier life had this
/// incarnation: it was durable before it was returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The uuid.
    pub node: NodeId,
    /// This life.
    pub incarnation: Incarnation,
}

impl Identity {
    /// Begins the next life of the disk's server, or the first one of a new server whose uuid
    /// `uuid` draws. Call it once per process, before anything is answered.
    ///
    /// A disk with a journal and no identity lost a name that promises were made under, and is
    /// refused: under a new uuid it would be another server, and must be empty.
    pub fn load_or_create<D: Disk>(
        disk: &D,
        uuid: impl FnOnce() -> u64,
    ) -> Result<Identity, StoreError> {
        let last = match Identity::load(disk)? {
            Some(last) => last,
            None if has_journal(disk)? => {
                let why = "the disk holds a chunkserver's journal";
                return Err(StoreError::Missing { name: NAME.to_owned(), why });
            }
            None => Identity { node: NodeId(uuid()), incarnation: Incarnation(0) },
        };
        let identity = Identity { incarnation: last.incarnation.next(), ..last };
        sealed::replace(disk, NAME, sealed::IDENTITY, &identity.to_bytes())?;
        disk.sync_dir("")?;
        Ok(identity)
    }

    /// The identity of the last life, if the disk had one.
    pub fn load<D: Disk>(disk: &D) -> Result<Option<Identity>, StoreError> {
        let Some(body) = sealed::load(disk, NAME, sealed::IDENTITY)? else { return Ok(None) };
        match postcard::from_bytes(&body) {
            Ok(identity) => Ok(Some(identity)),
            Err(_) => Err(StoreError::corrupt(NAME, 32, "not an identity")),
        }
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        postcard::to_allocvec(&self).expect("two integers encode")
    }
}

fn has_journal<D: Disk>(disk: &D) -> Result<bool, StoreError> {
    match disk.list(crate::chunk_store::JOURNAL_FOLDER) {
        Ok(names) => Ok(names.iter().any(|name| name.ends_with(".log"))),
        Err(DiskError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
