//! The kernel's requests: one function each, which starts a task and lets it answer.

use crate::call::{Call, Set, Shared};
use crate::capabilities;
use crate::convert::{attributes, condition, id, identity, path, set_time};
use crate::locks::Wanted;
use crate::open::Handles;
use crate::options::MountOptions;
use crate::replies::{attr, bytes, done, entry, found, locked, opened, room, sized, written};
use bytes::Bytes;
use fuser::{
    AccessFlags, BsdFileFlags, Errno, FileHandle, Filesystem, FopenFlags, Generation, INodeNo,
    KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyLock, ReplyLseek, ReplyOpen,
    ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use leasehold_client::{Client, Name, Path, SetAttributes, Special};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;
use tokio::runtime::Handle;

/// Read by the kernel before every write.
const CAPABILITY: &str = "security.capability";

/// A mounted cluster, as fuser calls it.
pub struct ClusterFs {
    shared: Arc<Shared>,
    runtime: Handle,
}

impl ClusterFs {
    pub fn new(client: Client, options: MountOptions, runtime: Handle) -> Self {
        let (handles, notifier) = (Handles::default(), OnceLock::new());
        ClusterFs { shared: Arc::new(Shared { client, options, handles, notifier }), runtime }
    }

    /// What tasks use.
    pub fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// Runs a request of somebody in a task of its own.
    fn run<F>(&self, request: &Request, umask: u32, task: impl FnOnce(Call) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let identity = identity(request, umask);
        let client = self.shared.client.as_caller(identity);
        self.runtime.spawn(task(Call { client, shared: self.shared.clone() }));
    }
}

impl Filesystem for ClusterFs {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        capabilities::ask(config, self.shared.options.local_locks);
        Ok(())
    }

    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let path = path(parent, name);
        self.run(request, 0, |call| async move {
            entry(&call, call.look_up(path).await, reply);
        });
    }

    fn getattr(&self, request: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        self.run(request, 0, |call| async move {
            attr(&call, call.look_up(Path::of(id(ino))).await, reply);
        });
    }

    fn setattr(
        &self,
        request: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _: Option<SystemTime>,
        handle: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mode = mode.map(|mode| (mode & 0o7777) as u16);
        let (atime, mtime) = (atime.map(set_time), mtime.map(set_time));
        let set = Set { size, attributes: SetAttributes { mode, uid, gid, atime, mtime } };
        self.run(request, 0, |call| async move {
            attr(&call, call.set(ino, handle, set).await, reply);
        });
    }

    fn readlink(&self, request: &Request, ino: INodeNo, reply: ReplyData) {
        self.run(request, 0, |call| async move {
            bytes(call.answer(call.client.read_link(Path::of(id(ino)))).await, reply);
        });
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        rdev: u32,
        reply: ReplyEntry,
    ) {
        let path = path(parent, name);
        let bits = (mode & 0o7777 & !umask) as u16;
        self.run(request, umask, |call| async move {
            entry(&call, call.make(path, mode, bits, rdev).await, reply);
        });
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let path = path(parent, name);
        let bits = (mode & 0o7777 & !umask) as u16;
        self.run(request, umask, |call| async move {
            let made = call.answer(call.client.mkdir_with(path, bits)).await;
            entry(&call, made.map(|info| attributes(&info, 0)), reply);
        });
    }

    fn unlink(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let path = path(parent, name);
        self.run(request, 0, |call| async move {
            done(call.answer(call.client.delete(path)).await, reply);
        });
    }

    fn rmdir(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.unlink(request, parent, name, reply);
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &std::path::Path,
        reply: ReplyEntry,
    ) {
        let path = path(parent, name);
        let what = Special::Symlink(target.as_os_str().as_bytes().into());
        self.run(request, 0, |call| async move {
            let made = call.answer(call.client.make_special(path, what, 0o777)).await;
            let found = made.map(|info| attributes(&info, info.length_reported.unwrap_or(0)));
            entry(&call, found, reply);
        });
    }

    fn rename(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        to_parent: INodeNo,
        to_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let (from, to) = (path(parent, name), path(to_parent, to_name));
        self.run(request, 0, |call| async move {
            done(call.rename(from, to, flags).await, reply);
        });
    }

    fn link(
        &self,
        request: &Request,
        ino: INodeNo,
        parent: INodeNo,
        name: &OsStr,
        reply: ReplyEntry,
    ) {
        let path = path(parent, name);
        self.run(request, 0, |call| async move {
            let linked = async {
                let info = call.answer(call.client.link(Path::of(id(ino)), path)).await?;
                call.attributes(info).await
            };
            entry(&call, linked.await, reply);
        });
    }

    fn open(&self, request: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        self.run(request, 0, |call| async move {
            opened(call.open(ino, flags).await, call.flags(), reply);
        });
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let path = path(parent, name);
        let bits = (mode & 0o7777 & !umask) as u16;
        self.run(request, umask, |call| async move {
            match call.create(path, bits, flags).await {
                Ok((found, handle)) => {
                    let (ttl, flags) = (call.shared.options.names_for, call.flags());
                    reply.created(&ttl, &found, Generation(0), FileHandle(handle), flags);
                }
                Err(error) => reply.error(error),
            }
        });
    }

    fn read(
        &self,
        request: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.run(request, 0, |call| async move {
            bytes(call.read(ino, handle, offset, u64::from(size)).await, reply);
        });
    }

    fn write(
        &self,
        request: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let data = Bytes::copy_from_slice(data);
        self.run(request, 0, |call| async move {
            let length = u32::try_from(data.len()).expect("a write is short");
            written(call.write_at(ino, handle, offset, data).await, length, reply);
        });
    }

    fn flush(
        &self,
        request: &Request,
        ino: INodeNo,
        handle: FileHandle,
        owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        self.run(request, 0, |call| async move {
            let reported = call.report_written(ino).await;
            done(call.unlock_all(ino, handle, owner).await.and(reported), reply);
        });
    }

    fn release(
        &self,
        request: &Request,
        ino: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        owner: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.run(request, 0, |call| async move {
            let mut ended = call.report_written(ino).await;
            if let Some(owner) = owner {
                ended = call.unlock_all(ino, handle, owner).await.and(ended);
            }
            ended = call.unlock_through(ino, handle).await.and(ended);
            call.handles().close(handle.0);
            done(ended, reply);
        });
    }

    fn fsync(&self, request: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        // What was written is on every replica, under the file's policy.
        self.run(request, 0, |call| async move { done(call.report_written(ino).await, reply) });
    }

    fn opendir(&self, request: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.run(request, 0, |call| async move {
            opened(call.open_directory(ino).await, FopenFlags::empty(), reply);
        });
    }

    fn readdir(
        &self,
        request: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        self.run(request, 0, |call| async move {
            match call.fill_names(ino, handle.0, offset, &mut reply).await {
                Ok(()) => reply.ok(),
                Err(error) => reply.error(error),
            }
        });
    }

    fn readdirplus(
        &self,
        request: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        self.run(request, 0, |call| async move {
            match call.fill_entries(ino, handle.0, offset, &mut reply).await {
                Ok(()) => reply.ok(),
                Err(error) => reply.error(error),
            }
        });
    }

    fn releasedir(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.shared.handles.close(handle.0);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        // A change of a name is acknowledged when it is in the log of a majority.
        reply.ok();
    }

    fn statfs(&self, request: &Request, _: INodeNo, reply: ReplyStatfs) {
        self.run(request, 0, |call| async move {
            room(call.room().await, reply);
        });
    }

    fn setxattr(
        &self,
        request: &Request,
        ino: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _: u32,
        reply: ReplyEmpty,
    ) {
        let name = Name::from(name.as_bytes());
        let value = value.to_vec();
        let Some(condition) = condition(flags) else { return reply.error(Errno::EINVAL) };
        if name == CAPABILITY {
            return reply.error(Errno::EOPNOTSUPP);
        }
        self.run(request, 0, |call| async move {
            let set = call.client.set_xattr(Path::of(id(ino)), name, &value, condition);
            done(call.answer(set).await, reply);
        });
    }

    fn getxattr(
        &self,
        request: &Request,
        ino: INodeNo,
        name: &OsStr,
        size: u32,
        reply: ReplyXattr,
    ) {
        let name = Name::from(name.as_bytes());
        // Nothing here has one, since none can be set.
        if name == CAPABILITY {
            return reply.error(Errno::ENODATA);
        }
        self.run(request, 0, |call| async move {
            let value = call.answer(call.client.xattr(Path::of(id(ino)), name)).await;
            sized(value.map(Vec::from), size, reply);
        });
    }

    fn listxattr(&self, request: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        self.run(request, 0, |call| async move {
            let names = call.answer(call.client.xattrs(Path::of(id(ino)))).await;
            let joined = names.map(|names| {
                names.iter().flat_map(|name| [name.as_bytes(), b"\0"].concat()).collect()
            });
            sized(joined, size, reply);
        });
    }

    fn removexattr(&self, request: &Request, ino: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = Name::from(name.as_bytes());
        self.run(request, 0, |call| async move {
            done(call.answer(call.client.remove_xattr(Path::of(id(ino)), name)).await, reply);
        });
    }

    fn access(&self, request: &Request, ino: INodeNo, mask: AccessFlags, reply: ReplyEmpty) {
        self.run(request, 0, |call| async move {
            done(call.access(ino, mask).await, reply);
        });
    }

    fn fallocate(
        &self,
        request: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        self.run(request, 0, |call| async move {
            done(call.allocate(ino, handle, (offset, length), mode).await, reply);
        });
    }

    fn getlk(
        &self,
        request: &Request,
        ino: INodeNo,
        handle: FileHandle,
        owner: LockOwner,
        start: u64,
        end: u64,
        kind: i32,
        process: u32,
        reply: ReplyLock,
    ) {
        let wanted = Wanted::new(request, owner, (start, end), (kind, process));
        self.run(request, 0, |call| async move {
            let Ok(wanted) = wanted else { return reply.error(Errno::EINVAL) };
            locked(call.find_lock(ino, handle, wanted).await, reply);
        });
    }

    fn setlk(
        &self,
        request: &Request,
        ino: INodeNo,
        handle: FileHandle,
        owner: LockOwner,
        start: u64,
        end: u64,
        kind: i32,
        process: u32,
        sleep: bool,
        reply: ReplyEmpty,
    ) {
        let wanted = Wanted::new(request, owner, (start, end), (kind, process));
        self.run(request, 0, |call| async move {
            let Ok(wanted) = wanted else { return reply.error(Errno::EINVAL) };
            done(call.set_lock(ino, handle, wanted, sleep).await, reply);
        });
    }

    fn lseek(
        &self,
        request: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        self.run(request, 0, |call| async move {
            found(call.seek(ino, handle, offset, whence).await, reply);
        });
    }
}
