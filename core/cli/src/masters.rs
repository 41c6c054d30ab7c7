//! `master list|add|remove|snapshot`: the masters as a group.

use crate::arguments::{ClientArguments, MasterCommand};
use crate::entropy;
use crate::failure::{Failure, Outcome};
use crate::output::print;
use crate::seeds::{numbered, seeds};
use crate::session::{connect, find_masters};
use leasehold_node::replicated::admin::{Admin, AdminError};
use leasehold_node::replicated::link::Silent;
use leasehold_node::replicated::message::MembershipChange;
use leasehold_node::replicated::status::{Role, Written};
use leasehold_node::replicated::{Peer, Standing};
use leasehold_proto::NodeId;
use serde_json::{Value, json};

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        Failure::Failed(error.to_string())
    }
}

/// `leasehold master` with a verb.
pub async fn ask(command: &MasterCommand) -> Outcome {
    match command {
        MasterCommand::List(arguments) => {
            let standings = standings(&arguments.client).await?;
            if let [Err(Silent(_))] = standings[..] {
                // Connecting reports why the only master does not answer.
                connect(&arguments.client).await?;
            }
            if arguments.json {
                let list = Value::Array(standings.iter().map(as_json).collect());
                return print(serde_json::to_string_pretty(&list).expect("numbers and strings"));
            }
            if let [Ok(standing)] = &standings[..]
                && standing.role == Role::Alone
            {
                return print(alone(standing));
            }
            print(page(&standings).join("\n"))
        }
        MasterCommand::Add { new, client } => {
            let (node, address) = numbered(&seeds(std::slice::from_ref(new)).await?)[0];
            let peer = Peer { address: address.to_string(), birth: 0 };
            change(client, MembershipChange::Add { node, peer }).await
        }
        MasterCommand::Remove { number, client } => {
            change(client, MembershipChange::Remove { node: NodeId(*number) }).await
        }
        MasterCommand::Snapshot(client) => {
            let admin = admin(client).await?;
            let made = admin.snapshot().await;
            admin.close().await;
            Ok(made?)
        }
    }
}

/// A master without peers.
fn alone(standing: &Standing) -> String {
    format!(
        "{} serves alone: it has no peers, and its log is on its own disk only\n\
         entry {}, newest checkpoint at {}; {} entries in {} syncs since it was started",
        standing.node,
        number(standing.applied),
        number(standing.snapshot),
        standing.written.entries,
        standing.written.syncs,
    )
}

async fn change(client: &ClientArguments, change: MembershipChange) -> Outcome {
    let admin = admin(client).await?;
    let changed = admin.change(change).await;
    admin.close().await;
    Ok(changed?)
}

async fn admin(client: &ClientArguments) -> Result<Admin, Failure> {
    Ok(Admin::new(NodeId(entropy::draw()?), find_masters(client).await?))
}

/// How each of the named masters stands.
pub async fn standings(client: &ClientArguments) -> Result<Vec<Result<Standing, Silent>>, Failure> {
    let admin = admin(client).await?;
    let standings = admin.standings().await;
    admin.close().await;
    Ok(standings)
}

/// A table of the masters.
pub fn page(standings: &[Result<Standing, Silent>]) -> Vec<String> {
    let last = standings.iter().flatten().filter_map(|standing| standing.applied).max();
    let mut lines = vec![format!(
        "{:<7}  {:<9}  {:>6}  {:>8}  {:>8}  {:>9}  {:>12}",
        "master", "role", "term", "applied", "lag", "snapshot", "entries/sync"
    )];
    lines.extend(standings.iter().map(|standing| line(standing, last)));
    lines
}

fn line(standing: &Result<Standing, Silent>, last: Option<u64>) -> String {
    match standing {
        Err(Silent(node)) => format!("{:<7}  does not answer", node.to_string()),
        Ok(standing) => format!(
            "{:<7}  {:<9}  {:>6}  {:>8}  {:>8}  {:>9}  {:>12}",
            standing.node.to_string(),
            role(standing.role),
            standing.term,
            number(standing.applied),
            number(last.map(|last| last - standing.applied.unwrap_or(0))),
            number(standing.snapshot),
            entries_per_sync(standing.written).map_or("-".to_owned(), |n| format!("{n:.1}")),
        ),
    }
}

fn number(number: Option<u64>) -> String {
    number.map_or("-".to_owned(), |number| number.to_string())
}

/// What the group commit saves; none before the first sync.
fn entries_per_sync(written: Written) -> Option<f64> {
    (written.syncs > 0).then(|| written.entries as f64 / written.syncs as f64)
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Leader => "leader",
        Role::Candidate => "candidate",
        Role::Follower => "follower",
        Role::Learner => "learner",
        Role::Alone => "alone",
    }
}

/// The same, for scripts.
pub fn as_json(standing: &Result<Standing, Silent>) -> Value {
    match standing {
        Err(Silent(node)) => json!({ "master": node.0, "answers": false }),
        Ok(standing) => json!({
            "master": standing.node.0,
            "answers": true,
            "role": role(standing.role),
            "term": standing.term,
            "leader": standing.leader.map(|leader| leader.0),
            "last": standing.last,
            "applied": standing.applied,
            "snapshot": standing.snapshot,
            "written": {
                "entries": standing.written.entries,
                "syncs": standing.written.syncs,
                "entries_per_sync": entries_per_sync(standing.written),
            },
            "members": standing.members.iter().map(|(node, member)| json!({
                "master": node.0,
                "address": member.peer.address,
                "votes": member.votes,
            })).collect::<Vec<_>>(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(node: u64, role: Role, applied: u64) -> Standing {
        Standing {
            node: NodeId(node),
            birth: 0,
            term: 3,
            role,
            leader: Some(NodeId(1)),
            last: Some(applied),
            applied: Some(applied),
            snapshot: None,
            written: Written { entries: 30, syncs: 20 },
            members: Default::default(),
        }
    }

    #[test]
    fn the_page_says_who_leads_who_lags_and_who_is_silent() {
        let standings = [
            Ok(standing(1, Role::Leader, 120)),
            Ok(standing(2, Role::Follower, 100)),
            Err(Silent(NodeId(3))),
        ];
        let page = page(&standings);
        assert_eq!(
            page[1],
            "n1       leader          3       120         0          -           1.5"
        );
        assert_eq!(
            page[2],
            "n2       follower        3       100        20          -           1.5"
        );
        assert_eq!(page[3], "n3       does not answer");
        assert_eq!(as_json(&standings[0])["role"], "leader");
        assert_eq!(as_json(&standings[0])["written"]["entries_per_sync"], 1.5);
        assert_eq!(as_json(&standings[2])["answers"], false);
    }
}
