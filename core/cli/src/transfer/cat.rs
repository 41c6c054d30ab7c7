//! `cat`: files of the cluster to stdout.

use super::get::copy;
use super::local::Sink;
use crate::arguments::CatArguments;
use crate::failure::{Failure, Outcome, Tally};
use crate::namespace::open;
use crate::path::ClusterPath;
use crate::session::connect;
use leasehold_client::Client;

/// `leasehold cat`.
pub async fn cat(arguments: &CatArguments) -> Outcome {
    let paths = ClusterPath::parse_all(&arguments.paths)?;
    let client = connect(&arguments.client).await?;
    let sink = Sink::stdout()?;
    let mut tally = Tally::new("cat");
    for path in &paths {
        tally.note(show(&client, path, &sink).await);
    }
    tally.note(sink.finish().await);
    tally.outcome()
}

async fn show(client: &Client, path: &ClusterPath, sink: &Sink) -> Result<(), Failure> {
    let file = open(client, path).await?;
    let length = file.len().await?;
    copy(&file, length, sink).await
}
