//! Why a store does not open.

use crate::disk::DiskError;
use leasehold_proto::IoFault;

/// A store that does not open. Nothing was repaired: the operator decides.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk said no.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Bytes that were durable once are no longer what was written. It is never cut away.
    #[error("{name}: corrupt at byte {offset}: {why}")]
    Corrupt {
        /// Which file.
        name: String,
        /// Where in it.
        offset: u64,
        /// What does not fit.
        why: &'static str,
    },
    /// A file of another format version.
    #[error("{name}: format version {found}, this program reads version {expected}")]
    Version {
        /// Which file.
        name: String,
        /// What it says.
        found: u32,
        /// What this program reads.
        expected: u32,
    },
    /// The store was made with another checksum block.
    #[error("{name}: made with block_bytes = {found}, the configuration says {expected}")]
    BlockBytes {
        /// Which file says so.
        name: String,
        /// What it says.
        found: u32,
        /// What the options say.
        expected: u32,
    },
    /// A file that others refer to is not there.
    #[error("{name}: missing, although {why}")]
    Missing {
        /// Which file.
        name: String,
        /// Who needs it.
        why: &'static str,
    },
}

impl StoreError {
    pub(crate) fn corrupt(name: &str, offset: u64, why: &'static str) -> Self {
        StoreError::Corrupt { name: name.to_owned(), offset, why }
    }
}

/// How a failed disk operation ends for the operation that needed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// There was no room, and nothing that was durable changed.
    Full,
    /// The disk is out of service: what it holds is unknown until it is opened anew.
    Failed,
}

impl Trouble {
    /// After a write, or an operation on names.
    pub fn of_write(error: &DiskError) -> Self {
        match error {
            DiskError::NoSpace { .. } => Trouble::Full,
            DiskError::NotFound { .. } | DiskError::Exists { .. } | DiskError::Failed { .. } => {
                Trouble::Failed
            }
        }
    }

    /// After a sync: whatever the reason, pages may be gone that were never written, and a second
    /// sync would say that all is well.
    pub fn of_sync(_: &DiskError) -> Self {
        Trouble::Failed
    }
}

/// A disk's service: after one failure nothing more is asked of it.
#[derive(Debug, Default)]
pub(crate) struct Service {
    failed: bool,
}

impl Service {
    /// Refuses unless the disk is in service.
    pub fn check(&self) -> Result<(), Trouble> {
        if self.failed { Err(Trouble::Failed) } else { Ok(()) }
    }

    /// How work ended, for the caller; a failure ends the service.
    pub fn after<T>(&mut self, done: Result<T, Trouble>) -> Result<T, IoFault> {
        done.map_err(|trouble| self.fault(trouble))
    }

    /// What `trouble` is to the caller; a failure ends the service.
    pub fn fault(&mut self, trouble: Trouble) -> IoFault {
        self.failed |= trouble == Trouble::Failed;
        trouble.into()
    }
}

impl From<Trouble> for IoFault {
    fn from(trouble: Trouble) -> IoFault {
        match trouble {
            Trouble::Full => IoFault::NoSpace,
            Trouble::Failed => IoFault::DiskFailed,
        }
    }
}
