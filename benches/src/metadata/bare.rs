//! What the consensus library commits by itself: three processes with the product's log store,
//! disk's thread and transport, and a state machine that does nothing.
//!
//! The leader keeps a fixed number of proposals in flight, each of the size of a create, from inside
//! its own process: there is no client, no protocol and no state. Entries carry an epoch that never
//! was, so that whoever applies them counts them and does nothing else.

use super::load::{Seen, histogram, micros, path};
use super::parse;
use crate::process::{Process, Usage};
use crate::product::free_address;
use anyhow::{Context, Result, bail, ensure};
use hdrhistogram::Histogram;
use leasehold_node::master::TcpCarrier;
use leasehold_node::os_disk::OsDisk;
use leasehold_node::replicated::{
    LogDisk, LogStorage, LogWorker, Peer, ReplicatedLog, ReplicatedOptions, Timing,
};
use leasehold_node::storage::start_log;
use leasehold_proto::metadata::{FileSpec, MetadataChange};
use leasehold_proto::{
    Command as LogCommand, Constants, Epoch, Input, IoId, IoOp, IoOutput, Leadership, LogEntry,
    LogOp, NodeId, OpId, ProposeOutcome,
};
use leasehold_runtime::driver::Storage;
use leasehold_runtime::transport::{Transport, TransportOptions};
use leasehold_store::{RaftLog, RaftLogOptions, Written};
use leasehold_wire::Role;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const MEMBERS: u64 = 3;
/// As the product's masters have them.
const SNAPSHOT_ENTRIES: u64 = 50_000;
const INBOX_MAX: usize = 1_024;
const PACKETS_BYTES_MAX: usize = 64 << 20;

/// Arguments of `metadata-bare`.
#[derive(Debug, clap::Args)]
pub struct MemberOptions {
    #[arg(long)]
    node: u64,
    /// Of all members, in the order of their numbers
    #[arg(long, value_delimiter = ',')]
    members: Vec<SocketAddr>,
    #[arg(long)]
    dir: PathBuf,
    #[arg(long)]
    entries: u64,
    #[arg(long)]
    in_flight: u64,
}

/// What the leader saw, and what all three used.
pub struct Bare {
    pub seen: Seen,
    pub usage: Usage,
}

/// What a member says when it has applied all.
#[derive(Debug, Serialize, Deserialize)]
struct MemberReport {
    /// It leads.
    leads: bool,
    seen: Seen,
}

/// Runs three members until each has applied all entries.
pub fn run(dir: &Path, entries: u64, in_flight: u64) -> Result<Bare> {
    let addresses = (0..MEMBERS).map(|_| free_address()).collect::<Result<Vec<_>>>()?;
    let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let mut members = Vec::new();
    for node in 1..=MEMBERS {
        let data = dir.join(format!("bare-{node}"));
        fs::create_dir_all(&data)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["metadata-bare", "--node", &node.to_string()]);
        command.args(["--members", &list.join(","), "--entries", &entries.to_string()]);
        command.args(["--in-flight", &in_flight.to_string(), "--dir"]).arg(data);
        members.push(Process::spawn(format!("bare-{node}"), command.stdout(Stdio::piped()))?);
    }
    let mut leader = None;
    for member in &mut members {
        let report: MemberReport = parse(&member.line()?)?;
        leader = leader.or(report.leads.then_some(report.seen));
    }
    let usages = members.iter().map(Process::usage).collect::<Result<Vec<_>>>()?;
    members.iter_mut().try_for_each(Process::stop)?;
    let seen = leader.context("the leader changed while it was measured: run it again")?;
    Ok(Bare { seen, usage: usages.into_iter().fold(Usage::default(), Usage::and) })
}

/// The process of one member. Takes part until it is stopped.
pub fn member(options: &MemberOptions) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(take_part(options))
}

async fn take_part(options: &MemberOptions) -> Result<()> {
    let node = NodeId(options.node);
    let members: Vec<(NodeId, SocketAddr)> =
        (1..).map(NodeId).zip(options.members.iter().copied()).collect();
    let own = members.iter().find(|(member, _)| *member == node);
    let (_, address) = *own.context("--node is not among the members")?;
    let peer = |address: &SocketAddr| Peer { address: address.to_string(), birth: 0 };
    let first = members.iter().map(|(node, address)| (*node, peer(address))).collect();
    let (log, recovered) = RaftLog::open(OsDisk::open(&options.dir)?, &RaftLogOptions::default())?;
    let replicated = ReplicatedOptions {
        node,
        bootstrap: Some(first),
        timing: Timing::default(),
        snapshot_entries: SNAPSHOT_ENTRIES,
        constants: Constants::default(),
        seed: options.node,
        drift_ppm: 0,
    };
    let (sender, inbox) = mpsc::channel(INBOX_MAX);
    let (disk, work) = LogDisk::new();
    let purgeable = log.purgeable();
    let worker = LogWorker::new(log, &disk);
    let (replicated, _) =
        ReplicatedLog::new(replicated, &recovered, purgeable, disk.clone(), sender.clone())?;
    let _disk_end = start_log(worker, work)?;
    let (packets, questions) = mpsc::channel(INBOX_MAX);
    let transport = TransportOptions {
        node,
        role: Role::Master,
        listen: Some(address),
        masters: members,
        payload_bytes_max: Some(PACKETS_BYTES_MAX),
    };
    let transport = Transport::with_packets(transport, sender, Some(packets));
    transport.listen(TcpListener::bind(address).await?);
    let carrier = TcpCarrier(transport.sender());
    let (storage, asked) = LogStorage::new();
    let empty = Empty::new(options, storage, disk);
    tokio::select! {
        ended = replicated.run(carrier, questions, asked, std::future::pending()) => Ok(ended?),
        ended = empty.run(inbox) => ended,
    }
}

/// A machine that counts what was committed, and proposes more while it leads.
struct Empty {
    node: NodeId,
    entries: u64,
    in_flight_max: usize,
    storage: LogStorage,
    disk: LogDisk,
    leads: bool,
    proposed: u64,
    committed: u64,
    in_flight: BTreeMap<IoId, Instant>,
    latencies: Histogram<u32>,
    /// When this member began to lead, and what its disk had been given by then.
    began: Option<(Instant, Written)>,
}

impl Empty {
    fn new(options: &MemberOptions, storage: LogStorage, disk: LogDisk) -> Self {
        Empty {
            node: NodeId(options.node),
            entries: options.entries,
            in_flight_max: options.in_flight as usize,
            storage,
            disk,
            leads: false,
            proposed: 0,
            committed: 0,
            in_flight: BTreeMap::new(),
            latencies: histogram(),
            began: None,
        }
    }

    async fn run(mut self, mut inbox: mpsc::Receiver<Input>) -> Result<()> {
        let mut reported = false;
        while let Some(input) = inbox.recv().await {
            self.step(input)?;
            if !reported && self.committed >= self.entries && self.in_flight.is_empty() {
                println!("{}", serde_json::to_string(&self.report())?);
                reported = true;
            }
        }
        bail!("the log ended")
    }

    fn step(&mut self, input: Input) -> Result<()> {
        match input {
            Input::Leadership(leadership) => {
                self.leads = leadership == Leadership::Leader;
                if self.leads {
                    ensure!(self.committed == 0, "the leader changed");
                    self.began = Some((Instant::now(), self.disk.written()));
                }
            }
            Input::Committed { .. } => self.committed += 1,
            Input::IoDone { io, result } => {
                let Ok(IoOutput::Proposed(ProposeOutcome::Committed(_))) = result else {
                    bail!("{io} was not committed: {result:?}");
                };
                let since = self.in_flight.remove(&io).context("nobody proposed it")?;
                self.latencies.saturating_record(micros(since.elapsed()));
            }
            Input::Deliver(_)
            | Input::Wake
            | Input::Room(_)
            | Input::Request { .. }
            | Input::File { .. }
            | Input::Installed { .. } => {}
        }
        self.propose();
        Ok(())
    }

    fn propose(&mut self) {
        let mut batch = Vec::new();
        while self.leads
            && self.in_flight.len() < self.in_flight_max
            && self.proposed < self.entries
        {
            self.proposed += 1;
            let io = IoId(self.proposed);
            self.in_flight.insert(io, Instant::now());
            batch.push((io, IoOp::Log(LogOp::Propose { entry: self.entry(io) })));
        }
        if !batch.is_empty() {
            self.storage.submit(batch);
        }
    }

    /// As long as a create, and of an epoch that is nobody's.
    fn entry(&self, proposal: IoId) -> LogEntry {
        let path = path(proposal.0);
        let change =
            MetadataChange::Create { path: path.into(), spec: FileSpec::default(), mode: 0o644 };
        let op = OpId { client: self.node, number: proposal.0 };
        let command =
            LogCommand::Change { caller: Box::default(), op, acked_below: proposal.0, change };
        LogEntry { epoch: Epoch(1), proposal, command }
    }

    fn report(&self) -> MemberReport {
        let Some((began, before)) = self.began else {
            return MemberReport { leads: false, seen: Seen::default() };
        };
        let written = self.disk.written();
        let seen = Seen {
            entries: written.entries - before.entries,
            syncs: written.syncs - before.syncs,
            ..Seen::of(began.elapsed(), &self.latencies)
        };
        MemberReport { leads: self.leads, seen }
    }
}
