//! Answers what other masters, and people, ask of this one's log.

use super::device::LogHandle;
use super::disk::LogDisk;
use super::link::Link;
use super::message::{Answer, Ask, Asked, MembershipChange, Piece};
use super::runtime::{Runtime, Tasks};
use super::status::Standing;
use super::types::{Peer, Snapshot, SnapshotMeta, Types, Vote};
use leasehold_proto::NodeId;
use leasehold_wire::Packet;
use openraft::ChangeMembers;
use openraft::error::{ClientWriteError, RaftError};
use openraft::rt::{AsyncRuntime, WatchReceiver};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// Questions that are answered at a time; more are lost, as on a full socket.
const ASKED_MAX: usize = 256;
/// Bytes of a snapshot at the most: beyond, a master is not to be repaired over the network.
const SNAPSHOT_BYTES_MAX: u64 = 64 << 30;
/// A new master's disk is to be known within this time.
const FIRST_WORD: Duration = Duration::from_secs(3);

/// A change is given up after this long: just before the caller stops listening.
const CHANGE_PATIENCE: Duration = Duration::from_secs(110);

/// What answers.
pub(super) struct Server {
    raft: LogHandle,
    link: Link,
    birth: u64,
    disk: LogDisk,
    arriving: Mutex<Option<Arriving>>,
}

/// A snapshot on its way here.
struct Arriving {
    vote: Vote,
    meta: SnapshotMeta,
    bytes: Vec<u8>,
}

impl Server {
    pub fn new(raft: LogHandle, link: Link, birth: u64, disk: LogDisk) -> Arc<Self> {
        Arc::new(Server { raft, link, birth, disk, arriving: Mutex::default() })
    }

    /// Answers until nobody can ask any more.
    pub async fn serve(self: Arc<Self>, mut packets: mpsc::Receiver<Packet>) {
        let room = Arc::new(Semaphore::new(ASKED_MAX));
        while let Some(packet) = packets.recv().await {
            if packet.is_answer {
                self.link.on_answer(&packet);
            } else if let Ok(permit) = room.clone().try_acquire_owned() {
                let server = self.clone();
                // Boxed here: the layers around it would each move it, and it is large.
                drop(Runtime::spawn(Box::pin(async move {
                    server.on_question(packet).await;
                    drop(permit);
                })));
            }
        }
    }

    async fn on_question(&self, packet: Packet) {
        let Ok(Asked { birth, ask }) = postcard::from_bytes(&packet.bytes) else {
            tracing::warn!(from = %packet.from, "a question that does not decode");
            return;
        };
        let answer = match birth.is_none_or(|birth| birth == self.birth) {
            true => self.answer(ask).await,
            false => Some(Answer::OtherDisk),
        };
        if let Some(answer) = answer {
            self.link.answer(&packet, &answer);
        }
    }

    /// None if this master's log has ended: it is then as silent as if it were not there.
    async fn answer(&self, ask: Ask) -> Option<Answer> {
        match ask {
            Ask::Append(request) => {
                self.raft.append_entries(request).await.ok().map(Answer::Appended)
            }
            Ask::Vote(request) => self.raft.vote(request).await.ok().map(Answer::Voted),
            Ask::PreVote(request) => self.raft.pre_vote(request).await.ok().map(Answer::Voted),
            // Boxed: what is seldom asked is not to make every question's task large.
            Ask::Piece(piece) => Box::pin(self.on_piece(piece)).await,
            Ask::TakeOver(request) => {
                let taking = Box::pin(self.raft.handle_transfer_leader(request));
                taking.await.ok().map(Answer::TakesOver)
            }
            Ask::Standing => Some(Answer::Standing(self.standing())),
            Ask::Change(change) => Some(Box::pin(self.on_change(change)).await),
            Ask::Snapshot => match self.raft.trigger().snapshot().await {
                Ok(()) => Some(Answer::Done),
                Err(error) => Some(Answer::Failed(error.to_string())),
            },
        }
    }

    fn standing(&self) -> Standing {
        Standing::of(&self.raft.metrics().borrow_watched(), self.birth, self.disk.written())
    }

    async fn on_piece(&self, piece: Piece) -> Option<Answer> {
        let (vote, meta) = (piece.vote, piece.meta.clone());
        let gathered = {
            let arriving = self.arriving.lock();
            gather(&mut arriving.expect("nothing panics while it holds a snapshot"), piece)
        };
        match gathered {
            Gathered::Wants => Some(Answer::Go),
            Gathered::Astray => Some(Answer::Failed("a piece of another snapshot".to_owned())),
            Gathered::Whole(bytes) => {
                let snapshot = Snapshot { meta, snapshot: bytes.into() };
                let installed = self.raft.install_full_snapshot(vote, snapshot).await;
                installed.ok().map(Answer::Installed)
            }
        }
    }

    async fn on_change(&self, change: MembershipChange) -> Answer {
        let changing = async {
            match change {
                MembershipChange::Add { node, peer } => self.add(node, peer).await,
                MembershipChange::Remove { node } => self.remove(node).await,
            }
        };
        match Tasks::timeout(CHANGE_PATIENCE, changing).await {
            Ok(Ok(())) => Answer::Done,
            Ok(Err(answer)) => answer,
            Err(_) => Answer::Failed("it takes too long; part of it may be done".to_owned()),
        }
    }

    async fn add(&self, node: NodeId, peer: Peer) -> Result<(), Answer> {
        let members = self.standing().members;
        self.link.learn(node, &peer.address);
        let asked = self.link.ask(node, None, Ask::Standing, FIRST_WORD).await;
        let birth = match asked.map_err(|silent| Answer::Failed(silent.to_string()))? {
            Answer::Standing(standing) if standing.node == node => standing.birth,
            _ => return Err(Answer::Failed(format!("another node listens at {}", peer.address))),
        };
        let peer = Peer { birth, ..peer };
        match members.get(&node) {
            Some(member) if member.peer.birth != birth => {
                let why = format!("{node} is a member on another disk: remove it first");
                return Err(Answer::Failed(why));
            }
            Some(member) if member.votes => return Ok(()),
            Some(_) | None => {}
        }
        let learns = self.raft.add_learner(node.0, peer, true).await;
        learns.map_err(refused)?;
        let voters = ChangeMembers::AddVoterIds(BTreeSet::from([node.0]));
        self.raft.change_membership(voters, false).await.map(drop).map_err(refused)
    }

    async fn remove(&self, node: NodeId) -> Result<(), Answer> {
        let members: BTreeMap<_, _> = self.standing().members;
        let Some(member) = members.get(&node) else {
            return Err(Answer::Failed(format!("{node} is no member")));
        };
        let nodes = BTreeSet::from([node.0]);
        let change = match member.votes {
            true => ChangeMembers::RemoveVoters(nodes),
            false => ChangeMembers::RemoveNodes(nodes),
        };
        self.raft.change_membership(change, false).await.map(drop).map_err(refused)
    }
}

/// What a piece made of the snapshot that is on its way here.
enum Gathered {
    Wants,
    Whole(Vec<u8>),
    Astray,
}

/// Puts a piece behind those before it.
fn gather(arriving: &mut Option<Arriving>, piece: Piece) -> Gathered {
    let Piece { vote, meta, total, offset, bytes } = piece;
    let Some(end) = offset.checked_add(bytes.0.len() as u64) else {
        return Gathered::Astray;
    };
    if offset == 0 {
        *arriving = Some(Arriving { vote, meta: meta.clone(), bytes: Vec::new() });
    }
    let Some(found) = arriving.as_mut().filter(|found| found.vote == vote && found.meta == meta)
    else {
        return Gathered::Astray;
    };
    if found.bytes.len() as u64 != offset || end > total || total > SNAPSHOT_BYTES_MAX {
        // A copy of a later piece that is here already is no harm.
        return if end <= found.bytes.len() as u64 { Gathered::Wants } else { Gathered::Astray };
    }
    found.bytes.extend_from_slice(&bytes.0);
    if end < total {
        return Gathered::Wants;
    }
    Gathered::Whole(arriving.take().expect("looked at above").bytes)
}

fn refused(error: RaftError<Types, ClientWriteError<Types>>) -> Answer {
    match &error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => {
            Answer::NotLeader(forward.leader_id.map(NodeId))
        }
        RaftError::APIError(_) | RaftError::Fatal(_) => Answer::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Blob;
    use super::*;

    fn piece(total: u64, offset: u64, bytes: &[u8]) -> Piece {
        let (vote, meta) = (Vote::new(1, 1), SnapshotMeta::default());
        Piece { vote, meta, total, offset, bytes: Blob(bytes.to_vec().into()) }
    }

    #[test]
    fn pieces_make_a_snapshot_and_a_place_beyond_all_numbers_is_no_place() {
        let mut arriving = None;
        assert!(matches!(gather(&mut arriving, piece(5, 0, b"abc")), Gathered::Wants));
        for offset in [4, u64::MAX] {
            assert!(matches!(gather(&mut arriving, piece(5, offset, b"xy")), Gathered::Astray));
        }
        assert!(matches!(gather(&mut arriving, piece(5, 1, b"bc")), Gathered::Wants), "a copy");
        let whole = gather(&mut arriving, piece(5, 3, b"de"));
        assert!(matches!(whole, Gathered::Whole(bytes) if bytes == b"abcde"));
    }
}
