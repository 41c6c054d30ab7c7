//! `put`: a local file into the cluster, under its name only when all of it is stored.

use super::local::{DASH, Source};
use super::progress::Progress;
use crate::arguments::PutArguments;
use crate::failure::{Failure, Outcome};
use crate::namespace::{find, is_directory};
use crate::partial::partial_name;
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
    let begun = tokio::select! {
        biased;
        signal = signals.next() => return Err(stopped(signal)),
        begun = begin(arguments, to, &source) => begun?,
    };
    let mut transfer = Transfer { acknowledged: 0, length: source.length, file: None };
    let stored = tokio::select! {
        biased;
        signal = signals.next() => Err(stopped(signal)),
        stored = transfer.run(arguments, &begun, source) => stored,
    };
    let Begun { client, partial, target } = &begun;
    if let Err(failure) = stored {
        return Err(clean_up(client, partial, target, &transfer, failure).await);
    }
    let this = transfer.file.as_ref().map(File::id);
    // Without --force nothing is replaced, whoever made it since it was looked for.
    let no_replace = !arguments.force;
    match client.rename_if(partial, target, this, no_replace).await {
        Ok(()) => {
            warn_of_few(client, arguments.spec.replicas, target).await;
            Ok(())
        }
        Err(error) if error.maybe_took_effect() => Err(Failure::Failed(format!(
            "{error}: all bytes are stored, as {target} or still as {partial}"
        ))),
        Err(error) => {
            let failure = match error.refusal() {
                Some(Refusal::AlreadyExists) => exists(target),
                Some(refusal) => Failure::about(target, refusal),
                None => error.into(),
            };
            Err(clean_up(client, partial, target, &transfer, failure).await)
        }
    }
}

fn stopped(signal: &str) -> Failure {
    Failure::Failed(format!("stopped by {signal}"))
}

/// What is known before the first byte is on its way.
struct Begun {
    client: Client,
    partial: ClusterPath,
    target: ClusterPath,
}

/// Looks at the target and at the room there is: what would be refused at the end is refused here.
async fn begin(
    arguments: &PutArguments,
    to: ClusterPath,
    source: &Source,
) -> Result<Begun, Failure> {
    let client = connect(&arguments.client).await?;
    let target = target(&client, to, &arguments.to, &arguments.from).await?;
    refuse_existing(&client, &target, arguments.force).await?;
    refuse_full(&client, &target, source.length.unwrap_or(1)).await?;
    let partial = target.parent().join(&partial_name(&target.name())?);
    Ok(Begun { client, partial, target })
}

/// What the cluster has no room for, once, is refused before it is sent. More room may still be
/// missing later: other writers use it too.
async fn refuse_full(client: &Client, target: &ClusterPath, bytes: u64) -> Outcome {
    let status = client.status().await?;
    let alive: Vec<_> = status.servers.iter().filter(|server| server.alive).collect();
    let room = alive.iter().map(|server| server.free_bytes);
    let room = room.fold(0, u64::saturating_add);
    if alive.is_empty() || bytes <= room {
        return Ok(());
    }
    let (wanted, room, n) = (human_size(bytes), human_size(room), alive.len());
    let why = format!(
        "No space left on device: {wanted} are to be stored, and the {n} chunkservers that are alive \
         have room for {room}; nothing was stored"
    );
    Err(Failure::about(target, why))
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
    let name = name.to_str().ok_or_else(|| {
        let why =
            "its name is not UTF-8, as names in the cluster are: say under which name to store it";
        Failure::about(from.display(), why)
    })?;
    Ok(to.join(name))
}

/// A directory is never replaced; a file only with `--force`.
async fn refuse_existing(client: &Client, target: &ClusterPath, force: bool) -> Outcome {
    match find(client, target).await? {
        Some(info) if is_directory(&info) => Err(Failure::about(target, Refusal::IsADirectory)),
        Some(_) if !force => Err(exists(target)),
        Some(_) | None => Ok(()),
    }
}

fn exists(target: &ClusterPath) -> Failure {
    Failure::about(target, "File exists; --force replaces it")
}

/// What was acknowledged is on every replica that there is; a caller that wants more of them than
/// there are servers wants to know.
async fn warn_of_few(client: &Client, replicas: u8, target: &ClusterPath) {
    let Ok(status) = client.status().await else { return };
    let alive = status.servers.iter().filter(|server| server.alive).count();
    let wanted = usize::from(replicas);
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
    /// The partial file, once it is known to be there.
    file: Option<File>,
}

impl Transfer {
    async fn run(&mut self, arguments: &PutArguments, begun: &Begun, source: Source) -> Outcome {
        let Begun { client, partial, target } = begun;
        let created = client.create(partial, arguments.spec.into()).await;
        let file = created.map_err(|error| about_target(target, error))?;
        self.file = Some(file.clone());
        let progress = Progress::new(&target.name(), source.length);
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
    // Of a file whose making was not answered, only the name is known.
    let this = transfer.file.as_ref().map(File::id);
    let removed = timeout(CLEANUP, client.delete_if(partial, this)).await;
    let gone = match removed {
        Ok(Ok(())) => true,
        Ok(Err(error)) => error.refusal() == Some(&Refusal::NotFound),
        Err(_) => false,
    };
    let left = if gone {
        format!("nothing was stored as {target}")
    } else {
        format!("{target} is as it was; {partial} remains, `leasehold rm {partial}` removes it")
    };
    Failure::Failed(format!("{why} after {done}{whole}; {left}"))
}
