//! The masters: from the addresses that a person names to all of them.
//!
//! An address says neither which master listens there nor which others there are: a master says
//! both. So the address of any one of them is enough, and the order of several means nothing.

use crate::entropy;
use crate::failure::Failure;
use crate::units::human_duration;
use leasehold_proto::NodeId;
use leasehold_runtime::transport::{Found, ask_masters};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// After this long without an answer, a person reads what is being waited for.
const SILENCE: Duration = Duration::from_secs(3);

/// Masters that did not answer are asked again after this long.
const AGAIN: Duration = Duration::from_millis(200);

/// When one master has answered, the others have this long.
const OTHERS: Duration = Duration::from_millis(100);

/// A master as a person names it: `host:port`, or `3@host:port` with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    name: String,
    number: Option<NodeId>,
    /// Every address of the name.
    addresses: Vec<SocketAddr>,
}

/// Looks the names up. Errors: a name that is none, or an address that cannot be dialled.
pub async fn seeds(names: &[String]) -> Result<Vec<Seed>, Failure> {
    let mut seeds = Vec::new();
    for name in names {
        let wrong = |why: String| Failure::Usage(format!("master {name:?}: {why}"));
        let (number, address) = match name.split_once('@') {
            Some((number, address)) => {
                let number = number.parse().ok().filter(|number| *number > 0);
                let number = number.ok_or_else(|| wrong("write NUMBER@HOST:PORT".to_owned()))?;
                (Some(NodeId(number)), address)
            }
            None => (None, name.as_str()),
        };
        let addresses = look_up(address).await.map_err(wrong)?;
        seeds.push(Seed { name: name.clone(), number, addresses });
    }
    Ok(seeds)
}

/// Every address of `HOST:PORT`, none of which is one to listen at only.
pub async fn look_up(name: &str) -> Result<Vec<SocketAddr>, String> {
    let found = tokio::net::lookup_host(name).await.map_err(|error| error.to_string())?;
    let mut all: Vec<SocketAddr> = Vec::new();
    for address in found {
        if address.ip().is_unspecified() {
            return Err(format!(
                "{} means every address of a machine: servers listen at it, and nobody can dial \
                 it; name one that others reach",
                address.ip()
            ));
        }
        if address.port() == 0 {
            return Err("port 0 means any free one, and nobody can dial it".to_owned());
        }
        if !all.contains(&address) {
            all.push(address);
        }
    }
    if all.is_empty() { Err("the name has no address".to_owned()) } else { Ok(all) }
}

/// Masters that know each other by number (`--peer`): one without a number has its place in the list,
/// from 1.
pub fn numbered(seeds: &[Seed]) -> Vec<(NodeId, SocketAddr)> {
    let each = seeds.iter().zip(1..).flat_map(|(seed, place)| {
        let number = seed.number.unwrap_or(NodeId(place));
        seed.addresses.iter().map(move |address| (number, *address))
    });
    each.collect()
}

/// True if each is named with its number.
pub fn all_numbered(seeds: &[Seed]) -> bool {
    seeds.iter().all(|seed| seed.number.is_some())
}

/// All masters, learned from the first of these that answers. The addresses by which they were named
/// come before those that they announce.
///
/// Errors: none answered within `patience`; each address with the reason.
pub async fn find(
    seeds: &[Seed],
    patience: Duration,
) -> Result<Vec<(NodeId, SocketAddr)>, Failure> {
    let own = NodeId(entropy::draw()?);
    let mut silent: BTreeMap<SocketAddr, String> = BTreeMap::new();
    let longest = human_duration(patience);
    let asking = async {
        let mut waited = Duration::ZERO;
        loop {
            let begun = tokio::time::Instant::now();
            let found = round(seeds, own, &mut silent).await;
            if !found.is_empty() {
                return masters(seeds, &found);
            }
            sleep(AGAIN).await;
            let before = waited;
            waited += begun.elapsed();
            if before < SILENCE && waited >= SILENCE {
                let why = reasons(seeds, &silent);
                crate::log::say(format_args!("leasehold: {why}; waiting up to {longest}"));
            }
        }
    };
    match timeout(patience, asking).await {
        Ok(found) => found,
        Err(_) => {
            let why = reasons(seeds, &silent);
            Err(Failure::Failed(format!("{why} (tried for {longest})")))
        }
    }
}

/// Asks every address once; returns soon after the first answer.
async fn round(
    seeds: &[Seed],
    own: NodeId,
    silent: &mut BTreeMap<SocketAddr, String>,
) -> Vec<Found> {
    let mut asked = JoinSet::new();
    for address in seeds.iter().flat_map(|seed| &seed.addresses) {
        let address = *address;
        asked.spawn(async move { (address, ask_masters(own, address).await) });
    }
    let mut found = Vec::new();
    loop {
        let wait = if found.is_empty() { Duration::MAX } else { OTHERS };
        match timeout(wait, asked.join_next()).await {
            Ok(Some(Ok((_, Ok(master))))) => found.push(master),
            Ok(Some(Ok((address, Err(why))))) => drop(silent.insert(address, why)),
            Ok(Some(Err(_))) => {}
            Ok(None) | Err(_) => return found,
        }
    }
}

fn masters(seeds: &[Seed], found: &[Found]) -> Result<Vec<(NodeId, SocketAddr)>, Failure> {
    let mut all: Vec<(NodeId, SocketAddr)> = Vec::new();
    for seed in seeds {
        let answers = found.iter().filter(|master| seed.addresses.contains(&master.address));
        for master in answers.clone() {
            if let Some(number) = seed.number.filter(|number| *number != master.node) {
                return Err(Failure::Failed(format!(
                    "master {:?}: {} answers at {}, not {number}",
                    seed.name, master.node, master.address
                )));
            }
        }
        let node = seed.number.or(answers.clone().next().map(|master| master.node));
        all.extend(node.into_iter().flat_map(|node| {
            let reached = answers.clone().map(|master| master.address);
            let rest = seed.addresses.iter().copied().filter(|_| seed.number.is_some());
            reached.chain(rest).map(move |address| (node, address)).collect::<Vec<_>>()
        }));
    }
    all.extend(found.iter().flat_map(|master| master.masters.iter().copied()));
    let mut known = std::collections::BTreeSet::new();
    all.retain(|one| known.insert(*one));
    Ok(all)
}

/// Why each of them was not reached.
fn reasons(seeds: &[Seed], silent: &BTreeMap<SocketAddr, String>) -> String {
    let each = seeds.iter().flat_map(|seed| {
        seed.addresses.iter().map(|address| {
            let why = silent.get(address).map_or("Connection timed out", String::as_str);
            if seed.name.ends_with(&address.to_string()) {
                format!("{}: {why}", seed.name)
            } else {
                format!("{} ({address}): {why}", seed.name)
            }
        })
    });
    let each: Vec<String> = each.collect();
    match &each[..] {
        [one] => one.clone(),
        _ => format!("no master answers: {}", each.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    async fn named(names: &[&str]) -> Result<Vec<Seed>, Failure> {
        seeds(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).await
    }

    #[tokio::test]
    async fn peers_are_numbered_by_place_or_by_name() {
        let seeds = named(&["127.0.0.1:1", "7@127.0.0.1:2"]).await.expect("literal addresses");
        assert_eq!(numbered(&seeds), [(NodeId(1), at(1)), (NodeId(7), at(2))]);
    }

    #[tokio::test]
    async fn what_nobody_can_dial_is_a_usage_error() {
        for name in
            ["127.0.0.1", "x@127.0.0.1:1", "0@127.0.0.1:1", "0.0.0.0:1", "[::]:1", "127.0.0.1:0"]
        {
            assert!(matches!(named(&[name]).await, Err(Failure::Usage(_))), "{name}");
        }
    }

    #[tokio::test]
    async fn one_that_answers_names_the_others_and_itself() {
        let seeds = named(&["127.0.0.1:5", "9@127.0.0.1:6"]).await.expect("literal addresses");
        let found = |node| Found {
            node: NodeId(node),
            address: at(5),
            masters: vec![(NodeId(1), at(1)), (NodeId(node), at(2))],
        };
        let all = masters(&seeds, &[found(3)]).expect("no contradiction");
        let n = NodeId;
        assert_eq!(all, [(n(3), at(5)), (n(9), at(6)), (n(1), at(1)), (n(3), at(2))]);
        let seeds = named(&["4@127.0.0.1:5"]).await.expect("a literal address");
        let Err(Failure::Failed(why)) = masters(&seeds, &[found(3)]) else { panic!("refused") };
        assert!(why.contains("n3 answers at 127.0.0.1:5, not n4"), "{why}");
    }

    #[tokio::test]
    async fn each_address_is_named_with_its_reason() {
        let seeds = named(&["127.0.0.1:1", "127.0.0.1:2"]).await.expect("literal addresses");
        let silent = [(at(1), "Connection refused".to_owned())].into();
        let said = reasons(&seeds, &silent);
        let expected = "no master answers: 127.0.0.1:1: Connection refused; \
                        127.0.0.1:2: Connection timed out";
        assert_eq!(said, expected);
    }
}
