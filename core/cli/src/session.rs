//! From arguments to a session with the cluster.

use crate::arguments::ClientArguments;
use crate::entropy;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::units::human_duration;
use leasehold_client::{Client, ClientError, ClientOptions, ConstantsStatus};
use leasehold_node::ServeError;
use leasehold_proto::{Constants, NodeId};
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;
use tokio::time::timeout;

/// Where a master is looked for if nobody says where it is.
pub const DEFAULT_MASTER: &str = "127.0.0.1:7400";

/// After this long without an answer, a person is told what is being waited for.
const PATIENCE: Duration = Duration::from_secs(3);

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Failure::Failed(error.to_string())
    }
}

/// Begins a session, and returns when the master has answered once: from here on a failure is
/// the operation's own.
///
/// The session goes by the cluster's constants. One that was configured with others is refused.
pub async fn connect(arguments: &ClientArguments) -> Result<Client, Failure> {
    let settings = Settings::read(arguments.config.config.as_deref(), &arguments.config.sets)?;
    let insists = settings.insists()?;
    let (client, status) = begin(arguments, &settings).await?;
    let refused = [Some(&status.values), status.changes_from.as_ref()]
        .into_iter()
        .flatten()
        .map(|values| values.contradiction(&insists))
        .collect::<Option<Vec<_>>>();
    match refused.as_deref() {
        Some([(own, cluster), ..]) => {
            let (own, cluster) = (*own, *cluster);
            Err(Failure::Usage(ServeError::ConstantsRefused { own, cluster }.to_string()))
        }
        Some([]) | None => Ok(client),
    }
}

/// As [`connect`], whatever the configuration says of the cluster's constants.
pub async fn connect_as_operator(arguments: &ClientArguments) -> Result<Client, Failure> {
    let settings = Settings::read(arguments.config.config.as_deref(), &arguments.config.sets)?;
    Ok(begin(arguments, &settings).await?.0)
}

async fn begin(
    arguments: &ClientArguments,
    settings: &Settings,
) -> Result<(Client, ConstantsStatus), Failure> {
    let mut constants = settings.constants()?;
    if let Some(timeout) = arguments.timeout {
        constants.operation_timeout = timeout;
    }
    let names = masters(&arguments.master, settings);
    let masters = resolve(&names).await?;
    let names = names.join(", ");
    let client = session(masters.clone(), constants.clone()).await?;
    let status = match greet(&client, &names, constants.operation_timeout).await {
        Ok(status) => status,
        Err(ClientError::Operation { error, .. }) => return Err(Failure::about(names, error)),
        Err(error) => return Err(error.into()),
    };
    let mut agreed = constants.clone();
    status.values.install(&mut agreed);
    if agreed == constants {
        return Ok((client, status));
    }
    Ok((session(masters, agreed).await?, status))
}

async fn session(
    masters: Vec<(NodeId, SocketAddr)>,
    constants: Constants,
) -> Result<Client, Failure> {
    let options = ClientOptions { node: NodeId(entropy::draw()?), masters, constants };
    Ok(Client::connect(options).await?)
}

/// Asks the master for the constants; tells a person who waits long what is being waited for.
async fn greet(
    client: &Client,
    names: &str,
    patience: Duration,
) -> Result<ConstantsStatus, ClientError> {
    let mut answer = pin!(client.constants_status());
    match timeout(PATIENCE, &mut answer).await {
        Ok(answer) => answer,
        Err(_) => {
            let longest = human_duration(patience);
            crate::log::say(format_args!(
                "leasehold: no answer from {names} yet; waiting up to {longest}"
            ));
            answer.await
        }
    }
}

/// The masters that flags name, or the file, or the usual place.
pub fn masters(flags: &[String], settings: &Settings) -> Vec<String> {
    let named = if flags.is_empty() { &settings.masters } else { flags };
    if named.is_empty() { vec![DEFAULT_MASTER.to_owned()] } else { named.to_vec() }
}

/// Addresses with the numbers by which the protocol knows the masters: `3@host:port` says the
/// number, `host:port` gets its place in the list, from 1.
pub async fn resolve(names: &[String]) -> Result<Vec<(NodeId, SocketAddr)>, Failure> {
    let mut masters = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let wrong = |why: String| Failure::Usage(format!("master {name:?}: {why}"));
        let (number, address) = match name.split_once('@') {
            Some((number, address)) => {
                let number = number.parse();
                (number.map_err(|_| wrong("write NUMBER@HOST:PORT".to_owned()))?, address)
            }
            None => (place as u64 + 1, name.as_str()),
        };
        let found = tokio::net::lookup_host(address).await;
        let found = found.map_err(|error| wrong(error.to_string()))?.next();
        let address = found.ok_or_else(|| wrong("no such host".to_owned()))?;
        masters.push((NodeId(number), address));
    }
    Ok(masters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn masters_are_numbered_by_place_or_by_name() {
        let names = ["127.0.0.1:1", "7@127.0.0.1:2"].map(str::to_owned);
        let masters = resolve(&names).await.expect("literal addresses");
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(masters, [(NodeId(1), at(1)), (NodeId(7), at(2))]);
    }

    #[tokio::test]
    async fn an_address_without_a_port_is_a_usage_error() {
        for name in ["127.0.0.1", "x@127.0.0.1:1"] {
            let refused = resolve(&[name.to_owned()]).await;
            assert!(matches!(refused, Err(Failure::Usage(_))), "{name}");
        }
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_default() {
        let mut settings = Settings::default();
        assert_eq!(masters(&[], &settings), [DEFAULT_MASTER]);
        settings.masters = vec!["a:1".to_owned()];
        assert_eq!(masters(&[], &settings), ["a:1"]);
        assert_eq!(masters(&["b:2".to_owned()], &settings), ["b:2"]);
    }
}
