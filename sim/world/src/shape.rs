//! What a cluster is made of, before anything happens.

use crate::names;
use leasehold_proto::{Constants, NodeId};

/// A cluster's shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Masters, `m` or `m1`, `m2`, ...
    pub masters: u64,
    /// Chunkservers that run from the start, `n1`, `n2`, ...
    pub chunkservers: u64,
    /// Chunkservers after those, that are down with an empty disk until somebody starts them.
    pub spares: u64,
    /// Clients, `a`, `b`, ...
    pub clients: u64,
    /// Failure domains; chunkservers are dealt to them in turn.
    pub racks: u64,
    /// Spreads placement.
    pub salt: u64,
    /// What a node's clock shows when its process begins, in nanoseconds.
    pub clocks_begin_ns: u64,
    /// The cluster's constants.
    pub constants: Constants,
    /// What the machines are given in its place, in a study of what is noticed when a constant is
    /// ignored. Disks, clocks and judges keep to `constants`.
    pub given: Option<Box<Constants>>,
}

impl Default for Shape {
    fn default() -> Self {
        Shape {
            masters: 1,
            chunkservers: 3,
            spares: 0,
            clients: 2,
            racks: 3,
            salt: 1,
            clocks_begin_ns: 0,
            constants: Constants {
                block_bytes: 512,
                mutation_bytes_max: 4_096,
                copy_step_bytes_max: 4_096,
                // What leases are worth by themselves is the question of most scripts and models.
                confirm_reads: false,
                ..Constants::default()
            },
            given: None,
        }
    }
}

impl Shape {
    /// The constants of a machine.
    #[must_use]
    pub fn given(&self) -> &Constants {
        self.given.as_deref().unwrap_or(&self.constants)
    }

    /// The masters' ids.
    pub fn master_ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (1..=self.masters).map(names::master)
    }

    /// The chunkservers' ids, spares included.
    pub fn server_ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (1..=self.chunkservers + self.spares).map(names::server)
    }

    /// The clients' ids.
    pub fn client_ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (1..=self.clients).map(names::client)
    }
}
