//! What each call does to which state, or why it is refused.

use super::path::{Path, text_of};
use super::{Names, Node};
use leasehold_proto::FileId;
use leasehold_proto::metadata::{FileKind, FileSpec, MetadataChange};

const PATH_BYTES_MAX: usize = 4_096;
const REPLICAS_MAX: u8 = 16;
const CHUNK_BYTES_MAX: u64 = 1 << 40;

/// What a change does.
#[derive(Clone, Debug)]
pub(super) enum Effect {
    Nothing,
    Make {
        path: String,
        kind: FileKind,
    },
    Remove {
        path: String,
    },
    /// A file that went to the trash before, by whichever call.
    Restore {
        path: String,
    },
    /// The first is what is moved; the others are within it.
    Move {
        moved: Vec<(String, Node)>,
        to: String,
    },
}

/// As errno has it: ENOENT, EEXIST, ENOTDIR, EISDIR, ENOTEMPTY, EINVAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    NotFound,
    AlreadyExists,
    NotADirectory,
    IsADirectory,
    DirectoryNotEmpty,
    NameTooLong,
    Invalid,
}

impl Names {
    pub(super) fn effect(&self, change: &MetadataChange) -> Result<Effect, Why> {
        match change {
            MetadataChange::Create { path, spec, .. } => {
                sound(spec)?;
                self.make(&text_of(path), FileKind::File(*spec))
            }
            MetadataChange::Mkdir { path, .. } => self.make(&text_of(path), FileKind::Directory),
            MetadataChange::Rename { from, to, this, no_replace } => {
                self.rename(&text_of(from), &text_of(to), *this, *no_replace)
            }
            MetadataChange::Delete { path, this } => self.delete(&text_of(path), *this),
            MetadataChange::Restore { to, no_replace, .. } => {
                self.restore(&text_of(to), *no_replace)
            }
            // Chunks, servers and constants are not names.
            MetadataChange::EmptyTrash { .. }
            | MetadataChange::AddChunk { .. }
            | MetadataChange::Truncate { .. }
            | MetadataChange::SetConstants { .. }
            | MetadataChange::ForgetServer { .. } => Ok(Effect::Nothing),
            // See `is_modelled`.
            MetadataChange::MakeSpecial { .. }
            | MetadataChange::Link { .. }
            | MetadataChange::Exchange { .. }
            | MetadataChange::SetAttributes { .. }
            | MetadataChange::SetXattr { .. }
            | MetadataChange::RemoveXattr { .. } => Err(Why::Invalid),
        }
    }

    fn make(&self, path: &str, kind: FileKind) -> Result<Effect, Why> {
        let path = parse(path)?;
        if path.is_root() {
            return Err(Why::AlreadyExists);
        }
        self.directory(path.parent())?;
        match self.nodes.contains_key(path.text()) {
            true => Err(Why::AlreadyExists),
            false => Ok(Effect::Make { path: path.text().to_owned(), kind }),
        }
    }

    fn rename(
        &self,
        from: &str,
        to: &str,
        this: Option<FileId>,
        no_replace: bool,
    ) -> Result<Effect, Why> {
        let (from, to) = (parse(from)?, parse(to)?);
        if from.is_root() || to.is_root() {
            return Err(Why::Invalid);
        }
        let kind = self.kind(from)?;
        self.is_meant(from, this)?;
        if from == to {
            return if no_replace { Err(Why::AlreadyExists) } else { Ok(Effect::Nothing) };
        }
        self.directory(to.parent())?;
        // As Linux orders them: that something is there, then that it would be inside of itself.
        if no_replace && self.nodes.contains_key(to.text()) {
            return Err(Why::AlreadyExists);
        }
        if kind == FileKind::Directory && from.holds(to) {
            return Err(Why::Invalid);
        }
        if let Some(replaced) = self.nodes.get(to.text()) {
            match (kind == FileKind::Directory, replaced.kind == FileKind::Directory) {
                (false, false) => {}
                (false, true) => return Err(Why::IsADirectory),
                (true, false) => return Err(Why::NotADirectory),
                (true, true) => self.empty(to)?,
            }
        }
        let itself = self.nodes.get_key_value(from.text());
        let moved = itself.into_iter().chain(self.within(from));
        let moved: Vec<_> = moved.map(|(path, node)| (path.clone(), *node)).collect();
        let renamed = |path: &str| path.len() - from.text().len() + to.text().len();
        if moved.iter().any(|(path, _)| renamed(path) > PATH_BYTES_MAX) {
            return Err(Why::NameTooLong);
        }
        Ok(Effect::Move { moved, to: to.text().to_owned() })
    }

    /// What is in the trash is no name: whether the file is there is not looked at.
    fn restore(&self, to: &str, no_replace: bool) -> Result<Effect, Why> {
        let to = parse(to)?;
        if to.is_root() {
            return Err(Why::Invalid);
        }
        self.directory(to.parent())?;
        match self.nodes.get(to.text()).map(|node| node.kind) {
            Some(_) if no_replace => Err(Why::AlreadyExists),
            Some(FileKind::Directory) => Err(Why::IsADirectory),
            Some(_) | None => Ok(Effect::Restore { path: to.text().to_owned() }),
        }
    }

    fn delete(&self, path: &str, this: Option<FileId>) -> Result<Effect, Why> {
        let path = parse(path)?;
        if path.is_root() {
            return Err(Why::Invalid);
        }
        self.kind(path)?;
        self.is_meant(path, this)?;
        self.empty(path)?;
        Ok(Effect::Remove { path: path.text().to_owned() })
    }

    /// Is what stands there what the client means? Of a node whose identity no one was told, any can be
    /// meant.
    fn is_meant(&self, path: Path<'_>, this: Option<FileId>) -> Result<(), Why> {
        let found = self.nodes.get(path.text()).and_then(|node| node.file);
        match (found, this) {
            (Some(found), Some(this)) if found != this => Err(Why::NotFound),
            _ => Ok(()),
        }
    }

    /// Does the change name a node by an identity, while no one was told which it has? Then it may be
    /// another, and the answer is that the one meant is not there.
    pub(super) fn may_mean_another(&self, change: &MetadataChange) -> bool {
        let (path, this) = match change {
            MetadataChange::Rename { from, this, .. } => (from, this),
            MetadataChange::Delete { path, this } => (path, this),
            _ => return false,
        };
        let node = Path::parse(&text_of(path)).and_then(|path| self.nodes.get(path.text()));
        this.is_some() && node.is_some_and(|node| node.file.is_none())
    }

    /// The one path that a Stat shows.
    pub(super) fn stat(&self, path: &str) -> Result<Vec<String>, Why> {
        let path = parse(path)?;
        self.kind(path)?;
        Ok(vec![path.text().to_owned()])
    }

    /// The paths that a List can show, in order.
    pub(super) fn list(&self, path: &str) -> Result<Vec<String>, Why> {
        let path = parse(path)?;
        self.directory(path)?;
        let start = if path.is_root() { 1 } else { path.text().len() + 1 };
        let all = self.within(path).map(|(path, _)| path);
        let mut children: Vec<String> =
            all.filter(|path| !path[start..].contains('/')).cloned().collect();
        children.sort_unstable();
        Ok(children)
    }

    fn within(&self, path: Path<'_>) -> impl Iterator<Item = (&String, &Node)> {
        let start = if path.is_root() { "/".to_owned() } else { format!("{}/", path.text()) };
        let from = self.nodes.range(start.clone()..);
        from.take_while(move |(path, _)| path.starts_with(&start))
    }

    fn empty(&self, path: Path<'_>) -> Result<(), Why> {
        if self.within(path).next().is_some() { Err(Why::DirectoryNotEmpty) } else { Ok(()) }
    }

    fn directory(&self, path: Path<'_>) -> Result<(), Why> {
        match self.kind(path)? {
            FileKind::Directory => Ok(()),
            _ => Err(Why::NotADirectory),
        }
    }

    /// What is at a path; the first component that is missing, or that is a file and not the
    /// last, says why nothing does.
    fn kind(&self, path: Path<'_>) -> Result<FileKind, Why> {
        for above in path.above() {
            match self.nodes.get(above).map(|node| node.kind) {
                Some(FileKind::Directory) => {}
                Some(_) => return Err(Why::NotADirectory),
                None => return Err(Why::NotFound),
            }
        }
        if path.is_root() {
            return Ok(FileKind::Directory);
        }
        self.nodes.get(path.text()).map(|node| node.kind).ok_or(Why::NotFound)
    }
}

fn parse(text: &str) -> Result<Path<'_>, Why> {
    Path::parse(text).ok_or_else(|| match Path::is_too_long(text) {
        true => Why::NameTooLong,
        false => Why::Invalid,
    })
}

fn sound(spec: &FileSpec) -> Result<(), Why> {
    let replicas = (1..=REPLICAS_MAX).contains(&spec.replicas);
    let bytes = (1..=CHUNK_BYTES_MAX).contains(&spec.chunk_bytes);
    if replicas && bytes { Ok(()) } else { Err(Why::Invalid) }
}
