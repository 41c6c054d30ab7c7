//! `fsck`: every chunk's replicas, versions and checksums; or a master's directory, offline.

mod metadata;
mod problem;
mod report;
mod verify;

use crate::arguments::FsckArguments;
use crate::failure::{Failure, Outcome};
use crate::namespace::find;
use crate::output::print;
use crate::path::ClusterPath;
use crate::session::connect;
use crate::sweep::Unfinished;
use crate::tree::{Listed, TreeWalk};
use leasehold_client::Client;
use leasehold_proto::FileId;
use problem::judge;
use report::{Finding, Report};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often `--wait` looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// `leasehold fsck`.
pub async fn fsck(arguments: &FsckArguments) -> Outcome {
    if let Some(dir) = &arguments.metadata {
        return metadata::check(dir, arguments);
    }
    let client = connect(&arguments.client).await?;
    // A wait beyond the end of time is one without an end.
    let deadline = Instant::now().checked_add(arguments.wait.unwrap_or_default());
    let mut report = loop {
        let report = judge_all(&client).await?;
        if report.is_healthy() || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            break report;
        }
        sleep(LOOK_AGAIN).await;
    };
    walk(&client, &mut report).await?;
    if !arguments.no_read {
        verify::read_replicas(&client, &arguments.client, &mut report).await?;
    }
    let healthy = report.is_healthy();
    print(if arguments.json { report.json() } else { report.page() })?;
    if healthy { Ok(()) } else { Err(Failure::Reported) }
}

/// Judges every chunk by what the master knows.
async fn judge_all(client: &Client) -> Result<Report, Failure> {
    let chunks = client.chunks().await?;
    let status = client.status().await?;
    let findings = chunks
        .iter()
        .flat_map(|chunk| judge(chunk).into_iter().map(|problem| Finding::new(chunk, problem)))
        .collect();
    Ok(Report { chunks, findings, alarm: status.alarm, ..Report::default() })
}

/// Walks the tree for the paths of the files that hold chunks (a file without one is in the trash), for
/// what puts left, and for directories that cannot be listed. One that cannot hides nothing else.
async fn walk(client: &Client, report: &mut Report) -> Outcome {
    let holding: BTreeSet<FileId> = report.chunks.iter().map(|chunk| chunk.file).collect();
    let mut walk = TreeWalk::below(ClusterPath::parse("/")?);
    while let Some(Listed { directory, files, .. }) = walk.next(client).await? {
        let files = match files {
            Ok(files) => files,
            // Removed since its parent was listed.
            Err(_) if find(client, &directory).await.is_ok_and(|found| found.is_none()) => continue,
            Err(failure) => {
                report.unlisted.push((directory, failure.to_string()));
                continue;
            }
        };
        for (path, info) in files {
            report.unfinished.extend(Unfinished::of(&path, &info));
            if holding.contains(&info.file) {
                report.paths.insert(info.file, path);
            }
        }
    }
    Ok(())
}
