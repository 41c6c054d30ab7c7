//! The consensus library's way to the other masters.

use super::link::{Link, Silent};
use super::message::{Answer, Ask, Blob, Piece};
use super::types::{Peer, Snapshot, Types, Vote};
use bytes::Bytes;
use leasehold_proto::NodeId;
use openraft::error::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{Backoff, RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use std::future::Future;
use std::time::Duration;

/// Bytes of a snapshot that one packet carries.
const PIECE_BYTES: usize = 1 << 20;
/// A piece is given up after this long, and the snapshot with it: the library begins it anew.
const PIECE_PATIENCE: Duration = Duration::from_secs(2);
/// A pause after a peer did not answer.
const PAUSE: Duration = Duration::from_millis(50);

/// Makes ways to other masters.
#[derive(Clone)]
pub struct Peers {
    link: Link,
}

impl Peers {
    /// Over this link.
    #[must_use]
    pub fn new(link: Link) -> Self {
        Peers { link }
    }
}

impl RaftNetworkFactory<Types> for Peers {
    type Network = Way;

    async fn new_client(&mut self, target: u64, peer: &Peer) -> Way {
        let node = NodeId(target);
        self.link.learn(node, &peer.address);
        Way { link: self.link.clone(), node, birth: peer.birth }
    }
}

/// The way to one master.
pub struct Way {
    link: Link,
    node: NodeId,
    birth: u64,
}

impl Way {
    async fn ask(&self, ask: Ask, patience: Duration) -> Result<Answer, Unreachable<Types>> {
        let asked = self.link.ask(self.node, Some(self.birth), ask, patience).await;
        asked.map_err(|silent: Silent| Unreachable::new(&silent))
    }

    fn refused(&self, answer: &Answer) -> Unreachable<Types> {
        let why = match answer {
            Answer::OtherDisk => "its disk is not the one that is a member",
            _ => "it refuses",
        };
        Unreachable::from_string(format!("{}: {why}", self.node))
    }
}

impl RaftNetworkV2<Types> for Way {
    type SnapshotData = Bytes;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        match self.ask(Ask::Append(request), option.hard_ttl()).await? {
            Answer::Appended(answer) => Ok(answer),
            other => Err(self.refused(&other).into()),
        }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        match self.ask(Ask::Vote(request), option.hard_ttl()).await? {
            Answer::Voted(answer) => Ok(answer),
            other => Err(self.refused(&other).into()),
        }
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        match self.ask(Ask::PreVote(request), option.hard_ttl()).await? {
            Answer::Voted(answer) => Ok(answer),
            other => Err(self.refused(&other).into()),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        tokio::pin!(cancel);
        let sending = self.send_pieces(vote, snapshot);
        tokio::select! {
            biased;
            closed = &mut cancel => Err(closed.into()),
            sent = sending => sent,
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        match self.ask(Ask::TakeOver(request), option.hard_ttl()).await? {
            Answer::TakesOver(answer) => Ok(answer),
            other => Err(self.refused(&other).into()),
        }
    }

    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(std::iter::repeat(PAUSE)))
    }
}

impl Way {
    async fn send_pieces(
        &self,
        vote: Vote,
        snapshot: Snapshot,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let Snapshot { meta, snapshot: bytes } = snapshot;
        let total = bytes.len() as u64;
        let mut rest = bytes;
        let mut offset = 0;
        loop {
            let piece = rest.split_to(rest.len().min(PIECE_BYTES));
            let length = piece.len() as u64;
            let piece = Piece { vote, meta: meta.clone(), total, offset, bytes: Blob(piece) };
            match self.ask(Ask::Piece(piece), PIECE_PATIENCE).await? {
                Answer::Go => offset += length,
                Answer::Installed(answer) => return Ok(answer),
                other => return Err(self.refused(&other).into()),
            }
        }
    }
}
