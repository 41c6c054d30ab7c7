//! Stores a record in a running cluster and reads it back.
//!
//! Start a cluster with `just cluster`, then, with the master's address that it prints:
//!
//! ```text
//! cargo run -p leasehold-client --example quickstart -- 127.0.0.1:7400
//! ```

use leasehold_client::{Client, ClientOptions, FileSpec, Refusal};
use leasehold_proto::NodeId;
use std::error::Error;
use std::net::SocketAddr;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let master: SocketAddr =
        std::env::args().nth(1).as_deref().unwrap_or("127.0.0.1:7400").parse()?;
    // A session's name must never have been used before: a program draws it at random.
    let session =
        NodeId(leasehold_runtime::clock::wall_clock_ms() << 16 | u64::from(std::process::id()));
    let client = Client::connect(ClientOptions::new(session, vec![(NodeId(1), master)])).await?;

    let path = "/quickstart";
    let file = match client.create(path, FileSpec::default()).await {
        Err(error) if error.refusal() == Some(&Refusal::AlreadyExists) => client.open(path).await?,
        other => other?,
    };
    let offset = file.append("a record, written exactly once\n").await?;
    let record = file.read(offset, 31).await?;
    println!("at byte {offset} of {path}: {}", String::from_utf8_lossy(&record).trim_end());
    println!("{path} holds {} bytes", file.len().await?);
    for server in client.status().await?.servers {
        println!(
            "{} uses {} bytes for {} replicas",
            server.node, server.used_bytes, server.replicas
        );
    }
    Ok(())
}
