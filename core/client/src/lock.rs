//! Locks of a file: under the session of this client, which the masters must hear.

use crate::{ClientError, File};
use leasehold_proto::metadata::MetadataAnswer;
use leasehold_proto::tables::Holder;
use leasehold_proto::{
    Extent, FileCall, FileOutcome, Lock, LockKind, LockOwner, OpError, Operation, Outcome, Refusal,
};

/// The whole of a file, however long it grows.
pub const WHOLE_FILE: Extent = Extent { offset: 0, length: u64::MAX };

impl File {
    /// Locks a range for an owner, in place of what the owner had there; false if another owner, here or
    /// at another client, holds a lock that does not allow it.
    ///
    /// Locks are advisory, as POSIX's are. They last until they are unlocked, or until the masters have
    /// not heard this client for the length of a lease; they are lost then, and writes, appends and
    /// truncations of the file are refused with `SessionEnded` until the owner unlocks. No write, append
    /// or cut that was sent under a lost lock takes effect once another client has the lock; that the file got
    /// an empty chunk for it may show as a longer file.
    ///
    /// # Errors
    /// `NotFound` once the file is reclaimed; `TooManyLocks`; those of a cluster that does not answer.
    pub async fn try_lock(
        &self,
        owner: LockOwner,
        range: Extent,
        kind: LockKind,
    ) -> Result<bool, ClientError> {
        match self.set_lock(owner, range, Some(kind)).await {
            Ok(()) => Ok(true),
            Err(error) if error.refusal() == Some(&Refusal::Locked) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// As [`File::try_lock`], and waits for as long as another holds the range. If the wait is given up,
    /// nothing is locked, unless the lock was just granted: unlock then.
    ///
    /// # Errors
    /// As [`File::try_lock`].
    pub async fn lock(
        &self,
        owner: LockOwner,
        range: Extent,
        kind: LockKind,
    ) -> Result<(), ClientError> {
        while !self.try_lock(owner, range, kind).await? {
            self.await_unlocked(owner, range, kind).await?;
        }
        Ok(())
    }

    /// Unlocks what an owner has in a range.
    ///
    /// # Errors
    /// Those of a cluster that does not answer: the lock ends with the session then.
    pub async fn unlock(&self, owner: LockOwner, range: Extent) -> Result<(), ClientError> {
        self.set_lock(owner, range, None).await
    }

    /// One of the locks that do not allow this one, if there are any.
    ///
    /// # Errors
    /// Those of a cluster that does not answer.
    pub async fn conflicting_lock(
        &self,
        owner: LockOwner,
        range: Extent,
        kind: LockKind,
    ) -> Result<Option<Lock<Holder>>, ClientError> {
        let handle = self.handle();
        match self.call(FileCall::Conflict { handle, owner, range, kind }).await? {
            FileOutcome::Conflict(lock) => Ok(lock),
            other => unreachable!("Conflict is answered with a lock, not {other:?}"),
        }
    }

    /// Waits until a lock would be allowed, for `operation_timeout` at the most.
    ///
    /// # Errors
    /// Those of a cluster that refuses.
    pub async fn await_unlocked(
        &self,
        owner: LockOwner,
        range: Extent,
        kind: LockKind,
    ) -> Result<(), ClientError> {
        let (file, wait) = (self.id(), true);
        let op = Operation::Conflict { file, owner, range, kind, wait };
        match self.client().ask(self.path(), op).await {
            Ok(Outcome::Metadata(MetadataAnswer::Conflict(_)))
            | Err(ClientError::Operation { error: OpError::TimedOut { .. }, .. }) => Ok(()),
            Ok(other) => unreachable!("Conflict is answered with a lock, not {other:?}"),
            Err(error) => Err(error),
        }
    }

    async fn set_lock(
        &self,
        owner: LockOwner,
        range: Extent,
        kind: Option<LockKind>,
    ) -> Result<(), ClientError> {
        let (handle, wait) = (self.handle(), false);
        match self.call(FileCall::Lock { handle, owner, range, kind, wait }).await? {
            FileOutcome::Locked => Ok(()),
            other => unreachable!("Lock is answered with nothing, not {other:?}"),
        }
    }
}
