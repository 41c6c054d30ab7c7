//! Readable names for nodes: `m` (or `m1`, `m2`, ...) are masters, `n1`, `n2`, ... chunkservers,
//! `a`, `b`, ... clients.

use leasehold_proto::NodeId;

/// The first chunkserver's id; masters are below it.
const SERVERS: u64 = 100;
/// The first client's id.
const CLIENTS: u64 = 1_000;

/// The `n`-th master, from 1.
#[must_use]
pub fn master(n: u64) -> NodeId {
    assert!((1..SERVERS).contains(&n), "a master's number is small");
    NodeId(n)
}

/// The `n`-th chunkserver, from 1.
#[must_use]
pub fn server(n: u64) -> NodeId {
    assert!((1..CLIENTS - SERVERS).contains(&n), "a chunkserver's number is below 900");
    NodeId(SERVERS + n)
}

/// The `n`-th client, from 1.
#[must_use]
pub fn client(n: u64) -> NodeId {
    assert!((1..=26).contains(&n), "a client is a letter");
    NodeId(CLIENTS + n)
}

/// A chunkserver's id.
#[must_use]
pub fn is_server(node: NodeId) -> bool {
    (SERVERS..CLIENTS).contains(&node.0)
}

/// A master's or a chunkserver's id.
#[must_use]
pub fn is_node(node: NodeId) -> bool {
    node.0 < CLIENTS
}

/// The name of a node, in a cluster with that many masters.
#[must_use]
pub fn name(node: NodeId, masters: u64) -> String {
    match node.0 {
        1 if masters == 1 => "m".into(),
        n if n < SERVERS => format!("m{n}"),
        n if n < CLIENTS => format!("n{}", n - SERVERS),
        n => char::from(b'a' + u8::try_from((n - CLIENTS - 1) % 26).unwrap_or(0)).into(),
    }
}

/// The node of a name, if it is one.
#[must_use]
pub fn parse(name: &str) -> Option<NodeId> {
    if name == "m" {
        return Some(master(1));
    }
    if let [letter @ b'a'..=b'l'] = name.as_bytes() {
        return Some(client(u64::from(letter - b'a') + 1));
    }
    let (kind, number) = name.split_at_checked(1)?;
    let number: u64 = number.parse().ok().filter(|n| (1..90).contains(n))?;
    match kind {
        "m" => Some(master(number)),
        "n" => Some(server(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_node() {
        for node in [master(1), master(3), server(1), server(12), client(1), client(2)] {
            assert_eq!(parse(&name(node, 3)), Some(node));
        }
        assert_eq!(parse(&name(master(1), 1)), Some(master(1)));
        for wrong in ["", "n", "n0", "x1", "m-1", "hello", "é"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
