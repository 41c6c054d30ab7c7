//! Which constants a promise may go by: while the cluster's constants change, and until every node has
//! taken a step of it, the values before the step count beside those after it.

use leasehold_proto::{Constants, ConstantsVersion, Event, Sides};

/// The values of the last two steps.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    version: ConstantsVersion,
    last: Sides,
    /// The lowest of the values that masters, and the highest that chunkservers, may go by.
    lease: (Constants, Constants),
    /// The lowest and the highest of all.
    range: (Constants, Constants),
}

impl InForce {
    pub fn new(constants: &Constants) -> Self {
        let both = || (constants.clone(), constants.clone());
        let last = Sides::same(&leasehold_proto::ClusterConstants::of(constants));
        InForce { version: ConstantsVersion(1), last, lease: both(), range: both() }
    }

    /// Several masters tell of one step.
    pub fn observe(&mut self, event: &Event) {
        let Event::ConstantsChanged { version, sides } = event else { return };
        if *version <= self.version {
            return;
        }
        let before = std::mem::replace(&mut self.last, (**sides).clone());
        self.version = *version;
        let masters = before.masters.lowest(&sides.masters);
        let servers = before.servers.highest(&sides.servers);
        masters.install(&mut self.lease.0);
        servers.install(&mut self.lease.1);
        let lowest = before.masters.lowest(&before.servers);
        let lowest = lowest.lowest(&sides.masters.lowest(&sides.servers));
        let highest = before.masters.highest(&before.servers);
        let highest = highest.highest(&sides.masters.highest(&sides.servers));
        lowest.install(&mut self.range.0);
        highest.install(&mut self.range.1);
        // What clocks are allowed to drift is an allowance on either side.
        self.range.0.clock_drift_ppm_max = self.range.1.clock_drift_ppm_max;
    }

    /// What a granter keeps to at the least, and a holder at the most.
    pub fn lease(&self) -> (&Constants, &Constants) {
        (&self.lease.0, &self.lease.1)
    }

    /// The lowest values.
    pub fn least(&self) -> &Constants {
        &self.range.0
    }

    /// The highest values.
    pub fn most(&self) -> &Constants {
        &self.range.1
    }
}
