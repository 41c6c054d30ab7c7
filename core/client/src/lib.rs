//! The client library: files of a cluster as an async program wants them.
//!
//! A [`Client`] is a handle to a session: a driver task that runs the protocol's client machine.
//! It is cheap to clone, and the session ends when its last clone is gone. The machine finds the
//! leader and the primaries, cuts files into chunks, retries, and never runs an operation twice; this
//! module adds handles that close themselves, checksums, streams, and waiting.
//!
//! ```no_run
//! use leasehold_client::{Client, ClientOptions, FileSpec};
//! use leasehold_proto::NodeId;
//!
//! # async fn example() -> Result<(), leasehold_client::ClientError> {
//! let session = NodeId(0x5eed_0000_0000_0001); // draw it at random: it names this session
//! let masters = vec![(NodeId(1), "127.0.0.1:7400".parse().expect("an address"))];
//! let client = Client::connect(ClientOptions::new(session, masters)).await?;
//!
//! client.mkdir("/logs").await?;
//! let file = client.create("/logs/today", FileSpec::default()).await?;
//! let at = file.append("first record\n").await?;
//! assert_eq!(&file.read(at, 13).await?[..], b"first record\n");
//! for (name, info) in client.list("/logs").await? {
//!     println!("{name}: {} chunks", info.chunks);
//! }
//! # Ok(())
//! # }
//! ```

mod answers;
mod error;
mod file;
mod identity;
mod lock;
mod names;
mod reader;
mod trash;
mod writer;
#[cfg(not(madsim))]
mod connect;
#[cfg(test)]
mod tests;

pub use answers::{Answer, Answers, Settler, answers};
#[cfg(not(madsim))]
pub use connect::ClientOptions;
pub use error::ClientError;
pub use file::File;
pub use identity::Identity;
pub use leasehold_proto::metadata::Special;
pub use leasehold_proto::metadata::{
    ChunkStatus, ClusterStatus, ConstantsStatus, FileInfo, FileKind, FileSpec, ReplicaStatus,
    SafeModeStatus, ServerStatus, TrashEntry, UnreportedChunk,
};
pub use leasehold_proto::{
    Extent, LockKind, LockOwner, Name, OpError, Path, Refusal, SetAttributes, SetTime, SyncPolicy,
    XattrCondition,
};
pub use leasehold_store::Buffers;
pub use lock::WHOLE_FILE;
pub use reader::Reader;
pub use writer::Writer;

use leasehold_proto::metadata::{MetadataAnswer, MetadataChange, MetadataQuery};
use leasehold_proto::{
    ChunkHandle, Constants, FileCall, FileHandle, FileOutcome, Input, NodeId, Operation, Outcome,
    RequestId, Setting,
};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// A session with a cluster, with the credentials of its calls.
#[derive(Clone, Debug)]
pub struct Client {
    session: Arc<Session>,
    identity: Arc<Identity>,
}

#[derive(Debug)]
struct Session {
    inbox: mpsc::Sender<Input>,
    answers: Answers,
    constants: Constants,
    /// Handles that their owners dropped: the machine forgets them before the next request.
    dropped: Mutex<Vec<FileHandle>>,
    /// Goes with the last handle, which ends the driver that waits for it.
    _alive: Option<oneshot::Sender<()>>,
    reach: Reach,
}

/// Says which nodes could not be reached when they were tried last, and why. A client over a driver
/// that somebody else runs knows nothing of it.
struct Reach(Option<Box<dyn Fn() -> Vec<String> + Send + Sync>>);

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.unreachable()).finish()
    }
}

impl Reach {
    fn unreachable(&self) -> Vec<String> {
        self.0.as_ref().map_or_else(Vec::new, |ask| ask())
    }
}

/// The answer to a request that is on its way.
type Pending = oneshot::Receiver<Answer>;

impl Client {
    /// A client over a driver that somebody else runs: `inbox` is the driver's, and its outbox
    /// settles what the other end of `answers` entered. For simulations and tests; programs call
    /// [`Client::connect`].
    #[must_use]
    pub fn over(inbox: mpsc::Sender<Input>, answers: Answers, constants: Constants) -> Self {
        Client::new(inbox, answers, constants, None, Reach(None))
    }

    fn new(
        inbox: mpsc::Sender<Input>,
        answers: Answers,
        constants: Constants,
        alive: Option<oneshot::Sender<()>>,
        reach: Reach,
    ) -> Self {
        let dropped = Mutex::new(Vec::new());
        let session = Session { inbox, answers, constants, dropped, _alive: alive, reach };
        Client { session: Arc::new(session), identity: Arc::new(Identity::default()) }
    }

    /// The nodes that could not be reached when they were tried last, each with its address and the
    /// reason, as a person reads it.
    #[must_use]
    pub fn unreachable(&self) -> Vec<String> {
        self.session.reach.unreachable()
    }

    /// The constants of the cluster as this session was told them.
    #[must_use]
    pub fn constants(&self) -> &Constants {
        &self.session.constants
    }

    /// The same session with other credentials.
    #[must_use]
    pub fn as_caller(&self, identity: Identity) -> Client {
        Client { session: self.session.clone(), identity: Arc::new(identity) }
    }

    /// The credentials of its calls.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// A chunkserver is gone for good: it is listed no more, unless it registers again.
    ///
    /// # Errors
    /// `NotFound` if it never registered, `Invalid` if it is heard.
    pub async fn forget_server(&self, node: NodeId) -> Result<(), ClientError> {
        let change = MetadataChange::ForgetServer { node };
        self.metadata(&node.to_string(), Operation::Change(change)).await.map(drop)
    }

    /// The cluster at a glance.
    ///
    /// # Errors
    /// Only those of a cluster that does not answer.
    pub async fn status(&self) -> Result<ClusterStatus, ClientError> {
        match self.metadata("status", Operation::Query(MetadataQuery::Status)).await? {
            MetadataAnswer::Status(status) => Ok(*status),
            other => unreachable!("Status is answered with a status, not {other:?}"),
        }
    }

    /// What the leader waits for before it repairs and deletes; none if it does not wait.
    ///
    /// # Errors
    /// Only those of a cluster that does not answer.
    pub async fn safe_mode(&self) -> Result<Option<SafeModeStatus>, ClientError> {
        self.of_safe_mode(MetadataQuery::SafeMode).await
    }

    /// The cluster's constants, and who still goes by others.
    ///
    /// # Errors
    /// Only those of a cluster that does not answer.
    pub async fn constants_status(&self) -> Result<ConstantsStatus, ClientError> {
        match self.metadata("constants", Operation::Query(MetadataQuery::Constants)).await? {
            MetadataAnswer::Constants(status) => Ok(*status),
            other => unreachable!("Constants is answered with constants, not {other:?}"),
        }
    }

    /// Begins a change of the cluster's constants. It is finished when `constants_status` says so.
    ///
    /// # Errors
    /// `Invalid` if a change is under way, a constant is fixed, or they would contradict each other.
    pub async fn set_constants(&self, settings: Vec<Setting>) -> Result<(), ClientError> {
        let change = MetadataChange::SetConstants { settings };
        self.metadata("constants", Operation::Change(change)).await.map(drop)
    }

    /// Has the leader repair and delete from now on, whatever is not reported. What it waited for;
    /// none if it did not wait any more. The next leader waits again.
    ///
    /// # Errors
    /// Only those of a cluster that does not answer.
    pub async fn leave_safe_mode(&self) -> Result<Option<SafeModeStatus>, ClientError> {
        self.of_safe_mode(MetadataQuery::LeaveSafeMode).await
    }

    async fn of_safe_mode(
        &self,
        query: MetadataQuery,
    ) -> Result<Option<SafeModeStatus>, ClientError> {
        match self.metadata("safe mode", Operation::Query(query)).await? {
            MetadataAnswer::SafeMode(status) => Ok(status.map(|status| *status)),
            other => unreachable!("SafeMode is answered with safe mode, not {other:?}"),
        }
    }

    /// Every chunk with every replica that the master knows of, in order of handle, for `fsck`.
    ///
    /// # Errors
    /// Only those of a cluster that does not answer.
    pub async fn chunks(&self) -> Result<Vec<ChunkStatus>, ClientError> {
        let mut all = Vec::new();
        let mut from = ChunkHandle(0);
        loop {
            let query = MetadataQuery::Chunks { from };
            match self.metadata("chunks", Operation::Query(query)).await? {
                MetadataAnswer::Chunks { chunks, next } => {
                    all.extend(chunks);
                    match next {
                        Some(next) if next > from => from = next,
                        _ => return Ok(all),
                    }
                }
                other => unreachable!("Chunks is answered with chunks, not {other:?}"),
            }
        }
    }

    async fn metadata(&self, path: &str, op: Operation) -> Result<MetadataAnswer, ClientError> {
        match self.ask(path, op).await? {
            Outcome::Metadata(answer) => Ok(answer),
            other => unreachable!("metadata is answered with metadata, not {other:?}"),
        }
    }

    async fn ask(&self, path: &str, op: Operation) -> Result<Outcome, ClientError> {
        let pending = self.begin(op).await?;
        self.finish(path, pending).await
    }

    async fn finish(&self, path: &str, pending: Pending) -> Result<Outcome, ClientError> {
        let answer = pending.await.map_err(|_| ClientError::Closed)?;
        answer.map_err(|error| {
            let unreachable = match error {
                OpError::Refused(_) => Vec::new(),
                OpError::TimedOut { .. } | OpError::Partly { .. } => self.unreachable(),
            };
            ClientError::Operation { path: path.to_owned(), error, unreachable }
        })
    }

    async fn finish_call(&self, path: &str, pending: Pending) -> Result<FileOutcome, ClientError> {
        match self.finish(path, pending).await? {
            Outcome::File(outcome) => Ok(outcome),
            other => unreachable!("a file call is answered as one, not {other:?}"),
        }
    }

    /// Hands an operation to the machine; the answer comes by the channel.
    async fn begin(&self, op: Operation) -> Result<Pending, ClientError> {
        self.enter(|id| Input::Request { caller: self.identity.caller(), id, op }).await
    }

    async fn begin_call(&self, call: FileCall) -> Result<Pending, ClientError> {
        for handle in self.take_dropped() {
            let closing = self.enter(|id| Input::File {
                caller: self.identity.caller(),
                id,
                call: FileCall::Close { handle },
            });
            // Its answer says nothing.
            drop(closing.await?);
        }
        self.enter(|id| Input::File { caller: self.identity.caller(), id, call }).await
    }

    async fn enter(&self, input: impl FnOnce(RequestId) -> Input) -> Result<Pending, ClientError> {
        let (id, answer) = self.session.answers.enter().await.ok_or(ClientError::Closed)?;
        self.session.inbox.send(input(id)).await.map_err(|_| ClientError::Closed)?;
        Ok(answer)
    }

    /// The machine forgets this handle before the next file call. `drop` cannot wait for room in the
    /// inbox.
    fn close(&self, handle: FileHandle) {
        self.session.dropped.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
    }

    fn take_dropped(&self) -> Vec<FileHandle> {
        std::mem::take(&mut *self.session.dropped.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
