//! Reads every replica by itself and compares it with the others.
//!
//! The client library reads a chunk wherever the cluster likes; here each member is asked by
//! name, with relaxed reads, which check every block against its checksum on the server.

use super::problem::{Problem, is_good};
use super::report::{Finding, Report};
use crate::arguments::ClientArguments;
use crate::entropy;
use crate::failure::Failure;
use crate::session::find_masters;
use leasehold_client::{ChunkStatus, Client};
use leasehold_proto::message::data;
use leasehold_proto::{
    ChunkHandle, ChunkVersion, Envelope, Extent, Input, Message, NodeId, OpId, ReadMode,
};
use leasehold_runtime::transport::{TcpSender, Transport, TransportOptions};
use leasehold_wire::Role;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// A question is requested again after this long ...
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// ... and given up after this many times.
const TRIES_MAX: u32 = 5;

/// Under a lease members may differ for a moment; only what differs this often is a finding.
const COMPARISONS_MAX: u32 = 3;

/// Reads every good member of every chunk, and adds what is wrong to the report.
pub async fn read_replicas(
    client: &Client,
    arguments: &ClientArguments,
    report: &mut Report,
) -> Result<(), Failure> {
    let piece_bytes = u64::from(client.constants().mutation_bytes_max);
    let mut asker = Asker::start(arguments).await?;
    for chunk in report.chunks.clone() {
        let mut members: Vec<NodeId> = chunk
            .replicas
            .iter()
            .filter(|replica| is_good(&chunk, replica))
            .map(|replica| replica.node)
            .collect();
        let problems = asker.read_chunk(&chunk, &mut members, piece_bytes, report).await;
        report.replicas_read += members.len() as u64;
        report.findings.extend(problems.into_iter().map(|problem| Finding::new(&chunk, problem)));
    }
    asker.transport.close().await;
    Ok(())
}

/// A piece as a replica gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    length: u64,
    crc: u32,
    chunk_length: u64,
}

/// Asks chunkservers by name.
struct Asker {
    node: NodeId,
    transport: Transport,
    sender: TcpSender,
    inbox: mpsc::Receiver<Input>,
    last: u64,
    /// Servers that did not answer once: they are not waited for again at every chunk.
    silent: BTreeSet<NodeId>,
}

impl Asker {
    async fn start(arguments: &ClientArguments) -> Result<Asker, Failure> {
        let node = NodeId(entropy::draw()?);
        let options = TransportOptions {
            node,
            role: Role::Client,
            listen: None,
            masters: find_masters(arguments).await?,
            payload_bytes_max: None,
        };
        let (sender, inbox) = mpsc::channel(64);
        let transport = Transport::new(options, sender);
        let sender = transport.sender();
        Ok(Asker { node, transport, sender, inbox, last: 0, silent: BTreeSet::new() })
    }

    /// Reads all members side by side, piece by piece. A member that fails is left out of
    /// `members` from there on.
    async fn read_chunk(
        &mut self,
        chunk: &ChunkStatus,
        members: &mut Vec<NodeId>,
        piece_bytes: u64,
        report: &mut Report,
    ) -> Vec<Problem> {
        let (mut problems, mut offset, mut compared) = (Vec::new(), 0, 0);
        while !members.is_empty() {
            let extent = Extent::new(offset, piece_bytes);
            let answers = self.ask_all(chunk.chunk, chunk.version, members, extent).await;
            let mut pieces = Vec::new();
            for (node, answer) in answers {
                match answer {
                    Ok(piece) => pieces.push((node, piece)),
                    Err(why) => {
                        members.retain(|member| *member != node);
                        problems.push(Problem::Unreadable { node, why });
                    }
                }
            }
            compared += 1;
            let differing = differing(&pieces);
            if differing.is_some() && chunk.leased && compared < COMPARISONS_MAX {
                continue;
            }
            problems.extend(differing.map(|(a, b)| Problem::Differs(a, b)));
            report.bytes_read += pieces.iter().map(|(_, piece)| piece.length).sum::<u64>();
            (offset, compared) = (offset + piece_bytes, 0);
            if pieces.iter().all(|(_, piece)| piece.chunk_length <= offset) {
                break;
            }
        }
        problems
    }

    /// Asks every member for the same piece at the same time.
    async fn ask_all(
        &mut self,
        chunk: ChunkHandle,
        version: ChunkVersion,
        members: &[NodeId],
        extent: Extent,
    ) -> Vec<(NodeId, Result<Piece, String>)> {
        let mut waiting: BTreeMap<u64, NodeId> = BTreeMap::new();
        let mut answers = Vec::new();
        for member in members {
            if self.silent.contains(member) {
                answers.push((*member, Err("does not answer".to_owned())));
                continue;
            }
            self.last += 1;
            waiting.insert(self.last, *member);
        }
        for _ in 0..TRIES_MAX {
            for (number, to) in &waiting {
                self.ask(*number, *to, chunk, version, extent);
            }
            let deadline = Instant::now() + ASK_AGAIN;
            while !waiting.is_empty() {
                let Ok(Some(input)) = timeout_at(deadline, self.inbox.recv()).await else { break };
                let Some((number, answer)) = read_answer(input) else { continue };
                if let Some(node) = waiting.remove(&number) {
                    answers.push((node, answer));
                }
            }
            if waiting.is_empty() {
                break;
            }
        }
        self.silent.extend(waiting.values());
        let silent = waiting.into_values().map(|node| (node, Err("does not answer".to_owned())));
        answers.extend(silent);
        answers
    }

    fn ask(
        &self,
        number: u64,
        to: NodeId,
        chunk: ChunkHandle,
        version: ChunkVersion,
        extent: Extent,
    ) {
        let op = OpId { client: self.node, number };
        let mode = ReadMode::Relaxed;
        let message =
            Message::Data(data::Request::Read(data::Read { op, chunk, version, extent, mode }));
        self.sender.send(Envelope { from: self.node, to, message });
    }
}

/// Which question an input answers, and how.
fn read_answer(input: Input) -> Option<(u64, Result<Piece, String>)> {
    let Input::Deliver(Envelope { message, .. }) = input else { return None };
    let Message::DataReply(data::Reply::Read(data::ReadReply { op, result, payload, .. })) =
        message
    else {
        return None;
    };
    let piece =
        result.map(|chunk_length| Piece { length: payload.len(), crc: payload.crc, chunk_length });
    Some((op.number, piece.map_err(|refusal| refusal.to_string())))
}

/// The first two that gave different bytes.
fn differing(pieces: &[(NodeId, Piece)]) -> Option<(NodeId, NodeId)> {
    let (first, piece) = pieces.first()?;
    let other = pieces.iter().find(|(_, other)| other != piece)?;
    Some((*first, other.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pair_that_differs_is_named() {
        let piece = |crc| Piece { length: 4, crc, chunk_length: 4 };
        let pieces = |crcs: [u32; 3]| {
            crcs.into_iter().enumerate().map(|(n, crc)| (NodeId(n as u64), piece(crc))).collect()
        };
        let alike: Vec<_> = pieces([1, 1, 1]);
        assert_eq!(differing(&alike), None);
        let one_off: Vec<_> = pieces([1, 1, 2]);
        assert_eq!(differing(&one_off), Some((NodeId(0), NodeId(2))));
        assert_eq!(differing(&[]), None);
    }
}
