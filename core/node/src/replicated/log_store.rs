//! The log as the consensus library reads and writes it: what was not purged is in memory too.

use super::disk::LogDisk;
use super::types::{LogId, RaftLogEntry, Types, Vote, encode};
use leasehold_proto::Rules;
use leasehold_store::StoreError;
use leasehold_store::raft_log::{Mark, RaftChange, Recovered};
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::type_config::alias::VoteOf;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::sync::{Arc, Mutex, MutexGuard};

/// Entries handed out for one message to a follower at the most, in bytes as they were encoded.
const READ_BYTES_MAX: usize = 1 << 20;

/// A master's log. Copies share one log.
#[derive(Clone)]
pub struct LogStore {
    disk: LogDisk,
    kept: Arc<Mutex<Kept>>,
    rules: Rules,
}

#[derive(Default)]
struct Kept {
    vote: Option<Vote>,
    purged: Option<LogId>,
    entries: BTreeMap<u64, (RaftLogEntry, usize)>,
    /// See [`leasehold_store::RaftLog::purgeable`].
    purgeable: Option<u64>,
}

impl LogStore {
    /// The log of an opened disk.
    ///
    /// # Errors
    /// `Corrupt` if an entry, a vote or a mark is not the library's.
    pub fn new(
        disk: LogDisk,
        recovered: &Recovered,
        purgeable: Option<u64>,
        rules: Rules,
    ) -> Result<Self, StoreError> {
        let mut kept = Kept { purgeable, ..Kept::default() };
        kept.vote = recovered.vote.as_deref().map(|vote| decode(vote, "a vote")).transpose()?;
        if let Some(mark) = &recovered.purged {
            kept.purged = Some(decode(&mark.id, "a mark")?);
        }
        for (index, bytes) in &recovered.entries {
            kept.entries.insert(*index, (decode(bytes, "an entry")?, bytes.len()));
        }
        let kept = Arc::new(Mutex::new(kept));
        Ok(LogStore { disk, kept, rules })
    }

    /// From here on two snapshots cover the log up to this entry.
    pub(super) fn covered(&self, purgeable: Option<u64>) {
        self.lock().purgeable = purgeable;
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("nothing panics while it holds the log")
    }
}

pub(super) fn decode<'a, T: serde::Deserialize<'a>>(
    bytes: &'a [u8],
    what: &'static str,
) -> Result<T, StoreError> {
    let (name, offset) = ("raft".to_owned(), 0);
    postcard::from_bytes(bytes).map_err(|_| StoreError::Corrupt { name, offset, why: what })
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<R>(&mut self, range: R) -> Result<Vec<RaftLogEntry>, io::Error>
    where
        R: RangeBounds<u64> + Clone + Debug + Send,
    {
        let kept = self.lock();
        Ok(kept.entries.range(range).map(|(_, (entry, _))| entry.clone()).collect())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.lock().vote)
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<RaftLogEntry>, io::Error> {
        let kept = self.lock();
        let mut bytes = 0;
        let mut entries = Vec::new();
        for (entry, size) in kept.entries.range(start..end).map(|(_, kept)| kept) {
            bytes += size;
            if bytes > READ_BYTES_MAX && !entries.is_empty() {
                break;
            }
            entries.push(entry.clone());
        }
        Ok(entries)
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let kept = self.lock();
        let last = kept.entries.last_key_value().map(|(_, (entry, _))| entry.log_id());
        Ok(LogState { last_purged_log_id: kept.purged, last_log_id: last.or(kept.purged) })
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &VoteOf<Types>) -> Result<(), io::Error> {
        let durable = self.disk.write(RaftChange::Vote(encode(vote)));
        // Raft §5.2: a vote forbids those below it. One that a crash takes away forbids nothing.
        if self.rules.vote_is_durable {
            durable.await?;
        }
        self.lock().vote = Some(*vote);
        Ok(())
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = RaftLogEntry> + Send,
        I::IntoIter: Send,
    {
        let mut changes = Vec::new();
        {
            let mut kept = self.lock();
            for entry in entries {
                let (index, bytes) = (entry.log_id().index, encode(&entry));
                kept.entries.insert(index, (entry, bytes.len()));
                changes.push(RaftChange::Append { index, entry: bytes });
            }
        }
        self.disk.append(changes, callback);
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        let index = last.map_or(0, |last| last.index + 1);
        self.lock().entries.split_off(&index);
        self.disk.write(RaftChange::CutFrom { index }).await
    }

    /// Purges as far as two snapshots cover the log: less than requested is allowed, and what is
    /// kept stands in for a newest snapshot that rots.
    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        let Some(upto) = self.lock().purge(upto) else { return Ok(()) };
        let mark = Mark { index: upto.index, id: encode(&upto) };
        self.disk.write(RaftChange::Purge(mark)).await
    }
}

impl Kept {
    fn purge(&mut self, upto: LogId) -> Option<LogId> {
        let last = self.entries.last_key_value().map(|(index, _)| *index);
        // A peer's snapshot from above the log replaces it all.
        let replaced = last.is_none_or(|last| last < upto.index);
        let upto = match replaced {
            true => upto,
            false => {
                let index = self.purgeable?.min(upto.index);
                self.entries.get(&index)?.0.log_id()
            }
        };
        if self.purged.is_some_and(|purged| purged.index >= upto.index) {
            return None;
        }
        self.entries = self.entries.split_off(&(upto.index + 1));
        self.purged = Some(upto);
        Some(upto)
    }
}
