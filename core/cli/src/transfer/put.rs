//! `put`: a local file into the cluster, under its name only when all of it is stored.

use super::local::{DASH, Source};
use super::partial_name;
use super::progress::Progress;
use crate::arguments::PutArguments;
use crate::failure::{Failure, Outcome};
use crate::namespace::{find, is_directory};
use crate::path::ClusterPath;
use crate::session::connect;
use crate::signals::Signals;
use crate::units::human_size;
use leasehold_client::{Client, ClientError, File, OpError, Refusal};
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;

/// How long a failed put tries to remove what it began.
const CLEANUP: Duration = Duration::from_secs(5);

/// `leasehold put`.
pub async fn put(arguments: &PutArguments) -> Outcome {
    let to = ClusterPath::parse(&arguments.to)?;
    let source = Source::open(&arguments.from)?;
    let mut signals = Signals::listen()?;
    let client = connect(&arguments.client).await?;
    let target = target(&client, to, &arguments.to, &arguments.from).await?;
    if !arguments.force {
        refuse_existing(&client, &target).await?;
    }
    let partial = target.parent().join(&partial_name(target.name())?);
    let created = client.create(partial.as_str(), arguments.spec.into()).await;
    let file = created.map_err(|error| about_target(&target, error))?;
    let mut transfer = Transfer { acknowledged: 0, length: source.length };
    let stored = tokio::select! {
        biased;
        signal = signals.next() => Err(Failure::Failed(format!("stopped by {signal}"))),
        stored = transfer.run(&file, source, &target) => stored,
    };
    if let Err(failure) = stored {
        return Err(clean_up(&client, &partial, &target, &transfer, failure).await);
    }
    if !arguments.force
        && let Err(failure) = refuse_existing(&client, &target).await
    {
        return Err(clean_up(&client, &partial, &target, &transfer, failure).await);
    }
    match client.rename(partial.as_str(), target.as_str()).await {
        Ok(()) => {
            warn_of_few(&client, &file, &target).await;
            Ok(())
        }
        Err(error) if error.maybe_took_effect() => Err(Failure::Failed(format!(
            "{error}: all bytes are stored, as {target} or still as {partial}"
        ))),
        Err(error) => Err(clean_up(&client, &partial, &target, &transfer, error.into()).await),
    }
}

/// The path to make: the one named, or the file's own name in the directory named.
async fn target(
    client: &Client,
    to: ClusterPath,
    typed: &str,
    from: &Path,
) -> Result<ClusterPath, Failure> {
    let there = find(client, &to).await?;
    let into = typed.ends_with('/') || there.as_ref().is_some_and(is_directory);
    if !into {
        return Ok(to);
    }
    match &there {
        None => return Err(Failure::about(to, Refusal::NotFound)),
        Some(info) if !is_directory(info) => {
            return Err(Failure::about(to, Refusal::NotADirectory));
        }
        Some(_) => {}
    }
    let name = from.file_name().filter(|_| from != Path::new(DASH)).ok_or_else(|| {
        Failure::about(&to, "is a directory; say under which name to store this in it")
    })?;
    Ok(to.join(&name.to_string_lossy()))
}

async fn refuse_existing(client: &Client, target: &ClusterPath) -> Outcome {
    match find(client, target).await? {
        None => Ok(()),
        Some(info) if is_directory(&info) => Err(Failure::about(target, Refusal::IsADirectory)),
        Some(_) => Err(Failure::about(target, "File exists; --force replaces it")),
    }
}

/// What was acknowledged is on every replica that there is; a caller that wants more of them than
/// there are servers wants to know.
async fn warn_of_few(client: &Client, file: &File, target: &ClusterPath) {
    let Ok(status) = client.status().await else { return };
    let alive = status.servers.iter().filter(|server| server.alive).count();
    let wanted = usize::from(file.spec().replicas);
    if alive < wanted {
        crate::log::say(format_args!(
            "leasehold: put: {target}: {wanted} replicas are wanted and {alive} chunkservers \
             alive: the rest follow when more join"
        ));
    }
}

/// How far it came.
struct Transfer {
    acknowledged: u64,
    length: Option<u64>,
}

impl Transfer {
    async fn run(&mut self, file: &File, source: Source, target: &ClusterPath) -> Outcome {
        let progress = Progress::new(target.name(), source.length);
        let mut writer = file.writer(0);
        let mut pieces = source.pieces(writer.wants());
        while let Some(piece) = pieces.recv().await {
            let written = writer.write(piece?).await;
            self.acknowledged = writer.acknowledged();
            progress.reached(self.acknowledged);
            written.map_err(|error| about_target(target, error))?;
        }
        self.acknowledged = writer.finish().await.map_err(|error| about_target(target, error))?;
        progress.reached(self.acknowledged);
        Ok(())
    }
}

/// The person named the target, not the partial file; and whether a piece of that one was written
/// does not matter, since all of it goes away.
fn about_target(target: &ClusterPath, error: ClientError) -> Failure {
    match error {
        ClientError::Operation {
            error: OpError::TimedOut { last, .. } | OpError::Partly { last, .. },
            unreachable,
            ..
        } => {
            let why = match last {
                // The reason, whether the client gave up or its time was over.
                Some(full @ Refusal::NoSpace) => return Failure::about(target, full),
                Some(last) => format!("{last} (tried until the timeout)"),
                None => "Connection timed out".to_owned(),
            };
            let also: String = unreachable.iter().map(|node| format!("; {node}")).collect();
            Failure::about(target, why + &also)
        }
        ClientError::Operation { error, .. } => Failure::about(target, error),
        other => other.into(),
    }
}

/// Removes the partial file, and says what is left.
async fn clean_up(
    client: &Client,
    partial: &ClusterPath,
    target: &ClusterPath,
    transfer: &Transfer,
    failure: Failure,
) -> Failure {
    let Failure::Failed(why) = failure else { return failure };
    let done = human_size(transfer.acknowledged);
    let whole = transfer.length.map_or(String::new(), |bytes| format!(" of {}", human_size(bytes)));
    let removed = timeout(CLEANUP, client.delete(partial.as_str())).await;
    let left = if matches!(removed, Ok(Ok(()))) {
        format!("nothing was stored as {target}")
    } else {
        format!("{target} is as it was; {partial} remains, `leasehold rm {partial}` removes it")
    };
    Failure::Failed(format!("{why} after {done}{whole}; {left}"))
}
