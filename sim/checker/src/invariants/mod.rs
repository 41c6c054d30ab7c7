//! Invariants, one per file: its sentence, its source, what it remembers, how it is judged.

pub mod i01_lease_exclusivity;
pub mod i02_configuration_order;
pub mod i03_no_divergence;
pub mod i04_durability;
pub mod i05_agreement;
pub mod i06_strong_reads;
pub mod i07_no_last_copy_deletion;
pub mod i08_exactly_once;
pub mod i09_namespace;
pub mod i10_convergence;
pub mod i11_no_silent_corruption;
pub mod i12_conflicting_locks;
pub mod i14_ended_sessions;
pub mod i17_spread_over_racks;
pub mod i18_repair_in_order_of_danger;
pub mod i19_retention;
pub mod i20_lease_terms;
pub mod i21_safe_mode;
pub mod i22_bounds;
pub mod i23_alarm;

use crate::violation::Invariant;

/// The invariant of that number.
#[must_use]
pub fn invariant(id: &str) -> Option<Invariant> {
    invariants().into_iter().find(|invariant| invariant.id == id)
}

/// Every invariant that is judged here, in order. I13, I15 and I16 are about what is not built yet: caches
/// of clients, transactions, snapshots.
#[must_use]
pub fn invariants() -> [Invariant; 20] {
    [
        i01_lease_exclusivity::INVARIANT,
        i02_configuration_order::INVARIANT,
        i03_no_divergence::INVARIANT,
        i04_durability::INVARIANT,
        i05_agreement::INVARIANT,
        i06_strong_reads::INVARIANT,
        i07_no_last_copy_deletion::INVARIANT,
        i08_exactly_once::INVARIANT,
        i09_namespace::INVARIANT,
        i10_convergence::INVARIANT,
        i11_no_silent_corruption::INVARIANT,
        i12_conflicting_locks::INVARIANT,
        i14_ended_sessions::INVARIANT,
        i17_spread_over_racks::INVARIANT,
        i18_repair_in_order_of_danger::INVARIANT,
        i19_retention::INVARIANT,
        i20_lease_terms::INVARIANT,
        i21_safe_mode::INVARIANT,
        i22_bounds::INVARIANT,
        i23_alarm::INVARIANT,
    ]
}
