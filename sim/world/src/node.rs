//! A node: a machine while it lives, its clock, its I/O in flight, its disk.

use crate::clock::Clock;
use crate::disk::Disk;
use leasehold_proto::{
    Chunkserver, Client, Constants, Deadline, Effects, Input, IoId, IoOp, LogIndex, Master,
    Setting, StateMachine, Time,
};
use std::collections::BTreeMap;

/// The three roles.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // named as their types
pub enum Machine {
    Master(Box<Master>),
    Chunkserver(Box<Chunkserver>),
    Client(Box<Client>),
}

impl Machine {
    pub(crate) fn step(&mut self, now: Time, input: Input, out: &mut Effects) {
        fn go<M: StateMachine>(machine: &mut M, now: Time, input: Input, out: &mut Effects) {
            machine.step(now, input, out);
            machine.assert_invariants();
        }
        match self {
            Machine::Master(machine) => go(&mut **machine, now, input, out),
            Machine::Chunkserver(machine) => go(&mut **machine, now, input, out),
            Machine::Client(machine) => go(&mut **machine, now, input, out),
        }
    }

    /// When it next wants to look at its clock.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Deadline> {
        match self {
            Machine::Master(machine) => machine.next_deadline(),
            Machine::Chunkserver(machine) => machine.next_deadline(),
            Machine::Client(machine) => machine.next_deadline(),
        }
    }
}

/// What a process is configured with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Own {
    /// Its constants.
    pub constants: Constants,
    /// Those that were set on purpose.
    pub insists: Vec<Setting>,
}

/// An I/O in flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PendingIo {
    /// What was requested.
    pub op: IoOp,
    /// It is durable (a proposal: committed), and its asker does not know it yet.
    pub persisted: bool,
    /// Of a proposal that is committed: where.
    pub index: Option<LogIndex>,
    /// Of a confirmation: this master led at some moment after it began.
    pub led: bool,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// None while it is down.
    pub machine: Option<Machine>,
    /// It stands still.
    pub paused: bool,
    /// Its clock.
    pub clock: Clock,
    /// Its I/O in flight.
    pub io: BTreeMap<IoId, PendingIo>,
    /// A chunkserver's disk.
    pub disk: Disk,
    /// The disk was destroyed: a chunkserver does not come back from that.
    pub destroyed: bool,
    /// How many times it was started.
    pub lives: u64,
    /// What its processes are configured with from the next start on, if not with what the shape says.
    pub own: Option<Box<Own>>,
    /// The last log entry that a master was told in this life.
    pub learned: LogIndex,
}

impl Node {
    /// It can take an input.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.machine.is_some() && !self.paused
    }

    /// The chunkserver, while it is up.
    #[must_use]
    pub fn chunkserver(&self) -> Option<&Chunkserver> {
        match &self.machine {
            Some(Machine::Chunkserver(server)) => Some(server),
            _ => None,
        }
    }

    /// The client, while it is up.
    #[must_use]
    pub fn client(&self) -> Option<&Client> {
        match &self.machine {
            Some(Machine::Client(client)) => Some(client),
            _ => None,
        }
    }

    /// The master, while it is up.
    #[must_use]
    pub fn master(&self) -> Option<&Master> {
        match &self.machine {
            Some(Machine::Master(master)) => Some(master),
            _ => None,
        }
    }

    /// The true time of its next deadline, if it runs and has one.
    #[must_use]
    pub fn due_at(&self) -> Option<u64> {
        let machine = self.machine.as_ref().filter(|_| !self.paused)?;
        Some(self.clock.true_ns(machine.next_deadline()?.at))
    }
}
