//! A value that one thread keeps up to date and others look at.

use std::sync::{Arc, Mutex, MutexGuard};

/// A shared value. Copies show the same.
#[derive(Clone, Debug, Default)]
pub struct Gauge<T>(Arc<Mutex<T>>);

impl<T: Copy> Gauge<T> {
    /// Shows this from here on.
    pub fn set(&self, value: T) {
        *self.lock() = value;
    }

    /// What was set last.
    #[must_use]
    pub fn read(&self) -> T {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().expect("nothing panics while it holds a gauge")
    }
}
