//! The checkers that see events only, as they do under madsim: I1, I2, I3, I4, I5, I7 and I17 to I23
//! while a run continues, and I9 at its end. What else they judge there needs contents that describe themselves,
//! which a script's are not; `ending` judges that from the disks.

use super::Violation;
use crate::cluster::Cluster;
use crate::observation::Observation;
use leasehold_checker::{Checkers, Seen};
use leasehold_proto::machine::Operation;
use leasehold_proto::{Constants, NodeId, Time};

#[derive(Clone, Debug)]
pub(super) struct Events(Checkers);

impl Events {
    pub fn new(constants: &Constants) -> Self {
        Events(Checkers::new(constants.clone()))
    }

    pub fn observe(&mut self, cluster: &Cluster, what: &Observation) -> Result<(), Violation> {
        match what {
            Observation::Event { node, event } => {
                let clock = |node: NodeId, at: Time| cluster.node(node).clock.true_ns(at);
                let seen = Seen { true_ns: cluster.now(), node: *node, clock: &clock, event };
                self.0.observe(&seen).map_err(by_events)
            }
            Observation::Crashed { node } => {
                self.0.node_crashed(*node);
                Ok(())
            }
            Observation::ClockStopped { node } => {
                self.0.clock_stopped(*node);
                Ok(())
            }
            Observation::Destroyed { node } => {
                self.0.disk_destroyed(*node);
                Ok(())
            }
            Observation::Invoked {
                node,
                id,
                caller,
                op: op @ (Operation::Change(_) | Operation::Query(_)),
            } => {
                self.0.client_invoked(*node, cluster.now(), *id, caller, op);
                Ok(())
            }
            Observation::Responded { node, id, result } => {
                self.0.client_returned(*node, cluster.now(), *id, result).map_err(by_events)
            }
            Observation::Invoked { .. }
            | Observation::Acknowledged { .. }
            | Observation::Durable { .. }
            | Observation::Started { .. } => Ok(()),
        }
    }
}

impl Events {
    /// I9, of what clients were told until now.
    pub fn finish(&mut self, cluster: &Cluster) -> Result<(), Violation> {
        self.0.finish_names(cluster.now()).map_err(by_events)
    }

    /// I17 and I21, some time after faults ended.
    pub fn converged(&mut self, cluster: &Cluster) -> Result<(), Violation> {
        self.0.spread_at_rest(cluster.now()).map_err(by_events)?;
        self.0.safe_mode_is_over(cluster.now()).map_err(by_events)
    }

    /// How often an invariant was put to the test here.
    pub fn judged(&self, id: &str) -> u64 {
        self.0.counts().get(id).copied().unwrap_or(0)
    }
}

/// Says that events alone showed it.
fn by_events(found: Violation) -> Violation {
    Violation { detail: format!("by events, {}", found.detail), ..found }
}
