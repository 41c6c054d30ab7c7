//! Calls that only look: stat, readlink, readdir, getxattr, listxattr.

use super::attributes::check_name;
use super::paths::{Last, READ};
use super::state::Node;
use super::why::{Errno, Why};
use super::{Ino, Posix};
use leasehold_proto::metadata::{FileInfo, FileKind, MetadataAnswer, MetadataQuery};
use leasehold_proto::{Caller, FileId, Name, Path, Refusal};

impl Posix {
    /// Whether a question can have been answered like this; identities that it shows are kept.
    pub(super) fn looks_like(
        &mut self,
        query: &MetadataQuery,
        caller: &Caller,
        answer: &Result<MetadataAnswer, Refusal>,
    ) -> bool {
        let mut why = Why::default();
        let found = self.found(query, caller, &mut why);
        match (answer, found) {
            (Err(refusal), _) => why.allows(refusal),
            (Ok(answer), Some(ino)) if why.is_allowed() => self.shows(query, caller, ino, answer),
            (Ok(_), _) => false,
        }
    }

    /// The inode that is looked at; with reasons, if it cannot be.
    fn found(&self, query: &MetadataQuery, caller: &Caller, why: &mut Why) -> Option<Ino> {
        match query {
            MetadataQuery::Stat { path } | MetadataQuery::Xattrs { path } => {
                self.find(path, caller, Last::Itself, why)
            }
            MetadataQuery::Resolve { path } => self.find(path, caller, Last::Followed, why),
            MetadataQuery::ReadLink { path } => {
                let ino = self.find(path, caller, Last::Itself, why)?;
                why.must_if(self.known(ino).target.is_none(), Errno::Invalid);
                Some(ino)
            }
            MetadataQuery::Xattr { path, name } => {
                let ino = self.find(path, caller, Last::Itself, why)?;
                check_name(self.known(ino), caller, name, READ, why);
                why.must_if(self.xattr(ino, name).is_none(), Errno::NoAttribute);
                Some(ino)
            }
            MetadataQuery::StatFile { file } => self.find_file(*file, caller, why),
            MetadataQuery::List { path, .. } => {
                let ino = self.find(path, caller, Last::Followed, why)?;
                let node = self.known(ino);
                why.must_if(!node.is_directory(), Errno::NotADirectory);
                why.must_if(!node.allows(caller, READ), Errno::Access);
                Some(ino)
            }
            MetadataQuery::Locate { .. }
            | MetadataQuery::Trash { .. }
            | MetadataQuery::Chunks { .. }
            | MetadataQuery::RenewSession { .. }
            | MetadataQuery::Conflict { .. }
            | MetadataQuery::Status
            | MetadataQuery::Constants
            | MetadataQuery::SafeMode
            | MetadataQuery::LeaveSafeMode => unreachable!("says nothing of the namespace"),
        }
    }

    fn find_file(&self, file: FileId, caller: &Caller, why: &mut Why) -> Option<Ino> {
        self.find(&Path::of(file), caller, Last::Itself, why)
    }

    fn shows(
        &mut self,
        query: &MetadataQuery,
        caller: &Caller,
        ino: Ino,
        answer: &MetadataAnswer,
    ) -> bool {
        match (query, answer) {
            (
                MetadataQuery::Stat { .. }
                | MetadataQuery::Resolve { .. }
                | MetadataQuery::StatFile { .. },
                MetadataAnswer::File(info),
            ) => self.sees(ino, info),
            (MetadataQuery::ReadLink { .. }, MetadataAnswer::Bytes(bytes)) => {
                self.known(ino).target.as_deref() == Some(&**bytes)
            }
            (MetadataQuery::Xattr { name, .. }, MetadataAnswer::Bytes(bytes)) => {
                self.xattr(ino, name).is_some_and(|value| **value == **bytes)
            }
            (MetadataQuery::Xattrs { .. }, MetadataAnswer::Xattrs(names)) => {
                // listxattr(2): what the caller may not read is not listed.
                let is_listed =
                    |name: &Name| caller.uid == 0 || !name.as_bytes().starts_with(b"trusted.");
                let all = self.xattrs(ino).map(|(name, _)| name);
                all.filter(|name| is_listed(name)).eq(names)
            }
            (MetadataQuery::List { after, .. }, MetadataAnswer::List { entries, more }) => {
                self.lists(ino, after.as_ref(), entries, *more)
            }
            _ => false,
        }
    }

    /// A page shows the next names without a gap, and says whether there are more.
    fn lists(
        &mut self,
        directory: Ino,
        after: Option<&Name>,
        shown: &[(Name, FileInfo)],
        more: bool,
    ) -> bool {
        let rest = self.entries(directory);
        let rest = rest.filter(|(name, _)| after.is_none_or(|after| *name > after));
        let rest: Vec<(Name, Ino)> =
            rest.take(shown.len() + 1).map(|(name, ino)| (name.clone(), ino)).collect();
        let is_whole = (rest.len() > shown.len()) == more && !(more && shown.is_empty());
        let fits = is_whole && rest.len() >= shown.len();
        fits && shown
            .iter()
            .zip(&rest)
            .all(|((name, info), (there, ino))| name == there && self.sees(*ino, info))
    }

    /// Compares an inode with what was shown of it.
    pub(super) fn sees(&mut self, ino: Ino, info: &FileInfo) -> bool {
        if !self.bind(ino, info.file) {
            return false;
        }
        let node = self.known(ino);
        let of = &info.attributes;
        let owner = (of.mode, of.uid, of.gid) == (node.mode, node.uid, node.gid);
        let is_partly_seen = ino == super::ROOT && !self.whole;
        let links = of.links == node.links || is_partly_seen;
        node.kind == info.kind
            && owner
            && links
            && (is_partly_seen || node.has_times_of(info))
            && node.has_content_of(info)
    }
}

impl Node {
    /// Writes change times too, and are not calls of the namespace: of a file that has, or had, chunks they
    /// are known in part.
    fn has_times_of(&self, info: &FileInfo) -> bool {
        let (of, times) = (&info.attributes, &self.times);
        let always = of.birth_ns == times.birth && of.atime_ns == times.atime;
        let exact = of.mtime_ns == times.mtime && of.ctime_ns == times.ctime;
        always && if is_written(info) { of.ctime_ns >= times.ctime } else { exact }
    }

    fn has_content_of(&self, info: &FileInfo) -> bool {
        match (self.kind, &self.target) {
            (FileKind::File(_), _) => true,
            (_, Some(target)) => info.length_reported == Some(target.len() as u64),
            (_, None) => info.chunks == 0 && info.epoch == 0,
        }
    }
}

fn is_written(info: &FileInfo) -> bool {
    info.chunks > 0 || info.epoch > 0
}
