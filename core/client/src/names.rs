//! Names and what they lead to: the calls of a session that a master answers.

use crate::{Client, ClientError, File, FileInfo, FileKind, FileSpec};
use leasehold_proto::file::position;
use leasehold_proto::metadata::{MetadataAnswer, MetadataChange, MetadataQuery, Special};
use leasehold_proto::{
    Extent, FileCall, FileId, Name, OpError, Operation, Outcome, Path, ReadMode, Refusal,
    SetAttributes, XattrCondition,
};

impl Client {
    /// Makes an empty file and opens it. Its directory must exist.
    ///
    /// # Errors
    /// `AlreadyExists` if something is at the path, `NotFound` or `NotADirectory` if its parent
    /// is not a directory, `PermissionDenied`, `Invalid` for a path or a spec that cannot be, or whose
    /// chunks no server could ever hold.
    pub async fn create(&self, path: impl Into<Path>, spec: FileSpec) -> Result<File, ClientError> {
        self.create_with(path, spec, 0o666 & !self.identity.umask).await
    }

    /// As [`Client::create`], with permission bits to which no umask is applied.
    ///
    /// # Errors
    /// As [`Client::create`].
    pub async fn create_with(
        &self,
        path: impl Into<Path>,
        spec: FileSpec,
        mode: u16,
    ) -> Result<File, ClientError> {
        let path = path.into();
        self.refuse_giant(&path, &spec).await?;
        self.open_by(&path.clone(), FileCall::Create { path, spec, mode }).await
    }

    /// A chunk that is larger than every disk ends in `NoSpace` when it is written, however empty the
    /// cluster is. This is looked at before anything is sent that could take effect: a refusal by a
    /// master would have to be logged to be the same for a retry. Only chunks above the standard size
    /// are worth the question.
    async fn refuse_giant(&self, path: &Path, spec: &FileSpec) -> Result<(), ClientError> {
        if spec.chunk_bytes <= FileSpec::default().chunk_bytes {
            return Ok(());
        }
        let status = self.status().await?;
        let alive = status.servers.iter().filter(|server| server.alive);
        let Some(largest) = alive.map(|server| server.capacity_bytes).max() else { return Ok(()) };
        if spec.chunk_bytes <= largest {
            return Ok(());
        }
        let why = format!(
            "no chunkserver could hold a chunk of {} bytes: the largest has {largest} bytes in all; \
             choose a smaller chunk size",
            spec.chunk_bytes
        );
        Err(ClientError::of(&path.to_string(), OpError::Refused(Refusal::Invalid(why))))
    }

    /// Opens the file that a path leads to. The handle names the file, not the path: a rename does not
    /// affect it.
    ///
    /// # Errors
    /// `NotFound` if nothing is at the path, `IsADirectory` if a directory is.
    pub async fn open(&self, path: impl Into<Path>) -> Result<File, ClientError> {
        let path = path.into();
        self.open_by(&path.clone(), FileCall::Open { path }).await
    }

    /// Makes a directory. Its parent must exist.
    ///
    /// # Errors
    /// As [`Client::create`].
    pub async fn mkdir(&self, path: impl Into<Path>) -> Result<FileInfo, ClientError> {
        self.mkdir_with(path, 0o777 & !self.identity.umask).await
    }

    /// As [`Client::mkdir`], with permission bits to which no umask is applied.
    ///
    /// # Errors
    /// As [`Client::create`].
    pub async fn mkdir_with(
        &self,
        path: impl Into<Path>,
        mode: u16,
    ) -> Result<FileInfo, ClientError> {
        let path = path.into();
        self.change_file(&path.clone(), MetadataChange::Mkdir { path, mode }).await
    }

    /// Makes a symbolic link, pipe, socket or device.
    ///
    /// # Errors
    /// As [`Client::create`]; `NotPermitted` for a device that not the superuser makes.
    pub async fn make_special(
        &self,
        path: impl Into<Path>,
        what: Special,
        mode: u16,
    ) -> Result<FileInfo, ClientError> {
        let path = path.into();
        self.change_file(&path.clone(), MetadataChange::MakeSpecial { path, what, mode }).await
    }

    /// Gives a file one more name.
    ///
    /// # Errors
    /// As [`Client::create`] of the new name; `NotPermitted` for a directory, `TooManyLinks`.
    pub async fn link(
        &self,
        from: impl Into<Path>,
        to: impl Into<Path>,
    ) -> Result<FileInfo, ClientError> {
        let (from, to) = (from.into(), to.into());
        self.change_file(&to.clone(), MetadataChange::Link { from, to }).await
    }

    /// Sets mode, owner, group or times; what it is then. A symbolic link is not followed.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`, `PermissionDenied`, `NotPermitted`.
    pub async fn set_attributes(
        &self,
        path: impl Into<Path>,
        set: SetAttributes,
    ) -> Result<FileInfo, ClientError> {
        let (path, set) = (path.into(), Box::new(set));
        self.change_file(&path.clone(), MetadataChange::SetAttributes { path, set }).await
    }

    /// Sets an extended attribute.
    ///
    /// # Errors
    /// As [`Client::set_attributes`]; `AlreadyExists` and `NoAttribute` by the condition,
    /// `AttributesTooLarge`, `NotSupported` for a name that no name space has.
    pub async fn set_xattr(
        &self,
        path: impl Into<Path>,
        name: impl Into<Name>,
        value: &[u8],
        condition: XattrCondition,
    ) -> Result<(), ClientError> {
        let (path, name, value) = (path.into(), name.into(), value.into());
        let change = MetadataChange::SetXattr { path: path.clone(), name, value, condition };
        self.change(&path, change).await.map(drop)
    }

    /// Removes an extended attribute.
    ///
    /// # Errors
    /// As [`Client::set_xattr`]; `NoAttribute`.
    pub async fn remove_xattr(
        &self,
        path: impl Into<Path>,
        name: impl Into<Name>,
    ) -> Result<(), ClientError> {
        let (path, name) = (path.into(), name.into());
        self.change(&path.clone(), MetadataChange::RemoveXattr { path, name }).await.map(drop)
    }

    /// The value of an extended attribute.
    ///
    /// # Errors
    /// `NoAttribute`, `NotFound`, `NotADirectory`, `PermissionDenied`, `NotSupported`.
    pub async fn xattr(
        &self,
        path: impl Into<Path>,
        name: impl Into<Name>,
    ) -> Result<Box<[u8]>, ClientError> {
        let (path, name) = (path.into(), name.into());
        self.bytes(&path.clone(), MetadataQuery::Xattr { path, name }).await
    }

    /// The names of all extended attributes.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`, `PermissionDenied`.
    pub async fn xattrs(&self, path: impl Into<Path>) -> Result<Vec<Name>, ClientError> {
        let path = path.into();
        match self.query(&path.clone(), MetadataQuery::Xattrs { path }).await? {
            MetadataAnswer::Xattrs(names) => Ok(names),
            other => unreachable!("Xattrs is answered with names, not {other:?}"),
        }
    }

    /// Where a symbolic link leads to.
    ///
    /// # Errors
    /// `Invalid` of what is none, `NotFound`, `NotADirectory`, `PermissionDenied`.
    pub async fn read_link(&self, path: impl Into<Path>) -> Result<Box<[u8]>, ClientError> {
        let path = path.into();
        self.bytes(&path.clone(), MetadataQuery::ReadLink { path }).await
    }

    /// What is at a path; a symbolic link is shown itself. The length of a file that is being written
    /// is [`File::len`]'s to say.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`, `PermissionDenied`, `Invalid`.
    pub async fn stat(&self, path: impl Into<Path>) -> Result<FileInfo, ClientError> {
        let path = path.into();
        self.file(&path.clone(), MetadataQuery::Stat { path }).await
    }

    /// How long a file is that was just looked at, from the primary of its last chunk; of anything else
    /// what `info` says.
    ///
    /// # Errors
    /// `Lost` if the last chunk is; those of a cluster that does not answer.
    pub async fn length_of(&self, info: &FileInfo) -> Result<u64, ClientError> {
        let (FileKind::File(spec), Some(index)) = (info.kind, info.chunks.checked_sub(1)) else {
            return Ok(info.length_reported.unwrap_or(0));
        };
        let (file, extent, mode) = (info.file, Extent::new(0, 0), ReadMode::Strong);
        let op = Operation::Read { file, index, extent, mode };
        match self.ask(&file.to_string(), op).await? {
            Outcome::Read { chunk_length, .. } => {
                Ok(position(spec.chunk_bytes, index, chunk_length))
            }
            other => unreachable!("Read is answered with bytes, not {other:?}"),
        }
    }

    /// What a path leads to, symbolic links followed to their end.
    ///
    /// # Errors
    /// As [`Client::stat`]; `SymlinkLoop`.
    pub async fn resolve(&self, path: impl Into<Path>) -> Result<FileInfo, ClientError> {
        let path = path.into();
        self.file(&path.clone(), MetadataQuery::Resolve { path }).await
    }

    /// Everything in a directory, in order of name. A long directory is read in several
    /// questions: names that come or go meanwhile may be in it or not, all others are.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`, `PermissionDenied`, `Invalid`.
    pub async fn list(&self, path: impl Into<Path>) -> Result<Vec<(Name, FileInfo)>, ClientError> {
        let path = path.into();
        let mut all = Vec::new();
        loop {
            let after = all.last().map(|(name, _): &(Name, FileInfo)| name.clone());
            let query = MetadataQuery::List { path: path.clone(), after };
            match self.query(&path, query).await? {
                MetadataAnswer::List { entries, more } => {
                    let more = more && !entries.is_empty();
                    all.extend(entries);
                    if !more {
                        return Ok(all);
                    }
                }
                other => unreachable!("List is answered with a list, not {other:?}"),
            }
        }
    }

    /// Moves a file or directory, replacing a file (or an empty directory by a directory) as
    /// POSIX `rename` does.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`, `IsADirectory`, `DirectoryNotEmpty`, `PermissionDenied`,
    /// `NotPermitted`, `Invalid`; they concern either path.
    pub async fn rename(
        &self,
        from: impl Into<Path>,
        to: impl Into<Path>,
    ) -> Result<(), ClientError> {
        self.rename_if(from, to, None, false).await
    }

    /// As [`Client::rename`], under conditions that hold when the master applies it: only if `this` is
    /// what is at `from`, and with `no_replace` only if nothing is at `to`.
    ///
    /// # Errors
    /// Also `NotFound` if something else is at `from`, and `AlreadyExists` if something is at `to`.
    pub async fn rename_if(
        &self,
        from: impl Into<Path>,
        to: impl Into<Path>,
        this: Option<FileId>,
        no_replace: bool,
    ) -> Result<(), ClientError> {
        let (from, to) = (from.into(), to.into());
        let what = format!("{from} -> {to}");
        let change = MetadataChange::Rename { from, to, this, no_replace };
        self.metadata(&what, Operation::Change(change)).await.map(drop)
    }

    /// Each of two gets the other's name, whatever they are.
    ///
    /// # Errors
    /// As [`Client::rename`].
    pub async fn exchange(
        &self,
        from: impl Into<Path>,
        to: impl Into<Path>,
    ) -> Result<(), ClientError> {
        let (from, to) = (from.into(), to.into());
        let what = format!("{from} <-> {to}");
        let change = MetadataChange::Exchange { from, to };
        self.metadata(&what, Operation::Change(change)).await.map(drop)
    }

    /// Removes a name: with its last one a file goes to the trash. Or removes an empty directory.
    ///
    /// # Errors
    /// `NotFound`, `DirectoryNotEmpty`, `PermissionDenied`, `NotPermitted`, `Invalid`.
    pub async fn delete(&self, path: impl Into<Path>) -> Result<(), ClientError> {
        self.delete_if(path, None).await
    }

    /// As [`Client::delete`], only if `this` is what is at the path when the master applies it.
    ///
    /// # Errors
    /// Also `NotFound` if something else is there.
    pub async fn delete_if(
        &self,
        path: impl Into<Path>,
        this: Option<FileId>,
    ) -> Result<(), ClientError> {
        let path = path.into();
        self.change(&path.clone(), MetadataChange::Delete { path, this }).await.map(drop)
    }

    async fn open_by(&self, path: &Path, call: FileCall) -> Result<File, ClientError> {
        let pending = self.begin_call(call).await?;
        let path = path.to_string();
        let outcome = self.finish_call(&path, pending).await?;
        Ok(File::opened(self.clone(), path, outcome))
    }

    async fn change(
        &self,
        path: &Path,
        change: MetadataChange,
    ) -> Result<MetadataAnswer, ClientError> {
        self.metadata(&path.to_string(), Operation::Change(change)).await
    }

    async fn change_file(
        &self,
        path: &Path,
        change: MetadataChange,
    ) -> Result<FileInfo, ClientError> {
        match self.change(path, change).await? {
            MetadataAnswer::File(info) => Ok(info),
            other => unreachable!("the change is answered with a file, not {other:?}"),
        }
    }

    async fn query(
        &self,
        path: &Path,
        query: MetadataQuery,
    ) -> Result<MetadataAnswer, ClientError> {
        self.metadata(&path.to_string(), Operation::Query(query)).await
    }

    async fn file(&self, path: &Path, query: MetadataQuery) -> Result<FileInfo, ClientError> {
        match self.query(path, query).await? {
            MetadataAnswer::File(info) => Ok(info),
            other => unreachable!("the query is answered with a file, not {other:?}"),
        }
    }

    async fn bytes(&self, path: &Path, query: MetadataQuery) -> Result<Box<[u8]>, ClientError> {
        match self.query(path, query).await? {
            MetadataAnswer::Bytes(bytes) => Ok(bytes),
            other => unreachable!("the query is answered with bytes, not {other:?}"),
        }
    }
}
