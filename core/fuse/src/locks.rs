//! Locks of the kernel's processes: `fcntl` and `flock`, in one space, as over NFS.
//!
//! A lock is a lock of the cluster, which other mounts see. Once it is granted, the pages of the file
//! that the kernel kept are dropped: what is read under the lock is what others wrote under theirs.

use crate::call::{Answer, Call};
use crate::convert::{errno, id};
use crate::open::Noted;
use fuser::{Errno, FileHandle, INodeNo, LockOwner, Request};
use leasehold_client::LockOwner as Owner;
use leasehold_client::{Extent, File, LockKind, WHOLE_FILE};
use std::time::Duration;

const F_RDLCK: i32 = 0;
const F_WRLCK: i32 = 1;
const F_UNLCK: i32 = 2;

/// A process that waits for a lock is looked at so often for a signal: fuser does not hand on the kernel's
/// interruptions.
const SIGNAL_POLL: Duration = Duration::from_millis(100);

/// A lock as the kernel requests it.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    owner: Owner,
    range: Extent,
    /// None: unlock.
    kind: Option<LockKind>,
    process: u32,
    /// The thread that waits.
    thread: u32,
}

impl Wanted {
    /// The last byte is `end`.
    pub fn new(
        request: &Request,
        owner: LockOwner,
        (start, end): (u64, u64),
        (kind, process): (i32, u32),
    ) -> Answer<Self> {
        let kind = match kind {
            F_RDLCK => Some(LockKind::Shared),
            F_WRLCK => Some(LockKind::Exclusive),
            F_UNLCK => None,
            _ => return Err(Errno::EINVAL),
        };
        let length = end.checked_sub(start).ok_or(Errno::EINVAL)?.saturating_add(1);
        // What the kernel calls the end of all files.
        let length = if end >= i64::MAX as u64 { u64::MAX - start } else { length };
        let (owner, range) = (Owner(owner.0), Extent::new(start, length));
        Ok(Wanted { owner, range, kind, process, thread: request.pid() })
    }
}

/// A lock in the kernel's terms: first and last byte, kind, process.
pub type Conflict = (u64, u64, i32, u32);

impl Call {
    pub async fn set_lock(
        &self,
        ino: INodeNo,
        handle: FileHandle,
        wanted: Wanted,
        wait: bool,
    ) -> Answer<()> {
        let open = self.file(ino, Some(handle)).await?;
        let Wanted { owner, range, kind, process, .. } = wanted;
        let Some(kind) = kind else {
            // What programs wrote to mapped pages is written before others have the lock.
            self.forget_pages(ino).await;
            return self.answer(open.file.unlock(owner, range)).await;
        };
        let note = Noted { process, handle: handle.0 };
        self.handles().note_lock(open.id, owner, note);
        while !self.answer(open.file.try_lock(owner, range, kind)).await? {
            if !wait {
                return Err(Errno::EAGAIN);
            }
            self.await_unlocked(&open.file, wanted, kind).await?;
        }
        // Again: another thread may have closed another descriptor of the file meanwhile.
        self.handles().note_lock(open.id, owner, note);
        self.forget_pages(ino).await;
        Ok(())
    }

    /// The kernel forgets what it kept of a file. It waits for reads and writes of these pages, which are
    /// tasks here: not on a thread that they need.
    async fn forget_pages(&self, ino: INodeNo) {
        let shared = self.shared.clone();
        let forget = move || shared.notifier.get().map(|notifier| notifier.inval_inode(ino, 0, 0));
        match tokio::task::spawn_blocking(forget).await {
            Ok(None | Some(Ok(()))) => {}
            Ok(Some(Err(error))) => {
                tracing::debug!(%error, "the kernel keeps nothing of a file that was locked");
            }
            Err(error) => tracing::warn!(%error, "the kernel may keep old pages of a file"),
        }
    }

    async fn await_unlocked(&self, file: &File, wanted: Wanted, kind: LockKind) -> Answer<()> {
        let unlocked = file.await_unlocked(wanted.owner, wanted.range, kind);
        tokio::select! {
            ended = unlocked => ended.map_err(|error| errno(&error)),
            () = signalled(wanted.thread) => Err(Errno::EINTR),
        }
    }

    pub async fn find_lock(
        &self,
        ino: INodeNo,
        handle: FileHandle,
        wanted: Wanted,
    ) -> Answer<Conflict> {
        let open = self.file(ino, Some(handle)).await?;
        let nothing = (0, 0, F_UNLCK, 0);
        let Wanted { owner, range, kind: Some(kind), .. } = wanted else { return Ok(nothing) };
        let found = self.answer(open.file.conflicting_lock(owner, range, kind)).await?;
        Ok(found.map_or(nothing, |lock| {
            let kind = match lock.kind {
                LockKind::Shared => F_RDLCK,
                LockKind::Exclusive => F_WRLCK,
            };
            let last = (lock.range.end() - 1).min(i64::MAX as u64);
            // A process of another machine has no number here.
            let process = self.handles().locked_by(open.id, lock.holder.owner).unwrap_or(0);
            (lock.range.offset, last, kind, process)
        }))
    }

    /// An owner closes the file: whatever it has locked there is unlocked.
    pub async fn unlock_all(
        &self,
        ino: INodeNo,
        handle: FileHandle,
        owner: LockOwner,
    ) -> Answer<()> {
        let owner = Owner(owner.0);
        if !self.handles().forget_lock(id(ino), owner) {
            return Ok(());
        }
        self.forget_pages(ino).await;
        let open = self.file(ino, Some(handle)).await?;
        self.answer(open.file.unlock(owner, WHOLE_FILE)).await
    }

    /// A handle is closed for good: owners of open files, which the kernel does not name then, have locked
    /// through it.
    pub async fn unlock_through(&self, ino: INodeNo, handle: FileHandle) -> Answer<()> {
        let mut ended = Ok(());
        for owner in self.handles().locked_through(id(ino), handle.0) {
            ended = ended.and(self.unlock_all(ino, handle, LockOwner(owner.0)).await);
        }
        ended
    }
}

/// Ends when the thread has a signal that it neither blocks nor ignores, or is gone.
async fn signalled(thread: u32) {
    loop {
        tokio::time::sleep(SIGNAL_POLL).await;
        if has_signal(thread) {
            return;
        }
    }
}

fn has_signal(thread: u32) -> bool {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{thread}/status")) else {
        return true;
    };
    let mask = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
    };
    (mask("SigPnd:") | mask("ShdPnd:")) & !mask("SigBlk:") & !mask("SigIgn:") != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_without_signals_waits_on_and_one_that_is_gone_does_not() {
        assert!(!has_signal(std::process::id()));
        assert!(has_signal(u32::MAX));
    }
}
