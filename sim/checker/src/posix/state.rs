//! The state of the model: inodes, entries of directories, extended attributes, identities.

use super::{Ino, ROOT};
use crate::cells::spread;
use leasehold_proto::metadata::FileKind;
use leasehold_proto::{Caller, FileId, Name, Path};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Times of an inode, by the clocks of callers, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Times {
    pub atime: i64,
    pub mtime: i64,
    pub ctime: i64,
    pub birth: i64,
}

/// An inode, apart from what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node {
    pub kind: FileKind,
    /// Of a symbolic link: what it contains.
    pub target: Option<Arc<[u8]>>,
    /// Of a directory: the one that it is in; of the root itself.
    pub parent: Ino,
    /// The identity that the masters gave it, once that is known.
    pub file: Option<FileId>,
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
    pub links: u32,
    pub times: Times,
}

impl Node {
    pub fn is_directory(&self) -> bool {
        self.kind == FileKind::Directory
    }

    /// Do the permission bits give the caller all of these: 4 read, 2 write, 1 search? (XBD 4.5: the first
    /// class that the caller belongs to decides.)
    pub fn allows(&self, caller: &Caller, wanted: u16) -> bool {
        if caller.uid == 0 {
            return true;
        }
        let bits = if caller.uid == self.uid {
            self.mode >> 6
        } else if is_in(caller, self.gid) {
            self.mode >> 3
        } else {
            self.mode
        };
        bits & wanted == wanted
    }

    /// Is the caller the owner, or has it appropriate privileges?
    pub fn is_owned_by(&self, caller: &Caller) -> bool {
        caller.uid == 0 || caller.uid == self.uid
    }
}

/// Is this the caller's effective group, or one of its supplementary groups?
pub(super) fn is_in(caller: &Caller, gid: u32) -> bool {
    caller.gid == gid || caller.groups.contains(&gid)
}

/// Value of an extended attribute.
pub(super) type Value = Arc<[u8]>;

/// The namespace.
#[derive(Clone, Debug)]
pub struct Posix {
    nodes: BTreeMap<Ino, Node>,
    entries: BTreeMap<Ino, BTreeMap<Name, Ino>>,
    xattrs: BTreeMap<Ino, BTreeMap<Name, Value>>,
    /// Identities that are known, with the inode that has, or had, them: none is used again.
    bound: BTreeMap<FileId, Ino>,
    /// The identities that creating calls returned.
    returned: Arc<BTreeSet<FileId>>,
    /// Are all calls of the history judged in one? Otherwise what calls elsewhere change of the root
    /// directory is unknown.
    pub(super) whole: bool,
    key: u128,
    journal: Vec<Step>,
}

/// What was there before a step.
#[derive(Clone, Debug)]
enum Step {
    Node(Ino, Option<Node>),
    Entry(Ino, Name, Option<Ino>),
    Xattr(Ino, Name, Option<Value>),
    Bound(FileId),
}

/// What takes an operation back.
#[derive(Clone, Debug, Default)]
pub struct Undo(Vec<Step>);

impl Posix {
    /// A root directory in which everybody may make something, as `/tmp` (ARCHITECTURE.md). `returned`: the
    /// identities that creating calls returned. `whole`: does the history that is judged hold all calls?
    #[must_use]
    pub fn new(returned: Arc<BTreeSet<FileId>>, whole: bool) -> Posix {
        let times = Times { atime: 0, mtime: 0, ctime: 0, birth: 0 };
        let root = Node {
            kind: FileKind::Directory,
            target: None,
            parent: ROOT,
            file: Some(Path::ROOT),
            mode: 0o1777,
            uid: 0,
            gid: 0,
            links: 2,
            times,
        };
        Posix {
            nodes: BTreeMap::from([(ROOT, root)]),
            entries: BTreeMap::new(),
            xattrs: BTreeMap::new(),
            bound: BTreeMap::from([(Path::ROOT, ROOT)]),
            returned,
            whole,
            key: 0,
            journal: Vec::new(),
        }
    }

    pub(super) fn node(&self, ino: Ino) -> Option<&Node> {
        self.nodes.get(&ino)
    }

    /// Of what a name leads to, or an identity was just looked up of.
    pub(super) fn known(&self, ino: Ino) -> &Node {
        self.nodes.get(&ino).expect("what was found is there")
    }

    pub(super) fn entry(&self, directory: Ino, name: &[u8]) -> Option<Ino> {
        self.entries.get(&directory)?.get(name).copied()
    }

    /// In order of name.
    pub(super) fn entries(&self, directory: Ino) -> impl Iterator<Item = (&Name, Ino)> {
        let entries = self.entries.get(&directory).into_iter().flatten();
        entries.map(|(name, ino)| (name, *ino))
    }

    pub(super) fn xattr(&self, ino: Ino, name: &Name) -> Option<&Value> {
        self.xattrs.get(&ino)?.get(name)
    }

    /// In order of name.
    pub(super) fn xattrs(&self, ino: Ino) -> impl Iterator<Item = (&Name, &Value)> {
        self.xattrs.get(&ino).into_iter().flatten()
    }

    /// The inode that has this identity, or had it.
    pub(super) fn bound(&self, file: FileId) -> Option<Ino> {
        self.bound.get(&file).copied()
    }

    pub(super) fn set_node(&mut self, ino: Ino, node: Option<Node>) {
        let before = match &node {
            Some(node) => self.nodes.insert(ino, node.clone()),
            None => self.nodes.remove(&ino),
        };
        let name = |node: &Option<Node>| node.as_ref().map_or(0, |node| hashed(&("n", ino, node)));
        self.key ^= name(&before) ^ name(&node);
        self.journal.push(Step::Node(ino, before));
    }

    /// Changes an inode that is there.
    pub(super) fn alter(&mut self, ino: Ino, change: impl FnOnce(&mut Node)) {
        let mut node = self.known(ino).clone();
        change(&mut node);
        self.set_node(ino, Some(node));
    }

    pub(super) fn set_entry(&mut self, directory: Ino, name: &[u8], ino: Option<Ino>) {
        let name = Name::from(name);
        let entries = self.entries.entry(directory).or_default();
        let before = match ino {
            Some(ino) => entries.insert(name.clone(), ino),
            None => entries.remove(&name),
        };
        let key = |ino: Option<Ino>| ino.map_or(0, |ino| hashed(&("e", directory, &name, ino)));
        self.key ^= key(before) ^ key(ino);
        self.journal.push(Step::Entry(directory, name, before));
    }

    pub(super) fn set_value(&mut self, ino: Ino, name: &Name, value: Option<Value>) {
        let key = |value: &Option<Value>| match value {
            Some(value) => hashed(&("x", ino, name, value)),
            None => 0,
        };
        let after = key(&value);
        let values = self.xattrs.entry(ino).or_default();
        let before = match value {
            Some(value) => values.insert(name.clone(), value),
            None => values.remove(name),
        };
        self.key ^= key(&before) ^ after;
        self.journal.push(Step::Xattr(ino, name.clone(), before));
    }

    /// This inode has this identity from now on. False if that cannot be: another has it, or the call that
    /// made it returned another.
    pub(super) fn bind(&mut self, ino: Ino, file: FileId) -> bool {
        match self.known(ino).file {
            Some(known) => known == file,
            None if self.returned.contains(&file) || self.bound.contains_key(&file) => false,
            None => {
                self.alter(ino, |node| node.file = Some(file));
                self.name_inode(file, ino);
                true
            }
        }
    }

    /// Notes the identity of an inode.
    pub(super) fn name_inode(&mut self, file: FileId, ino: Ino) {
        self.bound.insert(file, ino);
        self.key ^= hashed(&("b", file, ino));
        self.journal.push(Step::Bound(file));
    }

    // Taking back.

    pub(super) fn name_of_state(&self) -> u128 {
        self.key
    }

    /// Where the journal is: see [`Posix::since`], [`Posix::back_to`].
    pub(super) fn mark(&self) -> usize {
        self.journal.len()
    }

    /// What was done since a mark.
    pub(super) fn since(&mut self, mark: usize) -> Undo {
        Undo(self.journal.split_off(mark))
    }

    pub(super) fn back_to(&mut self, mark: usize) {
        let undo = self.since(mark);
        self.take_back(undo);
    }

    pub(super) fn take_back(&mut self, undo: Undo) {
        let mark = self.mark();
        for step in undo.0.into_iter().rev() {
            match step {
                Step::Node(ino, node) => self.set_node(ino, node),
                Step::Entry(directory, name, ino) => {
                    self.set_entry(directory, name.as_bytes(), ino)
                }
                Step::Xattr(ino, name, value) => self.set_value(ino, &name, value),
                Step::Bound(file) => {
                    let ino = self.bound.remove(&file);
                    let ino = ino.expect("what is taken back was done");
                    self.key ^= hashed(&("b", file, ino));
                }
            }
        }
        self.journal.truncate(mark);
    }
}

/// 128 bits: two hashes of 64, whose seeds differ. Both are fixed, in every process.
pub(crate) fn hashed(thing: &impl Hash) -> u128 {
    let half = |seed: u64| {
        let mut hasher = DefaultHasher::new();
        (seed, thing).hash(&mut hasher);
        u128::from(spread(hasher.finish()))
    };
    half(1) << 64 | half(2)
}
