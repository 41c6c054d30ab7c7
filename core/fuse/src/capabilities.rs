//! What is asked of the kernel when the file system begins.

use fuser::{InitFlags, KernelConfig};
use std::time::Duration;

/// Bytes of one write at the most.
const WRITE_BYTES_MAX: u32 = 1 << 20;

/// What is asked of the kernel.
const WANTED: [InitFlags; 10] = [
    InitFlags::FUSE_DONT_MASK,
    InitFlags::FUSE_BIG_WRITES,
    InitFlags::FUSE_ASYNC_READ,
    InitFlags::FUSE_ASYNC_DIO,
    InitFlags::FUSE_PARALLEL_DIROPS,
    InitFlags::FUSE_DO_READDIRPLUS,
    InitFlags::FUSE_READDIRPLUS_AUTO,
    InitFlags::FUSE_MAX_PAGES,
    InitFlags::FUSE_AUTO_INVAL_DATA,
    InitFlags::FUSE_DIRECT_IO_ALLOW_MMAP,
];

/// That it hands on locks.
const LOCKS: [InitFlags; 2] = [InitFlags::FUSE_POSIX_LOCKS, InitFlags::FUSE_FLOCK_LOCKS];

/// Asks the kernel for all of it. What an older kernel cannot do, it does without.
pub fn ask(config: &mut KernelConfig, local_locks: bool) {
    let locks = if local_locks { &[][..] } else { &LOCKS };
    for flag in WANTED.iter().chain(locks) {
        let _ = config.add_capabilities(*flag);
    }
    let _ = config.set_max_write(WRITE_BYTES_MAX);
    let _ = config.set_time_granularity(Duration::from_nanos(1));
}
