//! The names on a disk: a folder's new names are durable only when the folder was synced.

use crate::seed::Stream;
use std::collections::{BTreeMap, BTreeSet};

/// Position of a file in the disk's table.
pub type InodeId = usize;

/// A change of a name that no `sync_dir` has covered.
#[derive(Clone, Debug)]
enum Change {
    Add { name: String, inode: InodeId },
    Rename { from: String, to: String, inode: InodeId },
    Remove { name: String },
}

impl Change {
    fn touches(&self, folder: &str) -> bool {
        match self {
            Change::Add { name, .. } | Change::Remove { name } => folder_of(name) == folder,
            Change::Rename { from, to, .. } => folder_of(from) == folder || folder_of(to) == folder,
        }
    }

    fn name(&self) -> &str {
        match self {
            Change::Add { name, .. } | Change::Remove { name } => name,
            Change::Rename { to, .. } => to,
        }
    }

    fn apply(self, names: &mut BTreeMap<String, InodeId>) {
        match self {
            Change::Add { name, inode } => {
                names.insert(name, inode);
            }
            Change::Rename { from, to, inode } => {
                // The old name goes only if it still stands for this file.
                if names.get(&from) == Some(&inode) {
                    names.remove(&from);
                }
                names.insert(to, inode);
            }
            Change::Remove { name } => {
                names.remove(&name);
            }
        }
    }
}

/// All names of one disk. Folders are durable at once: a store that needs more says so by
/// `sync_dir("")`, which changes nothing here.
#[derive(Clone, Debug, Default)]
pub struct Names {
    seen: BTreeMap<String, InodeId>,
    durable: BTreeMap<String, InodeId>,
    pending: Vec<Change>,
    folders: BTreeSet<String>,
}

impl Names {
    /// The file of that name.
    pub fn find(&self, name: &str) -> Option<InodeId> {
        self.seen.get(name).copied()
    }

    /// Whether a file can be named so: its folder is there.
    pub fn has_folder(&self, folder: &str) -> bool {
        folder.is_empty() || self.folders.contains(folder)
    }

    /// Makes a folder.
    pub fn add_folder(&mut self, folder: &str) {
        self.folders.insert(folder.to_owned());
    }

    /// Gives a file its first name.
    pub fn add(&mut self, name: &str, inode: InodeId) {
        self.change(Change::Add { name: name.to_owned(), inode });
    }

    /// Renames over whatever is there; false if `from` is not.
    pub fn rename(&mut self, from: &str, to: &str) -> bool {
        let Some(inode) = self.find(from) else { return false };
        self.change(Change::Rename { from: from.to_owned(), to: to.to_owned(), inode });
        true
    }

    /// Removes a name; false if it is not there.
    pub fn remove(&mut self, name: &str) -> bool {
        let found = self.find(name).is_some();
        if found {
            self.change(Change::Remove { name: name.to_owned() });
        }
        found
    }

    /// The files and folders directly in a folder, without its own name, sorted.
    pub fn list(&self, folder: &str) -> Vec<String> {
        let files = self.seen.keys().filter(|name| folder_of(name) == folder);
        let mut names: Vec<String> = files.map(|name| base_of(name).to_owned()).collect();
        if folder.is_empty() {
            names.extend(self.folders.iter().cloned());
            names.sort();
        }
        names
    }

    /// All file names, sorted.
    pub fn all(&self) -> impl Iterator<Item = (&str, InodeId)> {
        self.seen.iter().map(|(name, inode)| (name.as_str(), *inode))
    }

    /// Makes a folder's names durable. A rename between two folders becomes durable with either.
    pub fn sync(&mut self, folder: &str) {
        for change in std::mem::take(&mut self.pending) {
            if change.touches(folder) {
                change.apply(&mut self.durable);
            } else {
                self.pending.push(change);
            }
        }
    }

    /// Names whose last change is not durable.
    pub fn unsynced(&self) -> impl Iterator<Item = &str> {
        self.pending.iter().map(Change::name)
    }

    /// What is left after a power failure: each change that was not synced is there or not.
    pub fn crash(&mut self, stream: &mut Stream) {
        for change in std::mem::take(&mut self.pending) {
            if stream.permille(500) {
                change.apply(&mut self.durable);
            }
        }
        self.seen.clone_from(&self.durable);
    }

    fn change(&mut self, change: Change) {
        change.clone().apply(&mut self.seen);
        self.pending.push(change);
    }
}

/// The folder part of a name; "" for a file at the top.
pub fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn base_of(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, base)| base)
}
