//! The master's state as the replicated log makes it, and the stream of committed entries to the
//! machine.

use super::disk::LogDisk;
use super::log_store::LogStore;
use super::types::{LogId, Membership, RaftLogEntry, Snapshot, SnapshotMeta, Types, encode};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use leasehold_proto::{Constants, Input, LogEntry, MasterState};
use leasehold_store::{StoreError, raft_log};
use openraft::entry::RaftEntry;
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::mpsc;

/// Applies committed entries, and hands them to the master machine in their order.
///
/// The machine's `LogIndex` counts the entries that are its own: the consensus library puts others
/// between them, of which the machine knows nothing. It is a function of the log, and so the same
/// on every master.
pub struct StateMachine {
    held: Arc<Mutex<Held>>,
    disk: LogDisk,
    log: LogStore,
    inbox: mpsc::Sender<Input>,
}

/// The state after the last entry that was applied. Snapshots are taken from here, so that the
/// machine's own copy never waits for one.
pub(super) struct Held {
    pub state: MasterState,
    pub last: Option<LogId>,
    membership: Membership,
    keeps_changes: bool,
}

impl StateMachine {
    /// The state that a snapshot gives, or a new one.
    ///
    /// # Errors
    /// `Corrupt` if the snapshot's bytes are not a state of ours.
    pub fn new(
        snapshot: Option<&raft_log::Snapshot>,
        constants: &Constants,
        disk: LogDisk,
        log: LogStore,
        inbox: mpsc::Sender<Input>,
    ) -> Result<(Self, MasterState), StoreError> {
        let held = Held::begin(snapshot, constants)?;
        let state = held.state.clone();
        Ok((StateMachine { held: Arc::new(Mutex::new(held)), disk, log, inbox }, state))
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("nothing panics while it holds the state")
    }

    async fn tell(&self, input: Input) -> io::Result<()> {
        self.inbox.send(input).await.map_err(|_| io::Error::other("the master is gone"))
    }
}

impl Held {
    /// What replay begins with.
    pub fn begin(
        snapshot: Option<&raft_log::Snapshot>,
        constants: &Constants,
    ) -> Result<Self, StoreError> {
        let mut held = match snapshot {
            Some(snapshot) => Held::of(snapshot)?,
            None => Held {
                state: MasterState::new(constants.remembered_clients_max),
                last: None,
                membership: Membership::default(),
                keeps_changes: true,
            },
        };
        held.state.set_rules(&constants.rules);
        held.keeps_changes = constants.rules.snapshot_keeps_changes;
        Ok(held)
    }

    fn of(snapshot: &raft_log::Snapshot) -> Result<Self, StoreError> {
        let corrupt = |why| {
            let name = format!("snapshot/{:016x}.snap", snapshot.index);
            StoreError::Corrupt { name, offset: 32, why }
        };
        let meta: SnapshotMeta = postcard::from_bytes(&snapshot.meta)
            .map_err(|_| corrupt("its name does not decode"))?;
        let state = postcard::from_bytes(&snapshot.state)
            .map_err(|_| corrupt("its state does not decode"))?;
        let (last, membership) = (meta.last_log_id, meta.last_membership);
        Ok(Held { state, last, membership, keeps_changes: true })
    }

    /// The state as a snapshot has it. What is remembered of clients is a part of it: whoever
    /// begins with the snapshot is requested again for what was answered before.
    fn image(&self) -> MasterState {
        let mut image = self.state.clone();
        if !self.keeps_changes {
            image.forget_sessions();
        }
        image
    }

    /// Applies an entry; gives what the machine is to learn of it.
    pub fn apply(&mut self, entry: RaftLogEntry) -> Option<(Input, leasehold_proto::LogIndex)> {
        self.last = Some(entry.log_id());
        if let Some(membership) = entry.get_membership() {
            self.membership = Membership::new(self.last, membership);
        }
        let entry = normal(entry)?;
        let index = self.state.applied().next();
        let _ = self.state.apply(index, &entry);
        Some((Input::Committed { index, entry }, index))
    }

    fn meta(&self) -> SnapshotMeta {
        SnapshotMeta { last_log_id: self.last, last_membership: self.membership.clone() }
    }
}

fn normal(entry: RaftLogEntry) -> Option<LogEntry> {
    match entry.payload {
        EntryPayload::Normal(proposal) => Some(proposal.0),
        EntryPayload::Blank | EntryPayload::Membership(_) => None,
    }
}

impl RaftStateMachine<Types> for StateMachine {
    type SnapshotData = Bytes;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, Membership), io::Error> {
        let held = self.lock();
        Ok((held.last, held.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            let applied = self.lock().apply(entry);
            let index = match applied {
                Some((input, index)) => {
                    // In the inbox before its proposer is answered.
                    self.tell(input).await?;
                    Some(index)
                }
                None => None,
            };
            if let Some(responder) = responder {
                responder.send(index);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder { held: self.held.clone(), disk: self.disk.clone(), log: self.log.clone() }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        bytes: Bytes,
    ) -> Result<(), io::Error> {
        let snapshot = stored(meta, &bytes);
        let mut held = Held::of(&snapshot).map_err(io::Error::other)?;
        {
            let before = self.lock();
            held.state.set_rules_of(&before.state);
            held.keeps_changes = before.keeps_changes;
        }
        self.log.covered(self.disk.save(snapshot).await?);
        let state = Box::new(held.state.clone());
        *self.lock() = held;
        self.tell(Input::Installed { state }).await
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        let Some(snapshot) = self.disk.load().await? else { return Ok(None) };
        let meta = postcard::from_bytes(&snapshot.meta).map_err(io::Error::other)?;
        Ok(Some(Snapshot { meta, snapshot: snapshot.state.into() }))
    }
}

/// Makes a snapshot of what was applied.
pub struct SnapshotBuilder {
    held: Arc<Mutex<Held>>,
    disk: LogDisk,
    log: LogStore,
}

impl RaftSnapshotBuilder<Types> for SnapshotBuilder {
    type SnapshotData = Bytes;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let (meta, state) = {
            let held = self.held.lock().expect("nothing panics while it holds the state");
            (held.meta(), held.image())
        };
        let bytes = Bytes::from(encode(&state));
        self.log.covered(self.disk.save(stored(&meta, &bytes)).await?);
        Ok(Snapshot { meta, snapshot: bytes })
    }
}

fn stored(meta: &SnapshotMeta, state: &Bytes) -> raft_log::Snapshot {
    let index = meta.last_log_id.map_or(0, |id| id.index);
    raft_log::Snapshot { index, meta: encode(meta), state: state.to_vec() }
}
