//! Questions and answers between masters, over whatever carries packets.

use super::message::{Answer, Ask, Asked};
use super::types::encode;
use bytes::Bytes;
use leasehold_proto::NodeId;
use leasehold_wire::Packet;
use openraft::rt::AsyncRuntime;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::oneshot;

/// Carries packets to other nodes. Never blocks; what cannot be sent is lost.
pub trait Carrier: Send + Sync + 'static {
    /// Sends a packet.
    fn send(&self, to: NodeId, packet: Packet);
    /// From here on `node` is to be found at this address; a carrier that finds nodes by their id
    /// needs none.
    fn learn(&self, node: NodeId, address: &str);
}

/// The way to other masters.
#[derive(Clone)]
pub struct Link(Arc<Shared>);

struct Shared {
    node: NodeId,
    carrier: Box<dyn Carrier>,
    last: AtomicU64,
    waiting: Mutex<BTreeMap<u64, oneshot::Sender<Answer>>>,
}

/// No answer in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} does not answer")]
pub struct Silent(pub NodeId);

impl Link {
    /// A link of `node` that numbers its questions from `first`, which is best drawn anew for each
    /// life: an answer to a question of an earlier life is then nobody's.
    #[must_use]
    pub fn new(node: NodeId, carrier: impl Carrier, first: u64) -> Self {
        Link(Arc::new(Shared {
            node,
            carrier: Box::new(carrier),
            last: AtomicU64::new(first),
            waiting: Mutex::default(),
        }))
    }

    /// Asks a master.
    ///
    /// # Errors
    /// `Silent` if no answer comes within `patience`.
    pub async fn ask(
        &self,
        to: NodeId,
        birth: Option<u64>,
        ask: Ask,
        patience: Duration,
    ) -> Result<Answer, Silent> {
        let number = self.0.last.fetch_add(1, Ordering::Relaxed) + 1;
        let (told, answer) = oneshot::channel();
        self.waiting().insert(number, told);
        let forget = Forget { link: self, number };
        let bytes = Bytes::from(encode(&Asked { birth, ask }));
        let packet = Packet { from: self.0.node, to, number, is_answer: false, bytes };
        self.0.carrier.send(to, packet);
        let answer = super::runtime::Tasks::timeout(patience, answer).await;
        drop(forget);
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(Silent(to)),
        }
    }

    /// Answers a question.
    pub fn answer(&self, asked: &Packet, answer: &Answer) {
        let (to, bytes) = (asked.from, Bytes::from(encode(answer)));
        let packet = Packet { from: self.0.node, to, number: asked.number, is_answer: true, bytes };
        self.0.carrier.send(to, packet);
    }

    /// Takes in an answer; one that nobody waits for is dropped.
    pub fn on_answer(&self, packet: &Packet) {
        let waiting = self.waiting().remove(&packet.number);
        match (waiting, postcard::from_bytes(&packet.bytes)) {
            (Some(waiting), Ok(answer)) => drop(waiting.send(answer)),
            (None, _) => {}
            (Some(_), Err(_)) => {
                tracing::warn!(from = %packet.from, "an answer that does not decode");
            }
        }
    }

    /// See [`Carrier::learn`].
    pub fn learn(&self, node: NodeId, address: &str) {
        self.0.carrier.learn(node, address);
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<u64, oneshot::Sender<Answer>>> {
        self.0.waiting.lock().expect("nothing panics while it holds the table")
    }
}

/// Takes a question from the table when its asker has gone.
struct Forget<'a> {
    link: &'a Link,
    number: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.link.waiting().remove(&self.number);
    }
}
