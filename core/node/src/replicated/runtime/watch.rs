//! A value that others watch. Tokio's own wakes its watchers in an order that it draws from a
//! generator of the process; this one wakes them in the order in which they began to wait.

use openraft::rt::watch::SendError;
use openraft::rt::{OptionalSend, OptionalSync, RecvError, Watch, WatchReceiver, WatchSender};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Notify;

/// Watched values.
#[derive(Debug)]
pub struct Watches;

struct Shared<T> {
    state: Mutex<Watched<T>>,
    changed: Notify,
}

struct Watched<T> {
    value: T,
    version: u64,
    senders: usize,
    receivers: usize,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Watched<T>> {
        self.state.lock().expect("nobody panics while looking at a watched value")
    }
}

/// Who changes the value.
pub struct Sender<T>(Arc<Shared<T>>);

/// Who watches it.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    seen: u64,
}

/// A look at the value; it does not change meanwhile.
pub struct Look<'a, T>(MutexGuard<'a, Watched<T>>);

impl<T> Deref for Look<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl Watch for Watches {
    type Sender<T: OptionalSend + OptionalSync> = Sender<T>;
    type Receiver<T: OptionalSend + OptionalSync> = Receiver<T>;
    type Ref<'a, T: OptionalSend + 'a> = Look<'a, T>;

    fn channel<T: OptionalSend + OptionalSync>(value: T) -> (Sender<T>, Receiver<T>) {
        let state = Mutex::new(Watched { value, version: 0, senders: 1, receivers: 1 });
        let shared = Arc::new(Shared { state, changed: Notify::new() });
        (Sender(shared.clone()), Receiver { shared, seen: 0 })
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Sender(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.lock().senders -= 1;
        self.0.changed.notify_waiters();
    }
}

impl<T: OptionalSend + OptionalSync> WatchSender<Watches, T> for Sender<T> {
    fn send(&self, value: T) -> Result<(), SendError<T>> {
        let mut state = self.0.lock();
        if state.receivers == 0 {
            return Err(SendError(value));
        }
        state.value = value;
        state.version += 1;
        drop(state);
        self.0.changed.notify_waiters();
        Ok(())
    }

    fn send_if_modified<F>(&self, modify: F) -> bool
    where
        F: FnOnce(&mut T) -> bool,
    {
        let mut state = self.0.lock();
        let modified = modify(&mut state.value);
        state.version += u64::from(modified);
        drop(state);
        if modified {
            self.0.changed.notify_waiters();
        }
        modified
    }

    fn borrow_watched(&self) -> Look<'_, T> {
        Look(self.0.lock())
    }

    fn subscribe(&self) -> Receiver<T> {
        let mut state = self.0.lock();
        state.receivers += 1;
        Receiver { seen: state.version, shared: self.0.clone() }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.lock().receivers += 1;
        Receiver { shared: self.shared.clone(), seen: self.seen }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.lock().receivers -= 1;
    }
}

impl<T: OptionalSend + OptionalSync> WatchReceiver<Watches, T> for Receiver<T> {
    async fn changed(&mut self) -> Result<(), RecvError> {
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let state = self.shared.lock();
                if state.version != self.seen {
                    self.seen = state.version;
                    return Ok(());
                }
                if state.senders == 0 {
                    return Err(RecvError(()));
                }
            }
            changed.await;
        }
    }

    fn borrow_watched(&self) -> Look<'_, T> {
        Look(self.shared.lock())
    }

    fn borrow_and_update(&mut self) -> Look<'_, T> {
        let state = self.shared.lock();
        self.seen = state.version;
        Look(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openraft::rt::AsyncRuntime;
    use std::time::Duration;

    #[tokio::test]
    async fn a_change_is_seen_once_and_the_end_is_told() {
        let (sender, mut receiver) = Watches::channel(1);
        let late = super::super::Tasks::timeout(Duration::from_millis(5), receiver.changed()).await;
        assert!(late.is_err(), "what was there from the start is no change");
        assert!(sender.send_if_modified(|value| {
            *value = 2;
            true
        }));
        assert!(!sender.send_if_modified(|_| false));
        receiver.changed().await.unwrap();
        assert_eq!(*receiver.borrow_watched(), 2);
        let waiting = tokio::spawn(async move { receiver.changed().await });
        drop(sender);
        assert_eq!(waiting.await.unwrap(), Err(RecvError(())));
    }
}
