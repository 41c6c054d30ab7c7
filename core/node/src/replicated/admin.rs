//! What people ask of the masters' log: how it stands, and who is to take part in it.

use super::link::{Link, Silent};
use super::message::{Answer, Ask, MembershipChange};
use super::status::Standing;
use crate::master::TcpCarrier;
use leasehold_proto::NodeId;
use leasehold_runtime::transport::{Transport, TransportOptions};
use leasehold_wire::Role;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc;

/// A master that does not answer within this time is counted as silent.
const PATIENCE: Duration = Duration::from_secs(2);
/// A new master is to have caught up within this time.
const CHANGE_PATIENCE: Duration = Duration::from_secs(120);
/// Masters that send one elsewhere are followed so often.
const REDIRECTS_MAX: usize = 8;
/// Answers that wait to be read at the most.
const ANSWERS_MAX: usize = 64;

/// Asks masters about their log.
pub struct Admin {
    link: Link,
    transport: Transport,
    masters: Vec<NodeId>,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Nobody answered.
    #[error(transparent)]
    Silent(#[from] Silent),
    /// No master leads, or none that can be reached.
    #[error("no master leads at the moment")]
    NoLeader,
    /// A master refused.
    #[error("{0}")]
    Refused(String),
}

impl Admin {
    /// Asks these masters, as a client of this number. Call it inside a tokio runtime.
    #[must_use]
    pub fn new(node: NodeId, masters: Vec<(NodeId, SocketAddr)>) -> Self {
        let numbers: BTreeSet<_> = masters.iter().map(|(node, _)| *node).collect();
        // Machines have nothing to say to it.
        let (inbox, _) = mpsc::channel(1);
        let (packets, mut answers) = mpsc::channel(ANSWERS_MAX);
        let options = TransportOptions {
            node,
            role: Role::Client,
            listen: None,
            masters,
            payload_bytes_max: None,
        };
        let transport = Transport::with_packets(options, inbox, Some(packets));
        let link = Link::new(node, TcpCarrier(transport.sender()), 0);
        let taking = link.clone();
        tokio::spawn(async move {
            while let Some(packet) = answers.recv().await {
                if packet.is_answer {
                    taking.on_answer(&packet);
                }
            }
        });
        Admin { link, transport, masters: numbers.into_iter().collect() }
    }

    /// How each master stands; a silent one by its number.
    pub async fn standings(&self) -> Vec<Result<Standing, Silent>> {
        let asked = self.masters.iter().map(|master| async move {
            match self.link.ask(*master, None, Ask::Standing, PATIENCE).await? {
                Answer::Standing(standing) => Ok(standing),
                _ => Err(Silent(*master)),
            }
        });
        futures_util::future::join_all(asked).await
    }

    /// Changes who the masters are, and returns when that is committed.
    ///
    /// # Errors
    /// `Refused` if the leader cannot do it, `NoLeader`, or `Silent` if its outcome is unknown.
    pub async fn change(&self, change: MembershipChange) -> Result<(), AdminError> {
        let mut to = self.leader().await?;
        for _ in 0..REDIRECTS_MAX {
            let ask = Ask::Change(change.clone());
            match self.link.ask(to, None, ask, CHANGE_PATIENCE).await? {
                Answer::Done => return Ok(()),
                Answer::NotLeader(Some(leader)) if leader != to => to = leader,
                Answer::NotLeader(_) => {
                    tokio::time::sleep(PATIENCE / 10).await;
                    to = self.leader().await?;
                }
                Answer::Failed(why) => return Err(AdminError::Refused(why)),
                other => return Err(AdminError::Refused(format!("it answers {other:?}"))),
            }
        }
        Err(AdminError::NoLeader)
    }

    /// Has every master that answers make a snapshot.
    ///
    /// # Errors
    /// Of the first one that does not.
    pub async fn snapshot(&self) -> Result<(), AdminError> {
        for master in &self.masters {
            match self.link.ask(*master, None, Ask::Snapshot, PATIENCE).await? {
                Answer::Done => {}
                other => return Err(AdminError::Refused(format!("{master} answers {other:?}"))),
            }
        }
        Ok(())
    }

    async fn leader(&self) -> Result<NodeId, AdminError> {
        let standings = self.standings().await;
        let answered = standings.iter().flatten();
        let told = answered.filter_map(|standing| Some((standing.term, standing.leader?)));
        told.max_by_key(|(term, _)| *term).map(|(_, leader)| leader).ok_or(AdminError::NoLeader)
    }

    /// Ends its connections.
    pub async fn close(self) {
        self.transport.close().await;
    }
}
