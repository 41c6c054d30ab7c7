//! A master without peers: its leadership needs no confirmation of others, and it answers what people
//! ask of a master's log.

use crate::executor::Progress;
use crate::gauge::Gauge;
use crate::replicated::message::{Answer, Ask, Asked};
use crate::replicated::status::{Role, Standing};
use crate::replicated::{Link, LogEnded};
use crate::storage::DiskThread;
use leasehold_proto::{Input, IoId, IoOp, IoOutput, LogOp, NodeId};
use leasehold_runtime::driver::Storage;
use leasehold_wire::Packet;
use std::collections::BTreeMap;
use tokio::sync::{mpsc, oneshot};

/// Bytes of questions that it holds at the most: they are a few bytes each.
pub(crate) const PACKETS_BYTES_MAX: usize = 64 << 10;

/// Questions that wait at the most; more are lost, as on a full socket.
pub(crate) const PACKETS_MAX: usize = 64;

/// Its log. Who always leads is told so at once, and not by the disk's thread: reads neither wait for
/// a sync nor wake anybody.
#[derive(Debug)]
pub(crate) struct AloneStorage {
    pub disk: DiskThread,
    /// Where the disk's thread answers too.
    pub inbox: mpsc::Sender<Input>,
}

impl Storage for AloneStorage {
    fn submit(&mut self, batch: Vec<(IoId, IoOp)>) {
        let confirmed = |io| Input::IoDone { io, result: Ok(IoOutput::Confirmed) };
        // A full inbox is waited for by the thread; the loop that empties it cannot.
        let rest: Vec<_> = batch
            .into_iter()
            .filter(|(io, op)| {
                !(*op == IoOp::Log(LogOp::Confirm) && self.inbox.try_send(confirmed(*io)).is_ok())
            })
            .collect();
        if !rest.is_empty() {
            self.disk.submit(rest);
        }
    }
}

/// Answers until it is told to stop, or the log is out of service: then this master can do nothing any
/// more, and ends.
pub(crate) async fn serve(
    node: NodeId,
    link: Link,
    mut packets: mpsc::Receiver<Packet>,
    progress: Gauge<Progress>,
    (mut stopped, mut failure): (oneshot::Receiver<()>, oneshot::Receiver<()>),
) -> Result<(), LogEnded> {
    while let Some(packet) = tokio::select! {
        biased;
        _ = &mut stopped => None,
        Ok(()) = &mut failure => {
            return Err(LogEnded("its disk is out of service, see above".to_owned()));
        }
        packet = packets.recv() => packet,
    } {
        let asked = postcard::from_bytes(&packet.bytes);
        let Ok(Asked { ask, .. }) = asked else {
            tracing::warn!(from = %packet.from, "a question that does not decode");
            continue;
        };
        if let Some(answer) = answer(node, &ask, progress.read()) {
            link.answer(&packet, &answer);
        }
    }
    Ok(())
}

fn answer(node: NodeId, ask: &Ask, progress: Progress) -> Option<Answer> {
    match ask {
        Ask::Standing => Some(Answer::Standing(standing(node, progress))),
        Ask::Change(_) => {
            Some(Answer::Failed("it serves alone, and was not started to have peers".to_owned()))
        }
        Ask::Snapshot => {
            Some(Answer::Failed("it serves alone, and makes its checkpoints by itself".to_owned()))
        }
        // A master with peers has gone astray.
        Ask::Append(_) | Ask::Vote(_) | Ask::PreVote(_) | Ask::Piece(_) | Ask::TakeOver(_) => None,
    }
}

fn standing(node: NodeId, progress: Progress) -> Standing {
    Standing {
        node,
        birth: 0,
        term: 0,
        role: Role::Alone,
        leader: Some(node),
        last: Some(progress.last.0),
        applied: Some(progress.last.0),
        snapshot: progress.checkpoint,
        written: progress.written,
        members: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replicated::message::MembershipChange;
    use leasehold_proto::LogIndex;
    use leasehold_store::Written;

    #[test]
    fn it_says_how_it_stands_and_that_it_has_no_peers() {
        let written = Written { entries: 40, syncs: 5 };
        let progress = Progress { written, last: LogIndex(60), checkpoint: Some(50) };
        let Some(Answer::Standing(standing)) = answer(NodeId(1), &Ask::Standing, progress) else {
            panic!("it answers");
        };
        assert_eq!((standing.role, standing.applied), (Role::Alone, Some(60)));
        assert_eq!((standing.snapshot, standing.written), (Some(50), written));
        let remove = Ask::Change(MembershipChange::Remove { node: NodeId(2) });
        for ask in [remove, Ask::Snapshot] {
            let Some(Answer::Failed(why)) = answer(NodeId(1), &ask, progress) else {
                panic!("it refuses");
            };
            assert!(why.starts_with("it serves alone"), "{why}");
        }
    }
}
