//! What a seed draws before its walk begins: the cluster, its constants, and which faults there
//! are at all (swarm testing: Groce et al., ISSTA 2012).

use super::dice::Dice;
use crate::shape::Shape;
use leasehold_proto::{Constants, Rules};
use std::fmt;
use std::time::Duration;

/// A drawn configuration.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// Where it came from.
    pub seed: u64,
    /// The cluster.
    pub shape: Shape,
    /// Messages are lost.
    pub drops: bool,
    /// Messages are doubled.
    pub duplicates: bool,
    /// Messages overtake each other (otherwise each link is mostly in order).
    pub reorders: bool,
    /// Nodes crash and come back.
    pub crashes: bool,
    /// Nodes are paused.
    pub pauses: bool,
    /// Chunkservers are paused with their clocks, as virtual machines are.
    pub freezes: bool,
    /// Links are cut.
    pub cuts: bool,
    /// Clocks go at different rates, within the bound.
    pub rates: bool,
    /// Disks run full for a while.
    pub full: bool,
    /// Something else fills disks, and gives their room back.
    pub fills: bool,
    /// One disk decays.
    pub rot: bool,
    /// The master crashes, or another one leads.
    pub masters: bool,
    /// One chunkserver's disk is destroyed.
    pub destroys: bool,
    /// Primaries lose contact with masters (`targeted.rs`).
    pub targeted: bool,
    /// Operators make leases longer and shorter.
    pub changes: bool,
    /// By how much a clock may be off, in parts of a million.
    pub rate_ppm_max: u32,
    /// Of ten thousand steps, how many are a fault.
    pub fault_rate: u64,
    /// Which version of the generators walks: see [`GRAMMAR`].
    pub grammar: u32,
    /// Of ten thousand messages, how many are held for a while.
    pub late_rate: u64,
    /// Of ten thousand times that time passes, how often it does not stop exactly at a deadline.
    pub beside_rate: u64,
    /// Actions that would meet a rare pair are preferred (`guide.rs`).
    pub guided: bool,
    /// As `late_rate`, of a walk with a guide, who lets what is held arrive.
    pub guided_late_rate: u64,
}

/// The present version of the generators. The first one, which [`Drawn::first`] draws, is what the
/// seeds that tests keep were found with; it is not developed further.
pub const GRAMMAR: u32 = 2;

impl Drawn {
    /// What `seed` draws, with these rules in force.
    #[must_use]
    pub fn new(seed: u64, rules: Rules) -> Self {
        Drawn::first(seed, rules).at_limits()
    }

    /// What `seed` draws for a walk about leases: few faults, and primaries that lose sight of their
    /// masters for as long as a lease lasts.
    #[must_use]
    pub fn targeted(seed: u64, rules: Rules) -> Self {
        Drawn::first_targeted(seed, rules).at_limits()
    }

    /// The present generators, with constants at their limits in some walks.
    fn at_limits(mut self) -> Self {
        let mut dice = Dice::new(self.seed, "limits");
        let constants = &mut self.shape.constants;
        self.grammar = GRAMMAR;
        self.changes = Dice::new(self.seed, "constants").chance(2_000);
        self.fills = Dice::new(self.seed, "fills").chance(2_500);
        let mut frozen = Dice::new(self.seed, "frozen");
        self.freezes = frozen.chance(2_000);
        // Without it, no read is safe from a clock that stands still.
        constants.confirm_reads = self.freezes || frozen.chance(2_500);
        self.late_rate = *dice.pick(&[0, 0, 100, 500]).expect("there are several");
        self.beside_rate = *dice.pick(&[0, 1_000, 4_000]).expect("there are several");
        self.guided = dice.chance(5_000);
        self.guided_late_rate = *dice.pick(&[300, 1_000]).expect("there are several");
        if dice.chance(7_000) {
            constants.list_entries_max = u32::try_from(dice.within(1..=3)).unwrap_or(1);
        }
        if dice.chance(1_000) {
            constants.trash_retention = Duration::ZERO;
        }
        self
    }

    /// What `seed` drew in the first version of the generators.
    #[must_use]
    pub fn first(seed: u64, rules: Rules) -> Self {
        let mut dice = Dice::new(seed, "shape");
        let mut coin = || dice.chance(5_000);
        let faults: [bool; 11] = std::array::from_fn(|_| coin());
        let [drops, duplicates, reorders, crashes, pauses, cuts, rates, full, rot, masters, gone] =
            faults;
        let destroys = gone && dice.chance(3_000);
        let chunkservers = dice.within(3..=5);
        let lease = Duration::from_secs(dice.within(3..=12));
        let constants = Constants {
            lease_duration: lease,
            lease_renew_interval: lease / 4,
            lease_idle_after: Duration::from_secs(dice.within(1..=10)),
            clock_drift_ppm_max: u32::try_from(dice.within(0..=20)).unwrap_or(0) * 1_000,
            server_dead_after: Duration::from_millis(dice.within(1_000..=5_000)),
            repair_delay: Duration::from_millis(dice.within(0..=3_000)),
            trash_retention: Duration::from_secs(dice.within(1..=30)),
            safe_mode_max: safe_mode_max(seed),
            quarantine_retention: quarantine_retention(seed),
            operation_timeout: Duration::from_secs(60),
            block_bytes: 512,
            mutation_bytes_max: 1_024,
            inflight_bytes_max: 1_024 * u32::try_from(dice.within(1..=8)).unwrap_or(1),
            copy_step_bytes_max: 1_024,
            remembered_clients_max: remembered_clients(seed, duplicates),
            confirm_reads: false,
            rules,
            ..bounds(seed)
        };
        let shape = Shape {
            masters: if masters { dice.within(1..=3) } else { 1 },
            chunkservers,
            spares: u64::from(destroys),
            clients: dice.within(1..=3),
            racks: dice.within(1..=chunkservers),
            clocks_begin_ns: 0,
            salt: dice.within(0..=1_000),
            constants,
            given: None,
        };
        let fault_rate = [5, 50, 500][usize::try_from(dice.within(0..=2)).unwrap_or(0)];
        // Two clocks differ by at most rho if each is within half of it.
        let rate_ppm_max = shape.constants.clock_drift_ppm_max / 2;
        Drawn {
            seed,
            shape,
            drops,
            duplicates,
            reorders,
            crashes,
            pauses,
            freezes: false,
            cuts,
            rates,
            full,
            fills: false,
            rot,
            masters,
            destroys,
            targeted: false,
            changes: false,
            rate_ppm_max,
            fault_rate,
            grammar: 1,
            late_rate: 0,
            beside_rate: 0,
            guided: false,
            guided_late_rate: 0,
        }
    }

    /// What `seed` drew for a walk about leases in the first version of the generators.
    #[must_use]
    pub fn first_targeted(seed: u64, rules: Rules) -> Self {
        let mut dice = Dice::new(seed, "estranged");
        let mut drawn = Drawn::first(seed, rules);
        let masters = dice.within(1..=3);
        let lease = Duration::from_secs(dice.within(3..=6));
        let constants = &mut drawn.shape.constants;
        (constants.lease_duration, constants.lease_renew_interval) = (lease, lease / 4);
        constants.server_dead_after = lease / 3;
        if dice.chance(3_000) {
            // Within rho either side's allowance is enough for both. As far as this the two of them
            // together bear, and neither does alone.
            constants.clock_drift_ppm_max = BOLD_PPM;
            drawn.rate_ppm_max = 2 * BOLD_PPM - BOLD_PPM / 100;
            drawn.rates = true;
        }
        (drawn.shape.masters, drawn.shape.spares) = (masters, 0);
        drawn.shape.chunkservers = dice.within(3..=4);
        drawn.shape.racks = 1;
        drawn.crashes &= dice.chance(3_000);
        let gone = (false, false, false, false);
        (drawn.cuts, drawn.full, drawn.rot, drawn.destroys) = gone;
        (drawn.masters, drawn.targeted) = (masters > 1, true);
        drawn.fault_rate = if dice.chance(5_000) { 5 } else { 50 };
        drawn
    }
}

/// A rho at which what the allowances are for is long enough to be hit.
const BOLD_PPM: u32 = 125_000;

/// Few in every second walk, so that tables turn over; not where messages are doubled, the one case
/// in which that may cost exactly-once (`OpTable`).
fn remembered_clients(seed: u64, duplicates: bool) -> u32 {
    let mut dice = Dice::new(seed, "memory");
    let few = dice.chance(5_000) && !duplicates;
    if few {
        1 + u32::from(dice.chance(5_000))
    } else {
        Constants::default().remembered_clients_max
    }
}

/// Tight in every second walk, so that what is counted against them is.
fn bounds(seed: u64) -> Constants {
    let mut dice = Dice::new(seed, "bounds");
    let standard = Constants::default();
    if dice.chance(5_000) {
        return standard;
    }
    let mut few = || u32::try_from(dice.within(1..=3)).unwrap_or(1);
    Constants {
        repairs_max: few(),
        repairs_per_server_max: few(),
        inflight_mutations_max: few() * 2,
        waiting_requests_max: few() * 4,
        repair_bytes_per_second: u64::from(few()) * 1_024,
        ..standard
    }
}

/// Never below a `server_dead_after`.
fn safe_mode_max(seed: u64) -> Duration {
    Duration::from_secs(Dice::new(seed, "safe mode").within(5..=30))
}

/// Short in every second walk, so that what is set aside goes before the walk ends.
fn quarantine_retention(seed: u64) -> Duration {
    let mut dice = Dice::new(seed, "quarantine");
    if dice.chance(5_000) {
        Duration::from_secs(dice.within(1..=60))
    } else {
        Constants::default().quarantine_retention
    }
}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = &self.shape;
        write!(
            f,
            "{} masters, {} chunkservers (+{}), {} clients (remembered: {}), lease {:?}, rho {} ppm, \
             faults {}/10000:",
            shape.masters,
            shape.chunkservers,
            shape.spares,
            shape.clients,
            shape.constants.remembered_clients_max,
            shape.constants.lease_duration,
            shape.constants.clock_drift_ppm_max,
            self.fault_rate,
        )?;
        let named = [
            (self.drops, "loss"),
            (self.duplicates, "duplication"),
            (self.reorders, "reordering"),
            (self.crashes, "crashes"),
            (self.pauses, "pauses"),
            (self.freezes, "frozen machines"),
            (self.cuts, "cuts"),
            (self.rates, "drift"),
            (self.full, "full disks"),
            (self.fills, "disks that others fill"),
            (self.rot, "rot"),
            (self.masters, "masters"),
            (self.destroys, "a destroyed disk"),
            (self.targeted, "targeted partitions"),
            (self.changes, "changes of constants"),
            (self.late_rate > 0, "late messages"),
            (self.guided, "guidance"),
        ];
        for (_, name) in named.iter().filter(|(there, _)| *there) {
            write!(f, " {name}")?;
        }
        Ok(())
    }
}
