//! Clients that use a cluster for a while through the client library, and write down what they did: runs on
//! a client's host, as `field load`.

use crate::history::{Done, Record};
use anyhow::{Context, Result};
use bytes::Bytes;
use leasehold_client::{Client, ClientError, ClientOptions, File, FileSpec, Refusal};
use leasehold_proto::{Constants, NodeId};
use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Bytes of a cell: one value, again and again, so that a torn read shows.
const CELL_BYTES: usize = 256;
const FILES: u32 = 4;
const CELLS: u32 = 8;
/// A stored file at the most.
const PUT_BYTES_MAX: u64 = 300_000;
/// An operation during the faults is given up after this long ...
const PATIENCE: Duration = Duration::from_secs(20);
/// ... and one at the end, when all is healed.
const LAST_PATIENCE: Duration = Duration::from_secs(120);
/// Between two operations of a client.
const PAUSE: Duration = Duration::from_millis(5);
const FOLDER: &str = "/field-load";

/// What to do.
#[derive(Clone, Debug, clap::Args)]
pub struct LoadArguments {
    /// The masters, as addresses
    #[arg(long, value_delimiter = ',')]
    pub master: Vec<SocketAddr>,
    /// For how long
    #[arg(long)]
    pub seconds: u64,
    /// How many clients
    #[arg(long, default_value_t = 4)]
    pub clients: u64,
    /// Replicas of each chunk
    #[arg(long, default_value_t = 3)]
    pub replicas: u8,
    /// Draws the operations
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Made once the clients have begun
    #[arg(long)]
    pub begun: PathBuf,
    /// The clients read everything a last time once this file exists
    #[arg(long)]
    pub healed: PathBuf,
    /// Where the history goes
    #[arg(long)]
    pub out: PathBuf,
}

/// Runs the clients, then reads everything a last time.
pub fn load(arguments: &LoadArguments) -> Result<u8> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(run(arguments))?;
    Ok(0)
}

async fn run(arguments: &LoadArguments) -> Result<()> {
    let begun = Instant::now();
    let history = Arc::new(Mutex::new(Vec::new()));
    let all = All { arguments: arguments.clone(), begun, history: history.clone() };
    let setup = Worker::connect(&all, 0, LAST_PATIENCE).await?;
    setup.make_files().await.context("the files that are shared")?;
    std::fs::write(&arguments.begun, "")?;
    let workers = (1..=arguments.clients).map(|number| {
        let all = all.clone();
        tokio::spawn(async move { Worker::connect(&all, number, PATIENCE).await?.work().await })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.context("a client panicked")??;
    }
    while !arguments.healed.exists() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Worker::connect(&all, arguments.clients + 1, LAST_PATIENCE).await?.read_all().await;
    let mut out = std::io::BufWriter::new(std::fs::File::create(&arguments.out)?);
    for record in history.lock().expect("no client panicked").iter() {
        serde_json::to_writer(&mut out, record)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

/// What the clients have in common.
#[derive(Clone)]
struct All {
    arguments: LoadArguments,
    begun: Instant,
    history: Arc<Mutex<Vec<Record>>>,
}

impl All {
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).expect("it does not run for centuries")
    }

    /// Waits for an operation and writes down how it ended.
    async fn note<T>(
        &self,
        operation: impl Future<Output = Result<T, ClientError>>,
        done: impl FnOnce(Option<&T>) -> Done,
    ) -> Option<T> {
        let invoked_ns = self.now();
        let ended = operation.await;
        let returned_ns = ended.is_ok().then(|| self.now());
        let error = ended.as_ref().err().map(ToString::to_string);
        let record = Record { invoked_ns, returned_ns, done: done(ended.as_ref().ok()), error };
        self.history.lock().expect("no client panicked").push(record);
        ended.ok()
    }
}

/// One client session.
struct Worker<'a> {
    all: &'a All,
    number: u64,
    client: Client,
    random: u64,
}

impl Worker<'_> {
    async fn connect(all: &All, number: u64, patience: Duration) -> Result<Worker<'_>> {
        let LoadArguments { master, seed, .. } = &all.arguments;
        let masters = (1..).map(NodeId).zip(master.iter().copied()).collect();
        let mut drawn = [0; 8];
        getrandom::fill(&mut drawn).map_err(|error| anyhow::anyhow!("random numbers: {error}"))?;
        // The cluster's constants, so that this session goes by them; and patience of its own.
        let options = ClientOptions::new(NodeId(u64::from_le_bytes(drawn) | 1 << 63), masters);
        let first = Client::connect(options.clone()).await?;
        let mut constants = Constants::default();
        first.constants_status().await?.values.install(&mut constants);
        constants.operation_timeout = patience;
        getrandom::fill(&mut drawn).map_err(|error| anyhow::anyhow!("random numbers: {error}"))?;
        let node = NodeId(u64::from_le_bytes(drawn) | 1 << 63);
        let client = Client::connect(ClientOptions { node, constants, ..options }).await?;
        let random = (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number << 32) | 1;
        Ok(Worker { all, number, client, random })
    }

    fn draw(&mut self, below: u64) -> u64 {
        // xorshift64*
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % below
    }

    fn spec(&self) -> FileSpec {
        FileSpec {
            replicas: self.all.arguments.replicas,
            chunk_bytes: 4 << 20,
            ..FileSpec::default()
        }
    }

    async fn make_files(&self) -> Result<(), ClientError> {
        match self.client.mkdir(FOLDER).await {
            Err(error) if error.refusal() != Some(&Refusal::AlreadyExists) => return Err(error),
            _ => {}
        }
        for number in 0..FILES {
            let file = self.client.create(shared(number), self.spec()).await?;
            file.write(0, vec![0; CELL_BYTES * CELLS as usize]).await?;
        }
        self.client.create(format!("{FOLDER}/log"), self.spec()).await.map(drop)
    }

    async fn work(mut self) -> Result<()> {
        let mut files = Vec::new();
        for number in 0..FILES {
            files.push(self.client.open(shared(number)).await?);
        }
        let log = self.client.open(format!("{FOLDER}/log")).await?;
        let until = Instant::now() + Duration::from_secs(self.all.arguments.seconds);
        let mut count = 0;
        while Instant::now() < until {
            count += 1;
            let value = self.number << 40 | count;
            match self.draw(100) {
                0..40 => self.write(&files, value).await,
                40..80 => {
                    let cell = self.draw(u64::from(FILES * CELLS)) as u32;
                    read(self.all, &files, cell).await;
                }
                80..95 => {
                    let record = Bytes::from(value.to_le_bytes().to_vec());
                    let noted =
                        |offset: Option<&u64>| Done::Append { value, offset: offset.copied() };
                    self.all.note(log.append(record), noted).await;
                }
                _ => self.put(value).await,
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn write(&mut self, files: &[File], value: u64) {
        let cell = self.draw(u64::from(FILES * CELLS)) as u32;
        let bytes = value.to_le_bytes().repeat(CELL_BYTES / 8);
        let writing = file_of(files, cell).write(offset_of(cell), bytes);
        self.all.note(writing, |_| Done::Write { cell, value }).await;
    }

    async fn put(&mut self, value: u64) {
        let path = format!("{FOLDER}/{value}");
        let (length, spec) = (1 + self.draw(PUT_BYTES_MAX), self.spec());
        // The name of a file says what is in it.
        let path = format!("{path}-{length}");
        let putting = async {
            let file = self.client.create(path.as_str(), spec).await?;
            let mut writer = file.writer(0);
            writer.write(contents(value, length)).await?;
            writer.finish().await
        };
        let noted = Done::Put { path: path.clone() };
        self.all.note(putting, |_| noted).await;
    }

    /// Every cell, every file and the log, once all is healed.
    async fn read_all(&self) {
        let mut files = Vec::new();
        for number in 0..FILES {
            match self.client.open(shared(number)).await {
                Ok(file) => files.push(file),
                Err(error) => eprintln!("field load: {}: {error}", shared(number)),
            }
        }
        if files.len() == FILES as usize {
            for cell in 0..FILES * CELLS {
                read(self.all, &files, cell).await;
            }
        }
        let put: Vec<String> = {
            let history = self.all.history.lock().expect("no client panicked");
            let put = history.iter().filter(|record| record.returned_ns.is_some());
            put.filter_map(|record| match &record.done {
                Done::Put { path } => Some(path.clone()),
                _ => None,
            })
            .collect()
        };
        for path in put {
            let fetching = self.fetch(&path);
            let noted = |same: Option<&bool>| Done::Fetched {
                path: path.clone(),
                same: same.copied().unwrap_or(false),
            };
            self.all.note(fetching, noted).await;
        }
        let noted =
            |records: Option<&Vec<_>>| Done::Log { records: records.cloned().unwrap_or_default() };
        self.all.note(self.log(), noted).await;
    }

    async fn fetch(&self, path: &str) -> Result<bool, ClientError> {
        let name = path.rsplit('/').next().unwrap_or_default();
        let mut numbers = name.split('-').filter_map(|number| number.parse::<u64>().ok());
        let (Some(value), Some(length)) = (numbers.next(), numbers.next()) else {
            return Ok(false);
        };
        let file = self.client.open(path).await?;
        Ok(file.read(0, length + 1).await? == contents(value, length))
    }

    async fn log(&self) -> Result<Vec<(u64, u64)>, ClientError> {
        let file = self.client.open(format!("{FOLDER}/log")).await?;
        let bytes = file.read(0, file.len().await?).await?;
        let words = bytes.chunks(8).zip(0..).filter_map(|(word, at)| {
            let value = u64::from_le_bytes(word.try_into().ok()?);
            // A chunk's rest that no record fitted into is zeros; no record is.
            (value != 0).then_some((value, at * 8))
        });
        Ok(words.collect())
    }
}

async fn read(all: &All, files: &[File], cell: u32) {
    let reading = file_of(files, cell).read(offset_of(cell), CELL_BYTES as u64);
    all.note(reading, |bytes| match bytes.map(|bytes| value_of(bytes)) {
        Some(None) => Done::Torn { cell },
        value => Done::Read { cell, value: value.flatten() },
    })
    .await;
}

/// The value of a cell; none if it is not the same everywhere.
fn value_of(bytes: &[u8]) -> Option<u64> {
    let (first, _) = bytes.split_first_chunk::<8>()?;
    let whole = bytes.len() == CELL_BYTES && bytes.chunks(8).all(|word| word == first);
    whole.then_some(u64::from_le_bytes(*first))
}

fn shared(number: u32) -> String {
    format!("{FOLDER}/shared-{number}")
}

fn file_of(files: &[File], cell: u32) -> &File {
    &files[(cell / CELLS) as usize]
}

fn offset_of(cell: u32) -> u64 {
    u64::from(cell % CELLS) * CELL_BYTES as u64
}

/// Bytes that belong to this file and no other.
fn contents(value: u64, length: u64) -> Vec<u8> {
    let mut state = value.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes()
    };
    let words = std::iter::repeat_with(&mut next).take(length as usize / 8 + 1);
    let mut bytes: Vec<u8> = words.flatten().collect();
    bytes.truncate(length as usize);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_of_two_writes_has_no_value() {
        let mut bytes = 7u64.to_le_bytes().repeat(CELL_BYTES / 8);
        assert_eq!(value_of(&bytes), Some(7));
        bytes[CELL_BYTES - 8] = 8;
        assert_eq!(value_of(&bytes), None);
        assert_eq!(value_of(&bytes[..8]), None, "too short");
        assert_eq!(value_of(&[]), None);
    }

    #[test]
    fn files_have_bytes_of_their_own() {
        assert_eq!(contents(5, 1_000), contents(5, 1_000));
        assert_ne!(contents(5, 1_000), contents(6, 1_000));
        assert_eq!(contents(5, 13).len(), 13);
    }
}
