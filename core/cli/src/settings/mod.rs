//! The configuration of a process at start: a TOML file, then flags, which win.
//!
//! ```toml
//! listen = "127.0.0.1:7400"
//! advertise = "node1.example:7400"  # where others reach it, if not there
//! data_dir = "/var/lib/leasehold/master"
//! metrics = "127.0.0.1:9400"        # /metrics and /healthz, for a monitor
//! masters = ["127.0.0.1:7400"]      # chunkservers and clients
//! node = 1                          # masters
//! peers = ["1@10.0.0.1:7400", "2@10.0.0.2:7400", "3@10.0.0.3:7400"]  # masters that are several
//! rack = 1                          # chunkservers
//! capacity = "100GiB"               # chunkservers
//! lease_duration = "12s"            # and every other constant of the cluster
//! ```

mod constants;
mod nearest;

use crate::arguments::parse_capacity;
use crate::failure::Failure;
use constants::Table;
use leasehold_proto::{ClusterConstant, ClusterConstants, Constants, Setting};
use nearest::nearest;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// The keys beside the constants.
const KEYS: [&str; 9] =
    ["listen", "advertise", "data_dir", "metrics", "masters", "node", "peers", "rack", "capacity"];

/// Everything that a file and flags can say.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Where to listen.
    pub listen: Option<SocketAddr>,
    /// Where others reach this server, `host:port`.
    pub advertise: Option<String>,
    /// Where to keep everything durable.
    pub data_dir: Option<PathBuf>,
    /// Where a monitor reads.
    pub metrics: Option<SocketAddr>,
    /// Every master's number and address, `n@host:port`, for a master that has peers.
    pub peers: Vec<String>,
    /// Addresses of the masters, `host:port`.
    pub masters: Vec<String>,
    /// A master's own number.
    pub node: Option<u64>,
    /// A chunkserver's failure domain.
    pub rack: Option<u32>,
    /// Bytes that a chunkserver offers.
    pub capacity: Option<u64>,
    constants: Table,
    origins: BTreeMap<String, Origin>,
}

/// Where a value was written.
#[derive(Clone, Debug)]
enum Origin {
    File { file: PathBuf, line: usize },
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { file, line } => write!(f, "{}:{line}", file.display()),
            Origin::Flag => f.write_str("--set"),
        }
    }
}

impl Settings {
    /// Reads the file, if there is one, then applies each `KEY=VALUE`.
    pub fn read(file: Option<&Path>, sets: &[String]) -> Result<Settings, Failure> {
        let mut settings = Settings::default();
        if let Some(file) = file {
            let text = std::fs::read_to_string(file)
                .map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
            settings.apply_file(file, &text)?;
        }
        for set in sets {
            let (key, value) = set
                .split_once('=')
                .ok_or_else(|| Failure::Usage(format!("--set: {set:?} is not KEY=VALUE")))?;
            settings.set(key.trim(), value.trim(), Origin::Flag)?;
        }
        Ok(settings)
    }

    fn apply_file(&mut self, file: &Path, text: &str) -> Result<(), Failure> {
        let line = |at: usize| 1 + text[..at.min(text.len())].matches('\n').count();
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let what = error.message().trim_end();
            Failure::Usage(format!("{}:{}: {what}", file.display(), line(at)))
        })?;
        for (key, value) in table.get_ref() {
            let origin = Origin::File { file: file.to_owned(), line: line(key.span().start) };
            let text = as_text(value.get_ref()).ok_or_else(|| {
                let kind = value.get_ref().type_str();
                Failure::Usage(format!("{origin}: {}: {kind} is not what it takes", key.get_ref()))
            })?;
            self.set(key.get_ref(), &text, origin)?;
        }
        Ok(())
    }

    fn set(&mut self, key: &str, text: &str, origin: Origin) -> Result<(), Failure> {
        let done = match key {
            "listen" => parse(text, "an address like 127.0.0.1:7400").map(|at| self.listen = at),
            "advertise" => {
                self.advertise = Some(text.to_owned());
                Ok(())
            }
            "data_dir" => {
                self.data_dir = Some(PathBuf::from(text));
                Ok(())
            }
            "masters" => {
                self.masters = split_list(text);
                Ok(())
            }
            "metrics" => parse(text, "an address like 127.0.0.1:9400").map(|at| self.metrics = at),
            "peers" => {
                self.peers = split_list(text);
                Ok(())
            }
            "bootstrap" | "init" | "adopt" => {
                return Err(Failure::Usage(format!(
                    "{origin}: {key} belongs to one start and not to a configuration: begin the \
                     directory once, with --{key} --no-serve"
                )));
            }
            "node" => parse(text, "a whole number").map(|number| self.node = number),
            "rack" => parse(text, "a whole number").map(|number| self.rack = number),
            "capacity" => parse_capacity(text).map(|bytes| self.capacity = Some(bytes)),
            constant => match self.constants.set(constant, text) {
                Some(done) => done,
                None => return Err(self.unknown_key(key, &origin)),
            },
        };
        done.map_err(|why| Failure::Usage(format!("{origin}: {key}: {why}")))?;
        self.origins.insert(key.to_owned(), origin);
        Ok(())
    }

    fn unknown_key(&self, key: &str, origin: &Origin) -> Failure {
        let known = KEYS.into_iter().chain(self.constants.keys());
        let advice = nearest(key, known).map_or_else(
            || "`leasehold constants list` lists the keys".to_owned(),
            |word| format!("did you mean {word:?}?"),
        );
        Failure::Usage(format!("{origin}: unknown key {key:?}; {advice}"))
    }

    /// The constants, if they do not contradict each other.
    pub fn constants(&self) -> Result<Constants, Failure> {
        let constants = self.constants.build().map_err(Failure::Usage)?;
        constants.check().map_err(|error| {
            let shown = self.constants.show(error.key).unwrap_or_default();
            let origin = self.origins.get(error.key);
            let origin = origin.map_or("by default".to_owned(), |origin| format!("at {origin}"));
            let others = self.others_set(error.key, error.why);
            Failure::Usage(format!("{error} ({} = {shown} {origin}{others})", error.key))
        })?;
        Ok(constants)
    }

    /// The cluster's constants that the file or a flag names: the process serves with no others.
    pub fn insists(&self) -> Result<Vec<Setting>, Failure> {
        let values = ClusterConstants::of(&self.constants()?);
        let named = |constant: &&ClusterConstant| self.origins.contains_key(constant.name());
        let all = ClusterConstant::ALL.iter().filter(named);
        Ok(all.map(|constant| values.setting(*constant)).collect())
    }

    /// Constants of the cluster as `NAME=VALUE` says them.
    pub fn cluster_settings(words: &[String]) -> Result<Vec<Setting>, Failure> {
        let mut settings = Settings::default();
        let mut named = Vec::new();
        for word in words {
            let (name, value) = word
                .split_once('=')
                .ok_or_else(|| Failure::Usage(format!("{word:?} is not NAME=VALUE")))?;
            let name = name.trim();
            settings.set(name, value.trim(), Origin::Flag).map_err(|failure| match failure {
                Failure::Usage(what) => Failure::Usage(what.trim_start_matches("--set: ").into()),
                other => other,
            })?;
            let constant = ClusterConstant::named(name).ok_or_else(|| {
                Failure::Usage(format!("{name} is each process's own: it is set where one starts"))
            })?;
            named.push(constant);
        }
        let constants = settings.constants.build().map_err(Failure::Usage)?;
        let values = ClusterConstants::of(&constants);
        Ok(named.into_iter().map(|constant| values.setting(constant)).collect())
    }

    /// The other keys that a sentence names, with their values.
    fn others_set(&self, key: &str, why: &str) -> String {
        let words = why.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let others = words.filter(|word| *word != key);
        others
            .filter_map(|word| Some(format!("; {word} = {}", self.constants.show(word)?)))
            .collect()
    }

    /// Every constant with its value, one `key = value` a line, as the file takes it.
    pub fn list_constants(&self) -> String {
        let line = |key: &str| {
            let value = self.constants.toml(key)?;
            Some(format!("{key} = {value}\n"))
        };
        self.constants.keys().filter_map(line).collect()
    }
}

/// A value as a flag would spell it. Floats, dates and tables are none.
fn as_text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Array(items) => {
            let items: Option<Vec<_>> =
                items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect();
            items.map(|items| items.join(","))
        }
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

fn split_list(text: &str) -> Vec<String> {
    text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}

fn parse<T: std::str::FromStr>(text: &str, wanted: &str) -> Result<Option<T>, String> {
    text.parse().map(Some).map_err(|_| format!("{text:?} is not {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn from_text(text: &str) -> Result<Settings, String> {
        let mut settings = Settings::default();
        match settings.apply_file(Path::new("x.toml"), text) {
            Ok(()) => Ok(settings),
            Err(Failure::Usage(what)) => Err(what),
            Err(other) => panic!("a wrong file is a usage error, not {other:?}"),
        }
    }

    fn refusal(text: &str) -> String {
        from_text(text).expect_err("refused")
    }

    #[test]
    fn every_key_is_taken() {
        let settings = from_text(
            "metrics = '127.0.0.1:2'\npeers = ['1@a:1', '2@b:1']\nlisten = '127.0.0.1:1'\nadvertise = 'h:1'\ndata_dir = '/d'\nmasters = ['a:1', 'b:2']\nnode = 2\n\
             rack = 3\ncapacity = '4GiB'\nlease_duration = '20s'\nrepairs_max = 2\n",
        )
        .expect("well-formed");
        assert_eq!(settings.listen, Some(([127, 0, 0, 1], 1).into()));
        assert_eq!(settings.advertise, Some("h:1".into()));
        assert_eq!(settings.metrics, Some(([127, 0, 0, 1], 2).into()));
        assert_eq!(settings.peers, ["1@a:1", "2@b:1"]);
        assert_eq!(settings.data_dir, Some("/d".into()));
        assert_eq!(settings.masters, ["a:1", "b:2"]);
        assert_eq!((settings.node, settings.rack), (Some(2), Some(3)));
        assert_eq!(settings.capacity, Some(4 << 30));
        let constants = settings.constants().expect("consistent");
        assert_eq!(constants.lease_duration, Duration::from_secs(20));
        assert_eq!(constants.repairs_max, 2);
    }

    #[test]
    fn unknown_keys_name_file_line_and_the_nearest_key() {
        assert_eq!(
            refusal("rack = 1\n\nlease_duraton = '12s'\n"),
            "x.toml:3: unknown key \"lease_duraton\"; did you mean \"lease_duration\"?"
        );
        assert_eq!(
            refusal("# c\nflux_capacitor_on = 1\n"),
            "x.toml:2: unknown key \"flux_capacitor_on\"; `leasehold constants list` lists the keys"
        );
    }

    #[test]
    fn wrong_values_name_the_line_and_what_would_be_right() {
        assert_eq!(
            refusal("lease_duration = 12"),
            "x.toml:1: lease_duration: \"12\" is not a duration; write 250ms, 12s or 1h"
        );
        assert_eq!(refusal("rack = true"), "x.toml:1: rack: \"true\" is not a whole number");
        assert!(refusal("rack = 1\nrack = 2\n").starts_with("x.toml:2: "));
        assert!(refusal("rack = \n").starts_with("x.toml:1: "));
    }

    #[test]
    fn what_belongs_to_one_start_is_in_no_configuration() {
        for key in ["bootstrap", "init", "adopt"] {
            let said = refusal(&format!("{key} = 'yes'"));
            assert!(said.contains(&format!("with --{key} --no-serve")), "{said}");
        }
    }

    #[test]
    fn contradictions_name_both_keys() {
        let settings = from_text("\nlease_duration = '800ms'\n").expect("well-formed");
        let Err(Failure::Usage(what)) = settings.constants() else { panic!("must be refused") };
        assert_eq!(
            what,
            "lease_duration must be at least two heartbeat_interval (lease_duration = 800ms at \
             x.toml:2; heartbeat_interval = 500ms)"
        );
    }

    #[test]
    fn flags_win_over_the_file() {
        let mut settings = from_text("rack = 1\n").expect("well-formed");
        settings.set("rack", "2", Origin::Flag).expect("well-formed");
        assert_eq!(settings.rack, Some(2));
    }

    #[test]
    fn what_is_listed_reads_back_as_the_same_constants() {
        let listed = Settings::default().list_constants();
        let settings = from_text(&listed).expect("it lists what it takes");
        assert_eq!(
            settings.constants().expect("the defaults are consistent"),
            Constants::default()
        );
    }

    /// Every constant at its edges: what is taken is a cluster that works (the timing that a test can
    /// wait for is tried with real processes), and what is refused says which key and why.
    #[test]
    fn every_constant_at_its_edges_is_taken_or_refused_by_name() {
        let keys: Vec<String> = Table::default().keys().map(str::to_owned).collect();
        let values = [
            "0",
            "1",
            "2",
            "999",
            "1000",
            "1001",
            "65536",
            "2147483648",
            "4294967295",
            "4294967296",
            "18446744073709551615",
            "18446744073709551616",
            "-1",
            "",
            "0s",
            "1ns",
            "1ms",
            "213503d",
            "99999999d",
            "1.5",
        ];
        for key in keys.iter().map(String::as_str).chain(KEYS) {
            for value in values {
                let set = format!("{key}={value}");
                let built = Settings::read(None, std::slice::from_ref(&set))
                    .and_then(|settings| settings.constants());
                match built {
                    Ok(_) => {}
                    Err(Failure::Usage(why)) => assert!(why.contains(key), "{set}: {why}"),
                    Err(other) => panic!("{set}: {other:?}"),
                }
            }
        }
    }

    /// None of them may make a check vacuous, or a wait endless.
    #[test]
    fn constants_that_would_switch_something_off_are_refused() {
        for set in [
            "list_entries_max=0",
            "operation_timeout=0s",
            "remembered_clients_max=0",
            "repair_bytes_per_second=0",
            "repairs_max=0",
            "changes_max=0",
            "waiting_requests_max=0",
            "block_bytes=2147483648",
            "capacity=0",
        ] {
            let built = Settings::read(None, &[set.to_owned()]).and_then(|s| s.constants());
            assert!(matches!(built, Err(Failure::Usage(_))), "{set}");
        }
    }
}
