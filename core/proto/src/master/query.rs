//! Questions about the replicated state; none changes anything.

use super::namespace::Path;
use super::state::{ChunkRecord, MasterState, Node, NodeBody};
use crate::ids::{ChunkHandle, FileId};
use crate::metadata::{FileInfo, FileKind, FileSpec};
use crate::paged::PagedMap;
use crate::refusal::Refusal;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Bound;

/// How much there is of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counts {
    /// Files that have a name.
    pub files: u64,
    /// Directories, the root included.
    pub directories: u64,
    /// Files in the trash.
    pub trashed: u64,
    /// Chunks, those of trashed files included.
    pub chunks: u64,
}

impl MasterState {
    /// What is at a path? Errors: `Invalid`, `NotFound`, `NotADirectory`.
    pub fn stat(&self, path: &str) -> Result<FileInfo, Refusal> {
        let file = self.resolve(&Path::parse(path)?)?;
        Ok(info(file, &self.nodes[&file]))
    }

    /// What is this file or directory, wherever it is? Error: `NotFound`.
    pub fn stat_file(&self, file: FileId) -> Result<FileInfo, Refusal> {
        let node = self.nodes.get(&file).ok_or(Refusal::NotFound)?;
        match &node.body {
            NodeBody::File { reclaimed: true, .. } => Err(Refusal::NotFound),
            NodeBody::File { .. } | NodeBody::Directory(_) => Ok(info(file, node)),
        }
    }

    /// At most `limit` names of a directory after `after`, in order, and whether there are more.
    /// Errors: `Invalid`, `NotFound`, `NotADirectory`.
    pub fn list(
        &self,
        path: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<(String, FileInfo)>, bool), Refusal> {
        let names = self.names(self.resolve(&Path::parse(path)?)?)?;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = names.range_from::<str>(from);
        let first = rest.by_ref().take(limit);
        let entries = first.map(|(name, id)| (String::from(&**name), info(*id, &self.nodes[id])));
        let entries = entries.collect();
        Ok((entries, rest.next().is_some()))
    }

    /// The chunk at a place of a file. Errors: `NotFound` (no such file or place, or the file is
    /// being reclaimed), `IsADirectory`.
    pub fn chunk_at(&self, file: FileId, index: u64) -> Result<ChunkHandle, Refusal> {
        match &self.nodes.get(&file).ok_or(Refusal::NotFound)?.body {
            NodeBody::Directory(_) => Err(Refusal::IsADirectory),
            NodeBody::File { reclaimed: true, .. } => Err(Refusal::NotFound),
            NodeBody::File { chunks, .. } => {
                let place = usize::try_from(index).map_err(|_| Refusal::NotFound)?;
                chunks.get(place).copied().ok_or(Refusal::NotFound)
            }
        }
    }

    /// A chunk and the spec of its file.
    #[must_use]
    pub fn chunk(&self, chunk: ChunkHandle) -> Option<(&ChunkRecord, &FileSpec)> {
        let record = self.chunks.get(&chunk)?;
        match &self.nodes.get(&record.file).expect("a chunk's file is there").body {
            NodeBody::File { spec, .. } => Some((record, spec)),
            NodeBody::Directory(_) => unreachable!("a chunk belongs to a file"),
        }
    }

    /// The chunks of a file in order, also of one that is being reclaimed; none of a directory or
    /// of what does not exist.
    #[must_use]
    pub fn chunks_of(&self, file: FileId) -> &[ChunkHandle] {
        match self.nodes.get(&file).map(|node| &node.body) {
            Some(NodeBody::File { chunks, .. }) => chunks,
            Some(NodeBody::Directory(_)) | None => &[],
        }
    }

    /// True for a file in the trash.
    #[must_use]
    pub fn is_trashed(&self, file: FileId) -> bool {
        self.trash.contains(&file)
    }

    /// How much there is of everything, without visiting it.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let trashed = self.trash.len() as u64;
        Counts {
            files: self.nodes.len() as u64 - self.directories - trashed,
            directories: self.directories,
            trashed,
            chunks: self.chunks.len() as u64,
        }
    }

    /// Follows a path from the root.
    pub(super) fn resolve(&self, path: &Path<'_>) -> Result<FileId, Refusal> {
        self.walk(path.components())
    }

    pub(super) fn walk(&self, components: &[&str]) -> Result<FileId, Refusal> {
        let mut at = Self::ROOT;
        for component in components {
            at = *self.names(at)?.get(*component).ok_or(Refusal::NotFound)?;
        }
        Ok(at)
    }

    pub(super) fn names(&self, directory: FileId) -> Result<&PagedMap<Box<str>, FileId>, Refusal> {
        match &self.nodes.get(&directory).ok_or(Refusal::NotFound)?.body {
            NodeBody::Directory(names) => Ok(names),
            NodeBody::File { .. } => Err(Refusal::NotADirectory),
        }
    }
}

/// What a node looks like from outside. The reported length is not in the log: zero here.
pub(super) fn info(file: FileId, node: &Node) -> FileInfo {
    let (kind, chunks) = match &node.body {
        NodeBody::Directory(_) => (FileKind::Directory, 0),
        NodeBody::File { spec, chunks, .. } => (FileKind::File(*spec), chunks.len() as u64),
    };
    FileInfo { file, kind, chunks, mtime_ms: node.mtime_ms, length_reported: 0 }
}
