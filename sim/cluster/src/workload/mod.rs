//! What clients do: each one thing after another, drawn from its own stream of the seed.

mod names;
mod shared;

use crate::cluster::{Session, Watch};
use crate::drawn::{Drawn, holds_cells, path_of};
use crate::ledger::{Author, Cell, Ending, Ledger};
use crate::net::Delivery;
use crate::scenario::{Order, Workload};
use crate::seed::Stream;
use crate::tally::{Tally, ending};
use crate::timeline::{Timeline, Timer};
use bytes::BytesMut;
use leasehold_client::{Client, ClientError, File, FileSpec, SyncPolicy};
use leasehold_proto::{ClusterConstant, Refusal, Setting};
use names::Names;
use shared::SharedNames;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Something whose making has an unknown outcome is made again so many times.
const ATTEMPTS_MAX: u32 = 20;

/// Clients are numbered from a multiple of this in each part of a run.
pub const CLIENTS_OF_A_PART: u64 = 1_000;

/// What all clients of a run share.
#[derive(Clone)]
pub struct Shared {
    /// Who sees everything.
    pub watch: Watch,
    /// True time.
    pub timeline: Arc<Timeline<Delivery>>,
    /// How they fare.
    pub tally: Arc<Mutex<Tally>>,
    /// Set when they are to begin nothing more.
    pub stop: Arc<AtomicBool>,
    /// What they are to do.
    pub workload: Workload,
    /// Files of cells and of records.
    pub files: u64,
}

/// Makes the directories and files that clients share.
pub async fn set_up(
    client: &Client,
    workload: &Workload,
    drawn: &Drawn,
) -> Result<(), ClientError> {
    let spec = spec(workload, drawn.replicas);
    for folder in ["/cells", "/records"] {
        make(|| client.mkdir(folder)).await?;
    }
    if workload.shared > 0 {
        // Everybody makes things there, whoever the caller is.
        make(|| client.mkdir_with(shared::FOLDER, 0o1777)).await?;
    }
    for file in 0..drawn.files {
        let path = path_of(file);
        make(|| client.create(&path, spec)).await?;
    }
    Ok(())
}

/// Writes every cell of every file of cells once, in order, as the client of number 0. Each write
/// covers as many cells as the primary of a chunk takes at once.
pub async fn prefill(
    client: &Client,
    shared: &Shared,
    mutation_bytes_max: u64,
) -> Result<(), ClientError> {
    let work = &shared.workload;
    let cells = work.chunks_per_file * work.chunk_bytes / work.cell_bytes;
    let together = (mutation_bytes_max / work.cell_bytes).max(1);
    let mut number = 0;
    for file in (0..shared.files).filter(|file| holds_cells(*file)) {
        let handle = client.open(&path_of(file)).await?;
        for first in (0..cells).step_by(together as usize) {
            let run = first..cells.min(first + together);
            let cells = run.map(|cell| Cell { file, offset: cell * work.cell_bytes });
            let mut bytes = BytesMut::new();
            let mut written = Vec::new();
            for cell in cells {
                number += 1;
                let author = Author { client: 0, number };
                shared.watch.ledger(|ledger, now| ledger.write_invoked(cell, author, now));
                bytes.extend_from_slice(&author.write(work.cell_bytes as usize));
                written.push((cell, author));
            }
            let result = handle.write(written[0].0.offset, bytes.freeze()).await;
            let ending = ending(&result);
            for (cell, author) in written {
                let returned =
                    |ledger: &mut Ledger, now| ledger.write_returned(cell, author, ending, now);
                shared.watch.ledger(returned);
            }
            result?;
        }
    }
    Ok(())
}

/// Makes something that nobody else makes, and again if it is not known whether it was made.
async fn make<T, F>(mut attempt: impl FnMut() -> F) -> Result<(), ClientError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let mut perhaps = false;
    for _ in 0..ATTEMPTS_MAX {
        match attempt().await {
            Err(error) if error.maybe_took_effect() => perhaps = true,
            Err(error) if perhaps && error.refusal() == Some(&Refusal::AlreadyExists) => {
                return Ok(());
            }
            other => return other.map(drop),
        }
    }
    attempt().await.map(drop)
}

fn spec(workload: &Workload, replicas: u8) -> FileSpec {
    FileSpec { chunk_bytes: workload.chunk_bytes, replicas, sync: SyncPolicy::Durable }
}

/// Reads every file that clients share to its end, and judges it. An error is what the cluster
/// said when it could not be read.
pub async fn read_back(client: &Client, shared: &Shared) -> Result<(), ClientError> {
    for number in 0..shared.files {
        let file = client.open(&path_of(number)).await?;
        let length = file.len().await?;
        let bytes = file.read(0, length).await?;
        let cell_bytes = shared.workload.cell_bytes;
        let judged = shared.watch.ledger(|ledger, _| match holds_cells(number) {
            true => ledger.read_back_cells(number, &bytes, cell_bytes),
            false => ledger.read_back_records(number, &bytes),
        });
        shared.watch.judge(judged);
    }
    Ok(())
}

/// One client at work.
pub struct Worker {
    shared: Shared,
    client: Client,
    files: Vec<File>,
    names: Names,
    shared_names: SharedNames,
    stream: Stream,
    timer: Timer<Delivery>,
    /// Of each file, where the next operation begins if they follow each other.
    next_cell: BTreeMap<u64, u64>,
    number: u64,
    index: u64,
    /// How many clients work beside each other, this one included.
    clients: u64,
}

impl Worker {
    /// Opens the shared files.
    pub async fn begin(
        shared: Shared,
        session: &Session,
        index: u64,
        drawn: &Drawn,
    ) -> Result<Self, ClientError> {
        let client = session.client.clone();
        let folder = names::folder_of(index);
        make(|| client.mkdir(&folder)).await?;
        let mut files = Vec::new();
        for file in 0..drawn.files {
            let (path, handle) = (path_of(file), client.open(&path_of(file)).await?);
            shared.watch.state().files.insert(path, handle.id());
            files.push(handle);
        }
        Ok(Worker {
            client: client.clone(),
            names: Names::new(client.clone(), index, spec(&shared.workload, drawn.replicas)),
            shared_names: SharedNames::new(
                client,
                index,
                spec(&shared.workload, drawn.replicas),
                shared.workload.torture,
                drawn.seed.fork("shared names", index),
            ),
            stream: drawn.seed.fork("client", index),
            timer: shared.timeline.timer(),
            shared,
            files,
            next_cell: BTreeMap::new(),
            number: 0,
            index,
            clients: drawn.clients,
        })
    }

    /// Works until it is stopped.
    pub async fn work(mut self) {
        let most = self.shared.workload.operations_max.unwrap_or(u64::MAX);
        let mut done = 0;
        while done < most && !self.shared.stop.load(Ordering::Relaxed) {
            done += 1;
            self.one().await;
            let pause_ms = self.shared.workload.think_ms.draw(&mut self.stream);
            self.timer.after(pause_ms * 1_000_000).await;
        }
    }

    async fn one(&mut self) {
        let weights = self.shared.workload.weights();
        match self.stream.weighted(&weights) {
            Some(0) => self.write().await,
            Some(1) => self.append().await,
            Some(2) => self.read(true).await,
            Some(3) => self.read(false).await,
            Some(5) => self.look().await,
            Some(6) => self.change_constants().await,
            Some(7) => self.shared_request().await,
            _ => self.change_names().await,
        }
    }

    /// Makes leases longer or shorter, by up to three times: rarely while a change is under way, which
    /// refuses it.
    async fn change_constants(&mut self) {
        let first = self.client.constants().lease_duration;
        let factor = u32::try_from(self.stream.within(1..=3)).unwrap_or(1);
        let lease = if self.stream.permille(500) { first / 2 * factor } else { first * factor };
        let number = u64::try_from(lease.as_nanos()).unwrap_or(u64::MAX);
        let setting = Setting { constant: ClusterConstant::LeaseDuration, number };
        let began = self.now();
        let result = self.client.set_constants(vec![setting]).await;
        self.count("constants", &result, began);
    }

    async fn write(&mut self) {
        let (file, cells) = self.pick_cells();
        let began = self.now();
        let cell_bytes = self.shared.workload.cell_bytes as usize;
        let mut bytes = BytesMut::with_capacity(cells.len() * cell_bytes);
        let mut written = Vec::with_capacity(cells.len());
        for cell in cells {
            let author = self.next_author();
            self.shared.watch.ledger(|ledger, now| ledger.write_invoked(cell, author, now));
            bytes.extend_from_slice(&author.write(cell_bytes));
            written.push((cell, author));
        }
        let result = file.write(written[0].0.offset, bytes.freeze()).await;
        let ending = match self.count("write", &result, began) {
            // The first of several mutations may have been carried out before one was refused.
            Ending::Refused if written.len() > 1 => Ending::Unknown,
            ending => ending,
        };
        for (cell, author) in written {
            let returned =
                |ledger: &mut Ledger, now| ledger.write_returned(cell, author, ending, now);
            self.shared.watch.ledger(returned);
        }
    }

    async fn append(&mut self) {
        let Some((number, file)) = self.pick(false) else { return self.write().await };
        let author = self.next_author();
        let len = self.shared.workload.record_bytes.draw(&mut self.stream) as usize;
        let began = self.now();
        self.shared.watch.ledger(|ledger, _| ledger.append_invoked(number, author, len));
        let result = file.append(author.write(len)).await;
        let ending = self.count("append", &result, began);
        let at = result.ok();
        self.shared.watch.ledger(|ledger, _| ledger.append_returned(author, ending, at));
    }

    async fn read(&mut self, strong: bool) {
        let records = if strong && self.stream.permille(400) { self.pick(false) } else { None };
        match records {
            Some((number, file)) => self.read_record(number, &file).await,
            None => self.read_cells(strong).await,
        }
    }

    async fn read_cells(&mut self, strong: bool) {
        let (file, cells) = self.pick_cells();
        let cell_bytes = self.shared.workload.cell_bytes;
        let (began, at, length) = (self.now(), cells[0].offset, cells.len() as u64 * cell_bytes);
        let (kind, result) = match strong {
            true => ("read", file.read(at, length).await),
            false => ("relaxed read", file.read_relaxed(at, length).await),
        };
        self.count(kind, &result, began);
        let Ok(bytes) = result else { return };
        let times = |now| strong.then_some((began, now));
        for cell in cells {
            let start = ((cell.offset - at) as usize).min(bytes.len());
            let end = (start + cell_bytes as usize).min(bytes.len());
            let shown = &bytes[start..end];
            let judged =
                self.shared.watch.ledger(|ledger, now| ledger.read_cell(cell, shown, times(now)));
            self.shared.watch.judge(judged);
        }
    }

    async fn read_record(&mut self, number: u64, file: &File) {
        let known: Vec<_> =
            self.shared.watch.ledger(|ledger, _| ledger.acknowledged(number).collect());
        if known.is_empty() {
            return;
        }
        let (author, at, len) = *self.stream.pick(&known);
        let began = self.now();
        let result = file.read(at, len as u64).await;
        self.count("read", &result, began);
        let Ok(bytes) = result else { return };
        let judged = self.shared.watch.ledger(|ledger, _| ledger.read_record(author, &bytes));
        self.shared.watch.judge(judged);
    }

    async fn change_names(&mut self) {
        let began = self.now();
        let (kind, ending, judged) = self.names.one(&mut self.stream).await;
        let took = self.now() - began;
        self.shared.tally.lock().expect("counting does not panic").count(kind, ending, took);
        self.shared.watch.judge(judged);
    }

    async fn shared_request(&mut self) {
        let began = self.now();
        let (kind, ending) = self.shared_names.one().await;
        let took = self.now() - began;
        let mut tally = self.shared.tally.lock().expect("counting does not panic");
        tally.count(kind, ending, took);
        tally.share(self.index, self.shared_names.shares());
    }

    /// What the other sees is judged with what the owner did, when the run is over.
    async fn look(&mut self) {
        let (began, others) = (self.now(), self.clients.max(2) - 1);
        let part = self.index / CLIENTS_OF_A_PART * CLIENTS_OF_A_PART;
        let away = self.stream.within(1..=others);
        let other = part + (self.index - part + away) % self.clients;
        let result = self.names.look(other).await;
        self.count("look", &result, began);
    }

    fn pick(&mut self, cells: bool) -> Option<(u64, File)> {
        let fit: Vec<u64> =
            (0..self.shared.files).filter(|file| holds_cells(*file) == cells).collect();
        let hottest = *fit.first()?;
        if self.shared.workload.own_files {
            let number = fit[(self.index % fit.len() as u64) as usize];
            return Some((number, self.files[number as usize].clone()));
        }
        let hot = self.stream.permille(self.shared.workload.hot_permille);
        let number = if hot { hottest } else { *self.stream.pick(&fit) };
        Some((number, self.files[number as usize].clone()))
    }

    /// Cells next to each other in one file: as many as an operation of this workload covers.
    fn pick_cells(&mut self) -> (File, Vec<Cell>) {
        let (file, handle) = self.pick(true).expect("file 0 holds cells");
        let work = &self.shared.workload;
        let (cell_bytes, run) = (work.cell_bytes, work.run_cells);
        let all = work.chunks_per_file * work.chunk_bytes / cell_bytes;
        let count = self.stream.log_within(run.min..=run.max).min(all);
        let first = match work.order {
            Order::Random => self.stream.within(0..=all - count),
            Order::Sequential => {
                let next = self.next_cell.entry(file).or_insert(0);
                let first = if *next + count > all { 0 } else { *next };
                *next = first + count;
                first
            }
        };
        let cell = |cell| Cell { file, offset: cell * cell_bytes };
        (handle, (first..first + count).map(cell).collect())
    }

    fn next_author(&mut self) -> Author {
        self.number += 1;
        Author { client: self.index + 1, number: self.number }
    }

    fn now(&self) -> u64 {
        self.shared.timeline.now()
    }

    fn count<T>(
        &self,
        kind: &'static str,
        result: &Result<T, ClientError>,
        began_ns: u64,
    ) -> Ending {
        let (ending, took_ns) = (ending(result), self.now() - began_ns);
        self.shared.tally.lock().expect("counting does not panic").count(kind, ending, took_ns);
        ending
    }
}
