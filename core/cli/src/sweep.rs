//! `sweep`: removes what interrupted `put`s left.

use crate::arguments::SweepArguments;
use crate::failure::{Failure, Outcome, Tally};
use crate::listing::mtime_ms;
use crate::output::print;
use crate::partial::{Owner, unfinished};
use crate::path::ClusterPath;
use crate::session::connect;
use crate::tree::{Listed, TreeWalk};
use crate::units::human_duration;
use leasehold_client::{FileInfo, Refusal};
use leasehold_runtime::clock::wall_clock_ms;
use std::time::Duration;

/// A file that a `put` has begun and not finished, or left.
#[derive(Clone, Debug)]
pub struct Unfinished {
    pub path: ClusterPath,
    pub info: FileInfo,
    pub owner: Option<Owner>,
}

impl Unfinished {
    /// If this file is one.
    pub fn of(path: &ClusterPath, info: &FileInfo) -> Option<Unfinished> {
        let owner = unfinished(&path.name())?;
        Some(Unfinished { path: path.clone(), info: info.clone(), owner })
    }

    /// Since it was begun, by the clock of the machine that began it.
    pub fn age(&self) -> Duration {
        Duration::from_secs(wall_clock_ms().saturating_sub(mtime_ms(&self.info)) / 1_000)
    }

    /// Whose it is and for how long, as a person reads it.
    pub fn what(&self) -> String {
        let owner = self.owner.as_ref().map_or("a put".to_owned(), ToString::to_string);
        let state = match &self.owner {
            Some(owner) if owner.is_running_here() => "which still runs",
            Some(owner) if owner.has_ended_here() => "which has ended",
            Some(_) | None => "which may still run",
        };
        format!("begun {} ago by {owner}, {state}", human_duration(self.age()))
    }
}

/// `leasehold sweep`.
pub async fn sweep(arguments: &SweepArguments) -> Outcome {
    let tops = ClusterPath::parse_all(&arguments.paths)?;
    let client = connect(&arguments.client).await?;
    let mut tally = Tally::new("sweep");
    for top in tops {
        let mut walk = TreeWalk::below(top);
        while let Some(Listed { files, .. }) = walk.next(&client).await? {
            let files = tally.note(files).unwrap_or_default();
            let found = files.iter().filter_map(|(path, info)| Unfinished::of(path, info));
            for file in found.filter(|file| is_left(file, arguments.older_than)) {
                if !arguments.dry_run {
                    let removed = client.delete_if(&file.path, Some(file.info.file)).await;
                    match removed {
                        // Its owner finished it, or took it away.
                        Err(error) if error.refusal() == Some(&Refusal::NotFound) => continue,
                        other => {
                            if tally.note(other.map_err(Failure::from)).is_none() {
                                continue;
                            }
                        }
                    }
                }
                let done = if arguments.dry_run { "would be removed" } else { "removed" };
                print(format!("{}: {}: {done}", file.path, file.what()))?;
            }
        }
    }
    tally.outcome()
}

fn is_left(file: &Unfinished, older_than: Duration) -> bool {
    let runs = file.owner.as_ref().is_some_and(Owner::is_running_here);
    file.age() >= older_than && !runs
}
