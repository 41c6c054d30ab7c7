//! Settings that are said and that no seed reads, which are refused; settings that only some seeds read,
//! and demands that no run meets, of which is warned.
//!
//! What a file leaves to its default is never refused here: it was not chosen.

use super::{FaultKind, Faults, Finding, Scenario, Workload};

/// Everything of this kind, `says` being which keys are said.
pub(super) fn findings(scenario: &Scenario, says: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let mut idle = Idle { scenario, says, found: Vec::new() };
    if scenario.swarm {
        return idle.found;
    }
    idle.head();
    idle.demands();
    idle.shape();
    idle.mix();
    idle.details();
    idle.faults();
    idle.kinds();
    idle.network();
    idle.rest();
    idle.rules();
    idle.found
}

struct Idle<'a> {
    scenario: &'a Scenario,
    says: &'a dyn Fn(&str) -> bool,
    found: Vec<Finding>,
}

impl Idle<'_> {
    /// A key has no effect for any seed: refused if it is said.
    fn unread(&mut self, key: &str, why: impl Into<String>) {
        if (self.says)(key) {
            self.found.push(Finding::refused(&[key], format!("has no effect: {}", why.into())));
        }
    }

    /// Something that is not what its author is likely to want; it is shown where it is said.
    fn odd(&mut self, keys: &[&str], why: impl Into<String>) {
        self.found.push(Finding::warned(keys, why));
    }

    fn head(&mut self) {
        let negative = self.scenario.expect != super::Expect::Pass;
        if !negative && (self.says)("seeds_max") {
            let what = "only a scenario that expects a violation tries several seeds; leave it out, or say in \
                        `expect` which invariant is violated";
            self.odd(&["seeds_max"], what);
        }
        for key in ["acknowledged", "crashes", "partitions", "membership_changes", "judged_reads"] {
            let key = format!("demands.{key}");
            if negative && (self.says)(&key) {
                let what = "a scenario that expects a violation demands nothing else; leave it out";
                self.odd(&[&key], what);
            }
        }
    }

    /// Demands that no run can meet: refused where they are said, else it is warned that every run counts
    /// as one that saw too little.
    fn demands(&mut self) {
        let (demands, work) = (&self.scenario.demands, &self.scenario.workload);
        if self.scenario.expect != super::Expect::Pass {
            return;
        }
        let kinds = self.possible();
        let has = |of: fn(FaultKind) -> bool| kinds.iter().any(|kind| of(*kind));
        let (crashes, partitions) = (has(FaultKind::is_crash), has(FaultKind::is_partition));
        let reads = work.read + work.relaxed_read > 0;
        let unmet = [
            (
                "crashes",
                demands.crashes,
                crashes,
                "no kind of fault that ends a process or cuts power can occur",
            ),
            (
                "partitions",
                demands.partitions,
                partitions,
                "no kind of fault that cuts links can occur",
            ),
            (
                "judged_reads",
                demands.judged_reads,
                reads,
                "clients read nothing: read and relaxed_read are 0",
            ),
        ];
        for (key, demanded, met, why) in unmet {
            if demanded == 0 || met {
                continue;
            }
            let (key, what) =
                (format!("demands.{key}"), format!("cannot be met: {why}; write {key} = 0"));
            match (self.says)(&key) {
                true => self.found.push(Finding::refused(&[&key], what)),
                false => self.odd(&[&key], format!("is {demanded} by default and {what}")),
            }
        }
        let most = self.operations_at_most();
        if let Some(most) = most.filter(|most| *most < demands.acknowledged) {
            let what = format!(
                "[demands] acknowledged, {}, cannot be met: all clients together do {most} operations",
                demands.acknowledged
            );
            let keys = ["demands.acknowledged", "workload.operations_max", "workload.think_ms"];
            self.found.push(match (self.says)(keys[0]) {
                true => Finding::refused(&keys, what),
                false => Finding::warned(&keys[1..], what),
            });
        }
    }

    /// Operations of all clients together, if something bounds them.
    fn operations_at_most(&self) -> Option<u64> {
        let Scenario { workload, shape, acts, restart, .. } = self.scenario;
        let by_time = acts.faults_ms.checked_div(workload.think_ms.min).map(|count| count + 1);
        let each = [by_time, workload.operations_max].into_iter().flatten().min()?;
        Some(each.saturating_mul(shape.clients.max).saturating_mul(restart.parts))
    }

    fn shape(&mut self) {
        let shape = &self.scenario.shape;
        let (racks, servers) = (shape.racks, shape.chunkservers);
        let masters = (shape.masters.min | 1, shape.masters.max | 1);
        let adds = if self.possible().contains(&FaultKind::AddServer) { 3 } else { 0 };
        let machines = masters.1 + servers.max + adds;
        if racks.min > machines {
            let why = format!(
                "there are {machines} machines at the most, so that more racks than those stay empty; \
                 write racks = {machines} or less"
            );
            self.unread("shape.racks", why);
        } else if (self.says)("shape.racks") && racks.max > servers.min + adds {
            let what = format!("more racks than the {} chunkservers: some hold none", servers.min);
            self.odd(&["shape.racks"], what);
        }
        for (key, even) in
            [("shape.masters", shape.masters.min), ("shape.masters", shape.masters.max)]
        {
            if even % 2 == 0 {
                return self.odd(&[key], format!("{even} masters count as {}", even + 1));
            }
        }
    }

    /// The relative frequencies of operations.
    fn mix(&mut self) {
        let (work, shape) = (self.scenario.workload.clone(), &self.scenario.shape);
        let clients = shape.clients;
        if work.append > 0 && work.files.max < 2 {
            let what = format!(
                "appends need a file of records, and the one file holds cells: all {} appends of a mix would \
                 be writes; write files = 2, or append = 0",
                work.append
            );
            let keys = match (self.says)("workload.append") {
                true => ["workload.append", "workload.files"],
                false => ["workload.files", "workload.append"],
            };
            self.found.push(Finding::refused(&keys, what));
        } else if work.append > 0 && work.files.min < 2 {
            let what = "appends are writes in seeds that draw one file, which holds cells";
            self.odd(&["workload.files"], what);
        }
        if work.look > 0 && clients.max < 2 {
            self.unread("workload.look", "there is no other client to look at; write clients = 2");
        }
        if work.look > 0 && work.namespace == 0 {
            let what =
                "looks find nothing: no client makes names in its directory, since namespace is 0";
            self.odd(&["workload.look"], what);
        }
        if work.torture.is_some() && work.shared == 0 {
            let why = "it is about requests in the shared directory, and `shared` is 0";
            self.unread("workload.torture", why);
        }
        if work.operations_max == Some(0) {
            let what = "clients do nothing; leave it out, or write at least 1";
            self.found.push(Finding::refused(&["workload.operations_max"], what));
        }
    }

    /// What operations look like.
    fn details(&mut self) {
        let work = self.scenario.workload.clone();
        let Workload { write, append, read, relaxed_read, .. } = work;
        if append == 0 {
            self.unread("workload.record_bytes", "nothing is appended: `append` is 0");
        } else {
            let most = u64::from(self.scenario.constants().mutation_bytes_max);
            let (record, what) = (work.record_bytes, "[constants] mutation_bytes_max");
            if record.min > most {
                let what = format!("every append is refused as too large: {what} is {most}");
                self.found.push(Finding::refused(&["workload.record_bytes"], what));
            } else if record.max > most {
                let what = format!("records above {what}, {most}, are refused");
                self.odd(&["workload.record_bytes", "constants.mutation_bytes_max"], what);
            }
        }
        if write + append + read + relaxed_read == 0 {
            let why = "clients neither write nor read shared files";
            for key in ["hot_permille", "order", "run_cells", "own_files"] {
                self.unread(&format!("workload.{key}"), why);
            }
        }
        if write + read + relaxed_read == 0 && work.files.min > 1 {
            for key in ["order", "run_cells"] {
                self.unread(
                    &format!("workload.{key}"),
                    "clients only append, and appends have no place",
                );
            }
        }
        self.runs_of_cells(&work);
        if work.own_files && work.hot_permille > 0 {
            let why = "with `own_files` each client has its one file; leave one of them out";
            self.unread("workload.hot_permille", why);
        } else if work.hot_permille > 0 && work.files.max <= 2 {
            let what = "there is one file of each kind, which all operations go to; more files would differ";
            self.odd(&["workload.hot_permille"], what);
        }
    }

    fn runs_of_cells(&mut self, work: &Workload) {
        let (run, all) =
            (work.run_cells, work.chunks_per_file * work.chunk_bytes / work.cell_bytes);
        let key = "workload.run_cells";
        if run.min > all {
            let why =
                format!("a file has {all} cells, and more are never covered; write {all} or less");
            self.unread(key, why);
        } else if run.max > all {
            self.odd(&[key], format!("a file has {all} cells, and more are never covered"));
        }
    }

    /// Everything that a run may meet.
    fn possible(&self) -> Vec<FaultKind> {
        let Scenario { faults, fault, plan, .. } = self.scenario;
        let directed = fault.iter().map(|fault| fault.kind);
        let drawn = FaultKind::ALL.iter().copied().filter(|kind| self.is_drawn(faults, *kind));
        match plan {
            Some(plan) => plan.iter().map(|episode| episode.kind).chain(directed).collect(),
            None => drawn.chain(directed).collect(),
        }
    }

    fn is_drawn(&self, faults: &Faults, kind: FaultKind) -> bool {
        let spared = kind.needs_masters() && self.scenario.shape.masters.max == 1;
        faults.enabled && faults.weight(kind) > 0 && !spared
    }

    fn faults(&mut self) {
        let Scenario { faults, plan, fault, acts, restart, .. } = self.scenario;
        let (drawn, directs) =
            (plan.is_none() && faults.enabled, !fault.is_empty() || plan.is_some());
        let why = match (plan.is_some(), faults.enabled) {
            (true, _) => "`[[plan]]` says exactly which faults there are; leave it out",
            _ => "no faults are drawn, since `enabled` is false; leave one of them out",
        };
        if !drawn {
            for key in ["swarm", "gap_ms", "lasts_ms", "concurrent_max", "others"] {
                self.unread(&format!("faults.{key}"), why);
            }
            for kind in FaultKind::ALL.iter().filter(|kind| faults.weight(**kind) > 0) {
                self.unread(&format!("faults.{}", kind.name()), why);
            }
            if !directs {
                self.unread("faults.reckless", why);
            }
            return;
        }
        let none = FaultKind::ALL.iter().all(|kind| !self.is_drawn(faults, *kind));
        if none {
            let what = "no kind of fault has a weight, so that none is drawn; write enabled = false, or give \
                        a kind a weight";
            let says = (self.says)("faults");
            self.found.push(match says {
                true => Finding::refused(&["faults.others", "faults"], what),
                false => Finding::warned(&["faults"], what),
            });
        }
        let act_ms = acts.faults_ms * restart.parts;
        if faults.gap_ms.min >= act_ms && !none {
            let what = format!(
                "no fault ever begins: the first one comes after a gap of {} ms, and the act of faults lasts \
                 {act_ms} ms",
                faults.gap_ms.min
            );
            let keys = ["faults.gap_ms", "acts.faults_ms"];
            self.found.push(match keys.iter().any(|key| (self.says)(key)) {
                true => Finding::refused(&keys, what),
                false => Finding::warned(&keys, what),
            });
        }
    }

    fn kinds(&mut self) {
        let Scenario { faults, shape, plan, .. } = self.scenario;
        if plan.is_some() || !faults.enabled {
            return;
        }
        let weighted = FaultKind::ALL.iter().filter(|kind| faults.weight(**kind) > 0);
        for kind in weighted.clone().filter(|kind| kind.needs_masters()) {
            let key = format!("faults.{}", kind.name());
            match (shape.masters.max, shape.masters.min) {
                (1, _) => {
                    let why =
                        "it needs several masters, and [shape] masters is 1; write masters = 3";
                    self.unread(&key, why);
                }
                (_, 1) => self.odd(&[&key], "it needs several masters: not in seeds that draw one"),
                _ => {}
            }
        }
        let lease_ms = self.scenario.constants().lease_duration.as_millis();
        let own_time = |kind: &FaultKind| {
            kind.is_momentary() || matches!(kind, FaultKind::LongPause | FaultKind::Frozen)
        };
        if weighted.clone().all(own_time) && weighted.clone().count() > 0 {
            let why = format!(
                "the kinds that have a weight last for no time, or for longer than a lease of {lease_ms} ms \
                 whatever is said"
            );
            if (self.says)("faults.lasts_ms") {
                self.odd(&["faults.lasts_ms"], why);
            }
        }
        self.beyond_budget();
        if faults.rack_power > 0 && shape.racks.max == 1 && (self.says)("faults.rack_power") {
            self.odd(
                &["faults.rack_power"],
                "there is one rack, so that it is a failure of all power",
            );
        }
    }

    /// Kinds of which the fault budget allows none: of chunks with one replica it is the last good one.
    fn beyond_budget(&mut self) {
        let Scenario { faults, workload, .. } = self.scenario;
        if workload.replicas.max > 1 || faults.reckless {
            return;
        }
        for kind in FaultKind::ALL.iter().filter(|kind| faults.weight(**kind) > 0) {
            let key = format!("faults.{}", kind.name());
            if kind.takes_a_copy() && (self.says)(&key) {
                let what = "the fault budget allows none while a chunk has one replica; write replicas = 2, or \
                            reckless = true";
                self.odd(&[&key, "workload.replicas"], what);
            }
        }
    }

    fn network(&mut self) {
        let Scenario { network, disks, clocks, .. } = self.scenario;
        let reorders = self.possible().contains(&FaultKind::Reorder);
        if network.spike_ppm == 0 && !reorders {
            self.unread("network.spike_ms", "no message takes a detour: spike_ppm is 0");
        }
        if disks.sync_us.max == 0 && disks.slow_sync_permille > 0 {
            self.unread("disks.slow_sync_permille", "ten times no time is no time: sync_us is 0");
        }
        let most = self.scenario.constants().clock_drift_ppm_max / 2;
        if clocks.drift_ppm.is_some_and(|drift| drift > most) {
            let what = format!(
                "clocks may differ by more than the protocol assumes: [constants] clock_drift_ppm_max allows \
                 {most} from true time"
            );
            self.odd(&["clocks.drift_ppm"], what);
        }
    }

    fn rest(&mut self) {
        let Scenario { restart, acts, .. } = self.scenario;
        if restart.parts == 1 {
            for key in ["stop", "down_ms"] {
                let why = "there is one part, so that nothing is stopped; write parts = 2";
                self.unread(&format!("restart.{key}"), why);
            }
        }
        if acts.faults_ms == 0 {
            let what = "clients have no time to work; write at least \"1s\"";
            self.found.push(Finding::refused(&["acts.faults_ms"], what));
        }
        let constants = self.scenario.constants();
        if constants.repairs_per_server_max > constants.repairs_max {
            let what = format!(
                "is never reached: [constants] repairs_max, {}, is less",
                constants.repairs_max
            );
            self.odd(&["constants.repairs_per_server_max", "constants.repairs_max"], what);
        }
    }

    /// Constants of rules that are not in force, and rules that nothing of this cluster consults.
    fn rules(&mut self) {
        let rules = self.scenario.constants().rules;
        let of_rules: [(bool, &str, &[&str]); 4] = [
            (
                rules.repair,
                "repair",
                &["repair_delay_ms", "repairs_max", "repair_bytes_per_second"],
            ),
            (
                rules.repair_within_budget,
                "repair_within_budget",
                &["repairs_max", "repair_bytes_per_second"],
            ),
            (rules.keep_deleted, "keep_deleted", &["trash_retention_ms"]),
            (rules.safe_mode_waits, "safe_mode_waits", &["safe_mode_reported_permille"]),
        ];
        for (in_force, rule, constants) in of_rules {
            for constant in constants.iter().filter(|_| !in_force) {
                let key = format!("constants.{constant}");
                if (self.says)(&key) {
                    self.odd(&[&key], format!("is not consulted while [rules] {rule} is false"));
                }
            }
        }
        let one = self.scenario.shape.masters.max == 1;
        for rule in ["vote_is_durable", "snapshot_keeps_changes", "confirm_leadership"] {
            let key = format!("rules.{rule}");
            if one && (self.says)(&key) {
                self.odd(&[&key], "is about several masters, and [shape] masters is 1");
            }
        }
        let (racks, key) = (self.scenario.shape.racks.max, "rules.spread_over_racks");
        if racks == 1 && (self.says)(key) {
            self.unread(key, "there is one rack; write racks = 2");
        }
        let changes = self.scenario.workload.constants > 0;
        let key = "rules.constants_wait_out_leases";
        if !changes && (self.says)(key) {
            self.odd(&[key], "is about changes of constants, and [workload] constants is 0");
        }
    }
}

impl FaultKind {
    /// Whether a good copy of a chunk may be lost by it.
    fn takes_a_copy(self) -> bool {
        use FaultKind as Kind;
        matches!(
            self,
            Kind::Wipe
                | Kind::FsyncFails
                | Kind::Rot
                | Kind::PhantomWrite
                | Kind::Misdirected
                | Kind::LatentError
        )
    }

    /// Whether it ends a process, or fails its power, as the demands count it.
    #[must_use]
    pub fn is_crash(self) -> bool {
        crate::summary::CRASHES.contains(&self.name())
    }

    /// Whether it cuts links, as the demands count it.
    #[must_use]
    pub fn is_partition(self) -> bool {
        crate::summary::PARTITIONS.contains(&self.name())
    }
}
