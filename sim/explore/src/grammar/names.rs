//! Which names exist, as far as answers say, and which names requests use: few, shared and nested.

use crate::draw::Draw;
use leasehold_proto::FileId;
use std::collections::BTreeMap;

/// Directories and files have these names, so that each is often in the other's place.
const FEW: [&str; 4] = ["a", "b", "d", "e"];
/// Components of a path that requests make, at the most.
const DEPTH_MAX: usize = 6;
/// Bytes of a name and of a path at the most, as POSIX systems have them.
const NAME_BYTES_MAX: usize = 255;
const PATH_BYTES_MAX: usize = 4_096;

/// What requests were answered about names.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// By path: a file, or a directory. The root is not among them.
    nodes: BTreeMap<String, Option<FileId>>,
}

/// A name: one of few, and sometimes one of the largest length or beyond it.
pub fn name(draw: &mut impl Draw) -> String {
    if draw.permille(25) {
        let one_more = usize::from(draw.permille(300));
        return "n".repeat(NAME_BYTES_MAX + one_more);
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
    pub fn is_file(&self, path: &str) -> bool {
        matches!(self.nodes.get(path), Some(Some(_)))
    }

    pub fn is_directory(&self, path: &str) -> bool {
        path == "/" || matches!(self.nodes.get(path), Some(None))
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
        if depth(&parent) >= DEPTH_MAX {
            return join("/", &name(draw));
        }
        join(&parent, &name(draw))
    }

    /// A path at which something is, mostly.
    pub fn existing(&self, draw: &mut impl Draw) -> String {
        if draw.permille(15) {
            return odd(draw);
        }
        let known: Vec<&String> = self.nodes.keys().collect();
        match draw.one_of(&known) {
            Some(path) if draw.permille(850) => (*path).clone(),
            // A name below a file, or one that is not there.
            Some(path) => join(path, &name(draw)),
            None => join("/", &name(draw)),
        }
    }

    fn directory(&self, draw: &mut impl Draw) -> String {
        let known: Vec<&String> =
            self.nodes.iter().filter(|(_, file)| file.is_none()).map(|(path, _)| path).collect();
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
            1 => join(&from, &name(draw)),
            2..=7 => self.existing(draw),
            _ => self.place(draw),
        };
        (from, to)
    }

    pub fn known(&mut self, path: &str, file: Option<FileId>) {
        if path != "/" {
            self.nodes.insert(path.to_owned(), file);
        }
    }

    /// Nothing is at a path; gives the file that was.
    pub fn forget(&mut self, path: &str) -> Option<FileId> {
        self.nodes.remove(path).flatten()
    }

    /// Something was moved; gives the file that it replaced.
    pub fn moved(&mut self, from: &str, to: &str) -> Option<FileId> {
        if from == to {
            return None;
        }
        let replaced = self.forget(to);
        let below = format!("{from}/");
        let (moved, stay) = std::mem::take(&mut self.nodes)
            .into_iter()
            .partition(|(path, _)| path == from || path.starts_with(&below));
        self.nodes = stay;
        let moved: BTreeMap<String, Option<FileId>> = moved;
        for (path, file) in moved {
            self.nodes.insert(format!("{to}{}", &path[from.len()..]), file);
        }
        replaced
    }
}
