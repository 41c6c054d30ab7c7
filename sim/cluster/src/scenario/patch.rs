//! The protocol's constants and rules as a scenario may change them: the same names, durations in
//! milliseconds.

use super::key::{Default, Key, Section, Setting, default};
use leasehold_proto::{Constants, Rules};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Where the sentences of the constants and rules are: beside their definitions.
const SOURCE: &str = include_str!("../../../../core/proto/src/config.rs");

macro_rules! patch {
    (
        $(#[$doc:meta])* $patch:ident for $target:ty,
        durations { $($ms:ident => $duration:ident $(in $ms_range:expr)?),* $(,)? }
        values { $($value:ident : $type:ty $(= $range:expr)?),* $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        #[allow(missing_docs)] // named as what they change
        pub struct $patch {
            $(#[serde(skip_serializing_if = "Option::is_none")] pub $ms: Option<u64>,)*
            $(#[serde(skip_serializing_if = "Option::is_none")] pub $value: Option<$type>,)*
        }

        impl $patch {
            /// Puts what is given in the place of what was there.
            pub fn apply(&self, to: &mut $target) {
                $(if let Some(ms) = self.$ms { to.$duration = Duration::from_millis(ms); })*
                $(if let Some(value) = self.$value { to.$value = value; })*
            }
        }

        impl Section for $patch {
            #[allow(unused_variables)] // rules have no durations
            fn list(section: &str, to: &mut Vec<Key>) {
                let plain = <$target>::default();
                $({
                    let default = default(plain.$duration.as_millis() as u64);
                    let docs = sentence(stringify!($target), stringify!($duration));
                    let key = Key::new(section, stringify!($ms), &docs, default);
                    u64::list(key.within(&[$($ms_range)?]), to);
                })*
                $({
                    let docs = sentence(stringify!($target), stringify!($value));
                    let key = Key::new(section, stringify!($value), &docs, default(plain.$value));
                    <$type as Setting>::list(key.within(&[$($range)?]), to);
                })*
            }
        }

        impl Setting for $patch {
            fn list(key: Key, to: &mut Vec<Key>) {
                let from = to.len();
                <$patch as Section>::list(&key.path(), to);
                // What holds if one is left out is what held before.
                to[from..].iter_mut().for_each(|key| key.default = Default::None);
            }
        }
    };
}

/// The comment of a field of a structure in [`SOURCE`]; nothing if there is none, which a test excludes.
fn sentence(structure: &str, field: &str) -> String {
    let head = format!("pub struct {structure} {{");
    let lines = SOURCE.lines().skip_while(|line| *line != head).take_while(|line| *line != "}");
    let mut docs: Vec<&str> = Vec::new();
    for line in lines.map(str::trim) {
        if let Some(doc) = line.strip_prefix("///") {
            docs.push(doc);
        } else if line.starts_with(&format!("pub {field}:")) {
            return docs.join(" ");
        } else if !line.starts_with("#[") {
            docs.clear();
        }
    }
    String::new()
}

patch! {
    /// Constants of the protocol that differ from their defaults.
    ConstantsPatch for Constants,
    durations {
        lease_duration_ms => lease_duration,
        lease_margin_ms => lease_margin,
        lease_renew_interval_ms => lease_renew_interval,
        lease_idle_after_ms => lease_idle_after,
        heartbeat_interval_ms => heartbeat_interval,
        server_dead_after_ms => server_dead_after,
        retry_interval_ms => retry_interval,
        prepare_grace_ms => prepare_grace,
        member_silent_after_ms => member_silent_after,
        member_stalled_after_ms => member_stalled_after,
        operation_timeout_ms => operation_timeout in 1..=86_400_000,
        backoff_min_ms => backoff_min,
        backoff_max_ms => backoff_max,
        repair_delay_ms => repair_delay,
        repair_stalled_after_ms => repair_stalled_after,
        trash_retention_ms => trash_retention,
        quarantine_retention_ms => quarantine_retention,
        safe_mode_max_ms => safe_mode_max,
    }
    values {
        confirm_reads: bool,
        clock_drift_ppm_max: u32,
        repairs_max: u32,
        repairs_per_server_max: u32,
        repair_bytes_per_second: u64,
        copy_step_bytes_max: u32,
        safe_mode_reported_permille: u32,
        block_bytes: u32 = 1..=16 << 20,
        mutation_bytes_max: u32,
        inflight_bytes_max: u32,
        inflight_mutations_max: u32,
        waiting_requests_max: u32,
        remembered_clients_max: u32,
        changes_max: u32,
        list_entries_max: u32,
    }
}

patch! {
    /// Rules of the protocol, each with its switch.
    RulesPatch for Rules,
    durations {}
    values {
        wait_out_old_lease: bool,
        granter_allows_for_drift: bool,
        lease_counts_from_question: bool,
        prepare_ends_lease: bool,
        promise_is_durable: bool,
        drain_before_prepared: bool,
        fence_by_promise: bool,
        acknowledge_after_all: bool,
        durable_before_ack: bool,
        restart_needs_new_version: bool,
        source_is_current: bool,
        learner_is_complete: bool,
        reconcile_both_sides: bool,
        operation_table: bool,
        refuse_forgotten: bool,
        change_table: bool,
        snapshot_keeps_changes: bool,
        vote_is_durable: bool,
        confirm_leadership: bool,
        new_leader_waits: bool,
        read_rechecks_lease: bool,
        read_waits_for_overlap: bool,
        verify_checksums: bool,
        delete_names_version: bool,
        repair: bool,
        repair_by_danger: bool,
        spread_over_racks: bool,
        keep_deleted: bool,
        grant_carries_term: bool,
        constants_wait_out_leases: bool,
        holder_allows_for_drift: bool,
        repair_within_budget: bool,
        safe_mode_waits: bool,
        confirm_suspicion: bool,
        sessions_last: bool,
        fence_ended_sessions: bool,
    }
}
