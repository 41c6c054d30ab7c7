//! Files of a real cluster through the client library.

use crate::cluster::Cluster;
use bytes::Bytes;
use leasehold_client::{Client, FileSpec, Refusal, SyncPolicy};
use leasehold_node::ServeError;
use leasehold_node::chunkserver;
use leasehold_node::data_dir::DataDirError;
use std::time::Duration;

const SPEC: FileSpec = FileSpec { chunk_bytes: 8 << 20, replicas: 3, sync: SyncPolicy::Durable };

fn pattern(length: usize, seed: u64) -> Bytes {
    let mut state = seed | 1;
    let words = (0..length.div_ceil(8)).flat_map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 7).to_le_bytes()
    });
    let mut data: Vec<u8> = words.collect();
    data.truncate(length);
    Bytes::from(data)
}

async fn all_at_target(client: &Client) {
    for _ in 0..300 {
        let status = client.status().await.unwrap();
        if !status.safe_mode && status.chunks_under_target == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("not at target: {:?}", client.status().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_outlives_every_process() {
    let mut cluster = Cluster::start(3).await;
    let client = cluster.client().await;
    client.mkdir("/d").await.unwrap();
    let file = client.create("/d/f", SPEC).await.unwrap();
    let data = pattern(20_000_000, 1);
    file.write(0, data.clone()).await.unwrap();
    file.write(7_000_000, Bytes::from_static(b"overwritten")).await.unwrap();
    assert_eq!(file.len().await.unwrap(), 20_000_000);
    client.rename("/d/f", "/d/g").await.unwrap();

    cluster.stop_master().await;
    for index in 0..3 {
        cluster.stop_server(index).await;
    }
    cluster.start_master().await.unwrap();
    for index in 0..3 {
        cluster.start_server(index).await;
    }

    let client = cluster.client().await;
    let file = client.open("/d/g").await.unwrap();
    let read = file.read(0, 30_000_000).await.unwrap();
    let mut expected = data.to_vec();
    expected[7_000_000..7_000_011].copy_from_slice(b"overwritten");
    assert!(read == expected, "{} bytes came back changed", read.len());
    assert_eq!(
        client.stat("/d/f").await.unwrap_err().to_string(),
        "/d/f: No such file or directory"
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_go_on_when_a_server_leaves_and_it_is_replaced() {
    let mut cluster = Cluster::start(4).await;
    let client = cluster.client().await;
    let file = client.create("/f", SPEC).await.unwrap();
    let (before, after) = (pattern(5_000_000, 2), pattern(5_000_000, 3));
    file.write(0, before.clone()).await.unwrap();
    cluster.stop_server(0).await;
    file.write(before.len() as u64, after.clone()).await.unwrap();
    all_at_target(&client).await;
    let read = file.read(0, 20_000_000).await.unwrap();
    assert!(read == [before, after].concat(), "{} bytes came back changed", read.len());
    for chunk in client.chunks().await.unwrap() {
        let members = chunk.replicas.iter().filter(|replica| replica.member && replica.alive);
        assert_eq!(members.count(), 3, "{chunk:?}");
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_appended_record_stands_once() {
    let mut cluster = Cluster::start(3).await;
    let client = cluster.client().await;
    let spec = FileSpec { chunk_bytes: 1 << 20, ..SPEC };
    client.create("/log", spec).await.unwrap();
    let mut tasks = Vec::new();
    for writer in 0..4u8 {
        let client = cluster.client().await;
        tasks.push(tokio::spawn(async move {
            let file = client.open("/log").await.unwrap();
            let mut at = Vec::new();
            for record in 0..20u8 {
                let bytes = vec![writer * 32 + record + 1; 20_000];
                at.push((file.append(bytes.clone()).await.unwrap(), bytes));
            }
            at
        }));
    }
    let file = client.open("/log").await.unwrap();
    let mut places = Vec::new();
    for task in tasks {
        for (offset, bytes) in task.await.unwrap() {
            assert_eq!(file.read(offset, 20_000).await.unwrap(), bytes);
            places.push(offset);
        }
    }
    places.sort_unstable();
    assert!(places.windows(2).all(|two| two[1] - two[0] >= 20_000), "records overlap");
    assert_eq!(places.len(), 80);
    let too_large = file.append(vec![0; 300_000]).await.unwrap_err();
    assert!(matches!(too_large.refusal(), Some(Refusal::TooLarge { .. })), "{too_large}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_directory_has_one_process() {
    let mut cluster = Cluster::start(1).await;
    let options = cluster.server_options(0);
    let error = chunkserver::start(options).await.unwrap_err();
    assert!(matches!(error, ServeError::DataDir(DataDirError::InUse { .. })), "{error}");
    cluster.stop().await;
}
