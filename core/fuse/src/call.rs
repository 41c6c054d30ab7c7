//! A request under way: what it asks of the cluster, on whose behalf, and what comes of it.

use crate::convert::{attributes, errno, id, inode, kind};
use crate::open::{Entries, Handles, OpenFile};
use crate::options::MountOptions;
use bytes::Bytes;
use fuser::{
    AccessFlags, Errno, FileAttr, FileHandle, FileType, FopenFlags, Generation, INodeNo, Notifier,
    OpenAccMode, OpenFlags, RenameFlags, ReplyDirectory, ReplyDirectoryPlus,
};
use leasehold_client::{
    Client, ClientError, File, FileInfo, FileKind, Name, Path, SetAttributes, SetTime, Special,
};
use leasehold_runtime::clock::wall_clock_ns;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, OnceLock};

/// Attributes of names that are asked for at a time.
const LOOKED_UP_AT_A_TIME: usize = 64;
/// Zeros that are written at a time.
const ZEROS: usize = 1 << 20;
/// `.` and `..` come before the names.
const DOTS: u64 = 2;
/// Read and write: as permission bits.
const READ: u16 = 4;
const WRITE: u16 = 2;
/// Bytes of a block of `statfs`.
pub const STATFS_BLOCK: u32 = 4_096;
const O_EXCL: i32 = 0o200;
const FALLOC_FL_KEEP_SIZE: i32 = 1;
const FALLOC_FL_PUNCH_HOLE: i32 = 2;
const FALLOC_FL_ZERO_RANGE: i32 = 16;
const SEEK_DATA: i32 = 3;
const SEEK_HOLE: i32 = 4;

const S_IFMT: u32 = 0o170_000;
const S_IFSOCK: u32 = 0o140_000;
const S_IFREG: u32 = 0o100_000;
const S_IFBLK: u32 = 0o060_000;
const S_IFCHR: u32 = 0o020_000;
const S_IFIFO: u32 = 0o010_000;

pub type Answer<T> = Result<T, Errno>;

/// What tasks use.
pub struct Shared {
    pub client: Client,
    pub options: MountOptions,
    pub handles: Handles,
    /// By which the kernel is told what it must not keep; set once it is mounted.
    pub notifier: OnceLock<Notifier>,
}

/// A request under way: on whose behalf, and what it uses.
pub struct Call {
    pub client: Client,
    pub shared: Arc<Shared>,
}

impl Call {
    pub fn handles(&self) -> &Handles {
        &self.shared.handles
    }

    /// A request that the cluster does not answer waits for ever, or for as long as `soft` says.
    pub async fn answer<T>(
        &self,
        asked: impl Future<Output = Result<T, ClientError>>,
    ) -> Answer<T> {
        let ended = match self.shared.options.soft {
            None => asked.await,
            Some(patience) => match tokio::time::timeout(patience, asked).await {
                Ok(ended) => ended,
                Err(_) => return Err(Errno::EIO),
            },
        };
        ended.map_err(|error| errno(&error))
    }

    /// What `stat` shows: with the length that the last primary says, and the time of a write that the
    /// master does not know yet.
    pub async fn attributes(&self, mut info: FileInfo) -> Answer<FileAttr> {
        if let Some(written) = self.handles().written(info.file) {
            let of = &mut info.attributes;
            (of.mtime_ns, of.ctime_ns) = (written, of.ctime_ns.max(written));
        }
        let length = self.answer(self.client.length_of(&info)).await?;
        Ok(attributes(&info, length))
    }

    pub async fn stat(&self, path: Path) -> Answer<FileInfo> {
        self.answer(self.client.stat(path)).await
    }

    pub async fn look_up(&self, path: Path) -> Answer<FileAttr> {
        let info = self.stat(path).await?;
        self.attributes(info).await
    }

    pub fn check(&self, info: &FileInfo, wanted: u16) -> Answer<()> {
        let caller = self.client.identity().caller();
        match info.attributes.permits(&caller, wanted) {
            true => Ok(()),
            false => Err(Errno::EACCES),
        }
    }

    /// The file of a handle, or opened anew.
    pub async fn file(&self, ino: INodeNo, handle: Option<FileHandle>) -> Answer<Arc<OpenFile>> {
        if let Some(open) = handle.and_then(|handle| self.handles().file(handle.0)) {
            return Ok(open);
        }
        if let Some(open) = self.handles().file_of(id(ino)) {
            return Ok(open);
        }
        let file = self.answer(self.client.open(Path::of(id(ino)))).await?;
        Ok(Arc::new(OpenFile { file, id: id(ino) }))
    }

    /// Reports the time of the last write to the master. If that fails, it stays to be reported.
    pub async fn report_written(&self, ino: INodeNo) -> Answer<()> {
        let Some(written) = self.handles().written(id(ino)) else { return Ok(()) };
        let set = SetAttributes { mtime: Some(SetTime::To(written)), ..SetAttributes::default() };
        let reported = self.shared.client.set_attributes(Path::of(id(ino)), set);
        match self.answer(reported).await {
            Ok(_) => {}
            // Removed for good while it was open.
            Err(error) if i32::from(error) == i32::from(Errno::ENOENT) => {}
            Err(error) => return Err(error),
        }
        self.handles().forget_written(id(ino), written);
        Ok(())
    }

    pub async fn open(&self, ino: INodeNo, flags: OpenFlags) -> Answer<u64> {
        let info = self.stat(Path::of(id(ino))).await?;
        let wanted = match flags.acc_mode() {
            OpenAccMode::O_RDONLY => READ,
            OpenAccMode::O_WRONLY => WRITE,
            OpenAccMode::O_RDWR => READ | WRITE,
        };
        self.check(&info, wanted)?;
        let file = self.answer(self.client.open(Path::of(id(ino)))).await?;
        Ok(self.handles().open_file(id(ino), file))
    }

    pub async fn open_directory(&self, ino: INodeNo) -> Answer<u64> {
        let info = self.stat(Path::of(id(ino))).await?;
        self.check(&info, READ)?;
        Ok(self.handles().open_directory())
    }

    pub fn flags(&self) -> FopenFlags {
        match self.shared.options.direct_io {
            true => FopenFlags::FOPEN_DIRECT_IO,
            false => FopenFlags::empty(),
        }
    }

    pub async fn create(&self, path: Path, mode: u16, flags: i32) -> Answer<(FileAttr, u64)> {
        let spec = self.shared.options.spec;
        let made = self.answer(self.client.create_with(path.clone(), spec, mode)).await;
        let exists = |error: &Errno| i32::from(*error) == i32::from(Errno::EEXIST);
        let file: File = match made {
            Ok(file) => file,
            Err(error) if exists(&error) && flags & O_EXCL == 0 => {
                // Made by another client since the kernel looked it up.
                let info = self.stat(path).await?;
                let handle = self.open(inode(info.file), OpenFlags(flags)).await?;
                return Ok((self.attributes(info).await?, handle));
            }
            Err(error) => return Err(error),
        };
        let info = self.stat(Path::of(file.id())).await?;
        let attributes = self.attributes(info).await?;
        Ok((attributes, self.handles().open_file(file.id(), file)))
    }

    pub async fn set(
        &self,
        ino: INodeNo,
        handle: Option<FileHandle>,
        set: Set,
    ) -> Answer<FileAttr> {
        let Set { size, attributes } = set;
        if let Some(size) = size {
            if handle.is_none() {
                self.check(&self.stat(Path::of(id(ino))).await?, WRITE)?;
            }
            let open = self.file(ino, handle).await?;
            self.answer(open.file.truncate(size)).await?;
        }
        if size.is_some() || attributes.mtime.is_some() {
            self.handles().forget_written(id(ino), wall_clock_ns());
        }
        let info = match attributes == SetAttributes::default() && size.is_some() {
            true => self.stat(Path::of(id(ino))).await?,
            false => self.answer(self.client.set_attributes(Path::of(id(ino)), attributes)).await?,
        };
        self.attributes(info).await
    }

    pub async fn read(
        &self,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        length: u64,
    ) -> Answer<Bytes> {
        let open = self.file(ino, Some(handle)).await?;
        self.answer(open.file.read(offset, length)).await
    }

    pub async fn write_at(
        &self,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: Bytes,
    ) -> Answer<()> {
        let open = self.file(ino, Some(handle)).await?;
        self.write(&open, offset, data).await
    }

    async fn write(&self, open: &OpenFile, offset: u64, data: Bytes) -> Answer<()> {
        self.answer(open.file.write(offset, data)).await?;
        self.handles().note_written(open.id, wall_clock_ns());
        Ok(())
    }

    /// Writes zeros over a range.
    pub async fn zero(&self, open: &OpenFile, mut offset: u64, end: u64) -> Answer<()> {
        while offset < end {
            let length = (end - offset).min(ZEROS as u64);
            let zeros = Bytes::from(vec![0; usize::try_from(length).expect("it is small")]);
            self.write(open, offset, zeros).await?;
            offset += length;
        }
        Ok(())
    }

    pub async fn allocate(
        &self,
        ino: INodeNo,
        handle: FileHandle,
        (offset, length): (u64, u64),
        mode: i32,
    ) -> Answer<()> {
        let open = &*self.file(ino, Some(handle)).await?;
        let end = offset.checked_add(length).ok_or(Errno::EFBIG)?;
        let now = self.answer(open.file.len()).await?;
        let keep = mode & FALLOC_FL_KEEP_SIZE != 0;
        match mode & !FALLOC_FL_KEEP_SIZE {
            0 => {}
            FALLOC_FL_PUNCH_HOLE if keep => self.zero(open, offset, end.min(now)).await?,
            FALLOC_FL_ZERO_RANGE => self.zero(open, offset, end.min(now)).await?,
            _ => return Err(Errno::EOPNOTSUPP),
        }
        if !keep && end > now {
            self.answer(open.file.truncate(end)).await?;
        }
        Ok(())
    }

    /// The names of a directory, read anew at its beginning.
    pub async fn entries(&self, ino: INodeNo, handle: u64, from: u64) -> Answer<Entries> {
        if let Some(entries) = self.handles().entries(handle).filter(|_| from > 0) {
            return Ok(entries);
        }
        let names = self.answer(self.client.list(Path::of(id(ino)))).await?;
        let entries: Entries = names.into();
        self.handles().keep_entries(handle, entries.clone());
        Ok(entries)
    }
}

/// What a `setattr` sets.
pub struct Set {
    pub size: Option<u64>,
    pub attributes: SetAttributes,
}

impl Call {
    /// Makes what `mknod` asks for.
    pub async fn make(&self, path: Path, mode: u32, bits: u16, rdev: u32) -> Answer<FileAttr> {
        let special = match mode & S_IFMT {
            S_IFIFO => Special::Fifo,
            S_IFSOCK => Special::Socket,
            S_IFCHR => Special::CharDevice(rdev),
            S_IFBLK => Special::BlockDevice(rdev),
            S_IFREG | 0 => {
                let spec = self.shared.options.spec;
                let file = self.answer(self.client.create_with(path, spec, bits)).await?;
                return self.look_up(Path::of(file.id())).await;
            }
            _ => return Err(Errno::EINVAL),
        };
        let info = self.answer(self.client.make_special(path, special, bits)).await?;
        self.attributes(info).await
    }

    pub async fn rename(&self, from: Path, to: Path, flags: RenameFlags) -> Answer<()> {
        if flags == RenameFlags::RENAME_EXCHANGE {
            return self.answer(self.client.exchange(from, to)).await;
        }
        let no_replace = flags == RenameFlags::RENAME_NOREPLACE;
        if !no_replace && flags != RenameFlags::empty() {
            return Err(Errno::EINVAL);
        }
        self.answer(self.client.rename_if(from, to, None, no_replace)).await
    }

    /// May the caller do this? The superuser executes only what somebody may.
    pub async fn access(&self, ino: INodeNo, mask: AccessFlags) -> Answer<()> {
        let info = self.stat(Path::of(id(ino))).await?;
        let wanted = (mask.bits() & 7) as u16;
        self.check(&info, wanted)?;
        let runs = wanted & 1 != 0 && info.kind != FileKind::Directory;
        if runs && info.attributes.mode & 0o111 == 0 { Err(Errno::EACCES) } else { Ok(()) }
    }

    /// Every file is taken to be without holes but the one at its end.
    pub async fn seek(
        &self,
        ino: INodeNo,
        handle: FileHandle,
        offset: i64,
        whence: i32,
    ) -> Answer<i64> {
        let open = self.file(ino, Some(handle)).await?;
        let length = self.answer(open.file.len()).await?;
        let length = i64::try_from(length).map_err(|_| Errno::EOVERFLOW)?;
        match whence {
            _ if offset < 0 || offset >= length => Err(Errno::ENXIO),
            SEEK_DATA => Ok(offset),
            SEEK_HOLE => Ok(length),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Blocks in all and free, of files as they are made here, and inodes.
    pub async fn room(&self) -> Answer<(u64, u64, u64)> {
        let status = self.answer(self.client.status()).await?;
        let (mut capacity, mut free) = (0u64, 0u64);
        for server in status.servers.iter().filter(|server| server.alive) {
            capacity = capacity.saturating_add(server.capacity_bytes);
            free = free.saturating_add(server.free_bytes.min(server.capacity_bytes));
        }
        let replicas = u64::from(self.shared.options.spec.replicas).max(1);
        let blocks = |bytes: u64| bytes / replicas / u64::from(STATFS_BLOCK);
        Ok((blocks(capacity), blocks(free), status.files + status.directories))
    }

    /// Names from a place on, as many as the kernel takes.
    pub async fn fill_names(
        &self,
        ino: INodeNo,
        handle: u64,
        offset: u64,
        reply: &mut ReplyDirectory,
    ) -> Answer<()> {
        let entries = self.entries(ino, handle, offset).await?;
        for (place, dots) in (1..).zip([".", ".."]) {
            if place > offset && reply.add(ino, place, FileType::Directory, dots) {
                return Ok(());
            }
        }
        for (place, (name, info)) in (DOTS + 1..).zip(entries.iter()) {
            let name = OsStr::from_bytes(name.as_bytes());
            if place > offset && reply.add(inode(info.file), place, kind(info.kind), name) {
                break;
            }
        }
        Ok(())
    }

    /// As [`Call::fill_names`], with attributes.
    pub async fn fill_entries(
        &self,
        ino: INodeNo,
        handle: u64,
        offset: u64,
        reply: &mut ReplyDirectoryPlus,
    ) -> Answer<()> {
        let entries = self.entries(ino, handle, offset).await?;
        let itself = self.look_up(Path::of(id(ino))).await?;
        let (ttl, generation) = (self.shared.options.names_for, Generation(0));
        for (place, dots) in (1..).zip([".", ".."]) {
            if place > offset && reply.add(ino, place, dots, &ttl, &itself, generation) {
                return Ok(());
            }
        }
        let first = usize::try_from(offset.saturating_sub(DOTS)).unwrap_or(usize::MAX);
        let rest = entries.get(first..).unwrap_or_default();
        let mut place = DOTS + first as u64;
        for some in rest.chunks(LOOKED_UP_AT_A_TIME) {
            let found = self.all_attributes(some).await;
            for ((name, info), found) in some.iter().zip(found) {
                place += 1;
                let name = OsStr::from_bytes(name.as_bytes());
                let found = found.unwrap_or_else(|_| attributes(info, 0));
                if reply.add(inode(info.file), place, name, &ttl, &found, generation) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Attributes of some names of a directory, asked for all at once.
    async fn all_attributes(&self, some: &[(Name, FileInfo)]) -> Vec<Answer<FileAttr>> {
        let mut asking = tokio::task::JoinSet::new();
        for (place, (_, info)) in some.iter().enumerate() {
            let call = Call { client: self.client.clone(), shared: self.shared.clone() };
            let info = info.clone();
            asking.spawn(async move { (place, call.attributes(info).await) });
        }
        let mut all: Vec<Answer<FileAttr>> = some.iter().map(|_| Err(Errno::EIO)).collect();
        while let Some(ended) = asking.join_next().await {
            if let Ok((place, found)) = ended {
                all[place] = found;
            }
        }
        all
    }
}
