//! Without faults, the simulated disk, the disk in memory and the operating system's answer every
//! sequence of operations alike. Not under the simulation: there is no operating system there.
#![cfg(not(madsim))]

use leasehold_node::os_disk::OsDisk;
use leasehold_sim::disk::{Latency, SimDisk};
use leasehold_sim::seed::{Seed, Stream};
use leasehold_store::{Disk, DiskError, MemDisk, Open};

const SEQUENCES: u64 = 60;
const OPERATIONS: u64 = 300;
const FOLDERS: [&str; 2] = ["a", "b"];
const NAMES: [&str; 6] = ["a/1", "a/2", "b/1", "b/2", "top", "missing/1"];

/// One operation; files are those that were opened, by place.
#[derive(Clone, Debug)]
enum Op {
    Open(&'static str, Open),
    Read(usize, u64, usize),
    Write(usize, u64, Vec<u8>),
    Len(usize),
    SetLen(usize, u64),
    Reserve(usize, u64),
    SyncData(usize),
    Rename(&'static str, &'static str),
    Remove(&'static str),
    CreateDir(&'static str),
    List(&'static str),
    SyncDir(&'static str),
}

/// What an operation gave, without the words for people.
#[derive(Debug, PartialEq, Eq)]
enum Gave {
    Nothing,
    Bytes(Vec<u8>),
    Length(u64),
    Names(Vec<String>),
    NotFound,
    Exists,
    NoSpace,
    Failed,
}

/// A disk and the files that are open on it, by name and file. A file that was removed or replaced
/// is closed: what a store does with such a one is nothing.
struct Tried<D: Disk> {
    disk: D,
    open: Vec<(&'static str, D::File)>,
}

impl<D: Disk> Tried<D> {
    fn new(disk: D) -> Self {
        Tried { disk, open: Vec::new() }
    }

    fn perform(&mut self, op: &Op) -> Gave {
        let done = |result: Result<(), DiskError>| result.map(|()| Gave::Nothing);
        let result = match op {
            Op::Open(name, how) => self
                .disk
                .open(name, *how)
                .map(|file| self.open.push((name, file)))
                .map(|()| Gave::Nothing),
            Op::Read(at, offset, length) => {
                let mut buf = vec![0xee; *length];
                let read = self.disk.read_at(&self.open[*at].1, *offset, &mut buf);
                read.map(|count| {
                    buf.truncate(count);
                    Gave::Bytes(buf)
                })
            }
            Op::Write(at, offset, data) => {
                done(self.disk.write_at(&self.open[*at].1, *offset, data))
            }
            Op::Len(at) => self.disk.len(&self.open[*at].1).map(Gave::Length),
            Op::SetLen(at, length) => done(self.disk.set_len(&self.open[*at].1, *length)),
            Op::Reserve(at, length) => done(self.disk.reserve(&self.open[*at].1, 0..*length)),
            Op::SyncData(at) => done(self.disk.sync_data(&self.open[*at].1)),
            Op::Rename(from, to) => {
                let renamed = self.disk.rename(from, to);
                if renamed.is_ok() {
                    self.close(&[from, to]);
                }
                done(renamed)
            }
            Op::Remove(name) => {
                let removed = self.disk.remove(name);
                self.close(&[name]);
                done(removed)
            }
            Op::CreateDir(folder) => done(self.disk.create_dir(folder)),
            Op::List(folder) => self.disk.list(folder).map(|mut names| {
                // Whether the top lists its folders is left open; nobody asks.
                names.retain(|name| !FOLDERS.contains(&name.as_str()));
                Gave::Names(names)
            }),
            Op::SyncDir(folder) => done(self.disk.sync_dir(folder)),
        };
        result.unwrap_or_else(|error| match error {
            DiskError::NotFound { .. } => Gave::NotFound,
            DiskError::Exists { .. } => Gave::Exists,
            DiskError::NoSpace { .. } => Gave::NoSpace,
            DiskError::Failed { .. } => Gave::Failed,
        })
    }

    fn close(&mut self, names: &[&str]) {
        self.open.retain(|(name, _)| !names.contains(name));
    }
}

/// Something to do while `open` files are open.
fn drawn(stream: &mut Stream, open: usize) -> Op {
    let name = *stream.pick(&NAMES);
    if open > 0 && stream.within(0..=9) < 6 {
        let at = stream.within(0..=open as u64 - 1) as usize;
        let offset = stream.within(0..=9_000);
        let length = stream.within(0..=5_000) as usize;
        return match stream.within(0..=7) {
            0 | 1 => Op::Read(at, offset, length),
            2..=4 => Op::Write(at, offset, vec![stream.within(1..=255) as u8; length]),
            5 => Op::Len(at),
            6 => Op::SetLen(at, offset),
            _ if length.is_multiple_of(2) => Op::Reserve(at, offset),
            _ => Op::SyncData(at),
        };
    }
    match stream.within(0..=11) {
        0..=2 => Op::Open(name, Open::Create),
        3 | 4 => Op::Open(name, Open::Existing),
        5 | 6 => match name {
            "a/1" => Op::Rename("a/1", "a/2"),
            "a/2" => Op::Rename("a/2", "a/1"),
            "top" => Op::Rename("top", "other"),
            _ => Op::Rename("b/1", "b/2"),
        },
        7 => Op::Remove(name),
        8 => Op::CreateDir(stream.pick::<&str>(&FOLDERS)),
        9 | 10 => Op::List(stream.pick::<&str>(&["", "a", "b"])),
        _ => Op::SyncDir(stream.pick::<&str>(&["", "a", "b"])),
    }
}

#[test]
fn three_disks_answer_alike() {
    let mut refused = 0;
    for sequence in 0..SEQUENCES {
        let folder = tempfile::tempdir().unwrap();
        let mut os = Tried::new(OsDisk::open(folder.path().join("data")).unwrap());
        let sim = SimDisk::new(Seed(sequence), 0, Latency::default(), 1 << 30);
        let mut sim = Tried::new(sim);
        let mut mem = Tried::new(MemDisk::new());
        for folder in FOLDERS {
            let made = Op::CreateDir(folder);
            let gave = [os.perform(&made), sim.perform(&made), mem.perform(&made)];
            assert_eq!(gave, [Gave::Nothing, Gave::Nothing, Gave::Nothing]);
        }
        let mut stream = Seed(sequence).fork("operations", 0);
        let mut past = Vec::new();
        for _ in 0..OPERATIONS {
            let op = drawn(&mut stream, os.open.len());
            let real = os.perform(&op);
            past.push(op.clone());
            let last = &past[past.len().saturating_sub(12)..];
            assert_eq!(sim.perform(&op), real, "simulated, sequence {sequence}: {last:?}");
            assert_eq!(mem.perform(&op), real, "in memory, sequence {sequence}: {last:?}");
            refused += u32::from(real == Gave::NotFound);
        }
    }
    assert!(refused > 100, "{refused} operations met no file");
}
