//! Which names exist, as far as answers say, and which names requests use: few, shared and nested.

use super::Torture;
use crate::draw::Draw;
use leasehold_proto::metadata::FileKind;
use leasehold_proto::{FileId, Name, Path};
use std::collections::BTreeMap;

/// Directories and files have these names, so that each is often in the other's place.
const FEW: [&str; 4] = ["a", "b", "d", "e"];
/// Names that programs take for something else, written as [`Name`] is printed.
const ODD: [&str; 7] = ["é", "a b", "...", "-", "\\xff\\xfe", "\\x5c", "*"];
/// Components of a path that requests make, at the most.
const DEPTH_MAX: usize = 6;
/// Bytes of a name and of a path at the most, as POSIX systems have them.
const NAME_BYTES_MAX: usize = 255;
const PATH_BYTES_MAX: usize = 4_096;

/// What is at a path.
#[derive(Clone, Copy, Debug)]
struct Node {
    file: FileId,
    is_directory: bool,
    is_symlink: bool,
}

/// What requests were answered about names. Paths and names are written as they are printed, so that those
/// of bytes that are no text can be kept.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// By path. The root is not among them.
    nodes: BTreeMap<String, Node>,
    /// Components of a path, beyond [`DEPTH_MAX`], and odd names in a thousand, beside the usual ones.
    deeper: usize,
    odd_permille: u64,
}

/// The bytes of a path or name as it is printed: `\xNN` is one byte.
fn bytes_of(printed: &str) -> Vec<u8> {
    let mut parts = printed.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let number = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match number {
            Some(number) => {
                bytes.push(number);
                bytes.extend(&part.as_bytes()[2..]);
            }
            None => bytes.extend([b"\\x", part.as_bytes()].concat()),
        }
    }
    bytes
}

/// The address that is printed like this; an inode by its identity, as `f7` or `f7:a`, is none.
pub fn address(printed: &str) -> Path {
    bytes_of(printed).into()
}

/// The name that is printed like this.
pub fn name_of(printed: &str) -> Name {
    bytes_of(printed).as_slice().into()
}

/// A name: one of few, and sometimes one of the largest length or beyond it.
pub fn name(draw: &mut impl Draw) -> String {
    if draw.permille(25) {
        let one_more = usize::from(draw.permille(300));
        return "n".repeat(NAME_BYTES_MAX + one_more);
    }
    if draw.permille(30) {
        return (*draw.one_of(&ODD).expect("there are several")).to_owned();
    }
    (*draw.one_of(&FEW).expect("there are several")).to_owned()
}

pub fn join(directory: &str, name: &str) -> String {
    if directory == "/" { format!("/{name}") } else { format!("{directory}/{name}") }
}

/// How many names a path has.
pub fn depth(path: &str) -> usize {
    path.bytes().filter(|byte| *byte == b'/').count()
}

/// Paths at the limits of what a path may be.
fn odd(draw: &mut impl Draw) -> String {
    // Of names that are short enough, so that only the whole is too long.
    let long = |bytes: usize| {
        let name = format!("/{}", "p".repeat(200));
        let path = name.repeat(bytes / name.len());
        format!("{path}/{}", "p".repeat(bytes - path.len() - 1))
    };
    match draw.within(0..=8) {
        0 => "/".into(),
        1 => String::new(),
        2 => "a".into(),
        3 => "//a".into(),
        4 => "/a/".into(),
        5 => "/d/../a".into(),
        6 => "/a\0".into(),
        7 => long(PATH_BYTES_MAX),
        _ => long(PATH_BYTES_MAX + 1),
    }
}

impl Names {
    pub fn tortured(&mut self, by: Torture) {
        (self.deeper, self.odd_permille) = match by {
            Torture::Trees => (24, 0),
            Torture::Names => (6, 500),
            Torture::Links | Torture::Renames | Torture::Locks => (4, 0),
        };
    }

    fn name(&self, draw: &mut impl Draw) -> String {
        if self.odd_permille > 0 && draw.permille(self.odd_permille) {
            let long = "n".repeat(NAME_BYTES_MAX);
            let odd = (*draw.one_of(&ODD).expect("there are several")).to_owned();
            return if draw.permille(300) { long } else { odd };
        }
        name(draw)
    }

    pub fn is_file(&self, path: &str) -> bool {
        self.nodes.get(path).is_some_and(|node| !node.is_directory)
    }

    pub fn is_directory(&self, path: &str) -> bool {
        path == "/" || self.nodes.get(path).is_some_and(|node| node.is_directory)
    }

    /// Where something may be made: mostly in a directory that exists.
    pub fn place(&self, draw: &mut impl Draw) -> String {
        if draw.permille(15) {
            return odd(draw);
        }
        let parent = match draw.within(0..=9) {
            0..=2 => "/".to_owned(),
            3 => self.existing(draw),
            _ => self.directory(draw),
        };
        if depth(&parent) >= DEPTH_MAX + self.deeper {
            return join("/", &self.name(draw));
        }
        join(&parent, &self.name(draw))
    }

    /// A path at which something is, mostly.
    pub fn existing(&self, draw: &mut impl Draw) -> String {
        if draw.permille(15) {
            return odd(draw);
        }
        if draw.permille(200)
            && let Some(path) = self.through_a_link(draw)
        {
            return path;
        }
        let known: Vec<&String> = self.nodes.keys().collect();
        match draw.one_of(&known) {
            Some(path) if draw.permille(850) => (*path).clone(),
            // A name below a file, or one that is not there.
            Some(path) => join(path, &self.name(draw)),
            None => join("/", &self.name(draw)),
        }
    }

    /// A name below a symbolic link, if one is known.
    fn through_a_link(&self, draw: &mut impl Draw) -> Option<String> {
        let links = self.nodes.iter().filter(|(_, node)| node.is_symlink);
        let links: Vec<&String> = links.map(|(path, _)| path).collect();
        let path = draw.one_of(&links)?;
        (depth(path) < DEPTH_MAX + self.deeper).then(|| join(path, &self.name(draw)))
    }

    fn directory(&self, draw: &mut impl Draw) -> String {
        if draw.permille(100)
            && let Some(path) = self.through_a_link(draw)
        {
            return path;
        }
        let known: Vec<&String> =
            self.nodes.iter().filter(|(_, node)| node.is_directory).map(|(path, _)| path).collect();
        draw.one_of(&known).map_or_else(|| "/".to_owned(), |path| (*path).clone())
    }

    /// What is listed: a directory, mostly.
    pub fn listed(&self, draw: &mut impl Draw) -> String {
        match draw.within(0..=9) {
            0..=3 => "/".into(),
            4 => self.existing(draw),
            _ => self.directory(draw),
        }
    }

    /// What a rename moves, and where to: onto what exists as often as to a free name, and sometimes
    /// onto or into itself.
    pub fn rename(&self, draw: &mut impl Draw) -> (String, String) {
        let from = if draw.permille(400) { self.directory(draw) } else { self.existing(draw) };
        let to = match draw.within(0..=15) {
            0 => from.clone(),
            1 => join(&from, &self.name(draw)),
            2..=7 => self.existing(draw),
            _ => self.place(draw),
        };
        (from, to)
    }

    /// Something printed like this, sometimes from its directory on, as the kernel names it, or by its
    /// identity.
    pub fn address(&self, printed: &str, draw: &mut impl Draw) -> Path {
        if !draw.permille(150) {
            return address(printed);
        }
        if let Some(node) = self.nodes.get(printed).filter(|_| draw.permille(200)) {
            return Path::of(node.file);
        }
        let cut = printed.rsplit_once('/');
        let above = cut.and_then(|(above, name)| Some((self.nodes.get(above)?, name)));
        match above {
            Some((node, name)) => Path::at(node.file, &bytes_of(name)),
            None => address(printed),
        }
    }

    /// An address as it is printed from the root on; none if it begins somewhere unknown.
    pub fn printed(&self, path: &Path) -> Option<String> {
        if path.is_absolute() || path.at == Path::ROOT {
            return Some(path.to_string());
        }
        let (above, _) = self.nodes.iter().find(|(_, node)| node.file == path.at)?;
        let name = Name::from(path.as_bytes()).to_string();
        Some(if name.is_empty() { above.clone() } else { join(above, &name) })
    }

    pub fn known(&mut self, path: &str, file: FileId, kind: &FileKind) {
        let is_directory = *kind == FileKind::Directory;
        let is_symlink = *kind == FileKind::Symlink;
        if path != "/" {
            self.nodes.insert(path.to_owned(), Node { file, is_directory, is_symlink });
        }
    }

    /// Nothing is at a path; gives the file that was, if that has no other name.
    pub fn forget(&mut self, path: &str) -> Option<FileId> {
        let node = self.nodes.remove(path).filter(|node| !node.is_directory)?;
        let is_named = self.nodes.values().any(|other| other.file == node.file);
        (!is_named).then_some(node.file)
    }

    /// Something was moved; gives the file that it replaced, if that has no other name.
    pub fn moved(&mut self, from: &str, to: &str) -> Option<FileId> {
        let is_same = |one: &Node| self.nodes.get(to).is_some_and(|other| other.file == one.file);
        if from == to || self.nodes.get(from).is_some_and(is_same) {
            return None;
        }
        let replaced = self.forget(to);
        let moved = self.take(from);
        self.put(moved, from, to);
        replaced
    }

    /// Each of two got the other's name.
    pub fn exchanged(&mut self, from: &str, to: &str) {
        let (one, other) = (self.take(from), self.take(to));
        self.put(one, from, to);
        self.put(other, to, from);
    }

    /// Takes out what is at a path and below it.
    fn take(&mut self, top: &str) -> BTreeMap<String, Node> {
        let below = format!("{top}/");
        let (taken, stay) = std::mem::take(&mut self.nodes)
            .into_iter()
            .partition(|(path, _)| path == top || path.starts_with(&below));
        self.nodes = stay;
        taken
    }

    fn put(&mut self, nodes: BTreeMap<String, Node>, from: &str, to: &str) {
        for (path, node) in nodes {
            self.nodes.insert(format!("{to}{}", &path[from.len()..]), node);
        }
    }
}
