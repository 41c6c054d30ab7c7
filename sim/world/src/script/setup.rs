//! The `cluster` command: `cluster chunkservers=3 chunk=4096 lease=10s without=drain_before_prepared`.

use super::words::{Words, Wrong, number, ppm, span};
use crate::shape::Shape;
use leasehold_proto::metadata::FileSpec;
use leasehold_proto::{ClusterConstant, ClusterConstants, Constants, Rules, Setting, SyncPolicy};
use std::time::Duration;

/// A cluster, and how its files are made unless said otherwise.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub shape: Shape,
    pub spec: FileSpec,
}

impl Setup {
    pub fn parse(words: &mut Words) -> Result<Self, Wrong> {
        let spec = FileSpec { chunk_bytes: 4_096, replicas: 3, sync: SyncPolicy::Durable };
        let mut setup = Setup { shape: Shape::default(), spec };
        while let Some(word) = words.next() {
            let (key, value) =
                word.split_once('=').ok_or_else(|| format!("`{word}` is not key=value"))?;
            setup.set(key, value)?;
        }
        setup.shape.constants.check().map_err(|error| error.to_string())?;
        Ok(setup)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), Wrong> {
        let shape = &mut self.shape;
        match key {
            "masters" => shape.masters = number(value)?.clamp(1, 9),
            "chunkservers" => shape.chunkservers = number(value)?.clamp(1, 80),
            "spares" => shape.spares = number(value)?.min(9),
            "clients" => shape.clients = number(value)?.clamp(1, 12),
            "racks" => shape.racks = number(value)?.max(1),
            "salt" => shape.salt = number(value)?,
            "clocks" => {
                let showing = span(value)?.as_nanos();
                shape.clocks_begin_ns = u64::try_from(showing).map_err(|_| "too far")?;
            }
            "chunk" | "replicas" | "sync" => set_spec(&mut self.spec, key, value)?,
            "without" => {
                for rule in value.split(',') {
                    *self::rule(&mut shape.constants.rules, rule)? = false;
                }
            }
            _ => set_constant(&mut shape.constants, key, value)?,
        }
        Ok(())
    }
}

/// `chunk=4096`, `replicas=2`, `sync=page-cache`.
pub(super) fn set_spec(spec: &mut FileSpec, key: &str, value: &str) -> Result<(), Wrong> {
    match (key, value) {
        ("chunk", _) => spec.chunk_bytes = number(value)?,
        ("replicas", _) => {
            spec.replicas = u8::try_from(number(value)?).map_err(|_| "too many replicas")?;
        }
        ("sync", "durable") => spec.sync = SyncPolicy::Durable,
        ("sync", "page-cache") => spec.sync = SyncPolicy::PageCache,
        ("sync", _) => return Err("sync is durable or page-cache".into()),
        _ => return Err(format!("`{key}` is not chunk, replicas or sync")),
    }
    Ok(())
}

/// These with some replaced, and which of the cluster's are other ones then.
pub(super) fn with(
    mut constants: Constants,
    words: &[(String, String)],
) -> Result<(Constants, Vec<Setting>), Wrong> {
    let before = ClusterConstants::of(&constants);
    for (key, value) in words {
        set_constant(&mut constants, key, value)?;
    }
    let after = ClusterConstants::of(&constants);
    let all = ClusterConstant::ALL.iter();
    let changed = all.filter(|constant| before.number(**constant) != after.number(**constant));
    let changed = changed.map(|constant| after.setting(*constant)).collect();
    Ok((constants, changed))
}

fn set_constant(constants: &mut Constants, key: &str, value: &str) -> Result<(), Wrong> {
    let place: &mut Duration = match key {
        "rho" => {
            let rho = ppm(value)?;
            constants.clock_drift_ppm_max =
                u32::try_from(rho).map_err(|_| "rho is not negative")?;
            return Ok(());
        }
        "confirm-reads" => {
            constants.confirm_reads = match value {
                "yes" => true,
                "no" => false,
                _ => return Err("confirm-reads is yes or no".into()),
            };
            return Ok(());
        }
        "block" => {
            constants.block_bytes = u32::try_from(number(value)?).map_err(|_| "too large")?;
            return Ok(());
        }
        "remembered-clients" => {
            constants.remembered_clients_max =
                u32::try_from(number(value)?).map_err(|_| "too large")?;
            return Ok(());
        }
        "changes-max" => {
            constants.changes_max = u32::try_from(number(value)?).map_err(|_| "too large")?;
            return Ok(());
        }
        "repairs-max" => {
            constants.repairs_max = u32::try_from(number(value)?).map_err(|_| "too large")?;
            return Ok(());
        }
        "repair-bytes" => {
            constants.repair_bytes_per_second = number(value)?;
            return Ok(());
        }
        "copy-step" => {
            constants.copy_step_bytes_max =
                u32::try_from(number(value)?).map_err(|_| "too large")?;
            return Ok(());
        }
        "lease" => &mut constants.lease_duration,
        "renew" => &mut constants.lease_renew_interval,
        "idle" => &mut constants.lease_idle_after,
        "margin" => &mut constants.lease_margin,
        "heartbeat" => &mut constants.heartbeat_interval,
        "dead-after" => &mut constants.server_dead_after,
        "silent-after" => &mut constants.member_silent_after,
        "stalled-after" => &mut constants.member_stalled_after,
        "retry" => &mut constants.retry_interval,
        "grace" => &mut constants.prepare_grace,
        "backoff-min" => &mut constants.backoff_min,
        "backoff-max" => &mut constants.backoff_max,
        "repair-stalled-after" => &mut constants.repair_stalled_after,
        "repair-delay" => &mut constants.repair_delay,
        "timeout" => &mut constants.operation_timeout,
        "trash" => &mut constants.trash_retention,
        "safe-mode" => &mut constants.safe_mode_max,
        "quarantine" => &mut constants.quarantine_retention,
        _ => return Err(format!("there is no setting `{key}`")),
    };
    *place = span(value)?;
    Ok(())
}

/// Both directions from one list: a rule that is missing from it does not compile.
macro_rules! rules {
    ($($name:ident)+) => {
        /// The rules that are not in force, by name.
        #[must_use]
        pub fn rules_left_out(rules: Rules) -> Vec<&'static str> {
            let Rules { $($name),+ } = rules;
            let all = [$((stringify!($name), $name)),+];
            all.into_iter().filter(|(_, on)| !on).map(|(name, _)| name).collect()
        }

        /// The names of all rules.
        #[must_use]
        pub fn rules() -> Vec<&'static str> {
            vec![$(stringify!($name)),+]
        }

        /// The switch of a rule.
        ///
        /// # Errors
        /// If there is no rule of that name.
        pub fn rule<'a>(rules: &'a mut Rules, name: &str) -> Result<&'a mut bool, String> {
            $(if name == stringify!($name) {
                return Ok(&mut rules.$name);
            })+
            Err(format!("there is no rule `{name}`"))
        }
    };
}

rules! {
    wait_out_old_lease granter_allows_for_drift lease_counts_from_question prepare_ends_lease
    promise_is_durable drain_before_prepared fence_by_promise acknowledge_after_all
    durable_before_ack restart_needs_new_version source_is_current learner_is_complete
    reconcile_both_sides operation_table refuse_forgotten change_table snapshot_keeps_changes
    vote_is_durable confirm_leadership new_leader_waits read_rechecks_lease read_waits_for_overlap
    verify_checksums delete_names_version repair repair_by_danger spread_over_racks keep_deleted
    grant_carries_term constants_wait_out_leases holder_allows_for_drift repair_within_budget
    safe_mode_waits confirm_suspicion sessions_last fence_ended_sessions
}
