//! Files and directories that are open here.

use leasehold_client::{File, FileInfo};
use leasehold_proto::{FileId, LockOwner, Name};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A file that is open under one handle of the kernel.
#[derive(Debug)]
pub struct OpenFile {
    pub file: File,
    pub id: FileId,
}

/// By which process, and through which handle, an owner locked something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted {
    pub process: u32,
    pub handle: u64,
}

/// What the kernel reads of a directory: the names that it had when it was opened or rewound.
pub type Entries = Arc<[(Name, FileInfo)]>;

#[derive(Debug)]
enum Open {
    File(Arc<OpenFile>),
    Directory(Option<Entries>),
}

/// All handles of the kernel, and when files were last written here without the master knowing.
#[derive(Debug, Default)]
pub struct Handles(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: u64,
    open: BTreeMap<u64, Open>,
    /// In nanoseconds since 1970.
    written: BTreeMap<FileId, i64>,
    /// Who locked something of a file since it was opened.
    locked: BTreeMap<(FileId, LockOwner), Noted>,
}

impl Handles {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, open: Open) -> u64 {
        let mut state = self.state();
        state.last += 1;
        let handle = state.last;
        state.open.insert(handle, open);
        handle
    }

    pub fn open_file(&self, id: FileId, file: File) -> u64 {
        self.insert(Open::File(Arc::new(OpenFile { file, id })))
    }

    pub fn open_directory(&self) -> u64 {
        self.insert(Open::Directory(None))
    }

    pub fn file(&self, handle: u64) -> Option<Arc<OpenFile>> {
        match self.state().open.get(&handle)? {
            Open::File(file) => Some(file.clone()),
            Open::Directory(_) => None,
        }
    }

    /// Any handle of this file.
    pub fn file_of(&self, id: FileId) -> Option<Arc<OpenFile>> {
        let state = self.state();
        let files = state.open.values().filter_map(|open| match open {
            Open::File(file) => Some(file),
            Open::Directory(_) => None,
        });
        files.into_iter().find(|file| file.id == id).cloned()
    }

    /// The names that were read for this handle.
    pub fn entries(&self, handle: u64) -> Option<Entries> {
        match self.state().open.get(&handle)? {
            Open::Directory(entries) => entries.clone(),
            Open::File(_) => None,
        }
    }

    pub fn keep_entries(&self, handle: u64, entries: Entries) {
        if let Some(Open::Directory(kept)) = self.state().open.get_mut(&handle) {
            *kept = Some(entries);
        }
    }

    pub fn close(&self, handle: u64) {
        self.state().open.remove(&handle);
    }

    /// An owner is about to lock something.
    pub fn note_lock(&self, id: FileId, owner: LockOwner, noted: Noted) {
        self.state().locked.insert((id, owner), noted);
    }

    /// The owners that locked something of a file through this handle.
    pub fn locked_through(&self, id: FileId, handle: u64) -> Vec<LockOwner> {
        let state = self.state();
        let range = (id, LockOwner(0))..=(id, LockOwner(u64::MAX));
        let through = state.locked.range(range).filter(|(_, noted)| noted.handle == handle);
        through.map(|((_, owner), _)| *owner).collect()
    }

    /// A process of an owner that locked something.
    pub fn locked_by(&self, id: FileId, owner: LockOwner) -> Option<u32> {
        self.state().locked.get(&(id, owner)).map(|noted| noted.process)
    }

    /// Did the owner lock something? From here on it did not.
    pub fn forget_lock(&self, id: FileId, owner: LockOwner) -> bool {
        self.state().locked.remove(&(id, owner)).is_some()
    }

    /// A file was written at this time.
    pub fn note_written(&self, id: FileId, at_ns: i64) {
        self.state().written.insert(id, at_ns);
    }

    /// When a file was written, if the master does not know yet.
    pub fn written(&self, id: FileId) -> Option<i64> {
        self.state().written.get(&id).copied()
    }

    /// The master knows of the writes up to this time.
    pub fn forget_written(&self, id: FileId, up_to_ns: i64) {
        let mut state = self.state();
        if state.written.get(&id).is_some_and(|written| *written <= up_to_ns) {
            state.written.remove(&id);
        }
    }
}
