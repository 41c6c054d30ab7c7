//! Changes of the namespace, with the errors that POSIX gives them. Each checks everything first
//! and changes something only when nothing can fail any more.

use super::query::info;
use super::state::{ChunkRecord, MasterState, Node, NodeBody};
use crate::ids::{ChunkHandle, FileId};
use crate::metadata::{FileSpec, MetadataAnswer, MetadataChange};
use crate::paged::PagedMap;
use crate::refusal::Refusal;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Bytes in a path at the most, as Linux's `PATH_MAX`.
pub const PATH_BYTES_MAX: usize = 4_096;
/// Bytes in one component of a path at the most, as Linux's `NAME_MAX`.
pub const NAME_BYTES_MAX: usize = 255;
/// Replicas of a chunk at the most.
pub const REPLICAS_MAX: u8 = 16;
/// Bytes in a chunk at the most.
pub const CHUNK_BYTES_MAX: u64 = 1 << 40;

/// A valid absolute path, cut into its components; none for the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path<'a>(Vec<&'a str>);

impl<'a> Path<'a> {
    /// Error: `Invalid`, with what is wrong about it.
    pub fn parse(text: &'a str) -> Result<Self, Refusal> {
        let invalid = |why: &str| Err(Refusal::Invalid(why.to_owned()));
        if text.len() > PATH_BYTES_MAX {
            return invalid("a path has at most 4096 bytes");
        }
        let Some(rest) = text.strip_prefix('/') else {
            return invalid("a path begins with /");
        };
        if rest.is_empty() {
            return Ok(Path(Vec::new()));
        }
        let components: Vec<&str> = rest.split('/').collect();
        for component in &components {
            match *component {
                "" => return invalid("a path has no empty component"),
                "." | ".." => return invalid("a path has no component . or .."),
                name if name.len() > NAME_BYTES_MAX => {
                    return invalid("a name has at most 255 bytes");
                }
                name if name.contains('\0') => return invalid("a name has no NUL"),
                _ => {}
            }
        }
        Ok(Path(components))
    }

    pub fn components(&self) -> &[&'a str] {
        &self.0
    }

    /// The directory and the name in it; none for the root.
    fn split(&self) -> Option<(&[&'a str], &'a str)> {
        self.0.split_last().map(|(name, parent)| (parent, *name))
    }

    fn is_above(&self, other: &Path<'_>) -> bool {
        other.0.len() > self.0.len() && other.0.starts_with(&self.0)
    }
}

/// What a change did.
pub(super) struct Changed {
    pub answer: Result<MetadataAnswer, Refusal>,
    pub new_chunk: Option<ChunkHandle>,
    pub trashed: Option<FileId>,
}

impl MasterState {
    /// Runs a change. One that is refused leaves everything as it was.
    pub(super) fn change(&mut self, change: &MetadataChange) -> Changed {
        let (mut new_chunk, mut trashed) = (None, None);
        let answer = match change {
            MetadataChange::Create { path, spec, mtime_ms } => self.create(path, *spec, *mtime_ms),
            MetadataChange::Mkdir { path, mtime_ms } => {
                let body = NodeBody::Directory(PagedMap::new());
                self.make(path, Node { mtime_ms: *mtime_ms, body })
            }
            MetadataChange::Rename { from, to } => self.rename(from, to).map(|replaced| {
                trashed = replaced;
                MetadataAnswer::Done
            }),
            MetadataChange::Delete { path } => self.delete(path).map(|deleted| {
                trashed = deleted;
                MetadataAnswer::Done
            }),
            MetadataChange::AddChunk { file, index, mtime_ms } => {
                self.add_chunk(*file, *index, *mtime_ms).map(|(chunk, new)| {
                    new_chunk = new.then_some(chunk);
                    MetadataAnswer::Chunk(chunk)
                })
            }
        };
        Changed { answer, new_chunk, trashed }
    }

    fn create(
        &mut self,
        path: &str,
        spec: FileSpec,
        mtime_ms: u64,
    ) -> Result<MetadataAnswer, Refusal> {
        check_spec(&spec)?;
        let body = NodeBody::File { spec, chunks: Vec::new(), trashed: false, reclaimed: false };
        self.make(path, Node { mtime_ms, body })
    }

    /// Hangs a new node into the tree.
    fn make(&mut self, path: &str, node: Node) -> Result<MetadataAnswer, Refusal> {
        let path = Path::parse(path)?;
        let (parent, name) = path.split().ok_or(Refusal::AlreadyExists)?;
        let parent = self.walk(parent)?;
        if self.names(parent)?.contains_key(name) {
            return Err(Refusal::AlreadyExists);
        }
        let file = self.next_file;
        self.next_file = file.next();
        self.directories += u64::from(matches!(node.body, NodeBody::Directory(_)));
        let answer = MetadataAnswer::File(info(file, &node));
        self.nodes.insert(file, node);
        self.names_mut(parent).insert(name.into(), file);
        Ok(answer)
    }

    /// As POSIX `rename`; tells which file went to the trash.
    fn rename(&mut self, from: &str, to: &str) -> Result<Option<FileId>, Refusal> {
        let (from, to) = (Path::parse(from)?, Path::parse(to)?);
        let root = || Refusal::Invalid("the root cannot be renamed or replaced".to_owned());
        let (from_parent, from_name) = from.split().ok_or_else(root)?;
        let (to_parent, to_name) = to.split().ok_or_else(root)?;
        let file = self.resolve(&from)?;
        if from == to {
            return Ok(None);
        }
        let is_directory = self.names(file).is_ok();
        if is_directory && from.is_above(&to) {
            let why = "a directory cannot be moved into itself";
            return Err(Refusal::Invalid(why.to_owned()));
        }
        let from_parent = self.walk(from_parent)?;
        let to_parent = self.walk(to_parent)?;
        let replaced = self.names(to_parent)?.get(to_name).copied();
        if let Some(replaced) = replaced {
            self.check_replaces(is_directory, replaced)?;
        }
        self.names_mut(from_parent).remove(from_name);
        self.names_mut(to_parent).insert(to_name.into(), file);
        Ok(replaced.and_then(|replaced| self.discard(replaced)))
    }

    fn check_replaces(&self, by_directory: bool, replaced: FileId) -> Result<(), Refusal> {
        match (by_directory, self.names(replaced)) {
            (false, Err(_)) => Ok(()),
            (false, Ok(_)) => Err(Refusal::IsADirectory),
            (true, Err(_)) => Err(Refusal::NotADirectory),
            (true, Ok(names)) if names.is_empty() => Ok(()),
            (true, Ok(_)) => Err(Refusal::DirectoryNotEmpty),
        }
    }

    /// Tells which file went to the trash; none for a directory.
    fn delete(&mut self, path: &str) -> Result<Option<FileId>, Refusal> {
        let path = Path::parse(path)?;
        let root = || Refusal::Invalid("the root cannot be deleted".to_owned());
        let (parent, name) = path.split().ok_or_else(root)?;
        let parent = self.walk(parent)?;
        let file = *self.names(parent)?.get(name).ok_or(Refusal::NotFound)?;
        if self.names(file).is_ok_and(|names| !names.is_empty()) {
            return Err(Refusal::DirectoryNotEmpty);
        }
        self.names_mut(parent).remove(name);
        Ok(self.discard(file))
    }

    /// Ends a node that no name leads to: a file goes to the trash, an empty directory goes.
    fn discard(&mut self, id: FileId) -> Option<FileId> {
        let node = self.nodes.get_mut(&id).expect("a name leads to a node");
        match &mut node.body {
            NodeBody::File { trashed, .. } => {
                *trashed = true;
                assert!(self.trash.insert(id), "a file goes to the trash once");
                Some(id)
            }
            NodeBody::Directory(names) => {
                assert!(names.is_empty(), "only an empty directory goes");
                self.nodes.remove(&id);
                self.directories -= 1;
                None
            }
        }
    }

    /// Gives the chunk at `index`, and whether it is new. A trashed file still grows, by handle,
    /// until its first chunk is freed.
    fn add_chunk(
        &mut self,
        file: FileId,
        index: u64,
        mtime_ms: u64,
    ) -> Result<(ChunkHandle, bool), Refusal> {
        let node = self.nodes.get_mut(&file).ok_or(Refusal::NotFound)?;
        let NodeBody::File { chunks, reclaimed, .. } = &mut node.body else {
            return Err(Refusal::IsADirectory);
        };
        if *reclaimed {
            return Err(Refusal::NotFound);
        }
        let count = chunks.len() as u64;
        if index > count {
            return Err(Refusal::NotNextChunk { chunks: count });
        }
        if index < count {
            let place = usize::try_from(index).expect("below the length of a list in memory");
            return Ok((chunks[place], false));
        }
        let chunk = self.next_chunk;
        chunks.push(chunk);
        // Clients' clocks differ: a file's time never goes back.
        node.mtime_ms = node.mtime_ms.max(mtime_ms);
        self.next_chunk = chunk.next();
        self.chunks.insert(chunk, ChunkRecord { file, index, config: None });
        Ok((chunk, true))
    }

    fn names_mut(&mut self, directory: FileId) -> &mut PagedMap<Box<str>, FileId> {
        let node = self.nodes.get_mut(&directory).expect("resolved before");
        match &mut node.body {
            NodeBody::Directory(names) => names,
            NodeBody::File { .. } => unreachable!("resolved as a directory before"),
        }
    }
}

/// A chunk's size need not be a multiple of anything: its last block may be short.
fn check_spec(spec: &FileSpec) -> Result<(), Refusal> {
    let invalid = |why: &str| Err(Refusal::Invalid(why.to_owned()));
    if spec.replicas == 0 || spec.replicas > REPLICAS_MAX {
        return invalid("a file has between 1 and 16 replicas");
    }
    if spec.chunk_bytes == 0 || spec.chunk_bytes > CHUNK_BYTES_MAX {
        return invalid("a chunk has between 1 byte and 1 TiB");
    }
    Ok(())
}
