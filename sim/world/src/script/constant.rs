//! Constants by their names.

use super::words::{Wrong, number, span};
use leasehold_proto::Constants;

/// Both directions from one list: a constant that is missing from it does not compile.
macro_rules! constants {
    (durations { $($span:ident)+ } numbers { $($number:ident)+ } flags { $($flag:ident)+ }) => {
        /// The names of all constants, as the fields of `Constants` are called.
        #[must_use]
        pub fn constants() -> Vec<&'static str> {
            let Constants { $($span: _,)+ $($number: _,)+ $($flag: _,)+ rules: _ } =
                Constants::default();
            vec![$(stringify!($span),)+ $(stringify!($number),)+ $(stringify!($flag),)+]
        }

        /// Sets a constant: a duration as `250ms`, `10s`, `2m`, `1h`, a flag as `true` or `false`,
        /// anything else as a number.
        ///
        /// # Errors
        /// If there is no constant of that name, or the value is none for it.
        pub fn set(constants: &mut Constants, name: &str, value: &str) -> Result<(), Wrong> {
            match name {
                $(stringify!($span) => constants.$span = span(value)?,)+
                $(stringify!($number) => {
                    constants.$number = number(value)?.try_into().map_err(|_| "too large")?;
                })+
                $(stringify!($flag) => constants.$flag = flag(value)?,)+
                _ => return Err(format!("there is no constant `{name}`")),
            }
            Ok(())
        }
    };
}

constants! {
    durations {
        lease_duration lease_margin lease_renew_interval lease_idle_after heartbeat_interval
        server_dead_after retry_interval prepare_grace member_silent_after member_stalled_after
        operation_timeout backoff_min backoff_max repair_delay repair_stalled_after trash_retention
        quarantine_retention safe_mode_max
    }
    numbers {
        clock_drift_ppm_max repairs_max repairs_per_server_max repair_bytes_per_second
        copy_step_bytes_max safe_mode_reported_permille block_bytes mutation_bytes_max
        inflight_bytes_max inflight_mutations_max waiting_requests_max remembered_clients_max
        changes_max list_entries_max
    }
    flags {
        confirm_reads
    }
}

fn flag(word: &str) -> Result<bool, Wrong> {
    word.parse().map_err(|_| format!("`{word}` is neither `true` nor `false`"))
}
