//! Whether this process serves at all. Once it stopped it does not begin again: no lease is taken, no
//! promise is made and no bytes are given out for the rest of its life.

use crate::event::Event;

/// Why a process serves no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum StopReason {
    /// Its disk is out of service.
    DiskFailed,
    /// A later process of the same disk is registered.
    Superseded,
    /// It was configured on purpose with other constants than the cluster's; an event said so before.
    ConstantsRefused,
}

impl StopReason {
    /// The fact that observers are given, unless they have been given it.
    pub fn event(self) -> Option<Event> {
        match self {
            StopReason::DiskFailed => Some(Event::DiskFailed),
            StopReason::Superseded => Some(Event::Superseded),
            StopReason::ConstantsRefused => None,
        }
    }
}

/// The first reason to stop, once there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Service {
    stopped: Option<StopReason>,
}

impl Service {
    pub fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// Is the disk what it stopped for? Masters are told so.
    pub fn has_failed_disk(&self) -> bool {
        self.stopped == Some(StopReason::DiskFailed)
    }

    /// False if it had stopped before.
    pub fn stop(&mut self, reason: StopReason) -> bool {
        let first = self.stopped.is_none();
        self.stopped.get_or_insert(reason);
        first
    }
}
