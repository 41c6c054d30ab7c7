//! A cluster as a file system of the kernel, by FUSE.
//!
//! The kernel asks one thing at a time per request; each request becomes a task over the client
//! library, and its answer is sent when the task ends, in any order. Nothing is cached here: what the
//! kernel may keep, and for how long, [`MountOptions`] says. By default it keeps no attribute and no
//! name, and drops a file's pages when the file is opened.
//!
//! - `options`: what `-o` says.
//! - `capabilities`: what is asked of the kernel at the beginning.
//! - `filesystem`: the kernel's requests, one function each.
//! - `call`: what a request asks of the cluster.
//! - `locks`: locks of files, `fcntl` and `flock`.
//! - `open`: files and directories that are open here, and times of writes not yet reported.
//! - `convert`, `replies`: attributes, identities, errors and answers in the kernel's words.

#![allow(
    clippy::disallowed_types,
    reason = "the kernel's times come as such; no clock is read here"
)]

mod call;
mod capabilities;
mod convert;
mod filesystem;
mod locks;
mod open;
mod options;
mod replies;

pub use options::{MountOptions, OptionError};

use filesystem::ClusterFs;
use fuser::{BackgroundSession, Config, MountOption, SessionACL};
use leasehold_client::Client;
use std::io;
use std::path::Path;
use tokio::runtime::Handle;

/// A mounted cluster. It stays mounted until [`Mounted::unmount`] or `umount`.
#[derive(Debug)]
pub struct Mounted(BackgroundSession);

impl Mounted {
    /// Was it unmounted from outside?
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.guard.is_finished()
    }

    /// Unmounts, and waits until the kernel has taken the last answer.
    ///
    /// # Errors
    /// Those of the kernel, such as that it is busy.
    pub fn unmount(self) -> io::Result<()> {
        self.0.umount_and_join()
    }

    /// Waits for the end of a mount that was unmounted from outside.
    ///
    /// # Errors
    /// Those of the kernel.
    pub fn join(self) -> io::Result<()> {
        self.0.join()
    }
}

/// Threads that take requests from the kernel. The work is done by tasks.
const THREADS: usize = 2;

/// Mounts a cluster. Must be called in a runtime, which runs the requests.
///
/// # Errors
/// Those of the kernel: no `/dev/fuse`, no such directory, not permitted.
pub fn mount(client: Client, at: &Path, options: &MountOptions) -> io::Result<Mounted> {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName(options.source.clone()),
        MountOption::Subtype("leasehold".to_owned()),
    ];
    if options.read_only {
        config.mount_options.push(MountOption::RO);
    }
    // What the kernel keeps of attributes and names, only it can check.
    if options.default_permissions || options.keeps() {
        config.mount_options.push(MountOption::DefaultPermissions);
    }
    config.mount_options.extend(options.passed.iter().cloned());
    config.acl = if options.allow_other { SessionACL::All } else { SessionACL::Owner };
    config.n_threads = Some(THREADS);
    config.clone_fd = true;
    let filesystem = ClusterFs::new(client, options.clone(), Handle::current());
    let shared = filesystem.shared();
    let session = fuser::spawn_mount(filesystem, at, &config)?;
    shared.notifier.get_or_init(|| session.notifier());
    Ok(Mounted(session))
}
