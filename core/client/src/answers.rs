//! The table between a client's callers and its driver: who waits for which request.

use leasehold_proto::{OpError, Outcome, RequestId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Requests of one session that wait for their answer, at the most; further callers queue.
const REQUESTS_MAX: usize = 4_096;

/// How a request ended.
pub type Answer = Result<Outcome, OpError>;

/// Makes the two ends of one session's table.
#[must_use]
pub fn answers() -> (Answers, Settler) {
    let shared = Arc::new(Shared {
        table: Mutex::new(Table::default()),
        room: Arc::new(Semaphore::new(REQUESTS_MAX)),
    });
    (Answers(shared.clone()), Settler(shared))
}

/// The callers' end. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Answers(Arc<Shared>);

/// The driver's end, held by its outbox. When it goes, every caller still waiting learns that
/// the session has ended, and so is every later one.
#[derive(Debug)]
pub struct Settler(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    table: Mutex<Table>,
    room: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Table {
    last: RequestId,
    closed: bool,
    waiting: BTreeMap<RequestId, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    caller: oneshot::Sender<Answer>,
    _room: OwnedSemaphorePermit,
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("nothing panics while it holds the table")
    }
}

impl Answers {
    /// Enters a new request; `None` if the session has ended. Waits while too many are entered.
    pub(crate) async fn enter(&self) -> Option<(RequestId, oneshot::Receiver<Answer>)> {
        let room = self.0.room.clone().acquire_owned().await.ok()?;
        let mut table = self.0.table();
        if table.closed {
            return None;
        }
        let (caller, answer) = oneshot::channel();
        let id = table.last.next();
        table.last = id;
        table.waiting.insert(id, Waiting { caller, _room: room });
        Some((id, answer))
    }
}

impl Settler {
    /// Hands an answer to its caller, who may have gone.
    pub fn settle(&self, id: RequestId, answer: Answer) {
        let waiting = self.0.table().waiting.remove(&id);
        if let Some(waiting) = waiting {
            let _ = waiting.caller.send(answer);
        }
    }
}

impl Drop for Settler {
    fn drop(&mut self) {
        let mut table = self.0.table();
        table.closed = true;
        let waiting = std::mem::take(&mut table.waiting);
        drop(table);
        self.0.room.close();
        drop(waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehold_proto::Refusal;

    fn refused() -> Answer {
        Err(OpError::Refused(Refusal::NotFound))
    }

    #[tokio::test]
    async fn an_answer_reaches_its_caller_only() {
        let (answers, settler) = answers();
        let (first, a) = answers.enter().await.unwrap();
        let (second, mut b) = answers.enter().await.unwrap();
        assert_ne!(first, second);
        settler.settle(first, refused());
        assert_eq!(a.await, Ok(refused()));
        assert!(b.try_recv().is_err());
        settler.settle(first, refused());
        assert!(b.try_recv().is_err(), "a second answer to the first is nobody's");
    }

    #[tokio::test]
    async fn the_end_of_the_driver_wakes_every_caller() {
        let (answers, settler) = answers();
        let (_, waiting) = answers.enter().await.unwrap();
        drop(settler);
        assert!(waiting.await.is_err());
        assert!(answers.enter().await.is_none());
    }
}
