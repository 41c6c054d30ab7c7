//! From arguments to a session with the cluster.

use crate::arguments::ClientArguments;
use crate::entropy;
use crate::failure::Failure;
use crate::output::shown;
use crate::seeds::{find, seeds};
use crate::settings::Settings;
use crate::units::human_duration;
use leasehold_client::{Client, ClientError, ClientOptions, ConstantsStatus, Identity};
use leasehold_node::ServeError;
use leasehold_proto::{Constants, NodeId};
use rustix::fs::Mode;
use rustix::process::{getgid, getgroups, getuid, umask};
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
        Failure::Failed(shown(&error.to_string()))
    }
}

/// Begins a session, and returns when the master has answered once: from here on a failure is
/// the operation's own.
///
/// The session goes by the cluster's constants. One that was configured with others is refused.
pub async fn connect(arguments: &ClientArguments) -> Result<Client, Failure> {
    connect_for(arguments, None).await
}

/// As [`connect`]; once the cluster has answered, its operations wait for so long.
pub async fn connect_for(
    arguments: &ClientArguments,
    patience: Option<Duration>,
) -> Result<Client, Failure> {
    let settings = Settings::read(arguments.config.config.as_deref(), &arguments.config.sets)?;
    let insists = settings.insists()?;
    let (client, status) = begin(arguments, &settings, patience).await?;
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
    Ok(begin(arguments, &settings, None).await?.0)
}

async fn begin(
    arguments: &ClientArguments,
    settings: &Settings,
    then: Option<Duration>,
) -> Result<(Client, ConstantsStatus), Failure> {
    let mut constants = settings.constants()?;
    if let Some(timeout) = arguments.timeout {
        constants.operation_timeout = timeout;
    }
    let patience = constants.operation_timeout;
    let names = masters(&arguments.master, settings);
    let masters = find(&seeds(&names).await?, patience).await?;
    let names = names.join(", ");
    let client = session(masters.clone(), constants.clone()).await?;
    let status = match greet(&client, &names, patience).await {
        Ok(status) => status,
        Err(ClientError::Operation { error, unreachable, .. }) => {
            let path = names;
            return Err(ClientError::Operation { path, error, unreachable }.into());
        }
        Err(error) => return Err(error.into()),
    };
    let mut agreed = constants.clone();
    status.values.install(&mut agreed);
    agreed.operation_timeout = then.unwrap_or(agreed.operation_timeout);
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
    Ok(Client::connect(options).await?.as_caller(identity()?))
}

/// Who runs this process.
fn identity() -> Result<Identity, Failure> {
    let groups = getgroups().map_err(|error| Failure::about("groups", error))?;
    let umask = umask(Mode::empty());
    rustix::process::umask(umask);
    Ok(Identity {
        uid: getuid().as_raw(),
        gid: getgid().as_raw(),
        groups: groups.into_iter().map(rustix::fs::Gid::as_raw).collect(),
        umask: (umask.bits() & 0o777) as u16,
    })
}

/// Requests the constants from the master; after `PATIENCE`, reports on stderr what it waits for.
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

/// All masters of the cluster that flags or the file name one of.
pub async fn find_masters(
    arguments: &ClientArguments,
) -> Result<Vec<(NodeId, SocketAddr)>, Failure> {
    let settings = Settings::read(arguments.config.config.as_deref(), &arguments.config.sets)?;
    let patience = arguments.timeout.unwrap_or(settings.constants()?.operation_timeout);
    find(&seeds(&masters(&arguments.master, &settings)).await?, patience).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_default() {
        let mut settings = Settings::default();
        assert_eq!(masters(&[], &settings), [DEFAULT_MASTER]);
        settings.masters = vec!["a:1".to_owned()];
        assert_eq!(masters(&[], &settings), ["a:1"]);
        assert_eq!(masters(&["b:2".to_owned()], &settings), ["b:2"]);
    }
}
