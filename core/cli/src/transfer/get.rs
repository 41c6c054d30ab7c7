//! `get`: a file of the cluster into a local one, under its name only when all of it is there.

use super::local::{DASH, Sink};
use super::progress::Progress;
use crate::arguments::GetArguments;
use crate::failure::{Failure, Outcome};
use crate::namespace::open;
use crate::path::ClusterPath;
use crate::session::connect;
use crate::signals::Signals;
use crate::units::human_size;
use leasehold_client::File;
use std::path::Path;

/// `leasehold get`.
pub async fn get(arguments: &GetArguments) -> Outcome {
    let from = ClusterPath::parse(&arguments.from)?;
    let mut signals = Signals::listen()?;
    let begun = async {
        let client = connect(&arguments.client).await?;
        let file = open(&client, &from).await?;
        let length = file.len().await?;
        Ok::<_, Failure>((client, file, length))
    };
    let (_client, file, length) = tokio::select! {
        biased;
        signal = signals.next() => return Err(Failure::Failed(format!("stopped by {signal}"))),
        begun = begun => begun?,
    };
    let sink = sink(&arguments.to, &from, arguments.force)?;
    let copied = tokio::select! {
        biased;
        signal = signals.next() => Err(Failure::Failed(format!("stopped by {signal}"))),
        copied = copy(&file, length, &sink) => copied,
    };
    match copied {
        Ok(()) => sink.finish().await,
        Err(failure) => {
            sink.abandon().await;
            Err(failure)
        }
    }
}

fn sink(to: &Path, from: &ClusterPath, force: bool) -> Result<Sink, Failure> {
    if to == Path::new(DASH) {
        Sink::stdout()
    } else if to.is_dir() {
        Sink::file(&to.join(from.name()), force)
    } else {
        Sink::file(to, force)
    }
}

/// Copies `length` bytes: what is appended meanwhile is not part of it.
pub async fn copy(file: &File, length: u64, sink: &Sink) -> Outcome {
    let progress = Progress::new(file.path(), Some(length));
    let mut reader = file.reader(0);
    let mut copied = 0;
    while copied < length {
        let Some(mut piece) = reader.next().await? else { break };
        let left = usize::try_from(length - copied).unwrap_or(usize::MAX);
        piece.truncate(left);
        copied += piece.len() as u64;
        if !sink.write(piece).await {
            // The writer has failed, and says why when it is asked to finish.
            return Ok(());
        }
        progress.reached(copied);
    }
    if copied == length {
        return Ok(());
    }
    let (came, whole) = (human_size(copied), human_size(length));
    Err(Failure::about(file.path(), format!("ended after {came} of {whole}")))
}
