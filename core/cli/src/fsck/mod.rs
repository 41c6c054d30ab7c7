//! `fsck`: every chunk's replicas, versions and checksums; or a master's directory, offline.

mod metadata;
mod problem;
mod report;
mod verify;

use crate::arguments::FsckArguments;
use crate::failure::{Failure, Outcome};
use crate::output::print;
use crate::path::ClusterPath;
use crate::paths;
use crate::session::connect;
use leasehold_client::{ChunkStatus, Client};
use leasehold_proto::FileId;
use problem::judge;
use report::{Finding, Report};
use std::collections::BTreeMap;
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
    let deadline = Instant::now() + arguments.wait.unwrap_or_default();
    let mut report = loop {
        let report = judge_all(&client).await?;
        if report.is_healthy() || Instant::now() >= deadline {
            break report;
        }
        sleep(LOOK_AGAIN).await;
    };
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
    let paths = paths(client, &chunks).await?;
    let findings = chunks
        .iter()
        .flat_map(|chunk| judge(chunk).into_iter().map(|problem| Finding::new(chunk, problem)))
        .collect();
    Ok(Report { chunks, paths, findings, alarm: status.alarm, replicas_read: 0, bytes_read: 0 })
}

/// The paths of the files that hold chunks. A file without one is in the trash.
async fn paths(
    client: &Client,
    chunks: &[ChunkStatus],
) -> Result<BTreeMap<FileId, ClusterPath>, Failure> {
    let mut found = BTreeMap::new();
    let wanted = chunks.iter().map(|chunk| chunk.file).collect();
    paths::find(client, &wanted, &mut found).await?;
    Ok(found)
}
