//! A counter that only grows, which one thread raises and others wait for.

use std::sync::{Condvar, Mutex};

/// Bytes acknowledged so far, or the end of hope.
#[derive(Debug, Default)]
pub struct Progress {
    state: Mutex<Count>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Count {
    bytes: u64,
    broken: bool,
}

impl Progress {
    /// Raises the counter to `bytes`.
    pub fn raise(&self, bytes: u64) {
        let mut state = self.state.lock().expect("no thread panics with this lock");
        state.bytes = state.bytes.max(bytes);
        self.changed.notify_all();
    }

    /// Says that no more will come: whoever waits, or will wait, is let go.
    pub fn give_up(&self) {
        self.state.lock().expect("no thread panics with this lock").broken = true;
        self.changed.notify_all();
    }

    /// Waits until the counter is at least `bytes`. False if it will not be.
    pub fn wait_for(&self, bytes: u64) -> bool {
        bytes == 0 || self.wait_above(bytes - 1).is_some()
    }

    /// Waits until the counter is above `bytes`, and tells it. None if it will not be.
    pub fn wait_above(&self, bytes: u64) -> Option<u64> {
        let mut state = self.state.lock().expect("no thread panics with this lock");
        while state.bytes <= bytes {
            if state.broken {
                return None;
            }
            state = self.changed.wait(state).expect("no thread panics with this lock");
        }
        Some(state.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_reached_at_once() {
        assert!(Progress::default().wait_for(0));
    }

    #[test]
    fn what_was_reached_before_the_end_still_counts() {
        let progress = Progress::default();
        progress.raise(8);
        progress.give_up();
        assert!(progress.wait_for(8));
        assert!(!progress.wait_for(9));
        assert_eq!(progress.wait_above(3), Some(8));
        assert_eq!(progress.wait_above(8), None);
    }
}
