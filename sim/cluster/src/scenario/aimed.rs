//! Whether directed faults, and those of a plan, can happen: their time, their victims, their strength.

use super::directed::{Aim, Victims};
use super::{FaultKind, Finding, Scenario};

/// What is wrong with them.
pub(super) fn findings(scenario: &Scenario) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, fault) in scenario.fault.iter().enumerate() {
        let at = format!("fault.{number}");
        let aim = fault.aim();
        let here = Aimed { scenario, at: at.clone(), aim_at: at, kind: fault.kind, aim: &aim };
        let (begins, lasts) = (fault.at.0, fault.lasts.0);
        here.time("at", begins, &mut findings);
        here.lasts(begins, lasts, &mut findings);
        here.all(&mut findings);
    }
    for (number, episode) in scenario.plan.iter().flatten().enumerate() {
        let (at, plain) = (format!("plan.{number}"), Aim::default());
        let aim = episode.aim.as_ref().unwrap_or(&plain);
        let aim_at = format!("{at}.aim");
        let here = Aimed { scenario, at, aim_at, kind: episode.kind, aim };
        here.time("begins_ms", episode.begins_ms, &mut findings);
        here.all(&mut findings);
    }
    findings
}

/// A fault, and where it is said.
struct Aimed<'a> {
    scenario: &'a Scenario,
    at: String,
    aim_at: String,
    kind: FaultKind,
    aim: &'a Aim,
}

impl Aimed<'_> {
    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.aim_at)
    }

    fn act_ms(&self) -> u64 {
        self.scenario.acts.faults_ms * self.scenario.restart.parts
    }

    fn time(&self, key: &str, begins_ms: u64, to: &mut Vec<Finding>) {
        let act_ms = self.act_ms();
        if begins_ms >= act_ms {
            let what = format!(
                "never begins: faults are on until {act_ms} ms ([acts] faults_ms); write an earlier time, or \
                 a longer act"
            );
            to.push(Finding::refused(&[&format!("{}.{key}", self.at), "acts.faults_ms"], what));
        }
    }

    fn lasts(&self, begins_ms: u64, lasts_ms: u64, to: &mut Vec<Finding>) {
        let key = format!("{}.lasts", self.at);
        let (kind, act_ms) = (self.kind.name(), self.act_ms());
        match (self.kind.is_momentary(), lasts_ms) {
            (true, 0) => {}
            (true, _) => {
                let what = format!("has no effect: a {kind} has no end; leave it out");
                to.push(Finding::refused(&[&key], what));
            }
            (false, 0) => {
                let what = format!("must be there: how long the {kind} lasts, such as \"3s\"");
                to.push(Finding::refused(&[&key, &self.at], what));
            }
            (false, _) if begins_ms < act_ms && begins_ms + lasts_ms > act_ms => {
                let what =
                    format!("ends with the act of faults at {act_ms} ms, as every fault does");
                to.push(Finding::warned(&[&key], what));
            }
            (false, _) => {}
        }
    }

    fn all(&self, to: &mut Vec<Finding>) {
        let masters = self.scenario.shape.masters;
        if self.kind.needs_masters() && masters.max == 1 {
            let what = "it needs several masters, and [shape] masters is 1; write masters = 3";
            to.push(Finding::refused(&[&format!("{}.kind", self.at), "shape.masters"], what));
        }
        self.meant(to);
        self.rack(to);
        self.primary(to);
        self.names("nodes", self.aim.nodes.as_deref(), self.kind.victims(), to);
        self.names("others", self.aim.others.as_deref(), Victims::Nodes, to);
        self.twice(to);
    }

    /// Keys that mean something for this kind, and not two that say the same.
    fn meant(&self, to: &mut Vec<Finding>) {
        let (takes, said) = (self.kind.takes(), self.aim.said());
        for key in said.iter().filter(|key| !takes.contains(key)) {
            let takes = match takes.is_empty() {
                true => "it is about the whole cluster, and takes none of these".to_owned(),
                false => format!("it takes {}", takes.join(", ")),
            };
            let what = format!("has no meaning for a {}: {takes}", self.kind.name());
            to.push(Finding::refused(&[&self.key(key)], what));
        }
        let victims = ["rack", "nodes", "primary_of"].map(|key| said.contains(&key).then_some(key));
        let victims: Vec<&str> = victims.into_iter().flatten().collect();
        if victims.len() > 1 {
            let what =
                format!("{} say its nodes twice; leave one of them out", victims.join(" and "));
            to.push(Finding::refused(&[&self.key(victims[1])], what));
        }
        if self.aim.chunk.is_some() && self.aim.primary_of.is_none() {
            let what =
                "has no effect: it is which chunk of the file in primary_of, which is not said";
            to.push(Finding::refused(&[&self.key("chunk")], what));
        }
    }

    fn rack(&self, to: &mut Vec<Finding>) {
        let (Some(rack), shape) = (self.aim.rack, &self.scenario.shape) else { return };
        let machines = |masters: u64, servers: u64| (masters | 1) + servers;
        let most = shape.racks.max.min(machines(shape.masters.max, shape.chunkservers.max));
        let least = shape.racks.min.min(machines(shape.masters.min, shape.chunkservers.min));
        let key = self.key("rack");
        if rack >= most {
            let what = format!(
                "there is no such rack: {most} hold machines, numbered from 0 to {}",
                most - 1
            );
            to.push(Finding::refused(&[&key, "shape.racks"], what));
        } else if self.is_of_others(rack) {
            let what = format!(
                "no chunkserver is in this rack: machine i is in rack i modulo {}, masters first",
                shape.racks.max
            );
            to.push(Finding::refused(&[&key, "shape.racks"], what));
        } else if rack >= least {
            let what = format!("there is no such rack in seeds that draw {least}");
            to.push(Finding::warned(&[&key], what));
        }
    }

    /// A node that is named twice, or on both sides of a cut.
    fn twice(&self, to: &mut Vec<Finding>) {
        let none = Vec::new();
        let nodes = self.aim.nodes.as_ref().unwrap_or(&none);
        let others = self.aim.others.as_ref().unwrap_or(&none);
        for (key, names) in [("nodes", nodes), ("others", others)] {
            let again = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name));
            if let Some((_, name)) = again {
                to.push(Finding::refused(&[&self.key(key)], format!("{name} is named twice")));
            }
        }
        if let Some(name) = others.iter().find(|name| nodes.contains(name)) {
            let what = format!("{name} is on both sides of the cut; leave it out on one of them");
            to.push(Finding::refused(&[&self.key("others")], what));
        }
    }

    /// Whether a rack that all seeds have holds machines of the kind that is wanted.
    fn is_of_others(&self, rack: u64) -> bool {
        let shape = &self.scenario.shape;
        let spans = [shape.masters, shape.chunkservers, shape.racks];
        let masters = shape.masters.max | 1;
        let mut servers = masters..masters + shape.chunkservers.max;
        let is_drawn = spans.iter().any(|span| span.min != span.max);
        let servers_only = self.kind.victims() == Victims::Servers;
        servers_only && !is_drawn && !servers.any(|machine| machine % shape.racks.max == rack)
    }

    fn primary(&self, to: &mut Vec<Finding>) {
        let (Some(path), work) = (&self.aim.primary_of, &self.scenario.workload) else { return };
        let key = self.key("primary_of");
        let file = path.rsplit_once('/').and_then(|(_, number)| number.parse::<u64>().ok());
        let known = file.filter(|file| crate::drawn::path_of(*file) == *path);
        match known {
            Some(file) if file < work.files.min => {}
            Some(file) if file < work.files.max => {
                to.push(Finding::warned(&[&key], "there is no such file in seeds that draw fewer"));
            }
            _ => {
                let all = (0..work.files.max.min(4)).map(crate::drawn::path_of).collect::<Vec<_>>();
                let more = if work.files.max > 4 { ", ..." } else { "" };
                let what = format!("there is no such file; it may be {}{more}", all.join(", "));
                to.push(Finding::refused(&[&key, "workload.files"], what));
            }
        }
        if self.aim.chunk.is_some_and(|chunk| chunk >= work.chunks_per_file) {
            let what = format!(
                "there is no such chunk: [workload] chunks_per_file is {}, and they are numbered from 0",
                work.chunks_per_file
            );
            to.push(Finding::refused(&[&self.key("chunk"), "workload.chunks_per_file"], what));
        }
    }

    fn names(&self, key: &str, names: Option<&[String]>, victims: Victims, to: &mut Vec<Finding>) {
        for name in names.into_iter().flatten() {
            if let Err(what) = self.name(name, victims) {
                to.push(Finding::refused(&[&self.key(key)], what));
            }
        }
    }

    /// Whether a node of this name exists, and can be a victim.
    fn name(&self, name: &str, victims: Victims) -> Result<(), String> {
        let shape = &self.scenario.shape;
        let (role, number) = match name.rsplit_once('-') {
            Some((role, number)) => (role, number.parse::<u64>().ok()),
            None => (name, Some(1)),
        };
        let roles: &[&str] = match victims {
            Victims::Servers => &["chunkserver"],
            Victims::Masters => &["master", "leader"],
            Victims::Machines => &["chunkserver", "master", "leader"],
            Victims::Nodes => &["chunkserver", "master", "leader", "client"],
            // That nodes cannot be named is said already.
            Victims::All | Victims::Rack => return Ok(()),
        };
        let (most, plural) = match role {
            "chunkserver" => (shape.chunkservers.max + 3, "chunkservers"),
            "master" => (shape.masters.max | 1, "masters"),
            "client" => (shape.clients.max, "clients"),
            "leader" if !name.contains('-') => (1, "leaders"),
            _ => {
                let what = "a node is named as chunkserver-1, master-1, client-1 or leader";
                return Err(format!("\"{name}\" is no node; {what}"));
            }
        };
        let most = match (role, self.adds_servers()) {
            ("chunkserver", false) => most - 3,
            _ => most,
        };
        match number {
            Some(number) if (1..=most).contains(&number) && roles.contains(&role) => Ok(()),
            Some(_) if !roles.contains(&role) => {
                let kind = self.kind.name();
                Err(format!("a {kind} cannot be done to {name}: it is for {}", roles.join(", ")))
            }
            _ => Err(format!("there is no {name}: {plural} are numbered from 1 to {most}")),
        }
    }

    fn adds_servers(&self) -> bool {
        let Scenario { faults, fault, plan, .. } = self.scenario;
        let directed = fault.iter().any(|fault| fault.kind == FaultKind::AddServer);
        let mut planned = plan.iter().flatten();
        directed
            || planned.any(|episode| episode.kind == FaultKind::AddServer)
            || plan.is_none() && faults.enabled && faults.add_server > 0
    }
}
